//! What the fleet's commands share: the gateway that they are about, and how its answers are shown.

use crate::api::{Api, Place, Reply, Request};
use crate::cli::DataArgs;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output;
use axum::body::Body;
use hyper::Response;
use serde_json::Value;
use tokio::runtime::Runtime;

/// The gateway that a command is about, for as long as the command runs.
pub(super) struct Fleet {
    url: String,
    // Before the runtime: what it holds may end tasks when it goes.
    api: Api,
    runtime: Runtime,
}

impl Fleet {
    /// Reaches the gateway that the options and the environment name, for commands that only read.
    pub(super) fn reading(args: &DataArgs, environment: &Environment) -> Result<Self, Failure> {
        Self::at(Place::of(args, environment, false)?, environment)
    }

    /// The same for commands that change something: they may be the first use of a data directory.
    pub(super) fn changing(args: &DataArgs, environment: &Environment) -> Result<Self, Failure> {
        Self::at(Place::of(args, environment, true)?, environment)
    }

    /// Reaches the gateway at a place.
    pub(super) fn at(place: Place, environment: &Environment) -> Result<Self, Failure> {
        let runtime = super::runtime()?;
        let url = place.address();
        let api = runtime.block_on(Api::open(place, environment))?;
        Ok(Self { url, api, runtime })
    }

    /// Where the gateway serves, or did last.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Whether a gateway runs there.
    pub(super) fn is_served(&self) -> bool {
        self.api.is_served()
    }

    /// Sends a request, and tells the operator the notes of its answer.
    pub(super) fn send(&self, request: Request) -> Result<Reply, Failure> {
        let reply = self.runtime.block_on(self.api.send(request))?;
        note(&reply.tree());
        Ok(reply)
    }

    /// Sends a request whose answer is read piece by piece.
    pub(super) fn exchange(&self, request: Request) -> Result<Response<Body>, Failure> {
        self.runtime.block_on(self.api.exchange(request))
    }

    /// All entries of a list.
    pub(super) fn list(&self, request: Request) -> Result<Vec<Value>, Failure> {
        self.runtime.block_on(self.api.list(request))
    }

    /// Waits for something on the command's own runtime.
    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

/// What an answer wants the operator to know beside it.
fn note(answer: &Value) {
    for note in answer.get("notes").map(rows).unwrap_or_default() {
        output::note(&cell_text(note));
    }
}

/// The answer of a change: as JSON for scripts, else in a sentence.
pub(super) fn show(answer: &Value, json: bool, sentence: &str) {
    if json {
        output::json(answer);
    } else {
        output::text(sentence);
    }
}

/// The same without members that only the API has.
pub(super) fn without(mut answer: Value, members: &[&str]) -> Value {
    if let Some(object) = answer.as_object_mut() {
        members.iter().for_each(|member| drop(object.remove(*member)));
    }
    answer
}

/// A list: as JSON for scripts, else as a table of these members.
pub(super) fn table(list: Vec<Value>, json: bool, columns: &[(&str, &str)]) {
    if json {
        output::json(&list);
        return;
    }
    let headings: Vec<&str> = columns.iter().map(|(heading, _)| *heading).collect();
    let row = |entry: &Value| columns.iter().map(|(_, key)| cell(entry, key)).collect();
    output::table(&headings, &list.iter().map(row).collect::<Vec<Vec<String>>>());
}

/// A member's text, empty where it has none.
pub(super) fn cell(row: &Value, key: &str) -> String {
    row.get(key).map(cell_text).unwrap_or_default()
}

fn cell_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell_text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// The rows of a list.
pub(super) fn rows(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A pair such as `K=V`.
pub(super) fn pair(option: &str, text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => {
            let message = format!("`{option}`: it should be `KEY=VALUE`");
            Err(Failure::cannot_run("CG3051", message, format!("for example `{option} MODE=quiet`")))
        }
    }
}
