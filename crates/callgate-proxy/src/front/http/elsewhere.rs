//! Requests that are not the data plane's: handed on to whoever serves the rest, within bounds of time and number.

use crate::answer::Reply;
use crate::errors::Cause;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either};
use hyper::body::Incoming;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// Requests at once that are answered elsewhere, streams too; more are refused.
const MAX_ELSEWHERE: usize = 256;

/// A body that comes in pieces.
pub type Pieces = UnsyncBoxBody<Bytes, io::Error>;

/// Serves every path that is neither `/mcp/…` nor a page of the data plane's own.
pub trait Elsewhere: Send + Sync + 'static {
    /// Answers one request, whose `Host` and `Origin` are names of this gateway. The future, and the body behind it,
    /// are polled on a worker of the data plane: what costs more than a moment belongs on a runtime of its own.
    /// Dropped, nobody wants the answer any more.
    fn answer(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Response<Pieces>> + Send>>;
}

/// A request that is answered elsewhere.
#[derive(Debug)]
pub struct Asked {
    /// The request. Its body has to arrive within [`Options::body_timeout`](crate::Options::body_timeout); how long it
    /// may be is for the reader to say.
    pub request: Request<Pieces>,
    /// Where it came from: the other end of the connection, which may be a proxy.
    pub peer: IpAddr,
    /// Whether the connection is TLS.
    pub tls: bool,
}

/// The way elsewhere, shared by all workers.
#[derive(Clone)]
pub(super) struct Door {
    behind: Arc<dyn Elsewhere>,
    places: Arc<Semaphore>,
}

/// A request's body that has to arrive in time.
struct InTime {
    body: Incoming,
    /// Looked at only where there is something to wait for.
    late: Pin<Box<Sleep>>,
}

/// An answer's body, and the place that it takes.
struct Placed {
    body: Pieces,
    _place: OwnedSemaphorePermit,
}

impl Door {
    pub(super) fn new(behind: Arc<dyn Elsewhere>) -> Self {
        Self { behind, places: Arc::new(Semaphore::new(MAX_ELSEWHERE)) }
    }

    /// The answer of whoever is behind.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        tls: bool,
        wait: Duration,
    ) -> Result<Reply, Cause> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Cause::Busy(MAX_ELSEWHERE))?;
        let request = request.map(|body| InTime { body, late: Box::pin(tokio::time::sleep(wait)) }.boxed_unsync());
        let answer = self.behind.answer(Asked { request, peer, tls }).await;
        Ok(answer.map(|body| Either::Right(Placed { body, _place: place }.boxed_unsync())))
    }
}

impl Body for InTime {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the body did not arrive in time");
        self.late.as_mut().poll(cx).map(|()| Some(Err(late())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Body for Placed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Door")
    }
}
