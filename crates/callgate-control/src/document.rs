//! Policy documents at the edge: what is usable, and how its problems are shown.

use crate::configuration::PublishedDefinitions;
use crate::definitions::in_force;
use crate::error::{Error, Kind};
use callgate_policy::suite::{self, TestResult};
use callgate_policy::{Definition, Policy, Problem, Problems, Severity};
use serde::Serialize;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// One thing that is wrong with a document, as answers show it: as `callgate policy check --json` does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyProblem, example = json!({
    "code": "CG1003", "severity": "error", "line": 3, "column": 5, "pointer": "/tools/exec/limit",
    "message": "unknown field `limit`", "hint": "did you mean `limits`?"
}))]
pub struct ProblemRow {
    /// A stable code with a page of its own, such as `CG1003`.
    pub code: String,
    /// `error`, or `warning`: usable, and hardly meant as it is written.
    pub severity: &'static str,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The RFC 6901 pointer into the document.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it; empty where the message says it all.
    pub hint: String,
}

/// Why a document can't be published: at least one of these is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable(pub Vec<ProblemRow>);

impl From<&Problem> for ProblemRow {
    fn from(problem: &Problem) -> Self {
        Self {
            code: problem.code.to_owned(),
            severity: severity(problem.severity),
            line: problem.line,
            column: problem.column,
            pointer: problem.pointer.clone(),
            message: problem.message.clone(),
            hint: problem.hint.clone(),
        }
    }
}

impl ProblemRow {
    /// As people read it: `FILE:LINE:COLUMN: error: MESSAGE [CODE]`, and its hint.
    pub fn line(&self, file: &str) -> String {
        let Self { line, column, severity, message, code, hint, .. } = self;
        let hint = if hint.is_empty() { String::new() } else { format!("\n    {hint}") };
        format!("{file}:{line}:{column}: {severity}: {message} [{code}]{hint}")
    }
}

impl Unusable {
    /// The errors, one problem a line.
    pub fn lines(&self, file: &str) -> String {
        let errors = self.0.iter().filter(|problem| problem.severity == severity(Severity::Error));
        errors.map(|problem| problem.line(file)).collect::<Vec<_>>().join("\n")
    }

    /// The answer to who wanted to publish it. `what` is what is not published: `the policy`, `version 3`.
    pub(crate) fn refused(self, what: &str, file: &str) -> Error {
        let message = format!("{what} is not published: {}", self.lines(file));
        let remedy = "correct the document; what was in force before stays in force";
        Error { problems: self.0, ..Error::new(Kind::Invalid, "CG3045", message, remedy) }
    }
}

/// The policy of a document that has no errors and whose own tests pass, with what the tools of its server are pinned as.
///
/// # Errors
/// Every problem, in document order; a test that fails is one, with the code `CG3045`.
pub fn publishable(bytes: &[u8], pinned: &PublishedDefinitions) -> Result<Policy, Unusable> {
    let policy = Policy::parse(bytes).map_err(|Problems(problems)| Unusable(rows(&problems)))?;
    // Classified where a test asks for one: most documents have no tests that do.
    let all: OnceCell<HashMap<&str, Definition>> = OnceCell::new();
    let make = || pinned.by_tool.iter().map(|(tool, pinned)| (&**tool, in_force(pinned))).collect();
    let report = suite::run(&policy, |tool| all.get_or_init(make).get(tool));
    let mut failed: Vec<ProblemRow> = report.tests.iter().filter(|test| !test.passed()).map(failed_row).collect();
    if failed.is_empty() {
        return Ok(policy);
    }
    failed.extend(rows(policy.warnings()));
    failed.sort_by_key(|problem| (problem.line, problem.column));
    Err(Unusable(failed))
}

