//! The decision: one call against one policy, and the organisation's baseline. Pure and total.

mod beyond;
mod charges;
mod conditions;
mod entries;
mod flows;
mod listing;
mod message;
mod needs;
mod outlook;
mod redact;
mod results;
mod subject;

pub use beyond::{decide_reach, reaches};
pub(crate) use needs::of_condition;
pub use outlook::{Outlook, ToolRule, Treatment};
pub use redact::Edit;
pub use results::{ResultDecision, ResultOf, Returned, decide_result, rules_results};

use crate::call::{Arguments, Call, Definition, Facts};
use crate::decision::{Decision, Outcome, Place, Reason, RulePath, ShadowVerdict, Source};
use crate::history::History;
use crate::ledger::Charge;
use crate::message::Message;
use crate::model::{Ask, AskTerms, Entry, Mode, Policy, Predicate, Unlisted};
use crate::operator::Mismatch;
use callgate_json::{Kind, Value};
use entries::Entries;
use std::sync::LazyLock;

/// The arguments of a call that has none.
static NO_ARGUMENTS: Value<'static> =
    Value { kind: Kind::Object(Vec::new()), span: callgate_json::Span { start: 0, end: 0 } };
static NO_RULE: LazyLock<RulePath> = LazyLock::new(|| RulePath::new(""));

/// What happens to the call, before its charges are reserved (policy language section 1, steps 1 to 8, and the charges
/// of step 9).
///
/// No policy denies. An outcome of `Approve` carries its charges too, so that the caller can look whether the limits
/// leave room before it asks a person. What flows ask of the history is in the decision and answered by
/// [`State::admit`](crate::State::admit), which may deny it or make it `Approve`.
pub fn decide(policy: Option<&Policy>, baseline: Option<&Policy>, call: &Call<'_>, facts: &Facts<'_>) -> Decision {
    let mut shadow = Vec::new();
    match judge(policy, baseline, call, facts, &mut shadow) {
        Ok(passed) => passed.into_decision(shadow),
        Err(denial) => denial.into_decision(shadow),
    }
}

/// One call under judgement.
struct Case<'a> {
    call: &'a Call<'a>,
    facts: &'a Facts<'a>,
    arguments: &'a Value<'a>,
    /// What came back, once it did; nothing inside where it is an error.
    result: Option<Option<&'a Value<'a>>>,
}

/// Why a call is denied.
struct Denial {
    reason: Reason,
    rule: RulePath,
    place: Option<Place>,
    message: Message,
}

/// A call that nothing denies.
struct Passed {
    /// The rule that asks for a person, and how.
    approval: Option<(Denial, AskTerms)>,
    charges: Vec<Charge>,
    history: Option<Box<History>>,
}

/// Which list a predicate stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kin {
    Require,
    DenyIf,
    ApproveIf,
    /// `deny_if` of rules over results.
    Result,
}

impl Denial {
    fn new(reason: Reason, rule: &str, place: Option<Place>, message: String) -> Self {
        Self { reason, rule: RulePath::new(rule), place, message: message.into() }
    }

    fn into_decision(self, shadow: Vec<ShadowVerdict>) -> Decision {
        Decision {
            outcome: Outcome::Deny,
            reason: Some(self.reason),
            rule: self.rule,
            place: self.place,
            message: self.message,
            charges: Vec::new(),
            history: None,
            shadow,
            ask: None,
            retry_after_ms: None,
        }
    }
}

impl Passed {
    fn into_decision(self, shadow: Vec<ShadowVerdict>) -> Decision {
        let mut decision = Decision {
            outcome: Outcome::Allow,
            reason: None,
            rule: NO_RULE.clone(),
            place: None,
            message: Message::default(),
            charges: self.charges,
            history: self.history,
            shadow,
            ask: None,
            retry_after_ms: None,
        };
        if let Some((rule, ask)) = self.approval {
            decision.outcome = Outcome::Approve;
            decision.rule = rule.rule;
            decision.place = rule.place;
            decision.message = rule.message;
            decision.ask = Some(ask);
        }
        decision
    }
}

