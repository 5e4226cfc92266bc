//! A legacy client in front of a modern server: what becomes of each message.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_mcp::bridge::down::{
    Discovered, Filter, Heard, InputRequired, Leg, LegacyClient, LogLevel, Need, Offers, Reply, answer, discover,
    heard, reply, request,
};
use callgate_mcp::{Batches, Incoming, Limits, Message, Method, Revision, parse_client, parse_server};
use std::borrow::Cow;

const VERSION: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;

fn client(body: &str) -> Message<'_> {
    match parse_client(body.as_bytes(), &Limits::default(), Batches::Refused).unwrap() {
        Incoming::One(message) => message,
        Incoming::Batch(_) => panic!("a batch"),
    }
}

fn server(body: &str) -> Message<'_> {
    match parse_server(body.as_bytes(), &Limits::default(), Batches::Refused).unwrap() {
        Incoming::One(message) => message,
        Incoming::Batch(_) => panic!("a batch"),
    }
}

fn declaring(capabilities: &str) -> LegacyClient {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"2025-11-25","clientInfo":{{"name":"c","version":"1","title":"C"}},"capabilities":{capabilities}}}}}"#
    );
    LegacyClient::of(&client(&body))
}

fn plain() -> LegacyClient {
    LegacyClient::of(&client(r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#))
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8(bytes.as_ref().to_vec()).unwrap()
}

#[test]
fn a_request_says_what_its_session_knows() {
    let meta = format!(r#"{VERSION},"io.modelcontextprotocol/clientCapabilities":{{}}"#);
    let with = |params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    let table = [
        (with(r#"{"name":"t"}"#), with(&format!(r#"{{"name":"t","_meta":{{{meta}}}}}"#))),
        // What the client put there itself stays; what is the gateway's to say does not.
        (
            with(
                r#"{ "name" : "t", "_meta": {"progressToken" : 1.0e0, "io.modelcontextprotocol/logLevel":"x"}, "x":[1.50] }"#,
            ),
            with(&format!(r#"{{"name" : "t","x":[1.50],"_meta":{{"progressToken" : 1.0e0,{meta}}}}}"#)),
        ),
        // Tasks are ignored, and nobody but the gateway answers what a server asked.
        (
            with(r#"{"name":"t","task":{"ttl":1},"inputResponses":{"a":1},"requestState":"s"}"#),
            with(&format!(r#"{{"name":"t","_meta":{{{meta}}}}}"#)),
        ),
        (
            r#" {"vendor":[1.0] ,"jsonrpc":"2.0","id":1,"method":"tools/list"} "#.to_owned(),
            format!(
                r#"{{"vendor":[1.0] ,"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{{meta}}}}}}}"#
            ),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"params":null,"method":"vendor/x"}"#.to_owned(),
            format!(r#"{{"jsonrpc":"2.0","id":1,"params":{{"_meta":{{{meta}}}}},"method":"vendor/x"}}"#),
        ),
    ];
    let one = plain();
    for (body, expected) in table {
        let leg = Leg { id: b"1", client: &one, level: None, answers: None };
        assert_eq!(text(request(&client(&body), &leg)), expected);
    }
    let body = with(r#"{"name":"t"}"#);
    let leg = Leg { id: b"\"callgate-2\"", client: &one, level: LogLevel::parse("notice"), answers: None };
    let sent = text(request(&client(&body), &leg));
    assert!(sent.starts_with(r#"{"jsonrpc":"2.0","id":"callgate-2","method""#), "{sent}");
    assert!(sent.contains(r#""io.modelcontextprotocol/logLevel":"notice""#), "{sent}");
    assert_eq!(LogLevel::parse("loud"), None);
}

#[test]
fn capabilities_lose_what_the_modern_revision_has_not() {
    let table = [
        ("{}", "{}", vec![]),
        (r#"{"elicitation":{}}"#, r#"{"elicitation":{}}"#, vec![Need::Form]),
        (r#"{"elicitation":{"url":{}}}"#, r#"{"elicitation":{"url":{}}}"#, vec![Need::Url]),
        (
            r#"{"elicitation":{"url":{},"form":{}}}"#,
            r#"{"elicitation":{"url":{},"form":{}}}"#,
            vec![Need::Form, Need::Url],
        ),
        (r#"{"sampling":{}}"#, r#"{"sampling":{}}"#, vec![Need::Sampling]),
        (r#"{"sampling":{"tools":{}}}"#, r#"{"sampling":{"tools":{}}}"#, vec![Need::Sampling, Need::SamplingTools]),
        (
            r#"{"roots":{"listChanged":true, "x":1}, "vendor" : 1.0}"#,
            r#"{"vendor" : 1.0,"roots":{"x":1}}"#,
            vec![Need::Roots],
        ),
        (r#"{"tasks":{"list":{}},"experimental":{"a":{}}}"#, r#"{"experimental":{"a":{}}}"#, vec![]),
        (r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#, "{}", vec![]),
        (
            r#"{"extensions":{"io.modelcontextprotocol/ui":{"a":1},"io.modelcontextprotocol/tasks":{}}}"#,
            r#"{"extensions":{"io.modelcontextprotocol/ui":{"a":1}}}"#,
            vec![],
        ),
        (r#"{"elicitation":true,"roots":null}"#, r#"{"elicitation":true}"#, vec![]),
    ];
    for (declared, expected, can) in table {
        let one = declaring(declared);
        let sent = text(discover(b"7", &one));
        let info = r#""io.modelcontextprotocol/clientInfo":{"name":"c","version":"1","title":"C"}"#;
        assert_eq!(
            sent,
            format!(
                r#"{{"jsonrpc":"2.0","id":7,"method":"server/discover","params":{{"_meta":{{{VERSION},{info},"io.modelcontextprotocol/clientCapabilities":{expected}}}}}}}"#
            )
        );
        for need in [Need::Form, Need::Url, Need::Sampling, Need::SamplingTools, Need::Roots] {
            assert_eq!(one.can(need), can.contains(&need), "{declared}: {need:?}");
        }
    }
}

fn discovered(result: &str) -> Result<(String, Offers), String> {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
    let found = Discovered::read(&server(&body)).map_err(|error| error.to_string())?;
    Ok((text(found.initialize_response(b"\"i\"", Revision::V2025_03_26, "one")), found.offers))
}

#[test]
fn what_a_server_discloses_opens_a_session() {
    let result = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"ttlMs":5,"cacheScope":"public",
        "capabilities":{"tools":{"listChanged":true, "x":1.0},"resources":{"subscribe":true},"logging":{},"tasks":{},
        "extensions":{"io.modelcontextprotocol/tasks":{},"a/b":{}}},"instructions":"Be \u006bind","vendor":[1.50],
        "_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"2","icons":[]}}}"#;
    let (response, offers) = discovered(result).unwrap();
    assert_eq!(
        response,
        r#"{"jsonrpc":"2.0","id":"i","result":{"protocolVersion":"2025-03-26","capabilities":{"tools":{"listChanged":true, "x":1.0},"resources":{"subscribe":true},"logging":{},"extensions":{"a/b":{}}},"serverInfo":{"name":"s","version":"2","icons":[]},"instructions":"Be \u006bind","vendor":[1.50],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"2","icons":[]}}}}"#
    );
    let expected = Offers { tools_changed: true, subscribe: true, logging: true, ..Offers::default() };
    assert_eq!(offers, expected);
    let (nameless, offers) = discovered(r#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#).unwrap();
    assert!(nameless.ends_with(r#""capabilities":{},"serverInfo":{"name":"one","version":"unknown"}}}"#), "{nameless}");
    assert_eq!(offers, Offers::default());
    assert!(Filter::of(offers).is_empty());
    for (result, why) in [
        (r#"{"supportedVersions":["2025-11-25"],"capabilities":{}}"#, "it speaks 2025-11-25, and not 2026-07-28"),
        (r#"{"capabilities":{}}"#, "`supportedVersions`"),
        (r#"{"supportedVersions":["2026-07-28"],"capabilities":[]}"#, "`capabilities`"),
    ] {
        let error = discovered(result).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    let refused = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"unknown method"}}"#;
    assert!(Discovered::read(&server(refused)).unwrap_err().to_string().contains("unknown method"));
}

fn answered(body: &str, method: Method) -> Result<String, String> {
    match reply(&server(body), method, b"\"mine\"") {
        Ok(Reply::Final(bytes)) => Ok(text(bytes)),
        Ok(Reply::InputRequired(required)) => Err(format!("{required:?}")),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn answers_become_what_earlier_revisions_know() {
    let with = |rest: &str| format!(r#"{{"jsonrpc":"2.0","id":"mine",{rest}}}"#);
    let same = [
        (
            r#""result" : {"resultType":"complete", "content":[], "structuredContent":{"a":1.50}, "_meta":{}}"#,
            Method::ToolsCall,
        ),
        (
            r#""result":{"resultType":"complete","ttlMs":1,"cacheScope":"private","tools":[{"name":"a","outputSchema":{"type":"object"}}]}"#,
            Method::ToolsList,
        ),
        (r#""error":{"code":-32602,"message":"no such resource","data":{"uri":"x"}}"#, Method::ResourcesRead),
        (r#""result":{"structuredContent":[1]}"#, Method::Other),
    ];
    for (rest, method) in same {
        let body = with(rest);
        let message = server(&body);
        assert!(matches!(reply(&message, method, b"\"mine\""), Ok(Reply::Final(Cow::Borrowed(_)))), "{rest}");
        assert_eq!(answered(&body, method).unwrap(), body);
    }
    let changed = [
        (
            r#""result":{"content":[1.0],"structuredContent":[1],"x":{}}"#,
            r#""result":{"content":[1.0],"x":{}}"#,
            Method::ToolsCall,
        ),
        (
            r#""result":{"tools":[{"name":"a","outputSchema":{"type":"array"}, "b" : 1.0}, {"name":"c"}],"nextCursor":"n"}"#,
            r#""result":{"nextCursor":"n","tools":[{"name":"a","b" : 1.0},{"name":"c"}]}"#,
            Method::ToolsList,
        ),
        (
            r#""error":{"code":-32021,"message":"no","data":{"requiredCapabilities":{"elicitation":{},"roots":{}}}}"#,
            r#""error":{"data":{"requiredCapabilities":{"elicitation":{},"roots":{}}},"code":-32600,"message":"the server needs `elicitation`, `roots`, which this client did not declare in `initialize`: no"}"#,
            Method::ToolsCall,
        ),
        (
            r#""error":{"code":-32020,"message":"bad header"}"#,
            r#""error":{"code":-32603,"message":"the server refuses the request as the gateway translated it: bad header"}"#,
            Method::ToolsCall,
        ),
    ];
    for (rest, expected, method) in changed {
        assert_eq!(answered(&with(rest), method).unwrap(), with(expected));
    }
    // A later leg has an id of its own, and an error may have none.
    let leg = r#"{"jsonrpc":"2.0","id":"callgate-1", "result":{} }"#;
    assert_eq!(answered(leg, Method::ToolsCall).unwrap(), r#"{"jsonrpc":"2.0","id":"mine", "result":{} }"#);
    for nameless in [
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"x"}}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-1,"message":"x"}}"#,
    ] {
        assert!(answered(nameless, Method::ToolsCall).unwrap().contains(r#""id":"mine""#));
    }
}

fn required(result: &str) -> Result<InputRequired, String> {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"resultType":"input_required",{result}}}}}"#);
    match reply(&server(&body), Method::ToolsCall, b"1") {
        Ok(Reply::InputRequired(required)) => Ok(required),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn what_a_server_wants_becomes_questions_and_the_answers_the_next_leg() {
    let asked = required(
        r#""inputRequests":{
            "a\"b":{"method":"elicitation/create","params":{"message":"m", "requestedSchema":{"n":1.50}}},
            "u":{"method":"elicitation/create","params":{"mode":"url","url":"https://x/"}},
            "s":{"method":"sampling/createMessage","params":{"tools":[]}},
            "r":{"method":"roots/list"}},"requestState":"\u0073tate""#,
    )
    .unwrap();
    let questions: Vec<_> = asked.requests.iter().map(|one| text(one.question("q"))).collect();
    assert_eq!(
        questions,
        [
            r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"m", "requestedSchema":{"n":1.50}}}"#,
            r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"elicitationId":"q","mode":"url","url":"https://x/"}}"#,
            r#"{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{"tools":[]}}"#,
            r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#,
        ]
    );
    let needs: Vec<_> = asked.requests.iter().map(|one| one.need.capability()).collect();
    assert_eq!(needs, ["elicitation", "elicitation.url", "sampling.tools", "roots"]);

    let said = [r#"{"action":"decline"}"#, r#"{"action":"accept"}"#, r#"{"model": 1.0}"#, r#"{"roots":[]}"#];
    let results = said.map(|result| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":"q","result":{result}}}"#);
        answer(&client(&body)).unwrap()
    });
    let answers = asked.answers(&results);
    assert!(answers.has_responses());
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
    let one = plain();
    let sent = text(request(&client(body), &Leg { id: b"2", client: &one, level: None, answers: Some(&answers) }));
    let expected = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t","inputResponses":{"a\"b":{"action":"decline"},"u":{"action":"accept"},"s":{"model": 1.0},"r":{"roots":[]}},"requestState":"\u0073tate","_meta":"#;
    assert!(sent.starts_with(expected), "{sent}");

    let later = required(r#""requestState":"s""#).unwrap();
    let answers = later.answers(&[]);
    assert!(!answers.has_responses());
    let sent = text(request(&client(body), &Leg { id: b"2", client: &one, level: None, answers: Some(&answers) }));
    assert!(sent.contains(r#""requestState":"s","#) && !sent.contains("inputResponses"), "{sent}");

    for body in [
        r#"{"jsonrpc":"2.0","id":"q","error":{"code":-1,"message":"rejected"}}"#,
        r#"{"jsonrpc":"2.0","id":"q","result":7}"#,
    ] {
        assert!(answer(&client(body)).is_err(), "{body}");
    }
}

#[test]
fn input_that_cannot_be_asked_for_is_an_error() {
    for result in [
        r#""x":1"#,
        r#""requestState":1"#,
        r#""inputRequests":[]"#,
        r#""inputRequests":{"a":{"method":"tools/call"}}"#,
        r#""inputRequests":{"a":{"method":"elicitation/create","params":{"mode":"telepathy"}}}"#,
        r#""inputRequests":{"a":{"method":"elicitation/create","params":{"mode":1}}}"#,
        r#""inputRequests":{"a":{"method":"roots/list","params":[]}}"#,
        r#""inputRequests":{"a":1}"#,
    ] {
        assert!(required(result).is_err(), "{result}");
    }
    let body =
        |kind: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"resultType":"{kind}","requestState":"s"}}}}"#);
    assert!(answered(&body("input_required"), Method::ToolsList).unwrap_err().contains("a request that has none"));
    assert!(answered(&body("task"), Method::ToolsCall).unwrap_err().contains("`task`"));
}

#[test]
fn subscriptions_are_one_request_and_their_news_name_none() {
    let offers = Offers { tools_changed: true, resources_changed: true, ..Offers::default() };
    let mut filter = Filter::of(offers);
    assert!(filter.subscribe("file:///b") && filter.subscribe("file:///\"a") && !filter.subscribe("file:///b"));
    let asked = text(filter.listen(b"5", &plain()));
    let expected = r#"{"jsonrpc":"2.0","id":5,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["file:///\"a","file:///b"]},"_meta":"#;
    assert!(asked.starts_with(expected), "{asked}");
    assert!(filter.unsubscribe("file:///b") && !filter.unsubscribe("file:///b"));
    assert_eq!(filter.subscriptions(), 1);

    let id = r#""io.modelcontextprotocol/subscriptionId":5"#;
    let note = |method: &str, params: &str| {
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{params}}}"#)
    };
    let table = [
        (
            note("resources/updated", &format!(r#"{{"uri":"a","_meta":{{{id},"x": 1.0}}}}"#)),
            note("resources/updated", r#"{"uri":"a","_meta":{"x": 1.0}}"#),
        ),
        (note("tools/list_changed", &format!(r#"{{"_meta":{{{id}}}}}"#)), note("tools/list_changed", "{}")),
        (note("prompts/list_changed", r#"{"vendor" : 1}"#), note("prompts/list_changed", r#"{"vendor" : 1}"#)),
    ];
    for (body, expected) in table {
        assert_eq!(heard(&server(&body)), Heard::Notification(expected.into_bytes()));
    }
    let honoured = note(
        "subscriptions/acknowledged",
        &format!(r#"{{"_meta":{{{id}}},"notifications":{{"resourceSubscriptions":["a"]}}}}"#),
    );
    assert_eq!(heard(&server(&honoured)), Heard::Acknowledged(["a".to_owned()].into()));
    for other in [
        note("message", "{}"),
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned(),
    ] {
        assert_eq!(heard(&server(&other)), Heard::Nothing);
    }
}
