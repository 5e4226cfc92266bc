//! Following the index: what comes after a record of each chain, in the order in which it was written.

use super::identified;
use super::rows::DecisionRow;
use super::search::{DECISIONS, Search, Sight};
use super::sql::Sql;
use crate::error::StoreError;
use crate::reads::Reads;
use crate::table::Values;
use std::collections::BTreeMap;

/// Over how many records one step goes.
const STEP: i64 = 10_000;

/// Up to which record of each chain somebody has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends(BTreeMap<i64, i64>);

impl Ends {
    /// The same, but at most so many records of a chain before `last`.
    #[must_use]
    pub fn near(mut self, last: &Self, most: i64) -> Self {
        for (chain, end) in &last.0 {
            let seq = self.0.entry(*chain).or_insert(*end);
            *seq = (*seq).max(end.saturating_sub(most));
        }
        self
    }
}

impl Reads<'_> {
    /// The last record of each chain that is indexed.
    pub async fn ends(&self) -> Result<Ends, StoreError> {
        let rows = Sql::new("SELECT number, seq FROM watermarks").all(&mut *self.connection().await?).await?;
        ends(&rows)
    }

    /// Where the decision with this identity stands, and what is not newer than it in other chains: where somebody goes
    /// on who has seen it last. `None` where there is no such decision.
    pub async fn ends_at(&self, id: &str) -> Result<Option<Ends>, StoreError> {
        let mut connection = self.connection().await?;
        let sql = identified::one("chain, seq, ts", id, self.organisation());
        let Some(row) = sql.first(&mut connection).await? else { return Ok(None) };
        let mut values = Values::new(&row, "decisions");
        let (chain, seq, ts): (i64, i64, i64) = (values.next()?, values.next()?, values.next()?);
        let mut sql = Sql::new("SELECT chain, MIN(seq) - 1 FROM decisions WHERE organisation = ");
        sql.bind(self.organisation()).push(" AND ts >= ").bind(ts).push(" GROUP BY chain");
        let mut ends = ends(&sql.all(&mut connection).await?)?;
        ends.0.insert(chain, seq);
        Ok(Some(ends))
    }

    /// The next decisions behind `from`, which moves on, oldest first within a chain, at most as many as the search says;
    /// and whether there are more. Of the search, `after` and `window` say nothing here.
    pub async fn decisions_behind(
        &self,
        from: &mut Ends,
        search: &Search,
    ) -> Result<(Vec<DecisionRow>, bool), StoreError> {
        let ends = self.ends().await?;
        let mut rows = Vec::new();
        for (chain, end) in &ends.0 {
            // A chain that is new to the reader is read from its beginning; one that was begun anew, too.
            let seq = from.0.entry(*chain).or_insert(0);
            *seq = (*seq).min(*end);
            while *seq < *end {
                let room = search.limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
                if room == 0 {
                    return Ok((rows, true));
                }
                let upto = seq.saturating_add(STEP).min(*end);
                let found = self.decisions_between(search, *chain, (*seq, upto), room).await?;
                let is_cut = found.len() >= usize::try_from(room).unwrap_or(usize::MAX);
                *seq = found.last().map_or(upto, |last| if is_cut { last.seq } else { upto });
                rows.extend(found);
            }
        }
        Ok((rows, false))
    }

    async fn decisions_between(
        &self,
        search: &Search,
        chain: i64,
        (after, upto): (i64, i64),
        limit: u32,
    ) -> Result<Vec<DecisionRow>, StoreError> {
        if matches!(&search.sight, Sight::Servers(servers) if servers.is_empty()) {
            return Ok(Vec::new());
        }
        let mut sql = Sql::new(format!("SELECT {} FROM decisions WHERE chain = ", DecisionRow::COLUMNS));
        sql.bind(chain).push(" AND seq > ").bind(after).push(" AND seq <= ").bind(upto);
        sql.push(" AND (organisation || '') = ").bind(self.organisation());
        if let Some(since) = search.since {
            sql.push(" AND (ts + 0) >= ").bind(since);
        }
        if let Some(until) = search.until {
            sql.push(" AND (ts + 0) < ").bind(until);
        }
        DECISIONS.filter(&mut sql, search, None);
        sql.push(" ORDER BY seq LIMIT ").bind(i64::from(limit));
        let rows = sql.all(&mut *self.connection().await?).await?;
        rows.iter().map(|row| DecisionRow::read(&mut Values::new(row, "decisions"))).collect()
    }
}

fn ends(rows: &[sqlx::any::AnyRow]) -> Result<Ends, StoreError> {
    let read = |row| {
        let mut values = Values::new(row, "watermarks");
        Ok((values.next()?, values.next()?))
    };
    Ok(Ends(rows.iter().map(read).collect::<Result<_, StoreError>>()?))
}
