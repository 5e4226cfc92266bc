//! Sessions whose HTTP server is the gateway itself, because what stands behind them has no event streams to pass on:
//! primed and resumable streams (MCP 2025-11-25 "Streamable HTTP").
//!
//! A client that goes away has not cancelled. What it asked for goes on without it, and is kept in the session's log.

use super::Worker;
use super::headers;
use super::reply;
use crate::answer::{self, Reply};
use crate::eras::synthesized;
use crate::errors::Cause;
use crate::exchange::{Exchange, Way};
use crate::forward::Failure;
use crate::gate::{Figures, Gate};
use crate::relay::{Item, Messages, Relay, Source};
use crate::sessions::{FarEnd, OpenStream, Session};
use crate::snapshot::GrantEntry;
use crate::streams::{Heard, Reader, Writer};
use bytes::Bytes;
use callgate_decision::Permit;
use callgate_mcp::{Batches, Era, Incoming, Message, MessageKind, Method, Revision, SseWriter, parse_client};
use http::HeaderMap;
use std::pin::pin;
use std::sync::Arc;

/// A permitted request that is carried while its stream is already open.
struct Carried {
    worker: Arc<Worker>,
    entry: Arc<GrantEntry>,
    session: Arc<Session>,
    headers: HeaderMap,
    trace: Option<Box<str>>,
    body: Bytes,
}

/// A stream of the log on its way to a client.
struct Sending {
    reader: Reader,
    primes: bool,
    /// What comes to the standalone stream.
    source: Option<Messages>,
    gate: Arc<Gate>,
    entry: Arc<GrantEntry>,
    _open: OpenStream,
}

/// Whether the gateway itself is the HTTP server of this session.
pub(super) fn is_host(session: &Session) -> bool {
    matches!(session.far, FarEnd::Peer(_) | FarEnd::Synthesized(_))
}

/// Whether a request is answered with a stream from the start, before anything of the answer is there: where the client
/// may come back for it, which those of earlier revisions can't without a priming event. Any request may take long, or
/// ask the client something on its way; a ping is nothing to come back for.
pub(super) fn streams_from_the_start(session: &Session, message: &Message<'_>) -> bool {
    let may_take_long = !matches!(message.method(), Method::Initialize | Method::Ping);
    may_take_long && message.kind() == MessageKind::Request && is_host(session) && has_priming(session)
}

/// Answers a request with a stream from the start.
pub(super) fn answer(
    worker: &Arc<Worker>,
    entry: &Arc<GrantEntry>,
    session: &Arc<Session>,
    permit: Permit,
    (message, body, head): (&Message<'_>, Bytes, &HeaderMap),
) -> Reply {
    let carried = Carried {
        worker: Arc::clone(worker),
        entry: Arc::clone(entry),
        session: Arc::clone(session),
        headers: headers::of_post(head, Era::Legacy),
        trace: headers::trace(head).map(Into::into),
        body,
    };
    let id: Box<[u8]> = message.id_bytes().unwrap_or(b"null").into();
    let (writer, reader) = session.log.open();
    tokio::spawn(carried.run(permit, writer, id));
    sending(&worker.gate, entry, session, reader, has_priming(session))
}

/// Passes on what came back as a stream.
pub(super) fn stream(
    worker: &Worker,
    entry: &Arc<GrantEntry>,
    session: &Arc<Session>,
    messages: Messages,
    id: Option<&[u8]>,
) -> Reply {
    let (writer, reader) = session.log.open();
    let (id, open): (Box<[u8]>, _) = (id.unwrap_or(b"null").into(), session.open_stream());
    tokio::spawn(async move {
        pass_on(&writer, messages, &id).await;
        drop(open);
    });
    sending(&worker.gate, entry, session, reader, has_priming(session))
}

/// Opens the standalone stream, or goes on with the stream that broke off behind the event `last`.
pub(super) fn get(
    worker: &Worker,
    entry: &Arc<GrantEntry>,
    session: &Arc<Session>,
    last: Option<&[u8]>,
) -> Result<Reply, Cause> {
    let reader = match last {
        Some(last) => session.log.resume(last)?,
        None => session.log.open_standalone(),
    };
    let primes = last.is_none() && has_priming(session);
    let relay = || Relay::new(&worker.gate, entry, Some(session), Era::Legacy);
    let source = match &session.far {
        FarEnd::Peer(peer) if reader.is_standalone => Some(Messages::new(Source::Inbox(peer.listen()), relay())),
        FarEnd::Synthesized(_) if reader.is_standalone => synthesized::listen(legacy_way(worker, entry, session)),
        _ => None,
    };
    let sent = Sending { source, ..Sending::new(&worker.gate, entry, session, reader, primes) };
    Ok(sent.reply())
}

fn legacy_way<'a>(worker: &'a Worker, entry: &'a Arc<GrantEntry>, session: &'a Arc<Session>) -> Way<'a> {
    Way {
        gate: &worker.gate,
        pool: &worker.pool,
        entry,
        session: Some(session),
        era: Era::Legacy,
        trace: None,
        cancel: false,
        streams: false,
    }
}

