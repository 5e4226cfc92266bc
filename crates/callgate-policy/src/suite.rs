//! The tests inside a document (policy language section 8).

use crate::call::{Arguments, Definition, Timestamp};
use crate::decide::{ResultOf, Returned, decide_reach, decide_result};
use crate::decision::{Decision, Outcome};
use crate::explain::{Earlier, Question, Stage, explain};
use crate::model::{Policy, TestCase, TestSubject};
use crate::reach::Reach;
use callgate_json::{Limits, Value};
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
    /// The detectors that the test expects to find something in its result, where it names them.
    pub expected_redacts: Option<Vec<Arc<str>>>,
    /// Those that did.
    pub redacts: Vec<Arc<str>>,
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
        }) && self.expected_redacts.as_ref().is_none_or(|expected| *expected == self.redacts)
    }
}

/// How many calls the document's tests make: what running them costs.
pub fn calls(policy: &Policy) -> u64 {
    let of = |test: &TestCase| u64::from(test.calls) + test.after.len() as u64;
    policy.tests.iter().map(of).sum()
}

/// Runs the document's tests. `definition` gives a tool's pinned definition, where there is one.
pub fn run<'d>(policy: &Policy, definition: impl Fn(&str) -> Option<&'d Definition>) -> Report {
    let run_one = |test: &TestCase| {
        let (got, redacts) = match play(policy, test, &definition) {
            Ok((decision, redacts)) => (Ok(decision), redacts),
            Err(why) => (Err(why), Vec::new()),
        };
        TestResult {
            name: Arc::clone(&test.name),
            pointer: Arc::clone(&test.place.pointer),
            line: test.place.line,
            expected: test.expect,
            expected_rule: test.rule.clone(),
            got,
            expected_redacts: test.redacts.clone(),
            redacts,
        }
    };
    Report { tests: policy.tests.iter().map(run_one).collect() }
}

/// The decision about what a test asks, or about the result that it gives, and what was found in that.
fn play<'d>(
    policy: &Policy,
    test: &TestCase,
    definition: &impl Fn(&str) -> Option<&'d Definition>,
) -> Result<(Decision, Vec<Arc<str>>), String> {
    let now = match &test.at {
        Some(text) => match text.parse::<jiff::Timestamp>() {
            Ok(moment) => Timestamp(moment.as_millisecond()),
            Err(_) => return Err(format!("`{text}` is not a moment in RFC 3339")),
        },
        None => NOON,
    };
    let stage = Stage::new(test.grant.as_deref().unwrap_or(LABEL), now).map_err(|error| error.to_string())?;
    let parsed = parsed(test.args.as_deref());
    let arguments = arguments(&parsed);
    let (tool, pinned) = match &test.subject {
        TestSubject::Tool(tool) => (&**tool, definition(tool)),
        TestSubject::Reach(..) => ("", None),
    };
    let decision = match &test.subject {
        TestSubject::Tool(_) => called(policy, test, (tool, arguments.clone(), pinned), definition, &stage),
        TestSubject::Reach(kind, subject) => decide_reach(Some(policy), None, Reach { kind: *kind, subject }),
    };
    let Some(result) = test.result.as_deref().filter(|_| decision.outcome == Outcome::Allow) else {
        return Ok((decision, Vec::new()));
    };
    let value = callgate_json::parse(result.as_bytes(), &Limits::default()).map_err(|error| error.to_string())?;
    let call = stage.call(tool, arguments, pinned);
    let of = match &test.subject {
        TestSubject::Tool(_) => ResultOf::Call(&call),
        TestSubject::Reach(..) => ResultOf::Other(&call),
    };
    let returned = Returned { value: &value, result: Some(&value) };
    let judged = decide_result(Some(policy), None, of, &stage.facts(&stage.grant), returned, result.len());
    Ok((judged.decision, judged.found.into_iter().map(|(name, _)| name).collect()))
}

/// The decision about the last of the calls that a test makes, after those that come before.
fn called<'d>(
    policy: &Policy,
    test: &TestCase,
    (tool, args, pinned): (&str, Arguments<'_>, Option<&Definition>),
    definition: &impl Fn(&str) -> Option<&'d Definition>,
    stage: &Stage,
) -> Decision {
    let before: Vec<_> = test.after.iter().map(|call| (&*call.tool, parsed(call.args.as_deref()))).collect();
    let after: Vec<Earlier<'_>> = before
        .iter()
        .map(|(tool, parsed)| Earlier { tool, arguments: arguments(parsed), definition: definition(tool) })
        .collect();
    let question = Question {
        policy: Some(policy),
        baseline: None,
        tool,
        arguments: args,
        definition: pinned,
        after: &after,
        calls: test.calls,
    };
    explain(&question, stage)
}

/// Arguments as they were read; none where the call has none.
type Parsed<'t> = Option<Result<Value<'t>, callgate_json::Error>>;

fn parsed(args: Option<&str>) -> Parsed<'_> {
    let limits = Limits { exact_numbers: true, ..Limits::default() };
    args.map(|args| callgate_json::parse(args.as_bytes(), &limits))
}

fn arguments<'p>(parsed: &'p Parsed<'p>) -> Arguments<'p> {
    match parsed {
        None => Arguments::Absent,
        Some(Ok(value)) => Arguments::Value(value),
        Some(Err(error)) => Arguments::Unreadable(error.clone()),
    }
}
