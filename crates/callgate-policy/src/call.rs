//! What a decision is made about: one call, and the facts around it. All of it is passed in.

use crate::model::{Category, Label};
use crate::names::{GrantId, Organisation, ServerName};
use crate::operator::CompiledSchema;
use callgate_json::Value;
use std::collections::BTreeMap;

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// One `tools/call`, as the policy sees it.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// The server that the call is for.
    pub server: &'a ServerName,
    /// The tool's name, the exact code points that the server uses.
    pub tool: &'a str,
    /// The call's arguments.
    pub arguments: Arguments<'a>,
    /// The tool's pinned definition, where there is one.
    pub definition: Option<&'a Definition>,
}

/// The arguments of a call.
#[derive(Clone, Debug)]
pub enum Arguments<'a> {
    /// The call has none: an empty object.
    Absent,
    /// As parsed from the message. What is no object is refused by the engine.
    Value(&'a Value<'a>),
    /// They could not be parsed; always refused.
    Unreadable(callgate_json::Error),
}

/// A tool's definition that a person or the first sight has pinned.
#[derive(Clone, Debug, Default)]
pub struct Definition {
    /// The tool's name.
    pub name: String,
    /// The `inputSchema`, as JSON text.
    pub input_schema: Option<String>,
    /// The `annotations`, as JSON text.
    pub annotations: Option<String>,
    /// What the catalogue makes of it.
    pub category: Option<Category>,
    /// What attacks could use it for: what the catalogue makes of it, or what a person set.
    pub labels: Vec<Label>,
    /// The fingerprint of the definition; empty where nobody made one.
    pub fingerprint: String,
    /// Whether it changed since it was pinned: calls are refused until a person looks at it.
    pub quarantined: bool,
    /// The compiled `inputSchema`: made when a rule first needs it, once, and shared by clones. Leave it to its
    /// default; a definition with another schema has to be another value.
    pub compiled: CompiledSchema,
}

/// Everything beside the call that rules can look at.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The moment of the decision.
    pub now: Timestamp,
    /// The organisation that the grant belongs to.
    pub organisation: &'a Organisation,
    /// The grant that the caller presented.
    pub grant: &'a Grant,
    /// The person or workload behind the grant, where it is known.
    pub identity: Option<&'a Identity>,
    /// The MCP session, where the protocol has one.
    pub session: Option<&'a str>,
    /// What the client calls itself. Self-declared.
    pub client: Option<&'a Client>,
    /// The id of the trace that the call belongs to, where the client sends one. Self-declared.
    pub trace: Option<&'a str>,
}

/// A grant as rules see it.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Its identity.
    pub id: GrantId,
    /// Its label.
    pub label: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// The person or workload behind a grant.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The subject (`sub`).
    pub subject: String,
    /// The claims, as the JSON text of an object.
    pub claims: String,
}

/// What the client calls itself (`clientInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// `clientInfo.name`
    pub name: String,
    /// `clientInfo.version`
    pub version: String,
}
