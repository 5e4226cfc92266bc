//! Clients of 2024-11-05 (MCP 2024-11-05 "HTTP with SSE"): one stream carries everything that they are told, and names
//! the URL to which they POST what they say. To the rest of the gateway they are on a connection both ways.

use super::body;
use super::headers;
use super::{Worker, refuse};
use crate::answer::{self, Reply};
use crate::authenticate::server_segment;
use crate::errors::Cause;
use crate::front::duplex::{self, Connection};
use crate::front::lines::{Hear, InputError, Lines};
use crate::gate::{Gate, Phase, until};
use crate::judge::Caller;
use crate::sessions::random_id;
use crate::snapshot::GrantEntry;
use bytes::Bytes;
use callgate_mcp::{Batches, SseWriter, parse_client};
use callgate_policy::GrantId;
use http::StatusCode;
use http::request::Parts;
use hyper::body::Incoming;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Messages of one client that wait to be judged; the next POST waits.
const QUEUE: usize = 16;

/// The clients that are connected.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    by_id: Mutex<HashMap<Box<str>, Client>>,
}

#[derive(Debug)]
struct Client {
    grant: GrantId,
    server: Arc<str>,
    said: mpsc::Sender<Bytes>,
}

/// A client's place among those that are connected, given up when this is dropped.
struct Place {
    gate: Arc<Gate>,
    id: Box<str>,
}

/// What a client POSTs, until the gateway drains.
struct Posted {
    from: mpsc::Receiver<Bytes>,
    phase: watch::Receiver<Phase>,
}

/// What a client is told, on its way.
struct Telling {
    /// The first event: where to POST to.
    endpoint: Option<Bytes>,
    from: mpsc::Receiver<Vec<u8>>,
    keep_alive: Duration,
}

/// Opens the stream of a client.
pub(super) async fn open(worker: &Arc<Worker>, entry: &Arc<GrantEntry>, head: &Parts) -> Reply {
    match opened(worker, entry, head).await {
        Ok(reply) => reply,
        Err(cause) => refuse(&worker.gate, entry, "(stream)", &cause).await,
    }
}

async fn opened(worker: &Arc<Worker>, entry: &Arc<GrantEntry>, head: &Parts) -> Result<Reply, Cause> {
    let gate = &worker.gate;
    headers::accepts_events(&head.headers)?;
    let (server, _) = server_segment(head.uri.path()).ok_or(Cause::NotFound)?;
    gate.sessions.admit(&entry.grant.id)?;
    let (place, from) = Place::take(gate, entry)?;
    // Nothing leaves yet, so there is nothing to settle but the permit itself.
    drop(gate.judge_stream(Caller { entry, session: None, client: None, trace: None }, "(stream)").await?);
    let endpoint = format!("event: endpoint\ndata: /mcp/{server}/messages?session={}\n\n", place.id);
    let (lines, told) = Lines::channel();
    let connection = Connection::new(Arc::clone(gate), Arc::clone(&worker.pool), &entry.grant.id, lines);
    let process = connection.start(entry)?;
    let posted = Posted { from, phase: gate.phase() };
    let entry = Arc::clone(entry);
    tokio::spawn(async move {
        let over = lost(&place.gate, &entry);
        // Its input can't fail: bodies were read before they got here.
        let _ = duplex::run(connection, Arc::clone(&entry), process, posted, over).await;
    });
    let telling = Telling { endpoint: Some(endpoint.into()), from: told, keep_alive: gate.options.keep_alive };
    Ok(answer::events(telling, |mut telling| async move { telling.next().await.map(|bytes| (bytes, telling)) }))
}

