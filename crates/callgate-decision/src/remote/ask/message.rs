//! The messages of a connection that asks people.

use crate::approvals::{Answer, Approval, ApprovalError, ApprovalId, Desk, Question, Standing};
use crate::id::DecisionId;
use crate::wire::WireError;
use callgate_policy::{Ask, AskTerms, Client, GrantId, Organisation, RulePath, ServerName, Timestamp};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What the client sends. What has a number is answered.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request<'a> {
    Look {
        number: u64,
        question: Box<QuestionMessage>,
    },
    Ask {
        number: u64,
        question: Box<QuestionMessage>,
        decision: DecisionId,
    },
    Answered {
        number: u64,
        approval: Cow<'a, str>,
    },
    Consume {
        number: u64,
        approval: Cow<'a, str>,
        question: Box<QuestionMessage>,
        decision: DecisionId,
    },
    Restore {
        approval: Cow<'a, str>,
        decision: DecisionId,
    },
    AnswerByClient {
        number: u64,
        approval: Cow<'a, str>,
        yes: bool,
    },
    Withdraw {
        approval: Cow<'a, str>,
    },
    /// Nobody waits any more for the answer to this.
    Forget {
        number: u64,
    },
}

/// What the gateway answers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply<'a> {
    /// The first line.
    Hello,
    Standing {
        number: u64,
        standing: StandingMessage<'a>,
    },
    Answer {
        number: u64,
        answer: AnswerMessage<'a>,
    },
    Did {
        number: u64,
        did: bool,
    },
    Failed {
        number: u64,
        error: ErrorMessage<'a>,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) struct QuestionMessage {
    organisation: String,
    server: String,
    server_name: String,
    upstream: String,
    tool: String,
    definition: Option<String>,
    grant: String,
    grant_label: String,
    identity: Option<String>,
    client: Option<(String, String)>,
    policy: String,
    policy_name: String,
    policy_version: u64,
    baseline: String,
    arguments: String,
    rule: String,
    message: String,
    ask: String,
    timeout_ms: Option<u64>,
    hold_for_ms: Option<u64>,
    remember_for_ms: Option<u64>,
    four_eyes: bool,
    include_arguments: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StandingMessage<'a> {
    Open,
    Pending(ApprovalMessage<'a>),
    Approved(ApprovalMessage<'a>),
    Refused(ApprovalMessage<'a>, Cow<'a, str>),
}

#[derive(Serialize, Deserialize)]
pub(super) struct ApprovalMessage<'a> {
    id: Cow<'a, str>,
    at: DeskMessage<'a>,
    expires: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DeskMessage<'a> {
    Page(Cow<'a, str>),
    Command(Cow<'a, str>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnswerMessage<'a> {
    Approved,
    Refused(Cow<'a, str>),
    Expired,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ErrorMessage<'a> {
    Nobody,
    TooMany(usize),
    TooLong(usize),
    Failed(Cow<'a, str>),
}

impl Reply<'_> {
    /// What it answers.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Hello => None,
            Self::Standing { number, .. }
            | Self::Answer { number, .. }
            | Self::Did { number, .. }
            | Self::Failed { number, .. } => Some(*number),
        }
    }
}

impl From<&Question> for Box<QuestionMessage> {
    fn from(question: &Question) -> Self {
        let terms = &question.terms;
        Self::new(QuestionMessage {
            organisation: question.organisation.as_str().to_owned(),
            server: question.server.to_string(),
            server_name: question.server_name.as_str().to_owned(),
            upstream: question.upstream.clone(),
            tool: question.tool.clone(),
            definition: question.definition.clone(),
            grant: question.grant.as_str().to_owned(),
            grant_label: question.grant_label.clone(),
            identity: question.identity.clone(),
            client: question.client.as_ref().map(|client| (client.name.clone(), client.version.clone())),
            policy: question.policy.clone(),
            policy_name: question.policy_name.clone(),
            policy_version: question.policy_version,
            baseline: question.baseline.clone(),
            arguments: question.arguments.clone(),
            rule: question.rule.as_str().to_owned(),
            message: question.message.clone(),
            ask: word(terms.ask()).to_owned(),
            timeout_ms: terms.timeout_ms(),
            hold_for_ms: terms.hold_for_ms(),
            remember_for_ms: terms.remember_for_ms(),
            four_eyes: terms.four_eyes(),
            include_arguments: terms.include_arguments(),
        })
    }
}

impl TryFrom<QuestionMessage> for Question {
    type Error = WireError;

    fn try_from(wire: QuestionMessage) -> Result<Self, WireError> {
        let organisation = Organisation::parse(&wire.organisation);
        let server_name = ServerName::parse(&wire.server_name);
        let grant = GrantId::parse(&wire.grant);
        let times = (wire.timeout_ms, wire.hold_for_ms, wire.remember_for_ms);
        Ok(Self {
            organisation: organisation.map_err(|_| WireError::new("organisation", &wire.organisation))?,
            server: wire.server.into(),
            server_name: server_name.map_err(|_| WireError::new("server", &wire.server_name))?,
            upstream: wire.upstream,
            tool: wire.tool,
            definition: wire.definition,
            grant: grant.map_err(|_| WireError::new("grant", &wire.grant))?,
            grant_label: wire.grant_label,
            identity: wire.identity,
            client: wire.client.map(|(name, version)| Client { name, version }),
            policy: wire.policy,
            policy_name: wire.policy_name,
            policy_version: wire.policy_version,
            baseline: wire.baseline,
            arguments: wire.arguments,
            rule: RulePath::new(wire.rule),
            message: wire.message,
            terms: AskTerms::new(ask(&wire.ask)?, times, (wire.four_eyes, wire.include_arguments)),
        })
    }
}

impl From<Standing> for StandingMessage<'static> {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Open => Self::Open,
            Standing::Pending(approval) => Self::Pending(approval.into()),
            Standing::Approved(approval) => Self::Approved(approval.into()),
            Standing::Refused(approval, why) => Self::Refused(approval.into(), why.into()),
        }
    }
}

