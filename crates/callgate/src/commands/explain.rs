//! `callgate explain`: the pages of the error codes.

use crate::cli::ExplainCodeArgs;
use crate::failure::{Exit, Failure};
use crate::output;

include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// How many codes are suggested in place of one that there is not.
const NEAR: usize = 5;

/// Prints the page of a code, or the titles of all.
pub(super) fn run(args: &ExplainCodeArgs) -> Result<Exit, Failure> {
    let Some(asked) = &args.code else {
        output::text(&PAGES.iter().filter_map(|(_, page)| title(page)).collect::<Vec<_>>().join("\n"));
        return Ok(Exit::Yes);
    };
    let wanted = code(asked);
    if let Some((_, page)) = PAGES.iter().find(|(code, _)| *code == wanted) {
        output::text(page);
        return Ok(Exit::Yes);
    }
    let message = format!("there is no error code `{}`", output::plain(asked));
    let near = near(&wanted);
    let remedy = match near.is_empty() {
        true => "`callgate explain --list` names all".to_owned(),
        false => format!("near it are:\n  {}\n`callgate explain --list` names all", near.join("\n  ")),
    };
    Err(Failure::cannot_run("CG3080", message, remedy))
}

/// A code as pages have it: bare digits are one, too.
fn code(text: &str) -> String {
    let text = text.trim().to_ascii_uppercase();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) { format!("CG{text}") } else { text }
}

fn title(page: &'static str) -> Option<&'static str> {
    page.lines().next()?.strip_prefix("# ")
}

/// The titles of the codes whose numbers are next to this one's, in order; none where it has no number.
fn near(wanted: &str) -> Vec<&'static str> {
    let number = |code: &str| code.strip_prefix("CG").and_then(|digits| digits.parse::<i64>().ok());
    let Some(wanted) = number(wanted) else { return Vec::new() };
    let distance = |code: &str| number(code).map_or(i64::MAX, |number| number.saturating_sub(wanted).saturating_abs());
    let mut pages: Vec<_> = PAGES.iter().collect();
    pages.sort_by_key(|(code, _)| distance(code));
    pages.truncate(NEAR);
    pages.sort_by_key(|(code, _)| *code);
    pages.into_iter().filter_map(|(_, page)| title(page)).collect()
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
    fn codes_are_found_as_people_write_them() {
        for (text, expected) in
            [("cg3011", "CG3011"), ("3011", "CG3011"), (" CG3011 ", "CG3011"), ("", ""), ("x1", "X1")]
        {
            assert_eq!(code(text), expected);
        }
        let codes =
            |wanted: &str| near(wanted).iter().map(|title| title.split(':').next().unwrap()).collect::<Vec<_>>();
        assert_eq!(codes(&code("3016")), ["CG3012", "CG3013", "CG3014", "CG3015", "CG3020"]);
        assert_eq!(codes(&code("9999")).len(), NEAR);
        assert!(near("NONSENSE").is_empty());
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