/// Takes what a client says. The answer goes over its stream.
pub(super) async fn post(worker: &Worker, entry: &Arc<GrantEntry>, head: &Parts, incoming: Incoming) -> Reply {
    let gate = &worker.gate;
    let read = async {
        let said = gate.clients.find(head.uri.query(), entry)?;
        body::check_type(&head.headers)?;
        let body = body::read(incoming, gate.options.max_body, gate.options.body_timeout).await?;
        Ok((said, body))
    };
    let (said, body) = match read.await {
        Ok(read) => read,
        Err(cause) => return refuse(gate, entry, "", &cause).await,
    };
    // It is read again where it is judged. Whether a batch may stand here is known there only.
    if let Err(error) = parse_client(&body, &gate.limits, Batches::Allowed) {
        gate.refuse_frame(Caller { entry, session: None, client: None, trace: None }, "", &error).await;
        return answer::frame(&error);
    }
    match said.send(body).await {
        Ok(()) => answer::bare(StatusCode::ACCEPTED),
        Err(_) => refuse(gate, entry, "", &Cause::SessionUnknown).await,
    }
}

/// Waits until the grant no longer holds.
async fn lost(gate: &Gate, entry: &GrantEntry) {
    let mut snapshots = gate.snapshots.clone();
    while gate.still_holds(entry) {
        let expiry = async {
            match entry.expires {
                None => std::future::pending().await,
                Some(end) => {
                    let left = end.0.saturating_sub(gate.clock.now().0);
                    tokio::time::sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0).max(10))).await;
                }
            }
        };
        tokio::select! {
            // Nobody publishes any more: what is there stays in force.
            changed = snapshots.changed() => if changed.is_err() {
                std::future::pending::<()>().await;
            },
            () = expiry => {}
        }
    }
}

impl Clients {
    /// Where the messages of the client go that a URL names, if it is this grant's on this server.
    fn find(&self, query: Option<&str>, entry: &GrantEntry) -> Result<mpsc::Sender<Bytes>, Cause> {
        let mut named = query.unwrap_or_default().split('&').filter_map(|pair| pair.strip_prefix("session="));
        let (Some(id), None) = (named.next(), named.next()) else { return Err(Cause::SessionUnknown) };
        let clients = self.by_id();
        let client = clients.get(id).ok_or(Cause::SessionUnknown)?;
        if client.grant != entry.grant.id || client.server != entry.server.uuid {
            return Err(Cause::SessionUnknown);
        }
        Ok(client.said.clone())
    }

    fn by_id(&self) -> MutexGuard<'_, HashMap<Box<str>, Client>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn take(gate: &Arc<Gate>, entry: &GrantEntry) -> Result<(Self, mpsc::Receiver<Bytes>), Cause> {
        let (said, from) = mpsc::channel(QUEUE);
        let client = Client { grant: entry.grant.id.clone(), server: Arc::clone(&entry.server.uuid), said };
        let id = random_id()?;
        let mut clients = gate.clients.by_id();
        if clients.len() >= gate.options.max_sessions {
            return Err(Cause::TooManySessions(gate.options.max_sessions));
        }
        let most = gate.options.max_sessions_per_grant;
        if clients.values().filter(|client| client.grant == entry.grant.id).count() >= most {
            return Err(Cause::TooManySessions(most));
        }
        clients.insert(id.clone(), client);
        drop(clients);
        Ok((Self { gate: Arc::clone(gate), id }, from))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.clients.by_id().remove(&self.id);
    }
}

impl Hear for Posted {
    async fn next(&mut self) -> Result<Option<Bytes>, InputError> {
        tokio::select! {
            biased;
            // First: what was accepted is answered.
            said = self.from.recv() => Ok(said),
            () = until(&mut self.phase, |phase| *phase != Phase::Running) => Ok(None),
        }
    }
}

impl Telling {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(endpoint) = self.endpoint.take() {
            return Some(endpoint);
        }
        let Ok(message) = tokio::time::timeout(self.keep_alive, self.from.recv()).await else {
            return Some(Bytes::from_static(SseWriter::KEEP_ALIVE));
        };
        let message = message?;
        let mut event = Vec::with_capacity(message.len() + 32);
        // A name of one line, and no id: writing can't fail.
        let _ = SseWriter::event(&mut event, Some("message"), None, &message);
        Some(event.into())
    }
}
