//! How often the detectors are wrong: measured on ordinary text, and written into docs/detectors.md.

use callgate_detect::{Detectors, GROUPS, catalogue};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- written by crates/callgate-detect/tests/detectors.rs; UPDATE_EXPECT=1 rewrites it -->";
const END: &str = "<!-- end -->";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The texts in ordinary answers of real servers.
fn answers() -> Vec<(String, String)> {
    files(&root().join("crates/callgate-detect/tests/ordinary"), &["jsonl"])
        .into_iter()
        .flat_map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(path).unwrap();
            let answers = text.lines().map(|line| serde_json::from_str(line).unwrap());
            let mut texts = Vec::new();
            answers.for_each(|answer: serde_json::Value| strings(&answer, &mut texts));
            texts.into_iter().map(|text| (name.clone(), text)).collect::<Vec<_>>()
        })
        .collect()
}

fn strings(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        serde_json::Value::Object(members) => members.iter().for_each(|(key, value)| {
            // Base64 of images and files is left alone in results.
            if !matches!(key.as_str(), "data" | "blob") {
                found.push(key.clone());
                strings(value, found);
            }
        }),
        _ => {}
    }
}

/// Text that people wrote: documentation, programs, tool lists, settings.
fn writing() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for (folder, kinds) in
        [("docs", &["md", "json"][..]), ("crates", &["rs", "toml", "json", "md"]), ("xtask", &["rs"])]
    {
        paths.extend(files(&root().join(folder), kinds));
    }
    // The rules and what is planted by tests are meant to be found.
    let is_planted = |path: &Path| {
        path.components().any(|part| matches!(part.as_os_str().to_str(), Some("callgate-detect" | "tests")))
    };
    paths.retain(|path| !is_planted(path) && !path.ends_with("docs/detectors.md"));
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

fn files(folder: &Path, kinds: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let is_made = ["target", "node_modules", "__pycache__"].iter().any(|name| path.ends_with(name));
            if path.is_dir() && !is_made {
                open.push(path);
            } else if path.extension().is_some_and(|kind| kinds.iter().any(|known| kind == *known)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What each detector found, by its name.
fn hits(texts: &[(String, String)]) -> BTreeMap<&'static str, Vec<String>> {
    let mut hits: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for detector in catalogue() {
        let alone = Detectors::select([detector.name()]).unwrap();
        for (name, text) in texts {
            let found = alone.find(text);
            let shown = found.iter().map(|one| format!("{name}: {}", &text[one.span.clone()]));
            hits.entry(detector.name()).or_default().extend(shown);
        }
    }
    hits
}

#[test]
fn answers_of_real_servers_hold_no_secret() {
    let answers = answers();
    assert!(answers.len() > 40, "{}", answers.len());
    let secrets = Detectors::select(["secrets"]).unwrap();
    for (name, answer) in &answers {
        let found = secrets.find(answer);
        let shown: Vec<&str> = found.iter().map(|one| &answer[one.span.clone()]).collect();
        assert!(shown.is_empty(), "{name}: {shown:?}");
    }
}

#[test]
fn the_documentation_says_what_is_found() {
    let path = root().join("docs/detectors.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (_, tail) = rest.split_once(END).unwrap();
    let expected = format!("{head}{BEGIN}\n\n{}\n{END}{tail}", tables());
    if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
        std::fs::write(&path, &expected).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written, expected, "docs/detectors.md shows another table; UPDATE_EXPECT=1 rewrites it");
}

fn tables() -> String {
    let mut out = String::new();
    let answers = answers();
    let answered = hits(&answers);
    let bytes: usize = answers.iter().map(|(_, text)| text.len()).sum();
    for (group, name) in GROUPS {
        writeln!(out, "### `{name}`\n").unwrap();
        writeln!(out, "| detector | finds | verified by | from | wrong in answers |\n|---|---|---|---|---|").unwrap();
        for detector in catalogue().iter().filter(|detector| detector.group() == group) {
            let (name, about, source) = (detector.name(), detector.about(), detector.source());
            let (verified, wrong) = (detector.verified_by(), answered[name].len());
            writeln!(out, "| `{name}` | {about} | {verified} | {source} | {wrong} |").unwrap();
        }
        out.push('\n');
    }
    writeln!(out, "Measured on {} texts in answers of real servers, {} KiB.", answers.len(), bytes / 1024).unwrap();
    out
}

/// What is found in everything that people wrote here; the output lists it.
#[test]
fn little_of_what_people_write_is_taken_for_a_secret() {
    let writing = writing();
    let bytes: usize = writing.iter().map(|(_, text)| text.len()).sum();
    let hits = hits(&writing);
    let wrong: Vec<&String> = catalogue()
        .iter()
        .filter(|detector| detector.group() == callgate_detect::Group::Secrets)
        .flat_map(|detector| &hits[detector.name()])
        .collect();
    println!("{bytes} bytes, {} hits", wrong.len());
    for (name, hits) in &hits {
        for hit in hits.iter().take(30) {
            println!("{name} <- {}", hit.chars().take(150).collect::<String>());
        }
    }
    // One in a hundred thousand characters.
    assert!(wrong.len() * 100_000 <= bytes, "{} in {bytes} bytes: {wrong:#?}", wrong.len());
}
