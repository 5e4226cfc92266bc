//! Every error code of the sources has a page, and every page a code.

use std::collections::BTreeMap;

use super::{File, product};

pub(super) fn check(files: &[File], problems: &mut Vec<String>) {
    let mut used: BTreeMap<&str, String> = BTreeMap::new();
    let mut pages: BTreeMap<&str, &File> = BTreeMap::new();
    for file in files {
        if let Some(name) = file.path.strip_prefix("docs/errors/") {
            pages.insert(name.trim_end_matches(".md"), file);
        }
        let is_source = file.path.starts_with("crates/") && file.has_extension("rs") && !file.is_test();
        for (index, line) in file.text.iter().filter(|_| is_source).flat_map(|t| product(t).lines()).enumerate() {
            for code in codes(line) {
                used.entry(code).or_insert_with(|| format!("{}:{}", file.path, index + 1));
            }
        }
    }
    for (code, place) in &used {
        if !pages.contains_key(code) {
            problems.push(format!("{place}: `{code}` has no page docs/errors/{code}.md"));
        }
    }
    for (code, page) in pages {
        if !used.contains_key(code) {
            problems.push(format!("{}: nothing in the sources uses `{code}`", page.path));
        }
        if !page.text.as_ref().is_some_and(|text| text.starts_with(&format!("# {code}: "))) {
            problems.push(format!("{}: the first line has to be `# {code}: …`", page.path));
        }
    }
}

/// The codes in a line: `CG` and exactly four digits.
fn codes(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("CG").filter_map(|(at, _)| {
        let code = line.get(at..at + 6)?;
        let is_code = code.bytes().skip(2).all(|byte| byte.is_ascii_digit());
        let goes_on = line.as_bytes().get(at + 6).is_some_and(u8::is_ascii_alphanumeric);
        (is_code && !goes_on).then_some(code)
    })
}
