//! Eras, versions and the headers that mirror a modern request.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_mcp::{
    Batches, Era, FrameErrorKind as Kind, HeaderParams, Incoming, Limits, Message, Opening, Revision, check_headers,
    decode_value, detect, detect_stdio, encode_value, mirror_headers, parse_client,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

fn one(body: &str) -> Message<'_> {
    match parse_client(body.as_bytes(), &Limits::default(), Batches::Refused).unwrap() {
        Incoming::One(message) => message,
        Incoming::Batch(_) => panic!("a batch"),
    }
}

/// Headers from lines `name: value`.
fn headers(lines: &[&str]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    map
}

#[test]
fn the_era_is_told_from_meta_headers_and_method() {
    let meta = |version: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":{version},"io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
        )
    };
    let plain = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"progressToken":1}}}"#;
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#;
    let note = r#"{"jsonrpc":"2.0","method":"notifications/vendor"}"#;
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let no_capabilities = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let modern = "mcp-protocol-version: 2026-07-28";
    let (known, legacy, unknown) = (meta("\"2026-07-28\""), meta("\"2025-11-25\""), meta("\"1900-01-01\""));
    let number = meta("20260728");
    let session = |revision| Ok(Opening::Session { session: b"s".as_slice(), revision });
    let table: Vec<(&str, Vec<&str>, Result<Opening<'_>, Kind>)> = vec![
        (&known, vec![modern], Ok(Opening::Modern(Revision::V2026_07_28))),
        (&known, vec![modern, "mcp-session-id: s"], Ok(Opening::Modern(Revision::V2026_07_28))),
        (&known, vec![], Err(Kind::HeaderMismatch)),
        (&known, vec!["mcp-protocol-version: 2025-11-25"], Err(Kind::HeaderMismatch)),
        (&known, vec![modern, modern], Err(Kind::HeaderMismatch)),
        (&legacy, vec!["mcp-protocol-version: 2025-11-25"], Err(Kind::UnsupportedVersion)),
        (&unknown, vec!["mcp-protocol-version: 1900-01-01"], Err(Kind::UnsupportedVersion)),
        (&number, vec![modern], Err(Kind::Meta)),
        (no_capabilities, vec![modern], Err(Kind::Meta)),
        (plain, vec![modern], Err(Kind::Meta)),
        (plain, vec!["mcp-protocol-version: 2099-01-01"], Err(Kind::UnsupportedVersion)),
        (plain, vec![], Ok(Opening::Sessionless(Revision::V2025_03_26))),
        (plain, vec!["mcp-session-id: s"], session(Revision::V2025_03_26)),
        (plain, vec!["mcp-session-id: s", "mcp-protocol-version: 2025-11-25"], session(Revision::V2025_11_25)),
        (plain, vec!["mcp-session-id: s", "mcp-session-id: t"], Err(Kind::HeaderMismatch)),
        (initialize, vec![], Ok(Opening::Initialize("2025-06-18"))),
        (initialize, vec!["mcp-session-id: s"], Ok(Opening::Initialize("2025-06-18"))),
        (initialize, vec![modern], Err(Kind::Meta)),
        (note, vec![modern], Ok(Opening::Modern(Revision::V2026_07_28))),
        (answer, vec![modern], Err(Kind::Envelope)),
        (answer, vec!["mcp-session-id: s"], session(Revision::V2025_03_26)),
    ];
    for (body, lines, expected) in table {
        let (message, map) = (one(body), headers(&lines));
        let found = detect(&map, &message).map_err(|error| error.kind());
        assert_eq!(found, expected, "{body} {lines:?}");
    }
}

#[test]
fn an_unsupported_version_lists_the_supported_ones() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"1900-01-01"}}}"#;
    let error = detect_stdio(&one(body)).unwrap_err();
    assert_eq!(
        String::from_utf8(error.to_response()).unwrap(),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"protocol version `1900-01-01` is not supported here; use one of 2026-07-28","data":{"supported":["2026-07-28"],"requested":"1900-01-01"}}}"#
    );
    let plain = one(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    let error = detect(&headers(&["mcp-protocol-version: 1900-01-01"]), &plain).unwrap_err();
    assert!(String::from_utf8(error.to_response()).unwrap().contains(r#""supported":["2026-07-28","2025-11-25""#));
}

#[test]
fn what_the_modern_revision_removed_is_not_found() {
    let removed = ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];
    for method in removed.into_iter().chain(["tasks/list", "tasks/result"]) {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{META}}}}}"#);
        let error = detect(&headers(&["mcp-protocol-version: 2026-07-28"]), &one(&body)).unwrap_err();
        assert_eq!((error.kind(), error.code(), error.status()), (Kind::Removed, -32601, 404), "{method}");
        assert_eq!(detect_stdio(&one(&body)).unwrap_err().kind(), Kind::Removed, "{method}");
    }
}

