//! Event streams: any bytes give an answer, and where the chunks fall makes no difference.

use crate::runner::Target;
use callgate_mcp::{SseError, SseEvent, SseLimits, SseReader, SseWriter};

pub(crate) const TARGET: Target = Target {
    name: "sse-reader",
    corpus: &["crates/callgate-mcp/tests/seeds/sse"],
    seeds: &[],
    words: &[
        "data: ",
        "data:",
        "data",
        "event: message",
        "id: ",
        "id",
        "retry: 5",
        ":",
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "\r\r",
        "\r\n\r\n",
        "\u{feff}",
        "\0",
        "{\"jsonrpc\":\"2.0\"}",
        "a line that is longer than forty bytes, all in one",
    ],
    run,
};

const LIMITS: SseLimits = SseLimits { max_line: 400, max_event: 1000 };

/// What a browser makes of an event.
type Fields = (Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>, Option<u64>);

fn run(input: &[u8]) {
    // Which of two limits is met first depends on the chunks; that one is met does not.
    let met = |(events, error): (Vec<Fields>, Option<SseError>)| (events, error.is_some());
    let whole = met(events(&[input]));
    for size in [1, 2, 3, 7] {
        let chunks: Vec<&[u8]> = input.chunks(size).collect();
        assert_eq!(met(events(&chunks)), whole, "events differ in chunks of {size}");
    }
    let mut written = Vec::new();
    if SseWriter::event(&mut written, None, None, input).is_ok() {
        let (read, failed) = events(&[&written]);
        let one = read.len() == 1 || failed.is_some();
        assert!(one, "one event was written, {} are read", read.len());
    }
}

fn events(chunks: &[&[u8]]) -> (Vec<Fields>, Option<SseError>) {
    let mut reader = SseReader::new(LIMITS);
    let (mut all, mut bytes) = (Vec::new(), Vec::new());
    for chunk in chunks {
        reader.push(chunk);
        loop {
            match reader.next_event() {
                Ok(Some(event)) => {
                    bytes.extend_from_slice(&event.raw);
                    all.extend(fields(&event));
                }
                Ok(None) => break,
                Err(error) => return (all, Some(error)),
            }
        }
    }
    bytes.extend_from_slice(&reader.finish());
    assert_eq!(bytes, chunks.concat(), "bytes were lost");
    (all, None)
}

fn fields(event: &SseEvent) -> Option<Fields> {
    let own = |bytes: &Option<_>| bytes.as_ref().map(|bytes: &bytes::Bytes| bytes.to_vec());
    let fields = (own(&event.data), own(&event.event), own(&event.id), event.retry);
    (fields.0.is_some() || fields.2.is_some() || fields.3.is_some()).then_some(fields)
}
