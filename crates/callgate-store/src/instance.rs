//! What belongs to no change: credentials that are used, the outbox, values of the instance, remembered answers.

use crate::change::Change;
use crate::error::StoreError;
use crate::records::Credential;
use crate::store::{OutboxRow, Store, Stored, in_time};
use crate::table::{Statement, Table, Values};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

/// How long an answer is remembered, in milliseconds: 24 hours.
const REMEMBERED: i64 = 24 * 60 * 60 * 1000;

/// How many rows one statement is about: well under both databases' limits of values.
const AT_ONCE: usize = 500;

/// What became of claiming an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is the caller's.
    Taken,
    /// It was claimed before.
    There {
        /// The digest of the request that claimed it.
        digest: String,
        /// The answer to that request; `None` where none is remembered (yet): it is being worked on, or whoever worked on
        /// it ended.
        answer: Option<Vec<u8>>,
    },
}

impl Store {
    /// The credential with this hash, and its organisation; whether it has expired, and whether its member may sign in,
    /// is for the caller to see.
    pub async fn credential(&self, hash: &str) -> Result<Option<(String, Stored<Credential>)>, StoreError> {
        let sql = format!(
            "SELECT organisation, changed, removed, {} FROM credentials WHERE hash = $1 AND removed IS NULL",
            Credential::COLUMNS.join(", ")
        );
        let row = self.found(sqlx::query(AssertSqlSafe(sql)).bind(hash)).await?;
        row.map(|row| credential(&row)).transpose()
    }

    /// Notes that a credential was used, without a change.
    pub async fn credential_used(&self, hash: &str, at: i64) -> Result<(), StoreError> {
        let sql = "UPDATE credentials SET used = $2 \
                   WHERE hash = $1 AND removed IS NULL AND (used IS NULL OR used < $2)";
        self.done(sqlx::query(sql).bind(hash).bind(at)).await.map(drop)
    }

    /// What waits to be in the journal: of each organisation the oldest first. A process that ends between the journal
    /// and [`Store::outbox_done`] leaves rows that are in the journal already.
    pub async fn outbox(&self) -> Result<Vec<OutboxRow>, StoreError> {
        let sql = "SELECT organisation, generation, position, body FROM outbox \
                   ORDER BY organisation, generation, position";
        let rows = self.all(sqlx::query(sql)).await?;
        let read = |row| {
            let mut values = Values::new(row, "outbox");
            let (organisation, generation) = (values.next()?, values.next()?);
            Ok(OutboxRow { organisation, generation, position: values.next()?, body: values.next()? })
        };
        rows.iter().map(read).collect()
    }

    /// Forgets what is in the journal now.
    pub async fn outbox_done(&self, rows: &[OutboxRow]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.written(async |write| {
            for row in rows {
                let sql = "DELETE FROM outbox WHERE organisation = $1 AND generation = $2 AND position = $3";
                let statement = sqlx::query(sql).bind(&row.organisation).bind(row.generation).bind(row.position);
                statement.execute(&mut *write.transaction).await?;
            }
            Ok(())
        })
        .await
    }

