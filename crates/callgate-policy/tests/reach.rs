#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]
//! What is no tool: tables of subjects, tricks with URIs, and the laws of the sections.

use callgate_policy::suite::{self, TestResult};
use callgate_policy::{DocumentLimits, Outcome, Policy, Reach, ReachKind, Reason, Source, decide_reach, reaches};
use proptest::prelude::*;

const KINDS: [ReachKind; 6] = [
    ReachKind::Resource,
    ReachKind::Template,
    ReachKind::Prompt,
    ReachKind::Sampling,
    ReachKind::Elicitation,
    ReachKind::Root,
];

fn policy(default: &str, sections: &str) -> Policy {
    let separator = if sections.is_empty() { "" } else { "," };
    let text = format!("{{\"version\":\"1\",\n\"default\":\"{default}\"{separator}\n{sections}}}");
    Policy::parse(text.as_bytes()).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

/// `""` for allowed, else the reason and the rule.
fn judged(policy: &Policy, kind: ReachKind, subject: &str) -> String {
    let reach = Reach { kind, subject };
    let decision = decide_reach(Some(policy), None, reach);
    assert_eq!(decision.outcome == Outcome::Allow, reaches(Some(policy), None, reach), "{kind:?} {subject}");
    assert!(decision.charges.is_empty() && decision.ask.is_none() && decision.shadow.is_empty());
    match decision.reason {
        None => {
            assert_eq!((decision.outcome, decision.rule.as_str(), &*decision.message), (Outcome::Allow, "", ""));
            String::new()
        }
        Some(reason) => {
            assert!(decision.outcome == Outcome::Deny && !decision.message.is_empty());
            format!("{} {}", reason.as_str(), decision.rule)
        }
    }
}

const SECTIONS: &str = r#""resources": { "allow": ["file:///workspace/*", "notes://*", "note:*", "db://x?path=%2Fsrv*", "file:///über/*", "https://*.example.com/*"],
  "deny": ["file:///workspace/.env*", "file:///workspace/exact", "notes://a b/*", "*secret*", "db://x?path=/srv/hidden*"] },
"prompts": { "allow": ["*"], "deny": ["admin_*"] },
"sampling": { "allow": ["claude-*"] },
"elicitation": { "allow": ["form", "https://accounts.example.com/*"] },
"roots": { "allow": ["file:///workspace*"] }"#;

