//! What was decided, counted: by moment, server and rule.

use crate::caller::{Caller, Permission, Scope};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::moment;
use callgate_store::{Repeated, Span, Tally};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::ToSchema;

/// How many parts a summary has at most.
const PARTS: i64 = 120;

/// How long a summary is about where nobody says, in milliseconds: an hour.
const USUAL: i64 = 3_600_000;

/// How many rules a summary names at most.
const RULES: u32 = 10;

/// How long the parts can be, in milliseconds: from a minute to four weeks.
const LENGTHS: [i64; 8] = [60_000, 300_000, 900_000, 3_600_000, 21_600_000, 86_400_000, 604_800_000, 2_419_200_000];

/// The last moment that has a name, year 9999.
const LATEST: i64 = 253_402_214_400_000;

/// What a summary is about. Moments are milliseconds since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// From then on; an hour before the end where it is left out.
    pub since: Option<i64>,
    /// Before then; now where it is left out.
    pub until: Option<i64>,
    /// Only this server, by its name then.
    pub server: Option<String>,
}

/// What was decided in a span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Summary {
    /// From then on, RFC 3339: what was asked for, or the beginning of the part that it is in.
    pub since: String,
    /// Before then, RFC 3339: the end of a part.
    pub until: String,
    /// How long a part is.
    pub bucket_seconds: u64,
    /// The parts, oldest first, at most 121; those without a decision, too.
    pub buckets: Vec<Bucket>,
    /// All of it.
    pub totals: Totals,
    /// By server, those with most first, at most 1,000.
    pub by_server: Vec<OfServer>,
    /// What refused most often among the newest refusals (5,000, or those of the newest 20,000 decisions about the server
    /// that was asked for), at most ten.
    pub top_rules: Vec<TopRule>,
}

/// What was decided in a part of the time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SummaryBucket)]
pub struct Bucket {
    /// Its beginning, RFC 3339.
    pub at: String,
    /// How many were allowed.
    pub allow: u64,
    /// How many were refused.
    pub deny: u64,
    /// How many a person was asked about.
    pub approve: u64,
    /// How many calls the server answered with an error of the protocol, broke off, or did not answer.
    pub errors: u64,
    /// The median latency in microseconds, at most two fifths off; null where no call ended.
    #[schema(required)]
    pub p50_us: Option<u64>,
    /// The latency that 95 of 100 calls don't exceed.
    #[schema(required)]
    pub p95_us: Option<u64>,
    /// The latency that 99 of 100 calls don't exceed.
    #[schema(required)]
    pub p99_us: Option<u64>,
}

/// What was decided, all in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SummaryTotals)]
pub struct Totals {
    /// How many were allowed.
    pub allow: u64,
    /// How many were refused.
    pub deny: u64,
    /// How many a person was asked about.
    pub approve: u64,
    /// How many calls the server answered with an error of the protocol, broke off, or did not answer.
    pub errors: u64,
}

/// What was decided about a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SummaryOfServer)]
pub struct OfServer {
    /// The name of the server, then.
    pub server: String,
    /// How many were allowed.
    pub allow: u64,
    /// How many were refused.
    pub deny: u64,
    /// How many a person was asked about.
    pub approve: u64,
}

/// A rule that refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SummaryTopRule)]
pub struct TopRule {
    /// The name of the server, then.
    pub server: String,
    /// The rule.
    pub rule: String,
    /// The tool; empty where it refused something else.
    pub tool: String,
    /// How often it refused.
    pub denied: u64,
    /// When it did so last, RFC 3339.
    pub last: String,
}

impl Control {
    /// What was decided in a span of time, about the servers that the caller may see.
    pub async fn summary(&self, caller: &Caller, wanted: &Wanted) -> Result<Summary, Error> {
        let cleared = caller.clear(Permission::ReadDecisions, Scope::Visible)?;
        let (since, until, bucket) = span(wanted, self.now())?;
        let sight = self.sight(&cleared).await?;
        let span = Span { since, until, bucket, server: wanted.server.clone(), sight };
        let reads = self.reads(&cleared);
        let parts = reads.tallies(&span).await?;
        let by_server = reads.tallies_by_server(&span).await?;
        let top_rules = reads.repeated_refusals(&span, RULES).await?;
        let mut totals = Tally::default();
        parts.iter().for_each(|(_, part)| totals.add(part));
        let parts: HashMap<i64, Tally> = parts.into_iter().collect();
        let empty = Tally::default();
        let part = |at: i64| shown(since + at * bucket, parts.get(&at).unwrap_or(&empty));
        Ok(Summary {
            since: moment::rfc3339(since),
            until: moment::rfc3339(until),
            bucket_seconds: (bucket / 1_000).unsigned_abs(),
            buckets: (0..(until - since) / bucket).map(part).collect(),
            totals: Totals {
                allow: totals.allow.unsigned_abs(),
                deny: totals.deny.unsigned_abs(),
                approve: totals.approve.unsigned_abs(),
                errors: totals.errors.unsigned_abs(),
            },
            by_server: by_server.into_iter().map(of_server).collect(),
            top_rules: top_rules.into_iter().map(TopRule::from).collect(),
        })
    }
}

