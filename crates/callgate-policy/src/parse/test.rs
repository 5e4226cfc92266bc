//! The tests inside a document.

use super::field::{EARLIER, TEST, TEST_SUBJECTS};
use super::reader::{Fields, Reader, count};
use super::wording::quoted;
use crate::decision::Outcome;
use crate::model::{EarlierCall, TestCase, TestSubject};
use crate::reach::ReachKind;
use callgate_json::{Pointer, Value, canonical};
use std::sync::Arc;

/// Reads the list `tests` of a document.
pub(super) fn read(reader: &mut Reader<'_>, document: &Fields<'_, '_>) -> Vec<TestCase> {
    let Some((list, pointer)) = document.get("tests") else {
        return Vec::new();
    };
    let items = list.as_array().unwrap_or_default().iter().enumerate();
    items.filter_map(|(index, value)| test(reader, value, &pointer.index(index))).collect()
}

fn test(reader: &mut Reader<'_>, value: &Value<'_>, at: &Pointer) -> Option<TestCase> {
    let fields = reader.object(value, at, &TEST)?;
    let subject = subject(reader, &fields, value);
    let expect = match fields.text("expect") {
        Some("allow") => Outcome::Allow,
        Some("approve") => Outcome::Approve,
        _ => Outcome::Deny,
    };
    if let Some(TestSubject::Reach(kind, _)) = &subject {
        calls_only(reader, &fields, *kind, expect);
    }
    let after = after(reader, &fields);
    answers_only(reader, &fields, subject.as_ref(), expect);
    Some(TestCase {
        name: fields.shared("name")?,
        subject: subject?,
        args: fields.get("args").map(|(args, _)| canonical(args).into()),
        after,
        calls: fields.get("calls").and_then(|(calls, _)| count(calls)).unwrap_or(1),
        expect,
        rule: fields.shared("rule"),
        at: fields.shared("at"),
        grant: fields.shared("grant"),
        result: fields.get("result").map(|(result, _)| answer(result).into()),
        redacts: fields.get("redacts").map(|(names, at)| redacts(reader, names, &at)),
        place: reader.place(at, value.span.start),
    })
}

/// The calls before.
fn after(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Vec<EarlierCall> {
    let Some((list, pointer)) = fields.get("after") else {
        return Vec::new();
    };
    let items = list.as_array().unwrap_or_default().iter().enumerate();
    let earlier = items.filter_map(|(index, value)| {
        let fields = reader.object(value, &pointer.index(index), &EARLIER)?;
        let args = fields.get("args").map(|(args, _)| canonical(args).into());
        Some(EarlierCall { tool: fields.shared("tool")?, args })
    });
    earlier.collect()
}

/// What the test asks about: exactly one of the fields that say so.
fn subject(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, value: &Value<'_>) -> Option<TestSubject> {
    let mut written = TEST_SUBJECTS.iter().filter(|name| value.get(name).is_some());
    let Some(first) = written.next() else {
        let message = "nothing in this test says what it asks about";
        let hint = format!("add one of {}", quoted(TEST_SUBJECTS));
        reader.error("CG1005", value.span.start, &fields.pointer, message, hint);
        return None;
    };
    for second in written {
        if let Some((more, at)) = fields.get(second) {
            let message = format!("`{first}` and `{second}` don't go together");
            reader.error("CG1014", more.span.start, &at, message, "a test asks about one thing: write two tests");
        }
    }
    let text = fields.shared(first)?;
    Some(match *first {
        "resource" => TestSubject::Reach(ReachKind::Resource, text),
        "prompt" => TestSubject::Reach(ReachKind::Prompt, text),
        "sampling" => TestSubject::Reach(ReachKind::Sampling, text),
        "elicitation" => TestSubject::Reach(ReachKind::Elicitation, text),
        "root" => TestSubject::Reach(ReachKind::Root, text),
        _ => TestSubject::Tool(text),
    })
}

/// The result that a test gives, as canonical JSON. A text is one of a tool.
fn answer(result: &Value<'_>) -> String {
    let json = canonical(result);
    match result.as_str() {
        Some(_) => format!("{{\"content\":[{{\"text\":{json},\"type\":\"text\"}}]}}"),
        None => json,
    }
}

fn redacts(reader: &mut Reader<'_>, names: &Value<'_>, at: &Pointer) -> Vec<Arc<str>> {
    let names = names.as_array().unwrap_or_default();
    for (index, item) in names.iter().enumerate().filter(|(_, item)| item.as_str().is_none()) {
        reader.wrong_kind(item, &at.index(index), "redacts", "a list of names");
    }
    let mut names: Vec<Arc<str>> = names.iter().filter_map(Value::as_str).map(Arc::from).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Tells where a result can't be judged.
fn answers_only(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, subject: Option<&TestSubject>, expect: Outcome) {
    let result = fields.get("result");
    if let Some((names, at)) = fields.get("redacts").filter(|_| result.is_none()) {
        let hint = "add `result`: what the server answers";
        reader.error("CG1014", names.span.start, &at, "`redacts` needs `result`", hint);
    }
    let Some((value, at)) = result else { return };
    let is_asked = |kind: &ReachKind| matches!(kind, ReachKind::Resource | ReachKind::Prompt);
    if let Some(TestSubject::Reach(kind, _)) = subject
        && !is_asked(kind)
    {
        let message = format!("`result` and `{}` don't go together", kind.as_str());
        reader.error("CG1014", value.span.start, &at, message, "only a tool, a resource or a prompt has a result");
    }
    if expect == Outcome::Approve {
        let hint = "nobody is asked about a result: expect `allow` or `deny`";
        reader.error("CG1014", value.span.start, &at, "a result can't be expected to be approved", hint);
    }
}

/// Tells what a test has that only calls of tools can have.
fn calls_only(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, kind: ReachKind, expect: Outcome) {
    for name in ["args", "after", "calls", "grant", "at"] {
        if let Some((value, at)) = fields.get(name) {
            let message = format!("`{name}` and `{}` don't go together", kind.as_str());
            let hint = format!("only a call of a tool has `{name}`: remove it");
            reader.error("CG1014", value.span.start, &at, message, hint);
        }
    }
    if let Some((value, at)) = fields.get("expect").filter(|_| expect == Outcome::Approve) {
        let message = format!("`{}` can't be expected to be approved", kind.as_str());
        reader.error("CG1014", value.span.start, &at, message, "nobody is asked about it: expect `allow` or `deny`");
    }
}
