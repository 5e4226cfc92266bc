//! The end of `initialize`: a session on what the upstream answered.

use crate::asking::takes_forms;
use crate::errors::Cause;
use crate::exchange::Exchange;
use crate::gate::Gate;
use crate::relay::Item;
use crate::sessions::{FarEnd, NewSession, Session};
use crate::snapshot::GrantEntry;
use crate::translate;
use bytes::Bytes;
use callgate_json::Value;
use callgate_mcp::{Batches, Incoming, Limits, Message, Revision, parse_server};
use std::sync::Arc;

/// Messages before the response to `initialize` that are waited for.
const MAX_BEFORE: usize = 64;

/// Opens a session where the upstream agreed to one. What came back comes back, to be passed on.
pub(crate) async fn open_session(
    gate: &Gate,
    entry: &Arc<GrantEntry>,
    message: &Message<'_>,
    exchange: Exchange,
    far: FarEnd,
) -> Result<(Exchange, Option<Arc<Session>>), Cause> {
    let (exchange, response) = response(exchange).await?;
    let revision = response.as_deref().and_then(agreed);
    let Some(revision) = revision else { return Ok((exchange, None)) };
    let elicits = takes_forms(message.params().and_then(|params| params.get("capabilities")));
    let new = NewSession { far, revision, client: translate::client(message), elicits };
    let session = gate.sessions.open(entry, new)?;
    session.was_opened_by(message.bytes());
    let exchange = match exchange {
        Exchange::Stream(mut messages) => {
            messages.belongs_to(&session);
            Exchange::Stream(messages)
        }
        other => other,
    };
    Ok((exchange, Some(session)))
}

/// The response itself: of a stream, everything up to it is read, and put back.
pub(crate) async fn response(exchange: Exchange) -> Result<(Exchange, Option<Bytes>), Cause> {
    let mut messages = match exchange {
        Exchange::Whole { ref message, .. } => {
            let message = message.clone();
            return Ok((exchange, Some(message)));
        }
        Exchange::Stream(messages) => messages,
        other => return Ok((other, None)),
    };
    let mut seen = Vec::new();
    let mut response = None;
    while response.is_none() && seen.len() < MAX_BEFORE {
        match messages.next().await {
            Some(item) => {
                let item = item?;
                if let Item::Message { message, is_response: true, .. } = &item {
                    response = Some(message.clone());
                }
                seen.push(item);
            }
            None => break,
        }
    }
    messages.put_back(seen);
    Ok((Exchange::Stream(messages), response))
}

/// The revision that a result of `initialize` names; `None` for an error, and for a revision that nobody knows.
pub(crate) fn agreed(response: &[u8]) -> Option<Revision> {
    let Ok(Incoming::One(message)) = parse_server(response, &Limits::default(), Batches::Refused) else { return None };
    let version = message.result()?.get("protocolVersion").and_then(Value::as_str)?;
    // A revision of the future is spoken like the newest with sessions.
    Some(Revision::parse(version).unwrap_or(Revision::LATEST_LEGACY))
}
