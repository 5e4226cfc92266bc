//! From documents to entries: one document, one transaction.

use super::document::{self, Entry, Flaw};
use super::judge::{JudgedTool, Summary};
use super::prepare::{Prepared, aside, hash, identity, said, version};
use crate::caller::{Caller, Permission, Scope};
use crate::control::Control;
use crate::document::ProblemRow;
use crate::error::{Error, Kind};
use callgate_store::{CatalogueEdit, CatalogueServer, CatalogueSource, FeedRow, KnownServer, ServerPut, ToolPut};
use serde::Serialize;
use serde_json::json;
use std::collections::HashMap;
use utoipa::ToSchema;

/// So many servers are looked up and written together.
const AT_ONCE: usize = 200;

/// So many problems of a document are told one by one, and so many of them in the message.
const TOLD: usize = 100;
const SAID: usize = 10;

/// What to import.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// From which file or address.
    pub source: String,
    /// Where such entries come from: `registry`, `import`, `scan`.
    pub origin: String,
    /// For everybody, instead of for the caller's organisation.
    pub public: bool,
    /// The server of a list of tools that names none.
    pub name: Option<String>,
    /// Leaves bad entries out, instead of the whole document.
    pub skip_bad: bool,
    /// Notes that the document is a page of this reading.
    pub reading: Option<Reading>,
}

/// The reading of a registry, page by page.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// What is being read was updated since then, as the registry says it; empty for everything.
    pub since: String,
    /// Whether this is its first page.
    pub first: bool,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CatalogueImported)]
pub struct Imported {
    /// Servers that are new.
    pub added: u64,
    /// Servers that changed.
    pub changed: u64,
    /// Servers that were there as they are.
    pub unchanged: u64,
    /// Servers that are gone.
    pub removed: u64,
    /// The tools of new and changed servers.
    pub tools: u64,
    /// Bad entries that were left out.
    pub skipped: Vec<Skipped>,
    /// The registry's cursor of the next page; null at the end.
    pub next: Option<String>,
}

/// A bad entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CatalogueSkipped)]
pub struct Skipped {
    /// Where in the document: an RFC 6901 pointer.
    pub pointer: String,
    /// Its line, from 1.
    pub line: u32,
    /// Its column, from 1.
    pub column: u32,
    /// What is wrong with it.
    pub reason: String,
}

/// One import under way.
struct Importing<'i, 'c> {
    edit: CatalogueEdit<'c>,
    source: &'i str,
    origin: &'i str,
    registered: &'i str,
    now: i64,
    done: Imported,
}

impl Control {
    /// Imports a document. CG3240 where it is none, CG3241 where entries of it are bad; then nothing of it is kept,
    /// unless bad ones are to be left out.
    pub async fn import_catalogue(&self, caller: &Caller, import: Import, document: &[u8]) -> Result<Imported, Error> {
        let permission = if import.public { Permission::ManageInstance } else { Permission::ManageServers };
        let cleared = caller.clear(permission, Scope::Organisation)?;
        let (bytes, name, skip_bad) = (document.to_vec(), import.name.clone(), import.skip_bad);
        let read = aside(move || {
            let mut read = document::read(&bytes, name.as_deref()).map_err(|flaw| unreadable(&flaw))?;
            if !read.flaws.is_empty() && !skip_bad {
                return Err(bad(&read.flaws));
            }
            let newest = read.entries.iter().map(|entry| entry.updated.clone()).max().unwrap_or_default();
            let entries = std::mem::take(&mut read.entries).into_iter().map(Prepared::of).collect::<Vec<_>>();
            Ok((read, entries, newest))
        });
        let (read, entries, newest) = read.await??;
        let organisation = if import.public { "" } else { cleared.caller().organisation() };
        let (next, count) = (read.next, i64::try_from(entries.len()).unwrap_or(i64::MAX));
        let before = self.source(organisation, &import.source).await?;
        let mut importing = self.importing(organisation, &import.source, &import.origin, "").await?;
        importing.apply(entries).await?;
        if let Some(reading) = &import.reading {
            let before = before.unwrap_or_default();
            let source = CatalogueSource {
                url: import.source.clone(),
                page: next.clone(),
                since: reading.since.clone(),
                newest: newest.max(before.newest),
                servers: count.saturating_add(if reading.first { 0 } else { before.servers }),
                at: self.now(),
            };
            importing.edit.source(&source).await?;
        }
        let mut done = importing.finish().await?;
        done.skipped = read.flaws.into_iter().map(Skipped::from).collect();
        done.next = Some(next).filter(|next| !next.is_empty());
        Ok(done)
    }

