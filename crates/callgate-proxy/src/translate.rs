//! From MCP to the policy: the one place that knows both.

use callgate_json::Value;
use callgate_mcp::{META_CLIENT_INFO, Message, Method, Subject};
use callgate_policy::{Arguments, Call, Client, Reach, ReachKind, ServerName};

/// The call that a `tools/call` request asks for, as the policy sees it; `None` for every other message.
///
/// Name and arguments come from the parsed tree of the very bytes that are forwarded.
pub(crate) fn call<'m>(server: &'m ServerName, message: &'m Message<'_>) -> Option<Call<'m>> {
    let asked = message.tool_call()?;
    let arguments = asked.arguments.map_or(Arguments::Absent, Arguments::Value);
    Some(Call { server, tool: asked.name, arguments, definition: None })
}

/// What is reached for, as the policy sees it; `None` where no section speaks of it: a task is its owner's, and which
/// directories a server is told about is a matter of the answer.
pub(crate) fn reach(subject: Subject<'_>) -> Option<Reach<'_>> {
    let (kind, subject) = match subject {
        Subject::Resource(uri) => (ReachKind::Resource, uri),
        Subject::Template(template) => (ReachKind::Template, template),
        Subject::Prompt(name) => (ReachKind::Prompt, name),
        Subject::Model(hint) => (ReachKind::Sampling, hint),
        Subject::Form => (ReachKind::Elicitation, "form"),
        Subject::Url(url) => (ReachKind::Elicitation, url),
        Subject::Task(_) | Subject::Roots => return None,
    };
    Some(Reach { kind, subject })
}

/// What the client calls itself: in `initialize`, or in the `_meta` of a modern request. Self-declared.
pub(crate) fn client(message: &Message<'_>) -> Option<Client> {
    let info = match message.method() {
        Method::Initialize => message.params()?.get("clientInfo"),
        _ => message.meta(META_CLIENT_INFO),
    }?;
    let text = |key| info.get(key).and_then(Value::as_str).unwrap_or_default().chars().take(128).collect();
    Some(Client { name: text("name"), version: text("version") })
}
