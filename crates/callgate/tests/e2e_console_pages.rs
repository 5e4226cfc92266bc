//! Every page of the console, empty and furnished, as an admin and as a viewer, at both widths and in both themes: axe
//! finds nothing, nothing has to be scrolled sideways, and a picture of each is kept.
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

use anyhow::{Context, Result, ensure};
use console::{Site, crawl, kind, pages, pictures};
use furnished::Furnished;
use std::collections::BTreeSet;
use testkit::Person;
use testkit::browser::button;

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
/// Those that a viewer may not open.
const CLOSED: [&str; 2] = ["/members", "/changes"];
/// The narrowest and the usual window, in pixels.
const WIDTHS: [u32; 2] = [360, 1440];

#[test]
fn every_page_that_the_console_routes_is_looked_at_here() -> Result<()> {
    let differences = pages::differences()?;
    ensure!(differences.is_empty(), "in the console's source or among `PAGES`, and not in both: {differences:?}");
    ensure!(kind("/servers/one/ask?x=1&y") == "/servers/*/ask?x&y", "{}", kind("/servers/one/ask?x=1&y"));
    ensure!(kind("/start/server") == "/start/server", "words go before names");
    Ok(())
}

#[test]
fn nothing_is_wrong_with_an_empty_page() -> Result<()> {
    let site = Site::open()?;
    let admin = site.admin()?;
    let mut wrong = Vec::new();
    for path in SECTIONS {
        let looked = admin.goto(path).and_then(|_| look(&admin, path, Some("empty-"), &mut wrong));
        wrong.extend(looked.err().map(|error| format!("{path}: {error:#}")));
    }
    said(&wrong)
}

#[test]
fn nothing_is_wrong_with_a_furnished_page() -> Result<()> {
    let site = Site::open()?;
    let furnished = furnished::furnish(&site)?;
    let admin = site.admin()?;
    let mut from: Vec<String> = SECTIONS.map(str::to_owned).into();
    from.extend(places(&furnished));
    from.push("/sign-in?next=/limits".to_owned());
    let mut wrong = Vec::new();
    let visited = crawl(&admin, &from, 1, &mut wrong, |path, wrong| look(&admin, path, Some(""), wrong))?;
    let kinds: BTreeSet<String> = visited.iter().map(|path| kind(path)).collect();
    println!("{} pages of {} kinds: {kinds:?}", visited.len(), kinds.len());
    let seen: BTreeSet<&str> = kinds.iter().filter_map(|kind| kind.split('?').next()).collect();
    let unseen: Vec<&str> =
        pages::PAGES.into_iter().filter(|page| !seen.contains(pages::starred(page).as_str())).collect();
    ensure!(unseen.is_empty(), "nothing leads to {unseen:?}");
    said(&wrong)
}

/// Pages that no link of another one leads to, or that one wants to see of a server with something on it.
fn places(furnished: &Furnished) -> Vec<String> {
    let Furnished { approval, denied, grant, .. } = furnished;
    let mut places = vec![format!("/approvals/{approval}"), format!("/decisions/{denied}"), format!("/grants/{grant}")];
    let fixed = [
        "/servers/kernel",
        "/servers/notes",
        "/servers/kernel/tools/exec_command",
        "/servers/notes/tools/add_note",
        "/servers/kernel/policies/default",
        "/servers/kernel/policies/default/history",
        "/servers/kernel/policies/default/diff?from=1&to=2",
        "/servers/notes/definitions",
        // Scripts put these into other pages.
        "/servers/kernel/standing",
        "/servers/kernel/ask",
        "/decisions/explain?q=outcome:deny",
        "/start/kernel/tools",
        "/start/kernel/tools/ask",
        "/start/kernel/policy",
        "/start/kernel/grant",
        "/start/kernel/connect",
        "/start/kernel/call",
        "/baseline/history",
    ];
    places.extend(fixed.map(str::to_owned));
    places
}

/// Where a form is, what is typed into which field, the button, and what the answer has.
type Form<'f> = (&'f str, &'f [(&'f str, &'f str)], &'f str, &'f str);

/// Pages that only a form leads to: what is shown once, and what is refused.
#[test]
fn nothing_is_wrong_with_what_answers_a_form() -> Result<()> {
    let site = Site::open()?;
    let furnished = furnished::furnish(&site)?;
    let admin = site.admin()?;
    let grant = format!("/grants/{}", furnished.grant);
    let forms: [Form<'_>; 6] = [
        ("/grants/mint?server=kernel", &[("#label", "phone")], "Mint", "#token"),
        ("/start/kernel/grant", &[("#label", "tablet")], "Mint it", "#token"),
        (&grant, &[], "Rotate", "#token"),
        ("/members/add", &[("#login", "carl@example.com")], "Add", "#link"),
        ("/members/tokens/create", &[("#label", "deployment")], "Create", "#token"),
        ("/add/server", &[("#name", "kernel"), ("#url", "http://127.0.0.1:9/")], "Add", ".warn"),
    ];
    let mut wrong = Vec::new();
    for (path, typed, pressed, shown) in forms {
        admin.goto(path)?;
        for (field, text) in typed {
            admin.fill(field, text)?;
        }
        admin.click(&button(pressed))?;
        admin.wait(shown).with_context(|| format!("the answer of {path}"))?;
        look(&admin, path, Some("answer-"), &mut wrong)?;
    }
    // A draft that is refused, as it is without scripts: with them it is said beside the draft.
    admin.goto("/servers/kernel/policies/default")?;
    admin.evaluate(
        "(() => { const form = document.getElementById('draft'); form.action = form.action.replace(/draft$/, 'publish'); \
         form.elements.text.value = '{ \"version\": \"1\", \"default\": \"sometimes\" }'; \
         HTMLFormElement.prototype.submit.call(form); })()",
    )?;
    admin.read("the policy is not published")?;
    look(&admin, "/servers/kernel/policies/default", Some("answer-"), &mut wrong)?;
    let missing = admin.look("/servers/nothing")?;
    ensure!(missing.status == 404, "{missing:?}");
    look(&admin, "/servers/nothing", Some("missing-"), &mut wrong)?;
    said(&wrong)
}

