//! Names of files and types, and files that nobody meant to leave behind.

use super::File;

const VAGUE: &[&str] = &["util", "utils", "common", "manager", "helper", "helpers", "misc"];
const STRAY: &[&str] = &[".orig", ".rej", ".bak", ".tmp", ".log", ".swp", ".pyc", ".profraw", "~"];
const LARGEST: u64 = 1024 * 1024;

pub(super) fn check(file: &File, problems: &mut Vec<String>) {
    let path = &file.path;
    if STRAY.iter().any(|end| path.ends_with(end)) || matches!(file.name(), ".DS_Store" | "nohup.out" | "core") {
        problems.push(format!("{path}: a stray artefact; remove it"));
    }
    if file.bytes > LARGEST {
        problems.push(format!("{path}: {} bytes; nothing over {LARGEST} belongs here", file.bytes));
    }
    if !file.has_extension("rs") {
        return;
    }
    if file.name() == "mod.rs" {
        problems.push(format!("{path}: no mod.rs; a module `foo` is foo.rs and foo/"));
    }
    let stem = file.name().trim_end_matches(".rs");
    if stem.split('_').any(|part| VAGUE.contains(&part)) {
        problems.push(format!("{path}: `{stem}` says nothing; name what it holds"));
    }
    for (index, line) in file.text.iter().flat_map(|text| text.lines()).enumerate() {
        let Some(name) = declared(line) else { continue };
        if ["Manager", "Helper", "Utils", "Util"].iter().any(|end| name.ends_with(end)) || VAGUE.contains(&name) {
            problems.push(format!("{path}:{}: `{name}` says nothing; name what it is", index + 1));
        }
    }
}

/// The name that a line declares as a type or module.
fn declared(line: &str) -> Option<&str> {
    let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    if !line.trim_start().starts_with(['p', 's', 'e', 't', 'm']) {
        return None;
    }
    loop {
        match words.next()? {
            "pub" | "crate" | "super" | "in" => {}
            "struct" | "enum" | "trait" | "type" | "mod" => return words.next(),
            _ => return None,
        }
    }
}
