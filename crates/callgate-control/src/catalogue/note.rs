//! What the gateway itself learns: the tools of the servers that it fronts, and that one is gone.

use super::document::{self, Entry};
use super::import::row;
use crate::control::Control;
use crate::error::Error;
use callgate_store::Server;
use serde_json::json;

impl Control {
    /// Notes the complete list of tools of a server of the organisation: `tools` is the array as JSON text. What it is
    /// noted for has happened already, so a failure is only logged.
    pub(crate) async fn note_tools(&self, organisation: &str, server: &str, name: &str, tools: &str) {
        if let Err(error) = self.try_note(organisation, server, name, tools).await {
            tracing::warn!("the catalogue does not learn the tools of `{name}`: {error}");
        }
    }

    /// Notes what is pinned of a server's tools. A failure is only logged.
    pub(crate) async fn note_pinned(&self, organisation: &str, server: &str) {
        let pinned = self.inner.published.borrow().definitions.get(server).cloned().unwrap_or_default();
        let found = self.inner.store.reads(organisation).get::<Server>(server).await;
        let Ok(Some(stored)) = found else { return };
        let mut tools: Vec<_> = pinned.by_tool.values().map(|tool| (&tool.tool, tool.definition.as_str())).collect();
        tools.sort_unstable();
        let tools: Vec<&str> = tools.into_iter().map(|(_, definition)| definition).collect();
        let tools = format!("[{}]", tools.join(","));
        self.note_tools(organisation, server, &stored.record.name, &tools).await;
    }

    async fn try_note(&self, organisation: &str, server: &str, name: &str, tools: &str) -> Result<(), Error> {
        let wrapped = format!("{{\"tools\":{tools}}}");
        let read = match document::read(wrapped.as_bytes(), Some(name)) {
            Ok(read) if read.flaws.is_empty() => read,
            Ok(read) => return unreadable(name, read.flaws.first()),
            Err(flaw) => return unreadable(name, Some(&flaw)),
        };
        let about = Some(json!({ "title": name }).to_string());
        let entries = read.entries.into_iter().map(|entry| Entry { about: about.clone(), ..entry });
        self.import_own(organisation, server, entries.collect()).await
    }

    /// Takes a server that was removed out of the organisation's part. A failure is only logged.
    pub(crate) async fn note_removal(&self, organisation: &str, server: &str, name: &str) {
        let removed = async {
            let mut edit = self.inner.store.edit_catalogue(organisation).await?;
            let known = edit.known(&[name.to_owned()], false).await?.remove(name);
            let Some(known) = known.filter(|known| known.server.registered == server) else { return Ok(()) };
            let told = row(&known.server, "removed", "", json!({ "tools": known.server.tools }), self.now());
            edit.remove(&[known.server.number]).await?;
            edit.feed(vec![told]).await?;
            edit.commit().await
        };
        let removed: Result<(), callgate_store::StoreError> = removed.await;
        if let Err(error) = removed {
            tracing::warn!("the catalogue still has the server `{name}`: {error}");
        }
    }
}

fn unreadable(name: &str, flaw: Option<&document::Flaw>) -> Result<(), Error> {
    let why = flaw.map(|flaw| format!("`{}`: {}", flaw.place, flaw.why)).unwrap_or_default();
    let message = format!("the tools of `{name}` can't be read: {why}");
    Err(Error::new(crate::error::Kind::Invalid, "CG3241", message, "the server has to answer `tools/list` correctly"))
}
