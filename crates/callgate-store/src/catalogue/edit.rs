//! Writing the catalogue: one transaction, and nobody else writes beside it.

use super::entry::{
    CatalogueServer, CatalogueSource, CatalogueTool, FeedRow, KnownServer, KnownTool, ServerPut, ToolPut,
};
use super::rows::{self, Cell};
use super::search::Facet;
use super::words;
use crate::change::Write;
use crate::connect::Backend;
use crate::error::StoreError;
use crate::store::{Store, in_time};
use crate::table::Values;
use std::collections::HashMap;
use std::marker::PhantomData;

/// So many numbers of changes are kept; older ones go.
const FEED: i64 = 1_000_000;

/// A change of the catalogue, not committed yet; dropped, it never was. After a write that failed it can only be
/// dropped.
#[derive(Debug)]
pub struct CatalogueEdit<'s> {
    write: Write,
    backend: Backend,
    organisation: String,
    last: i64,
    has_failed: bool,
    store: PhantomData<&'s Store>,
}

/// What is written together.
#[derive(Default)]
struct Rows {
    servers: Vec<Vec<Cell>>,
    server_words: Vec<Vec<Cell>>,
    tools: Vec<Vec<Cell>>,
    tool_words: Vec<Vec<Cell>>,
}

impl Store {
    /// Begins a change of the catalogue of an organisation, or (empty) of the public one; waits for others.
    pub async fn edit_catalogue(&self, organisation: &str) -> Result<CatalogueEdit<'_>, StoreError> {
        let mut write = self.write().await?;
        let sql = "UPDATE catalogue_sequence SET last = last RETURNING last";
        let row = in_time(async { Ok(sqlx::query(sql).fetch_one(&mut *write.transaction).await?) }).await?;
        let last = Values::new(&row, "catalogue_sequence").next()?;
        let (backend, organisation) = (self.inner.backend, organisation.to_owned());
        Ok(CatalogueEdit { write, backend, organisation, last, has_failed: false, store: PhantomData })
    }
}

