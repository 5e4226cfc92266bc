//! `callgate explain`: the pages of the error codes.

use crate::cli::ExplainCodeArgs;
use crate::failure::{Exit, Failure};
use crate::output;

include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// Prints the page of a code.
pub(super) fn run(args: &ExplainCodeArgs) -> Result<Exit, Failure> {
    let wanted = args.code.to_ascii_uppercase();
    if let Some((_, page)) = PAGES.iter().find(|(code, _)| *code == wanted) {
        output::text(page);
        return Ok(Exit::Yes);
    }
    let message = format!("there is no error code `{}`", output::plain(&args.code));
    let titles: Vec<&str> = PAGES.iter().filter_map(|(_, page)| page.lines().next()?.strip_prefix("# ")).collect();
    Err(Failure::cannot_run("CG3080", message, format!("known are:\n  {}", titles.join("\n  "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_its_code_and_says_enough() {
        assert!(!PAGES.is_empty());
        for (code, page) in PAGES {
            assert!(page.starts_with(&format!("# {code}: ")), "{code}: the first line is `# {code}: …`");
            let lines = page.lines().count();
            assert!((5..=25).contains(&lines), "{code}: {lines} lines");
        }
    }

    #[test]
    fn every_code_in_this_crate_has_a_page() {
        fn walk(directory: &std::path::Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    let text = std::fs::read_to_string(&path).unwrap();
                    found.extend(
                        text.match_indices("\"CG3").filter_map(|(at, _)| Some(text.get(at + 1..at + 7)?.to_owned())),
                    );
                }
            }
        }
        let mut found = Vec::new();
        walk(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        assert!(found.len() > 20);
        for code in found.iter().filter(|code| code.bytes().skip(2).all(|byte| byte.is_ascii_digit())) {
            assert!(PAGES.iter().any(|(known, _)| known == code), "{code} has no page in docs/errors");
        }
    }
}
