//! Tools about the process that the fixture is.

use crate::exchange::{Ending, Exchange, Outcome, text};
use serde_json::{Map, Value, json};
use std::process::{Command, Stdio};

/// Everything that the process was given: environment, folder, ids, open descriptors.
pub(super) fn env() -> Outcome {
    let environment: Map<String, Value> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), json!(value.to_string_lossy())))
        .collect();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name may hold spaces and parentheses; what follows the last one doesn't.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse::<u64>().ok());
    let open = std::fs::read_dir("/proc/self/fd").map(|entries| {
        let links = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
        links.map(|link| link.to_string_lossy().into_owned()).collect::<Vec<_>>()
    });
    let told = json!({
        "environment": environment,
        "cwd": std::env::current_dir().ok(),
        "pid": std::process::id(),
        "parent": number(1),
        "group": number(2),
        "session": number(3),
        "uid": uid,
        "open": open.ok(),
    });
    Ok(text(told.to_string()))
}

/// Starts a process that outlives its parent; with `escape`, in a session of its own; with `hold`, with the pipes of
/// the fixture.
pub(super) fn fork(exchange: &Exchange) -> Outcome {
    let mut command = if exchange.flag_argument("escape") {
        let mut command = Command::new("setsid");
        command.arg("sleep");
        command
    } else {
        Command::new("sleep")
    };
    command.arg("86400");
    if !exchange.flag_argument("hold") {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    }
    let child = command.spawn().map_err(|error| Ending::fail(-32603, format!("`sleep` can't be started: {error}")))?;
    Ok(text(json!({"pid": child.id()}).to_string()))
}
