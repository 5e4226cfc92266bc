//! A modern client in front of a legacy server: the translations, by tables.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_mcp::bridge::up::{self, Askable, Filter, Question, Told};
use callgate_mcp::{Batches, Incoming, Limits, Message, Method, parse_client, parse_server};
use serde_json::{Value, json};

fn client<T>(message: &Value, look: impl FnOnce(&Message<'_>) -> T) -> T {
    let bytes = message.to_string().into_bytes();
    match parse_client(&bytes, &Limits::default(), Batches::Refused).unwrap() {
        Incoming::One(message) => look(&message),
        Incoming::Batch(_) => panic!("a batch"),
    }
}

fn server<T>(message: &Value, look: impl FnOnce(&Message<'_>) -> T) -> T {
    let bytes = message.to_string().into_bytes();
    match parse_server(&bytes, &Limits::default(), Batches::Refused).unwrap() {
        Incoming::One(message) => look(&message),
        Incoming::Batch(_) => panic!("a batch"),
    }
}

fn read(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}

fn with_capabilities(capabilities: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "t", "_meta": {
        "io.modelcontextprotocol/clientCapabilities": capabilities } } })
}

#[test]
fn what_an_answer_tells_about_the_era() {
    let result = |result: Value| json!({ "jsonrpc": "2.0", "id": 1, "result": result });
    let error = |error: Value| json!({ "jsonrpc": "2.0", "id": 1, "error": error });
    let modern = Told::Modern { legacy: false };
    let cases = [
        (result(json!({ "supportedVersions": ["2026-07-28"] })), None, modern),
        (result(json!({ "supportedVersions": ["2026-07-28", "2025-06-18"] })), None, Told::Modern { legacy: true }),
        (result(json!({ "supportedVersions": ["2025-06-18"] })), None, Told::Legacy),
        (result(json!({ "supportedVersions": "2026-07-28" })), None, Told::Nothing),
        (result(json!({ "tools": [] })), Some(200), Told::Nothing),
        (error(json!({ "code": -32022, "message": "", "data": { "supported": ["2026-07-28"] } })), None, modern),
        (error(json!({ "code": -32022, "message": "", "data": { "supported": ["2025-11-25"] } })), None, Told::Legacy),
        (error(json!({ "code": -32022, "message": "" })), Some(400), modern),
        (error(json!({ "code": -32020, "message": "" })), Some(400), modern),
        (error(json!({ "code": -32021, "message": "" })), Some(400), modern),
        (error(json!({ "code": -32601, "message": "" })), Some(404), modern),
        (error(json!({ "code": -32601, "message": "" })), Some(200), Told::Nothing),
        (error(json!({ "code": -32601, "message": "" })), None, Told::Nothing),
        (error(json!({ "code": -32602, "message": "" })), Some(400), Told::Nothing),
        (error(json!({ "code": -32000, "message": "Server not initialized" })), Some(400), Told::Nothing),
    ];
    for (answer, status, told) in cases {
        assert_eq!(server(&answer, |message| up::told(message, status)), told, "{answer}");
    }
    let refusals = [
        (json!({ "code": -32022, "message": "", "data": { "supported": ["2026-07-28"] } }), true),
        (json!({ "code": -32022, "message": "", "data": { "supported": ["2025-06-18"] } }), false),
        (json!({ "code": -32601, "message": "" }), true),
        (json!({ "code": -32602, "message": "" }), true),
        (json!({ "code": -32020, "message": "" }), true),
        (json!({ "code": -32603, "message": "" }), false),
        (json!({ "code": -32001, "message": "" }), false),
    ];
    for (refusal, may) in refusals {
        assert_eq!(server(&error(refusal.clone()), up::may_be_modern_only), may, "{refusal}");
    }
}

#[test]
fn a_request_loses_what_is_of_its_era_and_keeps_the_rest() {
    let cases = [
        (
            r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"t", "arguments":{"n":1.50},"task":{},"inputResponses":{},"requestState":"s","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{},"io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":"debug","progressToken":7,"own/key":[ 1 ]}},"also":true}"#,
            r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"t","arguments":{"n":1.50},"_meta":{"progressToken":7,"own/key":[ 1 ]}},"also":true}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#),
    ];
    for (modern, legacy) in cases {
        let Ok(Incoming::One(message)) = parse_client(modern.as_bytes(), &Limits::default(), Batches::Refused) else {
            panic!("{modern}");
        };
        assert_eq!(String::from_utf8(up::request(&message)).unwrap(), legacy);
    }
}

