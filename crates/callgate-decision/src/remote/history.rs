//! What a call has to do with the history, on the local socket.

use crate::marks::MarkKeyRecord;
use crate::record::PlaceRecord;
use crate::wire::{WireError, mode};
use callgate_policy::{Ask, AskTerms, Check, FlowVerdict, GrantId, History, Imprint, Mode, RulePath};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Serialize, Deserialize)]
pub(super) struct HistoryMessage<'a> {
    #[serde(borrow)]
    checks: Vec<CheckMessage<'a>>,
    #[serde(borrow)]
    imprints: Vec<ImprintMessage<'a>>,
}

#[derive(Serialize, Deserialize)]
struct CheckMessage<'a> {
    #[serde(borrow)]
    key: MarkKeyRecord<'a>,
    within_ms: Option<u64>,
    #[serde(borrow)]
    verdict: Cow<'a, str>,
    #[serde(borrow)]
    ask: Option<AskMessage<'a>>,
    #[serde(borrow)]
    rule: Cow<'a, str>,
    #[serde(borrow)]
    place: PlaceRecord<'a>,
    #[serde(borrow)]
    on_deny: Option<Cow<'a, str>>,
    shadow: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    asked: bool,
}

#[derive(Serialize, Deserialize)]
struct ImprintMessage<'a> {
    #[serde(borrow)]
    key: MarkKeyRecord<'a>,
    #[serde(borrow)]
    grant: Cow<'a, str>,
    keep_ms: u64,
    #[serde(borrow)]
    rule: Cow<'a, str>,
    #[serde(borrow)]
    place: PlaceRecord<'a>,
    required: bool,
    shadow: bool,
}

/// How a person is asked.
#[derive(Serialize, Deserialize)]
pub(super) struct AskMessage<'a> {
    timeout_ms: Option<u64>,
    #[serde(borrow)]
    ask: Cow<'a, str>,
    hold_for_ms: Option<u64>,
    four_eyes: bool,
    remember_for_ms: Option<u64>,
    include_arguments: bool,
}

impl<'a> From<&'a History> for HistoryMessage<'a> {
    fn from(history: &'a History) -> Self {
        let check = |check: &'a Check| CheckMessage {
            key: (&check.key).into(),
            within_ms: check.within_ms,
            verdict: verdict_word(&check.verdict).into(),
            ask: match &check.verdict {
                FlowVerdict::Approve(terms) => Some(terms.into()),
                FlowVerdict::Deny | FlowVerdict::Require => None,
            },
            rule: check.rule.as_str().into(),
            place: (&check.place).into(),
            on_deny: check.on_deny.as_deref().map(Cow::Borrowed),
            shadow: check.mode == Mode::Shadow,
            asked: check.has_asked,
        };
        let imprint = |imprint: &'a Imprint| ImprintMessage {
            key: (&imprint.key).into(),
            grant: imprint.grant.as_str().into(),
            keep_ms: imprint.keep_ms,
            rule: imprint.rule.as_str().into(),
            place: (&imprint.place).into(),
            required: imprint.is_required,
            shadow: imprint.mode == Mode::Shadow,
        };
        Self {
            checks: history.checks.iter().map(check).collect(),
            imprints: history.imprints.iter().map(imprint).collect(),
        }
    }
}

impl TryFrom<&HistoryMessage<'_>> for History {
    type Error = WireError;

    fn try_from(wire: &HistoryMessage<'_>) -> Result<Self, WireError> {
        let check = |wire: &CheckMessage<'_>| {
            Ok(Check {
                key: (&wire.key).try_into()?,
                within_ms: wire.within_ms,
                verdict: verdict(&wire.verdict, wire.ask.as_ref())?,
                rule: RulePath::new(wire.rule.as_ref()),
                place: (&wire.place).into(),
                on_deny: wire.on_deny.as_deref().map(Into::into),
                mode: mode(wire.shadow),
                has_asked: wire.asked,
            })
        };
        let imprint = |wire: &ImprintMessage<'_>| {
            Ok(Imprint {
                key: (&wire.key).try_into()?,
                grant: GrantId::parse(&wire.grant).map_err(|_| WireError::new("grant", &wire.grant))?,
                keep_ms: wire.keep_ms,
                rule: RulePath::new(wire.rule.as_ref()),
                place: (&wire.place).into(),
                is_required: wire.required,
                mode: mode(wire.shadow),
            })
        };
        Ok(Self {
            checks: wire.checks.iter().map(check).collect::<Result<_, _>>()?,
            imprints: wire.imprints.iter().map(imprint).collect::<Result<_, _>>()?,
        })
    }
}

fn verdict_word(verdict: &FlowVerdict) -> &'static str {
    match verdict {
        FlowVerdict::Deny => "deny",
        FlowVerdict::Approve(_) => "approve",
        FlowVerdict::Require => "require",
    }
}

fn verdict(word: &str, ask: Option<&AskMessage<'_>>) -> Result<FlowVerdict, WireError> {
    Ok(match (word, ask) {
        ("deny", None) => FlowVerdict::Deny,
        ("approve", Some(ask)) => FlowVerdict::Approve(ask.try_into()?),
        ("require", None) => FlowVerdict::Require,
        (other, _) => return Err(WireError::new("verdict of a flow", other)),
    })
}

impl From<&AskTerms> for AskMessage<'_> {
    fn from(terms: &AskTerms) -> Self {
        Self {
            timeout_ms: terms.timeout_ms(),
            ask: terms.ask().as_str().into(),
            hold_for_ms: terms.hold_for_ms(),
            four_eyes: terms.four_eyes(),
            remember_for_ms: terms.remember_for_ms(),
            include_arguments: terms.include_arguments(),
        }
    }
}

impl TryFrom<&AskMessage<'_>> for AskTerms {
    type Error = WireError;

    fn try_from(wire: &AskMessage<'_>) -> Result<Self, WireError> {
        let ask = Ask::parse(&wire.ask).ok_or_else(|| WireError::new("way to ask", &wire.ask))?;
        let (eyes, arguments) = (wire.four_eyes, wire.include_arguments);
        Ok(Self::new(ask, (wire.timeout_ms, wire.hold_for_ms, wire.remember_for_ms), (eyes, arguments)))
    }
}