#[test]
fn resources_by_uri() {
    let policy = policy("deny", SECTIONS);
    let (allowed, not_allowed, disputed) = ("", "not allowed /resources/allow", "fault /resources");
    let env = "not allowed /resources/deny/file:~1~1~1workspace~1.env*";
    let exact = "not allowed /resources/deny/file:~1~1~1workspace~1exact";
    for (uri, expected) in [
        ("file:///workspace/a", allowed),
        ("file:///workspace/a/b.md", allowed),
        ("file:///workspace/a%20b", allowed),
        ("file:///workspace/a b", allowed),
        ("file:///workspace/a/../b", allowed),
        ("file:///workspace/a/./b", allowed),
        ("file:///workspace", not_allowed),
        ("file:///workspaces/a", not_allowed),
        ("file:///etc/passwd", not_allowed),
        // As written it is allowed, in normal form it is not, and the other way round.
        ("file:///workspace/../etc/passwd", not_allowed),
        ("file:///workspace/../../etc/passwd", not_allowed),
        ("file:///etc/../workspace/a", not_allowed),
        ("FILE:///workspace/a", not_allowed),
        ("file://localhost/workspace/a", not_allowed),
        ("file:/workspace/a", not_allowed),
        ("file:workspace/a", not_allowed),
        ("file:////workspace/a", not_allowed),
        // What a deny fires on: every spelling of what it names.
        ("file:///workspace/.env", env),
        ("file:///workspace/.env.local", env),
        ("file:///workspace/a/../.env", env),
        ("file:///workspace/./.env", env),
        ("file:///workspace//.env", env),
        ("file:////workspace/.env", env),
        ("FILE:///workspace/.env", env),
        ("file:/workspace/.env", env),
        ("file://localhost/workspace/.env", env),
        ("file://127.0.0.1/workspace/.env", env),
        ("file:///workspace/.%65nv", env),
        ("file:///workspace/exact", exact),
        ("file:///workspace/exact/", exact),
        ("file:///workspace/exact?x", exact),
        ("file:///workspace/exact#x", exact),
        ("file:///workspace/exact2", allowed),
        ("notes://a%20b/c", "not allowed /resources/deny/notes:~1~1a b~1*"),
        ("notes://a b/c", "not allowed /resources/deny/notes:~1~1a b~1*"),
        ("file:///workspace/%73ecret", "not allowed /resources/deny/*secret*"),
        // What readers disagree about.
        ("file:///workspace/%2e%2e/etc/passwd", disputed),
        ("file:///workspace/%2E./etc/passwd", disputed),
        ("file:///workspace/..%2fetc", disputed),
        ("file:///workspace/..%2Fetc", disputed),
        ("file:///workspace/..%5cetc", disputed),
        ("file:///workspace/..%252fetc", disputed),
        ("file:///workspace/%25252e./etc", disputed),
        ("file:///workspace/a%00.md", disputed),
        ("file:///workspace/a\0.md", disputed),
        ("file:///workspace/a\tb", disputed),
        ("file:///workspace/a\nb", disputed),
        ("file:///workspace\\..\\etc", disputed),
        (" file:///workspace/a", disputed),
        ("file:///workspace/a\u{a0}", disputed),
        ("file:///workspace//../etc", disputed),
        ("file:///workspace/C:/../../x", disputed),
        ("file:///C:/../workspace/a", disputed),
        ("file:///workspace/a?/../../etc", disputed),
        ("file:///workspace/a#/../../etc", disputed),
        ("file:///workspace/..;/etc", disputed),
        ("note:a/../../b", disputed),
        ("note:..", disputed),
        ("https://a.example.com@evil.example/", disputed),
        ("https://@evil.example/", disputed),
        ("https:a.example.com", disputed),
        ("https:///a.example.com/x", disputed),
        ("https://a.example.com:99999/", disputed),
        ("https://[::1/", disputed),
        // What no URL parser reads is judged as written.
        ("note:x", allowed),
        ("note:a/b", allowed),
        ("workspace/a", not_allowed),
        ("", not_allowed),
        ("notes://x/{id}", allowed),
        // A query is data: an escaped `/` is no way out of it, and no way past a `deny` either.
        ("db://x?path=%2Fsrv%2Fa", allowed),
        ("db://x?path=%2fsrv%2Fa", not_allowed),
        ("db://x?path=%2Fsrv%2Fhidden", "not allowed /resources/deny/db:~1~1x?path=~1srv~1hidden*"),
        ("db://x?path=%2Fsrv%2F..", disputed),
        ("file:///über/a", allowed),
        ("file:///%C3%BCber/a", not_allowed),
        // A star in the host takes no path in.
        ("https://a.example.com/x", allowed),
        ("https://a.b.example.com/x", allowed),
        ("https://evil.example/a.example.com/x", not_allowed),
        ("https://evil.example?.example.com/x", not_allowed),
        ("https://evil.example#.example.com/x", not_allowed),
        ("https://A.example.com/x", allowed),
        ("https://a.EXAMPLE.com/x", not_allowed),
    ] {
        assert_eq!(judged(&policy, ReachKind::Resource, uri), expected, "{uri:?}");
        let by_default = self::policy("allow", SECTIONS);
        assert_eq!(judged(&by_default, ReachKind::Resource, uri), expected, "{uri:?}");
    }
}

