//! The rows of the first page's parts.

use crate::api::{Problem, path};
use crate::figure;
use crate::moment::Moment;
use crate::search;
use callgate_control::approvals::visible::visible;
use serde::Deserialize;

/// What was decided, all in all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Totals {
    allow: u64,
    deny: u64,
    approve: u64,
    errors: u64,
}

/// A rule that refuses, as the API counts it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TopRule {
    server: String,
    rule: String,
    tool: String,
    denied: u64,
    last: String,
}

/// A rule that refuses.
pub(super) struct RuleRow {
    pub(super) server: String,
    pub(super) rule: String,
    pub(super) tool: String,
    pub(super) denied: String,
    pub(super) last: Moment,
    pub(super) href: String,
}

/// A server, as the API lists it.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

/// How a server is, as the API says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Health {
    state: String,
    since: Option<String>,
    breaker: Option<String>,
    last_ok: Option<String>,
    last_error: Option<Failed>,
    in_flight: u64,
    sessions: u64,
    processes: u64,
}

/// What went wrong last.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Failed {
    at: String,
    what: String,
}

/// A server with its health.
pub(super) struct ServerRow {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) state: String,
    pub(super) class: &'static str,
    /// Whether nothing needs a look.
    pub(super) is_well: bool,
    pub(super) since: Option<Moment>,
    pub(super) last_ok: Option<Moment>,
    pub(super) error: Option<(Moment, String)>,
    pub(super) in_flight: String,
    pub(super) sessions: String,
    pub(super) processes: String,
}

/// Something that was refused before a grant was known, as the API shows it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Refusal {
    source: String,
    reason: String,
    count: u64,
    time: String,
}

/// Refusals of one kind from one source.
pub(super) struct Early {
    pub(super) source: String,
    pub(super) reason: String,
    pub(super) count: String,
    pub(super) last: Moment,
}

impl Totals {
    pub(super) fn allowed(&self) -> String {
        figure::count(self.allow)
    }

    pub(super) fn denied(&self) -> String {
        figure::count(self.deny)
    }

    pub(super) fn asked(&self) -> String {
        figure::count(self.approve)
    }

    pub(super) fn errors(&self) -> String {
        figure::count(self.errors)
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.allow + self.deny + self.approve == 0
    }
}

impl RuleRow {
    pub(super) fn of(rule: TopRule, since: &str) -> Self {
        Self {
            href: search::decisions(&[
                ("server", &rule.server),
                ("tool", &rule.tool),
                ("rule", &rule.rule),
                ("outcome", "deny"),
                ("since", since),
            ]),
            server: visible(&rule.server),
            rule: visible(&rule.rule),
            tool: visible(&rule.tool),
            denied: figure::count(rule.denied),
            last: Moment::of(&rule.last),
        }
    }
}

impl ServerRow {
    pub(super) fn of(name: &str, health: Result<Health, Problem>) -> Self {
        let href = path(&["servers", name], &[]);
        let name = visible(name);
        let health = match health {
            Ok(health) => health,
            Err(problem) => return Self::unknown(name, href, problem),
        };
        let breaker = health.breaker.as_deref().filter(|breaker| !matches!(*breaker, "" | "closed"));
        // `half_open` lets a call through to see; `unknown` was not called yet.
        let (class, is_well) = match (health.state.as_str(), breaker) {
            (_, Some(_)) | ("failing", _) => ("outcome-deny", false),
            ("ok", None) => ("outcome-allow", true),
            _ => ("", true),
        };
        Self {
            state: match breaker {
                Some(breaker) => format!("{}, breaker {}", visible(&health.state), visible(breaker).replace('_', " ")),
                None => visible(&health.state),
            },
            since: Moment::maybe(health.since.as_deref()),
            last_ok: Moment::maybe(health.last_ok.as_deref()),
            error: health.last_error.map(|failed| (Moment::of(&failed.at), visible(&failed.what))),
            in_flight: figure::count(health.in_flight),
            sessions: figure::count(health.sessions),
            processes: figure::count(health.processes),
            name,
            href,
            class,
            is_well,
        }
    }

    fn unknown(name: String, href: String, problem: Problem) -> Self {
        let none = String::new;
        Self {
            name,
            href,
            state: format!("not known: {}", visible(&problem.detail)),
            class: "",
            is_well: false,
            since: None,
            last_ok: None,
            error: None,
            in_flight: none(),
            sessions: none(),
            processes: none(),
        }
    }
}

impl Early {
    pub(super) fn of(refusal: Refusal) -> Self {
        Self {
            source: visible(&refusal.source),
            reason: visible(&refusal.reason),
            count: figure::count(refusal.count),
            last: Moment::of(&refusal.time),
        }
    }
}
