//! Taking tools out of lists and changing ids: every other byte stays.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_mcp::{
    Batches, CacheScope, Era, FilterError, Filtered, Incoming, Limits, ListKind, Message, ResponseOutcome, Rewrite,
    error_response, filter_tools, outcome, parse_client, parse_server, request, result_response, tool_refusal,
};
use proptest::prelude::*;

fn filter(list: &str, hidden: &[&str]) -> Result<Filtered, FilterError> {
    filter_tools(list.as_bytes(), &Limits::default(), CacheScope::AsIs, |tool| !hidden.contains(&tool.name()))
}

fn changed(list: &str, hidden: &[&str]) -> String {
    match filter(list, hidden).unwrap() {
        Filtered::Changed(bytes) => String::from_utf8(bytes).unwrap(),
        Filtered::Unchanged => "unchanged".into(),
    }
}

fn server(body: &[u8]) -> Message<'_> {
    match parse_server(body, &Limits::default(), Batches::Refused).unwrap() {
        Incoming::One(message) => message,
        Incoming::Batch(_) => panic!("a batch"),
    }
}

const LIST: &str = r#" {"jsonrpc":"2.0", "id":1,"result":{ "x-unknown": [1.0], "tools" : [
  {"name":"a","execution":{"taskSupport":"forbidden"}},
  {"n\u0061me":"\u0062", "inputSchema": {"type" : "object"}} ,
	{"name":"c"}
] ,"nextCursor":"n","ttlMs":5,"cacheScope":"public"},"more":null} "#;

#[test]
fn hidden_tools_go_and_every_other_byte_stays() {
    assert_eq!(changed(LIST, &[]), "unchanged");
    assert_eq!(changed(LIST, &["z"]), "unchanged");
    let a = r#"{"name":"a","execution":{"taskSupport":"forbidden"}}"#;
    let b = r#"{"n\u0061me":"\u0062", "inputSchema": {"type" : "object"}}"#;
    let c = r#"{"name":"c"}"#;
    let (start, end) =
        (LIST.find('[').map(|_| LIST.find("[\n").unwrap() + 1).unwrap(), LIST.find("] ,\"next").unwrap());
    let with = |inner: &str| format!("{}{inner}{}", &LIST[..start], &LIST[end..]);
    assert_eq!(changed(LIST, &["b"]), with(&format!("{a} ,\n\t{c}")));
    assert_eq!(changed(LIST, &["a"]), with(&format!("{b} ,\n\t{c}")));
    assert_eq!(changed(LIST, &["c"]), with(&format!("{a},\n  {b}")));
    assert_eq!(changed(LIST, &["a", "b", "c"]), with(""));
}

