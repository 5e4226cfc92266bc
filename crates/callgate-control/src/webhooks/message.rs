//! From an event to what an endpoint is sent.

mod slack;
mod teams;

use super::event::Happening;
use crate::approvals::Sealed;
use crate::approvals::visible::visible;
use crate::moment;
use callgate_store::{Event, Template};
use serde_json::{Map, Value, json};

/// How much of one value is shown to people, in characters.
const SHOWN: usize = 300;

/// How much of arguments is shown to people, in characters.
const SHOWN_ARGUMENTS: usize = 1500;

/// What people are shown of an event, whichever program shows it.
struct Notice {
    /// One line.
    title: String,
    /// What it is about, with labels.
    facts: Vec<(&'static str, String)>,
    /// Where to go, and what that is called.
    link: Option<(&'static str, String)>,
}

/// The body of a message. `asked` is what the question is about, where the endpoint may see it.
pub(super) fn body(template: Template, event: &Event, base: &str, asked: Option<&Sealed>) -> Vec<u8> {
    let data = data(event, base, asked);
    let message = match template {
        Template::Generic => {
            json!({ "type": event.kind, "timestamp": moment::rfc3339(event.at), "data": data })
        }
        Template::Slack => slack::message(&notice(event, &data)),
        Template::Teams => teams::message(&notice(event, &data)),
    };
    message.to_string().into_bytes()
}

/// The identity of the approval that an event is about.
pub(super) fn approval(event: &Event) -> Option<String> {
    if !event.kind.starts_with("approval.") {
        return None;
    }
    let body: Value = serde_json::from_str(&event.body).ok()?;
    body.get("id")?.as_str().map(str::to_owned)
}

/// What an event tells, with its organisation and where to go.
fn data(event: &Event, base: &str, asked: Option<&Sealed>) -> Map<String, Value> {
    let body = serde_json::from_str(&event.body).unwrap_or_default();
    let mut data: Map<String, Value> = if let Value::Object(body) = body { body } else { Map::new() };
    data.insert("organisation".to_owned(), event.organisation.clone().into());
    if let Some(id) = approval(event) {
        data.insert("url".to_owned(), format!("{base}/approvals/{id}").into());
    }
    if let Some(asked) = asked {
        let arguments = serde_json::from_str(asked.arguments.get()).unwrap_or_default();
        data.insert("arguments".to_owned(), arguments);
        data.insert("message".to_owned(), asked.message.clone().into());
    }
    data
}

fn notice(event: &Event, data: &Map<String, Value>) -> Notice {
    let text = |name: &str| data.get(name).map(shown).filter(|text| !text.is_empty());
    let or = |name: &str, other: &str| text(name).unwrap_or_else(|| other.to_owned());
    let tool = || or("tool", "a tool");
    let title = match Happening::of(&event.kind) {
        Some(Happening::ApprovalAsked) => format!("{} waits for a yes", tool()),
        Some(Happening::ApprovalApproved) => format!("{}: approved by {}", tool(), or("answered_by", "somebody")),
        Some(Happening::ApprovalDenied) => format!("{}: denied by {}", tool(), or("answered_by", "somebody")),
        Some(Happening::ApprovalExpired) => format!("{}: nobody answered in time", tool()),
        Some(Happening::ApprovalWithdrawn) => format!("{}: given up before anybody answered", tool()),
        Some(Happening::DefinitionQuarantined) => {
            format!("{} changed the definition of tools", or("server", "a server"))
        }
        Some(Happening::WebhookTest) => "Callgate reaches this place".to_owned(),
        None => plain(&event.kind, SHOWN),
    };
    let mut facts = Vec::new();
    for (label, name) in [
        ("Organisation", "organisation"),
        ("Server", "server"),
        ("Tool", "tool"),
        ("Tools", "tools"),
        ("Grant", "grant"),
        ("Rule", "rule"),
        ("Because", "message"),
        ("Until", "expires"),
        ("Reason", "reason"),
    ] {
        facts.extend(text(name).map(|value| (label, value)));
    }
    let arguments = match data.get("arguments") {
        Some(arguments) => Some(plain(&arguments.to_string(), SHOWN_ARGUMENTS)),
        None => text("argument_names"),
    };
    facts.extend(arguments.map(|arguments| ("Arguments", arguments)));
    let called = if event.kind == Happening::ApprovalAsked.word() { "Look and decide" } else { "Look at it" };
    let link = data.get("url").and_then(Value::as_str).map(|url| (called, url.to_owned()));
    Notice { title, facts, link }
}

/// A value for people: texts as they are, lists as a line.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => plain(text, SHOWN),
        Value::Array(items) => plain(&items.iter().map(shown).collect::<Vec<_>>().join(", "), SHOWN),
        other => plain(&other.to_string(), SHOWN),
    }
}

/// Text that shows what it is, of bounded length: names and arguments are anybody's.
fn plain(text: &str, most: usize) -> String {
    // What is hidden gets longer when it is spelled out.
    let shown = visible(&text.chars().take(most.saturating_add(1)).collect::<String>());
    let mut characters = shown.chars();
    let mut plain: String = characters.by_ref().take(most).collect();
    if characters.next().is_some() {
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests;
