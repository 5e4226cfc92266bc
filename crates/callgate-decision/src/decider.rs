//! The decider: turns a decision into a permit or a refusal, by charging and recording it.

use crate::clock::Clock;
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
    /// The arguments, where they could be read. Only their top-level keys and a keyed digest are recorded.
    pub arguments: Option<&'a Value<'a>>,
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

    /// Charges and records a decision.
    ///
    /// An allow becomes a [`Permit`] once its record is written. A denial is recorded and handed back. Where a person
    /// has to say yes first, the limits are looked at, and what is exhausted is a denial. What can't be recorded is
    /// refused as a fault. Dropping this future gives back what it reserved.
    pub async fn charge(&self, decision: Decision, about: &About<'_>) -> Result<Permit, Box<Refused>> {
        match &self.place() {
            Place::Here(local) => local.charge(decision, about.record(local.key())).await,
            Place::There(link) => link.charge(decision, about.record(link.key())).await,
        }
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
            argument_keys,
            arguments_digest: self.arguments.map(|arguments| key.digest(arguments).into()),
        }
    }
}
