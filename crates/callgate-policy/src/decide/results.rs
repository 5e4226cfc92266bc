//! What came back of a call: whether it may go on, and what is taken out of it first. Pure and total.

use super::entries::Entries;
use super::redact::{self, Edit};
use super::{Case, Denial, Kin, NO_ARGUMENTS, Passed, at, message, weigh};
use crate::call::{Arguments, Call, Facts};
use crate::decision::{Decision, Outcome, Place, Reason, RulePath, ShadowVerdict, Source};
use crate::model::{Mode, Policy, Redact, ResultRules};
use callgate_detect::Detectors;
use callgate_json::Value;
use std::sync::Arc;

/// What a result is of.
#[derive(Clone, Copy, Debug)]
pub enum ResultOf<'a> {
    /// A call of a tool: the rules of its entries apply, and those at the top of the document.
    Call(&'a Call<'a>),
    /// Something else that a client asked for, such as a resource: only those at the top apply. The server's name is of
    /// no matter to them, and is there for messages.
    Other(&'a Call<'a>),
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub struct Returned<'a> {
    /// All of it: what may not be shown is taken out, wherever it stands.
    pub value: &'a Value<'a>,
    /// The result in it, which conditions look at. There is none in an error, and in what a server says before its
    /// answer.
    pub result: Option<&'a Value<'a>>,
}

/// What becomes of a result.
#[derive(Clone, Debug)]
pub struct ResultDecision {
    /// Whether it may go on. The rule is that of the redaction where something is taken out.
    pub decision: Decision,
    /// What is replaced in it, in order.
    pub edits: Vec<Edit>,
    /// How often each detector found something, by its name, sorted.
    pub found: Vec<(Arc<str>, u64)>,
}

impl ResultDecision {
    /// Whether there is nothing to tell of it: it goes on as it came, and no rule in shadow mode says otherwise.
    pub fn is_silent(&self) -> bool {
        self.decision.outcome == Outcome::Allow && self.edits.is_empty() && self.decision.shadow.is_empty()
    }
}

/// Whether any rule would look at the result: where none does, nobody has to read it.
pub fn rules_results(policy: Option<&Policy>, baseline: Option<&Policy>, of: ResultOf<'_>) -> bool {
    let is_broken = [policy, baseline].into_iter().flatten().any(|document| document.broken.is_some());
    is_broken || !rules(policy, baseline, of).is_empty()
}

/// What happens to what came back. `bytes`: how long it was, as it came. Arguments that are no longer known
/// ([`Arguments::Unreadable`]) refuse it where conditions could look at them.
///
/// A baseline's rules apply beside the policy's: what either refuses is refused, what either takes out is taken out.
pub fn decide_result(
    policy: Option<&Policy>,
    baseline: Option<&Policy>,
    of: ResultOf<'_>,
    facts: &Facts<'_>,
    returned: Returned<'_>,
    bytes: usize,
) -> ResultDecision {
    let mut shadow = Vec::new();
    let rules = rules(policy, baseline, of);
    let (ResultOf::Call(call) | ResultOf::Other(call)) = of;
    let arguments = match &call.arguments {
        Arguments::Value(value) => value,
        Arguments::Absent | Arguments::Unreadable(_) => &NO_ARGUMENTS,
    };
    let case = Case { call, facts, arguments, result: Some(returned.result) };
    if let Some(why) = [baseline, policy].into_iter().flatten().find_map(|document| document.broken.as_ref()) {
        let message = format!("the policy can't be used, so nothing that comes back is passed on: {why}");
        return ResultDecision::refused(Denial::new(Reason::Fault, "(no policy)", None, message), shadow);
    }
    let has_conditions = |(_, rules): &(Source, &ResultRules)| !rules.deny_if.is_empty();
    if matches!(call.arguments, Arguments::Unreadable(_)) && rules.iter().any(has_conditions) {
        return ResultDecision::unreadable("the arguments of its call are no longer known");
    }
    for (source, rules) in &rules {
        if let Err(denial) = weigh_all(&case, *source, rules, bytes, &mut shadow) {
            return ResultDecision::refused(denial, shadow);
        }
    }
    take_out(&rules, returned.value, shadow)
}

/// The rules that apply, in their order: of the top of the document, then of its entries.
fn rules<'a>(
    policy: Option<&'a Policy>,
    baseline: Option<&'a Policy>,
    of: ResultOf<'_>,
) -> Vec<(Source, &'a ResultRules)> {
    let mut found = Vec::new();
    for (source, document) in [(Source::Baseline, baseline), (Source::Policy, policy)] {
        let Some(document) = document.filter(|document| document.has_results) else { continue };
        found.extend(document.results.as_ref().map(|rules| (source, rules)));
        if let ResultOf::Call(call) = of {
            let entries = Entries::of(source, document, call.tool, call.definition);
            found.extend(entries.filter_map(|(source, entry)| Some((source, entry.results.as_ref()?))));
        }
    }
    found
}