impl CatalogueEdit<'_> {
    /// The servers of these names that are there, and with `tools` also their tools.
    pub async fn known(&mut self, names: &[String], tools: bool) -> Result<HashMap<String, KnownServer>, StoreError> {
        in_time(self.find(names, tools)).await
    }

    async fn find(&mut self, names: &[String], tools: bool) -> Result<HashMap<String, KnownServer>, StoreError> {
        let sql = format!(
            "SELECT {} FROM catalogue_servers WHERE organisation = {{first}} AND name IN {{values}}",
            CatalogueServer::COLUMNS.join(", ")
        );
        let values = names.iter().map(Cell::from).collect();
        let organisation = Some(Cell::from(&self.organisation));
        let found = rows::select(&mut self.write.transaction, self.backend, &sql, organisation, values).await?;
        let mut known = HashMap::new();
        let mut by_number = HashMap::new();
        for row in &found {
            let server = CatalogueServer::read(&mut Values::new(row, "catalogue_servers"))?;
            by_number.insert(server.number, server.name.clone());
            known.insert(server.name.clone(), KnownServer { server, tools: Vec::new() });
        }
        if !tools || known.is_empty() {
            return Ok(known);
        }
        let sql = "SELECT server, number, name, fingerprint, category, risk, labels, first_seen, changed \
                   FROM catalogue_tools WHERE server IN {values} ORDER BY server, name";
        let numbers = by_number.keys().map(|number| Cell::from(*number)).collect();
        for row in &rows::select(&mut self.write.transaction, self.backend, sql, None, numbers).await? {
            let mut values = Values::new(row, "catalogue_tools");
            let server: i64 = values.next()?;
            let tool = KnownTool {
                number: values.next()?,
                name: values.next()?,
                fingerprint: values.next()?,
                category: values.next()?,
                risk: values.next()?,
                labels: labels(&values.next::<String>()?),
                first_seen: values.next()?,
                changed: values.next()?,
            };
            if let Some(known) = by_number.get(&server).and_then(|name| known.get_mut(name)) {
                known.tools.push(tool);
            }
        }
        Ok(known)
    }

    /// Writes servers, and their tools where they are given.
    pub async fn put(&mut self, servers: Vec<ServerPut>) -> Result<(), StoreError> {
        let done = in_time(self.replace(servers)).await;
        self.note(done)
    }

    async fn replace(&mut self, servers: Vec<ServerPut>) -> Result<(), StoreError> {
        let there: Vec<i64> = servers.iter().map(|put| put.server.number).filter(|number| *number > 0).collect();
        let with_tools = servers.iter().filter(|put| put.tools.is_some()).map(|put| put.server.number);
        let with_tools: Vec<i64> = with_tools.filter(|number| *number > 0).collect();
        self.forget_tools(&with_tools).await?;
        let (connection, backend) = (&mut *self.write.transaction, self.backend);
        rows::delete(connection, backend, "catalogue_servers", "number", &there).await?;
        rows::delete(connection, backend, "catalogue_server_words", words_key(backend), &there).await?;
        let mut rows = Rows::default();
        let mark = words::mark(&self.organisation);
        for put in servers {
            self.server(put, &mark, &mut rows);
        }
        self.insert(rows).await
    }

    fn server(&mut self, put: ServerPut, mark: &str, rows: &mut Rows) {
        let ServerPut { mut server, text, facets, tools } = put;
        server.organisation.clone_from(&self.organisation);
        if server.number == 0 {
            server.number = self.next(&server.name);
        }
        rows.server_words.push(vec![server.number.into(), words::of_entry(mark, &server.name, &text, &facets).into()]);
        for ToolPut { mut tool, text, mut facets } in tools.into_iter().flatten() {
            tool.server = server.number;
            if tool.number == 0 {
                tool.number = self.next(&tool.name);
            }
            facets.push(Facet::Server(server.number));
            rows.tool_words.push(vec![tool.number.into(), words::of_entry(mark, &tool.name, &text, &facets).into()]);
            rows.tools.push(tool.cells());
        }
        rows.servers.push(server.cells());
    }

    async fn insert(&mut self, rows: Rows) -> Result<(), StoreError> {
        let (connection, backend) = (&mut *self.write.transaction, self.backend);
        let Rows { servers, server_words, tools, tool_words } = rows;
        rows::insert(connection, backend, "catalogue_servers", CatalogueServer::COLUMNS, servers).await?;
        rows::insert(connection, backend, "catalogue_tools", CatalogueTool::COLUMNS, tools).await?;
        rows::insert_words(connection, backend, "catalogue_server_words", server_words).await?;
        rows::insert_words(connection, backend, "catalogue_tool_words", tool_words).await
    }

    /// Removes servers with their tools.
    pub async fn remove(&mut self, servers: &[i64]) -> Result<(), StoreError> {
        let done = in_time(async {
            self.forget_tools(servers).await?;
            let (connection, backend) = (&mut *self.write.transaction, self.backend);
            rows::delete(connection, backend, "catalogue_server_words", words_key(backend), servers).await?;
            rows::delete(connection, backend, "catalogue_servers", "number", servers).await
        })
        .await;
        self.note(done)
    }

    async fn forget_tools(&mut self, servers: &[i64]) -> Result<(), StoreError> {
        let (connection, backend) = (&mut *self.write.transaction, self.backend);
        let sql = "SELECT number FROM catalogue_tools WHERE server IN {values}";
        let numbers = servers.iter().map(|number| Cell::from(*number)).collect();
        let found = rows::select(connection, backend, sql, None, numbers).await?;
        let tools = found.iter().map(|row| Values::new(row, "catalogue_tools").next()).collect::<Result<Vec<i64>, _>>();
        let tools = tools?;
        rows::delete(connection, backend, "catalogue_tool_words", words_key(backend), &tools).await?;
        rows::delete(connection, backend, "catalogue_tools", "number", &tools).await
    }

    /// Adds to the change feed.
    pub async fn feed(&mut self, feed: Vec<FeedRow>) -> Result<(), StoreError> {
        if feed.is_empty() {
            return Ok(());
        }
        let mut cells = Vec::with_capacity(feed.len());
        for row in feed {
            self.last += 1;
            let organisation = self.organisation.as_str();
            let FeedRow { at, what, server_id, server, registered, tool, details } = row;
            cells.push(vec![
                self.last.into(),
                organisation.into(),
                at.into(),
                what.into(),
                server_id.into(),
                server.into(),
                registered.into(),
                tool.into(),
                details.into(),
            ]);
        }
        let columns = ["number", "organisation", "at", "what", "server_id", "server", "registered", "tool", "details"];
        let (connection, backend) = (&mut *self.write.transaction, self.backend);
        let done = in_time(rows::insert(connection, backend, "catalogue_changes", &columns, cells)).await;
        self.note(done)
    }

    /// Notes how far a registry was read.
    pub async fn source(&mut self, source: &CatalogueSource) -> Result<(), StoreError> {
        let sql = "INSERT INTO catalogue_sources (organisation, url, page, since, newest, servers, at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (organisation, url) DO UPDATE SET \
                   page = excluded.page, since = excluded.since, newest = excluded.newest, \
                   servers = excluded.servers, at = excluded.at";
        let statement = sqlx::query(sql).bind(&self.organisation).bind(&source.url).bind(&source.page);
        let statement = statement.bind(&source.since).bind(&source.newest).bind(source.servers).bind(source.at);
        let done = in_time(async { Ok(statement.execute(&mut *self.write.transaction).await.map(drop)?) }).await;
        self.note(done)
    }

    /// Makes it so.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        if self.has_failed {
            return Err(StoreError::failed("a step of this change failed before"));
        }
        let (last, oldest) = (self.last, self.last.saturating_sub(FEED));
        in_time(async {
            let sequence = sqlx::query("UPDATE catalogue_sequence SET last = $1").bind(last);
            sequence.execute(&mut *self.write.transaction).await?;
            let old = sqlx::query("DELETE FROM catalogue_changes WHERE number < $1").bind(oldest);
            Ok(old.execute(&mut *self.write.transaction).await.map(drop)?)
        })
        .await?;
        self.write.commit().await
    }

    fn next(&mut self, name: &str) -> i64 {
        self.last += 1;
        words::place(name, self.last)
    }

    /// PostgreSQL ends a transaction with its first error; SQLite has to do the same.
    fn note(&mut self, done: Result<(), StoreError>) -> Result<(), StoreError> {
        self.has_failed |= done.is_err();
        done
    }
}