#[test]
fn the_other_kinds() {
    let policy = policy("deny", SECTIONS);
    let (elicitation, disputed) = ("not allowed /elicitation/allow", "fault /elicitation");
    for (kind, subject, expected) in [
        (ReachKind::Template, "file:///workspace/{path}", ""),
        (ReachKind::Template, "file:///{+path}", "not allowed /resources/allow"),
        (ReachKind::Template, "file:///workspace/../{path}", "not allowed /resources/allow"),
        (ReachKind::Template, "notes://x{?q,r}", ""),
        (ReachKind::Template, "https://{host]/x", "not allowed /resources/allow"),
        (ReachKind::Template, "file:///workspace/.env{x}", "not allowed /resources/deny/file:~1~1~1workspace~1.env*"),
        (ReachKind::Prompt, "anything", ""),
        (ReachKind::Prompt, "", ""),
        (ReachKind::Prompt, "a/../b\\%2e", ""),
        (ReachKind::Prompt, "admin_reset", "not allowed /prompts/deny/admin_*"),
        (ReachKind::Prompt, "Admin_reset", ""),
        (ReachKind::Sampling, "claude-x", ""),
        (ReachKind::Sampling, "", "not allowed /sampling/allow"),
        (ReachKind::Sampling, "other", "not allowed /sampling/allow"),
        (ReachKind::Elicitation, "form", ""),
        (ReachKind::Elicitation, "Form", elicitation),
        (ReachKind::Elicitation, "https://accounts.example.com/x?to=https%3A%2F%2Fme.example%2Fcb", ""),
        (ReachKind::Elicitation, "https://accounts.example.com", elicitation),
        (ReachKind::Elicitation, "https://ACCOUNTS.example.com:443/", elicitation),
        (ReachKind::Elicitation, "https://accounts.example.com:443/", elicitation),
        (ReachKind::Elicitation, "https://accounts.example.com:8443/", elicitation),
        (ReachKind::Elicitation, "http://accounts.example.com/", elicitation),
        (ReachKind::Elicitation, "https://accounts.example.com./", elicitation),
        (ReachKind::Elicitation, "https://accounts.example.com.evil.example/", elicitation),
        (ReachKind::Elicitation, "https://accounts.example.com@evil.example/", disputed),
        (ReachKind::Elicitation, "https://accounts.example.com/@evil.example/", ""),
        (ReachKind::Elicitation, "https://evil.example\\@accounts.example.com/", disputed),
        (ReachKind::Elicitation, "https://accounts.example.com/\u{7f}", disputed),
        (ReachKind::Elicitation, "javascript:alert(1)", elicitation),
        (ReachKind::Root, "file:///workspace", ""),
        (ReachKind::Root, "file:///workspace/a", ""),
        (ReachKind::Root, "file:///workspace/..", "not allowed /roots/allow"),
        (ReachKind::Root, "file:///home", "not allowed /roots/allow"),
        (ReachKind::Root, "file:///workspace%2f..", "fault /roots"),
    ] {
        assert_eq!(judged(&policy, kind, subject), expected, "{kind:?} {subject:?}");
    }
}

#[test]
fn without_a_section_default_speaks_for_what_the_server_starts() {
    for (default, expected) in [("allow", ""), ("deny", "default deny (default deny)")] {
        let policy = policy(default, "");
        for kind in KINDS {
            let expected = if kind.is_started_by_server() { expected } else { "" };
            assert_eq!(judged(&policy, kind, "file:///%2e%2e"), expected, "{kind:?}");
            assert_eq!(policy.restricts(kind), !expected.is_empty(), "{kind:?}");
        }
    }
    let denied = decide_reach(Some(&policy("deny", "")), None, Reach { kind: ReachKind::Elicitation, subject: "form" });
    let place = denied.place.unwrap();
    assert_eq!((&*place.pointer, place.line, place.source), ("/default", 2, Source::Policy));
}

