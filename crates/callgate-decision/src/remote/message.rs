//! The messages on the local socket.

use super::history::{AskMessage, HistoryMessage};
use crate::decider::Refused;
use crate::id::DecisionId;
use crate::permit::{Ending, ResultKind};
use crate::record::{AboutRecord, PlaceRecord, ShadowRecord};
use crate::records::RecordError;
use crate::wire::{KeyRecord, WireError, decimal, mode};
use crate::withheld::WithheldRecord;
use callgate_policy::{
    AskTerms, Charge, Decision, History, Message, Mode, Outcome, Place, Reason, RulePath, Settlement, ShadowVerdict,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What the client sends.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one at a time, on its way to or from a line")]
pub(super) enum Request<'a> {
    /// Charge this decision, and record it.
    Charge {
        number: u64,
        #[serde(borrow)]
        decision: DecisionMessage<'a>,
        #[serde(borrow)]
        about: AboutRecord<'a>,
    },
    /// Say what the history makes of this decision.
    Weigh {
        number: u64,
        #[serde(borrow)]
        decision: DecisionMessage<'a>,
    },
    /// What became of a call that was charged.
    Settle { number: u64, ending: EndingMessage },
    /// Record what was taken out of a list.
    Withheld {
        #[serde(borrow)]
        record: WithheldRecord<'a>,
    },
}

/// What the gateway answers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer<'a> {
    /// The key that arguments are digested under, in hexadecimal. The first line.
    Hello {
        #[serde(borrow)]
        key: Cow<'a, str>,
    },
    /// The call may leave.
    Permit { number: u64, id: DecisionId },
    /// It may not.
    Refused {
        number: u64,
        id: Option<DecisionId>,
        #[serde(borrow)]
        decision: DecisionMessage<'a>,
        unrecorded: Option<String>,
    },
    /// What the history makes of a decision.
    Weighed {
        number: u64,
        #[serde(borrow)]
        decision: DecisionMessage<'a>,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) struct DecisionMessage<'a> {
    #[serde(borrow)]
    outcome: Cow<'a, str>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    rule: Cow<'a, str>,
    #[serde(borrow)]
    place: Option<PlaceRecord<'a>>,
    /// What of the message is recorded.
    #[serde(borrow)]
    message: Cow<'a, str>,
    /// What of it names a value, which only the caller is told.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    value: Cow<'a, str>,
    #[serde(borrow)]
    charges: Vec<ChargeMessage<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    history: Option<HistoryMessage<'a>>,
    #[serde(borrow)]
    shadow: Vec<ShadowRecord<'a>>,
    /// How a person is asked: a flow's answer needs it, and comes from the gateway.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    ask: Option<AskMessage<'a>>,
    retry_after_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ChargeMessage<'a> {
    #[serde(borrow)]
    key: KeyRecord<'a>,
    amount: String,
    max: String,
    #[serde(borrow)]
    rule: Cow<'a, str>,
    #[serde(borrow)]
    place: PlaceRecord<'a>,
    #[serde(borrow)]
    on_deny: Option<Cow<'a, str>>,
    shadow: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct EndingMessage {
    kept: bool,
    result: ResultKind,
    upstream_status: Option<u16>,
    error_code: Option<i64>,
    latency_us: u64,
    bytes: u64,
}

impl<'a> From<&'a Decision> for DecisionMessage<'a> {
    fn from(decision: &'a Decision) -> Self {
        Self {
            outcome: decision.outcome.as_str().into(),
            reason: decision.reason.map(|reason| reason.as_str().into()),
            rule: decision.rule.as_str().into(),
            place: decision.place.as_ref().map(PlaceRecord::from),
            message: decision.message.recorded().into(),
            value: decision.message.value().into(),
            charges: decision.charges.iter().map(ChargeMessage::from).collect(),
            history: decision.history.as_deref().map(HistoryMessage::from),
            shadow: decision.shadow.iter().map(ShadowRecord::from).collect(),
            ask: decision.ask.as_ref().map(AskMessage::from),
            retry_after_ms: decision.retry_after_ms,
        }
    }
}

impl TryFrom<&DecisionMessage<'_>> for Decision {
    type Error = WireError;

    fn try_from(wire: &DecisionMessage<'_>) -> Result<Self, WireError> {
        Ok(Self {
            outcome: outcome(&wire.outcome)?,
            reason: wire.reason.as_deref().map(reason).transpose()?,
            rule: RulePath::new(wire.rule.as_ref()),
            place: wire.place.as_ref().map(Place::from),
            message: Message::naming_value(wire.message.clone().into_owned(), &wire.value),
            charges: wire.charges.iter().map(Charge::try_from).collect::<Result<_, _>>()?,
            history: wire.history.as_ref().map(History::try_from).transpose()?.map(Box::new),
            shadow: wire.shadow.iter().map(shadow).collect::<Result<_, _>>()?,
            ask: wire.ask.as_ref().map(AskTerms::try_from).transpose()?,
            retry_after_ms: wire.retry_after_ms,
        })
    }
}

