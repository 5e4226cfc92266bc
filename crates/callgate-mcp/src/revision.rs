//! The five revisions of MCP, their two eras, and which of them a message belongs to.

use crate::frame_error::{FrameError, FrameErrorKind};
use crate::headers::{Headers, MCP_PROTOCOL_VERSION, MCP_SESSION_ID};
use crate::message::{Message, MessageKind};
use crate::method::{Method, is_removed_method};
use callgate_json::Value;
use std::fmt;

/// The `_meta` key of a modern request's protocol version.
pub const META_PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// The `_meta` key of a modern request's client name and version.
pub const META_CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// The `_meta` key of a modern request's client capabilities.
pub const META_CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// The `_meta` key that names the `subscriptions/listen` request that a notification belongs to.
pub const META_SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// How client and server agree on what they speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// A session opened by `initialize`: 2025-11-25 and earlier.
    Legacy,
    /// Stateless, with the version in every request: 2026-07-28 and later.
    Modern,
}

/// A revision of the specification, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// 2024-11-05: the HTTP+SSE transport.
    V2024_11_05,
    /// 2025-03-26: Streamable HTTP; the only one with batches.
    V2025_03_26,
    /// 2025-06-18: the version header.
    V2025_06_18,
    /// 2025-11-25: the last with sessions.
    V2025_11_25,
    /// 2026-07-28: stateless.
    V2026_07_28,
}

impl Revision {
    /// Every revision, newest first: the order of preference.
    pub const ALL: [Self; 5] =
        [Self::V2026_07_28, Self::V2025_11_25, Self::V2025_06_18, Self::V2025_03_26, Self::V2024_11_05];
    /// The modern revisions, newest first.
    pub const MODERN: [Self; 1] = [Self::V2026_07_28];
    /// The newest revision with sessions: what a server offers to a client that asks for one it doesn't know.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;
    /// What a session without a version header speaks.
    pub const WITHOUT_HEADER: Self = Self::V2025_03_26;

    /// The revision with this date, for example `2025-11-25`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == text)
    }

    /// The revision's date.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The era it belongs to.
    pub fn era(self) -> Era {
        if self >= Self::V2026_07_28 { Era::Modern } else { Era::Legacy }
    }

    /// Whether a body may be a batch.
    pub fn has_batches(self) -> bool {
        self == Self::V2025_03_26
    }

    /// Whether clients send `MCP-Protocol-Version` with every request after the first.
    pub fn has_version_header(self) -> bool {
        self >= Self::V2025_06_18
    }

    /// The revision that a server answers to `initialize` with `requested`: the same where it is a known legacy one,
    /// else the newest legacy one (MCP 2025-11-25 "Version Negotiation").
    pub fn negotiate(requested: &str) -> Self {
        Self::parse(requested).filter(|revision| revision.era() == Era::Legacy).unwrap_or(Self::LATEST_LEGACY)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a message opens, or what it continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening<'m> {
    /// A stateless message of this revision.
    Modern(Revision),
    /// `initialize`, with the `protocolVersion` that it asks for (empty where it names none).
    Initialize(&'m str),
    /// A message of a legacy session.
    Session {
        /// The session's id as the client sent it.
        session: &'m [u8],
        /// The revision that its header names, or [`Revision::WITHOUT_HEADER`].
        revision: Revision,
    },
    /// A legacy message without a session.
    Sessionless(Revision),
}

/// Tells which era a message belongs to from its `_meta`, its headers and its method.
///
/// Modern: a protocol version in `_meta` together with the equal header. Legacy: `initialize`, a session id, or
/// neither. One of the two modern signs without the other is refused, so is a version that nobody knows.
pub fn detect<'m>(headers: &'m impl Headers, message: &'m Message<'_>) -> Result<Opening<'m>, FrameError> {
    detect_unechoed(headers, message).map_err(|error| error.about(message.id_bytes()))
}

