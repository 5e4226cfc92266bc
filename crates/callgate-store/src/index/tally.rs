//! Decisions, counted by outcome, with a histogram of latencies.

use super::rows::{DecisionRow, OutcomeRow};
use crate::error::StoreError;
use crate::table::Values;

/// How many columns the histogram has.
pub(super) const COLUMNS: usize = 40;

/// Where its columns begin, in microseconds, but for the first, which begins at 0: two to each doubling, up to 49 seconds.
/// The same numbers are in the migration.
const EDGES: [u64; COLUMNS - 1] = [
    91, 128, 181, 256, 362, 512, 724, 1_024, 1_448, 2_048, 2_896, 4_096, 5_793, 8_192, 11_585, 16_384, 23_170, 32_768,
    46_341, 65_536, 92_682, 131_072, 185_364, 262_144, 370_728, 524_288, 741_455, 1_048_576, 1_482_910, 2_097_152,
    2_965_821, 4_194_304, 5_931_642, 8_388_608, 11_863_283, 16_777_216, 23_726_566, 33_554_432, 47_453_133,
];

/// The lengths of time that are counted, in milliseconds. The same are in the migration.
pub(super) const SPANS: [i64; 3] = [60_000, 900_000, 21_600_000];

/// How calls end that the server is to blame for.
const ERRORS: [&str; 4] = ["error", "unreachable", "timeout", "broken"];

/// How a call ends that never left, so that its latency says nothing.
const NOT_FORWARDED: &str = "not_forwarded";

/// Decisions of some span of time, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Allowed.
    pub allow: i64,
    /// Refused.
    pub deny: i64,
    /// Those that a person was asked about.
    pub approve: i64,
    /// Calls that the server answered with an error of the protocol, broke off, or did not answer.
    pub errors: i64,
    /// Calls by their latency.
    latencies: [i64; COLUMNS],
}

/// Which decisions are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TallyKey {
    pub(super) organisation: String,
    pub(super) span: i64,
    pub(super) at: i64,
    pub(super) server: String,
    pub(super) server_id: String,
}

impl Default for Tally {
    fn default() -> Self {
        Self { allow: 0, deny: 0, approve: 0, errors: 0, latencies: [0; COLUMNS] }
    }
}

impl TallyKey {
    /// The keys that a decision is counted under, one for each span.
    pub(super) fn of(row: &DecisionRow) -> [Self; SPANS.len()] {
        SPANS.map(|span| Self {
            organisation: row.organisation.clone(),
            span,
            at: row.ts - row.ts % span,
            server: row.server.clone(),
            server_id: row.server_id.clone(),
        })
    }
}

impl Tally {
    /// The names of the columns, in the order of [`Tally::values`].
    pub(super) fn columns() -> Vec<String> {
        let counts = ["allow", "deny", "approve", "errors"].map(str::to_owned);
        counts.into_iter().chain((0..COLUMNS).map(|at| format!("l{at:02}"))).collect()
    }