/// The bound and the conditions of one set of rules.
fn weigh_all(
    case: &Case<'_>,
    source: Source,
    rules: &ResultRules,
    bytes: usize,
    shadow: &mut Vec<ShadowVerdict>,
) -> Result<(), Denial> {
    if let Some(bound) =
        rules.max_bytes.as_ref().filter(|bound| bytes > usize::try_from(bound.most).unwrap_or(usize::MAX))
    {
        let most = bound.most;
        let words =
            || format!("{}: it has {bytes} bytes, and may have {most}", message::refused(case, bound.rule.as_str()));
        let message = rules.on_deny.as_deref().map_or_else(words, str::to_owned);
        let rule = bound.rule.clone();
        enforce(
            rules.mode,
            Denial { reason: Reason::Result, rule, place: Some(at(source, &bound.place)), message: message.into() },
            shadow,
        )?;
    }
    // Of an error, or of what comes before an answer, there is nothing to compare.
    if case.result.flatten().is_none() {
        return Ok(());
    }
    for predicate in &rules.deny_if {
        match weigh(case, source, Kin::Result, predicate, shadow) {
            Ok(_) => {}
            Err(mut denial) => {
                if let (None, Some(words), Reason::Result) = (&predicate.on_deny, &rules.on_deny, denial.reason) {
                    denial.message = words.as_ref().into();
                }
                enforce(rules.mode, denial, shadow)?;
            }
        }
    }
    Ok(())
}

fn enforce(mode: Mode, denial: Denial, shadow: &mut Vec<ShadowVerdict>) -> Result<(), Denial> {
    if mode == Mode::Enforce {
        return Err(denial);
    }
    let Denial { reason, rule, message, .. } = denial;
    shadow.push(ShadowVerdict { rule, outcome: Outcome::Deny, reason, message });
    Ok(())
}

/// Takes out what may not be shown.
fn take_out(rules: &[(Source, &ResultRules)], value: &Value<'_>, mut shadow: Vec<ShadowVerdict>) -> ResultDecision {
    let of = |mode: Mode| {
        let rules = rules.iter().filter(move |(_, rules)| rules.mode == mode);
        rules.filter_map(|(source, rules)| rules.redact.as_ref().map(|redact| (*source, redact)))
    };
    for (_, redact) in of(Mode::Shadow) {
        let (_, found) = redact::edits(&[&redact.detectors], value);
        if !found.is_empty() {
            let rule = redact.rule.clone();
            let message = format!("would take out {}", in_words(&found)).into();
            // Nothing is refused: what goes on would have been another text.
            shadow.push(ShadowVerdict { rule, outcome: Outcome::Allow, reason: Reason::Result, message });
        }
    }
    let enforced: Vec<(Source, &Redact)> = of(Mode::Enforce).collect();
    let mut detectors: Vec<&Detectors> = Vec::new();
    for (_, redact) in &enforced {
        if !detectors.iter().any(|known| known.covers(&redact.detectors)) {
            detectors.push(&redact.detectors);
        }
    }
    let (edits, found) = redact::edits(&detectors, value);
    let mut decision = Passed { approval: None, charges: Vec::new(), history: None }.into_decision(shadow);
    let finder = |name: &str| enforced.iter().find(|(_, redact)| redact.detectors.has(name));
    if let Some((source, redact)) = found.first().and_then(|(name, _)| finder(name)) {
        decision.rule = redact.rule.clone();
        decision.place = Some(at(*source, &redact.place));
        decision.message = format!("{} taken out", in_words(&found)).into();
    }
    ResultDecision { decision, edits, found }
}

/// `2 email, 1 github-token`
fn in_words(found: &[(Arc<str>, u64)]) -> String {
    found.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

impl ResultDecision {
    fn refused(denial: Denial, shadow: Vec<ShadowVerdict>) -> Self {
        Self { decision: denial.into_decision(shadow), edits: Vec::new(), found: Vec::new() }
    }

    /// A result that may not go on because a rule has to look at it and can't: it can't be read.
    pub fn unreadable(why: &str) -> Self {
        let message = format!("a rule has to look at what came back, and it can't be read: {why}");
        let rule = RulePath::new("(unreadable)");
        let place: Option<Place> = None;
        Self::refused(Denial { reason: Reason::Fault, rule, place, message: message.into() }, Vec::new())
    }
}
