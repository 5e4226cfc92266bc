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
    Arguments, Call, Decision, Facts, Grant, GrantId, Organisation, Outcome, Policy, ServerName, State, Timestamp,
    decide,
};
use laws::policies::{Addition, arguments, document, tool};
use proptest::prelude::*;
use std::collections::BTreeMap;

const NOW: Timestamp = Timestamp(1_767_268_800_000);

/// The final decision of a call after `before` identical ones, and what the counters hold then.
fn finally(policy: &Policy, baseline: Option<&Policy>, tool: &str, raw: &[u8], before: u32) -> Decision {
    let organisation = Organisation::parse("acme").unwrap();
    let server = ServerName::parse("s").unwrap();
    let grant = Grant { id: GrantId::parse("g").unwrap(), label: "l".into(), tags: BTreeMap::new() };
    let parsed = parse(raw, &Limits::default());
    let arguments = match &parsed {
        Ok(value) => Arguments::Value(value),
        Err(error) => Arguments::Unreadable(error.clone()),
    };
    let call = Call { server: &server, tool, arguments, definition: None };
    let facts =
        Facts { now: NOW, organisation: &organisation, grant: &grant, identity: None, session: None, client: None };
    let decision = decide(Some(policy), baseline, &call, &facts);
    let mut state = State::default();
    for _ in 0..before {
        let _ = state.reserve(&decision.charges, NOW);
    }
    match state.look(&decision.charges, NOW) {
        Ok(()) => decision,
        Err(refusal) => decision.refused(refusal),
    }
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
    fn equal_input_gives_equal_decisions(policy in document(), tool in tool(), raw in arguments(), before in 0u32..4) {
        let policy = read(&policy.text());
        let first = finally(&policy, None, &tool, raw.as_bytes(), before);
        let second = finally(&policy, None, &tool, raw.as_bytes(), before);
        prop_assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }

    #[test]
    fn an_added_restriction_never_allows_what_was_denied(
        policy in document(), addition in any::<Addition>(), tool in tool(), raw in arguments(), before in 0u32..4,
    ) {
        let was = finally(&read(&policy.text()), None, &tool, raw.as_bytes(), before);
        let mut stricter = policy.clone();
        addition.apply(&mut stricter);
        let is = finally(&read(&stricter.text()), None, &tool, raw.as_bytes(), before);
        prop_assert!(
            was.outcome != Outcome::Deny || is.outcome == Outcome::Deny,
            "{} then {}", policy.text(), stricter.text()
        );
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
    fn shadow_rules_change_no_outcome(policy in document(), tool in tool(), raw in arguments(), before in 0u32..4) {
        let plain = finally(&read(&policy.text()), None, &tool, raw.as_bytes(), before);
        let mut shadowed = policy.clone();
        shadowed.shadow();
        let shadowed = finally(&read(&shadowed.text()), None, &tool, raw.as_bytes(), before);
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
