//! What passes by in the lists of servers: new definitions are pinned or wait for a person, changed ones are set aside.

use crate::caller::{Caller, Permission, Scope, Who};
use crate::change::{Editing, Step};
use crate::configuration::{PublishedDefinition, PublishedDefinitions};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::names;
use crate::settings::{Pinning, Settings};
use callgate_store::{Candidate, Definition, DefinitionState, Event, Page, Role, Roles, Server};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The most tools that are pinned of one server.
const MAX_TOOLS: usize = 10_000;
/// The longest name of a tool, in bytes.
const MAX_NAME: usize = 1_024;
/// The longest definition, in bytes.
const MAX_DEFINITION: usize = 1 << 20;
/// All definitions of one server together, in bytes.
const MAX_TOTAL: usize = 32 << 20;
/// More tools than this are read together, not one by one.
const ONE_BY_ONE: usize = 32;
/// Tools that a record of a change names; the others are counted.
const NAMED: usize = 100;
/// So often a server's tools may change while they are set aside anyway before that is written down, and how long until
/// one more time is allowed, in milliseconds.
const OFTEN: (u32, i64) = (20, 10_000);

/// A tool as its server listed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub tool: String,
    /// Its definition, as JSON text.
    pub definition: String,
    /// The fingerprint of that definition.
    pub fingerprint: String,
}

/// What is seen of each server, by the servers' identities: one list of a server is taken in at a time, and a server never
/// waits for another one.
#[derive(Debug, Default)]
pub(crate) struct Seeing(Mutex<HashMap<Arc<str>, Arc<Turn>>>);

/// Held by the one who takes in what a server listed.
pub(super) type Turn = tokio::sync::Mutex<Often>;

/// How often the tools of a server changed lately.
#[derive(Debug, Default)]
pub(super) struct Often {
    left: u32,
    /// `None` before the first time.
    since: Option<i64>,
}

/// What became of the tools of one list.
#[derive(Default)]
struct Became {
    pinned: Vec<Definition>,
    pending: Vec<Definition>,
    changed: Vec<Definition>,
    back: Vec<Definition>,
}

/// What a list says about one tool that is not known so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum News {
    /// It is new, or no longer what is in force.
    Matters,
    /// It is set aside already, and only what it is now differs.
    Again,
}

impl Control {
    /// Takes in what a server listed: new tools are pinned, or wait for a person where the server's settings say so;
    /// changed ones are set aside until a person has looked at them, or the server lists again what is pinned. When this
    /// returns, that is kept, recorded and published. CG3200 where it can't be kept, CG3115.
    pub async fn saw_tools(&self, organisation: &str, server: &Arc<str>, tools: Vec<Listed>) -> Result<(), Error> {
        let turn = self.inner.seeing.of(server);
        let mut often = turn.lock().await;
        let known = self.known(server);
        let news: Vec<(News, Listed)> =
            tools.into_iter().filter_map(|listed| Some((news(&known, &listed)?, listed))).collect();
        if news.is_empty() {
            return Ok(());
        }
        // Set aside they are either way; a server that changes them all the time must not fill the journal.
        if news.iter().all(|(news, _)| *news == News::Again) && !often.may(self.now()) {
            return Ok(());
        }
        let news: Vec<Listed> = news.into_iter().map(|(_, listed)| listed).collect();
        check(&known, &news)?;
        self.write_down(organisation, server, news).await?;
        // The catalogue is nothing that the next list depends on.
        drop(often);
        self.note_pinned(organisation, server).await;
        Ok(())
    }

    /// What is published of a server's tools.
    pub(super) fn known(&self, server: &str) -> Arc<PublishedDefinitions> {
        self.inner.published.borrow().definitions.get(server).cloned().unwrap_or_default()
    }