fn detect_unechoed<'m>(headers: &'m impl Headers, message: &'m Message<'_>) -> Result<Opening<'m>, FrameError> {
    let mismatch = |reason: String| FrameError::new(FrameErrorKind::HeaderMismatch, reason);
    let repeated = |name: &str| mismatch(format!("the header `{name}` stands more than once"));
    let header = headers.one(MCP_PROTOCOL_VERSION).map_err(|_| repeated("MCP-Protocol-Version"))?;
    let header = header.map(|value| std::str::from_utf8(value).unwrap_or("?"));
    if let Some(version) = meta_version(message)? {
        return match header {
            Some(header) if header == version => modern(version, message).map(Opening::Modern),
            Some(_) => {
                Err(mismatch("header mismatch: `MCP-Protocol-Version` differs from the version in `_meta`".into()))
            }
            None => Err(mismatch(
                "header mismatch: `MCP-Protocol-Version` is missing; repeat the version of `_meta`".into(),
            )),
        };
    }
    let revision = match header {
        Some(text) => Revision::parse(text).ok_or_else(|| FrameError::unsupported(text, &Revision::ALL))?,
        None => Revision::WITHOUT_HEADER,
    };
    if revision.era() == Era::Modern {
        return match message.kind() {
            // `_meta` is required on requests only (MCP 2026-07-28 "Per-request protocol fields").
            MessageKind::Notification => Ok(Opening::Modern(revision)),
            MessageKind::Request => Err(missing_meta(META_PROTOCOL_VERSION)),
            MessageKind::Response => Err(FrameError::new(
                FrameErrorKind::Envelope,
                format!("a client sends no responses in revision {revision}; put `inputResponses` into the request"),
            )),
        };
    }
    if message.method() == Method::Initialize {
        return Ok(Opening::Initialize(requested_version(message)));
    }
    match headers.one(MCP_SESSION_ID).map_err(|_| repeated("Mcp-Session-Id"))? {
        Some(session) => Ok(Opening::Session { session, revision }),
        None => Ok(Opening::Sessionless(revision)),
    }
}

/// The same for a message on stdio, which has no headers: modern where `_meta` names a version, `initialize`, or
/// `None` for a message that continues what the connection speaks.
pub fn detect_stdio<'m>(message: &'m Message<'_>) -> Result<Option<Opening<'m>>, FrameError> {
    let opening = match meta_version(message) {
        Ok(Some(version)) => modern(version, message).map(|revision| Some(Opening::Modern(revision))),
        Ok(None) if message.method() == Method::Initialize => Ok(Some(Opening::Initialize(requested_version(message)))),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    opening.map_err(|error| error.about(message.id_bytes()))
}

fn requested_version<'m>(message: &'m Message<'_>) -> &'m str {
    message.params().and_then(|params| params.get("protocolVersion")).and_then(Value::as_str).unwrap_or_default()
}

fn meta_version<'m>(message: &'m Message<'_>) -> Result<Option<&'m str>, FrameError> {
    match message.meta(META_PROTOCOL_VERSION) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or_else(|| {
            FrameError::new(
                FrameErrorKind::Meta,
                format!("`params._meta[\"{META_PROTOCOL_VERSION}\"]` must be a string"),
            )
        }),
    }
}

fn modern(version: &str, message: &Message<'_>) -> Result<Revision, FrameError> {
    // A legacy revision has no version in `_meta`: offering one here would send the client in circles.
    let revision = Revision::parse(version).filter(|revision| revision.era() == Era::Modern);
    let revision = revision.ok_or_else(|| FrameError::unsupported(version, &Revision::MODERN))?;
    if let Some(removed) = message.method().name().filter(|_| is_removed_method(message.method())) {
        let reason = format!("revision {revision} has no `{removed}`: {}", instead_of(message.method()));
        return Err(FrameError::new(FrameErrorKind::Removed, reason));
    }
    let capabilities = message.meta(META_CLIENT_CAPABILITIES).is_some_and(Value::is_object);
    if message.kind() == MessageKind::Request && !capabilities {
        return Err(missing_meta(META_CLIENT_CAPABILITIES));
    }
    Ok(revision)
}

/// What the modern revision has in place of a method that it removed.
fn instead_of(method: Method) -> &'static str {
    match method {
        Method::Initialize => "send the request itself, or leave out its `_meta`",
        Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => "use `subscriptions/listen`",
        Method::SetLevel => "put the level into the `_meta` of each request",
        Method::TasksResult => "use `tasks/get`",
        _ => "nothing takes its place",
    }
}

fn missing_meta(key: &str) -> FrameError {
    let reason = format!("`params._meta[\"{key}\"]` is missing or malformed; every request of this revision needs it");
    FrameError::new(FrameErrorKind::Meta, reason)
}