    /// The values of the columns.
    pub(super) fn values(&self) -> impl Iterator<Item = i64> + '_ {
        [self.allow, self.deny, self.approve, self.errors].into_iter().chain(self.latencies.iter().copied())
    }

    /// Reads the values of the columns.
    pub(super) fn read(values: &mut Values<'_>) -> Result<Self, StoreError> {
        let mut tally = Self {
            allow: values.next()?,
            deny: values.next()?,
            approve: values.next()?,
            errors: values.next()?,
            latencies: [0; COLUMNS],
        };
        for count in &mut tally.latencies {
            *count = values.next()?;
        }
        Ok(tally)
    }

    /// Counts a decision `by` times: -1 takes it back.
    pub(super) fn count(&mut self, row: &DecisionRow, by: i64) {
        match row.outcome.as_str() {
            "allow" => self.allow += by,
            "deny" => self.deny += by,
            "approve" => self.approve += by,
            _ => {}
        }
        if let Some(fate) = &row.fate {
            self.end(fate, by);
        }
    }

    /// Counts how a call ended, `by` times.
    pub(super) fn end(&mut self, fate: &OutcomeRow, by: i64) {
        if ERRORS.contains(&fate.result.as_str()) {
            self.errors += by;
        }
        if fate.result == NOT_FORWARDED {
            return;
        }
        let latency = u64::try_from(fate.latency_us).unwrap_or_default();
        let at = EDGES.partition_point(|edge| *edge <= latency);
        self.latencies.get_mut(at).into_iter().for_each(|count| *count += by);
    }

    /// Adds another one's counts.
    pub fn add(&mut self, other: &Self) {
        self.allow += other.allow;
        self.deny += other.deny;
        self.approve += other.approve;
        self.errors += other.errors;
        self.latencies.iter_mut().zip(other.latencies).for_each(|(to, from)| *to += from);
    }

    /// How many calls ended whose latency is known.
    pub fn ended(&self) -> i64 {
        self.latencies.iter().sum()
    }

    /// The latency that `share` (0 to 1) of the calls don't exceed, in microseconds: at most two fifths off, since it
    /// is only known in which column it lies; none without calls.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let calls = self.ended();
        if calls <= 0 {
            return None;
        }
        let wanted = (calls as f64 * share).max(1.0);
        let mut before = 0.0;
        for (at, count) in self.latencies.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            if before + count >= wanted {
                // The middle of the call that is meant.
                return Some(within(at, (wanted - before - 0.5) / count));
            }
            before += count;
        }
        EDGES.last().copied()
    }
}

/// The latency so far (0 to 1) into a column: what lies within one is taken for evenly spread over its logarithm.
fn within(at: usize, part: f64) -> u64 {
    let edge = |at: Option<usize>| at.and_then(|at| EDGES.get(at)).copied();
    let first = edge(at.checked_sub(1)).unwrap_or(64);
    let Some(last) = edge(Some(at)) else { return first };
    let (first, last) = (first as f64, last as f64);
    (first * (last / first).powf(part.clamp(0.0, 1.0))).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(latencies: impl IntoIterator<Item = i64>) -> Tally {
        let mut tally = Tally::default();
        for latency_us in latencies {
            tally.end(&OutcomeRow { result: "result".to_owned(), latency_us, ..OutcomeRow::default() }, 1);
        }
        tally
    }

    #[test]
    fn quantiles_are_near_what_they_are_of() {
        assert_eq!(Tally::default().quantile(0.5), None);
        for latency in [100, 1_000, 12_345, 700_000, 30_000_000] {
            for share in [0.5, 0.95, 0.99] {
                let found = of([latency]).quantile(share).unwrap();
                let off = i64::try_from(found).unwrap().abs_diff(latency) * 100 / latency.unsigned_abs();
                assert!(off <= 20, "{latency} {found}");
            }
        }
        let spread = of((1..=10_000).map(|n| n * 10));
        for (share, exact) in [(0.5, 50_000), (0.95, 95_000), (0.99, 99_000)] {
            let found = spread.quantile(share).unwrap();
            assert!(found.abs_diff(exact) * 5 < exact * 2, "{share}: {found}");
        }
        assert_eq!(of([i64::MAX, -1]).quantile(1.0), Some(47_453_133));
        assert!(of([0]).quantile(0.5).unwrap() <= 91);
    }

    #[test]
    fn what_is_taken_back_was_never_counted() {
        let fate =
            |result: &str| Some(OutcomeRow { result: result.to_owned(), latency_us: 5_000, ..OutcomeRow::default() });
        let mut tally = Tally::default();
        let rows = [("allow", fate("result")), ("allow", fate("timeout")), ("deny", None), ("approve", None)];
        let rows =
            rows.map(|(outcome, fate)| DecisionRow { outcome: outcome.to_owned(), fate, ..DecisionRow::default() });
        rows.iter().for_each(|row| tally.count(row, 1));
        assert_eq!((tally.allow, tally.deny, tally.approve, tally.errors), (2, 1, 1, 1));
        tally.end(&fate("not_forwarded").unwrap(), 1);
        let mut other = tally.clone();
        other.add(&tally);
        rows.iter().for_each(|row| other.count(row, -1));
        assert_eq!(other, tally);
        rows.iter().for_each(|row| other.count(row, -1));
        assert_eq!(other, Tally::default());
    }
}
