//! How long a file and a function may be.

use super::{File, product};

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 60;
const ARCHITECTURE_LINES: usize = 250;

pub(super) fn check(file: &File, problems: &mut Vec<String>) {
    let Some(text) = &file.text else { return };
    let path = &file.path;
    let lines = text.lines().count();
    if path == "ARCHITECTURE.md" && lines > ARCHITECTURE_LINES {
        problems.push(format!("{path}: {lines} lines; it stays within {ARCHITECTURE_LINES}"));
    }
    if !file.has_extension("rs") || file.is_test() || file.is_generated() {
        return;
    }
    if lines > FILE_LINES {
        problems.push(format!("{path}: {lines} lines; over {FILE_LINES} it wants to be two files"));
    }
    for (line, name, length) in functions(product(text)) {
        if length > FUNCTION_LINES {
            problems.push(format!("{path}:{line}: `{name}` has {length} lines; {FUNCTION_LINES} is the most"));
        }
    }
}

/// First line, name and length of each function. Relies on rustfmt: a function ends with a brace at its own indent.
fn functions(text: &str) -> Vec<(usize, &str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = function(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let is_end = |line: &&str| line.len() == indent + 1 && line.trim_start() == "}";
        let Some(rest) = lines.get(index + 1..) else { continue };
        let one_line = line.ends_with(['}', ';']);
        if let (false, Some(length)) = (one_line, rest.iter().position(is_end)) {
            found.push((index + 1, name, length + 2));
        }
    }
    found
}

/// The name of the function that starts on this line.
fn function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let is_qualifier = |word: &str| matches!(word, "const" | "async" | "unsafe" | "extern") || word.starts_with("pub");
    if !before.split_whitespace().all(|word| is_qualifier(word) || word.ends_with(')')) {
        return None;
    }
    after.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().filter(|name| !name.is_empty())
}
