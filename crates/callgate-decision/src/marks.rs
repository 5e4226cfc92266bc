//! Marks on the wire: what calls left in the history, so that it can be rebuilt from records.

use crate::wire::WireError;
use callgate_policy::{EventId, GrantId, Mark, MarkKey, MarkScope, Marked, Organisation, ServerName, Timestamp};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A mark's key on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkKeyRecord<'a> {
    /// The organisation.
    #[serde(borrow)]
    pub organisation: Cow<'a, str>,
    /// The server; absent where the history goes across servers.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Cow<'a, str>>,
    /// `session`, `sessionless`, `grant`, `identity`, `trace` or `tag`.
    #[serde(borrow)]
    pub scope: Cow<'a, str>,
    /// Whose history, within the scope: for a tag its value.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The tag's key.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Cow<'a, str>>,
    /// What happened: a digest of what the flow looks for, in hexadecimal.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
}

/// A mark that one call left, on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkRecord<'a> {
    /// The mark.
    #[serde(borrow)]
    pub key: MarkKeyRecord<'a>,
    /// The grant whose call left it; absent in records of older versions.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Cow<'a, str>>,
    /// How long it is of use, in milliseconds.
    pub keep_ms: u64,
    /// When the call began, in milliseconds since the Unix epoch.
    pub at: i64,
}

/// A mark as it stands, in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingMarkRecord<'a> {
    /// The mark.
    #[serde(borrow)]
    pub key: MarkKeyRecord<'a>,
    /// The grant whose call left it; absent in records of older versions.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Cow<'a, str>>,
    /// How long it is of use, in milliseconds.
    pub keep_ms: u64,
    /// When the last such call ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<i64>,
    /// When the last such call ended with a result that is no error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<i64>,
    /// When the calls in flight began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<i64>,
}

impl<'a> From<&'a MarkKey> for MarkKeyRecord<'a> {
    fn from(key: &'a MarkKey) -> Self {
        let (scope, id, tag): (&str, &str, Option<&str>) = match &key.scope {
            MarkScope::Session(id) => ("session", id, None),
            MarkScope::Sessionless(grant) => ("sessionless", grant.as_str(), None),
            MarkScope::Grant(grant) => ("grant", grant.as_str(), None),
            MarkScope::Identity(subject) => ("identity", subject, None),
            MarkScope::Trace(id) => ("trace", id, None),
            MarkScope::Tag { key, value } => ("tag", value, Some(key)),
        };
        Self {
            organisation: key.organisation.as_str().into(),
            server: key.server.as_ref().map(|server| server.as_str().into()),
            scope: scope.into(),
            id: id.into(),
            tag: tag.map(Cow::Borrowed),
            event: key.event.to_string().into(),
        }
    }
}

impl TryFrom<&MarkKeyRecord<'_>> for MarkKey {
    type Error = WireError;

    fn try_from(wire: &MarkKeyRecord<'_>) -> Result<Self, WireError> {
        let organisation = Organisation::parse(&wire.organisation);
        let server = wire.server.as_deref().map(ServerName::parse).transpose();
        let mut event = [0; 16];
        hex::decode_to_slice(wire.event.as_bytes(), &mut event).map_err(|_| WireError::new("event", &wire.event))?;
        Ok(Self {
            organisation: organisation.map_err(|_| WireError::new("organisation", &wire.organisation))?,
            server: server.map_err(|_| WireError::new("server", wire.server.as_deref().unwrap_or_default()))?,
            scope: scope(wire)?,
            event: EventId(event),
        })
    }
}

fn scope(wire: &MarkKeyRecord<'_>) -> Result<MarkScope, WireError> {
    let id = &*wire.id;
    let grant = || parse_grant(id);
    Ok(match (&*wire.scope, wire.tag.as_deref()) {
        ("session", None) => MarkScope::Session(id.into()),
        ("sessionless", None) => MarkScope::Sessionless(grant()?),
        ("grant", None) => MarkScope::Grant(grant()?),
        ("identity", None) => MarkScope::Identity(id.into()),
        ("trace", None) => MarkScope::Trace(id.into()),
        ("tag", Some(key)) => MarkScope::Tag { key: key.into(), value: id.into() },
        (other, _) => return Err(WireError::new("scope of a mark", other)),
    })
}

fn parse_grant(id: &str) -> Result<GrantId, WireError> {
    GrantId::parse(id).map_err(|_| WireError::new("grant", id))
}

fn of_grant(grant: Option<&GrantId>) -> Option<Cow<'_, str>> {
    grant.map(|grant| grant.as_str().into())
}

fn read_grant(wire: Option<&str>) -> Result<Option<GrantId>, WireError> {
    wire.map(parse_grant).transpose()
}

impl<'a> From<&'a Marked> for MarkRecord<'a> {
    fn from(marked: &'a Marked) -> Self {
        Self {
            key: (&marked.key).into(),
            grant: of_grant(marked.grant.as_ref()),
            keep_ms: marked.keep_ms,
            at: marked.at.0,
        }
    }
}

impl TryFrom<&MarkRecord<'_>> for Marked {
    type Error = WireError;

    fn try_from(wire: &MarkRecord<'_>) -> Result<Self, WireError> {
        Ok(Self {
            key: (&wire.key).try_into()?,
            grant: read_grant(wire.grant.as_deref())?,
            keep_ms: wire.keep_ms,
            at: Timestamp(wire.at),
        })
    }
}

impl<'a> From<&'a Mark> for StandingMarkRecord<'a> {
    fn from(mark: &'a Mark) -> Self {
        Self {
            key: (&mark.key).into(),
            grant: of_grant(mark.grant.as_ref()),
            keep_ms: mark.keep_ms,
            ended: mark.ended.map(|at| at.0),
            completed: mark.completed.map(|at| at.0),
            open: mark.open.iter().map(|at| at.0).collect(),
        }
    }
}

impl TryFrom<&StandingMarkRecord<'_>> for Mark {
    type Error = WireError;

    fn try_from(wire: &StandingMarkRecord<'_>) -> Result<Self, WireError> {
        Ok(Self {
            key: (&wire.key).try_into()?,
            grant: read_grant(wire.grant.as_deref())?,
            keep_ms: wire.keep_ms,
            ended: wire.ended.map(Timestamp),
            completed: wire.completed.map(Timestamp),
            open: wire.open.iter().copied().map(Timestamp).collect(),
        })
    }
}
