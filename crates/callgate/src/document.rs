//! Policy documents at the edge: what is usable, and how its problems are shown.

use callgate_policy::suite::{self, TestResult};
use callgate_policy::{Policy, Problem, Problems, Severity};

/// The policy of a document that has no errors and whose own tests pass; else why not, one problem a line.
pub(crate) fn usable(bytes: &[u8], file: &str) -> Result<Policy, String> {
    let policy = parsed(bytes, file)?;
    let report = suite::run(&policy, |_| None);
    let failed = report.tests.iter().filter(|test| !test.passed());
    let line = |test: &TestResult| {
        format!("{file}:{}: error: the test `{}` fails: {}", test.line, test.name, test_failure(test))
    };
    let lines: Vec<String> = failed.map(line).collect();
    if lines.is_empty() { Ok(policy) } else { Err(lines.join("\n")) }
}

/// How a test that failed went.
pub(crate) fn test_failure(test: &TestResult) -> String {
    let of_rule = |rule: &str| if rule.is_empty() { String::new() } else { format!(" by `{rule}`") };
    let expected = format!("{}{}", test.expected.as_str(), of_rule(test.expected_rule.as_deref().unwrap_or_default()));
    match &test.got {
        Err(why) => why.clone(),
        Ok(got) => {
            let message = if got.message.is_empty() { String::new() } else { format!(" ({})", got.message) };
            format!("expected {expected}, got {}{}{message}", got.outcome.as_str(), of_rule(got.rule.as_str()))
        }
    }
}

/// The policy of a document that has no errors; else why not, one problem a line.
pub(crate) fn parsed(bytes: &[u8], file: &str) -> Result<Policy, String> {
    Policy::parse(bytes).map_err(|problems| errors(&problems, file))
}

/// One problem as people read it: `FILE:LINE:COLUMN: error: MESSAGE [CODE]`, and its hint.
pub(crate) fn line(file: &str, problem: &Problem) -> String {
    let severity = severity(problem.severity);
    let Problem { line, column, message, code, hint, .. } = problem;
    let hint = if hint.is_empty() { String::new() } else { format!("\n    {hint}") };
    format!("{file}:{line}:{column}: {severity}: {message} [{code}]{hint}")
}

/// The word for a severity.
pub(crate) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// What tells one version of a document from another: its BLAKE3 hash, in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

fn errors(problems: &Problems, file: &str) -> String {
    let errors = problems.0.iter().filter(|problem| problem.severity == Severity::Error);
    errors.map(|problem| line(file, problem)).collect::<Vec<_>>().join("\n")
}
