//! Questions to people: asked, answered and used by one conditional statement each, so that of many at once one wins.
//!
//! An answer is a change of its organisation, with a copy for the journal; asking, using and giving back are not. A yes
//! counts once the journal has it: as long as its copy waits in the outbox, the question is still open.

mod change;
mod row;

use crate::connect::Backend;
use crate::error::StoreError;
use crate::events::Event;
use crate::reads::Reads;
use crate::store::{Store, in_time};
use crate::table::{Statement, Table, Values};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

pub use row::{ApprovalRow, ApprovalState};

/// A question that stands, or an answer that is good.
#[derive(Clone, PartialEq, Eq)]
pub struct LiveApproval {
    /// The question.
    pub row: ApprovalRow,
    /// Whether the journal has its answer.
    pub recorded: bool,
}

/// What became of asking.
#[derive(Clone, PartialEq, Eq)]
pub enum Asking {
    /// Somebody is asked now.
    Asked,
    /// Somebody was asked, or has answered.
    There(Vec<LiveApproval>),
    /// The same question is over, and nobody has said so yet: [`Change::expire_approvals`](crate::Change::expire_approvals), then ask again.
    Over,
    /// The grant has as many questions open as it may.
    TooMany,
}

/// An answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answering {
    /// The question.
    pub id: String,
    /// Yes or no.
    pub yes: bool,
    /// Who answers, as change records name it.
    pub by: String,
    /// What is said about it.
    pub reason: String,
    /// When: milliseconds since the Unix epoch.
    pub at: i64,
    /// When it is over.
    pub expires: i64,
    /// For a yes that stays: the arguments that have to be equal.
    pub remembered: Option<Vec<String>>,
}

/// Which questions to list: newest first.
#[derive(Clone, Debug, Default)]
pub struct ApprovalSearch {
    /// Only those that stand so.
    pub state: Option<ApprovalState>,
    /// Only those of these servers; of all for `None`.
    pub servers: Option<Vec<String>>,
    /// Only those after this one: when it was asked, and its identity.
    pub after: Option<(i64, String)>,
    /// How many at most.
    pub limit: u32,
}

/// A question that nobody has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingApproval {
    /// The question.
    pub id: String,
    /// The identity of its server.
    pub server: String,
}

/// How a question stands, for who waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalNow {
    /// The question.
    pub id: String,
    /// How it stands; pending as long as the journal does not have the answer.
    pub state: ApprovalState,
    /// What was said about it.
    pub reason: String,
}

/// Whether the journal has what the row's generation changed.
const RECORDED: &str = "NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.organisation = approvals.organisation \
    AND outbox.generation = approvals.changed)";

/// Arguments don't outlive their question.
const WIPED: &str = "sealed = coalesce(substr(sealed, 1, 0), sealed), key_version = 0";

/// How many questions one statement is about.
const AT_ONCE: usize = 500;

/// How many are read at once with their arguments.
const SEALED_AT_ONCE: usize = 32;

impl Store {
    /// What stands for a call: by its exact binding, and remembered answers to calls alike.
    pub async fn live_approvals(
        &self,
        organisation: &str,
        (binding, alike): (&str, &str),
        now: i64,
    ) -> Result<Vec<LiveApproval>, StoreError> {
        let key = (organisation, binding, alike);
        in_time(async { live(&mut *self.inner.pool.acquire().await?, key, now).await }).await
    }

