//! The pages of the console, by the routes of its source: what a test has to look at.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::Path;

/// Every address that answers a page; what stands in braces is a name or an identity. `/approvals/{approval}` and
/// `/sign-in` are pages of the API.
pub(crate) const PAGES: [&str; 53] = [
    "/",
    "/add/server",
    "/approvals",
    "/approvals/{approval}",
    "/baseline",
    "/baseline/diff",
    "/baseline/history",
    "/baseline/rollback",
    "/catalogue",
    "/catalogue/attacks",
    "/catalogue/attacks/{attack}",
    "/catalogue/changes",
    "/catalogue/{entry}",
    "/catalogue/{entry}/tools/{tool}",
    "/changes",
    "/decisions",
    "/decisions/explain",
    "/decisions/{id}",
    "/grants",
    "/grants/mint",
    "/grants/{grant}",
    "/grants/{grant}/revoke",
    "/limits",
    "/limits/reset",
    "/members",
    "/members/add",
    "/members/tokens",
    "/members/tokens/create",
    "/members/tokens/{token}/revoke",
    "/members/{member}",
    "/members/{member}/remove",
    "/policies",
    "/servers",
    "/servers/{server}",
    "/servers/{server}/ask",
    "/servers/{server}/definitions",
    "/servers/{server}/policies/{policy}",
    "/servers/{server}/policies/{policy}/diff",
    "/servers/{server}/policies/{policy}/history",
    "/servers/{server}/policies/{policy}/rollback",
    "/servers/{server}/remove",
    "/servers/{server}/settings",
    "/servers/{server}/standing",
    "/servers/{server}/tools/{tool}",
    "/sign-in",
    "/start/server",
    "/start/{server}/call",
    "/start/{server}/connect",
    "/start/{server}/grant",
    "/start/{server}/policy",
    "/start/{server}/tools",
    "/start/{server}/tools/ask",
    "/try",
];

/// What answers something else: assets, streams, and what leads on to a page.
const NO_PAGES: [&str; 6] =
    ["/approvals/events", "/assets/{version}/{name}", "/decisions/events", "/favicon.ico", "/policies/new", "/start"];

/// The address that a path is of: the one with the most of its words. `/servers/kernel/ask` → `/servers/*/ask`. One of
/// no page stays as it is.
pub(crate) fn kind(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let words = |pattern: &&str| pattern.split('/').filter(|word| !word.starts_with('{')).count();
    let fits = |pattern: &&str| {
        let pattern: Vec<&str> = pattern.split('/').collect();
        let fits = |(word, part): (&&str, &&str)| word.starts_with('{') || word == part;
        pattern.len() == parts.len() && pattern.iter().zip(&parts).all(fits)
    };
    PAGES.into_iter().chain(NO_PAGES).filter(fits).max_by_key(words).map_or_else(|| path.to_owned(), starred)
}

/// `/servers/{server}/ask` → `/servers/*/ask`.
pub(crate) fn starred(pattern: &str) -> String {
    pattern.split('/').map(|word| if word.starts_with('{') { "*" } else { word }).collect::<Vec<_>>().join("/")
}

/// What the console's source routes to something that can be read, and this file does not name; and the other way
/// around.
pub(crate) fn differences() -> Result<Vec<String>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../callgate-console/src");
    let mut routed = BTreeSet::new();
    collect(&source, &mut routed)?;
    let elsewhere = ["/approvals/{approval}", "/sign-in"];
    let known: BTreeSet<String> =
        PAGES.into_iter().chain(NO_PAGES).filter(|page| !elsewhere.contains(page)).map(str::to_owned).collect();
    Ok(routed.symmetric_difference(&known).cloned().collect())
}

fn collect(folder: &Path, routed: &mut BTreeSet<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, routed)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path)?;
            read(&text, routed).with_context(|| format!("in {}", path.display()))?;
        }
    }
    Ok(())
}

/// The addresses that a source routes with `get`.
fn read(text: &str, routed: &mut BTreeSet<String>) -> Result<()> {
    for route in text.split(".route(").skip(1) {
        let (address, handlers) = route.split_once(", ").context("an address and its handlers")?;
        let handlers = handlers.split("\n}").next().unwrap_or_default();
        if !handlers.contains("get(") {
            continue;
        }
        // Policies have the same pages in two places.
        let below = address.trim().strip_prefix("&format!(\"{base}").map(|rest| rest.trim_end_matches("\")"));
        match (address.trim(), below) {
            ("base", _) => routed.extend(BASES.map(str::to_owned)),
            (_, Some(below)) => routed.extend(BASES.map(|base| format!("{base}{below}"))),
            (address, None) => {
                routed.insert(address.trim_matches('"').to_owned());
            }
        }
    }
    Ok(())
}

/// Where the pages of policies are.
const BASES: [&str; 2] = ["/servers/{server}/policies/{policy}", "/baseline"];
