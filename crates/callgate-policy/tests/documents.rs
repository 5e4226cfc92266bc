//! Documents and what the parser makes of them: problems with their places, canonical text, rule names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

#[path = "documents/advice.rs"]
mod advice;
#[path = "documents/intercept.rs"]
mod intercept;
#[path = "documents/round_trip.rs"]
mod round_trip;

use callgate_policy::{DocumentLimits, Policy, Problem, Severity};
use expect_test::expect_file;
use std::fmt::Write;
use std::path::PathBuf;

fn fixtures(folder: &str) -> Vec<PathBuf> {
    files(folder, "json")
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/documents").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}", folder.display());
    files
}

fn listing(problems: &[Problem]) -> String {
    let mut out = String::new();
    for p in problems {
        let severity = if p.severity == Severity::Error { "error" } else { "warning" };
        writeln!(out, "{}:{} {severity} {} at `{}`", p.line, p.column, p.code, p.pointer).unwrap();
        writeln!(out, "    {}", p.message).unwrap();
        if !p.hint.is_empty() {
            writeln!(out, "    {}", p.hint).unwrap();
        }
    }
    out
}

#[test]
fn every_problem_of_a_bad_document_is_told_at_once() {
    for path in fixtures("bad") {
        let problems = Policy::parse(&std::fs::read(&path).unwrap()).expect_err(&path.display().to_string()).0;
        assert!(problems.is_sorted_by_key(|p| (p.line, p.column)), "{}", path.display());
        expect_file![path.with_extension("problems")].assert_eq(&listing(&problems));
    }
}

#[test]
fn good_documents_print_canonically_and_name_their_rules() {
    for path in fixtures("good") {
        let policy =
            Policy::parse(&std::fs::read(&path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let printed = policy.print();
        let again = Policy::parse(printed.as_bytes()).unwrap();
        assert_eq!(again, policy, "{}", path.display());
        assert_eq!(again.print(), printed, "{}", path.display());
        let mut out = printed;
        out.push_str("--- rules\n");
        for (rule, place) in policy.rules() {
            writeln!(out, "{}: {rule} at {}", place.line, place.pointer).unwrap();
        }
        out.push_str("--- warnings\n");
        out.push_str(&listing(policy.warnings()));
        expect_file![path.with_extension("read")].assert_eq(&out);
    }
}

#[test]
fn every_code_has_its_page() {
    let pages = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    for code in callgate_policy::CODES {
        let page = std::fs::read_to_string(pages.join(format!("{code}.md"))).unwrap_or_default();
        assert!(page.starts_with(&format!("# {code}: ")), "docs/errors/{code}.md is missing or has no title");
        assert!((5..=15).contains(&page.lines().count()), "docs/errors/{code}.md has {} lines", page.lines().count());
    }
}

#[test]
fn documents_over_a_limit_are_refused_and_never_cut() {
    let entries = |count: usize| {
        let tools: Vec<String> = (0..count).map(|i| format!("\"t{i}\":{{}}")).collect();
        format!("{{\"version\":\"1\",\"default\":\"deny\",\"tools\":{{{}}}}}", tools.join(","))
    };
    assert!(Policy::parse(entries(10_000).as_bytes()).is_ok());
    let too_many = Policy::parse(entries(10_001).as_bytes()).unwrap_err();
    assert_eq!(too_many.0[0].code, "CG1015");
    let more = DocumentLimits { max_tools: 20_000, ..DocumentLimits::default() };
    assert!(Policy::parse_within(entries(10_001).as_bytes(), &more).is_ok());

    let long = format!("{{\"version\":\"1\",\"default\":\"deny\",\"description\":\"{}\"}}", "x".repeat(1 << 20));
    assert_eq!(Policy::parse(long.as_bytes()).unwrap_err().0[0].code, "CG1015");

    let deep = format!(
        "{{\"version\":\"1\",\"default\":\"deny\",\"tests\":[{{\"name\":\"n\",\"tool\":\"t\",\"expect\":\"allow\",\"args\":{{\"a\":{}1{}}}}}]}}",
        "[".repeat(64),
        "]".repeat(64)
    );
    assert_eq!(Policy::parse(deep.as_bytes()).unwrap_err().0[0].code, "CG1015");
}

#[test]
fn a_policy_that_refuses_all_says_why() {
    let policy = Policy::refuse_all("line 3: there is no operator `gte_`");
    assert_eq!(policy.broken(), Some("line 3: there is no operator `gte_`"));
}

#[test]
fn the_version_is_that_of_the_bytes() {
    let text = b"{\"version\":\"1\",\"default\":\"deny\"}";
    let spaced = b"{\"version\":\"1\", \"default\":\"deny\"}";
    assert_eq!(Policy::parse(text).unwrap().version(), Policy::parse(text).unwrap().version());
    assert_ne!(Policy::parse(text).unwrap().version(), Policy::parse(spaced).unwrap().version());
    assert_eq!(Policy::parse(text).unwrap().version().len(), 64);
}

#[test]
fn the_checked_in_schema_is_current() {
    expect_file!["../../../docs/policy.schema.json"].assert_eq(&callgate_policy::schema());
}

#[test]
fn the_schema_agrees_with_the_parser() {
    let schema: serde_json::Value = serde_json::from_str(&callgate_policy::schema()).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for path in fixtures("good") {
        let document = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&document).map(|e| format!("{e} at {}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
    for name in ["fields", "predicates", "limits", "older", "number", "list"] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/documents/bad/{name}.json"));
        let document = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert!(!validator.is_valid(&document), "{name}");
    }
}
