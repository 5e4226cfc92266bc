#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]
//! Defects seen in other gateways' engines, each as it was met there.

use callgate_json::{Decimal, Limits, parse};
use callgate_policy::{
    Arguments, Call, CounterKey, Decision, Facts, Grant, GrantId, Organisation, Policy, Reason, ServerName, Settlement,
    State, Timestamp, decide,
};
use std::collections::BTreeMap;

const NOON: Timestamp = Timestamp(1_767_268_800_000);

fn decided(policy: &str, tool: &str, arguments: &str, now: Timestamp) -> Decision {
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    let organisation = Organisation::parse("acme").unwrap();
    let server = ServerName::parse("kernel").unwrap();
    let grant = Grant { id: GrantId::parse("g-1").unwrap(), label: String::new(), tags: BTreeMap::new() };
    let parsed = parse(arguments.as_bytes(), &Limits::default());
    let arguments = match &parsed {
        Ok(value) => Arguments::Value(value),
        Err(error) => Arguments::Unreadable(error.clone()),
    };
    let call = Call { server: &server, tool, arguments, definition: None };
    let facts = Facts {
        now,
        organisation: &organisation,
        grant: &grant,
        identity: None,
        session: None,
        client: None,
        trace: None,
    };
    decide(Some(&policy), None, &call, &facts)
}

fn spending(max: &str) -> String {
    format!(
        r#"{{"version":"1","default":"allow","tools":{{"pay":{{"limits":[{{"counter":"spend","window":"minute","max":{max},
            "scope":"grant","increment_from":"args.amount"}}]}}}}}}"#
    )
}

fn keys(decision: &Decision) -> Vec<CounterKey> {
    decision.charges.iter().map(|charge| charge.key.clone()).collect()
}

#[test]
fn a_negative_amount_refunds_nothing() {
    let refused = decided(&spending("100"), "pay", r#"{"amount":-1000}"#, NOON);
    assert_eq!(refused.reason, Some(Reason::Fault));
    assert!(refused.charges.is_empty());
}

#[test]
fn a_fraction_is_charged_as_it_is() {
    let mut state = State::default();
    let call = decided(&spending("99"), "pay", r#"{"amount":0.99}"#, NOON);
    assert_eq!(call.charges[0].amount, "0.99".parse::<Decimal>().unwrap());
    for _ in 0..100 {
        state.reserve(&call.charges, NOON).unwrap();
    }
    let refusal = state.reserve(&call.charges, NOON).unwrap_err();
    assert_eq!(refusal.reason, Reason::Limit);
    assert_eq!(state.snapshot(NOON)[0].amount, Decimal::from(99));
}

#[test]
fn a_call_that_did_not_run_is_given_back() {
    let mut state = State::default();
    let call = decided(&spending("10"), "pay", r#"{"amount":10}"#, NOON);
    let receipt = state.reserve(&call.charges, NOON).unwrap();
    assert!(state.look(&call.charges, NOON).is_err());
    state.settle(&receipt, Settlement::GiveBack, NOON);
    assert!(state.reserve(&call.charges, NOON).is_ok());
}

#[test]
fn a_late_give_back_does_not_lower_the_next_window() {
    let mut state = State::default();
    let call = decided(&spending("10"), "pay", r#"{"amount":10}"#, NOON);
    let receipt = state.reserve(&call.charges, NOON).unwrap();
    let next = Timestamp(NOON.0 + 60_000);
    state.reserve(&call.charges, next).unwrap();
    state.settle(&receipt, Settlement::GiveBack, next);
    assert!(state.look(&call.charges, next).is_err());
}

#[test]
fn counter_keys_do_not_collide_through_dots() {
    let policy = r#"{"version":"1","default":"allow","tools":{
        "a":{"limits":[{"counter":"b.c","window":"minute","max":1,"scope":"grant"}]},
        "a.b":{"limits":[{"counter":"c","window":"minute","max":1,"scope":"grant"}]}}}"#;
    let first = decided(policy, "a", "{}", NOON);
    let second = decided(policy, "a.b", "{}", NOON);
    assert_ne!(keys(&first), keys(&second));
    let mut state = State::default();
    state.reserve(&first.charges, NOON).unwrap();
    state.reserve(&second.charges, NOON).unwrap();
}

#[test]
fn deny_if_with_regex_on_an_array_fires() {
    let policy = r#"{"version":"1","default":"allow","tools":{"exec":{"deny_if":[{"conditions":[
        {"path":"args.command","op":"regex","value":"rm"}]}]}}}"#;
    assert_eq!(decided(policy, "exec", r#"{"command":["rm","-rf"]}"#, NOON).reason, Some(Reason::DenyIf));
    assert_eq!(decided(policy, "exec", r#"{"command":["ls"]}"#, NOON).reason, Some(Reason::DenyIf));
    assert_eq!(decided(policy, "exec", r#"{"command":"ls"}"#, NOON).reason, None);
}

#[test]
fn eq_does_not_compare_printed_forms() {
    let policy = r#"{"version":"1","default":"allow","tools":{"a":{"require":[{"conditions":[
        {"path":"args.x","op":"eq","value":true}]}]}}}"#;
    assert_eq!(decided(policy, "a", r#"{"x":"true"}"#, NOON).reason, Some(Reason::Require));
    assert_eq!(decided(policy, "a", r#"{"x":true}"#, NOON).reason, None);
}

#[test]
fn arguments_that_are_an_array_are_not_forwarded_unevaluated() {
    let policy = r#"{"version":"1","default":"allow"}"#;
    assert_eq!(decided(policy, "a", r#"["rm"]"#, NOON).reason, Some(Reason::InvalidArguments));
}