    async fn write_down(&self, organisation: &str, server: &str, news: Vec<Listed>) -> Result<(), Error> {
        let roles = Roles { organisation: Some(Role::Admin), ..Roles::default() };
        let caller = Caller::new(organisation, Who::Gateway, roles, false);
        let cleared = caller.clear(Permission::ManageServers, Scope::Server(server))?;
        let mut editing = self.edit(&cleared).await?;
        let Some(stored) = editing.change.get::<Server>(server).await? else {
            return Err(unkept("the server is not registered any more"));
        };
        let settings: Settings = serde_json::from_str(&stored.record.settings).unwrap_or_default();
        let pinning = settings.complete().pinning;
        let mut before = before(&mut editing, server, &news).await?;
        let mut became = Became::default();
        for listed in news {
            let before = before.remove(&listed.tool);
            became.take(&mut editing, server, pinning, before, listed).await?;
        }
        became.record(&mut editing, &stored.record.name).await?;
        if editing.steps() > 0 {
            return editing.finish(self).await;
        }
        // Somebody else wrote it down: what is published may be behind.
        drop(editing);
        self.publish().await
    }
}

impl Became {
    /// Decides about one tool, and writes it down.
    async fn take(
        &mut self,
        editing: &mut Editing<'_>,
        server: &str,
        pinning: Pinning,
        before: Option<Definition>,
        listed: Listed,
    ) -> Result<(), Error> {
        let Listed { tool, definition, fingerprint } = listed;
        let Some(before) = before else {
            let state = match pinning {
                Pinning::FirstSight => DefinitionState::Pinned,
                Pinning::Approval => DefinitionState::Pending,
            };
            let new = Definition {
                id: Definition::id_of(server, &tool),
                server: server.to_owned(),
                tool,
                definition,
                fingerprint,
                state,
                candidate: None,
                first_seen: editing.at(),
                approved_by: None,
                category: None,
                labels: None,
            };
            editing.change.put_definition(&new).await?;
            let of_state = if state == DefinitionState::Pinned { &mut self.pinned } else { &mut self.pending };
            of_state.push(new);
            return Ok(());
        };
        let listed_before = before.candidate.as_ref().map_or(&before.fingerprint, |candidate| &candidate.fingerprint);
        if *listed_before == fingerprint {
            return Ok(());
        }
        let (now, became) = if before.state == DefinitionState::Pending {
            (Definition { definition, fingerprint, ..before }, &mut self.pending)
        } else if before.fingerprint == fingerprint {
            (Definition { candidate: None, ..before }, &mut self.back)
        } else {
            (Definition { candidate: Some(Candidate { definition, fingerprint }), ..before }, &mut self.changed)
        };
        editing.change.put_definition(&now).await?;
        became.push(now);
        Ok(())
    }

    /// Leaves a step for each thing that happened, however many tools it happened to.
    async fn record(&self, editing: &mut Editing<'_>, server: &str) -> Result<(), Error> {
        let steps = [
            ("definitions pin", Value::Null, &self.pinned),
            ("definitions quarantine", Value::Null, &self.pending),
            ("definitions quarantine", json!({}), &self.changed),
            ("definitions restore", json!({}), &self.back),
        ];
        for (what, before, tools) in steps.into_iter().filter(|(_, _, tools)| !tools.is_empty()) {
            let object = format!("server/{server}/definitions");
            let after = json!({ "count": tools.len(), "tools": tools.iter().take(NAMED).map(row).collect::<Vec<_>>() });
            editing.step(Step { what, object, before, after }).await?;
        }
        self.announce(editing, server).await
    }

    /// Tells whoever wants to know that tools were set aside.
    async fn announce(&self, editing: &mut Editing<'_>, server: &str) -> Result<(), Error> {
        let set_aside: Vec<&Definition> = self.pending.iter().chain(&self.changed).collect();
        let Some(first) = set_aside.first() else { return Ok(()) };
        let names: Vec<&str> = set_aside.iter().take(NAMED).map(|definition| definition.tool.as_str()).collect();
        let event = Event {
            organisation: editing.organisation().to_owned(),
            id: names::new_id("ev_")?,
            kind: "definition.quarantined".to_owned(),
            server: Some(first.server.clone()),
            at: editing.at(),
            body: json!({ "server": server, "tools": names, "count": set_aside.len() }).to_string(),
        };
        Ok(editing.change.announce(&event).await?)
    }
}

