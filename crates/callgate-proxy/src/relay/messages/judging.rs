//! Messages that hold questions of the server to the client: they wait until their questions are recorded.

use super::{Item, Messages, Source};
use crate::reach::{Carrier, ServerEnd};
use callgate_mcp::{Method, RequestId};

/// A message that waits until its questions are recorded.
pub(super) struct Waiting {
    pub(super) item: Item,
    pub(super) carrier: Carrier,
    /// Where the server is told that its question is refused.
    pub(super) back: Option<ServerEnd>,
}

impl Messages {
    /// The message whose questions were recorded meanwhile, or what takes its place. May be dropped and called again.
    pub(super) async fn judged(&mut self) -> Option<Item> {
        let (judging, _) = self.judging.as_mut()?;
        let verdict = judging.as_mut().await;
        let (_, Waiting { item, carrier, back }) = self.judging.take()?;
        match (verdict, carrier) {
            (Ok(()), Carrier::Request { id, method }) => {
                if self.may_ask(&id, method) {
                    return Some(item);
                }
                self.dropped("too many requests to the client are open");
                None
            }
            (Ok(()), Carrier::Response | Carrier::Notification) => Some(item),
            (Err(denied), Carrier::Response) => {
                let Item::Message { message, event, is_response } = item else { return None };
                let id = response_id(&message);
                Some(Item::changed(event, self.relay.refused(&denied, id.as_ref()), is_response))
            }
            (Err(_), Carrier::Notification) => {
                self.dropped("it asks something that is not allowed");
                None
            }
            (Err(denied), Carrier::Request { id, .. }) => {
                self.dropped("it asks something that is not allowed");
                if let Some(ServerEnd::Peer(peer)) = &back
                    && let Some(id) = request_id(&id)
                {
                    peer.was_asked(&id);
                }
                if let Some(back) = back {
                    back.tell(&self.relay.gate, &self.relay.entry, denied.to_server(&id));
                }
                None
            }
        }
    }

    /// Notes that the client is asked. What a connection of its own asks is remembered where it is routed.
    fn may_ask(&self, id: &[u8], method: Method) -> bool {
        match (&self.source, &self.relay.session) {
            (Source::Sse { .. }, Some(session)) => request_id(id).is_some_and(|id| session.asks(id, method)),
            (Source::Sse { .. }, None) => false,
            _ => true,
        }
    }

    pub(super) fn server_end(&self) -> Option<ServerEnd> {
        match &self.source {
            Source::Sse { .. } => self.relay.session.clone().map(ServerEnd::Session),
            Source::Child(asked) => Some(ServerEnd::Peer(asked.peer().clone())),
            Source::Inbox(listener) => Some(ServerEnd::Peer(listener.peer().clone())),
            // Modern servers ask in their answers.
            // What stands between two eras is answered where it is translated.
            Source::Synthesized(_) | Source::Held(_) | Source::Events(_) => None,
        }
    }
}

/// The id of a response that a resumed stream brings: whose answer it is nobody else knows.
fn response_id(message: &[u8]) -> Option<RequestId> {
    let mut limits = callgate_json::Limits { max_bytes: message.len(), exact_numbers: false, ..Default::default() };
    limits.max_values = usize::MAX;
    RequestId::from_value(callgate_json::parse(message, &limits).ok()?.get("id")?)
}

fn request_id(json: &[u8]) -> Option<RequestId> {
    RequestId::from_value(&callgate_json::parse(json, &callgate_json::Limits::default()).ok()?)
}
