#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]
//! The laws of the language (policy language section 9), over generated policies, calls and interleavings.

mod laws {
    pub(crate) mod ledger;
    pub(crate) mod policies;
}

use callgate_json::{Limits, parse};
use callgate_policy::{
    Arguments, Call, Category, Decision, Definition, Facts, Grant, GrantId, Label, Marked, Organisation, Outcome,
    Policy, Receipt, ServerName, Settlement, State, Timestamp, decide,
};
use laws::policies::{Addition, arguments, document, tool};
use proptest::prelude::*;
use std::collections::BTreeMap;

const NOW: Timestamp = Timestamp(1_767_268_800_000);

/// A call: its tool, and its arguments as they are sent.
type Made = (String, String);

/// What `then` gives for the decision of one call.
fn decided<R>(
    policy: &Policy,
    baseline: Option<&Policy>,
    tool: &str,
    raw: &[u8],
    then: impl FnOnce(Decision) -> R,
) -> R {
    let organisation = Organisation::parse("acme").unwrap();
    let server = ServerName::parse("s").unwrap();
    let tags = BTreeMap::from([("agent".to_owned(), "a1".to_owned())]);
    let grant = Grant { id: GrantId::parse("g").unwrap(), label: "l".into(), tags };
    let parsed = parse(raw, &Limits::default());
    let arguments = match &parsed {
        Ok(value) => Arguments::Value(value),
        Err(error) => Arguments::Unreadable(error.clone()),
    };
    let labels = if tool.starts_with('a') { vec![Label::Egress] } else { Vec::new() };
    let known = Definition { category: Some(Category::Read), labels, ..Definition::default() };
    // Of one tool nobody knows what it is.
    let definition = Some(&known).filter(|_| tool != "c");
    let call = Call { server: &server, tool, arguments, definition };
    let facts = Facts {
        now: NOW,
        organisation: &organisation,
        grant: &grant,
        identity: None,
        session: None,
        client: None,
        trace: Some("t"),
    };
    then(decide(Some(policy), baseline, &call, &facts))
}

/// What is there after the calls: every one that the first policy lets leave is completed. The second knows of the same
/// calls, as far as it looks at the history.
fn after(policy: &Policy, also: Option<&Policy>, calls: &[Made]) -> State {
    let mut state = State::default();
    for (tool, raw) in calls {
        let (_, receipt) = decided(policy, None, tool, raw.as_bytes(), |decision| state.admit(decision, NOW));
        let Some(receipt) = receipt else { continue };
        state.settle(&receipt, Settlement::Keep, NOW);
        state.complete(&receipt, NOW);
        let more = also.and_then(|also| decided(also, None, tool, raw.as_bytes(), |decision| decision.history));
        for imprint in more.iter().flat_map(|history| &history.imprints) {
            let marked = Marked { key: imprint.key.clone(), grant: None, keep_ms: imprint.keep_ms, at: NOW };
            state.begin(&marked);
            let receipt = Receipt { marks: vec![marked], ..Receipt::default() };
            state.settle(&receipt, Settlement::Keep, NOW);
            state.complete(&receipt, NOW);
        }
    }
    state
}

/// The final decision of a call in a state, after `before` identical ones that are in flight.
fn finally_in(
    mut state: State,
    policy: &Policy,
    baseline: Option<&Policy>,
    tool: &str,
    raw: &[u8],
    before: u32,
) -> Decision {
    decided(policy, baseline, tool, raw, |decision| {
        for _ in 0..before {
            let _ = state.reserve(&decision.charges, NOW);
        }
        state.admit(decision, NOW).0
    })
}

fn finally(policy: &Policy, baseline: Option<&Policy>, tool: &str, raw: &[u8], before: u32) -> Decision {
    finally_in(State::default(), policy, baseline, tool, raw, before)
}

fn calls() -> impl Strategy<Value = Vec<Made>> {
    proptest::collection::vec((tool(), arguments()), 0..4)
}

