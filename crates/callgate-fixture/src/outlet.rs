//! Where messages leave: a line of stdout, or an event stream that can be picked up again.

use bytes::Bytes;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// How long a client waits before it comes back, in milliseconds: what `retry` says in priming events.
const RETRY: u64 = 10;

/// One thing for the transport to write.
#[derive(Debug)]
pub(crate) enum Piece {
    /// The head of a response that isn't an event stream. Bytes follow.
    Head(Head),
    /// Bytes. The sender is dropped when they are taken to be written, which tells who waits for that.
    Bytes(Bytes, Option<oneshot::Sender<()>>),
    /// A whole response that is no stream, or a line.
    Whole(Head, Bytes),
    /// The connection breaks here.
    Abort,
}

/// Status and headers of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// How messages stand in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// One line each.
    Lines,
    /// One event each.
    Events,
    /// One event each, with ids that begin with this number; what was sent is kept.
    Numbered {
        stream: u64,
        /// Begin with an event that only has an id (2025-11-25).
        primes: bool,
    },
}

/// A way to the client for messages.
#[derive(Debug)]
pub(crate) struct Outlet {
    framing: Framing,
    /// Whether a response head goes before the first message.
    has_head: bool,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    sender: Option<UnboundedSender<Piece>>,
    /// The events so far of a numbered stream; the index is the second part of an event's id.
    history: Vec<Bytes>,
    is_open: bool,
    has_ended: bool,
}

impl Outlet {
    /// An outlet and what comes out of it.
    pub(crate) fn new(framing: Framing, has_head: bool) -> (Self, UnboundedReceiver<Piece>) {
        let (sender, receiver) = unbounded_channel();
        let outlet = Self::detached(framing, has_head);
        outlet.lock().sender = Some(sender);
        (outlet, receiver)
    }

    /// An outlet that nobody is connected to yet.
    pub(crate) fn detached(framing: Framing, has_head: bool) -> Self {
        let inner = Inner { sender: None, history: Vec::new(), is_open: false, has_ended: false };
        Self { framing, has_head, inner: Mutex::new(inner) }
    }

    /// The number of a numbered stream.
    pub(crate) fn stream(&self) -> Option<u64> {
        match self.framing {
            Framing::Numbered { stream, .. } => Some(stream),
            Framing::Lines | Framing::Events => None,
        }
    }

    /// Whether messages are events.
    pub(crate) fn is_stream(&self) -> bool {
        self.framing != Framing::Lines
    }

    /// Whether it is one response of HTTP, which has a head and an end.
    pub(crate) fn has_head(&self) -> bool {
        self.has_head
    }

