//! A definition as answers show it.

use super::shown::{difference, shown};
use crate::moment;
use callgate_catalog::{Finding, FindingSeverity, Tool, classify, findings};
use callgate_json::{Limits, parse};
use callgate_store::{Definition, DefinitionState, Stored};
use serde::Serialize;
use utoipa::ToSchema;

/// How a tool stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is what it is pinned as.
    Pinned,
    /// Its server lists something else: it is not called until somebody approves that, or the server takes it back.
    Changed,
    /// It is not called until somebody approves it.
    Pending,
}

/// What a tool of a server is pinned as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Definition)]
pub struct DefinitionRow {
    /// The tool's name.
    #[schema(example = "exec_command")]
    pub tool: String,
    /// How it stands.
    pub state: State,
    /// The fingerprint of what is pinned, or would be.
    #[schema(example = "sha256:0f3c5a…")]
    pub fingerprint: String,
    /// The fingerprint of what the server lists now, where that is something else.
    pub candidate: Option<String>,
    /// When the tool was listed for the first time.
    #[schema(format = DateTime)]
    pub first_seen: String,
    /// Who approved it last; null where the first sight pinned it.
    pub approved_by: Option<String>,
    /// What it does, by its riskiest action: what a person set, else what the catalogue finds.
    #[schema(example = "execute")]
    pub category: Option<String>,
    /// Whether a person set the category.
    pub category_is_set: bool,
    /// How bad a wrong call can be, as the catalogue finds.
    pub risk: Option<String>,
    /// What attacks could use it for: what a person set, else what the catalogue finds.
    pub labels: Vec<String>,
    /// Whether a person set the labels.
    pub labels_are_set: bool,
    /// How many things in what the server lists now a person should look at.
    pub findings: usize,
    /// Its revision: the `ETag`, for `If-Match`.
    pub revision: i64,
}

/// A tool in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DefinitionListed {
    /// How it stands.
    #[serde(flatten)]
    pub row: DefinitionRow,
    /// What is pinned, or would be, where it was asked for: the JSON text as the server listed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
}

/// A tool's definition, and what the server lists now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DefinitionDetail {
    /// How it stands.
    #[serde(flatten)]
    pub row: DefinitionRow,
    /// What is pinned, or would be: the JSON text as the server listed it.
    pub definition: String,
    /// What the server lists now, where that is something else.
    pub candidate_definition: Option<String>,
    /// For people, every character that can't be seen escaped: what changed, as unified lines; where nothing is pinned
    /// yet, the definition as it is.
    pub diff: String,
    /// What in the definition that the server lists now a person should look at.
    #[schema(value_type = Vec<Object>)]
    pub notes: Vec<Note>,
}

/// Something that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// How bad it is: `low`, `medium`, `high`.
    pub severity: FindingSeverity,
    /// The RFC 6901 pointer to the text in the definition.
    #[serde(rename = "where")]
    pub place: String,
    /// The very words, or the character that can't be seen.
    pub what: String,
    /// What is wrong with them.
    pub why: String,
}

impl DefinitionRow {
    pub(super) fn of(stored: &Stored<Definition>) -> Self {
        let record = &stored.record;
        let now = tool(listed(record));
        let found = tool(&record.definition).map(|tool| classify(&tool));
        let word = |value: serde_json::Value| value.as_str().map(str::to_owned);
        let found_labels = || {
            let labels = found.iter().flat_map(|found| &found.labels);
            labels.map(|label| label.as_str().to_owned()).collect()
        };
        Self {
            tool: record.tool.clone(),
            state: match (record.state, &record.candidate) {
                (DefinitionState::Pending, _) => State::Pending,
                (DefinitionState::Pinned, Some(_)) => State::Changed,
                (DefinitionState::Pinned, None) => State::Pinned,
            },
            fingerprint: record.fingerprint.clone(),
            candidate: record.candidate.as_ref().map(|candidate| candidate.fingerprint.clone()),
            first_seen: moment::rfc3339(record.first_seen),
            approved_by: record.approved_by.clone(),
            category: record
                .category
                .clone()
                .or_else(|| found.as_ref().map(|found| found.category.as_str().to_owned())),
            category_is_set: record.category.is_some(),
            risk: found.as_ref().and_then(|found| word(serde_json::json!(found.risk))),
            labels: record.labels.clone().unwrap_or_else(found_labels),
            labels_are_set: record.labels.is_some(),
            findings: now.map_or(0, |tool| findings(&tool).len()),
            revision: stored.changed,
        }
    }
}

impl DefinitionDetail {
    pub(super) fn of(stored: &Stored<Definition>) -> Self {
        let record = &stored.record;
        let candidate = record.candidate.as_ref().map(|candidate| candidate.definition.clone());
        let diff = match &candidate {
            Some(candidate) => difference(&record.definition, candidate),
            None if record.state == DefinitionState::Pending => shown(&record.definition),
            None => String::new(),
        };
        let notes = tool(listed(record)).map(|tool| findings(&tool)).unwrap_or_default();
        Self {
            row: DefinitionRow::of(stored),
            definition: record.definition.clone(),
            candidate_definition: candidate,
            diff,
            notes: notes.into_iter().map(Note::from).collect(),
        }
    }
}

impl From<Finding> for Note {
    fn from(Finding { severity, place, what, why, .. }: Finding) -> Self {
        Self { severity, place, what, why }
    }
}

/// What the server lists now.
fn listed(record: &Definition) -> &str {
    record.candidate.as_ref().map_or(&record.definition, |candidate| &candidate.definition)
}

fn tool(definition: &str) -> Option<Tool> {
    let limits = Limits { max_bytes: definition.len(), max_values: usize::MAX, ..Limits::default() };
    Tool::from_value(&parse(definition.as_bytes(), &limits).ok()?).ok()
}
