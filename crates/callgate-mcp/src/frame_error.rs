//! Why a message is refused before any policy looks at it.

use crate::lines::LineTooLong;
use crate::write::{error_response, unsupported_version_data};
use callgate_json::ErrorKind;

/// JSON-RPC and MCP error codes (MCP 2026-07-28 "Error Codes").
pub mod codes {
    /// The text is no JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// The JSON is no message that may stand here.
    pub const INVALID_REQUEST: i64 = -32600;
    /// The method is unknown.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The parameters are wrong.
    pub const INVALID_PARAMS: i64 = -32602;
    /// Something broke inside.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// Headers and body disagree, or a required header is missing.
    pub const HEADER_MISMATCH: i64 = -32020;
    /// The request needs a capability that the client did not declare.
    pub const MISSING_CAPABILITY: i64 = -32021;
    /// The protocol version is not supported; `data.supported` lists those that are.
    pub const UNSUPPORTED_VERSION: i64 = -32022;
}

/// The stable kinds of refusal, one per remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameErrorKind {
    /// Not JSON (RFC 8259) in UTF-8 without a byte order mark, or something follows the value.
    Syntax,
    /// The same key twice in one object, or a key that differs from a member of the envelope by case alone.
    AmbiguousKey,
    /// Longer, deeper or with more values than the limits allow.
    TooLarge,
    /// An array where the revision has no batches, or a batch that may not be one.
    Batch,
    /// No JSON-RPC 2.0 request, notification or response.
    Envelope,
    /// A method name that is malformed, or that differs from a known one by case, space or punctuation.
    Method,
    /// An id that is neither a string nor an integer, or one used twice.
    Id,
    /// A request without an id, or a notification with one.
    IdPresence,
    /// The parameters of the method don't decode.
    Params,
    /// The modern revision's `_meta` fields are missing or malformed.
    Meta,
    /// Headers and body disagree, or a required header is missing or repeated.
    HeaderMismatch,
    /// The protocol version is not one of the known ones.
    UnsupportedVersion,
    /// A method that earlier revisions had, and the message's own has not.
    Removed,
}

impl FrameErrorKind {
    /// The word in records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::AmbiguousKey => "ambiguous key",
            Self::TooLarge => "too large",
            Self::Batch => "batch",
            Self::Envelope => "envelope",
            Self::Method => "method",
            Self::Id => "id",
            Self::IdPresence => "id presence",
            Self::Params => "params",
            Self::Meta => "meta",
            Self::HeaderMismatch => "header mismatch",
            Self::UnsupportedVersion => "unsupported version",
            Self::Removed => "removed method",
        }
    }

    /// The code of the page that explains it, `docs/errors/CGnnnn.md`.
    pub fn page(self) -> &'static str {
        match self {
            Self::Syntax => "CG2001",
            Self::AmbiguousKey => "CG2002",
            Self::TooLarge => "CG2003",
            Self::Batch => "CG2004",
            Self::Envelope => "CG2005",
            Self::Method => "CG2006",
            Self::Id => "CG2007",
            Self::IdPresence => "CG2008",
            Self::Params => "CG2009",
            Self::Meta => "CG2010",
            Self::HeaderMismatch => "CG2011",
            Self::UnsupportedVersion => "CG2012",
            Self::Removed => "CG2015",
        }
    }
}

/// A message refused before any policy looked at it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FrameError {
    kind: FrameErrorKind,
    message: String,
    id: Option<Box<[u8]>>,
    data: Option<String>,
}

impl FrameError {
    /// An error of this kind; `message` says the place, the reason and the remedy.
    pub(crate) fn new(kind: FrameErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), id: None, data: None }
    }

    /// The protocol version `requested` is none of `supported`.
    pub(crate) fn unsupported(requested: &str, supported: &[crate::Revision]) -> Self {
        let names: Vec<&str> = supported.iter().map(|revision| revision.as_str()).collect();
        let shown: String = requested.chars().take(32).filter(|ch| !ch.is_control()).collect();
        let message = format!("protocol version `{shown}` is not supported here; use one of {}", names.join(", "));
        Self {
            data: Some(unsupported_version_data(&shown, supported)),
            ..Self::new(FrameErrorKind::UnsupportedVersion, message)
        }
    }

    /// The same error for the message with this id, as JSON bytes.
    #[must_use]
    pub(crate) fn about(mut self, id: Option<&[u8]>) -> Self {
        self.id = id.map(Into::into);
        self
    }

    /// Which kind of refusal this is.
    pub fn kind(&self) -> FrameErrorKind {
        self.kind
    }

    /// The id to echo, as JSON bytes, where one was readable.
    pub fn id(&self) -> Option<&[u8]> {
        self.id.as_deref()
    }

    /// The JSON-RPC error code.
    pub fn code(&self) -> i64 {
        match self.kind {
            FrameErrorKind::Syntax | FrameErrorKind::AmbiguousKey => codes::PARSE_ERROR,
            FrameErrorKind::TooLarge
            | FrameErrorKind::Batch
            | FrameErrorKind::Envelope
            | FrameErrorKind::Method
            | FrameErrorKind::Id
            | FrameErrorKind::IdPresence => codes::INVALID_REQUEST,
            FrameErrorKind::Params | FrameErrorKind::Meta => codes::INVALID_PARAMS,
            FrameErrorKind::HeaderMismatch => codes::HEADER_MISMATCH,
            FrameErrorKind::UnsupportedVersion => codes::UNSUPPORTED_VERSION,
            FrameErrorKind::Removed => codes::METHOD_NOT_FOUND,
        }
    }

    /// The HTTP status: 413 for what is too large, 404 for a method that is no more, else 400.
    pub fn status(&self) -> u16 {
        match self.kind {
            FrameErrorKind::TooLarge => 413,
            FrameErrorKind::Removed => 404,
            _ => 400,
        }
    }

    /// The JSON-RPC error response that answers the message.
    pub fn to_response(&self) -> Vec<u8> {
        error_response(self.id(), self.code(), &self.message, self.data.as_deref())
    }
}

impl From<LineTooLong> for FrameError {
    fn from(error: LineTooLong) -> Self {
        Self::new(FrameErrorKind::TooLarge, error.to_string())
    }
}

impl From<callgate_json::Error> for FrameError {
    fn from(error: callgate_json::Error) -> Self {
        let kind = match error.kind {
            ErrorKind::DuplicateKey(_) => FrameErrorKind::AmbiguousKey,
            ErrorKind::TooLarge(_) | ErrorKind::TooDeep(_) | ErrorKind::TooMany(_) => FrameErrorKind::TooLarge,
            _ => FrameErrorKind::Syntax,
        };
        Self::new(kind, format!("the message is refused: {error}"))
    }
}
