//! Lines of a server process: any bytes give an answer, a line is one message, and nothing can be put between two.

use crate::runner::Target;
use callgate_mcp::{Batches, Incoming, Limits, LineReader, LineTooLong, Rewrite, one_line, outcome, parse_server};

pub(crate) const TARGET: Target = Target {
    name: "stdio-reader",
    corpus: &["crates/callgate-mcp/tests/seeds/jsonrpc"],
    seeds: &[
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n",
        b"\r\n\r\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1}}\r\n",
        b"Server started on port 3000\n{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"error\":{\"code\":-32601,\"message\":\"\"}}\n",
    ],
    words: &[
        "\n",
        "\r\n",
        "\r",
        "\\n",
        "\\u000a",
        " ",
        "\0",
        "\u{feff}",
        "\u{2028}",
        "\u{85}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sampling/createMessage\",\"params\":{}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}",
        "\"id\":",
        "[",
        "]",
        "a line that is longer than four hundred bytes, several times over",
    ],
    run,
};

const MAX_LINE: usize = 400;

fn run(input: &[u8]) {
    let whole = lines(&[input]);
    for size in [1, 2, 3, 7] {
        let chunks: Vec<&[u8]> = input.chunks(size).collect();
        assert_eq!(lines(&chunks), whole, "lines differ in chunks of {size}");
    }
    for line in &whole.0 {
        assert!(!line.contains(&b'\n') && line.len() <= MAX_LINE, "more than a line");
        if let Ok(Incoming::One(message)) = parse_server(line, &Limits::default(), Batches::Refused) {
            let _ = outcome(&message);
            carried(&Rewrite::new(&message).id(b"7".as_slice()).progress_token(b"7".as_slice()).into_bytes());
        }
    }
}

/// What is written to the other side is read there as one line, the same.
fn carried(message: &[u8]) {
    let line = one_line(message);
    let mut reader = LineReader::new(usize::MAX - 1);
    reader.push(&line);
    reader.push(b"\n");
    let read = reader.next_line();
    assert_eq!(read.as_ref().ok().and_then(|read| read.as_deref()), Some(&*line), "another line arrives");
    assert_eq!(reader.next_line(), Ok(None), "a second line arrives");
}

fn lines(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Option<LineTooLong>) {
    let mut reader = LineReader::new(MAX_LINE);
    let mut all = Vec::new();
    for chunk in chunks {
        reader.push(chunk);
        loop {
            match reader.next_line() {
                Ok(Some(line)) => all.push(line.to_vec()),
                Ok(None) => break,
                Err(error) => return (all, Some(error)),
            }
        }
    }
    (all, None)
}
