//! From MCP to the policy: the one place that knows both.

use callgate_json::Value;
use callgate_mcp::{META_CLIENT_INFO, Message, Method};
use callgate_policy::{Arguments, Call, Client, ServerName};

/// The call that a `tools/call` request asks for, as the policy sees it; `None` for every other message.
///
/// Name and arguments come from the parsed tree of the very bytes that are forwarded.
pub(crate) fn call<'m>(server: &'m ServerName, message: &'m Message<'_>) -> Option<Call<'m>> {
    let asked = message.tool_call()?;
    let arguments = asked.arguments.map_or(Arguments::Absent, Arguments::Value);
    Some(Call { server, tool: asked.name, arguments, definition: None })
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
