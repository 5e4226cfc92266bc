//! Responses: whole ones, and those that come piece by piece.

use crate::fixture::Running;
use crate::outlet::{Head, Piece};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use hyper::body::{Body, Frame};
use serde_json::{Value, json};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::UnboundedReceiver;

/// The body of a response.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A body that is there.
    Whole(Option<Bytes>),
    /// A body that comes piece by piece.
    Pieces {
        /// What was taken out already, to learn what the response is.
        first: Option<Piece>,
        rest: UnboundedReceiver<Piece>,
        /// Held by modern requests: they end with their response.
        _guard: Option<Guard>,
    },
}

/// Cancels a request when it is dropped, which happens when the client has gone.
#[derive(Debug)]
pub(crate) struct Guard(pub(crate) Running);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let (first, rest) = match self.get_mut() {
            Self::Whole(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces { first, rest, .. } => (first, rest),
        };
        let piece = match first.take() {
            Some(piece) => Some(piece),
            None => match rest.poll_recv(cx) {
                Poll::Ready(piece) => piece,
                Poll::Pending => return Poll::Pending,
            },
        };
        Poll::Ready(match piece {
            None => None,
            Some(Piece::Bytes(bytes, taken)) => {
                drop(taken);
                Some(Ok(Frame::data(bytes)))
            }
            Some(Piece::Whole(_, bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::Head(_)) => Some(Ok(Frame::data(Bytes::new()))),
            Some(Piece::Abort) => Some(Err(io::Error::other("the fixture breaks off"))),
        })
    }
}

/// The response that begins with this piece.
pub(crate) fn begin(first: Piece, rest: UnboundedReceiver<Piece>, guard: Option<Guard>) -> Response<Reply> {
    match first {
        Piece::Whole(head, body) => build(&head, Reply::Whole(Some(body))),
        Piece::Head(head) => build(&head, Reply::Pieces { first: None, rest, _guard: guard }),
        first => build(&event_stream(), Reply::Pieces { first: Some(first), rest, _guard: guard }),
    }
}

/// An event stream.
pub(crate) fn events(rest: UnboundedReceiver<Piece>) -> Response<Reply> {
    build(&event_stream(), Reply::Pieces { first: None, rest, _guard: None })
}

/// A JSON-RPC error that belongs to no request.
pub(crate) fn refusal(status: u16, code: i64, message: &str) -> Response<Reply> {
    whole(status, json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}}).to_string())
}

/// An error to a request, or to none.
pub(crate) fn refused(status: u16, id: &Value, error: &Value) -> Response<Reply> {
    whole(status, json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string())
}

pub(crate) fn whole(status: u16, json: String) -> Response<Reply> {
    build(&Head { status, headers: vec![("content-type", "application/json".into())] }, Reply::Whole(Some(json.into())))
}

pub(crate) fn plain(status: u16, text: &'static str) -> Response<Reply> {
    let body = Some(Bytes::from_static(text.as_bytes())).filter(|text| !text.is_empty());
    build(&Head { status, headers: vec![("content-type", "text/plain".into())] }, Reply::Whole(body))
}

fn event_stream() -> Head {
    let headers = vec![
        ("content-type", "text/event-stream".into()),
        ("cache-control", "no-cache".into()),
        ("x-accel-buffering", "no".into()),
    ];
    Head { status: 200, headers }
}

fn build(head: &Head, body: Reply) -> Response<Reply> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or(StatusCode::OK);
    for (name, value) in &head.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}