#[test]
fn empty_lists() {
    let policy = policy("deny", r#""resources":{"allow":[]},"sampling":{"deny":[]},"prompts":{"deny":["*"]}"#);
    assert_eq!(judged(&policy, ReachKind::Resource, "a:b"), "not allowed /resources/allow");
    assert_eq!(judged(&policy, ReachKind::Sampling, ""), "");
    assert_eq!(judged(&policy, ReachKind::Prompt, ""), "not allowed /prompts/deny/*");
}

#[test]
fn no_policy_and_a_broken_one_deny_everything() {
    let broken = Policy::refuse_all("line 3: no such operator");
    let fine = policy("allow", "");
    for kind in KINDS {
        let reach = Reach { kind, subject: "form" };
        let none = decide_reach(None, Some(&fine), reach);
        assert_eq!((none.reason, none.rule.as_str()), (Some(Reason::NoPolicy), "(no policy)"));
        for (policy, baseline) in [(&broken, None), (&fine, Some(&broken))] {
            let decision = decide_reach(Some(policy), baseline, reach);
            assert_eq!((decision.reason, decision.rule.as_str()), (Some(Reason::Fault), "(no policy)"));
            assert!(decision.message.contains("line 3"));
        }
        assert!(broken.restricts(kind) && !reaches(None, None, reach));
    }
}

#[test]
fn a_rule_is_told_with_its_document_pointer_and_line() {
    let policy = policy("allow", "\"resources\": {\n\"allow\": [\"a:*\"],\n\"deny\": [\"x\",\n\"a:~/b\"]}");
    let baseline = self::policy("allow", "\"resources\": {\n\"deny\": [\"a:c\"]}");
    for (subject, rule, pointer, line, source) in [
        ("b:x", "/resources/allow", "/resources/allow", 4, Source::Policy),
        ("a:~/b", "/resources/deny/a:~0~1b", "/resources/deny/1", 6, Source::Policy),
        ("a:c", "/resources/deny/a:c", "/resources/deny/0", 4, Source::Baseline),
        ("a:%2e", "/resources", "/resources", 3, Source::Baseline),
    ] {
        let reach = Reach { kind: ReachKind::Resource, subject };
        let decision = decide_reach(Some(&policy), Some(&baseline), reach);
        let place = decision.place.unwrap();
        assert_eq!((decision.rule.as_str(), &*place.pointer, place.line, place.source), (rule, pointer, line, source));
        assert!(decision.message.contains(subject), "{}", decision.message);
    }
}

#[test]
fn a_message_shows_no_control_characters_and_has_an_end() {
    let policy = policy("allow", SECTIONS);
    let subject = format!("a\n`b{}", "x".repeat(10_000));
    let decision = decide_reach(Some(&policy), None, Reach { kind: ReachKind::Resource, subject: &subject });
    assert!(decision.message.len() < 300 && !decision.message.contains(char::is_control), "{}", decision.message);
}

#[test]
fn the_documents_own_tests() {
    let tests = r#""tests":[
      {"name":"a","resource":"file:///workspace/a","expect":"allow"},
      {"name":"b","resource":"file:///workspace/../b","expect":"deny","rule":"/resources/allow"},
      {"name":"c","prompt":"admin_x","expect":"deny","rule":"/prompts/deny/admin_*"},
      {"name":"d","sampling":"","expect":"deny"},
      {"name":"e","elicitation":"form","expect":"allow","rule":""},
      {"name":"f","root":"file:///workspace","expect":"deny"},
      {"name":"g","tool":"t","expect":"deny","rule":"(default deny)"}]"#;
    let report = suite::run(&policy("deny", &format!("{SECTIONS},{tests}")), |_| None);
    let passed: Vec<_> = report.tests.iter().map(TestResult::passed).collect();
    assert_eq!(passed, [true, true, true, true, true, false, true]);
    assert_eq!(&*report.tests[5].pointer, "/tests/5");
}

