//! Asking people through a running gateway: the port [`Approvals`] over its local socket.

mod askers;
mod message;
mod serve;
mod uses;

pub use askers::Askers;
pub use serve::serve_approvals;

use super::{ASKING, RemoteError, check_peer, read_line};
use crate::approvals::{Answer, ApprovalError, ApprovalId, Approvals, Later, Question, Standing};
use crate::id::DecisionId;
use message::{Reply, Request};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{mpsc, oneshot};

type Waiting = HashMap<u64, oneshot::Sender<Reply<'static>>>;

/// Asks through the gateway that owns a data directory. Once that is gone, everything it is asked fails.
pub struct RemoteApprovals {
    line: Arc<Line>,
}

struct Line {
    next: AtomicU64,
    outbox: mpsc::UnboundedSender<Vec<u8>>,
    /// Who waits for an answer; `None` once the connection is gone, so that nobody waits in vain.
    waiting: Mutex<Option<Waiting>>,
}

/// One request, until it is answered. Dropped before, the gateway is told that nobody waits for it.
struct Open<'a> {
    line: &'a Line,
    number: u64,
    reply: oneshot::Receiver<Reply<'static>>,
}

impl RemoteApprovals {
    /// Connects to the local socket of a running gateway. Wants a tokio runtime.
    pub async fn connect(path: &Path) -> Result<Self, RemoteError> {
        let connected = UnixStream::connect(path).await;
        let stream = connected.map_err(|error| RemoteError::Connect { path: path.to_owned(), error })?;
        check_peer(&stream)?;
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        write.write_all(format!("{ASKING}\n").as_bytes()).await?;
        let mut line = Vec::new();
        if !read_line(&mut read, &mut line).await? || !matches!(serde_json::from_slice(&line), Ok(Reply::Hello)) {
            return Err(RemoteError::Protocol("it does not take questions".to_owned()));
        }
        let (outbox, mut lines) = mpsc::unbounded_channel::<Vec<u8>>();
        let waiting = Mutex::new(Some(HashMap::new()));
        let line = Arc::new(Line { next: AtomicU64::new(1), outbox, waiting });
        tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                if write.write_all(&line).await.is_err() {
                    return;
                }
            }
        });
        tokio::spawn(receive(read, Arc::downgrade(&line)));
        Ok(Self { line })
    }

    async fn ask(&self, request: impl FnOnce(u64) -> Request<'static>) -> Result<Reply<'static>, ApprovalError> {
        let line = &*self.line;
        let number = line.next.fetch_add(1, Ordering::Relaxed);
        let (answer, reply) = oneshot::channel();
        line.lock().as_mut().ok_or_else(gone)?.insert(number, answer);
        let mut open = Open { line, number, reply };
        line.post(&request(number))?;
        match (&mut open.reply).await.map_err(|_| gone())? {
            Reply::Failed { error, .. } => Err(error.into()),
            reply => Ok(reply),
        }
    }
}

impl Line {
    fn post(&self, request: &Request<'_>) -> Result<(), ApprovalError> {
        let mut line = serde_json::to_vec(request).map_err(|error| ApprovalError::Failed(error.to_string()))?;
        line.push(b'\n');
        self.outbox.send(line).map_err(|_| gone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let waited = self.line.lock().as_mut().and_then(|waiting| waiting.remove(&self.number));
        if waited.is_some() {
            // Where the connection is gone, it knows already.
            let _ = self.line.post(&Request::Forget { number: self.number });
        }
    }
}

impl Approvals for RemoteApprovals {
    fn look<'a>(&'a self, question: &'a Question) -> Later<'a, Result<Standing, ApprovalError>> {
        let question = question.into();
        Box::pin(async move { standing(self.ask(|number| Request::Look { number, question }).await?) })
    }

    fn ask<'a>(&'a self, question: &'a Question, decision: DecisionId) -> Later<'a, Result<Standing, ApprovalError>> {
        let question = question.into();
        Box::pin(async move { standing(self.ask(|number| Request::Ask { number, question, decision }).await?) })
    }

    fn answered<'a>(&'a self, id: &'a ApprovalId) -> Later<'a, Result<Answer, ApprovalError>> {
        let approval = owned(id);
        Box::pin(async move {
            match self.ask(|number| Request::Answered { number, approval }).await? {
                Reply::Answer { answer, .. } => Ok(answer.into()),
                _ => Err(unexpected()),
            }
        })
    }

    fn consume<'a>(
        &'a self,
        id: &'a ApprovalId,
        question: &'a Question,
        decision: DecisionId,
    ) -> Later<'a, Result<bool, ApprovalError>> {
        let (approval, question) = (owned(id), question.into());
        Box::pin(
            async move { did(self.ask(|number| Request::Consume { number, approval, question, decision }).await?) },
        )
    }

    fn restore(&self, id: &ApprovalId, decision: DecisionId) {
        // Where the connection is gone, the yes stays used: too much is refused, not too little.
        let _ = self.line.post(&Request::Restore { approval: owned(id), decision });
    }

    fn answer_by_client<'a>(&'a self, id: &'a ApprovalId, yes: bool) -> Later<'a, Result<bool, ApprovalError>> {
        let approval = owned(id);
        Box::pin(async move { did(self.ask(|number| Request::AnswerByClient { number, approval, yes }).await?) })
    }

    fn withdraw(&self, id: &ApprovalId) {
        // Where the connection is gone, the question ends by itself.
        let _ = self.line.post(&Request::Withdraw { approval: owned(id) });
    }
}

async fn receive(mut read: BufReader<OwnedReadHalf>, line: Weak<Line>) {
    let mut bytes = Vec::new();
    while let Ok(true) = read_line(&mut read, &mut bytes).await {
        let Some(line) = line.upgrade() else { return };
        let Ok(reply) = serde_json::from_slice::<Reply<'static>>(&bytes) else { break };
        let waiter = reply.number().and_then(|number| line.lock().as_mut()?.remove(&number));
        if let Some(waiter) = waiter {
            // Whoever stopped waiting has said so.
            drop(waiter.send(reply));
        }
    }
    if let Some(line) = line.upgrade() {
        drop(line.lock().take());
    }
}

fn standing(reply: Reply<'_>) -> Result<Standing, ApprovalError> {
    match reply {
        Reply::Standing { standing, .. } => Ok(standing.into()),
        _ => Err(unexpected()),
    }
}

fn did(reply: Reply<'_>) -> Result<bool, ApprovalError> {
    match reply {
        Reply::Did { did, .. } => Ok(did),
        _ => Err(unexpected()),
    }
}

fn owned(id: &ApprovalId) -> Cow<'static, str> {
    Cow::Owned(id.0.to_string())
}

fn gone() -> ApprovalError {
    ApprovalError::Failed("CG4009: the gateway at the other end of the local socket is gone".to_owned())
}

fn unexpected() -> ApprovalError {
    ApprovalError::Failed("CG4009: the other end of the local socket speaks another version".to_owned())
}