#[test]
fn stdio_has_no_headers() {
    let modern = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{META}}}}}"#);
    assert_eq!(detect_stdio(&one(&modern)), Ok(Some(Opening::Modern(Revision::V2026_07_28))));
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#;
    assert_eq!(detect_stdio(&one(initialize)), Ok(Some(Opening::Initialize(""))));
    assert_eq!(detect_stdio(&one(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)), Ok(None));
}

#[test]
fn facts_about_revisions() {
    for revision in Revision::ALL {
        assert_eq!(Revision::parse(revision.as_str()), Some(revision));
        assert_eq!(revision.era() == Era::Modern, revision == Revision::V2026_07_28);
        assert_eq!(revision.has_batches(), revision == Revision::V2025_03_26);
    }
    assert_eq!(Revision::negotiate("2024-11-05"), Revision::V2024_11_05);
    for other in ["2026-07-28", "1999-01-01", ""] {
        assert_eq!(Revision::negotiate(other), Revision::V2025_11_25, "{other}");
    }
    assert_eq!(Revision::parse(" 2025-11-25"), None);
}

#[test]
fn headers_must_say_what_the_body_says() {
    let call =
        |name: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}",{META}}}}}"#);
    let read = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{{"uri":"file:///ä",{META}}}}}"#);
    let task = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{{"taskId":"t1",{META}}}}}"#);
    let list = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{META}}}}}"#);
    let no_uri = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{{{META}}}}}"#);
    let note = r#"{"jsonrpc":"2.0","method":"notifications/vendor"}"#;
    let (safe, odd) = (call("safe"), call("=?base64?x?="));
    let result = task.replace("tasks/get", "tasks/result");
    let table: [(&str, &[&str], bool); 19] = [
        (&safe, &["mcp-method: tools/call", "mcp-name: safe"], true),
        (&safe, &["mcp-method: tools/call", "mcp-name: =?base64?c2FmZQ==?="], true),
        (&safe, &["mcp-method: tools/call", "mcp-name: exec"], false),
        (&safe, &["mcp-method: tools/call", "mcp-name: Safe"], false),
        (&safe, &["mcp-method: tools/call", "mcp-name: =?base64?!!?="], false),
        (&safe, &["mcp-method: tools/call", "mcp-name: =?BASE64?c2FmZQ==?="], false),
        (&safe, &["mcp-method: tools/call", "mcp-name: safe", "mcp-name: exec"], false),
        (&safe, &["mcp-method: tools/call"], false),
        (&safe, &["mcp-name: safe"], false),
        (&safe, &["mcp-method: tools/list", "mcp-name: safe"], false),
        (&safe, &["mcp-method: Tools/Call", "mcp-name: safe"], false),
        (&odd, &["mcp-method: tools/call", "mcp-name: =?base64?PT9iYXNlNjQ/eD89?="], true),
        (&read, &["mcp-method: resources/read", "mcp-name: =?base64?ZmlsZTovLy/DpA==?="], true),
        (&no_uri, &["mcp-method: resources/read", "mcp-name: x"], false),
        (&task, &["mcp-method: tasks/get", "mcp-name: t1"], true),
        (&task, &["mcp-method: tasks/get", "mcp-name: t2"], false),
        // The modern revision has no such method, so no rule about its name either.
        (&result, &["mcp-method: tasks/result"], true),
        (&list, &["mcp-method: tools/list"], true),
        (note, &[], true),
    ];
    for (body, lines, good) in table {
        let result = check_headers(&headers(lines), &one(body), None);
        assert_eq!(result.is_ok(), good, "{body} {lines:?} {result:?}");
        if let Err(error) = result {
            assert_eq!((error.code(), error.status(), error.id()), (-32020, 400, Some(b"1".as_slice())));
        }
    }
}

fn schema_params(schema: &str) -> Result<HeaderParams, callgate_mcp::InvalidAnnotation> {
    HeaderParams::from_schema(&callgate_json::parse(schema.as_bytes(), &callgate_json::Limits::default()).unwrap())
}

