//! A batch of revision 2025-03-26: each message judged and forwarded on its own, the answers joined.

use super::Worker;
use super::post::{Stop, one, stopped};
use crate::answer::{self, Reply};
use crate::asking::Patience;
use crate::errors::Cause;
use crate::exchange::is_type;
use crate::snapshot::GrantEntry;
use bytes::Bytes;
use callgate_mcp::{Message, SseLimits, SseReader};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap};
use http_body_util::BodyExt;
use std::sync::Arc;

/// One message after the other, so that no two of them race for one limit. None of them waits for a person: those
/// before it would wait with it.
pub(super) async fn batch(
    worker: &Arc<Worker>,
    entry: &Arc<GrantEntry>,
    head: &HeaderMap,
    messages: &[Message<'_>],
    body: &Bytes,
) -> Result<Reply, Stop> {
    let mut answers: Vec<Bytes> = Vec::with_capacity(messages.len());
    let mut size = 0;
    for message in messages {
        let own = body.slice_ref(message.bytes());
        // Those before it may have taken their time.
        let carried = match worker.gate.renewed(entry) {
            Ok(entry) => Box::pin(one(worker, &entry, head, message, own, Patience::None)).await,
            Err(cause) => Err(Stop::about(cause, message)),
        };
        let reply = match carried {
            Ok(reply) => reply,
            Err(stop) => stopped(&worker.gate, entry, stop).await,
        };
        let before = answers.len();
        collect(reply, &mut answers, worker.gate.options.max_message).await;
        size += answers.iter().skip(before).map(Bytes::len).sum::<usize>();
        if size > worker.gate.options.max_message {
            let server = entry.server.name.as_str().to_owned();
            return Err(Cause::AnswerTooLarge { server, limit: worker.gate.options.max_message }.into());
        }
    }
    if answers.is_empty() {
        return Ok(answer::bare(StatusCode::ACCEPTED));
    }
    Ok(answer::json(StatusCode::OK, [&b"["[..], &answers.join(&b','), b"]"].concat()))
}

/// The messages of one answer: a body, or every event of a stream.
async fn collect(reply: Reply, answers: &mut Vec<Bytes>, limit: usize) {
    let (head, mut body) = reply.into_parts();
    let is_stream = head.headers.get(CONTENT_TYPE).is_some_and(|kind| is_type(kind.as_bytes(), b"text/event-stream"));
    let mut reader = SseReader::new(SseLimits { max_line: limit, max_event: limit });
    let mut whole = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        if !is_stream {
            whole.extend_from_slice(&data);
            continue;
        }
        reader.push(&data);
        while let Ok(Some(event)) = reader.next_event() {
            answers.extend(event.data.filter(|data| !data.is_empty()));
        }
    }
    if !whole.is_empty() {
        answers.push(whole.into());
    }
}
