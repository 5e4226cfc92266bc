//! Explaining: the decision of the N-th identical call at one moment, from empty counters.

use crate::call::{Arguments, Call, Client, Definition, Facts, Grant, Identity, Timestamp};
use crate::decide::decide;
use crate::decision::{Decision, Outcome, Reason, ShadowVerdict};
use crate::ledger::State;
use crate::model::Policy;
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
    /// How many identical calls are made; the last one is explained. At least 1, at most [`MAX_CALLS`].
    pub calls: u32,
}

/// Who calls, and when: one fixed value per scope, so that every scope counts alike.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The moment of all calls.
    pub now: Timestamp,
    organisation: Organisation,
    server: ServerName,
    grant: Grant,
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

    fn facts(&self) -> Facts<'_> {
        Facts {
            now: self.now,
            organisation: &self.organisation,
            grant: &self.grant,
            identity: Some(&self.identity),
            session: Some("explain"),
            client: Some(&self.client),
        }
    }
}

/// The decision of the last of the calls. Earlier ones count as forwarded and still in flight, also where a person has
/// to be asked; the outcome is `Approve` wherever a rule asks and no limit is exhausted.
pub fn explain(question: &Question<'_>, stage: &Stage) -> Decision {
    let call = Call {
        server: &stage.server,
        tool: question.tool,
        arguments: question.arguments.clone(),
        definition: question.definition,
    };
    let mut decision = decide(question.policy, question.baseline, &call, &stage.facts());
    let mut state = State::default();
    // One call at one moment is decided alike however often it is made; only the counters move. Once they refuse, they
    // refuse all the rest.
    let calls = question.calls.clamp(1, MAX_CALLS);
    let mut before = (1..calls).map(|_| state.reserve(&decision.charges, stage.now));
    if !decision.charges.is_empty()
        && let Some(Err(refusal)) = before.find(Result::is_err)
    {
        return decision.refused(refusal);
    }
    match decision.outcome {
        Outcome::Deny => decision,
        Outcome::Approve => match state.look(&decision.charges, stage.now) {
            Ok(()) => decision,
            Err(refusal) => decision.refused(refusal),
        },
        Outcome::Allow => match state.reserve(&decision.charges, stage.now) {
            Ok(receipt) => {
                decision.shadow.extend(receipt.shadow.into_iter().map(|rule| ShadowVerdict {
                    rule,
                    outcome: Outcome::Deny,
                    reason: Reason::Limit,
                    message: "the limit would be exhausted".into(),
                }));
                decision
            }
            Err(refusal) => decision.refused(refusal),
        },
    }
}