    /// Imports what the gateway itself learned about a server of an organisation.
    pub(super) async fn import_own(
        &self,
        organisation: &str,
        registered: &str,
        entries: Vec<Entry>,
    ) -> Result<(), Error> {
        let entries = aside(move || entries.into_iter().map(Prepared::of).collect()).await?;
        let mut importing = self.importing(organisation, "", "gateway", registered).await?;
        importing.apply(entries).await?;
        importing.finish().await.map(drop)
    }

    async fn importing<'i, 'c>(
        &'c self,
        organisation: &str,
        source: &'i str,
        origin: &'i str,
        registered: &'i str,
    ) -> Result<Importing<'i, 'c>, Error> {
        let edit = self.inner.store.edit_catalogue(organisation).await?;
        Ok(Importing { edit, source, origin, registered, now: self.now(), done: Imported::default() })
    }

    async fn source(&self, organisation: &str, url: &str) -> Result<Option<CatalogueSource>, Error> {
        let sources = self.inner.store.reads(organisation).catalogue_sources(organisation).await?;
        Ok(sources.into_iter().find(|source| source.url == url))
    }
}

impl Importing<'_, '_> {
    async fn apply(&mut self, entries: Vec<Prepared>) -> Result<(), Error> {
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            let some: Vec<Prepared> = entries.by_ref().take(AT_ONCE).collect();
            let names: Vec<String> = some.iter().map(|entry| entry.name.clone()).collect();
            let mut known = self.edit.known(&names, true).await?;
            let (mut puts, mut feed, mut gone) = (Vec::new(), Vec::new(), Vec::new());
            for entry in some {
                let known = known.remove(&entry.name);
                if known.as_ref().is_some_and(|known| is_outdated(&entry, known)) {
                    self.done.unchanged += 1;
                    continue;
                }
                if entry.deleted {
                    gone.extend(known.map(|known| self.gone(known, &mut feed)));
                    continue;
                }
                puts.extend(self.put(entry, known, &mut feed));
            }
            self.edit.remove(&gone).await?;
            self.edit.put(puts).await?;
            self.edit.feed(feed).await?;
        }
        Ok(())
    }

    async fn finish(self) -> Result<Imported, Error> {
        self.edit.commit().await?;
        Ok(self.done)
    }

    fn gone(&mut self, known: KnownServer, feed: &mut Vec<FeedRow>) -> i64 {
        self.done.removed += 1;
        let server = known.server;
        feed.push(row(&server, "removed", "", json!({ "tools": server.tools }), self.now));
        server.number
    }

    /// What is written for an entry; nothing where it is there as it is.
    fn put(&mut self, entry: Prepared, known: Option<KnownServer>, feed: &mut Vec<FeedRow>) -> Option<ServerPut> {
        let Prepared { name, about, tools, .. } = entry;
        let is_new = known.is_none();
        let known = known.unwrap_or_else(|| KnownServer { server: self.fresh(&name), tools: Vec::new() });
        let about = about.unwrap_or_else(|| known.server.about.clone());
        let digest = hash(&[&about]);
        let same_tools = tools.as_ref().is_none_or(|(digest, _)| *digest == known.server.tools_digest);
        let same_about = digest == known.server.digest && known.server.registered == self.registered;
        if !is_new && same_about && same_tools {
            self.done.unchanged += 1;
            return None;
        }
        let mut server = CatalogueServer { about, digest, changed: self.now, ..known.server.clone() };
        self.registered.clone_into(&mut server.registered);
        self.source.clone_into(&mut server.source);
        self.origin.clone_into(&mut server.origin);
        let mut summary: Summary = serde_json::from_str(&server.summary).unwrap_or_default();
        let mut names: Vec<String> = known.tools.iter().map(|tool| tool.name.clone()).collect();
        let had_tools = !known.server.tools_digest.is_empty();
        let mut puts = None;
        if let Some((digest, judged)) = tools.filter(|_| !same_tools) {
            (server.grade, summary, server.tools_digest) = (judged.grade, judged.summary, digest);
            names = judged.tools.iter().map(|tool| tool.name.clone()).collect();
            server.tools = i64::try_from(names.len()).unwrap_or(i64::MAX);
            server.summary = serde_json::to_string(&summary).unwrap_or_default();
            let rows = if is_new || !had_tools { None } else { Some(&mut *feed) };
            puts = Some(tool_puts(judged.tools, &known, &server, self.now, rows));
        }
        self.note(&server, is_new, had_tools, !same_about, feed);
        let facets = summary.facets(&server.grade, &server.origin);
        let text = format!("{} {}", said(&server.about), names.join(" "));
        Some(ServerPut { server, text, facets, tools: puts })
    }

    /// Counts a server, and tells of it in the feed.
    fn note(&mut self, server: &CatalogueServer, is_new: bool, had_tools: bool, about: bool, feed: &mut Vec<FeedRow>) {
        self.done.tools += u64::try_from(server.tools).unwrap_or(0);
        let details = json!({ "tools": server.tools, "grade": server.grade });
        if is_new {
            self.done.added += 1;
            feed.push(row(server, "new", "", details, self.now));
            return;
        }
        self.done.changed += 1;
        if about || !had_tools {
            feed.push(row(server, "changed", "", details, self.now));
        }
    }

    fn fresh(&self, name: &str) -> CatalogueServer {
        CatalogueServer {
            id: identity(name),
            name: name.to_owned(),
            about: "{}".to_owned(),
            summary: "{}".to_owned(),
            first_seen: self.now,
            ..CatalogueServer::default()
        }
    }
}

