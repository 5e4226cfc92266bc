//! A headless Chromium, driven through `tests/peers/browser/driver.mjs`. Whatever a page does that none may do (see
//! there) fails the step that met it.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clients::{peers, root};
use crate::process::Process;

/// The names that systems give the browser.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A running browser, on one gateway.
pub struct Browser {
    pipes: Mutex<Pipes>,
    process: Process,
    // Removed once the browser has ended.
    _profile: TempDir,
}

struct Pipes {
    /// Closed to end the browser.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// Somebody who sits at the browser, with cookies of their own and one page open.
#[derive(Clone, Copy)]
pub struct Person<'b> {
    browser: &'b Browser,
    name: &'static str,
}

/// A page that was gone to.
#[derive(Debug, Clone)]
pub struct Visited {
    /// The status of its response.
    pub status: u64,
    /// The headers of its response, names in lower case.
    pub headers: serde_json::Map<String, Value>,
    /// The path and query where it ended, after redirects.
    pub path: String,
}

impl Browser {
    /// Where Chromium is; none where it is not installed.
    pub fn program() -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        PROGRAMS.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file()))
    }

    /// Starts a browser for the pages of the gateway at this address.
    pub fn start(gateway: SocketAddr) -> Result<Self> {
        let program = Self::program().context("Chromium is not installed: run `cargo xtask peers`")?;
        let profile = tempfile::Builder::new().prefix("callgate-browser-").tempdir()?;
        let job = json!({ "browser": program, "profile": profile.path(), "origin": format!("http://{gateway}") });
        let mut command = Command::new(peers()?.join("bin/node"));
        command
            .arg(root().join("tests/peers/browser/driver.mjs"))
            .arg(job.to_string())
            .env("CALLGATE_PEERS_NPM", peers()?.join("npm/package.json"));
        let mut process = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let commands = process.child().stdin.take();
        let answers = BufReader::new(process.child().stdout.take().context("the driver has no standard output")?);
        Ok(Self { pipes: Mutex::new(Pipes { commands, answers }), process, _profile: profile })
    }

    /// Somebody, who is not signed in at first.
    pub fn person(&self, name: &'static str) -> Person<'_> {
        Person { browser: self, name }
    }

    fn ask(&self, command: &Value) -> Result<Value> {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let input = pipes.commands.as_mut().context("the browser has ended")?;
        writeln!(input, "{command}").and_then(|()| input.flush()).context("the driver of the browser has ended")?;
        let mut line = String::new();
        pipes.answers.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("the driver of the browser ended on {command}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.pipes.get_mut().unwrap_or_else(PoisonError::into_inner).commands = None;
        // It closes the browser, and ends. What it can't close ends with its pipe.
        let _ = self.process.wait();
    }
}

impl Person<'_> {
    /// Goes to a page, which has to be there.
    pub fn goto(&self, path: &str) -> Result<Visited> {
        let visited = self.look(path)?;
        ensure!(visited.status == 200, "{path}: status {}", visited.status);
        Ok(visited)
    }

    /// Goes to a page, whatever its status.
    pub fn look(&self, path: &str) -> Result<Visited> {
        let value = self.step("goto", json!({ "path": path }))?;
        let (status, headers, path) = (value.get("status"), value.get("headers"), value.get("path"));
        Ok(Visited {
            status: status.and_then(Value::as_u64).context("a status")?,
            headers: headers.and_then(Value::as_object).cloned().context("headers")?,
            path: path.and_then(Value::as_str).context("a path")?.to_owned(),
        })
    }

    /// Uses a one-time link of this path, and lands on the first page.
    pub fn sign_in(&self, link: &str) -> Result<()> {
        self.goto(link)?;
        self.click(&button("Sign in"))?;
        self.arrive("/").map(drop)
    }

    /// Waits until the page at a path is there, whatever its query; `*` at its end stands for anything. Returns the
    /// whole path.
    pub fn arrive(&self, path: &str) -> Result<String> {
        let value = self.step("arrive", json!({ "path": path }))?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// Clicks what can be clicked, by its selector.
    pub fn click(&self, selector: &str) -> Result<()> {
        self.step("click", json!({ "selector": selector })).map(drop)
    }

    /// Fills a field, as typing does.
    pub fn fill(&self, selector: &str, text: &str) -> Result<()> {
        self.step("fill", json!({ "selector": selector, "text": text })).map(drop)
    }

    /// Chooses an option of a list by its value.
    pub fn choose(&self, selector: &str, value: &str) -> Result<()> {
        self.step("choose", json!({ "selector": selector, "value": value })).map(drop)
    }

    /// Puts the focus somewhere.
    pub fn focus(&self, selector: &str) -> Result<()> {
        self.step("focus", json!({ "selector": selector })).map(drop)
    }

    /// Types where the focus is.
    pub fn type_text(&self, text: &str) -> Result<()> {
        self.step("type", json!({ "text": text })).map(drop)
    }

    /// Presses keys together: `Enter`, `Control+a`.
    pub fn press(&self, keys: &str) -> Result<()> {
        self.step("press", json!({ "keys": keys })).map(drop)
    }

    /// Waits until something can be seen.
    pub fn wait(&self, selector: &str) -> Result<()> {
        self.step("wait", json!({ "selector": selector })).map(drop)
    }

    /// Waits until something can't be seen any more.
    pub fn gone(&self, selector: &str) -> Result<()> {
        self.step("gone", json!({ "selector": selector })).map(drop)
    }

    /// Waits until the page says something.
    pub fn read(&self, text: &str) -> Result<()> {
        let read = self.step("text", json!({ "text": text }));
        read.with_context(|| format!("the page says:\n{}", self.text().unwrap_or_default())).map(drop)
    }

    /// Waits until an expression of JavaScript is true.
    pub fn until(&self, expression: &str) -> Result<()> {
        self.step("until", json!({ "expression": expression })).map(drop)
    }

    /// What an expression of JavaScript comes to in the page.
    pub fn evaluate(&self, expression: &str) -> Result<Value> {
        self.step("evaluate", json!({ "expression": expression }))
    }

    /// What can be read on the page.
    pub fn text(&self) -> Result<String> {
        Ok(self.evaluate("document.body.innerText")?.as_str().unwrap_or_default().to_owned())
    }

    /// Sends a form by hand, with the session and token of the page that is open; the status and the text of the answer.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Result<(u64, String)> {
        let value = self.step("post", json!({ "path": path, "fields": fields }))?;
        let status = value.get("status").and_then(Value::as_u64).context("a status")?;
        Ok((status, value.get("text").and_then(Value::as_str).unwrap_or_default().to_owned()))
    }

    /// Sets the width of the window and the theme.
    pub fn view(&self, width: u32, dark: bool) -> Result<()> {
        let height = if width < 600 { 740 } else { 900 };
        self.step("view", json!({ "width": width, "height": height, "dark": dark })).map(drop)
    }

    /// Keeps a picture of the page: the whole of it, or what the window shows.
    pub fn screenshot(&self, file: &Path, whole: bool) -> Result<()> {
        self.step("screenshot", json!({ "file": file, "whole": whole })).map(drop)
    }

    /// What axe finds wrong, one line each.
    pub fn axe(&self) -> Result<Vec<String>> {
        let value = self.step("axe", json!({}))?;
        Ok(value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    fn step(&self, verb: &str, with: Value) -> Result<Value> {
        let command = json!({ "as": self.name, "do": verb, "with": with });
        let answer = self.browser.ask(&command)?;
        let found: Vec<&str> =
            answer.get("found").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        if let Some(failed) = answer.get("failed").and_then(Value::as_str) {
            bail!("{command}: {failed}; found: {found:?}");
        }
        ensure!(found.is_empty(), "{command}: the page did what none may do:\n{}", found.join("\n"));
        Ok(answer.get("value").cloned().unwrap_or_default())
    }
}

/// The selector of a button by what it is called.
pub fn button(name: &str) -> String {
    named("button", name)
}

/// The selector of a link by what it is called.
pub fn link(name: &str) -> String {
    named("link", name)
}

/// The selector of whatever is called so: a field by its label.
pub fn labelled(name: &str) -> String {
    format!("::-p-aria([name={}])", json!(name))
}

fn named(role: &str, name: &str) -> String {
    format!("::-p-aria([name={}][role=\"{role}\"])", json!(name))
}
