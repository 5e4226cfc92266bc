//! Server-sent events: an incremental reader that keeps every byte, and a writer.

use bytes::{Bytes, BytesMut};

/// How much of a stream is held before it is given up.
#[derive(Clone, Copy, Debug)]
pub struct SseLimits {
    /// Length of a line, in bytes.
    pub max_line: usize,
    /// Length of an event with all its lines, in bytes.
    pub max_event: usize,
}

impl Default for SseLimits {
    /// 4 MiB per line, 8 MiB per event.
    fn default() -> Self {
        Self { max_line: 4 << 20, max_event: 8 << 20 }
    }
}

/// Why a stream can't be read or written any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// A line that goes on and on.
    #[error("a line of the event stream is longer than {0} bytes")]
    LineTooLong(usize),
    /// An event that goes on and on.
    #[error("an event of the stream is longer than {0} bytes")]
    EventTooLong(usize),
    /// A line end or NUL in the name or the id of an event to write.
    #[error("the name and the id of an event must be one line without NUL")]
    Field,
}

impl SseError {
    /// The code of the page that explains it, `docs/errors/CG2014.md`.
    pub fn page(&self) -> &'static str {
        "CG2014"
    }
}

/// One block of a stream, up to and with the blank line that ends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// The bytes as they came. All blocks' bytes in a row, and the reader's rest, are the stream.
    pub raw: Bytes,
    /// The data, its lines joined by a line feed; `None` where the block has no `data` field (a comment, a keep-alive,
    /// an id alone) and browsers would dispatch nothing.
    pub data: Option<Bytes>,
    /// The `event` field; `None` means `message`.
    pub event: Option<Bytes>,
    /// The `id` field, empty where the stream resets it.
    pub id: Option<Bytes>,
    /// The `retry` field, in milliseconds.
    pub retry: Option<u64>,
}

/// Splits a byte stream into events, however the chunks fall (WHATWG HTML "Interpreting an event stream"). Lines end
/// with CR, LF or CRLF; an event is given as soon as its blank line is there.
#[derive(Debug)]
pub struct SseReader {
    buffer: BytesMut,
    limits: SseLimits,
    /// Where the current event begins: behind the LF of a CRLF that was cut in two.
    start: usize,
    /// Where the current line begins.
    line: usize,
    /// How far the buffer has been looked at.
    scanned: usize,
    /// The last byte looked at was a CR: an LF that follows belongs to it.
    after_cr: bool,
    /// The lines of the event so far, without their ends.
    lines: Vec<(usize, usize)>,
    first: bool,
    failed: Option<SseError>,
}

impl SseReader {
    /// A reader at the start of a stream.
    pub fn new(limits: SseLimits) -> Self {
        Self {
            buffer: BytesMut::new(),
            limits,
            start: 0,
            line: 0,
            scanned: 0,
            after_cr: false,
            lines: Vec::new(),
            first: true,
            failed: None,
        }
    }

    /// Takes the next chunk.
    pub fn push(&mut self, chunk: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(chunk);
        }
    }

    /// The next whole event, `None` until more bytes come. An error is final.
    pub fn next_event(&mut self) -> Result<Option<SseEvent>, SseError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.scan() {
            Ok(event) => Ok(event),
            Err(error) => {
                self.failed = Some(error);
                self.buffer = BytesMut::new();
                Err(error)
            }
        }
    }

    /// What is left when the stream ends: an event that was cut off. Browsers discard it.
    pub fn finish(self) -> Bytes {
        self.buffer.freeze()
    }

    fn scan(&mut self) -> Result<Option<SseEvent>, SseError> {
        loop {
            if self.after_cr && self.scanned < self.buffer.len() {
                self.after_cr = false;
                if self.buffer.get(self.scanned) == Some(&b'\n') {
                    if self.scanned == 0 {
                        self.start = 1;
                    }
                    self.scanned += 1;
                    self.line = self.scanned;
                }
            }
            let unscanned = self.buffer.get(self.scanned..).unwrap_or_default();
            let Some(end) = memchr::memchr2(b'\n', b'\r', unscanned).map(|at| at + self.scanned) else {
                self.scanned = self.buffer.len();
                self.check_size(self.scanned)?;
                return Ok(None);
            };
            self.check_size(end)?;
            let carriage_return = self.buffer.get(end) == Some(&b'\r');
            let start = self.line;
            self.scanned = end + 1;
            self.line = self.scanned;
            self.after_cr = carriage_return;
            if start < end {
                self.lines.push((start, end));
                continue;
            }
            // A blank line: what came before it is an event, or only the end of one (an LF after a CR).
            return Ok(Some(self.take()));
        }
    }

    fn check_size(&self, end: usize) -> Result<(), SseError> {
        if end.saturating_sub(self.line) > self.limits.max_line {
            return Err(SseError::LineTooLong(self.limits.max_line));
        }
        if end.saturating_sub(self.start) > self.limits.max_event {
            return Err(SseError::EventTooLong(self.limits.max_event));
        }
        Ok(())
    }

    fn take(&mut self) -> SseEvent {
        // The LF of a CRLF goes with its event where it is already there.
        if self.after_cr && self.buffer.get(self.scanned) == Some(&b'\n') {
            self.scanned += 1;
            self.after_cr = false;
        }
        let raw = self.buffer.split_to(self.scanned).freeze();
        self.start = 0;
        self.scanned = 0;
        self.line = 0;
        let event = interpret(raw, &self.lines, self.first);
        self.lines.clear();
        self.first = false;
        event
    }
}