    /// Asks, and tells of it, unless somebody was asked the same. At most `most` questions of a grant stand at once.
    pub async fn ask(&self, row: &ApprovalRow, event: &Event, most: i64) -> Result<Asking, StoreError> {
        let organisation = event.organisation.as_str();
        let now = row.asked_at;
        self.written(async |write| {
            let connection = &mut *write.transaction;
            if self.inner.backend == Backend::Postgres {
                // One after the other: who counts the grant's questions has to see them all.
                let lock = sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 4831922))");
                lock.bind(format!("{organisation}/{}", row.grant)).execute(&mut *connection).await?;
            }
            let there = live(connection, (organisation, &row.binding, ""), now).await?;
            if !there.is_empty() {
                let again = "UPDATE approvals SET asks = asks + 1 \
                             WHERE organisation = $1 AND binding = $2 AND state = 'pending'";
                sqlx::query(again).bind(organisation).bind(&row.binding).execute(&mut *connection).await?;
                return Ok(Asking::There(there));
            }
            let over = "SELECT count(*) FROM approvals WHERE organisation = $1 AND binding = $2 AND state = 'pending'";
            if count(connection, sqlx::query(over).bind(organisation).bind(&row.binding)).await? > 0 {
                return Ok(Asking::Over);
            }
            let open = "SELECT count(*) FROM approvals \
                        WHERE organisation = $1 AND grant_id = $2 AND state = 'pending' AND expires > $3";
            let open = sqlx::query(open).bind(organisation).bind(&row.grant).bind(now);
            if count(connection, open).await? >= most {
                return Ok(Asking::TooMany);
            }
            insert(connection, organisation, row).await?;
            write.announce(event).await?;
            Ok(Asking::Asked)
        })
        .await
    }

    /// Uses a yes up; of many at once, one does. `false` where it is not there, over, used or not recorded.
    pub async fn use_approval(
        &self,
        organisation: &str,
        (id, binding): (&str, &str),
        decision: &str,
        now: i64,
    ) -> Result<bool, StoreError> {
        let sql = format!(
            "UPDATE approvals SET state = 'used', used_by = $4, used_at = $5 WHERE organisation = $1 AND id = $2 \
             AND binding = $3 AND state = 'approved' AND remembered IS NULL AND expires > $5 AND {RECORDED}"
        );
        let statement = sqlx::query(AssertSqlSafe(sql)).bind(organisation).bind(id).bind(binding);
        Ok(self.changed(statement.bind(decision).bind(now)).await? > 0)
    }

    /// Makes a yes good again that this decision used up; `false` where it did not, or where the yes is over.
    pub async fn unuse_approval(&self, id: &str, decision: &str, now: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE approvals SET state = 'approved', used_by = NULL, used_at = NULL \
                   WHERE id = $1 AND used_by = $2 AND state = 'used' AND expires > $3";
        Ok(self.changed(sqlx::query(sql).bind(id).bind(decision).bind(now)).await? > 0)
    }

    /// A question, and its organisation.
    pub async fn approval(&self, id: &str) -> Result<Option<(String, ApprovalRow)>, StoreError> {
        let sql = format!("SELECT organisation, {} FROM approvals WHERE id = $1", columns());
        let row =
            in_time(async { Ok(sqlx::query(AssertSqlSafe(sql)).bind(id).fetch_optional(&self.inner.pool).await?) });
        row.await?.map(|row| owned(&row)).transpose()
    }

    /// How these questions stand; those that are not there are left out.
    pub async fn approvals_now(&self, ids: &[String]) -> Result<Vec<ApprovalNow>, StoreError> {
        let mut found = Vec::new();
        for some in ids.chunks(AT_ONCE) {
            let places: Vec<String> = (1..=some.len()).map(|place| format!("${place}")).collect();
            let sql = format!(
                "SELECT id, CASE WHEN {RECORDED} THEN state ELSE 'pending' END, reason FROM approvals WHERE id IN ({})",
                places.join(", ")
            );
            let mut statement = sqlx::query(AssertSqlSafe(sql)).persistent(false);
            for id in some {
                statement = statement.bind(id.as_str());
            }
            let rows = in_time(async { Ok(statement.fetch_all(&self.inner.pool).await?) }).await?;
            for row in &rows {
                let mut values = Values::new(row, ApprovalRow::TABLE);
                let (id, state, reason): (String, String, String) = (values.next()?, values.next()?, values.next()?);
                let state = ApprovalState::parse(&state).ok_or_else(|| values.broken("holds an unknown word"))?;
                found.push(ApprovalNow { id, state, reason });
            }
        }
        Ok(found)
    }

    /// The versions of the keys that questions which nobody has answered are sealed with, of all organisations.
    pub async fn approval_keys(&self) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT DISTINCT key_version FROM approvals WHERE state = 'pending'";
        let rows = in_time(async { Ok(sqlx::query(sql).fetch_all(&self.inner.pool).await?) }).await?;
        rows.iter().map(|row| Values::new(row, ApprovalRow::TABLE).next()).collect()
    }

    /// When the next question or yes is over.
    pub async fn next_approval_end(&self) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT MIN(expires) FROM approvals WHERE state IN ('pending', 'approved')";
        let row = in_time(async { Ok(sqlx::query(sql).fetch_one(&self.inner.pool).await?) }).await?;
        Values::new(&row, ApprovalRow::TABLE).next()
    }

    /// The organisations with questions that are over and not marked so.
    pub async fn organisations_with_ended_approvals(&self, now: i64) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT DISTINCT organisation FROM approvals WHERE state = 'pending' AND expires <= $1";
        let rows = in_time(async { Ok(sqlx::query(sql).bind(now).fetch_all(&self.inner.pool).await?) }).await?;
        rows.iter().map(|row| Values::new(row, ApprovalRow::TABLE).next()).collect()
    }

    /// Marks the yeses that nobody used in time.
    pub async fn lapse_approvals(&self, now: i64) -> Result<(), StoreError> {
        let lapsed =
            "UPDATE approvals SET state = 'expired', digests = '{}' WHERE state = 'approved' AND expires <= $1";
        self.changed(sqlx::query(lapsed).bind(now)).await.map(drop)
    }

    /// Forgets what ended before `old`.
    pub async fn forget_approvals(&self, old: i64) -> Result<(), StoreError> {
        let ended = "DELETE FROM approvals WHERE state NOT IN ('pending', 'approved') AND expires < $1";
        self.changed(sqlx::query(ended).bind(old)).await.map(drop)
    }

    async fn changed(&self, statement: Statement<'_>) -> Result<u64, StoreError> {
        self.written(async |write| Ok(statement.execute(&mut *write.transaction).await?.rows_affected())).await
    }
}