#[test]
fn a_response_gets_what_the_modern_schema_requires() {
    let result = |result: Value| json!({ "jsonrpc": "2.0", "id": 9, "result": result });
    let cases = [
        (Method::ToolsCall, result(json!({})), json!({ "resultType": "complete" })),
        (
            Method::ToolsCall,
            result(json!({ "content": [], "resultType": "input_required" })),
            json!({ "resultType": "complete", "content": [] }),
        ),
        (
            Method::ResourcesRead,
            result(json!({ "contents": [], "cacheScope": "public", "ttlMs": 9 })),
            json!({ "resultType": "complete", "contents": [], "cacheScope": "private", "ttlMs": 0 }),
        ),
        (
            Method::PromptsList,
            result(json!({ "prompts": [] })),
            json!({ "resultType": "complete", "prompts": [], "cacheScope": "private", "ttlMs": 0 }),
        ),
    ];
    for (method, legacy, modern) in cases {
        let answer = server(&legacy, |message| up::response(message, b"\"a\"", method)).unwrap();
        assert_eq!(read(&answer), json!({ "jsonrpc": "2.0", "id": "a", "result": modern }));
    }
    assert_eq!(server(&result(json!([])), |message| up::response(message, b"1", Method::ToolsCall)), None);
    for (code, becomes) in [(-32002, -32602), (-32601, -32601), (-5, -5)] {
        let error =
            json!({ "jsonrpc": "2.0", "id": 9, "error": { "code": code, "message": "m", "data": { "uri": "u" } } });
        let answer = server(&error, |message| up::response(message, b"1", Method::ResourcesRead)).unwrap();
        let expected = json!({ "code": becomes, "message": "m", "data": { "uri": "u" } });
        assert_eq!(read(&answer)["error"], expected);
    }
}

#[test]
fn a_session_is_opened_in_the_name_of_the_client() {
    let declared = json!({
        "roots": { "listChanged": true }, "elicitation": { "form": {} }, "tasks": {},
        "extensions": { "io.modelcontextprotocol/tasks": {}, "io.modelcontextprotocol/ui": {} }
    });
    let params = client(&with_capabilities(declared), |message| up::initialize_params(message, "{\"name\":\"own\"}"));
    assert_eq!(
        read(&params),
        json!({
            "protocolVersion": "2025-11-25", "clientInfo": { "name": "own" },
            "capabilities": { "roots": {}, "elicitation": { "form": {} }, "extensions": { "io.modelcontextprotocol/ui": {} } }
        })
    );
    let key = |capabilities| client(&with_capabilities(capabilities), up::capabilities_key);
    assert_eq!(key(json!({ "b": {}, "a": 1 })), "{\"a\":1,\"b\":{}}");
    assert_ne!(key(json!({ "a": {} })), key(json!({})));
}

#[test]
fn discovery_is_extended_by_what_can_be_bridged() {
    let answer = json!({ "jsonrpc": "2.0", "id": 3, "result": { "supportedVersions": ["2026-07-28", "2099-01-01"],
        "cacheScope": "public", "ttlMs": 5, "capabilities": { "x": {} } } });
    let extended = read(&server(&answer, up::discover_extended).unwrap());
    let versions = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
    assert_eq!(
        extended["result"],
        json!({ "supportedVersions": versions, "cacheScope": "private", "ttlMs": 5, "capabilities": { "x": {} } })
    );
    assert_eq!(extended["id"], 3);
    let error = json!({ "jsonrpc": "2.0", "id": 3, "error": { "code": -32603, "message": "" } });
    assert_eq!(server(&error, up::discover_extended), None);
}

#[test]
fn who_may_be_asked_what() {
    let may = |capabilities: Value| client(&with_capabilities(capabilities), Askable::of);
    assert!(!may(json!({})).any());
    assert!(may(json!({ "elicitation": {} })).form && !may(json!({ "elicitation": {} })).url);
    assert!(may(json!({ "elicitation": { "url": {} } })).url && !may(json!({ "elicitation": { "url": {} } })).form);
    let question =
        |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": 4, "method": method, "params": params });
    let all = json!({ "elicitation": { "form": {}, "url": {} }, "sampling": {}, "roots": {} });
    let cases = [
        (question("elicitation/create", json!({ "message": "m" })), true),
        (question("elicitation/create", json!({ "mode": "url", "url": "https://x/" })), true),
        (question("elicitation/create", json!({ "mode": "other" })), false),
        (question("elicitation/create", json!({ "task": {} })), false),
        (question("sampling/createMessage", json!({ "messages": [] })), true),
        (question("sampling/createMessage", json!({ "messages": [], "tools": [] })), false),
        (question("roots/list", json!({})), true),
        (question("vendor/ask", json!({})), false),
    ];
    for (question, allowed) in cases {
        let read = server(&question, |message| Question::read(message, may(all.clone())).is_ok());
        assert_eq!(read, allowed, "{question}");
        assert!(server(&question, |message| Question::read(message, may(json!({}))).is_err()));
    }
}