fn read(text: &str) -> Policy {
    Policy::parse(text.as_bytes()).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

proptest! {
    #[test]
    fn any_bytes_for_a_document_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Policy::parse(&bytes);
    }

    #[test]
    fn any_bytes_for_a_call_give_an_answer(
        policy in document(),
        tool in any::<String>(),
        raw in prop_oneof![proptest::collection::vec(any::<u8>(), 0..80), arguments().prop_map(String::into_bytes)],
    ) {
        let decision = finally(&read(&policy.text()), None, &tool, &raw, 0);
        prop_assert_eq!(decision.reason.is_some(), decision.outcome == Outcome::Deny);
        prop_assert!(decision.outcome != Outcome::Deny || decision.charges.is_empty());
        prop_assert_eq!(decision.ask.is_some(), decision.outcome == Outcome::Approve);
    }

    #[test]
    fn equal_input_gives_equal_decisions(
        policy in document(), calls in calls(), tool in tool(), raw in arguments(), before in 0u32..4,
    ) {
        let policy = read(&policy.text());
        let decide = || finally_in(after(&policy, None, &calls), &policy, None, &tool, raw.as_bytes(), before);
        prop_assert_eq!(format!("{:?}", decide()), format!("{:?}", decide()));
    }

    #[test]
    fn an_added_restriction_never_allows_what_was_denied(
        policy in document(),
        addition in any::<Addition>(),
        calls in calls(),
        tool in tool(),
        raw in arguments(),
        before in 0u32..4,
    ) {
        let mut stricter = policy.clone();
        addition.apply(&mut stricter);
        let (policy, stricter) = (read(&policy.text()), read(&stricter.text()));
        let state = after(&policy, Some(&stricter), &calls);
        let was = finally_in(state.clone(), &policy, None, &tool, raw.as_bytes(), before);
        let is = finally_in(state, &stricter, None, &tool, raw.as_bytes(), before);
        prop_assert!(
            was.outcome != Outcome::Deny || is.outcome == Outcome::Deny,
            "{} then {}", policy.print(), stricter.print()
        );
    }

    #[test]
    fn a_policy_without_flows_leaves_no_history(policy in document(), calls in calls()) {
        let policy = read(&policy.without_flows().text());
        prop_assert!(after(&policy, None, &calls).marks(NOW).is_empty());
    }

    #[test]
    fn a_yes_lets_leave_what_only_waited_for_it(
        policy in document(), calls in calls(), tool in tool(), raw in arguments(),
    ) {
        let policy = read(&policy.text());
        let mut state = after(&policy, None, &calls);
        let asked = finally_in(state.clone(), &policy, None, &tool, raw.as_bytes(), 0);
        let (is, receipt) =
            decided(&policy, None, &tool, raw.as_bytes(), |decision| state.admit(decision.approved(), NOW));
        prop_assert_eq!(is.outcome == Outcome::Deny, asked.outcome == Outcome::Deny);
        prop_assert_eq!(is.outcome == Outcome::Allow, receipt.is_some());
    }

    #[test]
    fn a_baseline_never_allows_what_the_policy_denies(
        policy in document(), baseline in document(), tool in tool(), raw in arguments(),
    ) {
        let alone = finally(&read(&policy.text()), None, &tool, raw.as_bytes(), 0);
        let both = finally(&read(&policy.text()), Some(&read(&baseline.text())), &tool, raw.as_bytes(), 0);
        let rank = |outcome| match outcome { Outcome::Allow => 0, Outcome::Approve => 1, Outcome::Deny => 2 };
        prop_assert!(rank(both.outcome) >= rank(alone.outcome));
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same_rules(policy in document()) {
        let policy = read(&policy.text());
        prop_assert_eq!(&read(&policy.print()), &policy);
    }

    #[test]
    fn shadow_rules_change_no_outcome(
        policy in document(), calls in calls(), tool in tool(), raw in arguments(), before in 0u32..4,
    ) {
        let mut shadowed = policy.clone();
        shadowed.shadow();
        let (policy, shadowed) = (read(&policy.text()), read(&shadowed.text()));
        let state = |policy| after(policy, None, &calls);
        let plain = finally_in(state(&policy), &policy, None, &tool, raw.as_bytes(), before);
        let shadowed = finally_in(state(&shadowed), &shadowed, None, &tool, raw.as_bytes(), before);
        prop_assert_eq!((plain.outcome, plain.reason, plain.rule), (shadowed.outcome, shadowed.reason, shadowed.rule));
    }

    #[test]
    fn listing_callable_hides_nothing_that_a_call_could_reach(policy in document(), tool in tool(), raw in arguments()) {
        let mut callable = policy.clone();
        callable.list_callable = true;
        let callable = read(&callable.text());
        let decision = finally(&callable, None, &tool, raw.as_bytes(), 0);
        prop_assert!(decision.outcome == Outcome::Deny || callable.listed(&tool, None), "{}", policy.text());
    }
}