fn interpret(raw: Bytes, lines: &[(usize, usize)], first: bool) -> SseEvent {
    let mut event = SseEvent { raw: raw.clone(), ..SseEvent::default() };
    let mut joined: Option<Vec<u8>> = None;
    for (index, &(start, end)) in lines.iter().enumerate() {
        let bom = first && index == 0 && raw.get(start..end).is_some_and(|line| line.starts_with(b"\xEF\xBB\xBF"));
        let start = if bom { start + 3 } else { start };
        let line = raw.get(start..end).unwrap_or_default();
        let colon = memchr::memchr(b':', line);
        let name = line.get(..colon.unwrap_or(line.len())).unwrap_or_default();
        let mut value = colon.map_or(end, |at| start + at + 1);
        if colon.is_some() && raw.get(value) == Some(&b' ') && value < end {
            value += 1;
        }
        let value = raw.slice(value..end);
        match name {
            b"data" => match (&mut joined, event.data.take()) {
                (Some(all), _) => {
                    all.push(b'\n');
                    all.extend_from_slice(&value);
                }
                (None, Some(before)) => joined = Some([&before[..], b"\n", &value[..]].concat()),
                (None, None) => event.data = Some(value),
            },
            b"event" => event.event = Some(value).filter(|value| !value.is_empty()),
            b"id" if !value.contains(&0) => event.id = Some(value),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                event.retry = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
            }
            _ => {}
        }
    }
    event.data = joined.map(Bytes::from).or(event.data);
    event
}

/// Writes events.
#[derive(Clone, Copy, Debug, Default)]
pub struct SseWriter;

impl SseWriter {
    /// A comment that keeps a quiet connection open.
    pub const KEEP_ALIVE: &'static [u8] = b":\n\n";

    /// Appends an event: its name, its id and its data, which may have many lines.
    pub fn event(out: &mut Vec<u8>, event: Option<&str>, id: Option<&str>, data: &[u8]) -> Result<(), SseError> {
        let one_line = |text: &&str| !text.contains(['\r', '\n', '\0']);
        if !event.iter().all(one_line) || !id.iter().all(one_line) {
            return Err(SseError::Field);
        }
        for (name, value) in [("event: ", event), ("id: ", id)] {
            if let Some(value) = value {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(value.as_bytes());
                out.push(b'\n');
            }
        }
        let mut rest = data;
        loop {
            let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(rest.get(..end).unwrap_or_default());
            out.push(b'\n');
            let ending = if rest.get(end..).is_some_and(|at| at.starts_with(b"\r\n")) { 2 } else { 1 };
            match rest.get(end + ending..) {
                Some(after) => rest = after,
                None => break,
            }
        }
        out.push(b'\n');
        Ok(())
    }

    /// Appends the time after which a client should come back, in milliseconds.
    pub fn retry(out: &mut Vec<u8>, milliseconds: u64) {
        out.extend_from_slice(format!("retry: {milliseconds}\n\n").as_bytes());
    }
}
