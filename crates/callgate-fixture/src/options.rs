//! What a fixture serves and how it behaves.

use crate::fault::FaultPlan;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Why a fixture can't be made.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    /// The list is no JSON.
    #[error("the tool list is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The list has another shape.
    #[error(
        "the tool list must be `{{\"tools\":[…]}}`, also inside `result`, and every tool must have a string `name`"
    )]
    Shape,
    /// The log can't be opened.
    #[error("the message log `{path}` can't be opened: {source}")]
    Log {
        /// Where it should be.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
}

/// The tools that are served, each as it stands in the list that was given.
#[derive(Clone, Debug, Default)]
pub struct ToolList {
    tools: Vec<Tool>,
}

#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) json: String,
    pub(crate) input_schema: Option<serde_json::Value>,
    pub(crate) output_schema: Option<serde_json::Value>,
}

impl ToolList {
    /// Reads `{"tools":[…]}`, also where it stands inside `result` of a whole response.
    pub fn from_json(text: &str) -> Result<Self, FixtureError> {
        let mut top: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text)?;
        if let Some(result) = top.remove("result") {
            top = serde_json::from_str(result.get())?;
        }
        let list = top.get("tools").ok_or(FixtureError::Shape)?;
        let list: Vec<Box<RawValue>> = serde_json::from_str(list.get())?;
        let tools = list.iter().map(|tool| Tool::from_json(tool.get())).collect::<Result<_, _>>()?;
        Ok(Self { tools })
    }

    /// The names in the order of the list.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.iter().map(|tool| tool.name.as_str())
    }

    pub(crate) fn tools(&self) -> &[Tool] {
        &self.tools
    }
}

impl Tool {
    fn from_json(text: &str) -> Result<Self, FixtureError> {
        let mut value: serde_json::Value = serde_json::from_str(text)?;
        let name = value.get("name").and_then(|name| name.as_str()).ok_or(FixtureError::Shape)?.to_owned();
        let input_schema = value.get_mut("inputSchema").map(serde_json::Value::take);
        let output_schema = value.get_mut("outputSchema").map(serde_json::Value::take);
        // A raw line end can stand between the tokens of valid JSON only, and stdio has one line per message.
        Ok(Self { name, json: text.replace(['\n', '\r'], ""), input_schema, output_schema })
    }
}

/// Which eras of the protocol are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Eras {
    /// Both, on one endpoint.
    #[default]
    Both,
    /// Only revisions with sessions, up to 2025-11-25.
    Legacy,
    /// Only 2026-07-28.
    Modern,
}

/// How a tool answers instead of echoing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// A JSON-RPC error with this code.
    Error(i64),
    /// A result with `isError: true`.
    ToolError,
}

/// A change of the list while the fixture runs.
#[derive(Clone, Debug)]
pub struct ListChange {
    /// After how many calls, from 1, the list changes.
    pub after_calls: u64,
    /// What is served from then on.
    pub tools: ToolList,
}

/// What a fixture serves and how it behaves.
#[derive(Clone, Debug)]
pub struct FixtureOptions {
    /// The server's name in `serverInfo`.
    pub name: String,
    /// The tools.
    pub tools: ToolList,
    /// Tools per page of `tools/list`; `None` for all at once.
    pub page_size: Option<usize>,
    /// Answer requests over HTTP with an event stream where the client accepts one.
    pub sse: bool,
    /// How long a call takes.
    pub delay: Duration,
    /// The tools that don't echo.
    pub behaviours: BTreeMap<String, Behaviour>,
    /// When the list changes; clients that listen are told (`notifications/tools/list_changed`).
    pub list_change: Option<ListChange>,
    /// The file that the tools are read from anew whenever they are needed.
    pub live: Option<PathBuf>,
    /// Whether clients that listen are told at a call that the file has changed.
    pub announces: bool,
    /// The eras that are served.
    pub eras: Eras,
    /// The file that gets one JSON line for every message that arrives; created where it is missing, appended to.
    ///
    /// A line has `sequence` (from 1), `how` (`stdio` or the HTTP method), `method`, `tool` and `id` as the fixture
    /// reads them (null where there is none), `text` (the message as it came) and, over HTTP, `headers` (name to list
    /// of values). A line with `how` = `event` is about something that is no message; it has `event`: `begun` (a call
    /// of `slow` runs), `cancelled` (a request was stopped; `text` says whether by a message or because its client has
    /// gone), `signal` or `input_ended`.
    pub log: Option<PathBuf>,
    /// Serve the features behind the list `probe` as well: its tools do what their names say, and there are resources,
    /// prompts, completion, log messages and tasks.
    pub probe: bool,
    /// What goes wrong. The first that fits a request strikes.
    pub faults: Vec<FaultPlan>,
    /// Where the fault `redirect` leads.
    pub redirect_to: String,
}

impl FixtureOptions {
    /// A fixture that serves these tools and does nothing special.
    pub fn new(tools: ToolList) -> Self {
        Self {
            name: "callgate-fixture".into(),
            tools,
            page_size: None,
            sse: false,
            delay: Duration::ZERO,
            behaviours: BTreeMap::new(),
            list_change: None,
            live: None,
            announces: false,
            eras: Eras::default(),
            log: None,
            probe: false,
            faults: Vec::new(),
            redirect_to: "http://169.254.169.254/".into(),
        }
    }

    /// A fixture with the tools of the list `probe` and everything that goes with them.
    pub fn probe() -> Result<Self, FixtureError> {
        let tools = ToolList::from_json(crate::PROBE)?;
        Ok(Self { probe: true, ..Self::new(tools) })
    }
}
