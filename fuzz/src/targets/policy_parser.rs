//! Policy documents: any bytes give an answer, and what can be read prints back to itself.

use crate::runner::Target;
use callgate_policy::{
    Definition, Outcome, Policy, Reach, ReachKind, Severity, advise, convert, decide_reach, reaches,
};

pub(crate) const TARGET: Target = Target {
    name: "policy-parser",
    corpus: &[
        "crates/callgate-policy/tests/documents/good",
        "crates/callgate-policy/tests/documents/bad",
        "crates/callgate-policy/tests/documents/intercept",
    ],
    seeds: &[b"{\"version\":\"1\",\"default\":\"deny\"}", b"version: \"1\"\ntools: {}\n"],
    words: &[
        "\"version\": \"1\"",
        "\"default\": \"deny\"",
        "\"tools\": {",
        "\"all_tools\"",
        "\"categories\": {\"read\":",
        "\"require\": [",
        "\"deny_if\": [",
        "\"approve_if\": [",
        "\"limits\": [",
        "\"conditions\": []",
        "\"any\":",
        "\"path\": \"args.a[*].b\"",
        "\"args.list[join]\"",
        "\"args[\\\"a.b\\\"]\"",
        "\"time.zone(\\\"Europe/Berlin\\\").hour\"",
        "\"op\":",
        "\"regex\"",
        "\"(a|b)*{1,99}\"",
        "\"in\"",
        "\"cel\"",
        "\"json_schema\"",
        "\"cidr\"",
        "\"host_in\"",
        "\"path_within\"",
        "\"value\":",
        "null",
        "true",
        "1e400",
        "-0",
        "0.1",
        "99999999999999999999999999999999999999",
        "\"rate_limit\": \"5/hour\"",
        "\"spend_limit\": \"$5/day\"",
        "\"action\": \"hide\"",
        "\"concurrent\": true",
        "\"resources\": {",
        "\"elicitation\": {\"allow\": [",
        "\"deny\": [\"file:///a/%2e*\"]",
        "https://*.example:443/",
        "\"window\": \"90s\"",
        "\\ud800",
        "\\u0000",
        "\u{feff}",
        "*",
        "rules:\n  - ",
        "&a ",
        "*a",
        "<<: ",
        "!!str ",
        "|\n",
    ],
    run,
};

fn run(input: &[u8]) {
    match Policy::parse(input) {
        Ok(policy) => {
            let printed = policy.print();
            let again = Policy::parse(printed.as_bytes());
            let same = again.as_ref().is_ok_and(|again| *again == policy && again.print() == printed);
            assert!(same, "printing does not read back as the same policy:\n{printed}");
            let schema = "{\"properties\":{\"args\":{\"type\":\"array\"},\"command\":{\"type\":\"string\"}}}";
            let tool =
                Definition { name: "exec".to_owned(), input_schema: Some(schema.to_owned()), ..Definition::default() };
            advise(&policy, &[tool]);
            let subject = String::from_utf8_lossy(input);
            for kind in [ReachKind::Resource, ReachKind::Prompt, ReachKind::Sampling, ReachKind::Elicitation] {
                let reach = Reach { kind, subject: &subject };
                let decided = decide_reach(Some(&policy), None, reach).outcome == Outcome::Allow;
                assert!(decided == reaches(Some(&policy), None, reach), "two answers to one question");
            }
        }
        Err(problems) => {
            let told = problems.0.iter().any(|problem| problem.severity == Severity::Error);
            assert!(told, "a document is refused without an error");
            assert!(problems.0.iter().all(|problem| problem.line > 0 && problem.column > 0), "a place is missing");
        }
    }
    if let Ok(converted) = convert(input) {
        assert!(Policy::parse(converted.json.as_bytes()).is_ok(), "a conversion can't be read:\n{}", converted.json);
    }
}
