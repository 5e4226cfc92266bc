//! Limits as answers show them.

use super::LimitFilter;
use super::ground::{Bound, Ground, Seen};
use crate::moment;
use callgate_policy::{Mode, Scope, Standing, Unit};
use serde::{Deserialize, Serialize};
use serde_json::Number;
use std::cmp::Ordering;
use std::collections::HashSet;
use utoipa::ToSchema;

/// From which part of it on a limit is near its end.
const NEAR: f64 = 0.8;

/// A limit, and what its counter holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Limit {
    /// The name of the server under whose policy it stands.
    pub server: String,
    /// Whose counter it is, where each grant has its own.
    #[schema(required)]
    pub grant: Option<LimitGrant>,
    /// Whose calls share the counter: `grant`, `session`, `identity`, `server` or `organisation`.
    pub scope: String,
    /// The rule.
    pub rule: String,
    /// The name or pattern of the tools that it is for; null where it is for all, or for a category.
    #[schema(required)]
    pub tool: Option<String>,
    /// How much is used.
    #[schema(value_type = f64)]
    pub used: Number,
    /// The most that may be.
    #[schema(value_type = f64)]
    pub limit: Number,
    /// What is counted: `calls`, or the argument that is summed up.
    pub unit: String,
    /// How long the window is; a month is 31 days. Null for calls in flight.
    #[schema(required)]
    pub window_seconds: Option<u64>,
    /// When less is used without anybody's doing, RFC 3339: the window ends, or the oldest charge leaves a sliding one.
    /// Null for calls in flight.
    #[schema(required)]
    pub resets_at: Option<String>,
    /// Whether four fifths of it are used.
    pub near: bool,
    /// Whether the rule is in shadow mode: it counts, and refuses nothing.
    pub shadow: bool,
}

/// Whose counter it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitGrant {
    /// The identity of the grant.
    pub id: String,
    /// Its label.
    pub label: String,
}

/// What can be seen of what counts, nearest to exhaustion first.
pub(super) fn listed(ground: &Ground<'_>, standing: &[Standing], seen: &Seen, filter: &LimitFilter) -> Vec<Limit> {
    let mut limits: Vec<(f64, Limit)> = Vec::new();
    for standing in standing {
        let is_wide = matches!(standing.key.scope, Scope::Identity | Scope::Organisation);
        if is_wide && !matches!(seen, Seen::All) {
            continue;
        }
        let mut told = HashSet::new();
        for bound in ground.bounds(&standing.key) {
            let is_meant = bound.limit.mode() == standing.mode && seen.sees(&bound.server.id) && fits(&bound, filter);
            // Two policies of one server can have the same rule.
            if is_meant && told.insert((&bound.server.id, bound.limit.rule().as_str(), bound.limit.max().to_string())) {
                limits.push(shown(standing, &bound));
            }
        }
    }
    limits.sort_by(|(one, this), (other, that)| {
        let order = other.partial_cmp(one).unwrap_or(Ordering::Equal);
        let name =
            |limit: &Limit| (limit.server.clone(), limit.rule.clone(), limit.grant.clone().map(|grant| grant.id));
        order.then_with(|| name(this).cmp(&name(that)))
    });
    limits.into_iter().map(|(_, limit)| limit).collect()
}

fn fits(bound: &Bound<'_>, filter: &LimitFilter) -> bool {
    let server = filter.server.as_ref();
    let grant = filter.grant.as_ref();
    server.is_none_or(|wanted| *wanted == bound.server.name || **wanted == *bound.server.id)
        && grant.is_none_or(|wanted| bound.grant.is_some_and(|grant| *wanted == grant.id || *wanted == grant.label))
}

fn shown(standing: &Standing, bound: &Bound<'_>) -> (f64, Limit) {
    let limit = &bound.limit;
    let (used, max) = (standing.held, limit.max());
    let share = match max.is_zero() {
        true => f64::MAX,
        false => used.to_f64() / max.to_f64(),
    };
    let shown = Limit {
        server: bound.server.name.clone(),
        grant: bound.grant.map(|grant| LimitGrant { id: grant.id.clone(), label: grant.label.clone() }),
        scope: standing.key.scope.as_str().to_owned(),
        rule: limit.rule().as_str().to_owned(),
        tool: limit.tool.map(str::to_owned),
        used: number(used.as_i64(), used.to_f64()),
        limit: number(max.as_i64(), max.to_f64()),
        unit: match limit.unit() {
            Unit::Calls => "calls".to_owned(),
            Unit::Path(path) => path.to_string(),
        },
        window_seconds: limit.window().seconds(),
        resets_at: standing.eases_at.map(|at| moment::rfc3339(at.0)),
        near: share >= NEAR,
        shadow: limit.mode() == Mode::Shadow,
    };
    (share, shown)
}

/// Whole where it is; JSON has no exact fractions.
fn number(whole: Option<i64>, nearest: f64) -> Number {
    whole.map(Number::from).or_else(|| Number::from_f64(nearest)).unwrap_or_else(|| Number::from(0))
}
