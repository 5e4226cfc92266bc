//! What came back from an upstream, as an HTTP answer.

use crate::answer::{self, Reply};
use crate::errors::Cause;
use crate::exchange::{Exchange, Large, Rest};
use crate::forward::Flight;
use crate::relay::{Item, Messages};
use crate::sessions::{OpenStream, Session};
use bytes::Bytes;
use callgate_mcp::{MCP_SESSION_ID, Revision, SseWriter};
use http::{HeaderName, HeaderValue, StatusCode};
use hyper::body::Frame;
use std::sync::Arc;

/// An event stream on its way to a client.
struct Sending {
    messages: Messages,
    /// The request's id, to tell it when the stream breaks off before its response.
    id: Option<Box<[u8]>>,
    answered: bool,
    ended: bool,
    _open: Option<OpenStream>,
}

/// A body on its way to a client that is too long to be looked at.
struct Piping {
    first: Option<Bytes>,
    rest: Rest,
    flight: Option<Flight>,
}

/// The answer to a POST.
pub(super) fn reply(exchange: Exchange, id: Option<&[u8]>, session: Option<&Arc<Session>>) -> Reply {
    match exchange {
        Exchange::Accepted => answer::bare(StatusCode::ACCEPTED),
        Exchange::Bare(status) => match id {
            Some(id) if !status.is_success() => answer::json(status, upstream_status(status, id)),
            _ => answer::bare(status),
        },
        Exchange::Whole { status, message } => answer::json(status, message),
        Exchange::Large(message) => large(*message),
        Exchange::Stream(messages) => stream(*messages, id, session),
    }
}

/// The answer with the id of the session that it opened.
pub(super) fn with_session(mut reply: Reply, session: &Session) -> Reply {
    // An id of ours is letters, digits, `-` and `_`, which every header can hold.
    if let Ok(id) = HeaderValue::from_str(&session.held) {
        reply.headers_mut().insert(HeaderName::from_static(MCP_SESSION_ID), id);
    }
    reply
}

/// An event stream, as it comes.
pub(super) fn stream(mut messages: Messages, id: Option<&[u8]>, session: Option<&Arc<Session>>) -> Reply {
    // Clients that know how take up again what breaks off, at the upstream.
    if session.is_some_and(|session| session.revision >= Revision::V2025_11_25) {
        messages.will_resume();
    }
    let sending = Sending {
        messages,
        id: id.map(Into::into),
        answered: false,
        ended: false,
        _open: session.map(|session| session.open_stream()),
    };
    answer::events(sending, |mut sending| async move { sending.next().await.map(|bytes| (bytes, sending)) })
}

impl Sending {
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        match self.messages.next().await {
            Some(Ok(Item::Message { message, event, is_response })) => {
                self.answered |= is_response;
                Some(event.unwrap_or_else(|| event_of(&message)))
            }
            Some(Ok(Item::Aside(raw))) => Some(raw),
            Some(Ok(Item::Quiet)) => Some(Bytes::from_static(SseWriter::KEEP_ALIVE)),
            Some(Err(cause)) => {
                self.ended = true;
                self.broken(&cause)
            }
            None => None,
        }
    }

    /// The head has gone out long ago: what went wrong is told as the response.
    fn broken(&self, cause: &Cause) -> Option<Bytes> {
        let id = self.id.as_deref().filter(|_| !self.answered)?;
        Some(event_of(&answer::cause_message(cause, Some(id))))
    }
}

fn event_of(message: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(message.len() + 16);
    // Without a name and an id, writing can't fail.
    let _ = SseWriter::event(&mut out, None, None, message);
    out.into()
}

pub(super) fn upstream_status(status: StatusCode, id: &[u8]) -> Vec<u8> {
    let text = format!("the server answered with HTTP {status}");
    callgate_mcp::error_response(Some(id), crate::errors::UPSTREAM_FAILED, &text, Some("{\"code\":\"CG2041\"}"))
}

fn large(message: Large) -> Reply {
    let Large { status, first, rest, flight } = message;
    let piping = Piping { first: Some(first), rest, flight: Some(flight) };
    let pieces = futures_util::stream::unfold(piping, |mut piping| async move {
        let piece = piping.next().await?;
        Some((piece.map(Frame::data), piping))
    });
    answer::streamed(status, "application/json", pieces)
}

impl Piping {
    async fn next(&mut self) -> Option<Result<Bytes, std::io::Error>> {
        let piece = match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => self.rest.next().await,
        };
        match piece {
            Some(Ok(bytes)) => {
                if let Some(flight) = &mut self.flight {
                    flight.count(bytes.len());
                }
                Some(Ok(bytes))
            }
            // Half a body can't be made whole: the connection ends here, and the client sees that it did.
            Some(Err(failure)) => {
                if let Some(flight) = self.flight.take() {
                    let _ = flight.fail(failure);
                }
                Some(Err(std::io::Error::other("the server broke off")))
            }
            None => {
                if let Some(flight) = self.flight.take() {
                    flight.answered(None);
                }
                None
            }
        }
    }
}
