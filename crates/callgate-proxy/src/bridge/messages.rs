//! The messages of one answer: a body, or every event of a stream.

use super::MAX_MESSAGE;
use crate::exchange::is_type;
use crate::forward::{Answer, AnswerBody, Collected, Failure};
use crate::place::Place;
use bytes::Bytes;
use callgate_mcp::{Batches, Incoming, MCP_SESSION_ID, MessageKind, SseLimits, SseReader, parse_server};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use std::time::Instant;

/// An answer of the gateway at the other end.
pub(super) struct Messages {
    pub(super) status: StatusCode,
    /// The id of the session that it opens.
    pub(super) session: Option<HeaderValue>,
    body: AnswerBody,
    form: Form,
    place: Place,
    heard: Option<Instant>,
    /// The last message of a stream.
    last: Bytes,
}

enum Form {
    Events(SseReader),
    Message,
    /// Nothing, or nothing more.
    Nothing,
}

impl Messages {
    pub(super) fn of(answer: Answer) -> Self {
        let Answer { status, headers, body } = answer;
        let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let form = if is_type(kind, b"text/event-stream") {
            Form::Events(SseReader::new(SseLimits { max_line: MAX_MESSAGE, max_event: MAX_MESSAGE }))
        } else if is_type(kind, b"application/json") {
            Form::Message
        } else {
            Form::Nothing
        };
        Self {
            status,
            session: headers.get(MCP_SESSION_ID).cloned(),
            body,
            form,
            place: Place::default(),
            heard: None,
            last: Bytes::new(),
        }
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self.form, Form::Events(_))
    }

    /// Goes on with the stream that broke off, or ended before its time.
    pub(super) fn resume(&mut self, answer: Answer) {
        let place = std::mem::take(&mut self.place);
        *self = Self { place, ..Self::of(answer) };
    }

    /// Where to go on with a stream whose last message is not the response.
    pub(super) fn missed(&self) -> Option<&Place> {
        let is_response = match parse_server(&self.last, &super::limits(), Batches::Refused) {
            Ok(Incoming::One(message)) => message.kind() == MessageKind::Response,
            // What can't be read was passed on; it may have been the response.
            _ => !self.last.is_empty(),
        };
        Some(&self.place).filter(|_| self.is_stream() && !is_response)
    }

    /// When the stream said something last, if it did.
    pub(super) fn heard(&self) -> Option<Instant> {
        self.heard
    }

    /// How far the stream was read.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The next message; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match &mut self.form {
            Form::Nothing => Ok(None),
            Form::Message => {
                self.form = Form::Nothing;
                match self.body.collect(MAX_MESSAGE).await? {
                    Collected::Whole(bytes) => Ok(Some(bytes).filter(|bytes| !bytes.is_empty())),
                    Collected::Beginning(_) => Err(Failure::TooLarge(MAX_MESSAGE)),
                }
            }
            Form::Events(reader) => loop {
                while let Some(event) = reader.next_event().map_err(|error| Failure::Unreadable(error.to_string()))? {
                    self.place.note(&event);
                    self.heard = Some(Instant::now());
                    if let Some(data) = event.data.filter(|data| !data.is_empty()) {
                        self.last = data.clone();
                        return Ok(Some(data));
                    }
                }
                match self.body.next().await.transpose()? {
                    Some(chunk) => reader.push(&chunk),
                    None => return Ok(None),
                }
            },
        }
    }
}