impl<'a> From<&'a Charge> for ChargeMessage<'a> {
    fn from(charge: &'a Charge) -> Self {
        Self {
            key: (&charge.key).into(),
            amount: charge.amount.to_string(),
            max: charge.max.to_string(),
            rule: charge.rule.as_str().into(),
            place: (&charge.place).into(),
            on_deny: charge.on_deny.as_deref().map(Cow::Borrowed),
            shadow: charge.mode == Mode::Shadow,
        }
    }
}

impl TryFrom<&ChargeMessage<'_>> for Charge {
    type Error = WireError;

    fn try_from(wire: &ChargeMessage<'_>) -> Result<Self, WireError> {
        let amount = decimal(&wire.amount)?;
        if amount.is_negative() {
            return Err(WireError::new("amount that can be charged", &wire.amount));
        }
        Ok(Self {
            key: (&wire.key).try_into()?,
            amount,
            max: decimal(&wire.max)?,
            rule: RulePath::new(wire.rule.as_ref()),
            place: (&wire.place).into(),
            on_deny: wire.on_deny.as_deref().map(Into::into),
            mode: mode(wire.shadow),
        })
    }
}

impl From<&Ending> for EndingMessage {
    fn from(ending: &Ending) -> Self {
        Self {
            kept: ending.settlement == Settlement::Keep,
            result: ending.result,
            upstream_status: ending.upstream_status,
            error_code: ending.error_code,
            latency_us: ending.latency_us,
            bytes: ending.bytes,
        }
    }
}

impl From<&EndingMessage> for Ending {
    fn from(wire: &EndingMessage) -> Self {
        Self {
            settlement: if wire.kept { Settlement::Keep } else { Settlement::GiveBack },
            result: wire.result,
            upstream_status: wire.upstream_status,
            error_code: wire.error_code,
            latency_us: wire.latency_us,
            bytes: wire.bytes,
        }
    }
}

impl<'a> Answer<'a> {
    pub(super) fn refused(number: u64, refused: &'a Refused) -> Self {
        let unrecorded = refused.unrecorded.as_ref().map(ToString::to_string);
        Self::Refused { number, id: refused.id, decision: (&refused.decision).into(), unrecorded }
    }
}

/// A refusal as it came over the wire.
pub(super) fn refused(
    id: Option<DecisionId>,
    decision: &DecisionMessage<'_>,
    unrecorded: Option<String>,
) -> Result<Refused, WireError> {
    Ok(Refused { decision: decision.try_into()?, id, unrecorded: unrecorded.map(RecordError) })
}

fn shadow(wire: &ShadowRecord<'_>) -> Result<ShadowVerdict, WireError> {
    Ok(ShadowVerdict {
        rule: RulePath::new(wire.rule.as_ref()),
        outcome: outcome(&wire.outcome)?,
        reason: reason(&wire.reason)?,
        message: wire.message.as_ref().into(),
    })
}

fn outcome(word: &str) -> Result<Outcome, WireError> {
    let all = [Outcome::Allow, Outcome::Deny, Outcome::Approve];
    all.into_iter().find(|outcome| outcome.as_str() == word).ok_or_else(|| WireError::new("outcome", word))
}

fn reason(word: &str) -> Result<Reason, WireError> {
    let all = [
        Reason::NoPolicy,
        Reason::Hidden,
        Reason::DefaultDeny,
        Reason::NotAllowed,
        Reason::Quarantined,
        Reason::InvalidArguments,
        Reason::Require,
        Reason::DenyIf,
        Reason::Result,
        Reason::Flow,
        Reason::Limit,
        Reason::ApprovalRefused,
        Reason::ApprovalExpired,
        Reason::Fault,
    ];
    all.into_iter().find(|reason| reason.as_str() == word).ok_or_else(|| WireError::new("reason", word))
}
