//! Writing the index: a batch and its watermark in one transaction, so that no end of a process loses or doubles a row.

use super::rows::{ChangeRow, DecisionRow, OutcomeRow, RefusalRow};
use super::sql::{Sql, Value};
use super::tallies::Counts;
use crate::change::Write;
use crate::connect::Backend;
use crate::error::StoreError;
use crate::store::Store;
use crate::table::Values;
use std::collections::{BTreeSet, HashMap};

/// How many rows one statement writes: with up to 26 values each, under both databases' limits.
const AT_ONCE: usize = 500;

/// How many numbers one transaction of a deletion goes over: others want to write, too.
const DELETED_AT_ONCE: i64 = 10_000;

/// The first number of a chain, and its rows up to one.
const DECISIONS: (&str, &str) =
    ("SELECT MIN(seq) FROM decisions WHERE chain = $1", "DELETE FROM decisions WHERE chain = $1 AND seq <= $2");

/// The same of changes.
const CHANGES: (&str, &str) =
    ("SELECT MIN(seq) FROM changes WHERE chain = $1", "DELETE FROM changes WHERE chain = $1 AND seq <= $2");

/// How far a chain of records is indexed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// The key that signs the chain, in hexadecimal.
    pub chain: String,
    /// The number of the last record that is indexed; 0 for none.
    pub seq: i64,
    /// The hash of that record, in hexadecimal.
    pub hash: String,
    /// Retention deleted everything before this, milliseconds since the Unix epoch; 0 for nothing.
    pub pruned_before: i64,
}

/// What a part of the journal adds to the index.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// New decisions.
    pub decisions: Vec<DecisionRow>,
    /// What became of these and earlier ones.
    pub outcomes: Vec<OutcomeRow>,
    /// New changes.
    pub changes: Vec<ChangeRow>,
    /// New refusals, and counted ones that went on.
    pub refusals: Vec<RefusalRow>,
}

impl Store {
    /// How far a chain is indexed; it begins at 0.
    pub async fn watermark(&self, chain: &str) -> Result<Watermark, StoreError> {
        let found = |row| {
            let mut values = Values::new(row, "watermarks");
            let (seq, hash) = (values.next()?, values.next()?);
            Ok(Watermark { chain: chain.to_owned(), seq, hash, pruned_before: values.next()? })
        };
        let select = "SELECT seq, hash, pruned_before FROM watermarks WHERE chain = $1";
        if let Some(row) = sqlx::query(select).bind(chain).fetch_optional(&self.inner.pool).await? {
            return found(&row);
        }
        let mut write = self.write().await?;
        let insert = "INSERT INTO watermarks (number, chain, seq, hash, pruned_before) \
                      SELECT COALESCE(MAX(number), 0) + 1, $1, 0, '', 0 FROM watermarks WHERE true \
                      ON CONFLICT (chain) DO NOTHING";
        sqlx::query(insert).bind(chain).execute(&mut *write.transaction).await?;
        let row = sqlx::query(select).bind(chain).fetch_one(&mut *write.transaction).await?;
        let found = found(&row);
        write.commit().await?;
        found
    }

