//! What people decide about definitions: a changed one is approved, a category or labels are set, one is forgotten.

use super::read::unknown;
use super::rows::DefinitionRow;
use crate::caller::{Caller, Permission};
use crate::change::{Editing, Step};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::precondition::Precondition;
use callgate_policy::{Category, Label};
use callgate_store::{Candidate, Definition, DefinitionState, Stored};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What is approved: exactly what was looked at.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The fingerprint of what the server lists now.
    pub fingerprint: String,
}

/// What is approved of several tools: all of it, or nothing.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    /// The fingerprints of what the server lists now, by the tools' names.
    pub tools: BTreeMap<String, String>,
}

/// What was approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Approved {
    /// The names of the tools.
    pub approved: Vec<String>,
}

/// What a person says about a tool; what is not named stays, and null leaves it to the catalogue again.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DefinitionPatch {
    /// What it does: `read`, `write`, `execute`, `destructive` or `financial`.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<String>, example = "write")]
    pub category: Option<Option<String>>,
    /// What attacks could use it for: `reads_untrusted`, `reads_private`, `egress`, `credentials`, `free_form_code`,
    /// `bulk`.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<Vec<String>>)]
    pub labels: Option<Option<Vec<String>>>,
}

/// Null is said, too.
fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Control {
    /// Approves what a server lists of one tool now. CG3041, CG3201; CG3202 where it is something else by now.
    pub async fn approve_definition(
        &self,
        caller: &Caller,
        wanted: &str,
        tool: &str,
        approval: Approval,
    ) -> Result<DefinitionRow, Error> {
        let tools = BTreeMap::from([(tool.to_owned(), approval.fingerprint)]);
        let mut rows = self.approve(caller, wanted, tools).await?;
        rows.pop().ok_or_else(|| unknown(wanted, tool))
    }

    /// Approves what a server lists of several tools now, or nothing of it. CG3041, CG3201, CG3202.
    pub async fn approve_definitions(
        &self,
        caller: &Caller,
        wanted: &str,
        approvals: Approvals,
    ) -> Result<Approved, Error> {
        let rows = self.approve(caller, wanted, approvals.tools).await?;
        Ok(Approved { approved: rows.into_iter().map(|row| row.tool).collect() })
    }

    /// Sets what a tool does, in place of what the catalogue finds. CG3041, CG3118, CG3201, CG3203.
    pub async fn edit_definition(
        &self,
        caller: &Caller,
        wanted: &str,
        tool: &str,
        condition: Precondition,
        patch: DefinitionPatch,
    ) -> Result<DefinitionRow, Error> {
        check(&patch)?;
        let (cleared, server) = self.server_for(caller, Permission::ManageServers, wanted).await?;
        let name = &server.record.name;
        let mut editing = self.edit(&cleared).await?;
        let stored = current(&mut editing, &server.record.id, name, tool).await?;
        condition.check_update(&format!("the tool `{tool}` of `{name}`"), stored.changed)?;
        let before = stored.record;
        let after = Definition {
            category: patch.category.unwrap_or_else(|| before.category.clone()),
            labels: patch.labels.unwrap_or_else(|| before.labels.clone()),
            ..before.clone()
        };
        if after == before {
            return Ok(DefinitionRow::of(&Stored { record: before, changed: stored.changed, removed: None }));
        }
        let said = |definition: &Definition| json!({ "category": definition.category, "labels": definition.labels });
        let object = object(name, tool);
        let step = Step { what: "definitions label", object, before: said(&before), after: said(&after) };
        editing.change.put_definition(&after).await?;
        editing.step(step).await?;
        let row = DefinitionRow::of(&Stored { record: after, changed: editing.revision(), removed: None });
        editing.finish(self).await?;
        Ok(row)
    }

    /// Forgets what a tool is pinned as: listed again, it is new. CG3041, CG3118, CG3201.
    pub async fn forget_definition(
        &self,
        caller: &Caller,
        wanted: &str,
        tool: &str,
        condition: Precondition,
    ) -> Result<(), Error> {
        let (cleared, server) = self.server_for(caller, Permission::ManageServers, wanted).await?;
        let name = &server.record.name;
        let mut editing = self.edit(&cleared).await?;
        let stored = current(&mut editing, &server.record.id, name, tool).await?;
        condition.check_update(&format!("the tool `{tool}` of `{name}`"), stored.changed)?;
        editing.change.remove::<Definition>(&stored.record.id, editing.at()).await?;
        let before = json!({ "fingerprint": stored.record.fingerprint });
        editing
            .step(Step { what: "definitions forget", object: object(name, tool), before, after: Value::Null })
            .await?;
        editing.finish(self).await?;
        self.note_pinned(cleared.caller().organisation(), &server.record.id).await;
        Ok(())
    }

    async fn approve(
        &self,
        caller: &Caller,
        wanted: &str,
        tools: BTreeMap<String, String>,
    ) -> Result<Vec<DefinitionRow>, Error> {
        let (cleared, server) = self.server_for(caller, Permission::ManageServers, wanted).await?;
        let name = &server.record.name;
        let mut editing = self.edit(&cleared).await?;
        let mut rows = Vec::with_capacity(tools.len());
        for (tool, fingerprint) in tools {
            let stored = current(&mut editing, &server.record.id, name, &tool).await?;
            let before = stored.record;
            let listed = before.candidate.as_ref().map_or(&before.fingerprint, |candidate| &candidate.fingerprint);
            if *listed != fingerprint {
                let message = format!("`{tool}` of `{name}` is listed as something else by now: `{listed}`");
                let remedy = "look at it again, and approve what is there now";
                return Err(Error::new(Kind::Conflict, "CG3202", message, remedy));
            }
            if before.state == DefinitionState::Pinned && before.candidate.is_none() {
                rows.push(DefinitionRow::of(&Stored { record: before, changed: stored.changed, removed: None }));
                continue;
            }
            let said = json!({ "fingerprint": pinned(&before) });
            let after = approved(before, &editing.who());
            editing.change.put_definition(&after).await?;
            let after_said = json!({ "fingerprint": pinned(&after) });
            let what = "definitions approve";
            editing.step(Step { what, object: object(name, &tool), before: said, after: after_said }).await?;
            rows.push(DefinitionRow::of(&Stored { record: after, changed: editing.revision(), removed: None }));
        }
        if editing.steps() > 0 {
            editing.finish(self).await?;
            self.note_pinned(cleared.caller().organisation(), &server.record.id).await;
        }
        Ok(rows)
    }
}

