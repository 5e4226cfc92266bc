//! Real shapes of tools that run or do many things: a command beside its arguments, and actions behind one argument.

use super::conditions;
use super::shape::{Finding, Kinds};
use super::tools::{Advice, Tool};
use crate::model::{Condition, Entry, Predicate};
use crate::parse::wording::shown;
use crate::path::{Path, Step};

/// Arguments that name a program.
const PROGRAMS: [&str; 11] =
    ["command", "cmd", "program", "executable", "binary", "bin", "entrypoint", "exec", "shell", "script", "code"];
/// Arguments that hold what the program is given.
const VECTORS: [&str; 8] = ["args", "arguments", "argv", "params", "parameters", "command", "cmd", "flags"];

/// Warns where a rule that stops commands looks at one half of the command line, or at single words of it.
pub(super) fn half_looked_at(advice: &mut Advice, entry: &Entry, tool: &Tool<'_>) {
    let Some(schema) = &tool.schema else {
        return;
    };
    let halves: Vec<Half<'_>> = schema.properties().into_iter().filter_map(|(name, found)| half(name, found)).collect();
    let has_vector = halves.iter().any(|half| half.is_vector);
    if !has_vector {
        return;
    }
    for list in [&entry.deny_if, &entry.approve_if] {
        // Halves may be looked at by different rules of one list: then nothing is missed.
        let looked_at: Vec<&str> = list.iter().flat_map(conditions).filter_map(argument).collect();
        let missed: Vec<&Half<'_>> = halves.iter().filter(|half| !looked_at.contains(&half.name)).collect();
        for predicate in list {
            for condition in stopping(predicate) {
                let Some(half) = argument(condition).and_then(|name| halves.iter().find(|half| half.name == name))
                else {
                    continue;
                };
                if let Some(missed) = missed.first() {
                    tell_half(advice, condition, tool, half, missed);
                } else if half.is_vector {
                    tell_word(advice, condition, tool, half);
                }
            }
        }
    }
}

/// One part of a command line.
struct Half<'s> {
    name: &'s str,
    is_vector: bool,
}

fn half<'s>(name: &'s str, found: Finding<'_>) -> Option<Half<'s>> {
    let Finding::Value { kinds, listed: None } = found else {
        return None;
    };
    let plain = name.to_ascii_lowercase();
    if kinds == Kinds::STRING && PROGRAMS.contains(&&*plain) {
        return Some(Half { name, is_vector: false });
    }
    (kinds == Kinds::ARRAY && VECTORS.contains(&&*plain)).then_some(Half { name, is_vector: true })
}

/// The top-level argument that a condition looks at.
fn argument(condition: &Condition) -> Option<&str> {
    match condition.path.as_ref().and_then(Path::argument_steps)?.first()? {
        Step::Key(key) => Some(key),
        _ => None,
    }
}

/// The conditions that a command must meet to be stopped; a negated one lists what may pass.
fn stopping(predicate: &Predicate) -> impl Iterator<Item = &Condition> {
    conditions(predicate).filter(|condition| {
        matches!(condition.operator.name(), "eq" | "in" | "regex" | "contains" | "starts_with" | "ends_with" | "glob")
    })
}

fn tell_half(advice: &mut Advice, condition: &Condition, tool: &Tool<'_>, half: &Half<'_>, missed: &Half<'_>) {
    let message = format!(
        "this only looks at `args.{}`, but `{}` also runs what stands in `args.{}`",
        shown(half.name),
        shown(tool.name),
        shown(missed.name)
    );
    let other = if missed.is_vector { format!("args.{}[join]", missed.name) } else { format!("args.{}", missed.name) };
    let hint = format!(
        "add a rule on `{other}`, for example `{{ \"path\": \"{other}\", \"op\": \"regex\", \"value\": \"\\\\brm\\\\b\" }}`"
    );
    advice.warn("CG1205", &condition.place, message, hint);
}

/// `rm` is also run by `sh -c "rm …"`, which no comparison of whole words finds.
fn tell_word(advice: &mut Advice, condition: &Condition, tool: &Tool<'_>, half: &Half<'_>) {
    let steps = condition.path.as_ref().and_then(Path::argument_steps).unwrap_or_default();
    let first_only = matches!(steps.get(1), Some(Step::Index(_)));
    let whole_words = matches!(condition.operator.name(), "eq" | "in" | "starts_with");
    let joined = matches!(steps.get(1), Some(Step::Join));
    // `contains` on the list itself compares whole elements too; what else looks at a list as such is of the wrong
    // kind, and told as that.
    let element = steps.len() == 1 && condition.operator.name() == "contains";
    if !(first_only || element || (whole_words && !joined && steps.len() > 1)) {
        return;
    }
    let message = format!(
        "this compares single words of `args.{}`, so that `{}` still runs `sh -c \"…\"` with them inside",
        shown(half.name),
        shown(tool.name)
    );
    let hint = format!("look at `args.{}[join]` with `regex`, for example `\\\\brm\\\\b`", half.name);
    advice.warn("CG1205", &condition.place, message, hint);
}

/// The tools that do what a name says behind an argument with listed values, such as `action`.
pub(super) fn behind_an_argument(name: &str, tools: &[Tool<'_>]) -> Vec<String> {
    let words: Vec<String> =
        name.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2).map(str::to_ascii_lowercase).collect();
    let mut found = Vec::new();
    for tool in tools {
        let Some(schema) = &tool.schema else { continue };
        for (argument, finding) in schema.properties() {
            let Finding::Value { listed: Some(listed), .. } = finding else { continue };
            let is_switch =
                matches!(&*argument.to_ascii_lowercase(), "action" | "operation" | "op" | "method" | "command");
            let value = listed.iter().map(|text| text.trim_matches('"')).find(|value| {
                let first = value.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
                words.first().is_some_and(|word| *word == first.to_ascii_lowercase())
            });
            if let Some(value) = value.filter(|_| is_switch && found.len() < 3) {
                found.push(format!("`args.{argument}` = `{value}` of `{}`", shown(tool.name)));
            }
        }
    }
    found
}
