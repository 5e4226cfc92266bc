//! Explaining: the decision of the N-th identical call at one moment, from empty counters and what was called before.

use crate::call::{Arguments, Call, Client, Definition, Facts, Grant, Identity, Timestamp};
use crate::decide::decide;
use crate::decision::{Decision, Outcome, Reason, ShadowVerdict};
use crate::ledger::{Settlement, State};
use crate::model::{FlowScope, Policy};
use crate::names::{GrantId, NameError, Organisation, ServerName};
use std::collections::BTreeMap;

/// Most identical calls that are played through.
pub const MAX_CALLS: u32 = 1_000_000;

/// A call to explain.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The policy; `None` is a grant without one.
    pub policy: Option<&'a Policy>,
    /// The organisation's baseline, where there is one.
    pub baseline: Option<&'a Policy>,
    /// The tool.
    pub tool: &'a str,
    /// The arguments.
    pub arguments: Arguments<'a>,
    /// The tool's definition, which counts as pinned.
    pub definition: Option<&'a Definition>,
    /// The calls before, in order, by the same grant in the same session.
    pub after: &'a [Earlier<'a>],
    /// How many identical calls are made; the last one is explained. At least 1, at most [`MAX_CALLS`].
    pub calls: u32,
}

/// A call before the ones to explain.
#[derive(Clone, Debug)]
pub struct Earlier<'a> {
    /// The tool.
    pub tool: &'a str,
    /// The arguments.
    pub arguments: Arguments<'a>,
    /// The tool's definition, which counts as pinned.
    pub definition: Option<&'a Definition>,
}

/// Who calls, and when: one fixed value per scope, so that every scope counts alike.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The moment of all calls.
    pub now: Timestamp,
    organisation: Organisation,
    server: ServerName,
    pub(crate) grant: Grant,
    identity: Identity,
    client: Client,
}

impl Stage {
    /// The stage with a grant of this label. The names are fixed; an error would be a defect of this crate.
    pub fn new(label: &str, now: Timestamp) -> Result<Self, NameError> {
        Ok(Self {
            now,
            organisation: Organisation::parse("explain")?,
            server: ServerName::parse("explain")?,
            grant: Grant { id: GrantId::parse("explain")?, label: label.to_owned(), tags: BTreeMap::new() },
            identity: Identity { subject: "explain".into(), claims: "{}".into() },
            client: Client { name: "explain".into(), version: String::new() },
        })
    }

    /// The same stage, whose grant has these tags.
    #[must_use]
    pub fn tagged(mut self, tags: BTreeMap<String, String>) -> Self {
        self.grant.tags = tags;
        self
    }

    /// The grant, with a value for every tag that a flow joins grants by.
    fn grant(&self, question: &Question<'_>) -> Grant {
        let mut grant = self.grant.clone();
        for flow in [question.policy, question.baseline].into_iter().flatten().flat_map(|policy| &policy.flows) {
            if let FlowScope::Tag(key) = flow.scope() {
                grant.tags.entry(key.to_string()).or_insert_with(|| "explain".into());
            }
        }
        grant
    }

    /// A call on this stage.
    pub(crate) fn call<'a>(
        &'a self,
        tool: &'a str,
        arguments: Arguments<'a>,
        definition: Option<&'a Definition>,
    ) -> Call<'a> {
        Call { server: &self.server, tool, arguments, definition }
    }

    /// The facts around calls on this stage.
    pub(crate) fn facts<'s>(&'s self, grant: &'s Grant) -> Facts<'s> {
        Facts {
            now: self.now,
            organisation: &self.organisation,
            grant,
            identity: Some(&self.identity),
            session: Some("explain"),
            client: Some(&self.client),
            trace: Some("explain"),
        }
    }
}

/// The decision of the last of the calls. Earlier ones count as forwarded and still in flight, also where a person has
/// to be asked; the outcome is `Approve` wherever a rule asks and no limit is exhausted. What was called before all of
/// them counts as completed, and leaves nothing where it is denied.
pub fn explain(question: &Question<'_>, stage: &Stage) -> Decision {
    let grant = stage.grant(question);
    let decided = |tool, arguments: &Arguments<'_>, definition| {
        let call = stage.call(tool, arguments.clone(), definition);
        decide(question.policy, question.baseline, &call, &stage.facts(&grant))
    };
    let mut state = State::default();
    for earlier in question.after {
        let decision = decided(earlier.tool, &earlier.arguments, earlier.definition);
        if decision.outcome == Outcome::Deny {
            continue;
        }
        if let Ok(receipt) = state.suppose(&decision, stage.now) {
            state.settle(&receipt, Settlement::Keep, stage.now);
            state.complete(&receipt, stage.now);
        }
    }
    let decision = decided(question.tool, &question.arguments, question.definition);
    // One call at one moment is decided alike however often it is made; only counters and history move. Once they
    // refuse, they refuse all the rest.
    let is_moving = !decision.charges.is_empty() || decision.history.is_some();
    let calls = if is_moving { question.calls.clamp(1, MAX_CALLS) } else { 1 };
    let mut before = (1..calls).map(|_| state.suppose(&decision, stage.now));
    if let Some(Err(refusal)) = before.find(Result::is_err) {
        return decision.refused(refusal);
    }
    let (mut decision, receipt) = state.admit(decision, stage.now);
    decision.shadow.extend(receipt.into_iter().flat_map(|receipt| receipt.shadow).map(|rule| ShadowVerdict {
        rule,
        outcome: Outcome::Deny,
        reason: Reason::Limit,
        message: "the limit would be exhausted".into(),
    }));
    decision
}