/// What is in force, where something is.
fn pinned(definition: &Definition) -> Option<&str> {
    (definition.state == DefinitionState::Pinned).then_some(definition.fingerprint.as_str())
}

fn approved(before: Definition, who: &str) -> Definition {
    let mut after = Definition { state: DefinitionState::Pinned, approved_by: Some(who.to_owned()), ..before };
    if let Some(Candidate { definition, fingerprint }) = after.candidate.take() {
        after.definition = definition;
        after.fingerprint = fingerprint;
    }
    after
}

async fn current(editing: &mut Editing<'_>, server: &str, name: &str, tool: &str) -> Result<Stored<Definition>, Error> {
    let stored = editing.change.get::<Definition>(&Definition::id_of(server, tool)).await?;
    stored.ok_or_else(|| unknown(name, tool))
}

fn object(server: &str, tool: &str) -> String {
    format!("server/{server}/definitions/{}", callgate_json::escape_token(tool))
}

/// Whether categories and labels are words that there are. CG3203.
fn check(patch: &DefinitionPatch) -> Result<(), Error> {
    if let Some(Some(category)) = &patch.category
        && Category::parse(category).is_none()
    {
        return Err(no_word("category", category, &Category::ALL.map(|(_, word)| word)));
    }
    let labels = patch.labels.iter().flatten().flatten();
    match labels.into_iter().find(|label| Label::parse(label).is_none()) {
        Some(label) => Err(no_word("label", label, &Label::ALL.map(|(_, word)| word))),
        None => Ok(()),
    }
}

/// The refusal of a word that there is not. CG3203.
pub(crate) fn no_word(what: &str, word: &str, words: &[&str]) -> Error {
    let word: String = word.chars().take(80).collect();
    let remedy = format!("write one of `{}`", words.join("`, `"));
    Error::new(Kind::Invalid, "CG3203", format!("`{word}` is no {what}"), remedy)
}