#[test]
fn a_list_over_the_limit_is_refused() {
    let patterns = |count: usize| (0..count).map(|i| format!("\"a:{i}\"")).collect::<Vec<_>>().join(",");
    let text = |count| format!(r#"{{"version":"1","default":"deny","resources":{{"deny":[{}]}}}}"#, patterns(count));
    assert!(Policy::parse(text(10_000).as_bytes()).is_ok());
    let problems = Policy::parse(text(10_001).as_bytes()).unwrap_err();
    assert_eq!((problems.0[0].code, &*problems.0[0].pointer), ("CG1015", "/resources/deny"));
    let more = DocumentLimits { max_patterns: 20_000, ..DocumentLimits::default() };
    assert!(Policy::parse_within(text(10_001).as_bytes(), &more).is_ok());
}

/// A pattern or a subject that the other meets now and then.
fn text() -> impl Strategy<Value = String> {
    let part = || {
        prop_oneof![4 => "[ab]", 2 => Just("*".to_owned()), 1 => Just("..".to_owned()), 1 => Just(".".to_owned()),
        1 => Just("%61".to_owned()), 1 => Just("%2e".to_owned()), 1 => Just("%C3%BC".to_owned()), 1 => Just("ü".to_owned()), 1 => Just(String::new())]
    };
    let head = prop_oneof![
        3 => Just("file:///"), 1 => Just("FILE:///"), 1 => Just("file:/"), 1 => Just("https://a.example/"), 1 => Just("https://A.example:443/"),
        1 => Just("https://*.example/"), 1 => Just("notes://a/"), 1 => Just("note:"), 1 => Just("form"), 1 => Just("*"), 1 => Just("")
    ];
    let tail = prop_oneof![4 => Just(""), 1 => Just("?a=%2Fb"), 1 => Just("#a"), 1 => Just("/")];
    (head, proptest::collection::vec(part(), 0..4), tail)
        .prop_map(|(head, parts, tail)| format!("{head}{}{tail}", parts.join("/")))
        .prop_filter("a pattern is not empty", |text| !text.is_empty())
}

#[derive(Clone, Debug)]
struct Lists {
    allow: Option<Vec<String>>,
    deny: Vec<String>,
}

fn lists() -> impl Strategy<Value = Lists> {
    let some = || proptest::collection::vec(text(), 0..4);
    (proptest::option::of(some()), some()).prop_map(|(allow, deny)| Lists { allow, deny })
}

impl Lists {
    fn policy(&self, default: &str) -> Policy {
        let quoted = |list: &[String]| list.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(",");
        let allow = self.allow.as_ref().map_or(String::new(), |list| format!("\"allow\":[{}],", quoted(list)));
        let section = format!("{{{allow}\"deny\":[{}]}}", quoted(&self.deny));
        let names = ["resources", "prompts", "sampling", "elicitation", "roots"];
        policy(default, &names.map(|name| format!("\"{name}\":{section}")).join(","))
    }
}

proptest! {
    #[test]
    fn any_subject_gives_an_answer(lists in lists(), subject in any::<String>(), kind in proptest::sample::select(&KINDS)) {
        judged(&lists.policy("deny"), kind, &subject);
    }

    #[test]
    fn a_text_that_looks_like_a_uri_gives_an_answer(subject in "(file|https|a|note):/{0,4}[a.%2f5c/?#:;@\\[\\]{}*ü \t]{0,12}") {
        judged(&policy("deny", SECTIONS), ReachKind::Resource, &subject);
    }

    #[test]
    fn an_added_deny_never_allows_more(
        lists in lists(), added in text(), subject in text(), kind in proptest::sample::select(&KINDS),
    ) {
        let mut stricter = lists.clone();
        stricter.deny.push(added);
        let was = judged(&lists.policy("allow"), kind, &subject);
        prop_assert!(was.is_empty() || !judged(&stricter.policy("allow"), kind, &subject).is_empty());
    }

    #[test]
    fn a_removed_allow_never_allows_more(lists in lists(), subject in text(), kind in proptest::sample::select(&KINDS)) {
        let mut stricter = lists.clone();
        stricter.allow.get_or_insert_default().pop();
        let was = judged(&lists.policy("allow"), kind, &subject);
        prop_assert!(was.is_empty() || !judged(&stricter.policy("allow"), kind, &subject).is_empty());
    }

    #[test]
    fn a_baseline_only_narrows(
        lists in lists(), baseline in lists(), subject in text(), kind in proptest::sample::select(&KINDS),
    ) {
        let (policy, baseline) = (lists.policy("allow"), baseline.policy("allow"));
        let both = reaches(Some(&policy), Some(&baseline), Reach { kind, subject: &subject });
        let each = judged(&policy, kind, &subject).is_empty() && judged(&baseline, kind, &subject).is_empty();
        prop_assert_eq!(both, each);
    }

    #[test]
    fn what_is_allowed_as_written_and_denied_in_another_spelling_is_denied(path in "[ab]{1,3}(/[ab]{1,3}){0,2}", at in any::<proptest::sample::Index>()) {
        let policy = policy("allow", &format!(r#""resources":{{"deny":["file:///{path}"]}}"#));
        let at = at.index(path.len());
        let escaped = match &path[at..=at] { "/" => path.clone(), c => format!("{}%{:02x}{}", &path[..at], c.as_bytes()[0], &path[at + 1..]) };
        for uri in [
            format!("file:///{path}"), format!("FILE:///{path}/"), format!("file:/{path}"), format!("file://localhost/{path}"),
            format!("file:///x/../{path}"), format!("file:///./{path}"), format!("file:////{path}"), format!("file:///{path}?q"),
            format!("file:///{path}#f"), format!("file:///{escaped}"), format!("file:///{}", path.replace('/', "//")),
        ] {
            prop_assert!(!judged(&policy, ReachKind::Resource, &uri).is_empty(), "{}", uri);
        }
    }

    #[test]
    fn what_is_printed_reads_back(lists in lists()) {
        let policy = lists.policy("deny");
        let printed = policy.print();
        let again = Policy::parse(printed.as_bytes()).unwrap();
        prop_assert_eq!(&again, &policy);
        prop_assert_eq!(again.print(), printed);
    }
}
