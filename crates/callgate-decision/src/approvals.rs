//! Questions to people, as a port: what a call that needs a yes asks of whoever keeps the answers.
//!
//! ```text
//! look(question)     a yes that covers exactly this call, a no, or nothing yet
//! ask(question)      nothing yet: identical calls of one grant wait for one answer
//! answered(id)       waits until it is answered or over
//! consume(id)        a yes is used up, once, when the call is reserved and recorded
//! restore(id)        the call certainly did not run: the yes is good again
//! ```

use crate::id::DecisionId;
use callgate_policy::{Ask, AskTerms, Client, GrantId, Organisation, RulePath, ServerName, Timestamp};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Something that a port gives later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One call that needs a person's yes, with all that the yes is bound to. A call that differs in any part of
/// [`Question::binding`] is another question.
#[derive(Clone, Debug)]
pub struct Question {
    /// The organisation.
    pub organisation: Organisation,
    /// The server's identity.
    pub server: Arc<str>,
    /// The server's name, for people.
    pub server_name: ServerName,
    /// A digest of where the server is: another upstream is another question.
    pub upstream: String,
    /// The tool.
    pub tool: String,
    /// The fingerprint of the tool's pinned definition; none where nothing is pinned.
    pub definition: Option<String>,
    /// The grant.
    pub grant: GrantId,
    /// Its label, for people.
    pub grant_label: String,
    /// The subject behind the grant, where it is known.
    pub identity: Option<String>,
    /// What the client calls itself, for people.
    pub client: Option<Client>,
    /// The digest of the policy's document.
    pub policy: String,
    /// The policy's name and version, for people.
    pub policy_name: String,
    /// The policy's version, counted from 1.
    pub policy_version: u64,
    /// The digest of the baseline's document; empty where there is none.
    pub baseline: String,
    /// The arguments: canonical JSON of an object.
    pub arguments: String,
    /// The rule that asks.
    pub rule: RulePath,
    /// What the rule says.
    pub message: String,
    /// How the rule wants a person to be asked.
    pub terms: AskTerms,
}

/// What identical calls have in common: a digest over everything that a yes is bound to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Binding(pub [u8; 32]);

/// The identity of an approval: `a_` and 26 random characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApprovalId(pub Arc<str>);

/// An approval, as the data plane and its callers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Its identity.
    pub id: ApprovalId,
    /// Where a person answers.
    pub at: Desk,
    /// When the question, or the yes, is over.
    pub expires: Timestamp,
}

/// Where a person answers a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Desk {
    /// On this page, as a signed-in member.
    Page(String),
    /// With this command, where nobody serves a page.
    Command(String),
}

/// How a question stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody was asked, or what was answered is over or used up.
    Open,
    /// Somebody was asked and has not answered.
    Pending(Approval),
    /// A yes covers the call. It has to be consumed.
    Approved(Approval),
    /// A person said no, for this reason (which may be empty).
    Refused(Approval, String),
}

/// How a question ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Approved,
    /// No, for this reason (which may be empty).
    Refused(String),
    /// Nobody answered in time, or it was withdrawn.
    Expired,
}

/// Why approvals can't be had. The call is refused as a fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// There is nobody to ask: no control plane behind this process.
    #[error("there is nobody to ask: approvals need a running gateway (`callgate up`)")]
    Nobody,
    /// The grant has as many questions open as it may.
    #[error("this grant has {0} questions open already; answer or cancel one first")]
    TooMany(usize),
    /// Its arguments are longer than people are asked about: at most so many bytes.
    #[error("the arguments are longer than {0} bytes, which is the most that a person is asked about")]
    TooLong(usize),
    /// The store failed. For the operator, not for the caller.
    #[error("approvals can't be kept: {0}")]
    Failed(String),
}