/// The steps in their order; the first denial ends them.
fn judge(
    policy: Option<&Policy>,
    baseline: Option<&Policy>,
    call: &Call<'_>,
    facts: &Facts<'_>,
    shadow: &mut Vec<ShadowVerdict>,
) -> Result<Passed, Denial> {
    let Some(policy) = policy else {
        let message = "no policy is attached to this grant, so every call is denied".to_owned();
        return Err(Denial::new(Reason::NoPolicy, "(no policy)", None, message));
    };
    let documents = [baseline.map(|baseline| (Source::Baseline, baseline)), Some((Source::Policy, policy))];
    for (_, document) in documents.iter().flatten() {
        if let Some(why) = &document.broken {
            let message = format!("the policy can't be used, so every call is denied: {why}");
            return Err(Denial::new(Reason::Fault, "(no policy)", None, message));
        }
    }
    let mut entries = Entries::default();
    reach(&documents, call, &mut entries)?;
    if call.definition.is_some_and(|definition| definition.quarantined) {
        let message = format!(
            "the definition of `{}` is new or has changed, so a person has to approve it before it is called",
            named(call)
        );
        return Err(Denial::new(Reason::Quarantined, "(quarantined)", None, message));
    }
    let case = Case { call, facts, arguments: readable(call)?, result: None };
    validate(&case, &entries)?;
    for kin in [Kin::Require, Kin::DenyIf] {
        for (source, entry) in entries.iter() {
            for predicate in kin.list(entry) {
                weigh(&case, source, kin, predicate, shadow)?;
            }
        }
    }
    let history = flows::of(&case, documents.iter().flatten(), shadow)?;
    let mut approval: Option<(Denial, AskTerms)> = None;
    for (source, entry) in entries.iter() {
        for predicate in &entry.approve_if {
            if let Some(asked) = weigh(&case, source, Kin::ApproveIf, predicate, shadow)? {
                approval = Some(match approval {
                    Some((first, terms)) => (first, terms.strictest(&predicate.ask)),
                    None => (asked, predicate.ask.clone()),
                });
            }
        }
    }
    Ok(Passed { approval, charges: charges::of(&case, &entries, shadow)?, history })
}

/// Steps 2 and 3: whether the tool can be reached at all; finds the entries that apply to it.
fn reach<'a>(
    documents: &[Option<(Source, &'a Policy)>],
    call: &Call<'a>,
    entries: &mut Entries<'a>,
) -> Result<(), Denial> {
    for (source, document) in documents.iter().flatten() {
        if let Some(place) = document.hide.find(call.tool) {
            let message = format!("there is no tool `{}` here", named(call));
            return Err(Denial::new(Reason::Hidden, "(hidden)", Some(at(*source, place)), message));
        }
    }
    for (source, document) in documents.iter().flatten() {
        let is_listed = entries.extend(*source, document, call.tool, call.definition);
        if !is_listed && document.default == Unlisted::Deny {
            let message = format!("`{}` is not on the list of allowed tools", named(call));
            let place = document.default_place.as_ref().map(|place| at(*source, place));
            return Err(Denial::new(Reason::DefaultDeny, "(default deny)", place, message));
        }
    }
    Ok(())
}

/// The arguments, where they can be read in one way only.
fn readable<'a>(call: &'a Call<'_>) -> Result<&'a Value<'a>, Denial> {
    let invalid = |why: String| Denial::new(Reason::InvalidArguments, "(invalid arguments)", None, why);
    match &call.arguments {
        Arguments::Absent => Ok(&NO_ARGUMENTS),
        Arguments::Unreadable(error) => Err(invalid(format!("the arguments can't be read: {error}"))),
        Arguments::Value(value) if !value.is_object() => {
            Err(invalid(format!("the arguments have to be an object, not `{}`", value.type_name())))
        }
        Arguments::Value(value) => match conditions::inexact(value) {
            None => Ok(value),
            Some(error) => Err(invalid(format!("the arguments can't be read: {error}"))),
        },
    }
}

/// Step 5: the arguments against the pinned schema, where an entry asks for it.
fn validate(case: &Case<'_>, entries: &Entries<'_>) -> Result<(), Denial> {
    let on = |entry: &Entry| entry.validate_arguments.as_ref().is_some_and(|toggle| toggle.on);
    let Some((source, entry)) = entries.iter().find(|(_, entry)| on(entry)) else {
        return Ok(());
    };
    let Some(toggle) = &entry.validate_arguments else {
        return Ok(());
    };
    let denial = |reason, message: String| Denial {
        reason,
        rule: toggle.rule.clone(),
        place: Some(at(source, &toggle.place)),
        message: message.into(),
    };
    check_schema(case.call.definition, case.arguments).map_err(|mismatch| match mismatch {
        Mismatch::Invalid(why) => denial(
            Reason::InvalidArguments,
            format!("the arguments don't match the schema of `{}`: {why}", named(case.call)),
        ),
        Mismatch::Fault(why) => denial(Reason::Fault, message::fault(toggle.rule.as_str(), &why)),
    })
}