#[test]
fn an_answer_has_to_fit_its_question() {
    let schema = json!({ "type": "object", "required": ["a"], "properties": {
        "a": { "type": "string" }, "n": { "type": "integer" }, "b": { "type": "boolean" }, "l": { "type": "array" } } });
    let form = ("elicitation/create", json!({ "message": "m", "requestedSchema": schema }));
    let url = ("elicitation/create", json!({ "message": "m", "mode": "url", "url": "https://x/" }));
    let sampling = ("sampling/createMessage", json!({ "messages": [] }));
    let roots = ("roots/list", json!({}));
    let accept = |content: Value| json!({ "action": "accept", "content": content });
    let cases = [
        (&form, accept(json!({ "a": "x", "n": 3, "b": true, "l": ["p"] })), true),
        (&form, accept(json!({ "n": 3 })), false),
        (&form, accept(json!({ "a": 1 })), false),
        (&form, accept(json!({ "a": "x", "n": 1.5 })), false),
        (&form, accept(json!({ "a": "x", "l": [1] })), false),
        (&form, accept(json!({ "a": "x", "more": { "deep": 1 } })), false),
        (&form, json!({ "action": "accept" }), false),
        (&form, json!({ "action": "decline" }), true),
        (&form, json!({ "action": "cancel" }), true),
        (&form, json!({ "action": "later" }), false),
        (&form, json!([]), false),
        (&url, json!({ "action": "accept" }), true),
        (&sampling, json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "t" } }), true),
        (&sampling, json!({ "role": "assistant", "content": {} }), false),
        (&sampling, json!({ "action": "accept" }), false),
        (&roots, json!({ "roots": [{ "uri": "file:///a" }] }), true),
        (&roots, json!({ "roots": [{ "name": "a" }] }), false),
        (&roots, json!({}), false),
    ];
    let may = client(
        &with_capabilities(json!({ "elicitation": { "form": {}, "url": {} }, "sampling": {}, "roots": {} })),
        Askable::of,
    );
    for ((method, params), answer, fits) in cases {
        let asked = json!({ "jsonrpc": "2.0", "id": "q", "method": method, "params": params });
        let question = server(&asked, |message| Question::read(message, may)).unwrap();
        let text = answer.to_string();
        let value = callgate_json::parse(text.as_bytes(), &callgate_json::Limits::default()).unwrap();
        let reply = question.answer(&value, text.as_bytes());
        assert_eq!(reply.is_ok(), fits, "{method} {answer} {reply:?}");
        if let Ok(reply) = reply {
            assert_eq!(read(&reply), json!({ "jsonrpc": "2.0", "id": "q", "result": answer }));
        }
    }
}

#[test]
fn a_subscription_passes_what_was_asked_for() {
    let listen = |wanted: Value| json!({ "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": { "notifications": wanted } });
    let filter =
        client(&listen(json!({ "toolsListChanged": true, "resourceSubscriptions": ["a:b", "a:b"] })), Filter::of);
    let filter = filter.unwrap();
    assert_eq!(filter.uris, ["a:b"]);
    for bad in [json!(1), json!({ "toolsListChanged": "yes" }), json!({ "resourceSubscriptions": [1] })] {
        assert!(client(&listen(bad.clone()), Filter::of).is_err(), "{bad}");
    }
    let note = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "method": method, "params": params });
    let cases = [
        (note("notifications/tools/list_changed", json!({})), true),
        (note("notifications/prompts/list_changed", json!({})), false),
        (note("notifications/resources/updated", json!({ "uri": "a:b" })), true),
        (note("notifications/resources/updated", json!({ "uri": "a:b/c" })), true),
        (note("notifications/resources/updated", json!({ "uri": "a:bc" })), false),
        (note("notifications/message", json!({})), false),
    ];
    for (event, passes) in cases {
        let told = server(&event, |message| filter.event(message, b"\"id\""));
        assert_eq!(told.is_some(), passes, "{event}");
        if let Some(told) = told {
            assert_eq!(read(&told)["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "id");
            assert_eq!(read(&told)["params"]["uri"], event["params"]["uri"]);
        }
    }
    let capabilities =
        json!({ "jsonrpc": "2.0", "id": 1, "result": { "capabilities": { "tools": { "listChanged": true } } } });
    let offered = server(&capabilities, |message| filter.clone().offered(message));
    assert_eq!(read(&offered.acknowledged(b"4"))["params"]["notifications"], json!({ "toolsListChanged": true }));
}
