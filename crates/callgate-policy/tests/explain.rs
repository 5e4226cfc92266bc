#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]
//! Explanations, the tests inside a document, and what a policy makes of a tool before anyone calls it.

use callgate_json::{Limits, parse};
use callgate_policy::suite::{self, TestResult};
use callgate_policy::{
    Arguments, Category, Decision, Definition, Outcome, Policy, Question, Reason, Stage, Timestamp, explain,
};

const NOON: Timestamp = Timestamp(1_767_268_800_000);

fn read(text: &str) -> Policy {
    Policy::parse(text.as_bytes()).unwrap_or_else(|problems| panic!("{problems}"))
}

fn explained(policy: &Policy, tool: &str, arguments: &str, calls: u32) -> Decision {
    let value = parse(arguments.as_bytes(), &Limits::default()).unwrap();
    let arguments = Arguments::Value(&value);
    let question =
        Question { policy: Some(policy), baseline: None, tool, arguments, definition: None, after: &[], calls };
    explain(&question, &Stage::new("agent", NOON).unwrap())
}

const POLICY: &str = r#"{"version":"1","default":"deny","tools":{
    "exec":{"limits":[{"counter":"rate","window":"minute","max":10,"scope":"grant"}]},
    "pay":{"approve_if":[{"conditions":[{"path":"args.amount","op":"gt","value":5}],"four_eyes":true}],
           "limits":[{"counter":"pay","window":"day","max":2,"scope":"identity"}]},
    "watched":{"limits":[{"counter":"w","window":"day","max":1,"scope":"session","mode":"shadow"}]},
    "free":{},
    "flight":{"limits":[{"counter":"f","concurrent":true,"max":3,"scope":"server"}]}},
  "tests":[
    {"name":"tenth","calls":10,"tool":"exec","args":{"command":"ls"},"expect":"allow"},
    {"name":"eleventh","calls":11,"tool":"exec","args":{"command":"ls"},"expect":"deny","rule":"/tools/exec/limits/rate"},
    {"name":"wrong outcome","tool":"other","expect":"allow"},
    {"name":"wrong rule","tool":"other","expect":"deny","rule":"/tools/other"},
    {"name":"asks","tool":"pay","args":{"amount":6},"expect":"approve","rule":"/tools/pay/approve_if/args.amount-gt"}]}"#;

#[test]
fn the_nth_call_at_one_moment() {
    let policy = read(POLICY);
    let outcome = |tool, arguments, calls| explained(&policy, tool, arguments, calls).outcome;
    assert_eq!(outcome("exec", "{}", 10), Outcome::Allow);
    assert_eq!(outcome("exec", "{}", 11), Outcome::Deny);
    assert_eq!(outcome("exec", "{}", u32::MAX), Outcome::Deny);
    assert_eq!(outcome("exec", "{}", 0), Outcome::Allow);
    assert_eq!(outcome("free", "{}", u32::MAX), Outcome::Allow);
    assert_eq!(outcome("flight", "{}", 3), Outcome::Allow);
    assert_eq!(outcome("flight", "{}", 4), Outcome::Deny);
    let refused = explained(&policy, "exec", "{}", 11);
    assert_eq!(refused.reason, Some(Reason::Limit));
    assert_eq!(refused.retry_after_ms, Some(60_000));
    assert_eq!(refused.place.unwrap().pointer.as_ref(), "/tools/exec/limits/0");
}