#[test]
fn mirrored_arguments_must_equal_their_headers() {
    let params = schema_params(
        r#"{"properties":{"region":{"type":"string","x-mcp-header":"Region"},
            "size":{"properties":{"n":{"type":"integer","x-mcp-header":"N"}}},
            "dry":{"type":"boolean","x-mcp-header":"Dry"}}}"#,
    )
    .unwrap();
    let call = |arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","arguments":{arguments},{META}}}}}"#
        )
    };
    let table: [(&str, &[&str], bool); 16] = [
        ("{}", &[], true),
        ("{}", &["mcp-param-other: travels on"], true),
        (r#"{"region":null}"#, &[], true),
        (r#"{"region":null}"#, &["mcp-param-region: eu"], false),
        (r#"{"region":"eu"}"#, &["mcp-param-region: eu"], true),
        (r#"{"region":"eu"}"#, &["mcp-param-region: us"], false),
        (r#"{"region":"eu"}"#, &[], false),
        (r#"{"region":" eu"}"#, &["mcp-param-region: =?base64?IGV1?="], true),
        (r#"{"region":["eu"]}"#, &["mcp-param-region: eu"], false),
        (r#"{"size":{"n":42}}"#, &["mcp-param-n: 42"], true),
        (r#"{"size":{"n":42}}"#, &["mcp-param-n: 42.0"], true),
        (r#"{"size":{"n":42}}"#, &["mcp-param-n: 43"], false),
        (r#"{"size":{"n":"42"}}"#, &["mcp-param-n: 42.0"], false),
        (r#"{"dry":true}"#, &["mcp-param-dry: true"], true),
        (r#"{"dry":true}"#, &["mcp-param-dry: True"], false),
        (r#"{"dry":true}"#, &["mcp-param-dry: true", "mcp-param-dry: false"], false),
    ];
    for (arguments, lines, good) in table {
        let body = call(arguments);
        let all = [&["mcp-method: tools/call", "mcp-name: t"], lines].concat();
        assert_eq!(check_headers(&headers(&all), &one(&body), Some(&params)).is_ok(), good, "{arguments} {lines:?}");
    }
}

#[test]
fn annotations_that_break_the_rules_are_invalid() {
    for schema in [
        r#"{"x-mcp-header":"A"}"#,
        r#"{"properties":{"a":{"type":"string","x-mcp-header":""}}}"#,
        r#"{"properties":{"a":{"type":"string","x-mcp-header":"a b"}}}"#,
        r#"{"properties":{"a":{"type":"string","x-mcp-header":"a\r\nX-Evil: 1"}}}"#,
        r#"{"properties":{"a":{"type":"string","x-mcp-header":7}}}"#,
        r#"{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}"#,
        r#"{"properties":{"a":{"x-mcp-header":"A"}}}"#,
        r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}"#,
        r#"{"properties":{"a":{"items":{"type":"string","x-mcp-header":"A"}}}}"#,
        r#"{"properties":{"a":{"anyOf":[{"type":"string","x-mcp-header":"A"}]}}}"#,
        r#"{"$defs":{"a":{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}}}"#,
    ] {
        assert!(schema_params(schema).is_err(), "{schema}");
    }
    let harmless = r#"{"properties":{"x-mcp-header":{"type":"string","default":{"x-mcp-header":"no"}}}}"#;
    assert!(schema_params(harmless).unwrap().is_empty());
}

#[test]
fn derived_headers_pass_the_check() {
    let params = schema_params(
        r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"n":{"type":"integer","x-mcp-header":"N"}}}"#,
    )
    .unwrap();
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"tööl","arguments":{{"a":"line1\nline2","n":-7}},{META}}}}}"#
    );
    let message = one(&body);
    let derived = mirror_headers(&message, Some(&params));
    let shown: Vec<String> = derived.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    assert_eq!(
        shown,
        [
            "mcp-protocol-version: 2026-07-28",
            "mcp-method: tools/call",
            "mcp-name: =?base64?dMO2w7Zs?=",
            "mcp-param-a: =?base64?bGluZTEKbGluZTI=?=",
            "mcp-param-n: -7"
        ]
    );
    let lines: Vec<&str> = shown.iter().map(String::as_str).collect();
    assert_eq!(check_headers(&headers(&lines), &message, Some(&params)), Ok(()));
    assert_eq!(detect(&headers(&lines), &message), Ok(Opening::Modern(Revision::V2026_07_28)));
}

#[test]
fn the_examples_of_the_specification() {
    for (text, header) in [
        ("us-west1", "us-west1"),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
    ] {
        assert_eq!(encode_value(text), header);
        assert_eq!(decode_value(header.as_bytes()).as_deref(), Some(text));
    }
    for bad in [&b"caf\xc3\xa9"[..], b"a\x01b", b"\xff", b"=?base64?/w==?=", b"=?base64?YQ?="] {
        assert_eq!(decode_value(bad), None, "{bad:?}");
    }
}

proptest! {
    #[test]
    fn any_text_survives_a_header(text in any::<String>()) {
        let encoded = encode_value(&text);
        prop_assert!(HeaderValue::from_str(&encoded).is_ok());
        let decoded = decode_value(encoded.as_bytes());
        prop_assert_eq!(decoded.as_deref(), Some(text.as_str()));
    }
}
