//! SSE and stdio framing: where the chunks fall makes no difference.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_mcp::{LineReader, SseError, SseEvent, SseLimits, SseReader, SseWriter, compact, one_line};
use proptest::prelude::*;

/// The events of a stream given in these chunks, and what was left.
fn read(chunks: &[&[u8]]) -> (Vec<SseEvent>, Vec<u8>) {
    let mut reader = SseReader::new(SseLimits::default());
    let mut events = Vec::new();
    for chunk in chunks {
        reader.push(chunk);
        while let Some(event) = reader.next_event().unwrap() {
            events.push(event);
        }
    }
    (events, reader.finish().to_vec())
}

/// What a browser would see of the events: blocks without any field are nothing.
fn fields(events: &[SseEvent]) -> Vec<String> {
    let text = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map(|b| String::from_utf8_lossy(b).into_owned());
    let shown = |e: &SseEvent| format!("{:?} {:?} {:?} {:?}", text(&e.event), text(&e.id), e.retry, text(&e.data));
    events.iter().filter(|e| e.data.is_some() || e.id.is_some() || e.retry.is_some()).map(shown).collect()
}

#[test]
fn fields_are_read_as_browsers_do() {
    let table = [
        ("data: a\n\n", "None None None Some(\"a\")"),
        ("data:a\ndata: b\ndata\n\n", "None None None Some(\"a\\nb\\n\")"),
        ("event: message\nid: 7\ndata:  x\n\n", "Some(\"message\") Some(\"7\") None Some(\" x\")"),
        ("id: 1\ndata:\n\n", "None Some(\"1\") None Some(\"\")"),
        ("retry: 500\n\n", "None None Some(500) None"),
        ("retry: 5x\nid: a\0b\ndata: 1\n\n", "None None None Some(\"1\")"),
        (": comment\ndata: 1\nunknown: 2\n\n", "None None None Some(\"1\")"),
        ("\u{feff}data: bom\n\n", "None None None Some(\"bom\")"),
        ("data: cr\r\r", "None None None Some(\"cr\")"),
        ("data: crlf\r\n\r\n", "None None None Some(\"crlf\")"),
        ("data: mixed\ndata: ends\r\r\n", "None None None Some(\"mixed\\nends\")"),
    ];
    for (stream, expected) in table {
        let (events, rest) = read(&[stream.as_bytes()]);
        assert_eq!(fields(&events), [expected], "{stream:?}");
        assert!(rest.is_empty(), "{stream:?}");
    }
    assert_eq!(fields(&read(&[b":\n\n: keep-alive\n\ndata: cut off\n"]).0), [""; 0]);
}

#[test]
fn an_event_is_given_as_soon_as_it_is_whole() {
    let mut reader = SseReader::new(SseLimits::default());
    reader.push(b"data: 1\r\n\r");
    assert_eq!(reader.next_event().unwrap().unwrap().raw, "data: 1\r\n\r");
    reader.push(b"\ndata: 2\r\n\r\n");
    assert_eq!(reader.next_event().unwrap().unwrap().data.unwrap(), "2");
    assert_eq!(reader.next_event(), Ok(None));
}

#[test]
fn lines_and_events_without_end_are_errors() {
    let limits = SseLimits { max_line: 10, max_event: 30 };
    let fail = |stream: &[u8]| {
        let mut reader = SseReader::new(limits);
        for byte in stream {
            reader.push(&[*byte]);
            if let Err(error) = reader.next_event() {
                assert_eq!(reader.next_event(), Err(error), "an error is final");
                return Some(error);
            }
        }
        None
    };
    assert_eq!(fail(&[b'x'; 1000]), Some(SseError::LineTooLong(10)));
    assert_eq!(fail(&b"data: 1\n".repeat(100)), Some(SseError::EventTooLong(30)));
    assert_eq!(fail(&b"data: 1\n\n".repeat(100)), None);
}

#[test]
fn an_event_that_is_written_reads_back() {
    for data in ["{}", "", "a\nb", "a\r\nb\rc", "\n"] {
        let mut out = Vec::new();
        SseWriter::event(&mut out, Some("message"), Some("42"), data.as_bytes()).unwrap();
        let (events, rest) = read(&[&out]);
        assert!(rest.is_empty() && events.len() == 1, "{data:?}");
        let expected = data.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(events[0].data.as_deref(), Some(expected.as_bytes()), "{data:?}");
        assert_eq!(events[0].id.as_deref(), Some(b"42".as_slice()));
    }
    let mut out = Vec::new();
    assert_eq!(SseWriter::event(&mut out, Some("a\nb"), None, b""), Err(SseError::Field));
    assert_eq!(SseWriter::event(&mut out, None, Some("a\0"), b""), Err(SseError::Field));
    assert!(out.is_empty());
}

