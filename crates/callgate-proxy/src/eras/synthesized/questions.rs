//! What a server wants to know, asked on the stream of the call, and answered wherever the client's responses come.

use super::Synthesized;
use crate::errors::Cause;
use crate::forward::Failure;
use crate::sessions::Session;
use bytes::Bytes;
use callgate_mcp::bridge::down::{Answers, InputRequired, NoAnswer, answer};
use callgate_mcp::{Message, Method, RequestId};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Questions of one round.
const MAX_QUESTIONS: usize = 32;

type Answer = Result<Vec<u8>, NoAnswer>;

/// The questions of one session that are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Questions(Mutex<HashMap<RequestId, oneshot::Sender<Answer>>>);

/// The questions of one round.
pub(super) struct Asking {
    far: Arc<Synthesized>,
    session: Arc<Session>,
    server: String,
    required: InputRequired,
    unsent: VecDeque<Bytes>,
    waiting: VecDeque<Waiting>,
    answers: Vec<Vec<u8>>,
    until: Instant,
}

/// One question that was asked. Dropped, it is no longer awaited.
struct Waiting {
    far: Arc<Synthesized>,
    session: Arc<Session>,
    id: RequestId,
    method: &'static str,
    answer: oneshot::Receiver<Answer>,
}

/// What comes next of a round.
pub(super) enum Turn {
    /// This is asked.
    Question(Bytes),
    /// Everything is answered.
    Answered(Answers),
}

impl Questions {
    /// Brings a response of the client to whoever waits for it.
    pub(super) fn answered(&self, response: &Message<'_>) {
        let waiting = response.id().and_then(|id| self.open().remove(&id));
        if let Some(waiting) = waiting {
            // The call may have ended meanwhile.
            let _ = waiting.send(answer(response));
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<RequestId, oneshot::Sender<Answer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asking {
    /// Begins to ask. Nothing is asked where the client can't answer all of it.
    pub(super) fn new(
        far: &Arc<Synthesized>,
        session: &Arc<Session>,
        server: String,
        required: InputRequired,
    ) -> Result<Self, Failure> {
        if required.requests.len() > MAX_QUESTIONS {
            return Err(Failure::Unreadable(format!("it asks more than {MAX_QUESTIONS} questions at once")));
        }
        for request in &required.requests {
            if !far.client.can(request.need) {
                let (capability, method) = (request.need.capability(), request.method);
                return Err(Failure::Refused(Cause::NotDeclared { server, method, capability }));
            }
        }
        let until = Instant::now() + session.server.timeouts.idle;
        let (far, session) = (Arc::clone(far), Arc::clone(session));
        let (unsent, waiting) = (VecDeque::new(), VecDeque::new());
        let mut asking = Self { far, session, server, required, unsent, waiting, answers: Vec::new(), until };
        asking.ask()?;
        Ok(asking)
    }

    fn ask(&mut self) -> Result<(), Failure> {
        for request in &self.required.requests {
            let id = self.far.own_id();
            let key = RequestId::String(id.as_str().into());
            if !self.session.asks(key.clone(), Method::of(request.method)) {
                let why = "too many questions to it are open".to_owned();
                let server = self.server.clone();
                return Err(Failure::Refused(Cause::NotAnswered { server, method: request.method, why }));
            }
            let (to, answer) = oneshot::channel();
            self.far.questions.open().insert(key.clone(), to);
            let (far, session) = (Arc::clone(&self.far), Arc::clone(&self.session));
            self.waiting.push_back(Waiting { far, session, id: key, method: request.method, answer });
            self.unsent.push_back(request.question(&id).into());
        }
        Ok(())
    }

    /// The next step. May be dropped at its await and called again.
    pub(super) async fn next(&mut self) -> Result<Turn, Failure> {
        if let Some(question) = self.unsent.pop_front() {
            return Ok(Turn::Question(question));
        }
        while let Some(waiting) = self.waiting.front_mut() {
            let method = waiting.method;
            let why = match tokio::time::timeout_at(self.until, &mut waiting.answer).await {
                Ok(Ok(Ok(answer))) => {
                    self.answers.push(answer);
                    self.waiting.pop_front();
                    continue;
                }
                Ok(Ok(Err(NoAnswer(why)))) => why,
                Ok(Err(_)) => "its session ended".to_owned(),
                Err(_) => format!("nothing came for {} s", self.session.server.timeouts.idle.as_secs()),
            };
            return Err(Failure::Refused(Cause::NotAnswered { server: self.server.clone(), method, why }));
        }
        Ok(Turn::Answered(self.required.answers(&self.answers)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.far.questions.open().remove(&self.id).is_some() {
            // An answer that comes now is one that nobody asked for.
            self.session.was_asked(&self.id);
        }
    }
}
