//! What the gateway answers itself: refusals and failures, as HTTP and as JSON-RPC.

use crate::asking::words;
use crate::errors::{Cause, REFUSED_BY_POLICY};
use crate::judge::Denial;
use bytes::Bytes;
use callgate_decision::{Approval, Refused};
use callgate_json::write_string;
use callgate_mcp::{Era, FrameError, error_response, tool_refusal};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::Frame;

/// The body of an answer: there at once, or as it comes. What breaks off while it comes ends the connection.
pub(crate) type Outgoing = Either<Full<Bytes>, UnsyncBoxBody<Bytes, std::io::Error>>;

pub(crate) type Reply = Response<Outgoing>;

/// A JSON body.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    with_type(status, "application/json", body)
}

/// A text body.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    with_type(status, "text/plain; charset=utf-8", body)
}

/// A status alone.
pub(crate) fn bare(status: StatusCode) -> Reply {
    let mut reply = Response::new(Either::Left(Full::default()));
    *reply.status_mut() = status;
    reply
}

/// A body of events, as they come.
pub(crate) fn events<S, F, N>(state: S, next: N) -> Reply
where
    S: Send + 'static,
    F: Future<Output = Option<(Bytes, S)>> + Send + 'static,
    N: FnMut(S) -> F + Send + 'static,
{
    let mut reply = streamed(StatusCode::OK, "text/event-stream", unfold(state, next));
    let headers = reply.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    reply
}

/// A body in pieces.
pub(crate) fn streamed<T>(status: StatusCode, media_type: &'static str, pieces: T) -> Reply
where
    T: futures_util::Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send + 'static,
{
    let mut reply = Response::new(Either::Right(BodyExt::boxed_unsync(StreamBody::new(pieces))));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    reply
}

fn unfold<S, F, N>(state: S, mut next: N) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, std::io::Error>>
where
    F: Future<Output = Option<(Bytes, S)>>,
    N: FnMut(S) -> F,
{
    futures_util::stream::unfold(state, move |state| {
        let step = next(state);
        async move { step.await.map(|(bytes, state)| (Ok::<_, std::io::Error>(Frame::data(bytes)), state)) }
    })
}

/// The answer to a request that is refused, or came to nothing, for this cause.
pub(crate) fn cause(cause: &Cause, id: Option<&[u8]>) -> Reply {
    let status = cause.row().status;
    let mut reply = json(status, cause_message(cause, id));
    let headers = reply.headers_mut();
    match cause {
        Cause::TokenMissing => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"callgate\""));
        }
        Cause::TokenUnknown | Cause::GrantEnded => {
            let value = "Bearer realm=\"callgate\", error=\"invalid_token\"";
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
        Cause::Resting { wait, .. } => {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        }
        Cause::HttpMethod { allowed, .. } => {
            headers.insert(http::header::ALLOW, HeaderValue::from_static(allowed));
        }
        _ => {}
    }
    reply
}

/// The JSON-RPC error that tells a cause; `data.code` names its page.
pub(crate) fn cause_message(cause: &Cause, id: Option<&[u8]>) -> Vec<u8> {
    let row = cause.row();
    error_response(id, row.rpc, &cause.to_string(), Some(&format!("{{\"code\":\"{}\"}}", row.page)))
}

/// The answer to a message that can't be read.
pub(crate) fn frame(error: &FrameError) -> Reply {
    json(StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST), error.to_response())
}

/// The message that tells a denial. A `tools/call` gets a result that the model can read; other methods an error.
pub(crate) fn denial_message(denial: &Denial, id: Option<&[u8]>, era: Era) -> Vec<u8> {
    match denial {
        Denial::Method(cause) => cause_message(cause, id),
        Denial::Frame(error) => error.to_response(),
        Denial::Reach(refused) => {
            let data = format!("{{\"code\":\"CG2060\",{}}}", decision_member(refused, None));
            error_response(id, REFUSED_BY_POLICY, &format!("[POLICY DENIED] {}", told(refused)), Some(&data))
        }
        Denial::Call(refused) => tool_refusal(
            id.unwrap_or(b"null"),
            era,
            &format!("[POLICY DENIED] {}", told(refused)),
            Some(&format!("{{{}}}", decision_member(refused, None))),
        ),
        Denial::Asked(asked) => tool_refusal(
            id.unwrap_or(b"null"),
            era,
            &words::told(asked),
            Some(&format!("{{{}}}", decision_member(&asked.refused, Some(&asked.approval)))),
        ),
    }
}

/// The HTTP status of a denial: it is an answer, not a failure, except where nothing can be recorded.
pub(crate) fn denial_status(denial: &Denial) -> StatusCode {
    match denial {
        Denial::Call(_) | Denial::Asked(_) | Denial::Reach(_) => StatusCode::OK,
        Denial::Frame(error) => StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST),
        Denial::Method(cause) => cause.row().status,
    }
}

fn told(refused: &Refused) -> &str {
    let message = refused.decision.message.as_str();
    if message.is_empty() { "The policy does not allow this call." } else { message }
}

/// The decision as data: the member `dev.callgate/decision` of an object.
pub(crate) fn decision_member(refused: &Refused, approval: Option<&Approval>) -> String {
    let mut meta = String::with_capacity(256);
    meta.push_str("\"dev.callgate/decision\":{\"outcome\":\"");
    meta.push_str(refused.decision.outcome.as_str());
    meta.push_str("\",\"rule\":");
    write_string(refused.decision.rule.as_str(), &mut meta);
    meta.push_str(",\"decisionId\":");
    match refused.id {
        Some(id) => write_string(&id.to_string(), &mut meta),
        None => meta.push_str("null"),
    }
    meta.push_str(",\"retryAfterMs\":");
    match refused.decision.retry_after_ms {
        Some(wait) => meta.push_str(&wait.to_string()),
        None => meta.push_str("null"),
    }
    meta.push_str(",\"approval\":");
    match approval {
        Some(approval) => words::approval_json(approval, &mut meta),
        None => meta.push_str("null"),
    }
    meta.push('}');
    meta
}

fn with_type(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Either::Left(Full::new(body.into())));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    reply
}
