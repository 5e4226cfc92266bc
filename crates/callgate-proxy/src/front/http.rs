//! The HTTP front: one acceptor, worker threads with a runtime each, HTTP/1.1 by hyper.

mod batch;
mod body;
mod elsewhere;
mod headers;
mod held;
mod hosted;
mod pages;
mod post;
mod reply;
mod session;
pub(crate) mod sse;
mod tls;

use crate::answer::{self, Reply};
use crate::authenticate::{Endpoint, authenticate};
use crate::errors::Cause;
use crate::forward::Pool;
use crate::gate::{Early, Figures, Gate, Phase, until};
use crate::judge::Caller;
use crate::snapshot::GrantEntry;
use elsewhere::Door;
pub use elsewhere::{Asked, Elsewhere, Pieces};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
pub use tls::{ServerTls, TlsError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

/// Request heads above this, in bytes, are answered with 431.
const MAX_HEAD: usize = 64 << 10;
const MAX_HEADERS: usize = 100;
/// The endpoint of the gateway's own server; no other server has this name.
const OWN: &str = "/mcp/callgate";
/// After an accept that failed for want of something (descriptors), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const SWEEP: Duration = Duration::from_secs(15);
/// For the last answers to be written, once nothing is waited for any more.
const TELLING: Duration = Duration::from_secs(1);

/// Why the HTTP front can't run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener can't be used.
    #[error("can't listen: {0}")]
    Listener(#[source] io::Error),
    /// A worker can't be started.
    #[error("can't start worker {index}: {source}")]
    Worker {
        /// Its number, from 0.
        index: usize,
        /// Why.
        source: io::Error,
    },
}

/// What is listened on, and what is served there beside MCP.
pub struct Listening {
    listener: TcpListener,
    tls: Option<ServerTls>,
    door: Option<Door>,
}

/// One worker: its own upstream connections.
pub(super) struct Worker {
    pub(super) gate: Arc<Gate>,
    pub(super) pool: Arc<Pool>,
    tls: Option<ServerTls>,
    door: Option<Door>,
}

struct Accepted {
    stream: TcpStream,
    peer: SocketAddr,
    _place: OwnedSemaphorePermit,
}

/// Why a connection ended before its time.
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Connections that are open, over all workers.
type Open = Arc<watch::Sender<usize>>;

impl From<TcpListener> for Listening {
    /// In the clear: MCP and the data plane's own pages, nothing else.
    fn from(listener: TcpListener) -> Self {
        Self { listener, tls: None, door: None }
    }
}

impl Listening {
    /// Speaks TLS 1.3 or 1.2, and nothing else.
    pub fn with_tls(self, tls: ServerTls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Hands every request on that is neither for `/mcp/…` nor for a page of the data plane's own.
    pub fn with_elsewhere(self, elsewhere: Arc<dyn Elsewhere>) -> Self {
        Self { door: Some(Door::new(elsewhere)), ..self }
    }
}

/// Serves MCP over HTTP until `shutdown`; then calls in flight get [`Options::grace`](crate::Options::grace) to end,
/// sessions and child processes are ended, and the workers too. Wants a tokio runtime for the acceptor.
pub async fn serve(
    listening: impl Into<Listening>,
    gate: Arc<Gate>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let Listening { listener, tls, door } = listening.into();
    listener.set_nonblocking(true).map_err(ServeError::Listener)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(ServeError::Listener)?;
    let open: Open = Arc::new(watch::Sender::new(0));
    let mut workers = Vec::new();
    for index in 0..gate.options.workers.max(1) {
        let pool = Arc::new(Pool::new(Arc::clone(&gate.tls)));
        let worker = Worker { gate: Arc::clone(&gate), pool, tls: tls.clone(), door: door.clone() };
        let started = start_worker(index, worker, &open);
        workers.push(started.map_err(|source| ServeError::Worker { index, source })?);
    }
    accept_until(&listener, &gate, &workers, shutdown).await;
    drop(listener);

    gate.enter(Phase::Draining);
    let mut watching = open.subscribe();
    let _ = tokio::time::timeout(gate.options.grace, until(&mut watching, |count| *count == 0)).await;
    // What is still in flight now is told so, and the telling takes a moment.
    gate.enter(Phase::Stopping);
    let _ = tokio::time::timeout(TELLING, until(&mut watching, |count| *count == 0)).await;
    gate.stop().await;
    let threads: Vec<JoinHandle<()>> = workers.into_iter().map(|(_, thread)| thread).collect();
    let joined = tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join())));
    let _ = joined.await;
    Ok(())
}

