//! Searching the index: newest first, in parts, and never long.
//!
//! One condition chooses the index that is walked; all others only filter what it gives, and at most a window of rows
//! is looked at for one part. So a search that finds little ends early with a place to go on from, instead of walking
//! over everything.

use super::identified;
use super::rows::{ChangeRow, DecisionRow, RefusalRow};
use super::sql::{Sql, Value};
use super::terms::{Column, Place, pattern};
use crate::error::StoreError;
use crate::reads::Reads;
use crate::table::Values;
use sqlx::any::AnyRow;

/// How many rows are looked at for one part of a search.
const WINDOW: u32 = 20_000;

/// One of these values in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The column.
    pub column: Column,
    /// The values; for numbers, their digits.
    pub values: Vec<String>,
}

/// Whose records are seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All of the organisation.
    All,
    /// Those about these servers: identity, name, and when it got registered.
    Servers(Vec<(String, String, i64)>),
}

/// What is searched for. Everything has to be true.
#[derive(Clone, Debug)]
pub struct Search {
    /// Values of columns.
    pub filters: Vec<Filter>,
    /// From then on, milliseconds since the Unix epoch.
    pub since: Option<i64>,
    /// Before then.
    pub until: Option<i64>,
    /// Words that have to be in one of the texts, in any case.
    pub words: Vec<String>,
    /// Whose records.
    pub sight: Sight,
    /// Behind this place.
    pub after: Option<Place>,
    /// How many at most.
    pub limit: u32,
    /// How many rows are looked at.
    pub window: u32,
}

/// A part of what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<R> {
    /// The rows, newest first; fewer than asked for, or none, where few fit.
    pub rows: Vec<R>,
    /// Where the next part begins; none where there is no more.
    pub next: Option<Place>,
}

/// What is searched, and in which order.
pub(super) struct Table {
    name: &'static str,
    columns: &'static str,
    order: &'static str,
    newest: &'static str,
    texts: &'static [&'static str],
    /// The columns with an index of their own, those that tell most apart first.
    indexed: &'static [Column],
}

pub(super) const DECISIONS: Table = Table {
    name: "decisions",
    columns: DecisionRow::COLUMNS,
    order: "(ts, chain, seq)",
    newest: "ts DESC, chain DESC, seq DESC",
    texts: &["message", "rule", "reason", "tool", "server", "grant_label", "client", "method"],
    indexed: &[Column::Grant, Column::Tool, Column::Outcome, Column::Server],
};

const CHANGES: Table = Table {
    name: "changes",
    columns: ChangeRow::COLUMNS,
    order: "(ts, chain, seq)",
    newest: "ts DESC, chain DESC, seq DESC",
    texts: &["who", "what", "object"],
    indexed: &[Column::Object, Column::Who, Column::What],
};

const REFUSALS: Table = Table {
    name: "refusals",
    columns: RefusalRow::COLUMNS,
    order: "(ts, id)",
    newest: "ts DESC, id DESC",
    texts: &["source", "reason", "server", "grant_label", "names"],
    indexed: &[],
};

impl Default for Search {
    fn default() -> Self {
        let (filters, words) = (Vec::new(), Vec::new());
        let (sight, limit, window) = (Sight::All, 50, WINDOW);
        Self { filters, since: None, until: None, words, sight, after: None, limit, window }
    }
}

