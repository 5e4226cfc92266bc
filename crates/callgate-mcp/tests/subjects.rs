//! What messages reach for beside tools, and what is taken out of lists.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_mcp::{
    Batches, CacheScope, Filtered, Incoming, Limits, ListKind, Message, Subject, asked, filter_lists, filter_roots,
    input_requests, parse_client, parse_server, reached, required_elicitations,
};

fn one(incoming: Incoming<'_>) -> Message<'_> {
    match incoming {
        Incoming::One(message) => message,
        Incoming::Batch(_) => panic!("a batch"),
    }
}

#[test]
fn what_a_client_names() {
    use Subject::{Prompt, Resource, Task, Template};
    let cases: [(&str, &str, Option<&[Subject<'_>]>); 24] = [
        ("resources/read", r#"{"uri":"a"}"#, Some(&[Resource("a")])),
        ("resources/subscribe", r#"{"ur\u0069":"\u0061"}"#, Some(&[Resource("a")])),
        ("resources/unsubscribe", r#"{"uri":"a"}"#, Some(&[Resource("a")])),
        ("resources/read", r#"{"uri":["a"]}"#, None),
        ("resources/read", r#"{"uri":"a","Uri":"b"}"#, None),
        ("resources/read", "{}", None),
        ("prompts/get", r#"{"name":"p","arguments":{"name":"q"}}"#, Some(&[Prompt("p")])),
        ("prompts/get", r#"{"NAME":"p"}"#, None),
        ("completion/complete", r#"{"ref":{"type":"ref/prompt","name":"p"}}"#, Some(&[Prompt("p")])),
        ("completion/complete", r#"{"ref":{"type":"ref/resource","uri":"f:{x}"}}"#, Some(&[Template("f:{x}")])),
        ("completion/complete", r#"{"ref":{"type":"ref/resource","uri":"f:x"}}"#, Some(&[Resource("f:x")])),
        ("completion/complete", r#"{"ref":{"type":"ref/prompt","uri":"f:x"}}"#, None),
        ("completion/complete", r#"{"ref":{"type":"ref/tool","name":"t"}}"#, None),
        ("completion/complete", r#"{"Ref":{"type":"ref/prompt","name":"p"}}"#, None),
        ("tasks/get", r#"{"taskId":"t"}"#, Some(&[Task("t")])),
        ("tasks/result", r#"{"taskId":"t"}"#, Some(&[Task("t")])),
        ("tasks/update", r#"{"taskId":"t"}"#, Some(&[Task("t")])),
        ("tasks/cancel", r#"{"taskId":"t"}"#, Some(&[Task("t")])),
        ("tasks/list", "{}", Some(&[])),
        ("subscriptions/listen", r#"{"notifications":{"toolsListChanged":true}}"#, Some(&[])),
        (
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":["a","b"],"taskIds":["t"]}}"#,
            Some(&[Resource("a"), Resource("b"), Task("t")]),
        ),
        ("subscriptions/listen", r#"{"notifications":{"resourceSubscriptions":"a"}}"#, None),
        ("subscriptions/listen", r#"{"notifications":{"ResourceSubscriptions":["a"]}}"#, None),
        ("vendor/do", r#"{"uri":"a"}"#, Some(&[])),
    ];
    for (method, params, expected) in cases {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let message = one(parse_client(body.as_bytes(), &Limits::default(), Batches::Refused).unwrap());
        let found = reached(&message);
        assert_eq!(found.as_deref().ok(), expected, "{method} {params}");
        assert!(found.is_ok() || found.unwrap_err().id() == Some(b"1"), "{method} {params}");
    }
}

#[test]
fn what_a_server_asks_for() {
    use Subject::{Form, Model, Roots, Url};
    let cases: [(&str, &str, Option<&[Subject<'_>]>); 17] = [
        ("sampling/createMessage", "{}", Some(&[Model("")])),
        ("sampling/createMessage", r#"{"modelPreferences":{"hints":[]}}"#, Some(&[Model("")])),
        (
            "sampling/createMessage",
            r#"{"modelPreferences":{"hints":[{"name":"a"},{}]}}"#,
            Some(&[Model("a"), Model("")]),
        ),
        ("sampling/createMessage", r#"{"modelPreferences":{"hints":[{"name":1}]}}"#, None),
        ("sampling/createMessage", r#"{"modelPreferences":{"hints":{}}}"#, None),
        ("sampling/createMessage", r#"{"modelPreferences":{"Hints":[{"name":"a"}]}}"#, None),
        ("sampling/createMessage", r#"{"modelpreferences":{"hints":[{"name":"a"}]}}"#, None),
        ("elicitation/create", "{}", Some(&[Form])),
        ("elicitation/create", r#"{"mode":"form","url":"https://a/"}"#, Some(&[Form])),
        ("elicitation/create", r#"{"mode":"url","url":"https://a/"}"#, Some(&[Url("https://a/")])),
        ("elicitation/create", r#"{"mode":"url"}"#, None),
        ("elicitation/create", r#"{"mode":"URL","url":"https://a/"}"#, None),
        ("elicitation/create", r#"{"mode":7}"#, None),
        ("elicitation/create", r#"{"MODE":"url","url":"https://a/"}"#, None),
        ("roots/list", "{}", Some(&[Roots])),
        ("ping", "{}", Some(&[])),
        ("vendor/ask", "{}", Some(&[])),
    ];
    for (method, params, expected) in cases {
        let params = callgate_json::parse(params.as_bytes(), &callgate_json::Limits::default()).unwrap();
        assert_eq!(asked(method, Some(&params)).as_deref().ok(), expected, "{method} {params:?}");
    }
}

#[test]
fn questions_inside_of_answers() {
    let read = |text: &'static str| callgate_json::parse(text.as_bytes(), &callgate_json::Limits::default()).unwrap();
    for (holder, expected) in [
        (
            r#"{"inputRequests":{"a":{"method":"roots/list"},"b":{"method":"x","params":{}}}}"#,
            Some(vec!["roots/list", "x"]),
        ),
        (r#"{"content":[]}"#, Some(vec![])),
        (r#"{"inputRequests":{"a":{}}}"#, None),
        (r#"{"inputRequests":{"a":{"method":"x","Params":{}}}}"#, None),
        (r#"{"inputRequests":[]}"#, None),
        (r#"{"inputrequests":{}}"#, None),
    ] {
        let holder = read(holder);
        let methods = input_requests(&holder).ok().map(|all| all.iter().map(|question| question.method).collect());
        assert_eq!(methods, expected, "{holder:?}");
    }
    for (error, expected) in [
        (r#"{"code":-32042,"data":{"elicitations":[{},{}]}}"#, Some(2)),
        (r#"{"code":-32042.0,"data":{"elicitations":[{}]}}"#, Some(1)),
        (r#"{"code":-32042}"#, Some(0)),
        (r#"{"code":-32042,"data":{"elicitations":{}}}"#, None),
        (r#"{"code":-32042,"Data":{"elicitations":[]}}"#, None),
        (r#"{"code":-32000,"data":{"elicitations":{}}}"#, Some(0)),
    ] {
        assert_eq!(required_elicitations(&read(error)).ok().map(|all| all.len()), expected, "{error}");
    }
}

#[test]
fn every_list_loses_its_entries_and_nothing_else() {
    for kind in ListKind::ALL {
        assert_eq!(ListKind::of(kind.method()), Some(kind));
        let (key, name) = (kind.key(), kind.name_key());
        let list = |inner: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"{key}" : [{inner}],"n":1.0}}}}"#);
        let whole = list(&format!(r#" {{"{name}":"a","x":1.50}} , {{"{name}":"b"}}"#));
        let message = one(parse_server(whole.as_bytes(), &Limits::default(), Batches::Refused).unwrap());
        let filter = |hidden: &str| {
            let filtered = filter_lists(&message, &[kind], CacheScope::AsIs, |entry| entry.name() != hidden).unwrap();
            String::from_utf8(filtered.bytes(whole.as_bytes()).to_vec()).unwrap()
        };
        assert_eq!(filter("z"), whole);
        assert_eq!(filter("b"), list(&format!(r#"{{"{name}":"a","x":1.50}}"#)), "{key}");
    }
    let both = br#"{"jsonrpc":"2.0","id":1,"result":{"prompts":[{"name":"a"}],"tools":[{"name":"a"},{"name":"b"}]}}"#;
    let message = one(parse_server(both, &Limits::default(), Batches::Refused).unwrap());
    let kinds = [ListKind::Tools, ListKind::Prompts];
    let filtered = filter_lists(&message, &kinds, CacheScope::AsIs, |entry| entry.name() != "a").unwrap();
    let expected = br#"{"jsonrpc":"2.0","id":1,"result":{"prompts":[],"tools":[{"name":"b"}]}}"#;
    assert_eq!(filtered, Filtered::Changed(expected.to_vec()));
}

#[test]
fn roots_that_can_not_be_read_are_none() {
    let none = r#"{"roots":[]}"#;
    for (result, expected) in [
        (r#"{"roots":[{"uri":"a"},{"uri":"b","x":1.0}],"y":2.0}"#, r#"{"roots":[{"uri":"b","x":1.0}],"y":2.0}"#),
        (r#"{ "roots" : [ {"uri":"b"} ] }"#, r#"{ "roots" : [ {"uri":"b"} ] }"#),
        (r#"{"roots":[{"uri":"b","URI":"a"}]}"#, none),
        (r#"{"roots":[{"uri":"b"}],"Roots":[]}"#, none),
        (r#"{"roots":[{"uri":7}]}"#, none),
        (r#"{"roots":{}}"#, none),
        ("{}", none),
        ("nonsense", none),
    ] {
        assert_eq!(filter_roots(result.as_bytes(), |uri| uri != "a"), expected.as_bytes(), "{result}");
    }
}