    /// Whether a message was sent.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().is_open
    }

    /// Whether nobody is connected.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().sender.as_ref().is_none_or(UnboundedSender::is_closed)
    }

    /// Whether everything was sent.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().has_ended
    }

    /// Sends a message.
    pub(crate) fn send(&self, json: &str) {
        self.begin();
        let mut inner = self.lock();
        let bytes = match self.framing {
            Framing::Lines => Bytes::from(format!("{json}\n")),
            Framing::Events => Bytes::from(format!("event: message\ndata: {json}\n\n")),
            Framing::Numbered { stream, .. } => {
                let index = inner.history.len();
                let bytes = Bytes::from(format!("id: {stream}-{index}\nevent: message\ndata: {json}\n\n"));
                inner.history.push(bytes.clone());
                bytes
            }
        };
        inner.put(Piece::Bytes(bytes, None));
    }

    /// Sends an event that is no message.
    pub(crate) fn note(&self, event: String) {
        self.lock().put(Piece::Bytes(event.into(), None));
    }

    /// Begins the stream, so that the client knows that its request has arrived.
    pub(crate) fn open(&self) {
        if self.begin() && self.has_head {
            self.lock().put(Piece::Bytes(Bytes::from_static(b": open\n\n"), None));
        }
    }

    /// Whether the stream begins now, and without an event.
    fn begin(&self) -> bool {
        let mut inner = self.lock();
        if std::mem::replace(&mut inner.is_open, true) {
            return false;
        }
        let Framing::Numbered { stream, primes } = self.framing else { return true };
        let event = if primes { format!("id: {stream}-0\nretry: {RETRY}\ndata:\n\n") } else { String::new() };
        // The first message has the number 1, with a priming event and without.
        inner.history.push(event.clone().into());
        if primes {
            inner.put(Piece::Bytes(event.into(), None));
        }
        !primes
    }

    /// Sends the head of a response that is no event stream.
    pub(crate) fn head(&self, head: Head) {
        let mut inner = self.lock();
        inner.is_open = true;
        inner.put(Piece::Head(head));
    }

    /// Sends bytes as they are, and waits until they are taken to be written; `false` where nobody takes them.
    pub(crate) async fn raw(&self, bytes: Bytes) -> bool {
        let (taken, wait) = oneshot::channel();
        {
            let mut inner = self.lock();
            inner.is_open = true;
            if !inner.put(Piece::Bytes(bytes, Some(taken))) {
                return false;
            }
        }
        // Dropped without a value, whether written or not; a closed channel tells the two apart.
        let _ = wait.await;
        !self.is_closed()
    }

    /// Sends a whole response.
    pub(crate) fn whole(&self, head: Head, body: Bytes) {
        let mut inner = self.lock();
        inner.is_open = true;
        inner.put(Piece::Whole(head, body));
        inner.end();
    }

    /// Breaks the connection.
    pub(crate) fn abort(&self) {
        let mut inner = self.lock();
        inner.put(Piece::Abort);
        inner.end();
    }

    /// Closes the connection; the stream goes on, and can be picked up where it is numbered.
    pub(crate) fn detach(&self) {
        self.lock().sender = None;
    }

    /// Ends the stream.
    pub(crate) fn end(&self) {
        self.lock().end();
    }

    /// Connects to the stream: what came after the event with this index comes again.
    pub(crate) fn attach(&self, after: Option<usize>) -> UnboundedReceiver<Piece> {
        let (sender, receiver) = unbounded_channel();
        let mut inner = self.lock();
        let missed = after.map_or(&[][..], |after| inner.history.get(after.saturating_add(1)..).unwrap_or_default());
        for bytes in missed {
            // The receiver is here: sending can't fail.
            let _ = sender.send(Piece::Bytes(bytes.clone(), None));
        }
        inner.sender = Some(sender).filter(|_| !inner.has_ended);
        receiver
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whether someone is there to take it.
    fn put(&mut self, piece: Piece) -> bool {
        self.sender.as_ref().is_some_and(|sender| sender.send(piece).is_ok())
    }

    fn end(&mut self) {
        self.sender = None;
        self.has_ended = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(receiver: &mut UnboundedReceiver<Piece>) -> String {
        let mut text = String::new();
        while let Ok(piece) = receiver.try_recv() {
            match piece {
                Piece::Bytes(bytes, _) => text.push_str(&String::from_utf8_lossy(&bytes)),
                other => text.push_str(&format!("{other:?}")),
            }
        }
        text
    }

    #[test]
    fn what_was_missed_comes_again() {
        let (outlet, mut first) = Outlet::new(Framing::Numbered { stream: 4, primes: true }, true);
        outlet.send("1");
        outlet.detach();
        outlet.send("2");
        assert_eq!(text(&mut first), "id: 4-0\nretry: 10\ndata:\n\nid: 4-1\nevent: message\ndata: 1\n\n");
        let mut again = outlet.attach(Some(0));
        outlet.send("3");
        outlet.end();
        let expected = [1, 2, 3].map(|n| format!("id: 4-{n}\nevent: message\ndata: {n}\n\n")).concat();
        assert_eq!(text(&mut again), expected);
        assert!(again.is_closed() && outlet.is_closed());
        assert!(text(&mut outlet.attach(Some(2))).starts_with("id: 4-3"));
        assert_eq!(text(&mut outlet.attach(None)), "");
    }

    #[test]
    fn lines_have_no_head() {
        let (outlet, mut lines) = Outlet::new(Framing::Lines, false);
        outlet.open();
        outlet.send("{}");
        assert_eq!(text(&mut lines), "{}\n");
    }
}