impl Reads<'_> {
    /// Decisions.
    pub async fn decisions(&self, search: &Search) -> Result<Found<DecisionRow>, StoreError> {
        self.search(&DECISIONS, search, self.organisation(), DecisionRow::read).await
    }

    /// The decision with this identity.
    pub async fn decision(&self, id: &str) -> Result<Option<DecisionRow>, StoreError> {
        let sql = identified::one(DecisionRow::COLUMNS, id, self.organisation());
        let row = sql.first(&mut *self.connection().await?).await?;
        row.map(|row| DecisionRow::read(&mut Values::new(&row, "decisions"))).transpose()
    }

    /// Changes.
    pub async fn changes(&self, search: &Search) -> Result<Found<ChangeRow>, StoreError> {
        self.search(&CHANGES, search, self.organisation(), ChangeRow::read).await
    }

    /// What was withheld, and with `early` also what was refused before a grant was known, which is of no organisation.
    pub async fn refusals(&self, search: &Search, early: bool) -> Result<Found<RefusalRow>, StoreError> {
        let mut found = self.search(&REFUSALS, search, self.organisation(), RefusalRow::read).await?;
        if !early {
            return Ok(found);
        }
        let nobodys = self.search(&REFUSALS, search, "", RefusalRow::read).await?;
        // What is behind the nearer end of the two is for the next part.
        let ends = [&found.next, &nobodys.next].into_iter().flatten();
        let end = ends.max_by(|one, other| one.order().cmp(&other.order())).cloned();
        found.rows.extend(nobodys.rows);
        found.rows.sort_by(|one, other| (other.ts, &other.id).cmp(&(one.ts, &one.id)));
        if let Some(end) = &end {
            found.rows.retain(|row| (row.ts, row.id.as_str()) >= end.order());
        }
        let limit = usize::try_from(search.limit).unwrap_or(usize::MAX);
        let cut = found.rows.len() > limit;
        found.rows.truncate(limit);
        let last = found.rows.last().map(|row| Place::Refusal(row.ts, row.id.clone()));
        found.next = if cut { last } else { end };
        Ok(found)
    }

    async fn search<R>(
        &self,
        table: &Table,
        search: &Search,
        organisation: &str,
        read: impl Fn(&mut Values<'_>) -> Result<R, StoreError>,
    ) -> Result<Found<R>, StoreError> {
        if matches!(&search.sight, Sight::Servers(servers) if servers.is_empty()) {
            return Ok(Found { rows: Vec::new(), next: None });
        }
        let mut connection = self.connection().await?;
        let chosen = table.choose(search);
        let mut floor = None;
        if table.filters(search, chosen) {
            let mut sql = Sql::new(format!("SELECT {} FROM {}", table.keys(), table.name));
            table.walk(&mut sql, search, organisation, chosen);
            sql.push(format!(" ORDER BY {} LIMIT 1 OFFSET ", table.newest)).bind(i64::from(search.window));
            let row = sql.first(&mut connection).await?;
            floor = row.map(|row| table.place(&row)).transpose()?;
        }
        let mut sql = Sql::new(format!("SELECT {}, {} FROM {}", table.keys(), table.columns, table.name));
        table.walk(&mut sql, search, organisation, chosen);
        table.filter(&mut sql, search, chosen);
        if let Some(floor) = &floor {
            sql.push(format!(" AND {} >= ", table.order));
            floor.push(&mut sql);
        }
        let limit = usize::try_from(search.limit).unwrap_or(usize::MAX);
        sql.push(format!(" ORDER BY {} LIMIT ", table.newest)).bind(i64::from(search.limit) + 1);
        let found = sql.all(&mut connection).await?;
        let last = limit.checked_sub(1).and_then(|last| found.get(last)).filter(|_| found.len() > limit);
        let next = last.map(|row| table.place(row)).transpose()?.or(floor);
        let rows = found.iter().take(limit).map(|row| read(&mut Values::new(row, table.name).skip(table.width())));
        Ok(Found { rows: rows.collect::<Result<_, _>>()?, next })
    }
}

/// The outcome that most decisions have: no index is of those.
const PLAIN: &str = "allow";

/// Whether a filter is for that outcome.
fn is_plain(filter: &Filter) -> bool {
    filter.column == Column::Outcome && filter.values.iter().any(|value| value == PLAIN)
}

