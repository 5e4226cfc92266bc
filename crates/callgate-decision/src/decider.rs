//! The decider: turns a decision into a permit or a refusal, by charging and recording it.

use crate::approvals::{Approval, ApprovalError, ApprovalId, Approvals, Question};
use crate::clock::Clock;
use crate::cover::Cover;
use crate::id::DecisionId;
use crate::local::Local;
use crate::permit::Permit;
use crate::record::AboutRecord;
use crate::records::{RecordError, Records};
use crate::remote::{Link, RemoteError};
use crate::withheld::WithheldRecord;
use callgate_json::{Value, canonical};
use callgate_policy::{Client, Decision, Grant, Organisation, ServerName, State};
use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

/// Charges and records: the only way to a [`Permit`]. Cheap to clone; all clones share the counters.
#[derive(Clone)]
pub struct Decider {
    seat: Seat,
}

/// Puts another decider in the place of one whose gateway is gone.
#[derive(Clone)]
pub struct Switch {
    now: Arc<RwLock<Place>>,
}

#[derive(Clone)]
enum Seat {
    Fixed(Place),
    Switched(Arc<RwLock<Place>>),
}

#[derive(Clone)]
enum Place {
    Here(Arc<Local>),
    There(Arc<Link>),
}

/// What a call is about, for its record.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The organisation.
    pub organisation: &'a Organisation,
    /// The grant that the caller presented.
    pub grant: &'a Grant,
    /// The subject behind the grant, where it is known.
    pub identity: Option<&'a str>,
    /// The server.
    pub server: &'a ServerName,
    /// The JSON-RPC method.
    pub method: &'a str,
    /// The tool, where the method calls one.
    pub tool: Option<&'a str>,
    /// The policy that decided, where there is one.
    pub policy: Option<PolicyVersion<'a>>,
    /// The MCP session, where there is one.
    pub session: Option<&'a str>,
    /// What the client calls itself.
    pub client: Option<&'a Client>,
    /// The request's id as JSON text; none for a notification.
    pub request_id: Option<&'a str>,
    /// The id of the trace that the call belongs to, where the client sends one.
    pub trace: Option<&'a str>,
    /// The arguments, where they could be read. Only their top-level keys and a keyed digest are recorded.
    pub arguments: Option<&'a Value<'a>>,
    /// The approval that the call leaves under, or that was asked for.
    pub approval: Option<&'a ApprovalId>,
    /// The decision that let the call leave whose result this is about.
    pub result_of: Option<DecisionId>,
    /// How often each detector found something that is taken out of the result.
    pub redacted: &'a [(Arc<str>, u64)],
}

/// Which version of which policy.
#[derive(Clone, Copy, Debug)]
pub struct PolicyVersion<'a> {
    /// The policy's name.
    pub name: &'a str,
    /// The version, counted from 1.
    pub version: u64,
    /// The digest of this version.
    pub digest: &'a str,
}

/// The key under which arguments are digested, so that a reader of the journal can't guess short values.
#[derive(Clone)]
pub struct DigestKey([u8; 32]);

impl DigestKey {
    /// The key with these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn digest(&self, arguments: &Value<'_>) -> String {
        blake3::keyed_hash(&self.0, canonical(arguments).as_bytes()).to_hex().to_string()
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(…)")
    }
}

/// A call that may not leave: the final decision, as recorded and as answered.
#[derive(Debug)]
pub struct Refused {
    /// What was decided in the end: a denial, or `Approve` where a person would have to say yes first.
    pub decision: Decision,
    /// The decision's identity; none where not even that could be made.
    pub id: Option<DecisionId>,
    /// Why the refusal itself is not in the journal, where it isn't. For the operator, not for the caller.
    pub unrecorded: Option<RecordError>,
}

/// Why an approved call may not leave.
#[derive(Debug)]
pub enum Uncovered {
    /// It is refused all the same, and that is recorded: a limit is exhausted by now, say.
    Refused(Box<Refused>),
    /// The yes is no longer there: another call used it up.
    Gone,
    /// The yes could not be used up.
    Failed(ApprovalError),
}

impl Decider {
    /// A decider with its own counters. `state` is what [`Rebuild`](crate::Rebuild) made of the journal, or empty.
    pub fn local(records: Arc<dyn Records>, clock: Arc<dyn Clock>, key: DigestKey, state: State) -> Self {
        Self { seat: Seat::Fixed(Place::Here(Arc::new(Local::new(records, clock, key, state)))) }
    }

    /// A decider that charges and records through the local socket of a running gateway. Wants a tokio runtime.
    pub async fn connect(socket: &Path) -> Result<Self, RemoteError> {
        Ok(Self { seat: Seat::Fixed(Place::There(Link::connect(socket).await?)) })
    }

    /// The same decider, in a form that [`Switch::to`] can replace later. Calls in flight stay with the one that
    /// charged them.
    pub fn switched(self) -> (Self, Switch) {
        let now = Arc::new(RwLock::new(self.place()));
        (Self { seat: Seat::Switched(Arc::clone(&now)) }, Switch { now })
    }

