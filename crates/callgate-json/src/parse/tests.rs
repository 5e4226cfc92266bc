//! What the reader takes and what it refuses.

use super::*;
use proptest::prelude::*;

fn kind(input: &[u8]) -> ErrorKind {
    parse(input, &Limits { exact_numbers: true, ..Limits::default() }).unwrap_err().kind
}

#[test]
fn refuses_what_other_readers_paper_over() {
    assert_eq!(kind(br#"{"name":"safe","name":"exec"}"#), ErrorKind::DuplicateKey("name".into()));
    assert_eq!(kind(br#"{"name":"safe","n\u0061me":"exec"}"#), ErrorKind::DuplicateKey("name".into()));
    assert_eq!(kind(b"\xEF\xBB\xBF{}"), ErrorKind::ByteOrderMark);
    assert_eq!(kind(b"{\x00\"\x00"), ErrorKind::Expected("a key in double quotes"));
    assert_eq!(kind(b"\"\xff\""), ErrorKind::Utf8);
    assert_eq!(kind(br#""\ud800""#), ErrorKind::LoneSurrogate);
    assert_eq!(kind(br#""\ud800\u0041""#), ErrorKind::LoneSurrogate);
    assert_eq!(kind(br#""\udc00""#), ErrorKind::LoneSurrogate);
    assert_eq!(kind(b"\"a\nb\""), ErrorKind::ControlCharacter);
    assert_eq!(kind(b"{} {}"), ErrorKind::Trailing);
    assert_eq!(kind(b"1e999999"), ErrorKind::InexactNumber);
    assert_eq!(kind(b"01"), ErrorKind::Number);
    assert_eq!(kind(b"[1,]"), ErrorKind::Expected("a value"));
    assert_eq!(kind(b"{\"a\":1"), ErrorKind::End);
    assert_eq!(kind(b""), ErrorKind::End);
    assert_eq!(kind("[".repeat(65).as_bytes()), ErrorKind::TooDeep(64));
    assert_eq!(kind(b"nul"), ErrorKind::Expected("a value"));
}

#[test]
fn finds_duplicates_in_large_objects() {
    let keys: Vec<String> = (0..1000).map(|i| format!("\"k{i}\":{i}")).collect();
    assert!(parse(format!("{{{}}}", keys.join(",")).as_bytes(), &Limits::default()).is_ok());
    assert_eq!(kind(format!("{{{},\"k999\":0}}", keys.join(",")).as_bytes()), ErrorKind::DuplicateKey("k999".into()));
}

#[test]
fn reports_every_duplicate_and_goes_on() {
    let (value, problems) = parse_reporting(br#"{"a":1,"a":2,"b":{"c":1,"c":2}}"#, &Limits::default());
    assert!(value.is_some());
    assert_eq!(problems.iter().map(|p| p.offset).collect::<Vec<_>>(), [7, 24]);
}

#[test]
fn spans_are_the_bytes_as_written() {
    let input = br#" {"a" : [ 1 , "x\u0041" ] } "#;
    let value = parse(input, &Limits::default()).unwrap();
    assert_eq!(value.get("a").unwrap().bytes(input), br#"[ 1 , "x\u0041" ]"#);
    assert_eq!(value.get("a").unwrap().as_array().unwrap()[1].as_str(), Some("xA"));
    assert_eq!(value.members()[0].key_span.of(input), b"\"a\"");
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer(input in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (value, problems) = parse_reporting(&input, &Limits::default());
        prop_assert!(value.is_some() || !problems.is_empty());
    }

    #[test]
    fn what_is_accepted_serde_accepts_too(input in r#"[\[\]{}",:0-9a-fnrtul.eE+\\ -]{0,40}"#) {
        if parse(input.as_bytes(), &Limits::default()).is_ok() {
            // Numbers beyond a double are the one thing that serde refuses and JSON allows.
            if let Err(error) = serde_json::from_str::<serde_json::Value>(&input) {
                prop_assert!(error.to_string().contains("number out of range"), "{}", error);
            }
        }
    }
}
