//! From MCP to the policy: the one place that knows both.

use callgate_json::Value;
use callgate_mcp::{META_CLIENT_INFO, Message, Method, Subject};
use callgate_policy::{Arguments, Call, Client, Definition, Reach, ReachKind, ServerName};

/// The call that a `tools/call` request asks for, as the policy sees it; `None` for every other message.
///
/// Name and arguments come from the parsed tree of the very bytes that are forwarded.
pub(crate) fn call<'m>(
    server: &'m ServerName,
    message: &'m Message<'_>,
    definition: Option<&'m Definition>,
) -> Option<Call<'m>> {
    let asked = message.tool_call()?;
    let arguments = asked.arguments.map_or(Arguments::Absent, Arguments::Value);
    Some(Call { server, tool: asked.name, arguments, definition })
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

/// The header, and the member of a request's `_meta`, that names a trace (W3C Trace Context, MCP 2026-07-28).
pub(crate) const TRACEPARENT: &str = "traceparent";

/// The id of the trace that a request belongs to: as its `_meta` says, else as its HTTP headers do. Self-declared.
pub(crate) fn trace<'m>(message: &'m Message<'_>, of_headers: Option<&'m str>) -> Option<&'m str> {
    match message.meta(TRACEPARENT) {
        Some(own) => own.as_str().and_then(trace_id),
        None => of_headers,
    }
}

/// The trace id in a `traceparent` of W3C Trace Context; `None` where it is invalid, which means that there is none.
pub(crate) fn trace_id(traceparent: &str) -> Option<&str> {
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_id = |part: &str, length| is_hex(part, length) && part.bytes().any(|b| b != b'0');
    let mut parts = traceparent.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // Versions to come may have more behind the flags.
    let is_known = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    (is_known && is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use callgate_mcp::{Batches, Incoming, parse_client};

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_trace_is_read_as_the_specification_says() {
        let table = [
            (format!("00-{TRACE}-00f067aa0ba902b7-01"), true),
            (format!("00-{TRACE}-00f067aa0ba902b7-01-more"), false),
            (format!("01-{TRACE}-00f067aa0ba902b7-01-more"), true),
            (format!("ff-{TRACE}-00f067aa0ba902b7-01"), false),
            (format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()), false),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
            (format!("00-{TRACE}-0000000000000000-01"), false),
            (format!("00-{TRACE}-00f067aa0ba902b7"), false),
            (format!("00-{TRACE}-00f067aa0ba902b7-1"), false),
            (format!(" 00-{TRACE}-00f067aa0ba902b7-01"), false),
            (String::new(), false),
        ];
        for (text, is_one) in table {
            assert_eq!(trace_id(&text), is_one.then_some(TRACE), "{text}");
        }
    }

    #[test]
    fn the_message_speaks_before_its_headers() {
        let table = [
            (format!(r#""traceparent":"00-{TRACE}-00f067aa0ba902b7-01""#), Some(TRACE)),
            (r#""traceparent":"nothing""#.to_owned(), None),
            (r#""traceparent":7"#.to_owned(), None),
            (r#""other":1"#.to_owned(), Some("headers")),
        ];
        for (meta, expected) in table {
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a","_meta":{{{meta}}}}}}}"#
            );
            let parsed = parse_client(text.as_bytes(), &callgate_mcp::Limits::default(), Batches::Refused).unwrap();
            let Incoming::One(message) = parsed else { panic!("{text}") };
            assert_eq!(trace(&message, Some("headers")), expected, "{text}");
        }
    }
}