    fn place(&self) -> Place {
        match &self.seat {
            Seat::Fixed(place) => place.clone(),
            Seat::Switched(now) => now.read().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// What the history makes of a decision, if a flow could make it ask for a person: then it is `Approve`. Neither
    /// charges nor records, and what counts is what the history says when it is charged.
    pub async fn weigh(&self, decision: Decision) -> Decision {
        if !decision.may_ask() {
            return decision;
        }
        match &self.place() {
            Place::Here(local) => local.weigh(decision),
            Place::There(link) => link.weigh(&decision).await,
        }
    }

    /// Charges and records a decision.
    ///
    /// An allow becomes a [`Permit`] once its record is written. A denial is recorded and handed back. Where a person
    /// has to say yes first, the limits are looked at, and what is exhausted is a denial. What can't be recorded is
    /// refused as a fault. Dropping this future gives back what it reserved.
    pub async fn charge(&self, decision: Decision, about: &About<'_>) -> Result<Permit, Box<Refused>> {
        let is_required = decision.is_required();
        let charged = match &self.place() {
            Place::Here(local) => local.charge(decision, about.record(local.key())).await,
            Place::There(link) => link.charge(decision, about.record(link.key())).await,
        };
        charged.map(|permit| permit.required(is_required))
    }

    /// Charges and records a call that a person said yes to: an `Approve` becomes an allow under this approval. The yes
    /// is used up before the permit is given out, and is good again where the call certainly did not run.
    pub async fn charge_approved(
        &self,
        decision: Decision,
        about: &About<'_>,
        approvals: &Arc<dyn Approvals>,
        approval: &Approval,
        question: &Question,
    ) -> Result<Permit, Uncovered> {
        let about = About { approval: Some(&approval.id), ..*about };
        let permit = self.charge(decision.approved(), &about).await.map_err(Uncovered::Refused)?;
        // In place before it is certain: where this future is dropped half way, the yes comes back with the charges.
        let by = permit.id();
        let permit = permit.under(Cover::used(approval.id.clone(), question.binding(&COVERED), approvals, by));
        match approvals.consume(&approval.id, question, by).await {
            Ok(true) => Ok(permit),
            Ok(false) => Err(Uncovered::Gone),
            Err(error) => Err(Uncovered::Failed(error)),
        }
    }

    /// Charges and records a call that goes on under a yes which is its own already, if it is still what was asked
    /// about. Gives decision and cover back where it isn't: then it is a new call.
    pub async fn charge_covered(
        &self,
        decision: Decision,
        about: &About<'_>,
        cover: Cover,
        question: &Question,
    ) -> Result<Result<Permit, Box<Refused>>, Decision> {
        if *cover.binding() != question.binding(&COVERED) {
            return Err(decision);
        }
        let id = cover.id().clone();
        let about = About { approval: Some(&id), ..*about };
        Ok(self.charge(decision.approved(), &about).await.map(|permit| permit.under(cover)))
    }

    /// Records that a list passed with these entries taken out, the first of `count`. Returns whether it could be
    /// recorded; it has lost nobody anything where it couldn't.
    pub fn withheld(&self, about: &About<'_>, names: &[String], count: u64) -> bool {
        let record = WithheldRecord::new(about, names, count);
        match &self.place() {
            Place::Here(local) => local.withheld(&record),
            Place::There(link) => link.withheld(record),
        }
    }

    /// The state that a checkpoint of the journal carries now, as compact JSON; none for a remote decider.
    pub fn checkpoint(&self) -> Option<Vec<u8>> {
        match &self.place() {
            Place::Here(local) => Some(local.checkpoint()),
            Place::There(_) => None,
        }
    }

    /// How many outcomes could not be recorded since the start, because the journal was failing for too long.
    pub fn unrecorded(&self) -> u64 {
        match &self.place() {
            Place::Here(local) => local.unrecorded(),
            Place::There(_) => 0,
        }
    }

    /// Whether the gateway at the other end of a remote decider is gone: every charge is refused from then on.
    pub fn is_closed(&self) -> bool {
        match &self.place() {
            Place::Here(_) => false,
            Place::There(link) => link.is_closed(),
        }
    }

    /// The local counters; none for a remote decider.
    pub(crate) fn here(&self) -> Option<Arc<Local>> {
        match self.place() {
            Place::Here(local) => Some(local),
            Place::There(_) => None,
        }
    }
}

/// The key under which covers are bound. They never leave the gateway but sealed, so it need not be a secret.
const COVERED: [u8; 32] = *b"callgate 2026-11 covered by yes.";

impl Switch {
    /// From the next call on, `decider` charges and records.
    pub fn to(&self, decider: &Decider) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = decider.place();
    }
}

impl fmt::Debug for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Switch")
    }
}

impl fmt::Debug for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.place() {
            Place::Here(_) => "Decider(local)",
            Place::There(_) => "Decider(remote)",
        })
    }
}

impl<'a> About<'a> {
    fn record(&self, key: &DigestKey) -> AboutRecord<'a> {
        let mut argument_keys: Vec<Cow<'a, str>> = Vec::new();
        if let Some(arguments) = self.arguments {
            argument_keys.extend(arguments.members().iter().map(|member| Cow::Borrowed(member.key.as_ref())));
            argument_keys.sort_unstable();
        }
        AboutRecord {
            organisation: self.organisation.as_str().into(),
            grant: self.grant.id.as_str().into(),
            grant_label: self.grant.label.as_str().into(),
            identity: self.identity.map(Cow::Borrowed),
            server: self.server.as_str().into(),
            method: self.method.into(),
            tool: self.tool.map(Cow::Borrowed),
            policy: self.policy.map(|policy| policy.name.into()),
            policy_digest: self.policy.map(|policy| policy.digest.into()),
            policy_version: self.policy.map(|policy| policy.version),
            session: self.session.map(Cow::Borrowed),
            client: self.client.map(|client| client.name.as_str().into()),
            client_version: self.client.map(|client| client.version.as_str().into()),
            request_id: self.request_id.map(Cow::Borrowed),
            trace: self.trace.map(Cow::Borrowed),
            argument_keys,
            arguments_digest: self.arguments.map(|arguments| key.digest(arguments).into()),
            approval: self.approval.map(|approval| Cow::Borrowed(&*approval.0)),
            result_of: self.result_of,
            redacted: self.redacted.iter().map(|(name, count)| (Cow::Borrowed(&**name), *count)).collect(),
        }
    }
}
