//! Who may do what in the console: a call that waits is approved by a key, a policy is rolled back, and what a role does
//! not allow is disabled with the reason, and refused where it is sent all the same.
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
use serde_json::{Value, json};
use testkit::browser::{button, link};
use testkit::{Client, Grant, Person};

const FIRST: &str = "{\n  \"version\": \"1\",\n  \"default\": \"deny\",\n  \"tools\": { \"search_docs\": {} }\n}\n";

/// Asks a person about every command, and holds the call until then.
fn asking() -> String {
    let rule = json!({ "conditions": [], "on_deny": "A person looks at every command.", "ask": "hold" });
    json!({ "version": "1", "default": "deny", "tools": { "exec_command": { "approve_if": [rule] } } }).to_string()
}

fn job(site: &Site, grant: &Grant, command: &str) -> Value {
    let arguments = json!({ "session_id": "s-1", "command": command });
    json!({
        "url": site.gateway.url("kernel"), "token": grant.token, "era": "auto",
        "steps": [{ "call": "exec_command", "arguments": arguments }],
    })
}

#[test]
fn people_do_what_they_may() -> Result<()> {
    let site = Site::open()?;
    let kernel = site.serve("kernel", "kernel")?;
    site.callgate.publish("kernel", FIRST)?;
    site.callgate.publish("kernel", &asking())?;
    let grant = site.callgate.mint("kernel", "laptop")?;
    let admin = site.admin()?;
    approve_by_key(&site, &admin, &grant)?;
    ensure!(kernel.calls()?.len() == 1, "the call that was approved reached the server, and no other");
    see_as_viewer(&site, &grant)?;
    see_as_policy_manager(&site)?;
    roll_back(&site, &admin)?;
    Ok(())
}

/// A call is held, appears by itself, and goes on at the press of a key; another one is denied with a reason.
fn approve_by_key(site: &Site, admin: &Person<'_>, grant: &Grant) -> Result<()> {
    admin.goto("/approvals")?;
    for (keys, reason, is_error) in [("y", "", false), ("n", "Not on a Sunday.", true)] {
        let work = job(site, grant, &format!("uptime-{keys}"));
        let answers = std::thread::scope(|scope| -> Result<Vec<Value>> {
            let calling = scope.spawn(|| Client::TypeScriptV2.run(&work));
            admin.read(&format!("uptime-{keys}"))?;
            if !reason.is_empty() {
                admin.fill("[data-ask] input[name=reason]", reason)?;
                admin.evaluate("document.activeElement.blur()")?;
            }
            admin.press("j")?;
            admin.press(keys)?;
            calling.join().map_err(|_| anyhow::anyhow!("the client ended early"))?
        })?;
        ensure!(answers[0]["isError"] == is_error, "{keys}: {answers:?}");
        ensure!(answers[0].to_string().contains(reason), "{keys}: {answers:?}");
        admin.gone("[data-ask]")?;
    }
    Ok(())
}

fn see_as_viewer(site: &Site, grant: &Grant) -> Result<()> {
    let viewer = site.member("vera", "viewer")?;
    let work = job(site, grant, "xylophone");
    std::thread::scope(|scope| -> Result<()> {
        let calling = scope.spawn(|| Client::TypeScriptV2.run(&work));
        viewer.goto("/approvals")?;
        viewer.read("on kernel")?;
        disabled(&viewer, "Approve", "decide_approvals")?;
        ensure!(!viewer.text()?.contains("xylophone"), "arguments are for those who may answer");
        let id = viewer.evaluate("document.querySelector('[data-ask] input[name=id]').value")?;
        let id = id.as_str().context("an id")?;
        let (status, text) = viewer.post("/approvals", &[("id", id), ("answer", "approve")])?;
        ensure!(status == 403 && text.contains("CG3110"), "{status} {text}");
        let state = site.done("GET", &format!("/approvals/{id}"), None)?;
        ensure!(state["state"] == "pending", "{state}");
        site.done("POST", &format!("/approvals/{id}/deny"), Some(&json!({})))?;
        let answers = calling.join().map_err(|_| anyhow::anyhow!("the client ended early"))??;
        ensure!(answers[0]["isError"] == true, "{answers:?}");
        Ok(())
    })?;
    viewer.goto("/servers/kernel/policies/default")?;
    viewer.read("exec_command")?;
    disabled(&viewer, "Publish", "edit_policies")?;
    let before = site.document("kernel", "default")?;
    let (status, text) =
        viewer.post("/servers/kernel/policies/default/publish", &[("text", FIRST), ("revision", "*")])?;
    ensure!(status == 403, "{status} {text}");
    let (status, text) = viewer.post("/servers/kernel/policies/default/rollback", &[("to", "1"), ("revision", "*")])?;
    ensure!(status == 403, "{status} {text}");
    ensure!(site.document("kernel", "default")? == before, "nothing has changed");
    off(&viewer, "Members")
}

fn see_as_policy_manager(site: &Site) -> Result<()> {
    let manager = site.member("paul", "policy_manager")?;
    manager.goto("/servers/kernel/policies/default")?;
    manager.wait(&button("Publish"))?;
    manager.until("!document.querySelector('[data-publish]').disabled")?;
    let (status, text) =
        manager.post("/add/server", &[("name", "mine"), ("how", "url"), ("url", "http://127.0.0.1:9/")])?;
    ensure!(status == 403, "{status} {text}");
    let servers = site.done("GET", "/servers", None)?;
    ensure!(!servers.to_string().contains("mine"), "{servers}");
    off(&manager, "Members")
}

/// A button that can't be pressed says which permission is missing.
fn disabled(person: &Person<'_>, name: &str, permission: &str) -> Result<()> {
    let name = serde_json::to_string(name)?;
    let title = person.evaluate(&format!(
        "[...document.querySelectorAll('button:disabled')].find(one => one.textContent.trim().startsWith({name}))?.title"
    ))?;
    ensure!(
        title.as_str().is_some_and(|title| title.contains(permission)),
        "{name} is not disabled for {permission}: {title}"
    );
    Ok(())
}

/// A section of the bar that can't be opened says why.
fn off(person: &Person<'_>, section: &str) -> Result<()> {
    let title = person.evaluate(&format!(
        "[...document.querySelectorAll('nav .off')].find(one => one.firstChild.data.trim() === '{section}')?.title"
    ))?;
    ensure!(title.as_str().is_some_and(|title| title.contains("your role")), "{section}: {title}");
    Ok(())
}

fn roll_back(site: &Site, admin: &Person<'_>) -> Result<()> {
    admin.goto("/servers/kernel/policies/default/history")?;
    admin.click(&link("Roll back to 1"))?;
    admin.arrive("/servers/kernel/policies/default/rollback")?;
    admin.read("/tools/exec_command")?;
    admin.click(&button("Roll back"))?;
    admin.read("Rolled back: in force from the next call on.")?;
    ensure!(site.document("kernel", "default")? == FIRST, "byte for byte as it was");
    Ok(())
}