/// Keeps questions and answers: durable, first answer wins, single use. Implementations never block the caller's thread.
pub trait Approvals: Send + Sync + 'static {
    /// How this question stands, without asking anybody.
    fn look<'a>(&'a self, question: &'a Question) -> Later<'a, Result<Standing, ApprovalError>>;

    /// Asks, unless somebody was asked the same. `decision` is the record of the call that asks. By the time this is
    /// done, the question survives the process.
    fn ask<'a>(&'a self, question: &'a Question, decision: DecisionId) -> Later<'a, Result<Standing, ApprovalError>>;

    /// Waits until the question is answered or over.
    fn answered<'a>(&'a self, id: &'a ApprovalId) -> Later<'a, Result<Answer, ApprovalError>>;

    /// Uses a yes up for this decision, durably; of several that try at once, one does. A yes that is remembered stays.
    /// `false` where it is no longer there.
    fn consume<'a>(
        &'a self,
        id: &'a ApprovalId,
        question: &'a Question,
        decision: DecisionId,
    ) -> Later<'a, Result<bool, ApprovalError>>;

    /// The call certainly did not run: the yes that this decision used up is good again, until it is over. Nobody waits
    /// for it.
    fn restore(&self, id: &ApprovalId, decision: DecisionId);

    /// The caller's own user answered (`"ask": "client"`): the rule allows that, and it was asked there. First answer
    /// wins; `false` where there was one already.
    fn answer_by_client<'a>(&'a self, id: &'a ApprovalId, yes: bool) -> Later<'a, Result<bool, ApprovalError>>;

    /// The caller went away or cancelled, and nobody else waits for the answer here. Where others asked the same, in
    /// whichever process, the question stands on. Nobody waits for this.
    fn withdraw(&self, id: &ApprovalId);
}

/// Nobody to ask.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoApprovals;

impl Question {
    /// The digest over everything that a yes is bound to (policy language section 7), under a key, so that nobody can
    /// guess arguments by it. The rule that asks and who may answer it are part of that: who said yes to one rule was not
    /// asked by another, and may not have been allowed to answer it.
    pub fn binding(&self, key: &[u8; 32]) -> Binding {
        let mut digest = blake3::Hasher::new_keyed(key);
        let parts = [
            self.organisation.as_str(),
            &self.server,
            &self.upstream,
            &self.tool,
            self.definition.as_deref().unwrap_or_default(),
            self.grant.as_str(),
            self.identity.as_deref().unwrap_or_default(),
            &self.policy,
            &self.baseline,
            &self.arguments,
            self.rule.as_str(),
            if self.terms.four_eyes() { "four eyes" } else { "" },
            if self.terms.ask() == Ask::Client { "client" } else { "" },
        ];
        for part in parts {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        Binding(*digest.finalize().as_bytes())
    }
}

impl Approvals for NoApprovals {
    fn look<'a>(&'a self, _: &'a Question) -> Later<'a, Result<Standing, ApprovalError>> {
        Box::pin(std::future::ready(Err(ApprovalError::Nobody)))
    }

    fn ask<'a>(&'a self, _: &'a Question, _: DecisionId) -> Later<'a, Result<Standing, ApprovalError>> {
        Box::pin(std::future::ready(Err(ApprovalError::Nobody)))
    }

    fn answered<'a>(&'a self, _: &'a ApprovalId) -> Later<'a, Result<Answer, ApprovalError>> {
        Box::pin(std::future::ready(Err(ApprovalError::Nobody)))
    }

    fn consume<'a>(
        &'a self,
        _: &'a ApprovalId,
        _: &'a Question,
        _: DecisionId,
    ) -> Later<'a, Result<bool, ApprovalError>> {
        Box::pin(std::future::ready(Err(ApprovalError::Nobody)))
    }

    fn restore(&self, _: &ApprovalId, _: DecisionId) {}

    fn answer_by_client<'a>(&'a self, _: &'a ApprovalId, _: bool) -> Later<'a, Result<bool, ApprovalError>> {
        Box::pin(std::future::ready(Err(ApprovalError::Nobody)))
    }

    fn withdraw(&self, _: &ApprovalId) {}
}

impl fmt::Display for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(url) => f.write_str(url),
            Self::Command(command) => write!(f, "`{command}`"),
        }
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Binding({})", hex::encode(self.0))
    }
}