    /// A value of the instance (sealed keys and the like).
    pub async fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.found(sqlx::query("SELECT value FROM meta WHERE name = $1").bind(name)).await?;
        row.map(|row| Values::new(&row, "meta").next()).transpose()
    }

    /// Keeps a value of the instance.
    pub async fn put_meta(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT INTO meta (name, value) VALUES ($1, $2) \
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.done(sqlx::query(sql).bind(name).bind(value.to_vec())).await.map(drop)
    }

    /// Keeps a value of the instance where the one before still stands (`None`: where there is none); of many at once,
    /// one does. `false` where it does not stand any more.
    pub async fn replace_meta(&self, name: &str, before: Option<&[u8]>, value: &[u8]) -> Result<bool, StoreError> {
        let sql = match before {
            Some(_) => "UPDATE meta SET value = $2 WHERE name = $1 AND value = $3",
            None => "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        };
        let statement = sqlx::query(sql).bind(name).bind(value.to_vec());
        let statement = match before {
            Some(before) => statement.bind(before.to_vec()),
            None => statement,
        };
        Ok(self.done(statement).await? > 0)
    }

    /// Claims an idempotency key for a request, before anything is done for it: of many, in whichever process, one has
    /// it. Else what is there.
    pub async fn claim(&self, key: &str, digest: &str, at: i64) -> Result<Claim, StoreError> {
        // One that is too old but not purged yet counts as forgotten.
        let sql = "INSERT INTO idempotency (key, digest, answer, at) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (key) DO UPDATE SET digest = excluded.digest, answer = excluded.answer, \
                   at = excluded.at WHERE idempotency.at <= excluded.at - $5";
        loop {
            let statement = sqlx::query(sql).bind(key).bind(digest).bind(Vec::new()).bind(at).bind(REMEMBERED);
            if self.done(statement).await? > 0 {
                return Ok(Claim::Taken);
            }
            let statement = sqlx::query("SELECT digest, answer FROM idempotency WHERE key = $1").bind(key);
            // Somebody may have given it back in between.
            let Some(row) = self.found(statement).await? else { continue };
            let mut values = Values::new(&row, "idempotency");
            let (digest, answer): (String, Vec<u8>) = (values.next()?, values.next()?);
            let answer = Some(answer).filter(|answer| !answer.is_empty());
            return Ok(Claim::There { digest, answer });
        }
    }

    /// Remembers the answer to the request that a key was claimed for.
    pub async fn remember(&self, key: &str, digest: &str, answer: &[u8]) -> Result<(), StoreError> {
        let sql = "UPDATE idempotency SET answer = $3 WHERE key = $1 AND digest = $2 AND length(answer) = 0";
        self.done(sqlx::query(sql).bind(key).bind(digest).bind(answer.to_vec())).await.map(drop)
    }

    /// Gives a claimed key back: nothing was done for it.
    pub async fn unclaim(&self, key: &str, digest: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM idempotency WHERE key = $1 AND digest = $2 AND length(answer) = 0";
        self.done(sqlx::query(sql).bind(key).bind(digest)).await.map(drop)
    }

    /// Forgets credentials that ended before `at`, answers that were remembered 24 hours before it, and credentials
    /// that were removed as long ago.
    pub async fn purge(&self, at: i64) -> Result<(), StoreError> {
        let old = at.saturating_sub(REMEMBERED);
        self.done(sqlx::query("DELETE FROM idempotency WHERE at <= $1").bind(old)).await?;
        let credentials = sqlx::query("DELETE FROM credentials WHERE expires < $1 OR removed < $2").bind(at).bind(old);
        self.done(credentials).await.map(drop)
    }

    /// When grants were last used, by their identities: the later time stays. Grants that are not there are left out.
    pub async fn grants_used(&self, used: &[(String, i64)]) -> Result<(), StoreError> {
        if used.is_empty() {
            return Ok(());
        }
        // One row per grant, as the statement needs it; in one order, so that two processes don't lock each other out.
        let mut latest = std::collections::BTreeMap::new();
        for (grant, at) in used {
            let last: &mut i64 = latest.entry(grant.as_str()).or_insert(*at);
            *last = (*last).max(*at);
        }
        let latest: Vec<(&str, i64)> = latest.into_iter().collect();
        for some in latest.chunks(AT_ONCE) {
            let values: Vec<String> = (1..=some.len()).map(|row| format!("(${}, ${})", 2 * row - 1, 2 * row)).collect();
            let sql = format!(
                "WITH used (grant_id, used) AS (VALUES {}) INSERT INTO grant_use (grant_id, used) \
                 SELECT used.grant_id, used.used FROM used JOIN grants ON grants.id = used.grant_id \
                 WHERE true ORDER BY used.grant_id \
                 ON CONFLICT (grant_id) DO UPDATE SET used = excluded.used WHERE grant_use.used < excluded.used",
                values.join(", ")
            );
            let mut statement = sqlx::query(AssertSqlSafe(sql)).persistent(false);
            for (grant, at) in some {
                statement = statement.bind(*grant).bind(*at);
            }
            self.done(statement).await?;
        }
        Ok(())
    }

    /// When these grants were last used; those that never were are left out.
    pub async fn last_used(&self, grants: &[String]) -> Result<Vec<(String, i64)>, StoreError> {
        let mut found = Vec::new();
        for some in grants.chunks(AT_ONCE) {
            let values: Vec<String> = (1..=some.len()).map(|place| format!("${place}")).collect();
            let sql = format!(
                "SELECT grant_id, used FROM grant_use WHERE grant_id IN ({}) ORDER BY grant_id",
                values.join(", ")
            );
            let mut statement = sqlx::query(AssertSqlSafe(sql)).persistent(false);
            for grant in some {
                statement = statement.bind(grant.as_str());
            }
            for row in self.all(statement).await? {
                let mut values = Values::new(&row, "grant_use");
                found.push((values.next()?, values.next()?));
            }
        }
        Ok(found)
    }

    async fn found(&self, statement: Statement<'_>) -> Result<Option<AnyRow>, StoreError> {
        in_time(async { Ok(statement.fetch_optional(&self.inner.pool).await?) }).await
    }

    async fn all(&self, statement: Statement<'_>) -> Result<Vec<AnyRow>, StoreError> {
        in_time(async { Ok(statement.fetch_all(&self.inner.pool).await?) }).await
    }

    /// Writes, in a transaction of its own, and says how many rows that was.
    async fn done(&self, statement: Statement<'_>) -> Result<u64, StoreError> {
        self.written(async |write| Ok(statement.execute(&mut *write.transaction).await?.rows_affected())).await
    }
}

impl Change<'_> {
    /// Takes a one-time link out of the store, with the change: of many who try at once, one gets it. `false` where it is
    /// not there any more.
    pub async fn take_link(&mut self, hash: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM credentials WHERE organisation = $1 AND hash = $2 AND kind = 'link' AND removed IS NULL";
        let statement = sqlx::query(sql).bind(&self.organisation).bind(hash);
        let taken = statement.execute(&mut *self.write.transaction);
        let taken = in_time(async { Ok(taken.await?.rows_affected() > 0) }).await;
        self.note(taken)
    }
}

fn credential(row: &AnyRow) -> Result<(String, Stored<Credential>), StoreError> {
    let mut values = Values::new(row, Credential::TABLE);
    let (organisation, changed, removed) = (values.next()?, values.next()?, values.next()?);
    Ok((organisation, Stored { record: Credential::read(&mut values)?, changed, removed }))
}
