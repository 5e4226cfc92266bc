//! The builder in a browser: a policy built by clicks alone, a mistake in the text that shows in the builder, and a
//! journey by the keyboard alone.
#![allow(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    dead_code,
    reason = "tests stop at the first surprise"
)]

#[path = "support/console.rs"]
mod console;

use anyhow::{Context, Result, ensure};
use console::Site;
use serde_json::Value;
use testkit::Person;
use testkit::browser::button;

/// The policy of the README for `exec_command`, as the builder writes it.
const EXEC_COMMAND: &str = r#"{
  "version": "1",
  "default": "deny",
  "tools": {
    "exec_command": {
      "limits": [{ "counter": "exec_command_rate", "window": "minute", "max": 10, "scope": "grant" }]
    }
  }
}
"#;

#[test]
fn a_policy_is_built_mended_and_rolled_back() -> Result<()> {
    let site = Site::open()?;
    let _kernel = site.serve("kernel", "kernel")?;
    let admin = site.admin()?;
    build_by_clicking(&site, &admin)?;
    break_and_mend(&site, &admin)?;
    roll_back_by_keyboard(&site, &admin)
}

fn build_by_clicking(site: &Site, admin: &Person<'_>) -> Result<()> {
    admin.goto("/policies")?;
    admin.choose("#new-server", "kernel")?;
    admin.click(&button("Build it"))?;
    admin.arrive("/servers/kernel/policies/default")?;
    admin.wait("li.tool")?;
    let card = card(admin, "exec_command")?;
    admin.click(&format!("[id=\"{card}.custom\"]"))?;
    admin.until("document.querySelector('.CodeMirror').CodeMirror.getValue().includes('exec_command')")?;
    // To go past the choices by keyboard chooses nothing: the limit is still there at the end.
    admin.evaluate(&format!("document.getElementById('{card}.custom').focus()"))?;
    for key in ["ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"] {
        admin.press(key)?;
    }
    open(admin, &card, "Rules")?;
    admin.wait(&format!("[id=\"{card}\"] .entry-body"))?;
    // Custom begins with a limit, which can be changed: a click outside keeps what was typed.
    let max = format!("[id=\"{card}\"] [data-row] input[name$=\".max\"]");
    admin.wait(&max)?;
    for (typed, shown) in [("20", "20"), ("10", "10")] {
        admin.fill(&max, typed)?;
        admin.press("Tab")?;
        admin.until(&format!(
            "document.querySelector('.CodeMirror').CodeMirror.getValue().includes('\"max\": {shown},')"
        ))?;
        admin.wait(&max)?;
    }
    // The matrix shows what it changes, before anything is in force.
    admin.until("document.querySelector('#matrix tr.changed')?.textContent.includes('exec_command')")?;
    let (status, _) = site.api("GET", "/servers/kernel/policies/default", None)?;
    ensure!(status == 404, "nothing is in force before it is published: {status}");
    admin.click("[data-publish]")?;
    admin.read("Published: in force from the next call on.")?;
    let document = site.document("kernel", "default")?;
    ensure!(document == EXEC_COMMAND, "the document is:\n{document}");
    Ok(())
}

/// What is typed shows in the builder, at its place in both views; nothing broken is published.
fn break_and_mend(site: &Site, admin: &Person<'_>) -> Result<()> {
    admin.goto("/servers/kernel/policies/default")?;
    admin.wait("li.tool")?;
    write(admin, &EXEC_COMMAND.replace("\"minute\"", "\"minut\""))?;
    admin.until("document.querySelector('#problems [data-flaw=error]')?.dataset.line === '6'")?;
    admin.wait(".CodeMirror .flaw-sign-error")?;
    let card = card(admin, "exec_command")?;
    admin.until(&format!("document.getElementById('{card}').textContent.includes('1 error')"))?;
    admin.click("[data-publish]")?;
    admin.wait("#refusal")?;
    ensure!(site.document("kernel", "default")? == EXEC_COMMAND, "what was in force stays");
    // A text that is no JSON at all.
    write(admin, "{ \"version\": \"1\",")?;
    admin.read("The text is no JSON right now")?;
    let mended = EXEC_COMMAND.replace("\"max\": 10", "\"max\": 20");
    write(admin, &mended)?;
    admin.until("document.querySelector('#problems')?.textContent.includes('None.')")?;
    admin.gone(".CodeMirror .flaw-sign-error")?;
    admin.click("[data-publish]")?;
    admin.read("Published: in force from the next call on.")?;
    ensure!(site.document("kernel", "default")? == mended, "byte for byte as it was typed");
    Ok(())
}

/// From the first page to the older version in force, without a mouse.
fn roll_back_by_keyboard(site: &Site, admin: &Person<'_>) -> Result<()> {
    admin.goto("/")?;
    admin.press("Tab")?;
    ensure!(admin.evaluate("document.activeElement.textContent")? == "Skip to the content", "the first stop");
    for (name, page) in [
        ("Policies", "/policies"),
        ("default", "/servers/kernel/policies/default"),
        ("History", "/servers/kernel/policies/default/history"),
        ("Roll back to 1", "/servers/kernel/policies/default/rollback"),
    ] {
        tab_to(admin, name)?;
        admin.press("Enter")?;
        admin.arrive(page)?;
    }
    tab_to(admin, "Roll back")?;
    admin.press("Enter")?;
    admin.read("Rolled back: in force from the next call on.")?;
    ensure!(site.document("kernel", "default")? == EXEC_COMMAND, "byte for byte as it was");
    Ok(())
}

/// Goes from stop to stop until one is called so; every stop on the way can be seen to have the focus.
fn tab_to(person: &Person<'_>, name: &str) -> Result<()> {
    let name = serde_json::to_string(name)?;
    for _ in 0..200 {
        person.press("Tab")?;
        let is_it = person.evaluate(&format!(
            "(() => {{ const at = document.activeElement; \
             const style = getComputedStyle(at); \
             if (at !== document.body && style.outlineStyle === 'none' && !at.closest('.CodeMirror, .ask')) return 'no outline: ' + at.outerHTML; \
             return at.textContent.trim().split('\\n')[0] === {name}; }})()"
        ))?;
        ensure!(!is_it.is_string(), "{is_it}");
        if is_it == Value::Bool(true) {
            return Ok(());
        }
    }
    anyhow::bail!("no stop is called {name}")
}

/// Types a whole text in place of the one in the editor.
fn write(person: &Person<'_>, text: &str) -> Result<()> {
    person.click(".CodeMirror-lines")?;
    person.press("Control+a")?;
    // As it comes from the clipboard: the editor would indent each line that is typed.
    let text = serde_json::to_string(text)?;
    person.evaluate(&format!("document.execCommand('insertText', false, {text})")).map(drop)
}

/// The id of a tool's card.
fn card(person: &Person<'_>, tool: &str) -> Result<String> {
    let id = person.evaluate(&format!(
        "[...document.querySelectorAll('li.tool')].find(card => card.querySelector('code')?.textContent === '{tool}').id"
    ))?;
    Ok(id.as_str().context("a card")?.to_owned())
}

/// Opens a part of a card by its summary.
fn open(person: &Person<'_>, card: &str, summary: &str) -> Result<()> {
    let is_there = format!(
        "[...document.querySelectorAll('[id=\"{card}\"] summary')].find(one => one.textContent.startsWith('{summary}'))"
    );
    person.until(&format!("!!{is_there}"))?;
    person
        .evaluate(&format!("(() => {{ const found = {is_there}; if (!found.parentElement.open) found.click(); }})()"))
        .map(drop)
}
