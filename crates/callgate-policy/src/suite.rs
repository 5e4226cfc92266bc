//! The tests inside a document (policy language section 8).

use crate::call::{Arguments, Definition, Timestamp};
use crate::decide::decide_reach;
use crate::decision::{Decision, Outcome};
use crate::explain::{Question, Stage, explain};
use crate::model::{Policy, TestCase, TestSubject};
use crate::reach::Reach;
use callgate_json::Limits;
use std::sync::Arc;

/// The moment of tests that name none: 2026-01-01T12:00:00Z, a Thursday.
const NOON: Timestamp = Timestamp(1_767_268_800_000);
/// The label of the calling grant in tests that name none.
const LABEL: &str = "test";

/// What the tests of a document gave.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One result per test, in document order.
    pub tests: Vec<TestResult>,
}

/// What one test gave.
#[derive(Clone, Debug)]
pub struct TestResult {
    /// The test's name.
    pub name: Arc<str>,
    /// The pointer to the test in the document.
    pub pointer: Arc<str>,
    /// The line of the test, from 1.
    pub line: u32,
    /// The outcome that the test expects.
    pub expected: Outcome,
    /// The rule that the test expects, where it names one.
    pub expected_rule: Option<Arc<str>>,
    /// What the engine decided; the text of what is wrong where the test itself can't be run.
    pub got: Result<Decision, String>,
}

impl Report {
    /// How many tests passed.
    pub fn passed(&self) -> usize {
        self.tests.iter().filter(|test| test.passed()).count()
    }

    /// How many did not.
    pub fn failed(&self) -> usize {
        self.tests.len() - self.passed()
    }
}

impl TestResult {
    /// Whether outcome and, where the test names one, rule are what the test expects.
    pub fn passed(&self) -> bool {
        self.got.as_ref().is_ok_and(|got| {
            let is_rule = |expected: &Arc<str>| **expected == *got.rule.as_str();
            got.outcome == self.expected && self.expected_rule.as_ref().is_none_or(is_rule)
        })
    }
}

/// Runs the document's tests. `definition` gives a tool's pinned definition, where there is one.
pub fn run<'d>(policy: &Policy, definition: impl Fn(&str) -> Option<&'d Definition>) -> Report {
    let run_one = |test: &TestCase| TestResult {
        name: Arc::clone(&test.name),
        pointer: Arc::clone(&test.place.pointer),
        line: test.place.line,
        expected: test.expect,
        expected_rule: test.rule.clone(),
        got: match &test.subject {
            TestSubject::Tool(tool) => play(policy, test, tool, definition(tool)),
            TestSubject::Reach(kind, subject) => Ok(decide_reach(Some(policy), None, Reach { kind: *kind, subject })),
        },
    };
    Report { tests: policy.tests.iter().map(run_one).collect() }
}

fn play(policy: &Policy, test: &TestCase, tool: &str, definition: Option<&Definition>) -> Result<Decision, String> {
    let now = match &test.at {
        Some(text) => match text.parse::<jiff::Timestamp>() {
            Ok(moment) => Timestamp(moment.as_millisecond()),
            Err(_) => return Err(format!("`{text}` is not a moment in RFC 3339")),
        },
        None => NOON,
    };
    let stage = Stage::new(test.grant.as_deref().unwrap_or(LABEL), now).map_err(|error| error.to_string())?;
    let limits = Limits { exact_numbers: true, ..Limits::default() };
    let parsed = test.args.as_deref().map(|args| callgate_json::parse(args.as_bytes(), &limits));
    let arguments = match &parsed {
        None => Arguments::Absent,
        Some(Ok(value)) => Arguments::Value(value),
        Some(Err(error)) => Arguments::Unreadable(error.clone()),
    };
    let question = Question { policy: Some(policy), baseline: None, tool, arguments, definition, calls: test.calls };
    Ok(explain(&question, &stage))
}