fn has_priming(session: &Session) -> bool {
    session.revision >= Revision::V2025_11_25
}

fn sending(gate: &Arc<Gate>, entry: &Arc<GrantEntry>, session: &Arc<Session>, reader: Reader, primes: bool) -> Reply {
    Sending::new(gate, entry, session, reader, primes).reply()
}

impl Carried {
    async fn run(self, permit: Permit, writer: Writer, id: Box<[u8]>) {
        let _open = self.session.open_stream();
        let mut carrying = pin!(self.carry(permit));
        let keep_alive = self.worker.gate.options.keep_alive;
        let carried = loop {
            match tokio::time::timeout(keep_alive, &mut carrying).await {
                Ok(carried) => break carried,
                Err(_) => writer.quiet(),
            }
        };
        let server = self.entry.server.name.as_str();
        match carried {
            Ok(Exchange::Stream(messages)) => pass_on(&writer, *messages, &id).await,
            Ok(Exchange::Whole { message, .. }) => writer.send(&message),
            Ok(Exchange::Bare(status)) => writer.send(&reply::upstream_status(status, &id)),
            Ok(Exchange::Accepted | Exchange::Large(_)) => writer.send(&no_answer(server, &id)),
            Err(failure) => {
                Figures::count(&self.worker.gate.figures.failed);
                writer.send(&answer::cause_message(&failure.cause(server), Some(&id)));
            }
        }
    }

    async fn carry(&self, permit: Permit) -> Result<Exchange, Failure> {
        let gate = &self.worker.gate;
        // It was read a moment ago, so it can be read again.
        let Ok(Incoming::One(message)) = parse_client(&self.body, &gate.limits, Batches::Refused) else {
            return Err(Failure::Unreadable("the request can't be read again".to_owned()));
        };
        let way = legacy_way(&self.worker, &self.entry, &self.session);
        let way = Way { trace: self.trace.as_deref(), ..way };
        way.cross(permit, &message, self.body.clone(), self.headers.clone()).await
    }
}

/// Logs messages up to the response; an error takes the place of one that will not come.
async fn pass_on(writer: &Writer, mut messages: Messages, id: &[u8]) {
    loop {
        writer.room().await;
        match messages.next().await {
            Some(Ok(Item::Message { message, is_response, .. })) => {
                writer.send(&message);
                if is_response {
                    return;
                }
            }
            Some(Ok(Item::Quiet)) => writer.quiet(),
            // Ids and comments of an upstream's own stream say nothing on this one.
            Some(Ok(Item::Aside(_))) => {}
            // Whoever lost the grant gets nothing more of what waits, either.
            Some(Err(cause @ Cause::GrantEnded)) => return writer.cut(&answer::cause_message(&cause, Some(id))),
            Some(Err(cause)) => return writer.send(&answer::cause_message(&cause, Some(id))),
            None => return writer.send(&no_answer(messages.server(), id)),
        }
    }
}

fn no_answer(server: &str, id: &[u8]) -> Vec<u8> {
    let why = "its stream ended before the response".to_owned();
    answer::cause_message(&Cause::Broken { server: server.to_owned(), why }, Some(id))
}

impl Sending {
    fn new(gate: &Arc<Gate>, entry: &Arc<GrantEntry>, session: &Arc<Session>, reader: Reader, primes: bool) -> Self {
        let (gate, entry, open) = (Arc::clone(gate), Arc::clone(entry), session.open_stream());
        Self { reader, primes, source: None, gate, entry, _open: open }
    }

    fn reply(self) -> Reply {
        answer::events(self, |mut sending| async move { sending.next().await.map(|bytes| (bytes, sending)) })
    }

    async fn next(&mut self) -> Option<Bytes> {
        if std::mem::take(&mut self.primes) {
            return Some(self.reader.priming());
        }
        loop {
            let Some(source) = &mut self.source else {
                let heard = self.reader.next().await?;
                return self.event(heard);
            };
            if let Some(heard) = self.reader.take().ok()? {
                return self.event(heard);
            }
            match source.next().await? {
                Ok(Item::Message { message, .. }) => self.reader.log(&message),
                Ok(Item::Quiet) => return self.event(Heard::Quiet),
                Ok(Item::Aside(_)) => {}
                Err(_) => return None,
            }
        }
    }

    /// What is written for this. Nothing that waits outruns a revocation.
    fn event(&self, heard: Heard) -> Option<Bytes> {
        match heard {
            Heard::Event(bytes) => self.gate.still_holds(&self.entry).then_some(bytes),
            Heard::Cut(bytes) => Some(bytes),
            Heard::Quiet => Some(Bytes::from_static(SseWriter::KEEP_ALIVE)),
        }
    }
}