#[test]
fn definitions_are_seen_as_written() {
    let mut seen = Vec::new();
    filter_tools(LIST.as_bytes(), &Limits::default(), CacheScope::AsIs, |tool| {
        seen.push((tool.name().to_owned(), tool.part("inputSchema").map(<[u8]>::to_vec), tool.bytes().len()));
        true
    })
    .unwrap();
    assert_eq!(seen[1], ("b".into(), Some(br#"{"type" : "object"}"#.to_vec()), 58));
    assert_eq!(seen.len(), 3);
}

#[test]
fn a_list_that_cannot_be_read_is_an_error() {
    let result = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
    let unreadable = [
        "not json".to_owned(),
        String::new(),
        result(r#"{"tools":[{"name":"a"}],"tools":[]}"#),
        result(r#"{"tools":[{"name":"a","name":"b"}]}"#),
        result(r#"{"tools":[],"Tools":[{"name":"hidden"}]}"#),
        result(r#"{"tools":[{"name":"a","Name":"hidden"}]}"#),
        format!("[{}]", result(r#"{"tools":[]}"#)),
    ];
    for list in unreadable {
        assert!(matches!(filter(&list, &["hidden"]), Err(FilterError::Unreadable(_))), "{list}");
    }
    for none in [r#"{"tools":{}}"#, r#"{"tools":null}"#, "{}", "[]", "null"] {
        assert_eq!(filter(&result(none), &[]), Err(FilterError::NoList(ListKind::Tools)), "{none}");
    }
    for nameless in [r#"[{"name":"a"},{}]"#, r#"[{"name":"a"},"b"]"#, r#"[{"name":"a"},{"name":1}]"#] {
        let list = result(&format!("{{\"tools\":{nameless}}}"));
        assert_eq!(filter(&list, &[]), Err(FilterError::Nameless { kind: ListKind::Tools, index: 1 }), "{nameless}");
    }
    assert_eq!(filter(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, &[]), Err(FilterError::NoResponse));
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no tools"}}"#;
    assert_eq!(filter(error, &["a"]), Ok(Filtered::Unchanged));
}

#[test]
fn a_list_that_passes_a_gateway_can_be_made_private() {
    let private =
        |list: &str, keep: bool| match filter_tools(list.as_bytes(), &Limits::default(), CacheScope::Private, |_| keep)
            .unwrap()
        {
            Filtered::Changed(bytes) => String::from_utf8(bytes).unwrap(),
            Filtered::Unchanged => "unchanged".into(),
        };
    let list = |scope: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"cacheScope":{scope},"tools":[{{"name":"a"}}]}}}}"#)
    };
    assert_eq!(private(&list("\"public\""), true), list("\"private\""));
    assert_eq!(private(&list("\"private\""), true), "unchanged");
    assert_eq!(private(&list("\"public\""), false), list("\"private\"").replace(r#"{"name":"a"}"#, ""));
}

#[test]
fn ids_and_tokens_are_replaced_in_place() {
    let body = br#" {"params" : {"_meta":{"progressToken":"p", "k":1},"name":"t"}, "method":"tools/call","id": "x","jsonrpc":"2.0"} "#;
    let Incoming::One(message) = parse_client(body, &Limits::default(), Batches::Refused).unwrap() else { panic!() };
    let new = Rewrite::new(&message).id(b"7".as_slice()).progress_token(b"8".as_slice()).into_bytes();
    assert_eq!(
        String::from_utf8_lossy(&new),
        r#"{"params" : {"_meta":{"progressToken":8, "k":1},"name":"t"}, "method":"tools/call","id": 7,"jsonrpc":"2.0"}"#
    );
    assert_eq!(Rewrite::new(&message).cancelled_id(b"1".as_slice()).into_bytes(), body.trim_ascii());
}

#[test]
fn each_kind_of_reference_has_its_place() {
    let cancelled = br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"1"}}"#;
    let message = server(cancelled);
    assert_eq!(message.bytes_of(message.cancelled_id().unwrap()), b"1");
    let new = Rewrite::new(&message).cancelled_id(br#""a""#.as_slice()).into_bytes();
    assert_eq!(server(&new).cancelled_id().unwrap().as_str(), Some("a"));

    let progress = br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
    let message = server(progress);
    let new = Rewrite::new(&message).progress_token(br#""b""#.as_slice()).into_bytes();
    assert_eq!(server(&new).progress_token().unwrap().as_str(), Some("b"));

    let note = br#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}"#;
    let message = server(note);
    let new = Rewrite::new(&message).subscription_id(br#""c""#.as_slice()).into_bytes();
    assert_eq!(server(&new).subscription_id().unwrap().as_str(), Some("c"));
}

#[test]
fn a_message_of_a_batch_is_rewritten_alone() {
    let body = br#"[ {"jsonrpc":"2.0","id":1,"method":"ping"} , {"jsonrpc":"2.0","id":2,"method":"ping"} ]"#;
    let incoming = parse_client(body, &Limits::default(), Batches::Allowed).unwrap();
    let new = Rewrite::new(&incoming.messages()[1]).id(b"99".as_slice()).into_bytes();
    assert_eq!(String::from_utf8_lossy(&new), r#"{"jsonrpc":"2.0","id":99,"method":"ping"}"#);
}

#[test]
fn what_a_response_says_about_its_call() {
    let table = [
        (r#""result":{"content":[]}"#, ResponseOutcome::Result, false),
        (r#""result":{"isError":false}"#, ResponseOutcome::Result, false),
        (r#""result":{"isError":true}"#, ResponseOutcome::ToolError, false),
        (r#""result":{"resultType":"complete","isError":true}"#, ResponseOutcome::ToolError, false),
        (r#""result":{"resultType":"input_required","inputRequests":{}}"#, ResponseOutcome::InputRequired, false),
        (r#""result":{"resultType":"task","taskId":"t"}"#, ResponseOutcome::Task, false),
        (r#""result":{"task":{"taskId":"t"}}"#, ResponseOutcome::Task, false),
        (r#""error":{"code":-32602,"message":""}"#, ResponseOutcome::Error(-32602), true),
        (r#""error":{"code":-32601,"message":""}"#, ResponseOutcome::Error(-32601), true),
        (r#""error":{"code":-32700,"message":""}"#, ResponseOutcome::Error(-32700), true),
        (r#""error":{"code":-32022,"message":""}"#, ResponseOutcome::Error(-32022), true),
        (r#""error":{"code":-32603,"message":""}"#, ResponseOutcome::Error(-32603), false),
        (r#""error":{"code":-32000,"message":""}"#, ResponseOutcome::Error(-32000), false),
        (r#""error":{"code":-32023,"message":""}"#, ResponseOutcome::Error(-32023), false),
    ];
    for (rest, expected, did_not_run) in table {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,{rest}}}"#);
        let found = outcome(&server(body.as_bytes())).unwrap();
        assert_eq!((found, found.did_not_run()), (expected, did_not_run), "{rest}");
    }
    assert_eq!(outcome(&server(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)), None);
}

#[test]
fn messages_of_our_own() {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let meta = r#"{"dev.callgate/decision":{"outcome":"deny"}}"#;
    assert_eq!(
        text(tool_refusal(br#""a\u0062""#, Era::Legacy, "[POLICY DENIED] \"no\"\n", Some(meta))),
        r#"{"jsonrpc":"2.0","id":"a\u0062","result":{"isError":true,"content":[{"type":"text","text":"[POLICY DENIED] \"no\"\n"}],"_meta":{"dev.callgate/decision":{"outcome":"deny"}}}}"#
    );
    assert_eq!(
        text(tool_refusal(b"1", Era::Modern, "no", None)),
        r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","isError":true,"content":[{"type":"text","text":"no"}]}}"#
    );
    assert_eq!(
        text(error_response(None, -32700, "no", Some("[1]"))),
        r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"no","data":[1]}}"#
    );
    assert_eq!(text(result_response(b"1", b"{}")), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert_eq!(text(request(b"1", "ping", Some(b"{}"))), r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}"#);
}

proptest! {
    #[test]
    fn filtering_keeps_exactly_what_is_kept(names in proptest::collection::vec("[a-c]", 0..8), space in "[ \n]{0,2}", hidden in "[a-c]") {
        let tools: Vec<String> = names.iter().map(|name| format!("{{\"name\":\"{name}\"}}")).collect();
        let list = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"tools\":[{space}{}{space}]}}}}", tools.join(&format!("{space},{space}")));
        let filtered = filter(&list, &[&hidden]).unwrap();
        let mut left = Vec::new();
        filter_tools(filtered.bytes(list.as_bytes()), &Limits::default(), CacheScope::AsIs, |tool| {
            left.push(tool.name().to_owned());
            true
        }).unwrap();
        let expected: Vec<String> = names.iter().filter(|name| **name != hidden).cloned().collect();
        prop_assert_eq!(left, expected);
        prop_assert_eq!(filtered == Filtered::Unchanged, !names.contains(&hidden));
    }

    #[test]
    fn any_list_gives_an_answer(list in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = filter_tools(&list, &Limits::default(), CacheScope::Private, |_| false);
    }
}