#[test]
fn nothing_is_wrong_with_what_a_viewer_sees() -> Result<()> {
    let site = Site::open()?;
    let furnished = furnished::furnish(&site)?;
    let viewer = site.member("vera", "viewer")?;
    let open = SECTIONS.iter().filter(|path| !CLOSED.contains(path));
    let mut from: Vec<String> = open.map(|path| (*path).to_owned()).collect();
    from.extend(places(&furnished));
    let mut wrong = Vec::new();
    let visited = crawl(&viewer, &from, 1, &mut wrong, |path, wrong| look(&viewer, path, None, wrong))?;
    println!("{} pages: {visited:?}", visited.len());
    for path in CLOSED {
        let refused = viewer.look(path)?;
        ensure!(refused.status == 403, "{refused:?}");
        look(&viewer, path, Some("viewer-"), &mut wrong)?;
    }
    // What can't be opened is reached by key, and says why where it is.
    viewer.focus("nav .off")?;
    let focused = viewer.evaluate("document.activeElement.innerText")?;
    ensure!(focused.as_str().is_some_and(|text| text.contains("your role does not have")), "{focused}");
    look(&viewer, "/changes", Some("viewer-focus-"), &mut wrong)?;
    said(&wrong)
}

#[test]
fn what_is_lost_is_said_and_what_was_missed_is_read() -> Result<()> {
    let site = Site::open()?;
    let _furnished = furnished::furnish(&site)?;
    let admin = site.admin()?;
    let tell = |what: &str| {
        let event = format!("new CustomEvent('htmx:{what}', {{ bubbles: true }})");
        admin.evaluate(&format!("document.querySelector('[sse-connect]').dispatchEvent({event})"))
    };
    admin.goto("/approvals")?;
    admin.until("document.querySelector('[data-inbox]').dataset.opened === 'yes'")?;
    tell("sseError")?;
    admin.read("The connection to the gateway is lost")?;
    // Meanwhile one question was answered, which nobody told this page of, and another one asked.
    admin.evaluate(
        "(() => { const ask = document.querySelector('[data-ask]'); const over = ask.cloneNode(true); \
         over.id = 'ask-over'; ask.replaceWith(over); })()",
    )?;
    tell("sseOpen")?;
    admin.gone("#ask-over")?;
    admin.wait("[data-ask]")?;
    ensure!(!admin.text()?.contains("is lost"), "it is back");
    admin.goto("/decisions")?;
    admin.until("document.querySelector('[data-live]').dataset.opened === 'yes'")?;
    admin.click("[data-pause]")?;
    tell("sseError")?;
    admin.read("The connection to the gateway is lost")?;
    tell("sseOpen")?;
    admin.read("Paused.")?;
    admin.goto("/")?;
    admin.evaluate("htmx.trigger('#now', 'htmx:sendError')")?;
    admin.read("The connection to the gateway is lost")?;
    admin.evaluate("htmx.ajax('GET', '/', { target: '#now', swap: 'outerHTML' }).then(() => true)")?;
    admin.until("!document.body.innerText.includes('is lost')")?;
    // Over plain http a browser has no clipboard.
    admin.goto("/servers/kernel")?;
    admin.evaluate("void Object.defineProperty(navigator, 'clipboard', { value: undefined })")?;
    admin.click("[data-copy=endpoint]")?;
    admin.until("getSelection().toString() === document.getElementById('endpoint').textContent")?;
    admin.read("Selected: press Ctrl+C")
}

fn said(wrong: &[String]) -> Result<()> {
    ensure!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// Looks at the page that is open in each window and theme, and keeps pictures of it where they have a name.
fn look(person: &Person<'_>, path: &str, prefix: Option<&str>, wrong: &mut Vec<String>) -> Result<()> {
    let folder = pictures()?;
    let name = name(path);
    for width in WIDTHS {
        for dark in [false, true] {
            person.view(width, dark)?;
            let theme = if dark { "dark" } else { "light" };
            wrong.extend(person.axe()?.iter().map(|one| format!("{path} ({width}, {theme}): {one}")));
            if let Some(prefix) = prefix {
                let picture = |what: &str| folder.join(format!("{prefix}{name}-{width}-{theme}{what}.png"));
                person.screenshot(&picture(""), true)?;
                person.screenshot(&picture("-screen"), false)?;
            }
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
