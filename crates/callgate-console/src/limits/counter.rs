//! A counter of a limit, as the API shows it and as a page does.

use crate::api::path;
use crate::figure;
use crate::moment::Moment;
use crate::search;
use callgate_control::approvals::visible::visible;
use serde::Deserialize;
use serde_json::Value;

/// A counter and its limit.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Counter {
    pub(crate) server: Option<String>,
    pub(crate) grant: Option<Grant>,
    /// Whose calls are counted together: `grant`, `session`, `identity`, `server`, `organisation`.
    pub(crate) scope: String,
    pub(crate) rule: String,
    pub(crate) tool: Option<String>,
    /// Exact: a number, or its text where it has more digits than a number of JSON keeps.
    pub(crate) used: Value,
    pub(crate) limit: Value,
    /// What is counted; none or `calls` for calls, else an argument.
    pub(crate) unit: Option<String>,
    pub(crate) window_seconds: Option<u64>,
    pub(crate) resets_at: Option<String>,
    /// Whether it refuses nothing.
    pub(crate) shadow: bool,
}

/// The grant whose counter it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) label: String,
}

/// A row of a table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) server: String,
    pub(crate) tool: String,
    pub(crate) rule: String,
    /// Whose counter it is.
    pub(crate) whose: String,
    pub(crate) grant_href: Option<String>,
    /// From 0 to 1.
    pub(crate) share: f64,
    /// `9 of 10 calls`.
    pub(crate) said: String,
    pub(crate) is_used_up: bool,
    pub(crate) is_shadow: bool,
    /// Whether it counts calls in flight, which nobody can set to zero.
    pub(crate) is_in_flight: bool,
    /// `per hour`, or in flight.
    pub(crate) window: String,
    pub(crate) resets: Option<Moment>,
    pub(crate) reset_href: String,
    /// What was denied by it.
    pub(crate) denied_href: String,
}

impl Row {
    pub(crate) fn of(counter: Counter) -> Self {
        let share = share(&counter.used, &counter.limit);
        let server = counter.server.as_deref().unwrap_or_default();
        let grant = counter.grant.as_ref().map_or("", |grant| grant.id.as_str());
        let unit = counter.unit.as_deref().filter(|unit| !unit.is_empty()).unwrap_or("calls");
        let whose = match (&counter.grant, counter.scope.as_str()) {
            (Some(grant), "grant") => visible(&grant.label),
            (Some(grant), scope) => format!("{} ({})", visible(&grant.label), visible(scope)),
            (None, scope) => format!("the whole {}", visible(scope)),
        };
        Self {
            tool: visible(counter.tool.as_deref().unwrap_or_default()),
            rule: visible(&counter.rule),
            whose,
            grant_href: counter.grant.as_ref().map(|grant| path(&["grants", &grant.id], &[])),
            said: format!("{} of {} {}", amount(&counter.used), amount(&counter.limit), visible(unit)),
            is_used_up: share >= 1.0 && !counter.shadow,
            is_shadow: counter.shadow,
            is_in_flight: counter.window_seconds.is_none(),
            share: share.clamp(0.0, 1.0),
            window: match counter.window_seconds {
                Some(seconds) => format!("in {}", figure::span(seconds)),
                None => "at once".to_owned(),
            },
            resets: Moment::maybe(counter.resets_at.as_deref()),
            reset_href: path(&["limits", "reset"], &[("server", server), ("rule", &counter.rule), ("grant", grant)]),
            denied_href: search::decisions(&[("server", server), ("rule", &counter.rule), ("grant", grant)]),
            server: visible(server),
        }
    }
}

/// An amount, with thousands apart where it is whole.
fn amount(value: &Value) -> String {
    match (value, value.as_u64()) {
        (_, Some(number)) => figure::count(number),
        (Value::String(text), _) => text.parse().map_or_else(|_| visible(text), figure::count),
        (other, _) => visible(&other.to_string()),
    }
}

fn share(used: &Value, limit: &Value) -> f64 {
    let number = |value: &Value| match value {
        Value::String(text) => text.parse::<f64>().ok(),
        other => other.as_f64(),
    };
    match (number(used), number(limit)) {
        (Some(used), Some(limit)) if limit > 0.0 => used / limit,
        // A limit of nothing is always used up; of what can't be read, the text says what it is.
        (Some(_), Some(_)) => 1.0,
        _ => 0.0,
    }
}