    /// Writes what comes after `from`, up to `to`: everything, or nothing where the chain is not indexed up to `from`
    /// any more.
    pub async fn index(&self, from: &Watermark, to: &Watermark, mut batch: Batch) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let sql = "UPDATE watermarks SET seq = $1, hash = $2, pruned_before = $3 \
                   WHERE chain = $4 AND seq = $5 AND hash = $6 RETURNING number";
        let moved = sqlx::query(sql).bind(to.seq).bind(&to.hash).bind(to.pruned_before);
        let moved = moved.bind(&from.chain).bind(from.seq).bind(&from.hash);
        let Some(row) = moved.fetch_optional(&mut *write.transaction).await? else {
            return Err(StoreError::failed("the journal's index was moved on by somebody else"));
        };
        let number: i64 = Values::new(&row, "watermarks").next()?;
        servers(&mut write, &mut batch).await?;
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (at, row) in batch.decisions.iter().enumerate() {
            known.insert(row.id.as_str(), at);
        }
        let placed: Vec<_> = batch.outcomes.iter().map(|fate| known.get(fate.id.as_str()).copied()).collect();
        let mut later = Vec::new();
        for (fate, place) in batch.outcomes.into_iter().zip(placed) {
            match place.and_then(|at| batch.decisions.get_mut(at)) {
                Some(row) => row.fate = Some(fate),
                None => later.push(fate),
            }
        }
        let mut counts = Counts::default();
        batch.decisions.iter().for_each(|row| counts.decision(row, 1));
        counts.ends(&mut write, number, &later).await?;
        counts.write(&mut write, number).await?;
        insert_decisions(&mut write, number, &batch.decisions).await?;
        for fate in &later {
            update(&mut write, number, fate).await?;
        }
        insert_changes(&mut write, number, &batch.changes).await?;
        insert_refusals(&mut write, number, &batch.refusals).await?;
        write.commit().await
    }

    /// Deletes the rows of a chain up to a record and takes them out of the counts, and its refusals from before a moment.
    pub async fn forget_records(&self, chain: &str, through: i64, before: i64) -> Result<(), StoreError> {
        let Some(number) = self.number(chain).await? else { return Ok(()) };
        self.forget(number, (through, before), true).await
    }

    async fn forget(&self, number: i64, (through, before): (i64, i64), counted: bool) -> Result<(), StoreError> {
        for (least, delete) in [DECISIONS, CHANGES] {
            loop {
                let row = sqlx::query(least).bind(number).fetch_one(&self.inner.pool).await?;
                let least: Option<i64> = Values::new(&row, "the index").next()?;
                let Some(least) = least.filter(|least| *least <= through) else { break };
                let upto = least.saturating_add(DELETED_AT_ONCE).min(through);
                let mut write = self.write().await?;
                if counted && delete == DECISIONS.1 {
                    let mut counts = Counts::default();
                    counts.take_back(&mut write, number, upto).await?;
                    counts.write(&mut write, number).await?;
                }
                sqlx::query(delete).bind(number).bind(upto).execute(&mut *write.transaction).await?;
                write.commit().await?;
            }
        }
        let mut write = self.write().await?;
        let refusals = sqlx::query("DELETE FROM refusals WHERE chain = $1 AND ts < $2").bind(number).bind(before);
        refusals.execute(&mut *write.transaction).await?;
        write.commit().await
    }

    /// Throws a chain's rows away, to begin anew.
    pub async fn forget_chain(&self, chain: &str) -> Result<(), StoreError> {
        let Some(number) = self.number(chain).await? else { return Ok(()) };
        // From here on nobody goes on where it was: whoever tries to finds no watermark.
        let mut write = self.write().await?;
        let restart = sqlx::query("UPDATE watermarks SET seq = 0, hash = '', pruned_before = 0 WHERE number = $1");
        restart.bind(number).execute(&mut *write.transaction).await?;
        let tallies = sqlx::query("DELETE FROM tallies WHERE chain = $1").bind(number);
        tallies.execute(&mut *write.transaction).await?;
        write.commit().await?;
        self.forget(number, (i64::MAX, i64::MAX), false).await
    }

    /// The chains that are indexed. With SQLite, those of this data directory's journal, now and before.
    pub async fn chains(&self) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT chain FROM watermarks ORDER BY number").fetch_all(&self.inner.pool).await?;
        rows.iter().map(|row| Values::new(row, "watermarks").next()).collect()
    }

    /// Whether other machines may write to this database, too.
    pub fn is_shared(&self) -> bool {
        self.inner.backend == Backend::Postgres
    }

    async fn number(&self, chain: &str) -> Result<Option<i64>, StoreError> {
        let statement = sqlx::query("SELECT number FROM watermarks WHERE chain = $1").bind(chain);
        let row = statement.fetch_optional(&self.inner.pool).await?;
        row.map(|row| Values::new(&row, "watermarks").next()).transpose()
    }
}

/// Notes which server each grant is for: names change, and are given again.
async fn servers(write: &mut Write, batch: &mut Batch) -> Result<(), StoreError> {
    let decisions = batch.decisions.iter().map(|row| row.grant.as_str());
    let grants: BTreeSet<&str> = decisions.chain(batch.refusals.iter().map(|row| row.grant.as_str())).collect();
    let grants: Vec<String> = grants.into_iter().filter(|grant| !grant.is_empty()).map(str::to_owned).collect();
    let mut known: HashMap<(String, String), String> = HashMap::new();
    for some in grants.chunks(AT_ONCE) {
        let mut sql = Sql::new("SELECT organisation, id, server FROM grants WHERE id IN ");
        sql.list(some);
        for row in sql.all(&mut write.transaction).await? {
            let mut values = Values::new(&row, "grants");
            let key = (values.next()?, values.next()?);
            known.insert(key, values.next()?);
        }
    }
    let server = |organisation: &str, grant: &str| {
        known.get(&(organisation.to_owned(), grant.to_owned())).cloned().unwrap_or_default()
    };
    for row in &mut batch.decisions {
        row.server_id = server(&row.organisation, &row.grant);
    }
    for row in &mut batch.refusals {
        row.server_id = server(&row.organisation, &row.grant);
    }
    Ok(())
}

async fn insert_decisions(write: &mut Write, number: i64, rows: &[DecisionRow]) -> Result<(), StoreError> {
    for some in rows.chunks(AT_ONCE) {
        let values = |row: &DecisionRow| -> Vec<Value> {
            let fate = row.fate.as_ref();
            vec![
                number.into(),
                row.seq.into(),
                (&row.organisation).into(),
                row.ts.into(),
                (&row.id).into(),
                (&row.grant).into(),
                (&row.grant_label).into(),
                (&row.server).into(),
                (&row.server_id).into(),
                (&row.method).into(),
                (&row.tool).into(),
                (&row.policy).into(),
                row.policy_version.into(),
                (&row.outcome).into(),
                (&row.rule).into(),
                (&row.reason).into(),
                (&row.message).into(),
                (&row.session).into(),
                (&row.client).into(),
                (&row.details).into(),
                fate.map_or("", |fate| fate.result.as_str()).into(),
                fate.and_then(|fate| fate.upstream_status).into(),
                fate.and_then(|fate| fate.error_code).into(),
                fate.map(|fate| fate.latency_us).into(),
                fate.map(|fate| fate.bytes).into(),
            ]
        };
        insert("decisions", DecisionRow::COLUMNS, some.iter().map(values)).execute(&mut write.transaction).await?;
    }
    Ok(())
}