impl Seeing {
    /// The turns of a server.
    pub(super) fn of(&self, server: &Arc<str>) -> Arc<Turn> {
        let mut servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(servers.entry(Arc::clone(server)).or_default())
    }
}

impl Often {
    /// Whether the server's tools may change once more while they are set aside.
    fn may(&mut self, now: i64) -> bool {
        let (most, pause) = OFTEN;
        let more = match self.since {
            Some(since) => u32::try_from(now.saturating_sub(since) / pause).unwrap_or(u32::MAX),
            None => most,
        };
        if more > 0 {
            self.left = self.left.saturating_add(more).min(most);
            self.since = Some(now);
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

/// As records of changes show it.
fn row(definition: &Definition) -> Value {
    json!({
        "tool": definition.tool, "fingerprint": definition.fingerprint,
        "candidate": definition.candidate.as_ref().map(|candidate| &candidate.fingerprint),
    })
}

/// Whether what is listed is not known so.
fn news(known: &PublishedDefinitions, listed: &Listed) -> Option<News> {
    let known = known.by_tool.get(listed.tool.as_str());
    match known {
        Some(known) if known.listed() == listed.fingerprint => None,
        Some(known) if known.is_quarantined() => Some(News::Again),
        _ => Some(News::Matters),
    }
}

/// Whether there is room for it. CG3200.
fn check(known: &PublishedDefinitions, news: &[Listed]) -> Result<(), Error> {
    let mut count = known.by_tool.len();
    let mut bytes = known.bytes;
    for Listed { tool, definition, .. } in news {
        let short: String = tool.chars().take(80).collect();
        if tool.len() > MAX_NAME || tool.contains('\0') {
            return Err(unkept(&format!("the name `{short}` is longer than {MAX_NAME} bytes, or holds U+0000")));
        }
        if definition.len() > MAX_DEFINITION {
            return Err(unkept(&format!("the definition of `{short}` is longer than {MAX_DEFINITION} bytes")));
        }
        let before = known.by_tool.get(tool.as_str());
        count += usize::from(before.is_none());
        bytes += definition.len();
        // Its candidate before, where it had one, makes room.
        bytes -=
            before.map_or(0, |before: &Arc<PublishedDefinition>| before.bytes.saturating_sub(before.definition.len()));
    }
    if count > MAX_TOOLS {
        return Err(unkept(&format!("it has listed {count} tools by now, and at most {MAX_TOOLS} are pinned")));
    }
    if bytes > MAX_TOTAL {
        return Err(unkept(&format!("its definitions are longer than {MAX_TOTAL} bytes altogether")));
    }
    Ok(())
}

/// What is written down about these tools.
async fn before(
    editing: &mut Editing<'_>,
    server: &str,
    news: &[Listed],
) -> Result<HashMap<String, Definition>, Error> {
    let mut before = HashMap::new();
    if news.len() <= ONE_BY_ONE {
        for Listed { tool, .. } in news {
            let stored = editing.change.get::<Definition>(&Definition::id_of(server, tool)).await?;
            before.extend(stored.map(|stored| (tool.clone(), stored.record)));
        }
        return Ok(before);
    }
    let page = Page { parent: Some(server.to_owned()), after: None, limit: u32::MAX };
    let all = editing.change.list::<Definition>(&page).await?;
    before.extend(all.into_iter().map(|stored| (stored.record.tool.clone(), stored.record)));
    Ok(before)
}

fn unkept(why: &str) -> Error {
    let message = format!("what the server lists can't be pinned: {why}");
    let remedy =
        "`callgate server definitions` shows what is pinned; `callgate server definition --forget` forgets a tool";
    Error::new(Kind::Conflict, "CG3200", message, remedy)
}