/// The same on a thread where it may take its time: a document has up to a mebibyte, and any number of tests.
pub(crate) async fn publishable_aside(
    text: &Arc<str>,
    pinned: Option<Arc<PublishedDefinitions>>,
) -> Result<Arc<Policy>, Unusable> {
    let text = Arc::clone(text);
    match tokio::task::spawn_blocking(move || publishable(text.as_bytes(), &pinned.unwrap_or_default())).await {
        Ok(policy) => policy.map(Arc::new),
        Err(_) => Err(Unusable(vec![ProblemRow {
            code: "CG3045".to_owned(),
            severity: severity(Severity::Error),
            line: 1,
            column: 1,
            pointer: String::new(),
            message: "the check of the document did not come to its end".to_owned(),
            hint: "this is a bug of the gateway: please report it with the document".to_owned(),
        }])),
    }
}

/// The policy of a document that has no errors and whose own tests pass; else why not, one problem a line.
pub fn usable(bytes: &[u8], file: &str) -> Result<Policy, String> {
    publishable(bytes, &PublishedDefinitions::default()).map_err(|unusable| unusable.lines(file))
}

/// The policy of a document that has no errors; else why not, one problem a line.
pub fn parsed(bytes: &[u8], file: &str) -> Result<Policy, String> {
    Policy::parse(bytes).map_err(|Problems(problems)| Unusable(rows(&problems)).lines(file))
}

/// How a test that failed went.
pub fn test_failure(test: &TestResult) -> String {
    let of_rule = |rule: &str| if rule.is_empty() { String::new() } else { format!(" by `{rule}`") };
    let expected = format!("{}{}", test.expected.as_str(), of_rule(test.expected_rule.as_deref().unwrap_or_default()));
    match &test.got {
        Err(why) => why.clone(),
        // Outcome and rule may be right, and what is taken out of the result not.
        Ok(_) if test.expected_redacts.as_ref().is_some_and(|expected| *expected != test.redacts) => {
            let names = |names: &[Arc<str>]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            let expected = test.expected_redacts.as_deref().map(names).unwrap_or_default();
            format!("expected {expected} to be taken out, got {}", names(&test.redacts))
        }
        Ok(got) => {
            let message = if got.message.is_empty() { String::new() } else { format!(" ({})", got.message) };
            format!("expected {expected}, got {}{}{message}", got.outcome.as_str(), of_rule(got.rule.as_str()))
        }
    }
}

/// One problem as people read it: `FILE:LINE:COLUMN: error: MESSAGE [CODE]`, and its hint.
pub fn line(file: &str, problem: &Problem) -> String {
    ProblemRow::from(problem).line(file)
}

/// The word for a severity.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// What tells one version of a document from another: its BLAKE3 hash, in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Problems as answers show them.
pub(crate) fn rows(problems: &[Problem]) -> Vec<ProblemRow> {
    problems.iter().map(ProblemRow::from).collect()
}

fn failed_row(test: &TestResult) -> ProblemRow {
    ProblemRow {
        code: "CG3045".to_owned(),
        severity: severity(Severity::Error),
        line: test.line,
        column: 1,
        pointer: test.pointer.to_string(),
        message: format!("the test `{}` fails: {}", test.name, test_failure(test)),
        hint: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usable_and_every_problem_of_what_is_not() {
        let failing = r#"{"version":"1","default":"deny",
"tests":[{"name":"open","tool":"x","expect":"allow"},
{"name":"closed","tool":"x","expect":"deny"}]}"#;
        for (document, expected) in [
            (r#"{"version":"1","default":"deny"}"#, &[][..]),
            (r#"{"version":"1","default":"maybe","hidden":[]}"#, &["/default", "/hidden"]),
            ("{", &[""]),
            (failing, &["/tests/0"]),
        ] {
            let pointers: Vec<String> = match publishable(document.as_bytes(), &PublishedDefinitions::default()) {
                Ok(_) => Vec::new(),
                Err(Unusable(problems)) => problems.into_iter().map(|problem| problem.pointer).collect(),
            };
            assert_eq!(pointers, expected, "{document}");
        }
        let why = usable(failing.as_bytes(), "policy.json").unwrap_err();
        assert_eq!(
            why,
            "policy.json:2:1: error: the test `open` fails: expected allow, got deny by `(default deny)` \
             (`x` is not on the list of allowed tools) [CG3045]"
        );
    }
}
