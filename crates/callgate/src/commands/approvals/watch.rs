//! `callgate approvals watch`: a line per question, and on a terminal an answer by a key.

use super::super::fleet::{Fleet, cell};
use super::{answer, approved, denied, one, text};
use crate::api::{Reply, Request, path};
use crate::failure::{Exit, Failure};
use crate::output;
use axum::body::Body;
use callgate_control::approvals::visible::visible;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::{IsTerminal, Read, Write};
use std::process::{Command, Stdio};

/// What a key says.
enum Key {
    Yes,
    No,
    Skip,
    Quit,
}

/// Watches until it is ended.
pub(super) fn run(fleet: &Fleet, json: bool) -> Result<Exit, Failure> {
    if !fleet.is_served() {
        let message = "no gateway runs here, so nothing will ask";
        return Err(Failure::cannot_run("CG3215", message, "start one with `callgate up`"));
    }
    let answers = !json && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut seen = HashSet::new();
    output::note("waiting for questions; Ctrl-C ends");
    loop {
        // A stream ends after some minutes; the next one begins with what stands.
        let response = fleet.exchange(Request::get(path(&["approvals", "events"], &[])))?;
        let mut body = response.into_body();
        let mut text = String::new();
        while let Some(more) = piece(fleet, &mut body) {
            text.push_str(&more);
            while let Some((event, rest)) =
                text.split_once("\n\n").map(|(event, rest)| (event.to_owned(), rest.to_owned()))
            {
                text = rest;
                let Some(id) = asked(&event).filter(|id| seen.insert(id.clone())) else { continue };
                if !told(fleet, &id, json, answers)? {
                    return Ok(Exit::Yes);
                }
            }
        }
    }
}

/// The next piece of a stream; `None` at its end.
fn piece(fleet: &Fleet, body: &mut Body) -> Option<String> {
    loop {
        let frame = fleet.wait(body.frame())?.ok()?;
        if let Ok(data) = frame.into_data() {
            return Some(String::from_utf8_lossy(&data).into_owned());
        }
    }
}

/// The question that an event says was asked.
fn asked(event: &str) -> Option<String> {
    let data = event.lines().find_map(|line| line.strip_prefix("data: "))?;
    let told: Value = serde_json::from_str(data).ok()?;
    (cell(&told, "state") == "pending").then(|| cell(&told, "id"))
}

/// Prints a question, and asks for an answer; whether to go on.
fn told(fleet: &Fleet, id: &str, json: bool, answers: bool) -> Result<bool, Failure> {
    let reply = match one(fleet, id) {
        Ok(reply) => reply,
        // Deleted in between, or not for these eyes.
        Err(failure) if failure.code == "CG3210" => return Ok(true),
        Err(failure) => return Err(failure),
    };
    let tree = reply.tree();
    if json {
        return Ok(output::line(reply.value.get()));
    }
    let cells = ["asked", "id", "server", "tool", "grant_label", "rule", "url"].map(|key| visible(&cell(&tree, key)));
    if !output::line(&cells.join("  ")) {
        return Ok(false);
    }
    let may = tree.get("arguments").is_some_and(|arguments| !arguments.is_null());
    if !answers || !may || cell(&tree, "state") != "pending" {
        return Ok(true);
    }
    put(fleet, id, &reply)
}

/// Shows the question whole, and takes an answer by a key; whether to go on.
fn put(fleet: &Fleet, id: &str, reply: &Reply) -> Result<bool, Failure> {
    output::text(&text(reply)?);
    let word = match key("approve this call? y: yes, n: no, s: not now, q: quit  ")? {
        Key::Yes => "approve",
        Key::No => "deny",
        Key::Skip => return Ok(true),
        Key::Quit => return Ok(false),
    };
    match answer(fleet, id, word, &json!({})) {
        Ok(answer) if word == "approve" => output::note(&approved(&answer)),
        Ok(answer) => output::note(&denied(&answer)),
        // Somebody was faster, or may not: the next question is another one.
        Err(failure) => output::note(&failure.to_string()),
    }
    Ok(true)
}

/// Waits for a key that means something. Ctrl-C is one of them: it must not leave the terminal as it is meanwhile.
fn key(prompt: &str) -> Result<Key, Failure> {
    let unreadable = |error: std::io::Error| {
        let message = format!("the answer can't be read from the terminal: {error}");
        Failure::cannot_run("CG3215", message, "answer with `callgate approvals approve ID` or `deny ID`")
    };
    let _keys = Keys::begin().map_err(unreadable)?;
    let mut out = std::io::stderr().lock();
    drop(write!(out, "{prompt}").and_then(|()| out.flush()));
    let mut byte = [0];
    let key = loop {
        let read = std::io::stdin().lock().read(&mut byte).map_err(unreadable)?;
        match byte {
            _ if read == 0 => break Key::Quit,
            [b'y' | b'Y'] => break Key::Yes,
            [b'n' | b'N'] => break Key::No,
            [b's' | b'S'] => break Key::Skip,
            [b'q' | b'Q' | 3 | 4] => break Key::Quit,
            _ => {}
        }
    };
    drop(writeln!(out));
    Ok(key)
}

/// A terminal that gives each key at once, until this goes.
struct Keys;

impl Keys {
    fn begin() -> std::io::Result<Self> {
        stty(&["-icanon", "-echo", "-isig", "min", "1"])?;
        Ok(Self)
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // Nothing else can be done about a terminal that went away.
        drop(stty(&["icanon", "echo", "isig"]));
    }
}

fn stty(arguments: &[&str]) -> std::io::Result<()> {
    let status = Command::new("stty").args(arguments).stdin(Stdio::inherit()).status()?;
    if status.success() { Ok(()) } else { Err(std::io::Error::other("`stty` can't read single keys")) }
}
