//! A question, as the API shows it and as the inbox does.

use crate::api::{Problem, path};
use crate::figure;
use crate::moment::Moment;
use callgate_control::approvals::readable::readable;
use callgate_control::approvals::visible::visible;
use callgate_json::{Limits, parse};
use jiff::{Timestamp, Unit};
use serde::Deserialize;
use serde_json::value::RawValue;

/// So many characters of an argument are shown at once; the rest is one click away.
const SHOWN: usize = 2_000;

/// A call that needs a person's yes, and the answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Question {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) server: String,
    pub(crate) server_id: String,
    pub(crate) tool: String,
    pub(crate) grant: String,
    pub(crate) grant_label: String,
    pub(crate) identity: Option<String>,
    pub(crate) client: Option<String>,
    pub(crate) policy: String,
    pub(crate) policy_version: i64,
    pub(crate) rule: String,
    pub(crate) message: Option<String>,
    pub(crate) argument_keys: Vec<String>,
    /// As they were sent, number for number.
    pub(crate) arguments: Option<Box<RawValue>>,
    pub(crate) ask: String,
    pub(crate) four_eyes: bool,
    pub(crate) remember_seconds: Option<u64>,
    pub(crate) decision: String,
    pub(crate) asked: String,
    pub(crate) expires: String,
    pub(crate) answered_by: Option<String>,
    pub(crate) answered: Option<String>,
    pub(crate) reason: String,
}

/// One that waits.
pub(crate) struct Ask {
    /// The identity of the element on its page.
    pub(crate) element: String,
    pub(crate) id: String,
    pub(crate) tool: String,
    pub(crate) server: String,
    pub(crate) grant: String,
    pub(crate) grant_href: String,
    pub(crate) identity: Option<String>,
    pub(crate) client: Option<String>,
    pub(crate) rule: String,
    pub(crate) policy: String,
    pub(crate) decision_href: String,
    pub(crate) message: Option<String>,
    /// None where only their names may be seen.
    pub(crate) arguments: Option<Vec<Argument>>,
    pub(crate) names: String,
    pub(crate) asked: Moment,
    pub(crate) expires: Moment,
    /// How long there is left.
    pub(crate) left: String,
    /// How the caller waits, in words.
    pub(crate) waits: &'static str,
    pub(crate) four_eyes: bool,
    /// How long a yes may stay, in words.
    pub(crate) remember: Option<String>,
    pub(crate) href: String,
    pub(crate) why_not: Option<String>,
    /// What was typed, and why the answer did not count.
    pub(crate) reason: String,
    pub(crate) problem: Option<Problem>,
}

/// An argument: what is shown at once, and the rest.
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) rest: Option<(usize, String)>,
}

/// One that waits no longer.
pub(crate) struct Over {
    pub(crate) element: String,
    pub(crate) tool: String,
    pub(crate) server: String,
    pub(crate) grant: String,
    pub(crate) class: &'static str,
    pub(crate) state: &'static str,
    pub(crate) by: Option<String>,
    pub(crate) moment: Moment,
    pub(crate) reason: String,
    pub(crate) href: String,
}

impl Ask {
    pub(crate) fn of(question: &Question, why_not: Option<String>) -> Self {
        Self {
            element: element(&question.id),
            id: question.id.clone(),
            tool: visible(&question.tool),
            server: visible(&question.server),
            grant: visible(&question.grant_label),
            grant_href: path(&["grants", &question.grant], &[]),
            identity: question.identity.as_deref().map(visible),
            client: question.client.as_deref().map(visible),
            rule: visible(&question.rule),
            policy: format!("{}, version {}", visible(&question.policy), question.policy_version),
            decision_href: path(&["decisions", &question.decision], &[]),
            message: question.message.as_deref().map(visible),
            arguments: question.arguments.as_ref().map(|arguments| arguments_of(arguments.get())),
            names: question.argument_keys.iter().map(|key| visible(key)).collect::<Vec<_>>().join(", "),
            asked: Moment::of(&question.asked),
            expires: Moment::of(&question.expires),
            left: left(&question.expires, Timestamp::now()),
            waits: match question.ask.as_str() {
                "hold" => "The call is held open until there is an answer.",
                "client" => "The client asks its own user, too.",
                _ => "The caller was told to come back later.",
            },
            four_eyes: question.four_eyes,
            remember: question.remember_seconds.map(figure::span),
            href: path(&["approvals", &question.id], &[]),
            why_not,
            reason: String::new(),
            problem: None,
        }
    }
}

impl Over {
    pub(crate) fn of(question: &Question) -> Self {
        let (class, state) = match question.state.as_str() {
            "approved" => ("outcome-allow", "approved"),
            "used" => ("outcome-allow", "approved and used"),
            "refused" => ("outcome-deny", "refused"),
            "expired" => ("", "over, unanswered"),
            _ => ("", "withdrawn"),
        };
        // A yes that was not used in time was answered all the same.
        let state =
            if state == "over, unanswered" && question.answered_by.is_some() { "approved, not used" } else { state };
        Self {
            element: element(&question.id),
            tool: visible(&question.tool),
            server: visible(&question.server),
            grant: visible(&question.grant_label),
            class,
            state,
            by: question.answered_by.as_deref().map(visible),
            moment: Moment::of(question.answered.as_deref().unwrap_or(&question.expires)),
            reason: visible(&question.reason),
            href: path(&["approvals", &question.id], &[]),
        }
    }
}

fn element(id: &str) -> String {
    format!("ask-{id}")
}

/// Each argument as people read it: exact, and with everything hidden spelled out.
fn arguments_of(text: &str) -> Vec<Argument> {
    let limits = Limits { max_bytes: text.len(), max_values: usize::MAX, max_depth: 512, ..Limits::default() };
    match parse(text.as_bytes(), &limits) {
        Ok(tree) if tree.is_object() => {
            tree.members().iter().map(|member| argument(visible(&member.key), readable(&member.value))).collect()
        }
        _ => vec![argument("all".to_owned(), visible(text))],
    }
}

fn argument(name: String, text: String) -> Argument {
    let Some((cut, _)) = text.char_indices().nth(SHOWN) else { return Argument { name, text, rest: None } };
    let (shown, rest) = text.split_at_checked(cut).unwrap_or((&text, ""));
    Argument { name, rest: Some((rest.chars().count(), rest.to_owned())), text: shown.to_owned() }
}

/// How long there is until a moment.
fn left(expires: &str, now: Timestamp) -> String {
    let seconds = expires.parse::<Timestamp>().ok().and_then(|at| at.since((Unit::Second, now)).ok());
    match seconds.and_then(|span| u64::try_from(span.get_seconds()).ok()) {
        Some(seconds) if seconds > 0 => format!("{} left", figure::span(seconds)),
        _ => "over".to_owned(),
    }
}
