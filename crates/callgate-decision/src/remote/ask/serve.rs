//! The gateway's end: answers what a connection asks, as it is answered; what takes long holds up nothing else.

use super::askers::{Asker, Askers};
use super::message::{QuestionMessage, Reply, Request};
use crate::approvals::{Answer, ApprovalError, ApprovalId, Question, Standing};
use crate::remote::{RemoteError, read_line};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

/// Requests of one connection that are not answered yet.
const MAX_OPEN: usize = 8_192;

/// What is being answered.
struct Open {
    task: AbortHandle,
    /// The question whose answer is waited for.
    waits_for: Option<ApprovalId>,
}

type Table = Mutex<HashMap<u64, Open>>;

/// Serves one connection that asks people, until it ends. Its opening line has been read, its peer checked
/// ([`check_peer`](crate::remote::check_peer)). Questions that it still waits for are then withdrawn.
pub async fn serve_approvals<R, W>(mut reader: R, mut writer: W, askers: &Arc<Askers>) -> Result<(), RemoteError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    write(&mut writer, &Reply::Hello).await?;
    let (replies, mut answered) = mpsc::channel::<Reply<'static>>(64);
    let (open, asker) = (Table::default(), Arc::new(Asker::new(askers)));
    let mut tasks = JoinSet::new();
    let ended = {
        let reading = async {
            let mut line = Vec::new();
            while read_line(&mut reader, &mut line).await? {
                take(&line, &asker, (&open, &mut tasks), &replies).await?;
                // What is answered needs no place any more.
                while tasks.try_join_next().is_some() {}
            }
            Ok(())
        };
        let writing = async {
            while let Some(reply) = answered.recv().await {
                reply.number().and_then(|number| lock(&open).remove(&number));
                write(&mut writer, &reply).await?;
            }
            Ok(())
        };
        tokio::select! {
            ended = reading => ended,
            ended = writing => ended,
        }
    };
    let waited: Vec<ApprovalId> = lock(&open).drain().filter_map(|(_, open)| open.waits_for).collect();
    tasks.shutdown().await;
    // Whoever asked is gone; other connections that asked the same keep it open.
    waited.iter().for_each(|approval| asker.withdraw(approval));
    ended
}

async fn take(
    line: &[u8],
    asker: &Arc<Asker>,
    (open, tasks): (&Table, &mut JoinSet<()>),
    replies: &mpsc::Sender<Reply<'static>>,
) -> Result<(), RemoteError> {
    let request: Request<'_> =
        serde_json::from_slice(line).map_err(|error| RemoteError::Protocol(error.to_string()))?;
    let approvals = asker.approvals();
    match request {
        Request::Restore { approval, decision } => asker.uses().restore(id(&approval), decision),
        Request::Withdraw { approval } => asker.withdraw(&id(&approval)),
        Request::Forget { number } => {
            let given_up = lock(open).remove(&number);
            if let Some(open) = given_up {
                open.task.abort();
                // What comes next may be about a question for which nobody here waits any more.
                while !open.task.is_finished() {
                    tokio::task::yield_now().await;
                }
            }
        }
        Request::Look { number, question } => {
            let (question, own) = (read(*question)?, Arc::clone(approvals));
            begin(number, None, (open, tasks), replies, async move { standing(number, own.look(&question).await) })?;
        }
        Request::Ask { number, question, decision } => {
            let (question, own) = (read(*question)?, Arc::clone(asker));
            let asking = async move { standing(number, own.ask(&question, decision).await) };
            begin(number, None, (open, tasks), replies, asking)?;
        }
        Request::Consume { number, approval, question, decision } => {
            let (approval, question, own) = (id(&approval), read(*question)?, asker.uses().clone());
            let using = async move { did(number, own.consume(approval, question, decision).await) };
            begin(number, None, (open, tasks), replies, using)?;
        }
        Request::AnswerByClient { number, approval, yes } => {
            let (approval, own) = (id(&approval), Arc::clone(asker));
            let saying = async move { did(number, own.answer_by_client(&approval, yes).await) };
            begin(number, None, (open, tasks), replies, saying)?;
        }
        Request::Answered { number, approval } => {
            let (approval, own) = (id(&approval), Arc::clone(approvals));
            let waited = Some(approval.clone());
            let waiting = async move { answer(number, own.answered(&approval).await) };
            begin(number, waited, (open, tasks), replies, waiting)?;
        }
    }
    Ok(())
}

/// Has a request answered beside the others.
fn begin(
    number: u64,
    waits_for: Option<ApprovalId>,
    (open, tasks): (&Table, &mut JoinSet<()>),
    replies: &mpsc::Sender<Reply<'static>>,
    work: impl Future<Output = Reply<'static>> + Send + 'static,
) -> Result<(), RemoteError> {
    let to = replies.clone();
    let task = tasks.spawn(async move {
        // The connection may have ended.
        let _ = to.send(work.await).await;
    });
    let mut open = lock(open);
    open.insert(number, Open { task, waits_for });
    if open.len() > MAX_OPEN {
        return Err(RemoteError::Protocol(format!("{MAX_OPEN} questions are open, which is the most")));
    }
    Ok(())
}

fn read(question: QuestionMessage) -> Result<Question, RemoteError> {
    Question::try_from(question).map_err(|error| RemoteError::Protocol(error.to_string()))
}

fn id(approval: &str) -> ApprovalId {
    ApprovalId(approval.into())
}

fn lock(open: &Table) -> MutexGuard<'_, HashMap<u64, Open>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

fn standing(number: u64, standing: Result<Standing, ApprovalError>) -> Reply<'static> {
    match standing {
        Ok(standing) => Reply::Standing { number, standing: standing.into() },
        Err(error) => Reply::Failed { number, error: error.into() },
    }
}

fn did(number: u64, did: Result<bool, ApprovalError>) -> Reply<'static> {
    match did {
        Ok(did) => Reply::Did { number, did },
        Err(error) => Reply::Failed { number, error: error.into() },
    }
}

fn answer(number: u64, answer: Result<Answer, ApprovalError>) -> Reply<'static> {
    match answer {
        Ok(answer) => Reply::Answer { number, answer: answer.into() },
        Err(error) => Reply::Failed { number, error: error.into() },
    }
}

async fn write<W: AsyncWrite + Unpin>(writer: &mut W, reply: &Reply<'_>) -> Result<(), RemoteError> {
    let mut line = serde_json::to_vec(reply).map_err(|error| RemoteError::Protocol(error.to_string()))?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    Ok(writer.flush().await?)
}
