//! The stdio transport: one message per line.

use bytes::{Bytes, BytesMut};
use memchr::memchr;
use std::borrow::Cow;

/// Splits a byte stream into lines, however the chunks fall. Blank lines are skipped.
#[derive(Debug)]
pub struct LineReader {
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    scanned: usize,
    max_line: usize,
    /// The rest of a line that was too long is still to come.
    skipping: bool,
}

/// A line that is longer than it may be. It is skipped to its end; what follows can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {limit} bytes; the peer must send smaller messages, or the limit be raised")]
pub struct LineTooLong {
    /// The limit, in bytes.
    pub limit: usize,
}

impl LineTooLong {
    /// The code of the page that explains it, `docs/errors/CG2014.md`.
    pub fn page(&self) -> &'static str {
        "CG2014"
    }
}

impl LineReader {
    /// A reader of lines of at most `max_line` bytes, line end not counted.
    pub fn new(max_line: usize) -> Self {
        Self { buffer: BytesMut::new(), scanned: 0, max_line, skipping: false }
    }

    /// Takes the next chunk.
    pub fn push(&mut self, chunk: &[u8]) {
        let Some(end) = memchr(b'\n', chunk).filter(|_| self.skipping) else {
            if !self.skipping {
                self.buffer.extend_from_slice(chunk);
            }
            return;
        };
        self.skipping = false;
        self.buffer.extend_from_slice(chunk.get(end + 1..).unwrap_or_default());
    }

    /// The next whole line without its end, `None` until more bytes come. A line that is too long is an error once.
    pub fn next_line(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        loop {
            let unscanned = self.buffer.get(self.scanned..).unwrap_or_default();
            let Some(end) = memchr(b'\n', unscanned).map(|at| at + self.scanned) else {
                self.scanned = self.buffer.len();
                // One more byte is allowed: it may be the carriage return of the line's end.
                if self.scanned > self.max_line + 1 {
                    self.skipping = true;
                    self.buffer = BytesMut::new();
                    self.scanned = 0;
                    return Err(LineTooLong { limit: self.max_line });
                }
                return Ok(None);
            };
            let mut line = self.buffer.split_to(end + 1);
            self.scanned = 0;
            line.truncate(end);
            if line.last() == Some(&b'\r') {
                line.truncate(end - 1);
            }
            if line.len() > self.max_line {
                return Err(LineTooLong { limit: self.max_line });
            }
            if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
                return Ok(Some(line.freeze()));
            }
        }
    }

    /// What is left when the stream ends: a line that was cut off, and no message.
    pub fn finish(self) -> Bytes {
        self.buffer.freeze()
    }
}

/// Appends valid JSON to `out` without the white space between its tokens: the same tokens, one line.
///
/// Only for what the strict parser accepted: there, a line end can stand between tokens alone.
pub fn compact(json: &[u8], out: &mut Vec<u8>) {
    out.reserve(json.len());
    let mut in_string = false;
    let mut escaped = false;
    for &byte in json {
        if !in_string && matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            continue;
        }
        out.push(byte);
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
    }
}

/// Valid JSON as one line: the same bytes where it is one, else [`compact`]. A line end inside a valid body would
/// otherwise smuggle a second message into a stdio server.
pub fn one_line(json: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\n', b'\r', json).is_none() {
        return Cow::Borrowed(json);
    }
    let mut out = Vec::new();
    compact(json, &mut out);
    Cow::Owned(out)
}
