//! `subscriptions/listen` on a held session: acknowledged, and then whatever was asked for, as the server says it
//! (MCP 2026-07-28 "Subscriptions").

use super::open;
use super::table::{self, Lease};
use crate::errors::Cause;
use crate::exchange::{Exchange, Way, first_of};
use crate::forward::{Failure, Pool};
use crate::gate::Gate;
use crate::relay::{Messages, Relay, Source};
use crate::snapshot::GrantEntry;
use bytes::Bytes;
use callgate_json::write_string;
use callgate_mcp::bridge::up::Filter;
use callgate_mcp::{Batches, Era, Incoming, Limits, Message, parse_server};
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Resources that one subscription may be about.
const MAX_URIS: usize = 256;

/// One open subscription.
#[derive(Debug)]
pub(crate) struct Subscription {
    lease: Option<Lease>,
    owner: Owner,
    filter: Filter,
    /// The id of the request, as JSON.
    id: Vec<u8>,
    acknowledged: bool,
    events: broadcast::Receiver<Bytes>,
}

/// What is needed to tell the server something after the request is gone.
#[derive(Clone, Debug)]
struct Owner {
    gate: Arc<Gate>,
    pool: Arc<Pool>,
    entry: Arc<GrantEntry>,
}

/// Opens a subscription.
pub(super) async fn open(way: Way<'_>, message: &Message<'_>) -> Result<Exchange, Failure> {
    let wrong = |why: &str| {
        let cause = Cause::InputAnswer { key: "notifications".to_owned(), why: why.to_owned() };
        Failure::Refused(cause)
    };
    let wanted = Filter::of(message).map_err(wrong)?;
    if wanted.uris.len() > MAX_URIS {
        return Err(wrong(&format!("a subscription may be about {MAX_URIS} resources; use several")));
    }
    let lease = table::acquire(way, message, false).await?;
    // From here on nothing is missed.
    let events = lease.session().events.subscribe();
    let offered = lease.session().initialized(|initialized| wanted.offered(initialized)).unwrap_or_default();
    let owner = Owner { gate: Arc::clone(way.gate), pool: Arc::clone(way.pool), entry: Arc::clone(way.entry) };
    let uris = offered.uris.clone();
    let id = message.id_bytes().unwrap_or(b"null").to_vec();
    let filter = Filter { uris: Vec::new(), ..offered };
    let mut subscription = Subscription { lease: Some(lease), owner, filter, id, acknowledged: false, events };
    for uri in uris {
        subscription.subscribe(way, uri).await;
    }
    let mut relay = Relay::new(way.gate, way.entry, None, Era::Modern);
    relay.method = Some(message.method());
    relay.id = message.id();
    first_of(Messages::new(Source::Events(Box::new(subscription)), relay)).await
}

impl Subscription {
    /// Subscribes to a resource; one that the server refuses is left out of what is acknowledged.
    async fn subscribe(&mut self, way: Way<'_>, uri: String) {
        let Some(lease) = &self.lease else { return };
        let mut subscribed = lease.session().subscribed.lock().await;
        let count = subscribed.get(&uri).copied().unwrap_or_default();
        if count == 0 {
            let told =
                open::tell(way, lease.session(), "resources/subscribe", "(subscription)", params(&uri).as_bytes())
                    .await;
            if let Err(failure) = told {
                tracing::debug!(server = way.entry.server.name.as_str(), "a subscription is refused: {failure:?}");
                return;
            }
        }
        subscribed.insert(uri.clone(), count + 1);
        drop(subscribed);
        self.filter.uris.push(uri);
    }

    /// The next message of the stream. May be dropped while it waits, and called again.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        if !self.acknowledged {
            self.acknowledged = true;
            return Some(Ok(self.filter.acknowledged(&self.id).into()));
        }
        let peer = self.lease.as_ref()?.peer().clone();
        loop {
            let said = tokio::select! {
                said = self.events.recv() => said,
                _ = peer.ended() => {
                    self.lease = None;
                    return Some(Err(Failure::Broken("its session ended".to_owned())));
                }
            };
            match said {
                Ok(message) => {
                    if let Some(event) = self.event(&message) {
                        return Some(Ok(event));
                    }
                }
                // What was missed said that something changed; what comes next says so too.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn event(&self, bytes: &Bytes) -> Option<Bytes> {
        match parse_server(bytes, &Limits::default(), Batches::Refused) {
            Ok(Incoming::One(message)) => self.filter.event(&message, &self.id).map(Bytes::from),
            _ => None,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        let uris = std::mem::take(&mut self.filter.uris);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !uris.is_empty() {
            runtime.spawn(unsubscribe(self.owner.clone(), lease, uris));
        }
    }
}

/// Ends the subscriptions that nobody shares.
async fn unsubscribe(owner: Owner, lease: Lease, uris: Vec<String>) {
    let Owner { gate, pool, entry } = &owner;
    let way = Way { gate, pool, entry, session: None, era: Era::Modern, trace: None, cancel: true, streams: true };
    let mut subscribed = lease.session().subscribed.lock().await;
    for uri in uris {
        let count = subscribed.get(&uri).copied().unwrap_or_default();
        if count > 1 {
            subscribed.insert(uri, count - 1);
            continue;
        }
        subscribed.remove(&uri);
        if lease.peer().has_ended() {
            continue;
        }
        let params = params(&uri);
        let what = "(end of subscription)";
        let told = open::tell(way, lease.session(), "resources/unsubscribe", what, params.as_bytes());
        if let Err(failure) = told.await {
            tracing::debug!(server = entry.server.name.as_str(), "a subscription could not be ended: {failure:?}");
        }
    }
}

fn params(uri: &str) -> String {
    let mut params = String::from("{\"uri\":");
    write_string(uri, &mut params);
    params.push('}');
    params
}
