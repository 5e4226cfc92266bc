//! Every page of the console, empty and furnished, at both widths and in both themes: axe finds nothing, nothing has to be
//! scrolled sideways, and a picture of each is kept.
#![allow(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    dead_code,
    reason = "tests stop at the first surprise"
)]

#[path = "support/console.rs"]
mod console;
#[path = "support/furnished.rs"]
mod furnished;

use anyhow::{Result, ensure};
use console::{Site, crawl, kind, pictures};
use std::collections::BTreeSet;
use testkit::Person;

/// The sections of the bar, and where people start.
const SECTIONS: [&str; 12] = [
    "/",
    "/start",
    "/servers",
    "/policies",
    "/decisions",
    "/approvals",
    "/limits",
    "/grants",
    "/catalogue",
    "/try",
    "/members",
    "/changes",
];
/// The narrowest and the usual window, in pixels.
const WIDTHS: [u32; 2] = [360, 1440];

#[test]
fn nothing_is_wrong_with_an_empty_page() -> Result<()> {
    let site = Site::open()?;
    let admin = site.admin()?;
    let mut wrong = Vec::new();
    for path in SECTIONS {
        let looked = admin.goto(path).and_then(|_| look(&admin, path, "empty-", &mut wrong));
        wrong.extend(looked.err().map(|error| format!("{path}: {error:#}")));
    }
    ensure!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

#[test]
fn nothing_is_wrong_with_a_furnished_page() -> Result<()> {
    let site = Site::open()?;
    let furnished = furnished::furnish(&site)?;
    let admin = site.admin()?;
    let mut from: Vec<String> = SECTIONS.map(str::to_owned).into();
    from.extend([
        format!("/approvals/{}", furnished.approval),
        format!("/decisions/{}", furnished.denied),
        format!("/grants/{}", furnished.grant),
        "/servers/kernel".to_owned(),
        "/servers/notes".to_owned(),
        "/servers/kernel/tools/exec_command".to_owned(),
        "/servers/notes/tools/add_note".to_owned(),
        "/servers/kernel/policies/default".to_owned(),
        "/servers/kernel/policies/default/history".to_owned(),
        "/servers/kernel/policies/default/diff?from=1&to=2".to_owned(),
        "/sign-in?next=/limits".to_owned(),
    ]);
    let mut wrong = Vec::new();
    let visited = crawl(&admin, &from, 1, &mut wrong, |path, wrong| look(&admin, path, "", wrong))?;
    let kinds: BTreeSet<String> = visited.iter().map(|path| kind(path)).collect();
    println!("{} pages of {} kinds: {kinds:?}", visited.len(), kinds.len());
    ensure!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// Looks at the page that is open in each window and theme.
fn look(person: &Person<'_>, path: &str, prefix: &str, wrong: &mut Vec<String>) -> Result<()> {
    let folder = pictures()?;
    let name = name(path);
    for width in WIDTHS {
        for dark in [false, true] {
            person.view(width, dark)?;
            let theme = if dark { "dark" } else { "light" };
            wrong.extend(person.axe()?.iter().map(|one| format!("{path} ({width}, {theme}): {one}")));
            let picture = |what: &str| folder.join(format!("{prefix}{name}-{width}-{theme}{what}.png"));
            person.screenshot(&picture(""), true)?;
            person.screenshot(&picture("-screen"), false)?;
        }
        let wide = person.evaluate(WIDER)?;
        if wide != 0 {
            wrong.push(format!("{path} ({width}): {wide} pixels have to be scrolled to sideways"));
        }
    }
    Ok(())
}

/// By how much the page is wider than its window.
const WIDER: &str = "Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)";

/// `/servers/kernel/policies/default` → `servers-kernel-policies-default`.
fn name(path: &str) -> String {
    let kind = kind(path);
    let kind = kind.replace('*', "one");
    let letters = kind.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' });
    let name: String = letters.collect();
    let words: Vec<&str> = name.split('-').filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "overview".to_owned() } else { words.join("-") }
}