/// Beginning, end and length of the parts: the shortest that are few enough. Beginning and end are those of parts.
fn span(wanted: &Wanted, now: i64) -> Result<(i64, i64, i64), Error> {
    // What happens at this very moment is in it.
    let until = wanted.until.unwrap_or(now.saturating_add(1)).clamp(1, LATEST);
    let since = wanted.since.map_or(until.saturating_sub(USUAL), |since| since.min(LATEST)).max(0);
    if since >= until {
        let remedy = "leave `until` out for now, and `since` for the hour before it";
        return Err(Error::new(Kind::Malformed, "CG3250", "`since` is not before `until`", remedy));
    }
    let fits = |length: &i64| until - since - 1 <= length * PARTS;
    let [.., longest] = LENGTHS;
    let mut bucket = LENGTHS.into_iter().find(fits).unwrap_or(longest);
    while !fits(&bucket) {
        bucket *= 2;
    }
    let end = until + (bucket - until % bucket) % bucket;
    let begin = match wanted.since {
        Some(since) => since.max(0) - since.max(0) % bucket,
        // Whole parts, not the rest of one more.
        None => (end - USUAL).max(0),
    };
    Ok((begin, end, bucket))
}

fn shown(at: i64, tally: &Tally) -> Bucket {
    Bucket {
        at: moment::rfc3339(at),
        allow: tally.allow.unsigned_abs(),
        deny: tally.deny.unsigned_abs(),
        approve: tally.approve.unsigned_abs(),
        errors: tally.errors.unsigned_abs(),
        p50_us: tally.quantile(0.5),
        p95_us: tally.quantile(0.95),
        p99_us: tally.quantile(0.99),
    }
}

fn of_server((server, [allow, deny, approve]): (String, [i64; 3])) -> OfServer {
    OfServer { server, allow: allow.unsigned_abs(), deny: deny.unsigned_abs(), approve: approve.unsigned_abs() }
}

impl From<Repeated> for TopRule {
    fn from(repeated: Repeated) -> Self {
        let Repeated { server, rule, tool, denied, last } = repeated;
        Self { server, rule, tool, denied: denied.unsigned_abs(), last: moment::rfc3339(last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_few_and_begin_where_counts_do() {
        let now = 1_764_000_123_456;
        for (since, parts, length) in [
            (None, 60, 60_000),
            (Some(1), 2, 60_000),
            (Some(7_200_000), 121, 60_000),
            (Some(7_200_001), 25, 300_000),
            (Some(86_400_000), 97, 900_000),
            (Some(30 * 86_400_000), 121, 21_600_000),
            (Some(365 * 86_400_000), 54, 604_800_000),
            (Some(i64::MAX), 92, 19_353_600_000),
        ] {
            let wanted = Wanted { since: since.map(|ago| now - ago), ..Wanted::default() };
            let (begin, end, bucket) = span(&wanted, now).unwrap();
            assert_eq!((begin % bucket, end % bucket, bucket), (0, 0, length), "{since:?}");
            assert!(end >= now && since.is_none_or(|ago| begin <= (now - ago).max(0)), "{since:?}");
            let count = (end - begin) / bucket;
            assert!(count <= PARTS + 1 && count <= parts && count + 1 >= parts, "{since:?}: {count}");
        }
        for (since, until) in [(Some(5), Some(5)), (Some(now + 1), None), (Some(i64::MAX), Some(i64::MAX))] {
            let wanted = Wanted { since, until, server: None };
            assert_eq!(span(&wanted, now).unwrap_err().code, "CG3250");
        }
        assert_eq!(span(&Wanted { until: Some(i64::MIN), ..Wanted::default() }, now).unwrap(), (0, 60_000, 60_000));
    }
}
