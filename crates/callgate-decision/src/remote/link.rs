//! The client's end: one connection, many calls at once, matched by number.

use super::message::{Answer, EndingMessage, Request, refused};
use super::{OPENING, RemoteError, check_peer, read_line};
use crate::decider::{DigestKey, Refused};
use crate::local::not_recorded;
use crate::permit::{Backing, Ending, Held, Permit};
use crate::record::AboutRecord;
use crate::records::RecordError;
use crate::withheld::WithheldRecord;
use callgate_policy::Decision;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

type Verdict = Result<Permit, Box<Refused>>;

/// A connection to a running gateway.
pub(crate) struct Link {
    key: DigestKey,
    next: AtomicU64,
    outbox: mpsc::UnboundedSender<Vec<u8>>,
    /// The calls that wait for an answer; `None` once the connection is gone, so that nobody waits in vain.
    waiting: Mutex<Option<HashMap<u64, oneshot::Sender<Verdict>>>>,
}

impl Link {
    pub(crate) async fn connect(path: &Path) -> Result<Arc<Self>, RemoteError> {
        let connected = UnixStream::connect(path).await;
        let stream = connected.map_err(|error| RemoteError::Connect { path: path.to_owned(), error })?;
        check_peer(&stream)?;
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        write.write_all(OPENING.as_bytes()).await?;
        write.write_all(b"\n").await?;
        let mut line = Vec::new();
        if !read_line(&mut read, &mut line).await? {
            return Err(RemoteError::Protocol("it closed the connection at once".to_owned()));
        }
        let key = hello(&line)?;
        let (outbox, lines) = mpsc::unbounded_channel();
        let waiting = Mutex::new(Some(HashMap::new()));
        let link = Arc::new(Self { key, next: AtomicU64::new(1), outbox, waiting });
        tokio::spawn(send(write, lines));
        tokio::spawn(receive(read, Arc::downgrade(&link)));
        Ok(link)
    }

    pub(crate) fn key(&self) -> &DigestKey {
        &self.key
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.outbox.is_closed() || self.lock().is_none()
    }

    pub(crate) async fn charge(&self, decision: Decision, about: AboutRecord<'_>) -> Verdict {
        let number = self.number();
        self.ask(number, &Request::Charge { number, decision: (&decision).into(), about }).await
    }

    /// What the gateway's history makes of a decision. Where the gateway is gone, it is refused.
    pub(crate) async fn weigh(&self, decision: &Decision) -> Decision {
        let number = self.number();
        match self.ask(number, &Request::Weigh { number, decision: decision.into() }).await {
            Err(weighed) => weighed.decision,
            // A permit is no answer to that; dropped, it gives everything back.
            Ok(_) => gone().decision,
        }
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    async fn ask(&self, number: u64, request: &Request<'_>) -> Verdict {
        let (answer, verdict) = oneshot::channel();
        match self.lock().as_mut() {
            Some(waiting) => waiting.insert(number, answer),
            None => return Err(gone()),
        };
        if !self.post(request) {
            return Err(gone());
        }
        verdict.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Passes on what became of a call. Where the connection is gone, the other end has kept its charges.
    pub(crate) fn end(&self, number: u64, ending: &Ending) {
        self.post(&Request::Settle { number, ending: EndingMessage::from(ending) });
    }

    /// Passes on what was taken out of a list.
    pub(crate) fn withheld(&self, record: WithheldRecord<'_>) -> bool {
        self.post(&Request::Withheld { record })
    }

    fn post(&self, request: &Request<'_>) -> bool {
        let Ok(mut line) = serde_json::to_vec(request) else { return false };
        line.push(b'\n');
        self.outbox.send(line).is_ok()
    }

    fn dispatch(self: &Arc<Self>, line: &[u8]) -> Result<(), RemoteError> {
        let unreadable = |error: &dyn std::fmt::Display| RemoteError::Protocol(error.to_string());
        let (number, verdict) = match serde_json::from_slice(line).map_err(|error| unreadable(&error))? {
            Answer::Hello { .. } => return Err(RemoteError::Protocol("it said hello twice".to_owned())),
            Answer::Permit { number, id } => {
                let backing = Backing::Remote { link: Arc::clone(self), number };
                (number, Ok(Permit::mint(Held::new(id, backing))))
            }
            Answer::Refused { number, id, decision, unrecorded } => {
                let refused = refused(id, &decision, unrecorded).map_err(|error| unreadable(&error))?;
                (number, Err(Box::new(refused)))
            }
            // Not refused, and not recorded; it goes the way of what comes back without a permit.
            Answer::Weighed { number, decision } => {
                let weighed = refused(None, &decision, None).map_err(|error| unreadable(&error))?;
                (number, Err(Box::new(weighed)))
            }
        };
        let waiter = self.lock().as_mut().and_then(|waiting| waiting.remove(&number));
        if let Some(waiter) = waiter {
            // A call that stopped waiting drops the permit, which gives its charges back.
            drop(waiter.send(verdict));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Verdict>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hello(line: &[u8]) -> Result<DigestKey, RemoteError> {
    let mut key = [0; 32];
    match serde_json::from_slice(line) {
        Ok(Answer::Hello { key: text }) if hex::decode_to_slice(text.as_bytes(), &mut key).is_ok() => {
            Ok(DigestKey::new(key))
        }
        _ => Err(RemoteError::Protocol("it did not say hello".to_owned())),
    }
}

async fn send(mut write: OwnedWriteHalf, mut lines: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if write.write_all(&line).await.is_err() {
            return;
        }
    }
}

async fn receive(mut read: BufReader<OwnedReadHalf>, link: Weak<Link>) {
    let mut line = Vec::new();
    while let Ok(true) = read_line(&mut read, &mut line).await {
        let Some(link) = link.upgrade() else { return };
        if link.dispatch(&line).is_err() {
            break;
        }
    }
    if let Some(link) = link.upgrade() {
        // Whoever waits is woken by the end of its channel, and refused.
        drop(link.lock().take());
    }
}

fn gone() -> Box<Refused> {
    let error = "CG4009: the gateway at the other end of the local socket is gone".to_owned();
    not_recorded(None, RecordError(error))
}
