//! Words that must not be there: unfinished work, sleeping tests, places of one machine.

use std::path::Path;

use super::{File, has_word, product};

/// Assembled here so that this file does not hold what it looks for.
const UNFINISHED: &[&str] = &[concat!("#[", "ignore"), concat!("todo", "!("), concat!("unimplemented", "!(")];
const NOTES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
const SLEEPS: &[&str] = &[concat!("thread::", "sleep"), concat!("time::", "sleep"), concat!("asyncio.", "sleep")];
const REGISTRIES: &[&str] = &[
    concat!("registry.", "npmjs"),
    concat!("registry.", "yarnpkg"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("crates", ".io"),
    concat!("deb.", "debian.org"),
];
/// Where the design and the evaluation data are kept, beside the project; a stranger's clone has no such folder.
const BESIDE: &str = concat!("../", "shared");
const MAY_LOOK_BESIDE: &[&str] = &["xtask/src/eval.rs", "xtask/src/main.rs", ".ci/run", "CONTRIBUTING.md"];

pub(super) fn check(file: &File, root: &Path, problems: &mut Vec<String>) {
    let Some(text) = &file.text else { return };
    let path = &file.path;
    let is_rust = file.has_extension("rs");
    let product_lines = if file.is_test() { 0 } else { product(text).lines().count() };
    let places = machine_places(root);
    for (index, line) in text.lines().enumerate() {
        let mut found = |what: String| problems.push(format!("{path}:{}: {what}", index + 1));
        if is_rust {
            for word in UNFINISHED.iter().filter(|word| line.contains(**word)) {
                found(format!("`{word}` is left over"));
            }
        }
        for word in NOTES.iter().filter(|word| is_rust && has_word(line, word)) {
            found(format!("`{word}` is unfinished work"));
        }
        if index >= product_lines && (is_rust || file.has_extension("mjs") || file.has_extension("py")) {
            for word in SLEEPS.iter().filter(|word| line.contains(**word)) {
                found(format!("`{word}` in a test: wait for what happens, not for time"));
            }
        }
        for place in places.iter().filter(|place| line.contains(place.as_str())) {
            found(format!("`{place}` is a place on one machine"));
        }
        if !path.ends_with("Cargo.lock") {
            for _ in REGISTRIES.iter().filter(|host| line.contains(**host)) {
                found("names the host of a package registry; name the package instead".to_owned());
            }
        }
        if line.contains(BESIDE) && !MAY_LOOK_BESIDE.contains(&path.as_str()) {
            found(format!("`{BESIDE}` is not in a stranger's clone"));
        }
    }
}

/// Paths that only this machine has: where the workspace lies, and the home folder.
fn machine_places(root: &Path) -> Vec<String> {
    let home = std::env::var("HOME").unwrap_or_default();
    let places = [root.to_string_lossy().into_owned(), format!("{}/", home.trim_end_matches('/'))];
    places.into_iter().filter(|place| place.matches('/').count() >= 2).collect()
}