fn check_schema(definition: Option<&Definition>, arguments: &Value<'_>) -> Result<(), Mismatch> {
    let fault = |why: &str| Mismatch::Fault(why.to_owned());
    let definition = definition.ok_or_else(|| fault("the tool has no pinned definition"))?;
    let schema = definition.input_schema.as_deref().ok_or_else(|| fault("the tool has no `inputSchema`"))?;
    let unusable = |why| Mismatch::Fault(format!("the tool's `inputSchema` can't be used: {why}"));
    definition.compiled.compile(schema).map_err(unusable)?;
    definition.compiled.check(arguments)
}

/// One predicate. `Ok(Some)` is an `approve_if` that fires; in shadow mode nothing leaves here but a verdict.
fn weigh(
    case: &Case<'_>,
    source: Source,
    kin: Kin,
    predicate: &Predicate,
    shadow: &mut Vec<ShadowVerdict>,
) -> Result<Option<Denial>, Denial> {
    let denial = |reason, message: Message| Denial {
        reason,
        rule: predicate.rule.clone(),
        place: Some(at(source, &predicate.place)),
        message,
    };
    let holds = conditions::hold(case, predicate, kin != Kin::Require);
    let (found, outcome) = match (holds, kin) {
        (Err(why), _) => (denial(Reason::Fault, message::fault(predicate.rule.as_str(), &why).into()), Outcome::Deny),
        (Ok(held), Kin::Require) if !held.holds() => {
            (denial(Reason::Require, message::required(case, predicate, &held)), Outcome::Deny)
        }
        (Ok(held), Kin::DenyIf) if held.holds() => {
            (denial(Reason::DenyIf, message::denied(case, predicate)), Outcome::Deny)
        }
        (Ok(held), Kin::Result) if held.holds() => {
            (denial(Reason::Result, message::returned(case, predicate)), Outcome::Deny)
        }
        (Ok(held), Kin::ApproveIf) if held.holds() => {
            (denial(Reason::ApprovalRefused, message::asked(case, predicate)), Outcome::Approve)
        }
        _ => return Ok(None),
    };
    match (predicate.mode, outcome) {
        (Mode::Shadow, outcome) => {
            let Denial { reason, rule, message, .. } = found;
            shadow.push(ShadowVerdict { rule, outcome, reason, message });
            Ok(None)
        }
        (Mode::Enforce, Outcome::Approve) => Ok(Some(found)),
        (Mode::Enforce, _) => Err(found),
    }
}

impl AskTerms {
    /// Terms of two rules that ask about one call: how and how long as the first says, and as careful as either. Where only
    /// one lets the caller's own user answer, somebody else has to.
    pub(crate) fn strictest(self, other: &Self) -> Self {
        let remember_for_ms = match (self.remember_for_ms, other.remember_for_ms) {
            (Some(first), Some(second)) => Some(first.min(second)),
            _ => None,
        };
        let four_eyes = self.four_eyes || other.four_eyes;
        let include_arguments = self.include_arguments && other.include_arguments;
        let (ask, hold_for_ms) = match self.ask {
            Ask::Client => (other.ask, other.hold_for_ms),
            Ask::Retry | Ask::Hold => (self.ask, self.hold_for_ms),
        };
        Self { timeout_ms: self.timeout_ms, ask, hold_for_ms, four_eyes, remember_for_ms, include_arguments }
    }
}

impl Kin {
    fn list(self, entry: &Entry) -> &[Predicate] {
        match self {
            Self::Require => &entry.require,
            Self::DenyIf => &entry.deny_if,
            Self::ApproveIf => &entry.approve_if,
            Self::Result => entry.results.as_ref().map_or(&[], |rules| &rules.deny_if),
        }
    }
}

/// The place in the document that the rule came from: a document does not know that it serves as a baseline.
fn at(source: Source, place: &Place) -> Place {
    Place { source, ..place.clone() }
}

/// The tool's name, fit for a message.
fn named(call: &Call<'_>) -> String {
    message::shorten(call.tool)
}
