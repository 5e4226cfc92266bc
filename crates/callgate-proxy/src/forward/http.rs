//! One request to an HTTP upstream, and its answer as it arrives.

use super::Failure;
use super::pool::{Lease, Pool};
use crate::upstream::HttpUpstream;
use bytes::{Bytes, BytesMut};
use http::header::{HOST, HeaderMap};
use http::{Method, Request, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;

/// What is asked of an upstream.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// For a connection to stand.
    pub(crate) connect: Duration,
    /// Of silence, until the head and between two parts of the body; `None` for streams that wait for events.
    pub(crate) silence: Option<Duration>,
}

/// An upstream's answer: the head, and the body as it arrives.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: AnswerBody,
}

/// The body of an answer. Dropped before its end, the connection closes, and the upstream sees it.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    incoming: Incoming,
    lease: Option<Lease>,
    silence: Option<Duration>,
    /// When the call's time is over, and how long that was.
    due: Option<(tokio::time::Instant, Duration)>,
}

/// A body that was collected, or what there is of one that is longer than wanted.
#[derive(Debug)]
pub(crate) enum Collected {
    /// All of it.
    Whole(Bytes),
    /// More than the limit: its beginning. The rest is still to be read.
    Beginning(Bytes),
}

/// Sends a request. The connection is a pooled one where there is one that has not closed.
pub(super) async fn send(pool: &Arc<Pool>, upstream: &HttpUpstream, ask: Ask) -> Result<Answer, Failure> {
    let Ask { method, mut headers, body, connect, silence } = ask;
    headers.insert(HOST, upstream.authority.clone());
    for (name, value) in &upstream.headers {
        headers.append(name, value.clone());
    }
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = upstream.target.clone();
    *request.headers_mut() = headers;

    let mut lease = pool.lease(upstream, connect).await?;
    loop {
        let mut error = match within(silence, lease.sender.try_send_request(request)).await? {
            Ok(response) => return answer(response, lease, silence),
            Err(error) => error,
        };
        // Handed back, the request was not begun to be written. Only then may it be sent again.
        match error.take_message() {
            Some(unsent) if lease.used => {
                request = unsent;
                lease = pool.open(upstream, connect).await?;
            }
            Some(_) => return Err(Failure::Unreachable(error.into_error().to_string())),
            None => return Err(Failure::Broken(describe(&error.into_error()))),
        }
    }
}

fn answer(response: hyper::Response<Incoming>, lease: Lease, silence: Option<Duration>) -> Result<Answer, Failure> {
    let (head, incoming) = response.into_parts();
    if head.status.is_redirection() && head.status != StatusCode::NOT_MODIFIED {
        return Err(Failure::Redirect(head.status));
    }
    let mut body = AnswerBody { incoming, lease: Some(lease), silence, due: None };
    body.finish_if_done();
    Ok(Answer { status: head.status, headers: head.headers, body })
}

impl AnswerBody {
    /// The next part of the body; `None` at its end.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        loop {
            let frame = match self.frame().await {
                Err(late) => return Some(Err(late)),
                Ok(None) => {
                    if let Some(lease) = self.lease.take() {
                        lease.give_back();
                    }
                    return None;
                }
                Ok(Some(Err(error))) => return Some(Err(Failure::Broken(describe(&error)))),
                Ok(Some(Ok(frame))) => frame,
            };
            self.finish_if_done();
            // Trailers are dropped: nothing in MCP uses them.
            if let Ok(data) = frame.into_data() {
                return Some(Ok(data));
            }
        }
    }

    async fn frame(&mut self) -> Result<Option<Result<hyper::body::Frame<Bytes>, hyper::Error>>, Failure> {
        let frame = within(self.silence, self.incoming.frame());
        match self.due {
            None => frame.await,
            Some((at, limit)) => tokio::time::timeout_at(at, frame).await.unwrap_or(Err(Failure::Overdue(limit))),
        }
    }

    /// From here on, the body has to end before the call's time is over.
    pub(super) fn is_due(&mut self, due: Option<(tokio::time::Instant, Duration)>) {
        self.due = due;
    }

    /// The connections that this body came over.
    pub(crate) fn pool(&self) -> Option<&Arc<Pool>> {
        self.lease.as_ref().map(Lease::pool)
    }

    /// Whether nothing (more) is to be read.
    pub(crate) fn is_empty(&self) -> bool {
        self.incoming.is_end_stream()
    }

    /// From here on, neither silence nor the time is a failure of this body: whoever reads it looks at them.
    pub(crate) fn wait_for_ever(&mut self) {
        self.silence = None;
        self.due = None;
    }

    /// Reads the body to its end, or until it is longer than `limit`. A body in one part is not copied.
    pub(crate) async fn collect(&mut self, limit: usize) -> Result<Collected, Failure> {
        let Some(first) = self.next().await.transpose()? else {
            return Ok(Collected::Whole(Bytes::new()));
        };
        if first.len() > limit {
            return Ok(Collected::Beginning(first));
        }
        if self.incoming.is_end_stream() {
            return Ok(Collected::Whole(first));
        }
        let Some(second) = self.next().await.transpose()? else {
            return Ok(Collected::Whole(first));
        };
        let mut all = BytesMut::with_capacity((first.len() + second.len()) * 2);
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        while all.len() <= limit {
            match self.next().await.transpose()? {
                Some(part) => all.extend_from_slice(&part),
                None => return Ok(Collected::Whole(all.freeze())),
            }
        }
        Ok(Collected::Beginning(all.freeze()))
    }

    /// Reads on to the end, behind a beginning that was read before; `None` where all of it is longer than `limit`.
    pub(crate) async fn collect_on(&mut self, beginning: &[u8], limit: usize) -> Result<Option<Bytes>, Failure> {
        let mut all = BytesMut::with_capacity(beginning.len() * 2);
        all.extend_from_slice(beginning);
        while all.len() <= limit {
            match self.next().await.transpose()? {
                Some(part) => all.extend_from_slice(&part),
                None => return Ok(Some(all.freeze())),
            }
        }
        Ok(None)
    }

    fn finish_if_done(&mut self) {
        if self.incoming.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
    }
}

async fn within<F: Future>(limit: Option<Duration>, work: F) -> Result<F::Output, Failure> {
    match limit {
        None => Ok(work.await),
        Some(limit) => tokio::time::timeout(limit, work).await.map_err(|_| Failure::Silent(limit)),
    }
}

fn describe(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