#[test]
fn approve_wherever_a_rule_asks_and_no_limit_is_exhausted() {
    let policy = read(POLICY);
    let second = explained(&policy, "pay", r#"{"amount":6}"#, 2);
    assert_eq!(second.outcome, Outcome::Approve);
    assert_eq!(second.charges.len(), 1);
    assert!(second.ask.is_some());
    let third = explained(&policy, "pay", r#"{"amount":6}"#, 3);
    assert_eq!((third.outcome, third.reason), (Outcome::Deny, Some(Reason::Limit)));
    assert!(third.ask.is_none());
}

#[test]
fn a_shadow_limit_is_told_and_not_enforced() {
    let policy = read(POLICY);
    assert!(explained(&policy, "watched", "{}", 1).shadow.is_empty());
    let second = explained(&policy, "watched", "{}", 2);
    assert_eq!(second.outcome, Outcome::Allow);
    assert_eq!(second.shadow[0].rule.as_str(), "/tools/watched/limits/w");
}

#[test]
fn the_documents_own_tests() {
    let report = suite::run(&read(POLICY), |_| None);
    let passed: Vec<_> = report.tests.iter().map(TestResult::passed).collect();
    assert_eq!(passed, [true, true, false, false, true]);
    assert_eq!((report.passed(), report.failed()), (3, 2));
    assert_eq!(report.tests[3].got.as_ref().unwrap().rule.as_str(), "(default deny)");
    assert_eq!(report.tests[1].pointer.as_ref(), "/tests/1");
}

#[test]
fn what_a_policy_lists() {
    let policy = read(
        r#"{"version":"1","default":"deny","list":"callable","hide":["secret*"],
        "all_tools":{"deny_if":[{"conditions":[{"path":"tool.category","op":"eq","value":"destructive"}]}]},
        "categories":{"read":{}},
        "tools":{"ok":{},"glob_*":{},"secret_ok":{},"never":{"deny_if":[{"conditions":[]}]},
          "shadowed":{"deny_if":[{"conditions":[],"mode":"shadow"}]},
          "zero":{"limits":[{"counter":"z","window":"day","max":0,"scope":"grant"}]},
          "sometimes":{"deny_if":[{"conditions":[{"path":"args.x","op":"exists"}]}]},
          "named":{"require":[{"conditions":[{"path":"tool.name","op":"eq","value":"else"}]}]},
          "counted":{"limits":[{"counter":"c","window":"day","max":5,"scope":"grant","increment_from":"args.n"}]},
          "checked":{"validate_arguments":true}}}"#,
    );
    let known =
        |category| Definition { category: Some(category), input_schema: Some("{}".into()), ..Definition::default() };
    let table = [
        ("ok", Some(Category::Write), true),
        ("ok", Some(Category::Destructive), false),
        // The rule on the category can't be answered for an unpinned tool, and denies.
        ("ok", None, false),
        ("glob_x", Some(Category::Write), true),
        ("secret_ok", Some(Category::Write), false),
        ("never", Some(Category::Write), false),
        ("shadowed", Some(Category::Write), true),
        ("zero", Some(Category::Write), false),
        ("sometimes", Some(Category::Write), true),
        ("named", Some(Category::Write), false),
        ("counted", Some(Category::Write), true),
        ("checked", Some(Category::Write), true),
        ("unlisted", Some(Category::Write), false),
        ("unlisted", Some(Category::Read), true),
    ];
    for (tool, category, expected) in table {
        assert_eq!(policy.listed(tool, category.map(known).as_ref()), expected, "{tool} {category:?}");
    }
    let changed = Definition { quarantined: true, ..known(Category::Write) };
    assert!(!policy.listed("ok", Some(&changed)));
    assert!(policy.hides("secret") && policy.hides("secret_ok") && !policy.hides("ok"));
    assert!(policy.lists("ok") && policy.lists("glob_") && !policy.lists("unlisted"));
    for (tool, looks) in [("ok", false), ("sometimes", true), ("counted", true), ("checked", true), ("zero", false)] {
        assert_eq!(policy.looks_at_arguments(tool), looks, "{tool}");
    }
    let plain = read(r#"{"version":"1","default":"deny","tools":{}}"#);
    assert!(plain.listed("anything", None), "`default: deny` does not shorten the list");
    assert!(!Policy::refuse_all("broken").listed("anything", None));
}

#[test]
fn policies_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Policy>();
    shared::<Definition>();
}