/// Whether an entry is about another version than the one that is kept, and says nothing of that: an old one, or one
/// that was taken away.
fn is_outdated(entry: &Prepared, known: &KnownServer) -> bool {
    let is_other = !entry.version.is_empty() && entry.version != version(&known.server.about);
    is_other && (entry.latest == Some(false) || (entry.deleted && entry.latest.is_none()))
}

/// The rows of a server's tools; what is new, changed and gone is told in the feed where there is one.
fn tool_puts(
    judged: Vec<JudgedTool>,
    known: &KnownServer,
    server: &CatalogueServer,
    now: i64,
    mut feed: Option<&mut Vec<FeedRow>>,
) -> Vec<ToolPut> {
    let mut before: HashMap<&str, _> = known.tools.iter().map(|tool| (tool.name.as_str(), tool)).collect();
    let mut puts = Vec::with_capacity(judged.len());
    let mut tell = |what: &str, tool: &str, details| {
        if let Some(feed) = &mut feed {
            feed.push(row(server, what, tool, details, now));
        }
    };
    for tool in judged {
        let mut put = tool.put(&server.name, &server.grade, &server.origin, now);
        let after =
            json!({ "category": put.tool.category, "risk": put.tool.risk, "fingerprint": put.tool.fingerprint });
        match before.remove(put.tool.name.as_str()) {
            None => tell("new", &put.tool.name, after),
            Some(known) => {
                (put.tool.number, put.tool.first_seen) = (known.number, known.first_seen);
                if known.fingerprint == put.tool.fingerprint {
                    put.tool.changed = known.changed;
                } else {
                    let was =
                        json!({ "category": known.category, "risk": known.risk, "fingerprint": known.fingerprint });
                    tell("changed", &put.tool.name, json!({ "before": was, "after": after }));
                }
            }
        }
        puts.push(put);
    }
    let mut gone: Vec<_> = before.into_values().collect();
    gone.sort_by(|one, other| one.name.cmp(&other.name));
    for tool in gone {
        tell("removed", &tool.name, json!({ "category": tool.category, "risk": tool.risk }));
    }
    puts
}

/// A row of the feed.
pub(super) fn row(server: &CatalogueServer, what: &str, tool: &str, details: serde_json::Value, at: i64) -> FeedRow {
    FeedRow {
        at,
        what: what.to_owned(),
        server_id: server.id.clone(),
        server: server.name.clone(),
        registered: server.registered.clone(),
        tool: tool.to_owned(),
        details: details.to_string(),
    }
}

fn unreadable(flaw: &Flaw) -> Error {
    let (line, column) = flaw.line;
    let message = format!("the document can't be imported: line {line}, column {column}: {}", flaw.why);
    let remedy = "give a registry's list, a `server.json`, or the answer to `tools/list`";
    Error::new(Kind::Invalid, "CG3240", message, remedy)
}

fn bad(flaws: &[Flaw]) -> Error {
    let count = flaws.len();
    let said = |flaw: &Flaw| format!("`{}` (line {}, column {}): {}", flaw.place, flaw.line.0, flaw.line.1, flaw.why);
    let mut lines: Vec<String> = flaws.iter().take(SAID).map(said).collect();
    lines.extend((count > SAID).then(|| format!("and {} more", count - SAID)));
    let lines = lines.join("\n  ");
    let message = format!("bad entries ({count}), so nothing of the document was imported:\n  {lines}");
    let remedy = "correct them, or leave bad entries out (`--skip-bad`)";
    let problem = |flaw: &Flaw| ProblemRow {
        code: "CG3241".to_owned(),
        severity: "error",
        line: flaw.line.0,
        column: flaw.line.1,
        pointer: flaw.place.clone(),
        message: flaw.why.clone(),
        hint: String::new(),
    };
    Error {
        problems: flaws.iter().take(TOLD).map(problem).collect(),
        ..Error::new(Kind::Invalid, "CG3241", message, remedy)
    }
}

impl From<Flaw> for Skipped {
    fn from(flaw: Flaw) -> Self {
        Self { pointer: flaw.place, line: flaw.line.0, column: flaw.line.1, reason: flaw.why }
    }
}