impl Reads<'_> {
    /// One question.
    pub async fn approval(&self, id: &str) -> Result<Option<ApprovalRow>, StoreError> {
        let sql = format!("SELECT {} FROM approvals WHERE organisation = $1 AND id = $2", columns());
        let statement = sqlx::query(AssertSqlSafe(sql)).bind(self.organisation()).bind(id);
        let row = in_time(async { Ok(statement.fetch_optional(&mut *self.connection().await?).await?) }).await?;
        row.map(|row| ApprovalRow::read(&mut Values::new(&row, ApprovalRow::TABLE))).transpose()
    }

    /// The questions that nobody has answered, and their servers, in no order.
    pub async fn pending_approvals(&self) -> Result<Vec<PendingApproval>, StoreError> {
        let sql = "SELECT id, server FROM approvals WHERE organisation = $1 AND state = 'pending'";
        let statement = sqlx::query(sql).bind(self.organisation());
        let rows = in_time(async { Ok(statement.fetch_all(&mut *self.connection().await?).await?) }).await?;
        let read = |row| {
            let mut values = Values::new(row, ApprovalRow::TABLE);
            Ok(PendingApproval { id: values.next()?, server: values.next()? })
        };
        rows.iter().map(read).collect()
    }

    /// Questions, newest first, without what is sealed of them.
    pub async fn approvals(&self, search: &ApprovalSearch) -> Result<Vec<ApprovalRow>, StoreError> {
        let columns = columns().replace("sealed", "coalesce(substr(sealed, 1, 0), sealed) AS sealed");
        let mut sql = format!("SELECT {columns} FROM approvals WHERE organisation = $1");
        let mut next = 3;
        let mut place = || {
            next += 1;
            format!("${}", next - 1)
        };
        if search.state.is_some() {
            sql.push_str(&format!(" AND state = {}", place()));
        }
        if let Some(servers) = &search.servers {
            let places: Vec<String> = servers.iter().map(|_| place()).collect();
            if places.is_empty() {
                return Ok(Vec::new());
            }
            sql.push_str(&format!(" AND server IN ({})", places.join(", ")));
        }
        if search.after.is_some() {
            let (at, id) = (place(), place());
            sql.push_str(&format!(" AND (asked_at < {at} OR (asked_at = {at} AND id < {id}))"));
        }
        sql.push_str(" ORDER BY asked_at DESC, id DESC LIMIT $2");
        let mut statement = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        statement = statement.bind(self.organisation()).bind(i64::from(search.limit));
        if let Some(state) = search.state {
            statement = statement.bind(state.as_str());
        }
        for server in search.servers.iter().flatten() {
            statement = statement.bind(server.as_str());
        }
        if let Some((at, id)) = &search.after {
            statement = statement.bind(*at).bind(id.as_str());
        }
        let rows = in_time(async { Ok(statement.fetch_all(&mut *self.connection().await?).await?) }).await?;
        rows.iter().map(|row| ApprovalRow::read(&mut Values::new(row, ApprovalRow::TABLE))).collect()
    }
}

/// What stands for a call; an empty `alike` is nothing's.
async fn live(
    connection: &mut AnyConnection,
    (organisation, binding, alike): (&str, &str, &str),
    now: i64,
) -> Result<Vec<LiveApproval>, StoreError> {
    let sql = format!(
        "SELECT CASE WHEN {RECORDED} THEN 1 ELSE 0 END, {} FROM approvals WHERE organisation = $1 AND expires > $4 \
         AND ((binding = $2 AND state IN ('pending', 'approved', 'refused')) \
         OR (alike = $3 AND state = 'approved' AND remembered IS NOT NULL)) ORDER BY asked_at DESC, id LIMIT 100",
        columns()
    );
    let statement = sqlx::query(AssertSqlSafe(sql)).bind(organisation).bind(binding).bind(alike).bind(now);
    let rows = statement.fetch_all(connection).await?;
    let read = |row| {
        let mut values = Values::new(row, ApprovalRow::TABLE);
        let recorded = values.next::<i64>()? != 0;
        Ok(LiveApproval { row: ApprovalRow::read(&mut values)?, recorded })
    };
    rows.iter().map(read).collect()
}

async fn insert(connection: &mut AnyConnection, organisation: &str, row: &ApprovalRow) -> Result<(), StoreError> {
    let places: Vec<String> = (2..ApprovalRow::COLUMNS.len() + 2).map(|place| format!("${place}")).collect();
    let sql = format!("INSERT INTO approvals (organisation, {}) VALUES ($1, {})", columns(), places.join(", "));
    let statement = row.bind(sqlx::query(AssertSqlSafe(sql)).bind(organisation));
    statement.execute(connection).await?;
    Ok(())
}

async fn count(connection: &mut AnyConnection, statement: Statement<'_>) -> Result<i64, StoreError> {
    Values::new(&statement.fetch_one(connection).await?, ApprovalRow::TABLE).next()
}

fn owned(row: &AnyRow) -> Result<(String, ApprovalRow), StoreError> {
    let mut values = Values::new(row, ApprovalRow::TABLE);
    Ok((values.next()?, ApprovalRow::read(&mut values)?))
}

fn columns() -> String {
    ApprovalRow::COLUMNS.join(", ")
}
