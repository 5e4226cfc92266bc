//! The counts beside the decisions: kept in the transactions that write and delete these, and summed up for a summary.

use super::identified;
use super::rows::{DecisionRow, OutcomeRow};
use super::search::Sight;
use super::sql::{Sql, Value};
use super::tally::{SPANS, Tally, TallyKey};
use crate::change::Write;
use crate::error::StoreError;
use crate::reads::Reads;
use crate::table::Values;
use std::collections::{BTreeMap, HashMap};

/// How many rows one statement writes: with 46 values each, under both databases' limits.
const AT_ONCE: usize = 500;

/// How many identities one statement looks for.
const ASKED_AT_ONCE: usize = 500;

/// How many refusals are looked at for those that repeat.
const REFUSALS: i64 = 5_000;

/// How many decisions of one server are looked at for its refusals.
const OF_SERVER: i64 = 20_000;

/// How many servers a summary names at most.
const SERVERS: i64 = 1_000;

/// What is summed up.
#[derive(Clone, Debug)]
pub struct Span {
    /// From then on, milliseconds since the Unix epoch; a multiple of `bucket`.
    pub since: i64,
    /// Before then; a multiple of `bucket`.
    pub until: i64,
    /// The length of a part, in milliseconds; a multiple of a minute.
    pub bucket: i64,
    /// Only this server, by its name then.
    pub server: Option<String>,
    /// Whose records are seen.
    pub sight: Sight,
}

/// Refusals that repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// The server, by its name then.
    pub server: String,
    /// The rule that refused.
    pub rule: String,
    /// The tool; empty where there is none.
    pub tool: String,
    /// How often.
    pub denied: i64,
    /// When it happened last, milliseconds since the Unix epoch.
    pub last: i64,
}

/// Counts that are to be added.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<TallyKey, Tally>);

impl Counts {
    /// Counts a decision, `by` times.
    pub(super) fn decision(&mut self, row: &DecisionRow, by: i64) {
        for key in TallyKey::of(row) {
            self.0.entry(key).or_default().count(row, by);
        }
    }

    /// Counts how a call ended, `by` times.
    fn end(&mut self, row: &DecisionRow, fate: &OutcomeRow, by: i64) {
        for key in TallyKey::of(row) {
            self.0.entry(key).or_default().end(fate, by);
        }
    }

    /// Counts how calls ended whose decisions are in the index already. Those that had ended otherwise are counted anew.
    pub(super) async fn ends(
        &mut self,
        write: &mut Write,
        number: i64,
        fates: &[OutcomeRow],
    ) -> Result<(), StoreError> {
        for some in fates.chunks(ASKED_AT_ONCE) {
            let sql = identified::several(COUNTED, some.iter().map(|fate| &fate.id), number);
            let mut known = HashMap::new();
            for row in sql.all(&mut write.transaction).await? {
                let row = counted(&mut Values::new(&row, "decisions"))?;
                known.insert(row.id.clone(), row);
            }
            for fate in some {
                let Some(row) = known.get_mut(&fate.id) else { continue };
                if let Some(before) = row.fate.replace(fate.clone()) {
                    self.end(row, &before, -1);
                }
                self.end(row, fate, 1);
            }
        }
        Ok(())
    }

    /// Takes the decisions of a chain up to a record back, which are about to be deleted.
    pub(super) async fn take_back(&mut self, write: &mut Write, number: i64, upto: i64) -> Result<(), StoreError> {
        let mut sql = Sql::new(format!("SELECT {COUNTED} FROM decisions WHERE chain = "));
        sql.bind(number).push(" AND seq <= ").bind(upto);
        for row in sql.all(&mut write.transaction).await? {
            self.decision(&counted(&mut Values::new(&row, "decisions"))?, -1);
        }
        Ok(())
    }

    /// Adds everything that was counted.
    pub(super) async fn write(self, write: &mut Write, number: i64) -> Result<(), StoreError> {
        let counts: Vec<_> = self.0.into_iter().filter(|(_, tally)| *tally != Tally::default()).collect();
        let columns = Tally::columns();
        let added: Vec<_> =
            columns.iter().map(|column| format!("{column} = tallies.{column} + excluded.{column}")).collect();
        for some in counts.chunks(AT_ONCE) {
            let columns = columns.join(", ");
            let mut sql = Sql::new(format!(
                "INSERT INTO tallies (organisation, span, at, server, server_id, chain, {columns}) VALUES "
            ));
            for (at, (key, tally)) in some.iter().enumerate() {
                let keys: [Value; 6] = [
                    (&key.organisation).into(),
                    key.span.into(),
                    key.at.into(),
                    (&key.server).into(),
                    (&key.server_id).into(),
                    number.into(),
                ];
                let values = keys.into_iter().chain(tally.values().map(Value::from));
                sql.push(if at == 0 { "" } else { ", " }).list(values);
            }
            sql.push(" ON CONFLICT (organisation, span, at, server, server_id, chain) DO UPDATE SET ");
            sql.push(added.join(", "));
            sql.execute(&mut write.transaction).await?;
        }
        // What was taken back as a whole leaves nothing behind.
        let emptied = counts.iter().filter(|(_, tally)| tally.allow < 0 || tally.deny < 0 || tally.approve < 0);
        for (key, _) in emptied {
            let mut sql = Sql::new("DELETE FROM tallies WHERE organisation = ");
            sql.bind(&key.organisation).push(" AND span = ").bind(key.span).push(" AND at = ").bind(key.at);
            sql.push(" AND server = ").bind(&key.server).push(" AND server_id = ").bind(&key.server_id);
            sql.push(" AND chain = ").bind(number).push(" AND allow = 0 AND deny = 0 AND approve = 0");
            sql.execute(&mut write.transaction).await?;
        }
        Ok(())
    }
}