impl Table {
    fn keys(&self) -> &'static str {
        self.order.trim_matches(['(', ')'])
    }

    fn width(&self) -> usize {
        self.order.split(',').count()
    }

    fn place(&self, row: &AnyRow) -> Result<Place, StoreError> {
        let mut values = Values::new(row, self.name);
        let ts = values.next()?;
        if self.width() == 2 {
            return Ok(Place::Refusal(ts, values.next()?));
        }
        Ok(Place::Record(ts, values.next()?, values.next()?))
    }

    /// The filter whose index is walked.
    fn choose<'s>(&self, search: &'s Search) -> Option<&'s Filter> {
        let single = |filter: &&Filter| filter.values.len() == 1 && !is_plain(filter);
        let of = |column: &Column| search.filters.iter().filter(single).find(|filter| filter.column == *column);
        self.indexed.iter().find_map(of)
    }

    /// Whether rows of the walk are left out.
    fn filters(&self, search: &Search, chosen: Option<&Filter>) -> bool {
        let others = search.filters.len() > usize::from(chosen.is_some());
        others || !search.words.is_empty() || search.sight != Sight::All
    }

    /// The conditions that the index takes part in.
    fn walk(&self, sql: &mut Sql, search: &Search, organisation: &str, chosen: Option<&Filter>) {
        sql.push(" WHERE organisation = ").bind(organisation.to_owned());
        if let Some((filter, value)) = chosen.and_then(|filter| Some((filter, filter.values.first()?))) {
            sql.push(format!(" AND {} = ", filter.column.name())).bind(value.clone());
            if filter.column == Column::Outcome {
                // What its index has, in the words that make the databases see it.
                sql.push(format!(" AND outcome <> '{PLAIN}'"));
            }
        }
        if let Some(since) = search.since {
            sql.push(" AND ts >= ").bind(since);
        }
        if let Some(until) = search.until {
            sql.push(" AND ts < ").bind(until);
        }
        if let Some(after) = &search.after {
            sql.push(format!(" AND {} < ", self.order));
            after.push(sql);
        }
    }

    /// The conditions that filter.
    pub(super) fn filter(&self, sql: &mut Sql, search: &Search, chosen: Option<&Filter>) {
        for filter in search.filters.iter().filter(|filter| chosen.is_none_or(|chosen| chosen != *filter)) {
            // An expression, so that no other index is taken.
            let opaque = if filter.column.is_number() { " + 0" } else { " || ''" };
            sql.push(format!(" AND ({}{opaque}) IN ", filter.column.name()));
            sql.list(filter.values.iter().map(|value| match filter.column.is_number() {
                true => Value::from(value.parse::<i64>().unwrap_or(i64::MIN)),
                false => Value::from(value),
            }));
        }
        // One text of all of them: each word is looked for once.
        let text = self.texts.join(" || '\n' || ");
        for word in &search.words {
            sql.push(format!(" AND (LOWER({text}) LIKE ")).bind(pattern(&word.to_lowercase())).push(" ESCAPE '!'");
            if !word.is_ascii() {
                // The databases differ in what they know about capitals beyond ASCII.
                sql.push(format!(" OR {text} LIKE ")).bind(pattern(word)).push(" ESCAPE '!'");
            }
            sql.push(")");
        }
        if let Sight::Servers(servers) = &search.sight {
            self.limit_sight(sql, servers);
        }
    }

    fn limit_sight(&self, sql: &mut Sql, servers: &[(String, String, i64)]) {
        if self.name != CHANGES.name {
            sql.push(" AND (server_id || '') IN ").list(servers.iter().map(|(id, _, _)| id));
            return;
        }
        // A change names its server, and names are given again.
        sql.push(" AND (");
        for (at, (_, name, created)) in servers.iter().enumerate() {
            let or = if at == 0 { "" } else { " OR " };
            let object = format!("server/{name}");
            let length = i64::try_from(object.chars().count()).unwrap_or(i64::MAX).saturating_add(1);
            sql.push(format!("{or}(ts >= ")).bind(*created);
            sql.push(" AND SUBSTR(object || '/', 1, CAST(").bind(length);
            sql.push(" AS INTEGER)) = ").bind(format!("{object}/")).push(")");
        }
        sql.push(")");
    }
}
