//! The builder's laws: nothing is lost, a click changes its own lines only, and the engine reads what was clicked.

mod clicks;
mod forms;
mod hostile;
mod laws;
mod seen;

use super::*;
use callgate_json::{Limits, Value, parse};

#[path = "../../../callgate-policy/tests/support/generated.rs"]
mod generated;

/// The tools of the fixture that is like Kernel.
fn kernel() -> Vec<ToolFacts> {
    listed(include_str!("../../../callgate-fixture/lists/kernel.json"))
}

/// The tools of a `tools/list` answer.
fn listed(text: &str) -> Vec<ToolFacts> {
    let list = parse(text.as_bytes(), &Limits::default()).unwrap();
    let tools = list.as_array().or_else(|| list.get("tools")?.as_array()).unwrap();
    let read = |tool: &Value<'_>| ToolFacts::read(std::str::from_utf8(tool.bytes(text.as_bytes())).unwrap());
    tools.iter().map(|tool| read(tool).unwrap()).collect()
}

/// A tool with this name and nothing else.
fn tool(name: &str) -> ToolFacts {
    ToolFacts::read(&serde_json::json!({ "name": name, "description": "Reads a thing." }).to_string()).unwrap()
}

/// The text after a click.
fn click(text: &str, action: &Action, tools: &[ToolFacts]) -> String {
    Draft::read(text).apply(action, tools).unwrap_or_else(|refused| panic!("{action:?}: {refused}\n{text}")).text
}

/// The text after a click that is given as the fields of its form.
fn posted(text: &str, fields: &[(&str, &str)], tools: &[ToolFacts]) -> String {
    click(text, &Action::of_form(&form(fields)).unwrap(), tools)
}

fn form(fields: &[(&str, &str)]) -> crate::form::Form {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields);
    crate::form::Form::parse(body.finish().as_bytes())
}

/// One document in many layouts.
fn layouts(document: &serde_json::Value) -> Vec<String> {
    let indented = |indent: &str| {
        use serde::Serialize;
        let mut out = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
        document.serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter)).unwrap();
        String::from_utf8(out).unwrap()
    };
    let ours = |style: &str| {
        let text = document.to_string();
        let value = parse(text.as_bytes(), &Limits::default()).unwrap();
        let root = parse(style.as_bytes(), &Limits::default()).unwrap();
        let mut out = String::new();
        json::Json::again(&value, true).write(&json::Style::of(style, &root), &mut out);
        out
    };
    vec![
        document.to_string(),
        indented("  "),
        indented("    ").replace('\n', "\r\n"),
        indented("\t"),
        ours(NEW),
        ours("{\n\t\"a\" :{ \"b\" :1, \"c\" :[ {} ] }\n}"),
    ]
}