/// What of a decision is counted.
const COUNTED: &str = "id, organisation, ts, server, server_id, outcome, result, latency_us";

fn counted(values: &mut Values<'_>) -> Result<DecisionRow, StoreError> {
    let mut row = DecisionRow {
        id: values.next()?,
        organisation: values.next()?,
        ts: values.next()?,
        server: values.next()?,
        server_id: values.next()?,
        outcome: values.next()?,
        ..DecisionRow::default()
    };
    let (result, latency): (String, Option<i64>) = (values.next()?, values.next()?);
    if !result.is_empty() {
        row.fate = Some(OutcomeRow { result, latency_us: latency.unwrap_or_default(), ..OutcomeRow::default() });
    }
    Ok(row)
}

impl Reads<'_> {
    /// The decisions of each part of a span, by its number; parts without any are left out.
    pub async fn tallies(&self, span: &Span) -> Result<Vec<(i64, Tally)>, StoreError> {
        let sums: Vec<_> = Tally::columns().iter().map(|column| format!("CAST(SUM({column}) AS BIGINT)")).collect();
        let mut sql = Sql::new("SELECT (at - ");
        sql.bind(span.since).push(") / ").bind(span.bucket).push(format!(" AS part, {}", sums.join(", ")));
        if !self.within(&mut sql, span) {
            return Ok(Vec::new());
        }
        sql.push(" GROUP BY 1 ORDER BY 1");
        let rows = sql.all(&mut *self.connection().await?).await?;
        let read = |row| {
            let mut values = Values::new(row, "tallies");
            Ok((values.next()?, Tally::read(&mut values)?))
        };
        rows.iter().map(read).collect()
    }

    /// The decisions of a span by their server, those with most first: allowed, refused, asked about. At most 1,000.
    pub async fn tallies_by_server(&self, span: &Span) -> Result<Vec<(String, [i64; 3])>, StoreError> {
        let sums = ["allow", "deny", "approve"].map(|column| format!("CAST(SUM({column}) AS BIGINT)"));
        let mut sql = Sql::new(format!("SELECT server, {}", sums.join(", ")));
        if !self.within(&mut sql, span) {
            return Ok(Vec::new());
        }
        sql.push(" GROUP BY server ORDER BY SUM(allow + deny + approve) DESC, server LIMIT ").bind(SERVERS);
        let rows = sql.all(&mut *self.connection().await?).await?;
        let read = |row| {
            let mut values = Values::new(row, "tallies");
            Ok((values.next()?, [values.next()?, values.next()?, values.next()?]))
        };
        rows.iter().map(read).collect()
    }

    /// What was refused most often among the newest refusals of a span: the newest 5,000 of the organisation, or those
    /// among the newest 20,000 decisions about one server.
    pub async fn repeated_refusals(&self, span: &Span, limit: u32) -> Result<Vec<Repeated>, StoreError> {
        let mut sql = Sql::new("SELECT server, rule, tool, COUNT(*), MAX(ts) FROM (");
        sql.push("SELECT server, server_id, rule, tool, ts, outcome FROM decisions WHERE organisation = ");
        sql.bind(self.organisation());
        match &span.server {
            Some(server) => sql.push(" AND server = ").bind(server),
            // What its index has, in the words that make the databases see it.
            None => sql.push(" AND outcome = 'deny' AND outcome <> 'allow'"),
        };
        sql.push(" AND ts >= ").bind(span.since).push(" AND ts < ").bind(span.until);
        sql.push(" ORDER BY ts DESC, chain DESC, seq DESC LIMIT ");
        sql.bind(if span.server.is_some() { OF_SERVER } else { REFUSALS });
        sql.push(") AS newest WHERE outcome = 'deny'");
        if !seen(&mut sql, &span.sight) {
            return Ok(Vec::new());
        }
        sql.push(" GROUP BY server, rule, tool ORDER BY COUNT(*) DESC, MAX(ts) DESC, server, rule, tool LIMIT ");
        sql.bind(i64::from(limit));
        let rows = sql.all(&mut *self.connection().await?).await?;
        let read = |row| {
            let mut values = Values::new(row, "decisions");
            let (server, rule, tool) = (values.next()?, values.next()?, values.next()?);
            Ok(Repeated { server, rule, tool, denied: values.next()?, last: values.next()? })
        };
        rows.iter().map(read).collect()
    }

    /// Adds the conditions of a span, by the longest counts that fit into it; `false` where nothing can be seen.
    fn within(&self, sql: &mut Sql, span: &Span) -> bool {
        let fits = |length: &&i64| span.bucket % **length == 0;
        let length = SPANS.iter().rev().find(fits).copied().unwrap_or(60_000);
        sql.push(" FROM tallies WHERE organisation = ").bind(self.organisation());
        sql.push(" AND span = ").bind(length);
        sql.push(" AND at >= ").bind(span.since).push(" AND at < ").bind(span.until);
        if let Some(server) = &span.server {
            sql.push(" AND server = ").bind(server);
        }
        seen(sql, &span.sight)
    }
}

/// Adds whose records are seen; `false` where none are.
fn seen(sql: &mut Sql, sight: &Sight) -> bool {
    let Sight::Servers(servers) = sight else { return true };
    sql.push(" AND server_id IN ").list(servers.iter().map(|(id, _, _)| id));
    !servers.is_empty()
}
