//! JSON-RPC messages: any bytes give an answer, and what is accepted means the same to every reader.

use crate::runner::Target;
use callgate_mcp::{
    Batches, CacheScope, FrameError, HeaderParams, Incoming, Limits, Message, Method, Rewrite, decode_value,
    detect_stdio, filter_tools, mirror_headers, one_line, outcome, parse_client, parse_server,
};

pub(crate) const TARGET: Target = Target {
    name: "jsonrpc-framer",
    corpus: &["crates/callgate-mcp/tests/seeds/jsonrpc"],
    seeds: &[],
    words: &[
        "\"jsonrpc\":\"2.0\",",
        "\"id\":1,",
        "\"id\":null,",
        "\"id\":1.0,",
        "\"method\":\"tools/call\",",
        "\"Method\":",
        "\"params\":{",
        "\"name\":\"exec\",",
        "\"n\\u0061me\":\"exec\",",
        "\"Name\":",
        "\"arguments\":{}",
        "\"arguments\":[]",
        "\"result\":{",
        "\"tools\":[",
        "\"error\":{\"code\":1,\"message\":\"\"}",
        "\"_meta\":{",
        "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"",
        "\"cacheScope\":\"public\"",
        "\"x-mcp-header\":\"A\"",
        "notifications/",
        "\\ud800",
        "\\u0000",
        "\\/",
        "\u{feff}",
        "\u{17f}",
        "1e400",
        "1e999999",
        "-0",
        "99999999999999999999",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\n",
        "\r\n",
        "null",
        "true",
    ],
    run,
};

fn run(input: &[u8]) {
    let limits = Limits::default();
    match parse_client(input, &limits, Batches::Allowed) {
        Ok(incoming) => incoming.messages().iter().for_each(accepted),
        Err(error) => refused(&error, &limits),
    }
    if let Ok(incoming) = parse_server(input, &limits, Batches::Allowed) {
        for message in incoming.messages() {
            let _ = outcome(message);
        }
    }
    filtered(input, &limits);
}

fn accepted(message: &Message<'_>) {
    let call = message.tool_call();
    assert_eq!(call.is_some(), message.method() == Method::ToolsCall, "a call without its parts");
    // A reader that knows nothing of this one, takes the last of two keys and repairs what it can.
    if let Ok(lenient) = serde_json::from_slice::<serde_json::Value>(message.bytes()) {
        assert_eq!(lenient.get("method").and_then(|method| method.as_str()), message.method_name(), "two methods");
        let name = lenient.pointer("/params/name").and_then(|name| name.as_str());
        assert!(call.is_none_or(|call| name == Some(call.name)), "two tools");
    }
    let line = one_line(message.bytes());
    assert!(!line.contains(&b'\n') && !line.contains(&b'\r'), "a second line");
    same(&line, message, "another line");
    if let Some(id) = message.id_bytes() {
        let renumbered = Rewrite::new(message).id(b"\"gateway-1\"".as_slice()).into_bytes();
        with_one(&renumbered, |changed| {
            assert_eq!(changed.id_bytes(), Some(b"\"gateway-1\"".as_slice()), "the id is not the new one");
            let back = Rewrite::new(changed).id(id).into_bytes();
            assert_eq!(back, message.bytes(), "the way back is another message");
        });
    }
    let _ = detect_stdio(message);
    let params = message.params().map(HeaderParams::from_schema).and_then(Result::ok);
    for (name, value) in mirror_headers(message, params.as_ref()) {
        let safe = value.bytes().all(|byte| byte == b'\t' || (0x20..0x7f).contains(&byte));
        assert!(safe && decode_value(value.as_bytes()).is_some(), "the header `{name}` is unsafe: {value:?}");
    }
}

fn same(bytes: &[u8], message: &Message<'_>, law: &str) {
    with_one(bytes, |again| {
        assert_eq!(callgate_json::canonical(again.tree()), callgate_json::canonical(message.tree()), "{law}");
    });
}

fn with_one(bytes: &[u8], check: impl FnOnce(&Message<'_>)) {
    let parsed = parse_client(bytes, &Limits::default(), Batches::Refused);
    assert!(parsed.is_ok(), "can't be read again: {parsed:?}");
    if let Ok(Incoming::One(message)) = parsed {
        check(&message);
    }
}

fn refused(error: &FrameError, limits: &Limits) {
    let response = error.to_response();
    assert!(parse_server(&response, limits, Batches::Refused).is_ok(), "an unreadable refusal");
    assert!(error.status() >= 400 && !error.to_string().is_empty(), "a refusal that says nothing");
}

/// What is hidden is gone, what is kept is the same, and filtering again changes nothing.
fn filtered(input: &[u8], limits: &Limits) {
    let mut kept = Vec::new();
    let filtered = filter_tools(input, limits, CacheScope::Private, |tool| {
        let keep = tool.name().len() % 2 == 1;
        if keep {
            kept.push(tool.bytes().to_vec());
        }
        keep
    });
    let Ok(filtered) = filtered else { return };
    let mut left = Vec::new();
    let again = filter_tools(filtered.bytes(input), limits, CacheScope::Private, |tool| {
        left.push(tool.bytes().to_vec());
        true
    });
    assert_eq!(again, Ok(callgate_mcp::Filtered::Unchanged), "filtering twice differs from once");
    assert_eq!(kept, left, "other tools than the kept ones are left");
}
