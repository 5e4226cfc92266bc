//! Connections to HTTP upstreams: opened when needed, kept while idle, one request at a time.

use super::Failure;
use super::tls::Tls;
use crate::upstream::HttpUpstream;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Longer than any client waits between two calls of a burst, shorter than what servers commonly close after.
const MAX_IDLE: Duration = Duration::from_secs(30);
/// Of one origin, per worker.
const MAX_IDLE_PER_ORIGIN: usize = 64;
/// Response heads above this are refused.
const MAX_BUFFER: usize = 256 << 10;

pub(super) type Sender = SendRequest<Full<Bytes>>;

/// The idle connections of one worker.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: Mutex<HashMap<Arc<str>, Vec<Idle>>>,
    tls: Arc<Tls>,
}

#[derive(Debug)]
struct Idle {
    sender: Sender,
    since: Instant,
}

/// A connection on loan. Handed back by [`Lease::give_back`]; dropped, it is closed, and with it what was asked.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) sender: Sender,
    /// Whether it has carried a request before: such a connection may turn out to be closed by the other side.
    pub(super) used: bool,
    origin: Arc<str>,
    pool: Arc<Pool>,
}

impl Pool {
    pub(crate) fn new(tls: Arc<Tls>) -> Self {
        Self { idle: Mutex::default(), tls }
    }

    /// An idle connection to this origin, or a new one.
    pub(super) async fn lease(self: &Arc<Self>, upstream: &HttpUpstream, wait: Duration) -> Result<Lease, Failure> {
        while let Some(mut sender) = self.take(&upstream.origin) {
            if sender.ready().await.is_ok() {
                return Ok(self.lent(sender, upstream, true));
            }
        }
        self.open(upstream, wait).await
    }

    /// A new connection.
    pub(super) async fn open(self: &Arc<Self>, upstream: &HttpUpstream, wait: Duration) -> Result<Lease, Failure> {
        match tokio::time::timeout(wait, self.connect(upstream)).await {
            Ok(sender) => Ok(self.lent(sender?, upstream, false)),
            Err(_) => Err(Failure::Unreachable(format!("no connection within {} s", wait.as_secs()))),
        }
    }

    fn lent(self: &Arc<Self>, sender: Sender, upstream: &HttpUpstream, used: bool) -> Lease {
        Lease { sender, used, origin: Arc::clone(&upstream.origin), pool: Arc::clone(self) }
    }

    async fn connect(&self, upstream: &HttpUpstream) -> Result<Sender, Failure> {
        let unreachable = |e: &dyn std::fmt::Display| Failure::Unreachable(e.to_string());
        let stream = TcpStream::connect((&*upstream.host, upstream.port)).await.map_err(|e| unreachable(&e))?;
        stream.set_nodelay(true).map_err(|e| unreachable(&e))?;
        if !upstream.tls {
            return handshake(TokioIo::new(stream)).await;
        }
        let stream = self.tls.connect(&upstream.host, stream).await.map_err(|e| unreachable(&e))?;
        handshake(TokioIo::new(stream)).await
    }

    fn take(&self, origin: &str) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let list = idle.get_mut(origin)?;
        while let Some(last) = list.pop() {
            if !last.sender.is_closed() && last.since.elapsed() < MAX_IDLE {
                return Some(last.sender);
            }
        }
        None
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, list| {
            list.retain(|one| !one.sender.is_closed() && one.since.elapsed() < MAX_IDLE);
            !list.is_empty()
        });
    }
}

impl Lease {
    /// Where it came from.
    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The connection is free again: its response was read to the end.
    pub(super) fn give_back(self) {
        if self.sender.is_closed() {
            return;
        }
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let list = idle.entry(self.origin).or_default();
        if list.len() < MAX_IDLE_PER_ORIGIN {
            list.push(Idle { sender: self.sender, since: Instant::now() });
        }
    }
}

async fn handshake<T>(io: TokioIo<T>) -> Result<Sender, Failure>
where
    TokioIo<T>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_BUFFER)
        .handshake(io)
        .await
        .map_err(|error| Failure::Unreachable(error.to_string()))?;
    // One task per connection, none per call. What ends a connection is told to the request that it carries.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}