impl From<StandingMessage<'_>> for Standing {
    fn from(wire: StandingMessage<'_>) -> Self {
        match wire {
            StandingMessage::Open => Self::Open,
            StandingMessage::Pending(approval) => Self::Pending(approval.into()),
            StandingMessage::Approved(approval) => Self::Approved(approval.into()),
            StandingMessage::Refused(approval, why) => Self::Refused(approval.into(), why.into_owned()),
        }
    }
}

impl From<Approval> for ApprovalMessage<'static> {
    fn from(approval: Approval) -> Self {
        let at = match approval.at {
            Desk::Page(url) => DeskMessage::Page(url.into()),
            Desk::Command(command) => DeskMessage::Command(command.into()),
        };
        Self { id: approval.id.0.to_string().into(), at, expires: approval.expires.0 }
    }
}

impl From<ApprovalMessage<'_>> for Approval {
    fn from(wire: ApprovalMessage<'_>) -> Self {
        let at = match wire.at {
            DeskMessage::Page(url) => Desk::Page(url.into_owned()),
            DeskMessage::Command(command) => Desk::Command(command.into_owned()),
        };
        Self { id: ApprovalId(wire.id.as_ref().into()), at, expires: Timestamp(wire.expires) }
    }
}

impl From<Answer> for AnswerMessage<'static> {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Approved => Self::Approved,
            Answer::Refused(why) => Self::Refused(why.into()),
            Answer::Expired => Self::Expired,
        }
    }
}

impl From<AnswerMessage<'_>> for Answer {
    fn from(wire: AnswerMessage<'_>) -> Self {
        match wire {
            AnswerMessage::Approved => Self::Approved,
            AnswerMessage::Refused(why) => Self::Refused(why.into_owned()),
            AnswerMessage::Expired => Self::Expired,
        }
    }
}

impl From<ApprovalError> for ErrorMessage<'static> {
    fn from(error: ApprovalError) -> Self {
        match error {
            ApprovalError::Nobody => Self::Nobody,
            ApprovalError::TooMany(count) => Self::TooMany(count),
            ApprovalError::TooLong(most) => Self::TooLong(most),
            ApprovalError::Failed(why) => Self::Failed(why.into()),
        }
    }
}

impl From<ErrorMessage<'_>> for ApprovalError {
    fn from(wire: ErrorMessage<'_>) -> Self {
        match wire {
            ErrorMessage::Nobody => Self::Nobody,
            ErrorMessage::TooMany(count) => Self::TooMany(count),
            ErrorMessage::TooLong(most) => Self::TooLong(most),
            ErrorMessage::Failed(why) => Self::Failed(why.into_owned()),
        }
    }
}

fn word(ask: Ask) -> &'static str {
    match ask {
        Ask::Retry => "retry",
        Ask::Hold => "hold",
        Ask::Client => "client",
    }
}

fn ask(word: &str) -> Result<Ask, WireError> {
    Ok(match word {
        "retry" => Ask::Retry,
        "hold" => Ask::Hold,
        "client" => Ask::Client,
        other => return Err(WireError::new("way of asking", other)),
    })
}
