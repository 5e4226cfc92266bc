//! Questions of a server to the client: decided by the policy, recorded, and only then passed on.

use super::Denied;
use crate::gate::Gate;
use crate::judge::Caller;
use crate::results::Ruled;
use crate::sessions::Session;
use crate::snapshot::GrantEntry;
use crate::translate;
use callgate_json::Value;
use callgate_mcp::{Method, Question, asked};
use callgate_policy::{Decision, Outcome, Reach, ReachKind, Reason, Unlisted};
use std::pin::Pin;
use std::sync::Arc;

/// A question, decided, and not yet recorded.
#[derive(Debug)]
pub(crate) struct Asked {
    method: String,
    decision: Decision,
}

/// Questions that one message holds, and what the message is.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) questions: Vec<Asked>,
    /// By what they are decided.
    pub(crate) entry: Arc<GrantEntry>,
    /// What is recorded and refused as.
    pub(crate) carrier: Carrier,
    /// What the rules over results make of the message.
    pub(crate) ruled: Option<Ruled>,
}

/// What holds the questions.
#[derive(Debug)]
pub(crate) enum Carrier {
    /// A request of the server, with this id as JSON; it is answered.
    Request { id: Vec<u8>, method: Method },
    /// The response to a request of the client; another one takes its place.
    Response,
    /// A notification, which is dropped.
    Notification,
}

/// Questions on their way into the journal.
pub(crate) type Judging = Pin<Box<dyn Future<Output = Result<(), Denied>> + Send>>;

impl Asked {
    /// What the grant's policies make of a question.
    pub(crate) fn decide(entry: &GrantEntry, question: Question<'_, '_>) -> Self {
        Self { method: question.method.to_owned(), decision: decide(entry, question.method, question.params) }
    }

    /// Whether it may be put.
    pub(crate) fn is_allowed(&self) -> bool {
        self.decision.outcome == Outcome::Allow
    }
}

impl Judged {
    /// Records every question, up to the first that is refused, and what became of a result.
    pub(crate) fn record(&mut self, gate: &Arc<Gate>, session: Option<&Arc<Session>>) -> Judging {
        let (questions, ruled) = (std::mem::take(&mut self.questions), self.ruled.take());
        let (gate, entry, session) = (Arc::clone(gate), Arc::clone(&self.entry), session.cloned());
        Box::pin(async move {
            let session = session.as_deref();
            let client = session.and_then(|session| session.client.as_ref());
            let caller = Caller { entry: &entry, session: session.map(|session| &*session.id), client, trace: None };
            for Asked { method, decision } in questions {
                gate.record_question(caller, &method, decision).await?;
            }
            match ruled {
                Some(ruled) => gate.record_result(caller, ruled).await,
                None => Ok(()),
            }
        })
    }
}

fn decide(entry: &GrantEntry, method: &str, params: Option<&Value<'_>>) -> Decision {
    let (policy, baseline) = entry.documents();
    let Some(policy) = policy else { return entry.decide_reach(Reach { kind: ReachKind::Sampling, subject: "" }) };
    let subjects = match asked(method, params) {
        Ok(subjects) => subjects,
        Err(error) => return fault(&error.to_string()),
    };
    match Method::of(method) {
        Method::CreateMessage | Method::Elicit => subjects
            .iter()
            .filter_map(|subject| translate::reach(*subject))
            .map(|reach| entry.decide_reach(reach))
            .find(|decision| decision.outcome != Outcome::Allow)
            .unwrap_or_else(crate::judge::allowed),
        Method::RootsList => roots(entry),
        // What the client runs for the server was begun by a question that was allowed.
        Method::TasksGet | Method::TasksResult | Method::TasksList | Method::TasksCancel => crate::judge::allowed(),
        _ if [Some(policy), baseline].into_iter().flatten().all(|policy| policy.unlisted() == Unlisted::Allow) => {
            crate::judge::allowed()
        }
        _ => {
            let method = method.chars().take(64).collect::<String>();
            let message = format!("the server asks `{method}`, which no section of a policy can allow");
            crate::judge::denied(Reason::DefaultDeny, "(default deny)", message)
        }
    }
}

/// Whether the server may ask for directories at all: not where it may be told about none. Which ones it is told about
/// is a matter of the answer.
fn roots(entry: &GrantEntry) -> Decision {
    let decision = entry.decide_reach(Reach { kind: ReachKind::Root, subject: "file:///" });
    let of_this = decision.reason == Some(Reason::NotAllowed);
    if of_this && entry.may_reach_some(ReachKind::Root) { crate::judge::allowed() } else { decision }
}

fn fault(why: &str) -> Decision {
    let message = format!("the server asks something that can't be read, so it is refused: {why}");
    crate::judge::denied(Reason::Fault, "(unreadable)", message)
}