#[test]
fn lines_lose_their_ends_and_blanks() {
    let mut reader = LineReader::new(100);
    reader.push(b"{}\r\n\n  \n{\"a\":1}\nrest");
    assert_eq!(reader.next_line().unwrap().unwrap(), "{}");
    assert_eq!(reader.next_line().unwrap().unwrap(), "{\"a\":1}");
    assert_eq!(reader.next_line(), Ok(None));
    assert_eq!(reader.finish(), "rest");
}

#[test]
fn a_line_of_the_limit_passes_and_one_more_byte_does_not() {
    for (line, passes) in [("12345\n", true), ("12345\r\n", true), ("123456\n", false), ("1234567", false)] {
        let mut reader = LineReader::new(5);
        reader.push(line.as_bytes());
        assert_eq!(reader.next_line().is_ok_and(|line| line.is_some()), passes, "{line:?}");
    }
}

#[test]
fn a_line_that_is_too_long_is_an_error_once_and_the_next_one_is_read() {
    let stream = b"1\n1234567890\n2\n12345678901234\n\n3\n";
    for size in [1, 2, 7, stream.len()] {
        let (mut reader, mut lines, mut errors) = (LineReader::new(5), Vec::new(), 0);
        for chunk in stream.chunks(size) {
            reader.push(chunk);
            loop {
                match reader.next_line() {
                    Ok(Some(line)) => lines.push(line.to_vec()),
                    Ok(None) => break,
                    Err(error) => errors += usize::from(error.limit == 5),
                }
            }
        }
        assert_eq!((lines, errors), (vec![b"1".to_vec(), b"2".to_vec(), b"3".to_vec()], 2), "in chunks of {size}");
    }
}

#[test]
fn one_line_never_smuggles_a_second_message() {
    let body = b"{\"jsonrpc\":\"2.0\",\n\"id\":1,\r\n\"method\":\"ping\",\"params\":{\"a \\\" b\": [ 1 ,\t2 ]}}";
    assert_eq!(&*one_line(body), br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a \" b":[1,2]}}"#.as_slice());
    let plain = b"{ \"a\" : 1 }";
    assert_eq!(&*one_line(plain), plain.as_slice());
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("data: x"),
        Just("data"),
        Just("id: 1"),
        Just("event: e"),
        Just(":"),
        Just("\n"),
        Just("\r"),
        Just("\r\n"),
        Just("\n\n"),
        Just("\r\n\r\n"),
        Just("\u{feff}"),
        Just("é"),
        Just(" "),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

fn cut<'a>(stream: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    at.sort_unstable();
    let mut chunks = Vec::new();
    let mut from = 0;
    for end in at.into_iter().chain([stream.len()]) {
        chunks.push(&stream[from..end]);
        from = end;
    }
    chunks
}

proptest! {
    #[test]
    fn sse_split_anywhere_equals_whole(stream in stream(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let (whole, _) = read(&[&stream]);
        let (split, rest) = read(&cut(&stream, &cuts));
        prop_assert_eq!(fields(&whole), fields(&split));
        let mut bytes: Vec<u8> = split.iter().flat_map(|event| event.raw.to_vec()).collect();
        bytes.extend(rest);
        prop_assert_eq!(bytes, stream);
    }

    #[test]
    fn lines_split_anywhere_equal_whole(stream in "[a\n\r ]{0,60}", cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let lines = |chunks: &[&[u8]]| {
            let mut reader = LineReader::new(1000);
            let mut lines = Vec::new();
            for chunk in chunks {
                reader.push(chunk);
                while let Some(line) = reader.next_line().unwrap() {
                    lines.push(line);
                }
            }
            (lines, reader.finish())
        };
        prop_assert_eq!(lines(&[stream.as_bytes()]), lines(&cut(stream.as_bytes(), &cuts)));
    }

    #[test]
    fn any_bytes_never_panic(stream in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut reader = SseReader::new(SseLimits { max_line: 40, max_event: 100 });
        reader.push(&stream);
        while let Ok(Some(_)) = reader.next_event() {}
        let mut lines = LineReader::new(40);
        lines.push(&stream);
        while let Ok(Some(_)) = lines.next_line() {}
    }

    #[test]
    fn compacting_keeps_every_token(text in r#"[\[\]{}",:0-9a-z.\\ \n\t-]{0,40}"#) {
        let limits = callgate_json::Limits::default();
        if let Ok(value) = callgate_json::parse(text.as_bytes(), &limits) {
            let mut out = Vec::new();
            compact(text.as_bytes(), &mut out);
            let again = callgate_json::parse(&out, &limits).unwrap();
            prop_assert_eq!(callgate_json::canonical(&value), callgate_json::canonical(&again));
            prop_assert!(!out.contains(&b'\n') && !out.contains(&b'\r'));
        }
    }
}