async fn accept_until(
    listener: &tokio::net::TcpListener,
    gate: &Gate,
    workers: &[(mpsc::UnboundedSender<Accepted>, JoinHandle<()>)],
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(gate.options.max_connections));
    let mut shutdown = pin!(shutdown);
    let mut turn = workers.iter().cycle();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
            let (stream, peer) = listener.accept().await?;
            Ok::<_, io::Error>(Accepted { stream: stream.into_std()?, peer, _place: place })
        };
        let accepted = tokio::select! {
            () = &mut shutdown => return,
            accepted = accepted => accepted,
        };
        match (accepted, turn.next()) {
            (Ok(accepted), Some((worker, _))) => {
                let _ = worker.send(accepted);
            }
            (Err(error), _) => {
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            (Ok(_), None) => return,
        }
    }
}

fn start_worker(
    index: usize,
    worker: Worker,
    open: &Open,
) -> io::Result<(mpsc::UnboundedSender<Accepted>, JoinHandle<()>)> {
    let (sender, connections) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (worker, open) = (Arc::new(worker), Arc::clone(open));
    let thread = std::thread::Builder::new()
        .name(format!("callgate-worker-{index}"))
        .spawn(move || runtime.block_on(work(worker, connections, open, index == 0)))?;
    Ok((sender, thread))
}

async fn work(worker: Arc<Worker>, mut connections: mpsc::UnboundedReceiver<Accepted>, open: Open, sweeps: bool) {
    let pool = Arc::clone(&worker.pool);
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(SWEEP);
        loop {
            tick.tick().await;
            pool.sweep();
        }
    });
    if sweeps {
        let gate = Arc::clone(&worker.gate);
        tokio::spawn(async move { gate.sweep_until_stopped().await });
    }
    let mut stopped = worker.gate.phase();
    loop {
        let accepted = tokio::select! {
            accepted = connections.recv() => accepted,
            () = until(&mut stopped, |phase| *phase == Phase::Stopped) => None,
        };
        let Some(accepted) = accepted else { return };
        open.send_modify(|count| *count += 1);
        let (worker, open) = (Arc::clone(&worker), Arc::clone(&open));
        tokio::spawn(async move {
            if let Err(error) = connection(worker, accepted).await {
                tracing::debug!("a connection broke off: {error}");
            }
            open.send_modify(|count| *count -= 1);
        });
    }
}

async fn connection(worker: Arc<Worker>, accepted: Accepted) -> Result<(), Broken> {
    let stream = tokio::net::TcpStream::from_std(accepted.stream)?;
    stream.set_nodelay(true)?;
    let peer = accepted.peer.ip();
    let Some(tls) = &worker.tls else { return requests(worker, stream, peer).await };
    // What TLS needs stands beside: a connection without it should not be as large.
    match Box::pin(tls.accept(stream)).await? {
        Some(stream) => Box::pin(requests(worker, stream, peer)).await,
        None => Ok(()),
    }
}

