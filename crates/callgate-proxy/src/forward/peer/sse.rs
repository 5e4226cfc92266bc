//! The life of an HTTP+SSE connection (MCP 2024-11-05 "HTTP with SSE"): everything the server says comes on one stream,
//! everything it is told is a POST to the endpoint that the stream named first.

use super::Shared;
use super::web::{Events, Far, Outgoing, is_events};
use crate::forward::Failure;
use crate::forward::http::{self as web, Ask, Collected};
use crate::gate::until;
use crate::upstream::HttpUpstream;
use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Events before the one that names the endpoint; there should be none.
const MAX_BEFORE: usize = 16;

/// A stream that has named its endpoint.
pub(super) struct Connected {
    events: Events,
    endpoint: HttpUpstream,
}

/// Opens the stream, and waits for the endpoint.
pub(super) async fn connect(far: &Far) -> Result<Connected, Failure> {
    let answer = far.stream(HeaderMap::with_capacity(4), Some(far.entry.server.timeouts.silence)).await?;
    if !is_events(&answer) {
        return Err(Failure::Status(answer.status, Bytes::new()));
    }
    let mut events = Events::waiting(answer.body, far.gate.options.max_message);
    for _ in 0..MAX_BEFORE {
        let Some(event) = events.next().await.transpose()? else { break };
        if event.event.as_deref() != Some(b"endpoint".as_slice()) {
            continue;
        }
        let named = event.data.unwrap_or_default();
        let endpoint = std::str::from_utf8(&named).map_err(|_| "the endpoint that it names is no URL");
        let endpoint = endpoint.and_then(|named| far.upstream.at(named.trim()));
        let endpoint = endpoint.map_err(|why| Failure::Unreadable(why.to_owned()))?;
        events.wait_for_ever();
        return Ok(Connected { events, endpoint });
    }
    Err(Failure::Unreadable("its stream names no endpoint".to_owned()))
}

/// Lives as long as the stream does.
pub(super) async fn live(shared: Arc<Shared>, far: Far, connected: Connected, to_write: mpsc::Receiver<Vec<u8>>) {
    let Connected { mut events, endpoint } = connected;
    let mut stop = shared.stop.subscribe();
    let writer = tokio::spawn(write(Arc::clone(&shared), far, endpoint, to_write));
    let why = loop {
        let event = tokio::select! {
            biased;
            () = until(&mut stop, |stop| *stop) => break Failure::Broken("its connection was ended".to_owned()),
            event = events.next() => event,
        };
        match event {
            Some(Ok(event)) => {
                let is_message = event.event.as_deref().is_none_or(|name| name == b"message");
                if let Some(data) = event.data.filter(|data| is_message && !data.is_empty()) {
                    shared.heard(&data, None);
                }
            }
            Some(Err(failure)) => break failure,
            None => break Failure::Broken("its stream ended".to_owned()),
        }
    };
    writer.abort();
    shared.over(why);
}

/// Posts one message after the other, in the order in which they were said.
async fn write(shared: Arc<Shared>, far: Far, endpoint: HttpUpstream, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        let number = Outgoing::read(&line, &shared).and_then(|out| out.number);
        let Err(failure) = post(&far, &endpoint, line.into()).await else { continue };
        tracing::debug!(server = %shared.server, "a message was not taken: {failure:?}");
        if matches!(failure, Failure::Gone) {
            shared.gone();
        }
        if let Some(number) = number {
            shared.routes().fail(number, failure);
        }
    }
}

async fn post(far: &Far, endpoint: &HttpUpstream, body: Bytes) -> Result<(), Failure> {
    far.holds()?;
    let timeouts = &far.entry.server.timeouts;
    let headers = Far::post_headers();
    let silence = Some(timeouts.silence);
    let ask = Ask { method: http::Method::POST, headers, body, connect: timeouts.connect, silence };
    let mut answer = web::send(&far.pool, endpoint, ask).await?;
    let status = answer.status;
    let body = match answer.body.collect(far.gate.options.max_message).await? {
        Collected::Whole(body) => body,
        Collected::Beginning(_) => Bytes::new(),
    };
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::NOT_FOUND => Err(Failure::Gone),
        _ => Err(Failure::Status(status, body)),
    }
}