/// `INSERT INTO … VALUES …`; the chain comes before the columns.
fn insert(table: &str, columns: &str, rows: impl Iterator<Item = Vec<Value>>) -> Sql {
    let mut sql = Sql::new(format!("INSERT INTO {table} (chain, {columns}) VALUES "));
    for (at, row) in rows.enumerate() {
        sql.push(if at == 0 { "" } else { ", " }).list(row);
    }
    sql
}

async fn update(write: &mut Write, number: i64, fate: &OutcomeRow) -> Result<(), StoreError> {
    let sql = "UPDATE decisions SET result = $1, upstream_status = $2, error_code = $3, latency_us = $4, bytes = $5 \
               WHERE id = $6 AND chain = $7";
    let statement = sqlx::query(sql).bind(&fate.result).bind(fate.upstream_status).bind(fate.error_code);
    let statement = statement.bind(fate.latency_us).bind(fate.bytes).bind(&fate.id).bind(number);
    statement.execute(&mut *write.transaction).await?;
    Ok(())
}

async fn insert_changes(write: &mut Write, number: i64, rows: &[ChangeRow]) -> Result<(), StoreError> {
    for some in rows.chunks(AT_ONCE) {
        let values = |row: &ChangeRow| -> Vec<Value> {
            vec![
                number.into(),
                row.seq.into(),
                (&row.organisation).into(),
                row.ts.into(),
                row.generation.into(),
                row.position.into(),
                (&row.who).into(),
                (&row.what).into(),
                (&row.object).into(),
                (&row.before).into(),
                (&row.after).into(),
            ]
        };
        let mut sql = insert("changes", ChangeRow::COLUMNS, some.iter().map(values));
        sql.push(" ON CONFLICT (organisation, generation, position) DO NOTHING");
        let written = sql.execute(&mut write.transaction).await?;
        if usize::try_from(written).is_ok_and(|written| written == some.len()) {
            continue;
        }
        for row in some {
            if !is_there(write, row).await? {
                let aside = ChangeRow { position: row.seq.saturating_neg(), ..row.clone() };
                let mut sql = insert("changes", ChangeRow::COLUMNS, std::iter::once(values(&aside)));
                sql.push(" ON CONFLICT (organisation, generation, position) DO NOTHING");
                sql.execute(&mut write.transaction).await?;
            }
        }
    }
    Ok(())
}

/// Whether this very step is in the index: written a moment ago, or in the journal twice. Another one can have its place:
/// a database that was restored counts on from the generation of its backup, and journals have what came after that.
async fn is_there(write: &mut Write, row: &ChangeRow) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM changes WHERE organisation = $1 AND generation = $2 AND position = $3 AND who = $4 \
               AND what = $5 AND object = $6 AND before = $7 AND after = $8";
    let statement = sqlx::query(sql).bind(&row.organisation).bind(row.generation).bind(row.position);
    let statement = statement.bind(&row.who).bind(&row.what).bind(&row.object).bind(&row.before).bind(&row.after);
    Ok(statement.fetch_optional(&mut *write.transaction).await?.is_some())
}

async fn insert_refusals(write: &mut Write, number: i64, rows: &[RefusalRow]) -> Result<(), StoreError> {
    // One row per identity, as the statement needs it: the last one counts.
    let latest: HashMap<&str, &RefusalRow> = rows.iter().map(|row| (row.id.as_str(), row)).collect();
    let mut rows: Vec<&RefusalRow> = latest.into_values().collect();
    rows.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    for some in rows.chunks(AT_ONCE) {
        let values = |row: &&RefusalRow| -> Vec<Value> {
            vec![
                number.into(),
                format!("{number}.{}", row.id).into(),
                row.kind.as_str().into(),
                (&row.organisation).into(),
                row.ts.into(),
                row.since.into(),
                row.count.into(),
                (&row.source).into(),
                (&row.reason).into(),
                (&row.grant).into(),
                (&row.grant_label).into(),
                (&row.server).into(),
                (&row.server_id).into(),
                (&row.method).into(),
                (&row.policy).into(),
                row.policy_version.into(),
                (&row.session).into(),
                (&row.names).into(),
            ]
        };
        let mut sql = insert("refusals", RefusalRow::COLUMNS, some.iter().map(values));
        sql.push(" ON CONFLICT (id) DO UPDATE SET ts = excluded.ts, count = excluded.count");
        sql.execute(&mut write.transaction).await?;
    }
    Ok(())
}
