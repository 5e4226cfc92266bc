//! The first run in a browser: from the one-time link to the first call of a real client, which appears live.
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
use testkit::{Client, Fixture};

fn job(url: &str, token: &str, tool: &str, arguments: &Value) -> Value {
    json!({ "url": url, "token": token, "era": "auto", "steps": [{ "call": tool, "arguments": arguments }] })
}

#[test]
fn from_the_first_link_to_the_first_call() -> Result<()> {
    let site = Site::open()?;
    let kernel = Fixture::start(&site.callgate, "kernel", &site.file("kernel.log"))?;
    let admin = site.admin()?;
    // From here on nothing but pages, until a client calls.
    admin.goto("/start")?;
    admin.arrive("/start/server")?;
    admin.fill("#name", "kernel")?;
    admin.fill("#url", &kernel.url())?;
    admin.click(&button("Go on"))?;
    admin.arrive("/start/kernel/tools")?;
    admin.read("exec_command")?;
    admin.read("execute")?;
    admin.click(&link("Go on: a policy that fits"))?;
    admin.arrive("/start/kernel/policy")?;
    admin.click(&button("Publish it"))?;
    admin.arrive("/start/kernel/grant")?;
    admin.click(&button("Mint it"))?;
    admin.wait("#token")?;
    let read = |selector: &str| -> Result<String> {
        let text = admin.evaluate(&format!("document.querySelector('{selector}').textContent"))?;
        Ok(text.as_str().context("a text")?.to_owned())
    };
    let (token, url) = (read("#token")?, read("#endpoint")?);
    ensure!(url == site.gateway.url("kernel"), "{url}");
    let text = admin.text()?;
    for client in ["Claude Desktop", "Claude Code", "Cursor", "VS Code", "Windsurf", "Codex", "Gemini CLI", "HTTP"] {
        ensure!(text.contains(client), "no configuration for {client}: {text}");
    }
    admin.read("Nothing has been called yet.")?;
    let answers = Client::TypeScriptV2.run(&job(&url, &token, "get_connection_context", &json!({})))?;
    ensure!(answers[0]["isError"] == false, "{answers:?}");
    admin.read("It arrived: the client is connected, and its calls are checked.")?;
    admin.read("get_connection_context")?;
    // The tail of decisions shows the next one by itself.
    admin.goto("/decisions")?;
    admin.until("document.querySelectorAll('#rows > tr').length >= 1")?;
    let arguments = json!({ "amount": 1 });
    Client::Python.run(&job(&url, &token, "transfer_funds", &arguments))?;
    admin.until(
        "[...document.querySelectorAll('#rows > tr')].some(row => row.textContent.includes('transfer_funds'))",
    )?;
    admin.click("#rows > tr:first-child a")?;
    admin.arrive("/decisions/*")?;
    admin.read("The rule")?;
    ensure!(kernel.calls()?.len() == 1, "one call reached the server, the one that the policy allows");
    Ok(())
}
