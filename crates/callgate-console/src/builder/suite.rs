//! The document's own tests, run as `callgate policy test` runs them.

use super::facts::ToolFacts;
use callgate_policy::suite::{self, TestResult};
use callgate_policy::{Definition, Policy};
use std::collections::HashMap;
use std::sync::Arc;

/// So many calls the tests of a draft make at most, so that whoever may only look can't keep the gateway busy.
const MOST_CALLS: u64 = 200_000;

/// What the tests of a text gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TestsView {
    /// Whether they could be run: the text is a policy.
    pub(crate) ran: bool,
    /// Whether they were not, because they make too many calls for that.
    pub(crate) too_many: bool,
    /// A row per test, in document order.
    pub(crate) rows: Vec<TestRow>,
    /// How many passed.
    pub(crate) passed: usize,
    /// How many did not.
    pub(crate) failed: usize,
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TestRow {
    /// Its name.
    pub(crate) name: String,
    /// The line, from 1.
    pub(crate) line: u32,
    /// Its pointer.
    pub(crate) pointer: String,
    /// Whether it passed.
    pub(crate) passed: bool,
    /// What it expects: `deny by /tools/a/deny_if/always`.
    pub(crate) expected: String,
    /// What came of it, in the same words; or why it could not be run.
    pub(crate) got: String,
    /// What the caller would be told; empty for an allowed call.
    pub(crate) message: String,
}

/// Runs the tests of a text. The tools' definitions count as pinned, so that rules on categories, labels and schemas work.
pub(crate) fn tests(text: &str, tools: &[ToolFacts]) -> TestsView {
    let Ok(policy) = Policy::parse(text.as_bytes()) else { return TestsView::default() };
    if suite::calls(&policy) > MOST_CALLS {
        return TestsView { too_many: true, ..TestsView::default() };
    }
    let definitions: HashMap<&str, Definition> =
        tools.iter().map(|facts| (facts.name.as_str(), facts.definition())).collect();
    let report = suite::run(&policy, |tool| definitions.get(tool));
    TestsView {
        ran: true,
        too_many: false,
        passed: report.passed(),
        failed: report.failed(),
        rows: report.tests.iter().map(row).collect(),
    }
}

fn row(test: &TestResult) -> TestRow {
    let by = |rule: &str| if rule.is_empty() { String::new() } else { format!(" by {rule}") };
    let taken_out = |names: &[Arc<str>]| match names {
        [] => "; takes nothing out".to_owned(),
        names => format!("; takes out {}", names.join(", ")),
    };
    let mut expected = format!("{}{}", test.expected.as_str(), by(test.expected_rule.as_deref().unwrap_or_default()));
    let (mut got, message) = match &test.got {
        Ok(decision) => {
            (format!("{}{}", decision.outcome.as_str(), by(decision.rule.as_str())), decision.message.to_string())
        }
        Err(why) => (why.clone(), String::new()),
    };
    if let Some(redacts) = &test.expected_redacts {
        expected.push_str(&taken_out(redacts));
        got.push_str(&taken_out(&test.redacts));
    }
    TestRow {
        name: test.name.to_string(),
        line: test.line,
        pointer: test.pointer.to_string(),
        passed: test.passed(),
        expected,
        got,
        message,
    }
}
