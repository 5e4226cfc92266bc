//! What no compiler checks: sizes, names, stray artefacts, error pages, links, words that must not be there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

mod codes;
mod links;
mod names;
mod sources;
mod words;

/// One file of the project, read once for all checks.
pub(crate) struct File {
    /// The path from the workspace's root, with `/`.
    path: String,
    /// `None` where the file is no UTF-8.
    text: Option<String>,
    bytes: u64,
}

/// Folders that hold nothing of the project's own.
const SKIPPED: &[&str] = &["target", ".cache", ".git", "node_modules", "__pycache__"];

/// Everything that is not as the house rules want it, one line each.
pub(crate) fn problems(root: &Path) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for path in files(root)? {
        let bytes = fs::read(&path).with_context(|| format!("`{}` can't be read", path.display()))?;
        let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        all.push(File { path: relative, bytes: bytes.len() as u64, text: String::from_utf8(bytes).ok() });
    }
    let mut problems = Vec::new();
    for file in &all {
        names::check(file, &mut problems);
        sources::check(file, &mut problems);
        words::check(file, root, &mut problems);
        links::check(file, root, &mut problems);
    }
    codes::check(&all, &mut problems);
    Ok(problems)
}

/// Every file below a folder, sorted, without what is built or installed there.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).with_context(|| format!("`{}` can't be read", at.display()))? {
            let entry = entry?;
            let name = entry.file_name();
            if SKIPPED.iter().any(|skipped| name.to_str() == Some(skipped)) {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The part of a source file that is product: everything before its `#[cfg(test)]` module.
pub(crate) fn product(text: &str) -> &str {
    text.split("\n#[cfg(test)]\n").next().unwrap_or(text)
}

/// Whether a word stands in a line by itself, not as a part of a longer one.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

impl File {
    fn has_extension(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Tests and benches, which may be long and may stop at the first surprise.
    fn is_test(&self) -> bool {
        self.path.split('/').any(|part| matches!(part, "tests" | "benches")) || self.name() == "tests.rs"
    }

    fn is_generated(&self) -> bool {
        self.text.iter().flat_map(|text| text.lines().take(5)).any(|line| line.contains("@generated"))
    }
}

#[cfg(test)]
mod tests {
    use super::{File, codes, has_word, links, names, sources, words};

    fn check(path: &str, text: &str) -> Vec<String> {
        let file = File { path: path.to_owned(), text: Some(text.to_owned()), bytes: text.len() as u64 };
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut problems = Vec::new();
        names::check(&file, &mut problems);
        sources::check(&file, &mut problems);
        words::check(&file, root, &mut problems);
        links::check(&file, root, &mut problems);
        codes::check(&[file], &mut problems);
        problems
    }

    #[test]
    fn each_rule_fires_and_leaves_the_good_alone() {
        let long = "x\n".repeat(401);
        let function = format!("fn long() {{\n{}}}\n", "    step();\n".repeat(60));
        let sleeps = concat!("fn t() { std::thread::", "sleep(D); }");
        let cases: &[(&str, &str, &[&str])] = &[
            ("src/a.rs", "fn fine() {}\n", &[]),
            ("src/a.rs", &long, &["400"]),
            ("tests/a.rs", &long, &[]),
            ("src/a.rs", &function, &["`long`"]),
            ("src/mod.rs", "", &["mod.rs"]),
            ("src/utils.rs", "", &["utils"]),
            ("src/a.rs", "struct SessionManager;\n", &["SessionManager"]),
            ("src/a.rs.orig", "", &["stray"]),
            ("src/a.rs", concat!("#[", "ignore]\n"), &["ignore"]),
            ("src/a.rs", concat!("fn a() { to", "do!() }\n"), &["todo"]),
            ("tests/a.rs", sleeps, &["sleep"]),
            ("src/a.rs", sleeps, &[]),
            ("README.md", "[here](Cargo.toml) and [there](gone.md)\n", &["gone.md"]),
            ("docs/a.md", "```\n[x](gone.md)\n```\n", &[]),
            ("docs/a.md", concat!("see pypi", ".org\n"), &["registry"]),
            ("crates/a/src/a.rs", concat!("const A: &str = \"CG", "9998\";\n"), &["docs/errors"]),
        ];
        for (path, text, expected) in cases {
            let problems = check(path, text);
            assert_eq!(problems.len(), expected.len(), "{path}: {problems:?}");
            for (problem, part) in problems.iter().zip(*expected) {
                assert!(problem.contains(part), "{problem}");
            }
        }
    }

    #[test]
    fn words_have_edges() {
        assert!(has_word("use std::time::Instant;", "Instant"));
        assert!(!has_word("an Instantaneous", "Instant"));
    }
}
