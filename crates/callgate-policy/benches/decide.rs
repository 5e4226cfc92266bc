#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark stops at the first surprise")]
//! What a decision costs, with 10 and with 10,000 tools in the document.

use callgate_json::{Limits, Value, parse};
use callgate_policy::{
    Arguments, Call, Facts, Grant, GrantId, Organisation, Policy, ServerName, Settlement, State, Timestamp, decide,
};
use divan::{Bencher, black_box};
use std::collections::BTreeMap;

const SIZES: [usize; 2] = [10, 10_000];

fn main() {
    divan::main();
}

/// A policy with `tools` entries, every tenth a pattern, around the three that are called.
fn policy(tools: usize) -> Policy {
    let limit = r#"{"counter":"c","window":"minute","max":1000000000,"scope":"grant"}"#;
    let mut entries: Vec<String> = vec![
        format!(r#""limited":{{"limits":[{limit}]}}"#),
        format!(
            r#""ruled":{{"require":[{{"conditions":[{{"path":"args.repo","op":"in","value":["a/b","c/d"]}}]}}],
               "deny_if":[{{"conditions":[{{"path":"args.command","op":"regex","value":"\\brm\\b"}}]}}],"limits":[{limit}]}}"#
        ),
        r#""denied":{"deny_if":[{"conditions":[{"path":"args.amount","op":"gt","value":100}]}]}"#.to_owned(),
    ];
    for index in entries.len()..tools {
        let star = if index % 10 == 0 { "_*" } else { "" };
        entries.push(format!(r#""other_{index}{star}":{{"limits":[{limit}]}}"#));
    }
    let text = format!(r#"{{"version":"1","default":"deny","tools":{{{}}}}}"#, entries.join(","));
    Policy::parse(text.as_bytes()).unwrap()
}

struct Scene {
    policy: Policy,
    server: ServerName,
    organisation: Organisation,
    grant: Grant,
}

impl Scene {
    fn new(tools: usize) -> Self {
        Self {
            policy: policy(tools),
            server: ServerName::parse("kernel").unwrap(),
            organisation: Organisation::parse("acme").unwrap(),
            grant: Grant { id: GrantId::parse("g-1").unwrap(), label: "agent".into(), tags: BTreeMap::new() },
        }
    }

    fn call<'a>(&'a self, tool: &'a str, arguments: &'a Value<'a>) -> (Call<'a>, Facts<'a>) {
        let call = Call { server: &self.server, tool, arguments: Arguments::Value(arguments), definition: None };
        let facts = Facts {
            now: Timestamp(1_767_268_800_000),
            organisation: &self.organisation,
            grant: &self.grant,
            identity: None,
            session: None,
            client: None,
            trace: None,
        };
        (call, facts)
    }
}

fn measure(bencher: Bencher<'_, '_>, tools: usize, tool: &str, arguments: &str) {
    let scene = Scene::new(tools);
    let arguments = parse(arguments.as_bytes(), &Limits::default()).unwrap();
    let (call, facts) = scene.call(tool, &arguments);
    bencher.bench_local(|| decide(Some(black_box(&scene.policy)), None, black_box(&call), black_box(&facts)));
}

#[divan::bench(args = SIZES)]
fn limit_only(bencher: Bencher<'_, '_>, tools: usize) {
    measure(bencher, tools, "limited", r#"{"command":"ls","args":["-l"]}"#);
}

#[divan::bench(args = SIZES)]
fn argument_rules(bencher: Bencher<'_, '_>, tools: usize) {
    measure(bencher, tools, "ruled", r#"{"repo":"c/d","command":"ls -l /tmp"}"#);
}

#[divan::bench(args = SIZES)]
fn denied_by_a_rule(bencher: Bencher<'_, '_>, tools: usize) {
    measure(bencher, tools, "denied", r#"{"amount":101}"#);
}

#[divan::bench(args = SIZES)]
fn denied_as_unlisted(bencher: Bencher<'_, '_>, tools: usize) {
    measure(bencher, tools, "elsewhere", "{}");
}

#[divan::bench]
fn reserve_and_settle(bencher: Bencher<'_, '_>) {
    let scene = Scene::new(10);
    let arguments = parse(b"{}", &Limits::default()).unwrap();
    let (call, facts) = scene.call("limited", &arguments);
    let decision = decide(Some(&scene.policy), None, &call, &facts);
    let mut state = State::default();
    bencher.bench_local(|| {
        let receipt = state.reserve(black_box(&decision.charges), facts.now).unwrap();
        state.settle(&receipt, Settlement::Keep, facts.now);
    });
}
