//! What a client may send, and every way past a gateway that the framing closes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_mcp::FrameErrorKind as Kind;
use callgate_mcp::{
    Batches, FrameError, Incoming, Limits, Message, MessageKind, Method, RequestId, parse_client, parse_server,
};
use proptest::prelude::*;

fn refused(body: &[u8]) -> FrameError {
    match parse_client(body, &Limits::default(), Batches::Refused) {
        Err(error) => error,
        Ok(_) => panic!("accepted: {}", String::from_utf8_lossy(body)),
    }
}

fn one(body: &[u8]) -> Message<'_> {
    match parse_client(body, &Limits::default(), Batches::Refused).unwrap() {
        Incoming::One(message) => message,
        Incoming::Batch(_) => panic!("a batch"),
    }
}

#[test]
fn attacks_are_refused_each_with_its_kind() {
    let call = |params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    let with_id = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    let method = |method: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
    let deep = format!(r#"{{"name":"x","arguments":{{"a":{}{}}}}}"#, "[".repeat(70), "]".repeat(70));
    let wide: Vec<String> = (0..200_001).map(|i| format!("\"k{i}\":0")).collect();
    let table: Vec<(Kind, String)> = vec![
        (Kind::AmbiguousKey, call(r#"{"name":"safe","name":"exec"}"#)),
        (Kind::AmbiguousKey, call(r#"{"name":"safe","n\u0061me":"exec"}"#)),
        (Kind::AmbiguousKey, call(r#"{"name":"x","arguments":{"a":[{"b":1,"b":2}]}}"#)),
        (Kind::AmbiguousKey, r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#.into()),
        (Kind::AmbiguousKey, r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#.into()),
        (Kind::AmbiguousKey, r#"{"jsonrpc":"2.0","id":1,"method":"ping","param\u017f":{}}"#.into()),
        (Kind::AmbiguousKey, call(r#"{"name":"safe","Name":"exec"}"#)),
        (Kind::AmbiguousKey, call(r#"{"name":"safe","ARGUMENTS":{}}"#)),
        (Kind::Batch, format!("[{}]", call(r#"{"name":"x"}"#))),
        (Kind::Batch, "[]".into()),
        (Kind::Syntax, format!("\u{feff}{}", call(r#"{"name":"x"}"#))),
        (Kind::Syntax, format!("{}\0", call(r#"{"name":"x"}"#))),
        (Kind::Syntax, format!("{}{}", method("ping"), method("ping"))),
        (Kind::Syntax, format!("{}\n{}", method("ping"), method("ping"))),
        (Kind::Syntax, call(r#"{"name":"\ud800"}"#)),
        (Kind::Syntax, call(r#"{"name":"x","arguments":{"n":1e999999}}"#)),
        (Kind::Syntax, call(r#"{"name":"x","arguments":{"n":NaN}}"#)),
        (Kind::Syntax, String::new()),
        (Kind::TooLarge, call(&deep)),
        (Kind::TooLarge, call(&format!("{{\"name\":\"x\",\"arguments\":{{{}}}}}", wide.join(",")))),
        (Kind::Envelope, "\"ping\"".into()),
        (Kind::Envelope, "null".into()),
        (Kind::Envelope, r#"{"id":1,"method":"ping"}"#.into()),
        (Kind::Envelope, r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#.into()),
        (Kind::Envelope, r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#.into()),
        (Kind::Envelope, r#"{"jsonrpc":"2.0","id":1}"#.into()),
        (Kind::Envelope, r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#.into()),
        (Kind::Envelope, r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#.into()),
        (Kind::Envelope, r#"{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":""}}"#.into()),
        (Kind::Envelope, r#"{"jsonrpc":"2.0","id":1,"method":["tools/call"]}"#.into()),
        (Kind::Method, method("Tools/Call")),
        (Kind::Method, method(" tools/call")),
        (Kind::Method, method("tools/call ")),
        (Kind::Method, method("tools/call\\u0000")),
        (Kind::Method, method("tools/call\\n")),
        (Kind::Method, method("")),
        (Kind::Id, with_id("null")),
        (Kind::Id, with_id("1.5")),
        (Kind::Id, with_id("1.0")),
        (Kind::Id, with_id("1e2")),
        (Kind::Id, with_id("99999999999999999999999999")),
        (Kind::Id, with_id("true")),
        (Kind::Id, with_id("[1]")),
        (Kind::Id, with_id(&format!("\"{}\"", "x".repeat(300)))),
        (Kind::IdPresence, r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"exec"}}"#.into()),
        (Kind::IdPresence, r#"{"jsonrpc":"2.0","method":"tools/list"}"#.into()),
        (Kind::IdPresence, r#"{"jsonrpc":"2.0","method":"vendor/run"}"#.into()),
        (Kind::IdPresence, r#"{"jsonrpc":"2.0","id":1,"method":"notifications/initialized"}"#.into()),
        (Kind::IdPresence, r#"{"jsonrpc":"2.0","result":{}}"#.into()),
        (Kind::IdPresence, r#"{"jsonrpc":"2.0","error":{"code":1,"message":"x"}}"#.into()),
        (Kind::Params, call("[]")),
        (Kind::Params, call("null")),
        (Kind::Params, call("{}")),
        (Kind::Params, call(r#"{"name":1}"#)),
        (Kind::Params, call(r#"{"name":""}"#)),
        (Kind::Params, call(r#"{"name":"x","arguments":[]}"#)),
        (Kind::Params, call(r#"{"name":"x","arguments":null}"#)),
        (Kind::Params, call(r#"{"name":"x","arguments":"{}"}"#)),
        (Kind::Params, call(r#"{"name":"x","_meta":[]}"#)),
        (Kind::Params, r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#.into()),
        (Kind::Params, r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#.into()),
    ];
    for (kind, body) in table {
        assert_eq!(refused(body.as_bytes()).kind(), kind, "{body:.200}");
    }
}

#[test]
fn bytes_that_are_no_utf8_text_are_refused() {
    let utf16: Vec<u8> = "{\"jsonrpc\":\"2.0\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for body in [&b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}"[..], &utf16, b"\xFF\xFE{\0}\0", b"{\0}\0"] {
        assert_eq!(refused(body).kind(), Kind::Syntax);
    }
}

#[test]
fn a_refusal_names_the_id_where_it_is_beyond_doubt() {
    let table = [
        (r#"{"jsonrpc":"2.0","id":"a\u0062","method":"tools/call","params":[]}"#, Some(r#""a\u0062""#), -32602),
        (r#"{"jsonrpc":"2.0","id":7,"method":"PING"}"#, Some("7"), -32600),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":1,"a":2}}"#, Some("7"), -32700),
        (r#"{"jsonrpc":"2.0","id":7,"id":8,"method":"ping"}"#, None, -32700),
        (r#"{"jsonrpc":"2.0","id":7.5,"method":"ping"}"#, None, -32600),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping""#, None, -32700),
    ];
    for (body, id, code) in table {
        let error = refused(body.as_bytes());
        assert_eq!(error.id().map(|id| std::str::from_utf8(id).unwrap()), id, "{body}");
        assert_eq!((error.code(), error.status()), (code, 400), "{body}");
        let response = error.to_response();
        let Incoming::One(response) = parse_server(&response, &Limits::default(), Batches::Refused).unwrap() else {
            panic!("a batch")
        };
        assert_eq!(response.id_bytes(), id.map(str::as_bytes), "{body}");
    }
}

#[test]
fn parts_keep_their_bytes() {
    let body = br#" { "jsonrpc" : "2.0","id": "\u0041" ,"method":"tools\/call","extra":[1],
        "params":{"name":"g\u0065t","arguments":{ "a" : 1.50 },"_meta":{"progressToken":3}} } "#;
    let message = one(body);
    assert_eq!((message.kind(), message.method()), (MessageKind::Request, Method::ToolsCall));
    assert_eq!(message.id_bytes(), Some(br#""\u0041""#.as_slice()));
    assert_eq!(message.id(), Some(RequestId::String("A".into())));
    let call = message.tool_call().unwrap();
    assert_eq!(call.name, "get");
    assert_eq!(message.bytes_of(call.arguments.unwrap()), br#"{ "a" : 1.50 }"#);
    assert_eq!(message.bytes(), body.trim_ascii());
}

#[test]
fn what_the_protocol_allows_is_taken() {
    let table = [
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, MessageKind::Notification, Method::Initialized),
        (r#"{"jsonrpc":"2.0","method":"notifications/vendor"}"#, MessageKind::Notification, Method::Other),
        (r#"{"jsonrpc":"2.0","id":-3,"method":"vendor/run","params":null}"#, MessageKind::Request, Method::Other),
        (r#"{"jsonrpc":"2.0","id":0,"result":{}}"#, MessageKind::Response, Method::Other),
        (
            r#"{"jsonrpc":"2.0","id":"","error":{"code":-1,"message":"no","data":1}}"#,
            MessageKind::Response,
            Method::Other,
        ),
        (r#"{"jsonrpc":"2.0","id":9223372036854775807,"method":"ping"}"#, MessageKind::Request, Method::Ping),
    ];
    for (body, kind, method) in table {
        let message = one(body.as_bytes());
        assert_eq!((message.kind(), message.method()), (kind, method), "{body}");
    }
}

#[test]
fn batches_only_where_the_revision_has_them() {
    let parse = |body: &str| {
        parse_client(body.as_bytes(), &Limits::default(), Batches::Allowed)
            .map(|incoming| incoming.messages().len())
            .map_err(|error| error.kind())
    };
    let ping = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    assert_eq!(parse(&format!("[{},{}]", ping("1"), ping("\"1\""))), Ok(2));
    assert_eq!(parse("[]"), Err(Kind::Batch));
    assert_eq!(parse(&format!("[{},{}]", ping("1"), ping("1"))), Err(Kind::Id));
    assert_eq!(parse(&format!("[{},{}]", ping("\"a\""), ping("\"\\u0061\""))), Err(Kind::Id));
    assert_eq!(parse(&format!("[[{}]]", ping("1"))), Err(Kind::Envelope));
    assert_eq!(parse(r#"[{"jsonrpc":"2.0","id":1,"method":"initialize"}]"#), Err(Kind::Batch));
    assert_eq!(parse(&format!("[{}]", vec![ping("1"); 101].join(","))), Err(Kind::Batch));
    assert_eq!(parse(r#"[{"jsonrpc":"2.0","method":"tools/call","params":{"name":"x"}}]"#), Err(Kind::IdPresence));
}

#[test]
fn a_server_may_answer_without_an_id_only_with_an_error() {
    let parse = |body: &str| parse_server(body.as_bytes(), &Limits::default(), Batches::Refused).map(|_| ());
    for good in [
        r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"?"}}"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"n":1e999}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}"#,
    ] {
        assert_eq!(parse(good), Ok(()), "{good}");
    }
    for bad in [r#"{"jsonrpc":"2.0","id":null,"result":{}}"#, r#"{"jsonrpc":"2.0","method":"sampling/createMessage"}"#]
    {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse_client(&body, &Limits::default(), Batches::Allowed);
    }

    #[test]
    fn near_misses_give_an_answer(body in r#"\{"jsonrpc":"2\.0"(,"(id|method|params|result|error)":(1|null|"[a-z/]{0,12}"|\{"name":"x"\}|\[\])){0,4}\}"#) {
        if let Ok(incoming) = parse_client(body.as_bytes(), &Limits::default(), Batches::Refused) {
            for message in incoming.messages() {
                prop_assert_eq!(message.bytes(), body.as_bytes());
                prop_assert_eq!(message.kind() == MessageKind::Notification, message.id().is_none());
                prop_assert_eq!(message.method() == Method::ToolsCall, message.tool_call().is_some());
            }
        }
    }
}