/// Serves what comes over a connection, one request after the other.
async fn requests<S>(worker: Arc<Worker>, stream: S, peer: IpAddr) -> Result<(), Broken>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut draining = worker.gate.phase();
    let timeout = worker.gate.options.head_timeout;
    let service = service_fn(move |request| {
        let worker = Arc::clone(&worker);
        // Boxed: hyper keeps a place of this future's size for each connection, also while nothing is handled.
        async move { Ok::<_, Infallible>(Box::pin(handle(&worker, request, peer)).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(timeout)
            .max_headers(MAX_HEADERS)
            .max_header_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        done = connection.as_mut() => return Ok(done?),
        () = until(&mut draining, |phase| *phase != Phase::Running) => connection.as_mut().graceful_shutdown(),
    }
    Ok(connection.await?)
}

async fn handle(worker: &Arc<Worker>, request: Request<Incoming>, peer: IpAddr) -> Reply {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if let Some(reply) = pages::probe(&worker.gate, path) {
        return reply;
    }
    let gate = &worker.gate;
    if let Err(cause) = gate.names.check(&head.uri, &head.headers) {
        return refuse_early(gate, &cause, peer, path);
    }
    // The gateway's own server is whose the rest is.
    if path == OWN && worker.door.is_some() {
        return elsewhere(worker, Request::from_parts(head, body), peer).await;
    }
    // What only looks like an endpoint is refused, and noted, as one: nobody else's routes begin so.
    if !path.starts_with("/mcp") && !path.starts_with("//") {
        // The front page is whose the pages are.
        let is_theirs = path == "/" && worker.door.is_some();
        return match pages::page(gate, &head).filter(|_| !is_theirs) {
            Some(reply) => reply,
            None => elsewhere(worker, Request::from_parts(head, body), peer).await,
        };
    }
    let found = authenticate(&head.uri, &head.headers, &gate.snapshots.borrow(), gate.clock.now());
    let (entry, endpoint) = match found {
        Ok(found) => found,
        Err(cause) => return refuse_early(gate, &cause, peer, path),
    };
    let allowed = match (endpoint, &head.method) {
        (Endpoint::Mcp, &Method::POST) => return post::post(worker, entry, &head.headers, body).await,
        (Endpoint::Mcp, &Method::GET) => return session::get(worker, &entry, &head.headers).await,
        (Endpoint::Mcp, &Method::DELETE) => return session::delete(worker, &entry, &head.headers).await,
        (Endpoint::Events, &Method::GET) => return sse::open(worker, &entry, &head).await,
        (Endpoint::Messages, &Method::POST) => return sse::post(worker, &entry, &head, body).await,
        (Endpoint::Mcp, _) => "POST, GET, DELETE",
        (Endpoint::Events, _) => "GET",
        (Endpoint::Messages, _) => "POST",
    };
    let cause = Cause::HttpMethod { method: head.method.as_str().chars().take(20).collect(), allowed };
    refuse(gate, &entry, "", &cause).await
}

/// The answer to what is not the data plane's; there is nothing where nobody else serves.
async fn elsewhere(worker: &Worker, request: Request<Incoming>, peer: IpAddr) -> Reply {
    let gate = &worker.gate;
    let Some(door) = &worker.door else {
        return refuse_early(gate, &Cause::NotFound, peer, request.uri().path());
    };
    let uri = request.uri().clone();
    match door.answer(request, peer, worker.tls.is_some(), gate.options.body_timeout).await {
        Ok(reply) => reply,
        Err(cause) => refuse_early(gate, &cause, peer, uri.path()),
    }
}

/// Records and answers what is refused for this cause, once the grant is known.
async fn refuse(gate: &Gate, entry: &GrantEntry, what: &str, cause: &Cause) -> Reply {
    gate.refuse_cause(Caller { entry, session: None, client: None, trace: None }, what, cause).await;
    answer::cause(cause, None)
}

fn refuse_early(gate: &Gate, cause: &Cause, source: IpAddr, path: &str) -> Reply {
    Figures::count(&gate.figures.refused_early);
    let row = cause.row();
    let cut = path.char_indices().nth(120).map_or(path.len(), |(at, _)| at);
    let path = path.get(..cut).unwrap_or_default();
    gate.refusals.refused(&Early {
        at: gate.clock.now(),
        source: Some(source),
        reason: row.word,
        page: row.page,
        path,
    });
    answer::cause(cause, None)
}

/// What a status alone is answered with.
pub(super) fn status_only(status: StatusCode) -> Reply {
    answer::bare(status)
}