/// What the number of an entry's words is called.
fn words_key(backend: Backend) -> &'static str {
    if backend == Backend::Sqlite { "rowid" } else { "number" }
}

/// Labels as a column keeps them.
pub(super) fn labels(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

impl CatalogueServer {
    pub(super) const COLUMNS: &'static [&'static str] = &[
        "number",
        "organisation",
        "id",
        "name",
        "registered",
        "origin",
        "source",
        "about",
        "digest",
        "tools_digest",
        "tools",
        "grade",
        "summary",
        "first_seen",
        "changed",
    ];

    fn cells(self) -> Vec<Cell> {
        vec![
            self.number.into(),
            self.organisation.into(),
            self.id.into(),
            self.name.into(),
            self.registered.into(),
            self.origin.into(),
            self.source.into(),
            self.about.into(),
            self.digest.into(),
            self.tools_digest.into(),
            self.tools.into(),
            self.grade.into(),
            self.summary.into(),
            self.first_seen.into(),
            self.changed.into(),
        ]
    }

    pub(super) fn read(values: &mut Values<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            number: values.next()?,
            organisation: values.next()?,
            id: values.next()?,
            name: values.next()?,
            registered: values.next()?,
            origin: values.next()?,
            source: values.next()?,
            about: values.next()?,
            digest: values.next()?,
            tools_digest: values.next()?,
            tools: values.next()?,
            grade: values.next()?,
            summary: values.next()?,
            first_seen: values.next()?,
            changed: values.next()?,
        })
    }
}

impl CatalogueTool {
    pub(super) const COLUMNS: &'static [&'static str] = &[
        "number",
        "server",
        "name",
        "definition",
        "fingerprint",
        "category",
        "risk",
        "confidence",
        "labels",
        "findings",
        "first_seen",
        "changed",
    ];

    fn cells(self) -> Vec<Cell> {
        vec![
            self.number.into(),
            self.server.into(),
            self.name.into(),
            self.definition.into(),
            self.fingerprint.into(),
            self.category.into(),
            self.risk.into(),
            self.confidence.into(),
            self.labels.join(" ").into(),
            self.findings.into(),
            self.first_seen.into(),
            self.changed.into(),
        ]
    }

    pub(super) fn read(values: &mut Values<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            number: values.next()?,
            server: values.next()?,
            name: values.next()?,
            definition: values.next()?,
            fingerprint: values.next()?,
            category: values.next()?,
            risk: values.next()?,
            confidence: values.next()?,
            labels: labels(&values.next::<String>()?),
            findings: values.next()?,
            first_seen: values.next()?,
            changed: values.next()?,
        })
    }
}
