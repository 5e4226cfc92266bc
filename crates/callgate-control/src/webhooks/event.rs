//! What endpoints can be told of.

use crate::error::Error;
use crate::names;
use callgate_store::Event;
use serde_json::{Map, Value};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A call needs a person's yes.
    ApprovalAsked,
    /// A person said yes.
    ApprovalApproved,
    /// A person said no.
    ApprovalDenied,
    /// Nobody answered in time.
    ApprovalExpired,
    /// The call was given up before anybody answered.
    ApprovalWithdrawn,
    /// A server defines a tool otherwise than it is pinned.
    DefinitionQuarantined,
    /// Somebody tries an endpoint.
    WebhookTest,
}

impl Happening {
    /// All that an endpoint can ask for.
    pub const ALL: [Self; 6] = [
        Self::ApprovalAsked,
        Self::ApprovalApproved,
        Self::ApprovalDenied,
        Self::ApprovalExpired,
        Self::ApprovalWithdrawn,
        Self::DefinitionQuarantined,
    ];

    /// Its word, as messages have it (`type`).
    pub fn word(self) -> &'static str {
        match self {
            Self::ApprovalAsked => "approval.asked",
            Self::ApprovalApproved => "approval.approved",
            Self::ApprovalDenied => "approval.denied",
            Self::ApprovalExpired => "approval.expired",
            Self::ApprovalWithdrawn => "approval.withdrawn",
            Self::DefinitionQuarantined => "definition.quarantined",
            Self::WebhookTest => "webhook.test",
        }
    }

    /// What has this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::WebhookTest]).find(|happening| happening.word() == word)
    }
}

/// An event with a new identity, to be announced in the transaction of what it tells of. What the members of `body` are
/// called says [`Event::body`]. CG3013.
pub fn event(
    organisation: &str,
    happening: Happening,
    server: Option<&str>,
    at: i64,
    body: Map<String, Value>,
) -> Result<Event, Error> {
    Ok(Event {
        organisation: organisation.to_owned(),
        id: format!("ev_{}", hex::encode(names::random::<16>()?)),
        kind: happening.word().to_owned(),
        server: server.map(str::to_owned),
        at,
        body: Value::Object(body).to_string(),
    })
}
