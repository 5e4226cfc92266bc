//! The library of attacks: every policy is valid, and what enables an attack is read off the tools.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_catalog::{Attack, Classification, Tool, attacks, attacks_on, attacks_with, classify};
use callgate_policy::{Definition, Policy, suite};

fn classes(tools: &str) -> Vec<Classification> {
    Tool::from_list(tools.as_bytes()).unwrap().iter().map(classify).collect()
}

fn ids(attacks: &[&Attack]) -> Vec<&'static str> {
    attacks.iter().map(|attack| attack.id).collect()
}

#[test]
fn every_policy_is_valid_and_passes_its_own_tests() {
    for attack in attacks() {
        let policy = Policy::parse(attack.policy.as_bytes()).unwrap_or_else(|e| panic!("{}: {e:?}", attack.id));
        let report = suite::run(&policy, |_| None::<&Definition>);
        let failed: Vec<_> = report.tests.iter().filter(|test| !test.passed()).collect();
        assert!(failed.is_empty(), "{}: {failed:#?}", attack.id);
        assert!(policy.warnings().is_empty(), "{}: {:?}", attack.id, policy.warnings());
        assert!(!attack.how.is_empty() && !attack.stops.is_empty() && !attack.steps.is_empty(), "{}", attack.id);
    }
}

#[test]
fn a_chain_needs_a_tool_for_each_of_its_steps() {
    let read = r#"{"name":"search_customers","description":"Searches customers."}"#;
    let send = r#"{"name":"send_email","description":"Sends an email."}"#;
    let alone = classes(&format!("[{read}]"));
    let both = classes(&format!("[{read},{send}]"));
    assert!(!ids(&attacks_on(&alone)).contains(&"exfiltration-by-chaining"));
    assert!(ids(&attacks_on(&both)).contains(&"exfiltration-by-chaining"));
    assert!(ids(&attacks_with(&alone[0])).contains(&"exfiltration-by-chaining"));
}

#[test]
fn what_any_tool_enables_is_said_of_the_server_and_not_of_each_tool() {
    let weather = classes(r#"[{"name":"get_weather","description":"Reports the weather of a city."}]"#);
    assert_eq!(ids(&attacks_with(&weather[0])), <[&str; 0]>::default());
    assert_eq!(ids(&attacks_on(&weather)), ["tool-poisoning", "rug-pull", "typosquatting", "compromised-package"]);
    let delete = classes(r#"[{"name":"pay","description":"Pays an invoice."}]"#);
    assert_eq!(ids(&attacks_with(&delete[0])), ["indirect-injection", "confused-deputy", "runaway-loops"]);
}
