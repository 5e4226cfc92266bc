#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]
//! Rules over what comes back: what is taken out, what is refused, what only would have been.

use callgate_policy::suite;
use callgate_policy::{
    Arguments, Call, Facts, Grant, GrantId, Organisation, Outcome, Policy, Reason, ResultDecision, ResultOf, Returned,
    ServerName, Timestamp, decide_result, rules_results,
};
use std::collections::BTreeMap;

fn policy(text: &str) -> Policy {
    Policy::parse(text.as_bytes()).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

struct Stage {
    server: ServerName,
    organisation: Organisation,
    grant: Grant,
}

impl Stage {
    fn new() -> Self {
        Self {
            server: ServerName::parse("s").unwrap(),
            organisation: Organisation::parse("o").unwrap(),
            grant: Grant { id: GrantId::parse("g").unwrap(), label: "l".into(), tags: BTreeMap::new() },
        }
    }

    fn judge(&self, policy: Option<&Policy>, baseline: Option<&Policy>, tool: &str, result: &str) -> ResultDecision {
        let limits = callgate_json::Limits::default();
        let arguments = callgate_json::parse(br#"{"url":"http://a","n":7}"#, &limits).unwrap();
        let call = Call { server: &self.server, tool, arguments: Arguments::Value(&arguments), definition: None };
        let of = if tool.is_empty() { ResultOf::Other(&call) } else { ResultOf::Call(&call) };
        let facts = Facts {
            now: Timestamp(0),
            organisation: &self.organisation,
            grant: &self.grant,
            identity: None,
            session: None,
            client: None,
            trace: None,
        };
        let (result, is_aside) = match result.strip_prefix("aside ") {
            Some(rest) => (rest, true),
            None => (result, false),
        };
        let value = callgate_json::parse(result.as_bytes(), &limits).unwrap();
        let returned = Returned { value: &value, result: (!is_aside).then_some(&value) };
        let judged = decide_result(policy, baseline, of, &facts, returned, result.len());
        assert!(judged.is_silent() || rules_results(policy, baseline, of));
        assert!(judged.decision.charges.is_empty() && judged.decision.ask.is_none());
        judged
    }
}

/// The text with its edits.
fn edited(result: &str, judged: &ResultDecision) -> String {
    let mut kept = String::new();
    let mut at = 0;
    for edit in &judged.edits {
        kept.push_str(&result[at..edit.span.start]);
        kept.push_str(&edit.json);
        at = edit.span.end;
    }
    kept + &result[at..]
}

fn under(rules: &str) -> Policy {
    policy(&format!(r#"{{"version":"1","default":"allow","tools":{{"t":{{"results":{rules}}}}}}}"#))
}

/// With a search per key, and one per number that is taken, this would not end.
#[test]
fn any_number_of_keys_that_become_one_are_told_apart() {
    const MANY: usize = 30_000;
    let rules = under(r#"{"redact":["email"]}"#);
    let keys = (0..MANY).map(|number| format!(r#""u{number}@acme.io":0,"[REDACTED:email]#{number}":0"#));
    let result = format!("{{{}}}", keys.collect::<Vec<_>>().join(","));
    let judged = Stage::new().judge(Some(&rules), None, "t", &result);
    assert_eq!(judged.edits.len(), MANY);
    let kept: BTreeMap<String, u8> = serde_json::from_str(&edited(&result, &judged)).unwrap();
    assert_eq!(kept.len(), 2 * MANY, "no key is there twice");
    assert_eq!(judged.edits[0].json, r#""[REDACTED:email]""#);
    assert_eq!(judged.edits[1].json, format!(r#""[REDACTED:email]#{MANY}""#));
}

#[test]
fn what_is_taken_out_is_replaced_in_its_place_and_nothing_else_changes() {
    let stage = Stage::new();
    let rules = under(r#"{"redact":["email","payment-card","us-ssn",{"name":"customer","regex":"C-[0-9]{6}"}]}"#);
    for (result, expected, found) in [
        (r#" { "a" : "nothing" , "b":[1,2.50,null,true] } "#, None, ""),
        (r#"{"text":"x@acme.io, y@acme.io"}"#, Some(r#"{"text":"[REDACTED:email], [REDACTED:email]"}"#), "2 email"),
        (r#"{"a" : "C\u002d123456" ,"b":1e2}"#, Some(r#"{"a" : "[REDACTED:customer]" ,"b":1e2}"#), "1 customer"),
        (r#"{"\u0078@acme.io":{"x":1}}"#, Some(r#"{"[REDACTED:email]":{"x":1}}"#), "1 email"),
        // Two keys that would be the same are told apart.
        (
            r#"{"a@acme.io":1,"b@acme.io":2,"[REDACTED:email]":3}"#,
            Some(r#"{"[REDACTED:email]#2":1,"[REDACTED:email]#3":2,"[REDACTED:email]":3}"#),
            "2 email",
        ),
        (r#"{"card":4111111111111111,"n":12}"#, Some(r#"{"card":"[REDACTED:payment-card]","n":12}"#), "1 payment-card"),
        (r#"{"q":"say \"x@acme.io\" é"}"#, Some(r#"{"q":"say \"[REDACTED:email]\" é"}"#), "1 email"),
        (
            r#"{"content":[{"type":"image","data":"C-123456"},{"type":"text","data":"C-123456"}]}"#,
            Some(r#"{"content":[{"type":"image","data":"C-123456"},{"type":"text","data":"[REDACTED:customer]"}]}"#),
            "1 customer",
        ),
        (
            r#"{"contents":[{"uri":"a:b","blob":"C-123456"},{"uri":"a:C-123456"}]}"#,
            Some(r#"{"contents":[{"uri":"a:b","blob":"C-123456"},{"uri":"a:[REDACTED:customer]"}]}"#),
            "1 customer",
        ),
        (
            r#"{"requestState":"C-123456","task":{"taskId":"C-123456","statusMessage":"C-123456"},"_meta":{"io.modelcontextprotocol/x":"C-123456","io.modelcontextprotocol/related-task":{"taskId":"C-123456"}}}"#,
            Some(
                r#"{"requestState":"C-123456","task":{"taskId":"C-123456","statusMessage":"[REDACTED:customer]"},"_meta":{"io.modelcontextprotocol/x":"[REDACTED:customer]","io.modelcontextprotocol/related-task":{"taskId":"C-123456"}}}"#,
            ),
            "2 customer",
        ),
        // Names of the protocol in what a tool says, and texts where they would be bytes, are words like any other.
        (
            r#"{"structuredContent":{"method":"C-123456","requestId":{"a":"C-123456"},"nextCursor":"C-123456"}}"#,
            Some(
                r#"{"structuredContent":{"method":"[REDACTED:customer]","requestId":{"a":"[REDACTED:customer]"},"nextCursor":"[REDACTED:customer]"}}"#,
            ),
            "3 customer",
        ),
        (
            r#"{"structuredContent":{"uri":"a","blob":"C-123456","b":{"type":"image","data":"C-123456"},"io.modelcontextprotocol/x":"C-123456"}}"#,
            Some(
                r#"{"structuredContent":{"uri":"a","blob":"[REDACTED:customer]","b":{"type":"image","data":"[REDACTED:customer]"},"io.modelcontextprotocol/x":"[REDACTED:customer]"}}"#,
            ),
            "3 customer",
        ),
        (
            r#"{"requestState":["C-123456"],"nextCursor":{"a":"C-123456"},"content":[{"type":"image","data":["C-123456"]},{"uri":"a","blob":"C-123456"}]}"#,
            Some(
                r#"{"requestState":["[REDACTED:customer]"],"nextCursor":{"a":"[REDACTED:customer]"},"content":[{"type":"image","data":["[REDACTED:customer]"]},{"uri":"a","blob":"[REDACTED:customer]"}]}"#,
            ),
            "4 customer",
        ),
        (
            r#"{"result":{"content":[{"type":"resource","resource":{"uri":"a:b","blob":"C-123456"}}],"structuredContent":{"taskId":"C-123456"}}}"#,
            Some(
                r#"{"result":{"content":[{"type":"resource","resource":{"uri":"a:b","blob":"C-123456"}}],"structuredContent":{"taskId":"[REDACTED:customer]"}}}"#,
            ),
            "1 customer",
        ),
        (
            r#"{"inputRequests":{"q":{"method":"C-123456","params":{"elicitationId":"C-123456","message":"C-123456"}}}}"#,
            Some(
                r#"{"inputRequests":{"q":{"method":"C-123456","params":{"elicitationId":"C-123456","message":"[REDACTED:customer]"}}}}"#,
            ),
            "1 customer",
        ),
        (
            r#"aside {"level":"info","data":{"type":"image","data":"C-123456"}}"#,
            Some(r#"{"level":"info","data":{"type":"image","data":"[REDACTED:customer]"}}"#),
            "1 customer",
        ),
        (
            r#"aside {"code":-1,"message":"C-123456"}"#,
            Some(r#"{"code":-1,"message":"[REDACTED:customer]"}"#),
            "1 customer",
        ),
    ] {
        let judged = stage.judge(Some(&rules), None, "t", result);
        let bare = result.strip_prefix("aside ").unwrap_or(result);
        assert_eq!(edited(bare, &judged), expected.unwrap_or(bare), "{result}");
        let counts: Vec<String> = judged.found.iter().map(|(name, count)| format!("{count} {name}")).collect();
        assert_eq!(counts.join(", "), found, "{result}");
        let rule = if expected.is_some() { "/tools/t/results/redact" } else { "" };
        assert_eq!((judged.decision.outcome, judged.decision.rule.as_str()), (Outcome::Allow, rule));
        assert!(!judged.decision.message.contains("acme") && judged.is_silent() == expected.is_none());
    }
}

#[test]
fn what_is_refused_names_the_rule_and_no_value() {
    let stage = Stage::new();
    let rules = under(
        r#"{"max_bytes":60,"deny_if":[
            {"conditions":[{"path":"result.content[*].text","op":"contains","value":"stop"}]},
            {"conditions":[{"path":"result.structuredContent.n","op":"gt","value":10},{"path":"args.n","op":"eq","value":7}],"on_deny":"too many"},
            {"conditions":[{"op":"cel","value":"has(result.flag) && result.flag && args.n == 7"}]}]}"#,
    );
    for (result, expected) in [
        (r#"{"content":[{"text":"go"}]}"#, ""),
        (
            r#"{"content":[{"text":"go"},{"text":"please stop"}]}"#,
            "result /tools/t/results/deny_if/result.content[*].text-contains",
        ),
        // What a rule can't read does not pass by.
        (r#"{"content":"stop"}"#, "result /tools/t/results/deny_if/result.content[*].text-contains"),
        (r#"{"structuredContent":{"n":11}}"#, "result /tools/t/results/deny_if/result.structuredContent.n-gt"),
        (r#"{"structuredContent":{"n":10}}"#, ""),
        (r#"{"flag":true}"#, "result /tools/t/results/deny_if/cel"),
        (r#"{"flag":7}"#, "fault /tools/t/results/deny_if/cel"),
        (r#"{"structuredContent":"0123456789012345678901234567890123456789"}"#, "result /tools/t/results/max_bytes"),
        // An error has no result to compare.
        (r#"aside {"code":1,"message":"stop"}"#, ""),
        (
            r#"aside {"code":1,"message":"0123456789012345678901234567890123456789"}"#,
            "result /tools/t/results/max_bytes",
        ),
    ] {
        let judged = stage.judge(Some(&rules), None, "t", result);
        let reason = judged.decision.reason.map(Reason::as_str).unwrap_or_default();
        assert_eq!(format!("{reason} {}", judged.decision.rule).trim(), expected, "{result}");
        assert_eq!(judged.decision.outcome == Outcome::Deny, !expected.is_empty(), "{result}");
        assert!(!judged.decision.message.contains("please") && judged.edits.is_empty());
    }
    assert_eq!(stage.judge(Some(&rules), None, "t", r#"{"structuredContent":{"n":11}}"#).decision.message, "too many");
}

#[test]
fn rules_of_the_top_of_entries_and_of_the_baseline_add_up() {
    let stage = Stage::new();
    let own = policy(
        r#"{"version":"1","default":"allow","results":{"redact":["email"],"max_bytes":200},
            "all_tools":{"results":{"redact":["us-ssn"]}},"categories":{"read":{"results":{"redact":["iban"]}}},
            "tools":{"a_*":{"results":{"redact":[{"name":"x","regex":"XX"}]}},"a_b":{"results":{"max_bytes":100}}}}"#,
    );
    let baseline = policy(r#"{"version":"1","default":"allow","results":{"redact":["payment-card"]}}"#);
    let result = r#"["XX","a@acme.io","123-45-6789","4111111111111111","DE89370400440532013000"]"#;
    for (tool, base, expected) in [
        ("a_b", true, "email iban payment-card us-ssn x"),
        ("a_b", false, "email iban us-ssn x"),
        ("b", false, "email iban us-ssn"),
        // A resource or a prompt has no entry.
        ("", true, "email payment-card"),
    ] {
        let judged = stage.judge(Some(&own), base.then_some(&baseline), tool, result);
        let found: Vec<&str> = judged.found.iter().map(|(name, _)| &**name).collect();
        assert_eq!(found.join(" "), expected, "{tool}");
    }
    let long = format!("\"{}\"", "-".repeat(120));
    assert_eq!(stage.judge(Some(&own), None, "a_b", &long).decision.rule.as_str(), "/tools/a_b/results/max_bytes");
    assert_eq!(stage.judge(Some(&own), None, "b", &long).decision.outcome, Outcome::Allow);
    let broken = Policy::refuse_all("it is broken");
    assert_eq!(stage.judge(Some(&broken), None, "b", "{}").decision.reason, Some(Reason::Fault));
}

#[test]
fn what_no_rule_looks_at_is_left_alone() {
    let stage = Stage::new();
    let rules = under(r#"{"redact":["secrets"]}"#);
    let call = |tool| Call { server: &stage.server, tool, arguments: Arguments::Absent, definition: None };
    assert!(rules_results(Some(&rules), None, ResultOf::Call(&call("t"))));
    assert!(!rules_results(Some(&rules), None, ResultOf::Call(&call("u"))));
    assert!(!rules_results(Some(&rules), None, ResultOf::Other(&call(""))));
    assert!(!rules_results(None, None, ResultOf::Call(&call("t"))));
    let plain = policy(r#"{"version":"1","default":"allow"}"#);
    assert!(!rules_results(Some(&plain), None, ResultOf::Call(&call("t"))));
}

#[test]
fn shadow_is_told_and_changes_nothing() {
    let stage = Stage::new();
    let rules = under(
        r#"{"mode":"shadow","redact":["email"],"max_bytes":30,"deny_if":[{"conditions":[{"path":"result.a","op":"exists"}]}]}"#,
    );
    let result = r#"{"a":"x@acme.io, and y@acme.io too"}"#;
    let judged = stage.judge(Some(&rules), None, "t", result);
    assert_eq!(edited(result, &judged), result);
    assert_eq!((judged.decision.outcome, judged.decision.rule.as_str()), (Outcome::Allow, ""));
    let told: Vec<(&str, Outcome)> =
        judged.decision.shadow.iter().map(|one| (one.rule.as_str(), one.outcome)).collect();
    assert_eq!(
        told,
        [
            ("/tools/t/results/max_bytes", Outcome::Deny),
            ("/tools/t/results/deny_if/result.a-exists", Outcome::Deny),
            ("/tools/t/results/redact", Outcome::Allow),
        ]
    );
    assert_eq!(judged.decision.shadow[2].message, "would take out 2 email");
    assert!(!judged.is_silent());
}

#[test]
fn tests_of_a_document_judge_results() {
    let text = include_str!("documents/good/results.json");
    let report = suite::run(&policy(text), |_| None);
    for test in &report.tests {
        assert!(test.passed(), "{}: {:?} {:?}", test.name, test.got, test.redacts);
    }
    assert_eq!(report.tests.len(), 5);
    let other = text.replace(r#""redacts": ["email", "customer"]"#, r#""redacts": ["email"]"#);
    let report = suite::run(&policy(&other), |_| None);
    assert_eq!(report.failed(), 1);
    assert!(!report.tests[0].passed());
}
