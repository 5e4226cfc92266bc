//! Looking at definitions.

use super::rows::{DefinitionDetail, DefinitionListed, DefinitionRow};
use crate::caller::{Caller, Permission};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::listing::{Listed, Parents, Part};
use callgate_store::{Definition, Stored};

impl Control {
    /// What the tools of a server are pinned as, by their names; with the definitions themselves where they are wanted.
    /// CG3041.
    pub async fn list_definitions(
        &self,
        caller: &Caller,
        wanted: &str,
        with_definitions: bool,
        part: &Part,
    ) -> Result<Listed<DefinitionListed>, Error> {
        let (cleared, server) = self.server_for(caller, Permission::ReadServers, wanted).await?;
        let parents = Parents::Of(vec![server.record.id]);
        let key = |definition: &Definition| definition.id.clone();
        let mut listed = part.read(&self.reads(&cleared), parents, |_| true, key).await?;
        let row = |stored: &Stored<Definition>| DefinitionListed {
            row: DefinitionRow::of(stored),
            definition: with_definitions.then(|| stored.record.definition.clone()),
        };
        let rows = std::mem::take(&mut listed.items).iter().map(row).collect();
        Ok(listed.with(rows))
    }

    /// What one tool is pinned as, and what changed. CG3041, CG3201.
    pub async fn show_definition(&self, caller: &Caller, wanted: &str, tool: &str) -> Result<DefinitionDetail, Error> {
        let (cleared, server) = self.server_for(caller, Permission::ReadServers, wanted).await?;
        let id = Definition::id_of(&server.record.id, tool);
        let stored = self.reads(&cleared).get::<Definition>(&id).await?;
        let stored: Stored<Definition> = stored.ok_or_else(|| unknown(&server.record.name, tool))?;
        Ok(DefinitionDetail::of(&stored))
    }
}

pub(super) fn unknown(server: &str, tool: &str) -> Error {
    let tool: String = tool.chars().take(80).collect();
    let message = format!("nothing is known of a tool `{tool}` of `{server}`");
    let remedy =
        format!("`callgate server tools {server}` shows its tools; a list has to pass by before one is pinned");
    Error::new(Kind::NotFound, "CG3201", message, remedy)
}
