//! `check`, `test` and `convert`: what a document says by itself.

use super::label;
use crate::failure::{Exit, Failure};
use crate::{output, tool_list};
use callgate_control::document;
use callgate_policy::suite::TestResult;
use callgate_policy::{Definition, Policy, Problem, Problems, Severity, suite};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

/// Says everything that is wrong with a policy.
pub(super) fn check(file: &Path, tools: Option<&Path>, json: bool) -> Result<Exit, Failure> {
    // The list first: a mistake in the command should not hide behind one in the policy.
    let definitions = tools.map(tool_list::definitions).transpose()?;
    let bytes = tool_list::read_file(file)?;
    let problems = match Policy::parse(&bytes) {
        Err(Problems(problems)) => problems,
        Ok(policy) => {
            let mut problems = policy.warnings().to_vec();
            if let Some(definitions) = definitions {
                problems.extend(callgate_policy::advise(&policy, &definitions));
                problems.sort_by_key(|problem| (problem.line, problem.column));
            }
            problems
        }
    };
    let errors = count(&problems, Severity::Error);
    if json {
        output::json(&json!({ "ok": errors == 0, "problems": problems.iter().map(problem).collect::<Vec<_>>() }));
    } else {
        let file = label(file);
        let mut lines: Vec<String> = problems.iter().map(|problem| document::line(&file, problem)).collect();
        let warnings = count(&problems, Severity::Warning);
        lines.push(match (errors, warnings) {
            (0, 0) => format!("{file}: ok"),
            (0, warnings) => format!("{file}: ok, {}", counted(warnings, "warning")),
            (errors, 0) => format!("{file}: {}", counted(errors, "error")),
            (errors, warnings) => format!("{file}: {}, {}", counted(errors, "error"), counted(warnings, "warning")),
        });
        output::text(&lines.join("\n"));
    }
    Ok(if errors == 0 { Exit::Yes } else { Exit::No })
}

/// Runs the tests inside a policy.
pub(super) fn test(file: &Path, tools: Option<&Path>, json: bool) -> Result<Exit, Failure> {
    let definitions = tools.map(tool_list::definitions).transpose()?.unwrap_or_default();
    let definitions: HashMap<&str, &Definition> = definitions.iter().map(|one| (one.name.as_str(), one)).collect();
    let bytes = tool_list::read_file(file)?;
    let file = label(file);
    let policy = document::parsed(&bytes, &file)
        .map_err(|why| Failure::no("CG3045", format!("the policy can't be tested:\n{why}"), "correct it first"))?;
    let report = suite::run(&policy, |tool| definitions.get(tool).copied());
    if json {
        let tests: Vec<Value> = report.tests.iter().map(result).collect();
        output::json(&json!({ "passed": report.passed(), "failed": report.failed(), "tests": tests }));
    } else {
        let mut lines: Vec<String> = report.tests.iter().map(|test| test_line(&file, test)).collect();
        lines.push(match report.tests.len() {
            0 => format!("{file}: no tests"),
            _ => format!("{file}: {} passed, {} failed", report.passed(), report.failed()),
        });
        output::text(&lines.join("\n"));
    }
    Ok(if report.failed() == 0 { Exit::Yes } else { Exit::No })
}

/// Rewrites a document of another spelling as policy.json.
pub(super) fn convert(file: &Path) -> Result<Exit, Failure> {
    let bytes = tool_list::read_file(file)?;
    let file = label(file);
    match callgate_policy::convert(&bytes) {
        Ok(converted) => {
            for warning in &converted.warnings {
                output::note(&document::line(&file, warning));
            }
            output::text(&converted.json);
            Ok(Exit::Yes)
        }
        Err(Problems(problems)) => {
            let lines: Vec<String> = problems.iter().map(|problem| document::line(&file, problem)).collect();
            let message = format!("the document can't be converted:\n{}", lines.join("\n"));
            Err(Failure::no("CG3045", message, "correct it and convert again"))
        }
    }
}

fn problem(problem: &Problem) -> Value {
    json!({
        "code": problem.code, "severity": document::severity(problem.severity), "line": problem.line,
        "column": problem.column, "pointer": problem.pointer, "message": problem.message, "hint": problem.hint,
    })
}

fn result(test: &TestResult) -> Value {
    let (outcome, rule, message) = match &test.got {
        Ok(got) => (Some(got.outcome.as_str()), Some(got.rule.as_str()), got.message.as_str()),
        Err(why) => (None, None, why.as_str()),
    };
    let mut row = json!({
        "name": &*test.name, "passed": test.passed(), "pointer": &*test.pointer, "line": test.line,
        "expected": test.expected.as_str(), "expected_rule": test.expected_rule.as_deref(),
        "outcome": outcome, "rule": rule, "message": message,
    });
    if let (Some(row), true) = (row.as_object_mut(), test.expected_redacts.is_some() || !test.redacts.is_empty()) {
        row.insert("redacts".to_owned(), test.redacts.iter().map(|name| Value::from(&**name)).collect());
    }
    row
}

fn test_line(file: &str, test: &TestResult) -> String {
    let name = output::plain(&test.name);
    if test.passed() {
        return format!("pass  {name}");
    }
    format!("FAIL  {name}\n      {file}:{}: {}", test.line, document::test_failure(test))
}

fn count(problems: &[Problem], severity: Severity) -> usize {
    problems.iter().filter(|problem| problem.severity == severity).count()
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
