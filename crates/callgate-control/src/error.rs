//! The one error of the services: a code, what happened and where, and what to do about it.

use crate::document::ProblemRow;
use callgate_store::StoreError;

/// What kind of no it is; decides the HTTP status and the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is not one: 400.
    Malformed,
    /// What was sent can't be used as it is: 422.
    Invalid,
    /// Nobody is signed in: 401.
    Unauthenticated,
    /// The caller may not: 403.
    Forbidden,
    /// There is no such thing, or none that the caller may see: 404.
    NotFound,
    /// It does not fit what is there: 409.
    Conflict,
    /// It was changed in the meantime: 412.
    Changed,
    /// The request has to say which revision it is about: 428.
    NeedsRevision,
    /// Too often: 429.
    TooMany {
        /// When to come back, in seconds.
        retry_after: u64,
    },
    /// Something that the gateway needs is down: 503.
    Unavailable,
}

/// Why a service did not do what was asked. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} [{code}]")]
pub struct Error {
    /// The code with a page of its own (`callgate explain CG3041`).
    pub code: &'static str,
    /// What kind of no it is.
    pub kind: Kind,
    /// What happened, and where.
    pub message: String,
    /// What to do about it; empty where the message says it all.
    pub remedy: String,
    /// The single problems, where it is about a document that has several.
    pub problems: Vec<ProblemRow>,
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: Kind, code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, kind, message: message.into(), remedy: remedy.into(), problems: Vec::new() }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let code = error.code();
        let kind = match &error {
            StoreError::Taken { .. } | StoreError::SecretTaken { .. } => Kind::Conflict,
            StoreError::Missing { .. } => Kind::NotFound,
            StoreError::Backup { .. } => Kind::Invalid,
            _ => Kind::Unavailable,
        };
        let text = error.to_string();
        let text = text.split_once(": ").map_or(text.as_str(), |(_, rest)| rest);
        let (message, remedy) = text.split_once("; ").unwrap_or((text, ""));
        Self::new(kind, code, message, remedy)
    }
}
