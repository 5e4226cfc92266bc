//! Looking at the catalogue: one server with its tools, the change feed, the registries that were read.

use super::entry::{CatalogueChange, CatalogueServer, CatalogueSource, CatalogueTool, FeedRow};
use super::search::{CatalogueFound, servers};
use crate::error::StoreError;
use crate::reads::Reads;
use crate::store::in_time;
use crate::table::Values;
use sqlx::AssertSqlSafe;

impl Reads<'_> {
    /// The server with this identity or name; the organisation's own before a public one.
    pub async fn catalogue_server(&self, wanted: &str) -> Result<Option<CatalogueServer>, StoreError> {
        in_time(async {
            let mut connection = self.connection().await?;
            for (organisation, column) in
                [(self.organisation(), "id"), (self.organisation(), "name"), ("", "id"), ("", "name")]
            {
                let sql = format!("SELECT number FROM catalogue_servers WHERE organisation = $1 AND {column} = $2");
                let statement = sqlx::query(AssertSqlSafe(sql)).bind(organisation).bind(wanted);
                let Some(row) = statement.fetch_optional(&mut *connection).await? else { continue };
                let number = Values::new(&row, "catalogue_servers").next()?;
                let found = servers(&mut connection, self.backend(), self.organisation(), &[number]).await?;
                return Ok(found.into_iter().next());
            }
            Ok(None)
        })
        .await
    }

    /// All tools of a server that was found, by name.
    pub async fn catalogue_tools_of(&self, server: &CatalogueServer) -> Result<Vec<CatalogueTool>, StoreError> {
        in_time(async {
            let columns = CatalogueTool::COLUMNS.join(", ");
            let sql = format!("SELECT {columns} FROM catalogue_tools WHERE server = $1 ORDER BY name");
            let statement = sqlx::query(AssertSqlSafe(sql)).bind(server.number);
            let rows = statement.fetch_all(&mut *self.connection().await?).await?;
            rows.iter().map(|row| CatalogueTool::read(&mut Values::new(row, "catalogue_tools"))).collect()
        })
        .await
    }

    /// The change feed of the organisation and of public knowledge, newest first; with `server`, of the server with this
    /// identity; from `since` on (milliseconds since the Unix epoch).
    pub async fn catalogue_changes(
        &self,
        server: Option<&str>,
        since: i64,
        after: Option<&str>,
        limit: u32,
    ) -> Result<CatalogueFound<CatalogueChange>, StoreError> {
        let wrong =
            || StoreError::Broken { table: "the catalogue", why: "a place in it can't be understood".to_owned() };
        let before = after.map(|after| after.parse().map_err(|_| wrong())).transpose()?.unwrap_or(i64::MAX);
        in_time(async {
            // The organisation is an expression, so that the walk goes by number, or by server and number.
            let of = if server.is_some() { "server_id = $5 AND " } else { "" };
            let sql = format!(
                "SELECT number, organisation, at, what, server_id, server, registered, tool, details \
                 FROM catalogue_changes WHERE {of}(organisation || '') IN ('', $1) AND number < $2 AND at >= $3 \
                 ORDER BY number DESC LIMIT $4"
            );
            let statement = sqlx::query(AssertSqlSafe(sql)).bind(self.organisation()).bind(before).bind(since);
            let statement = statement.bind(i64::from(limit) + 1);
            let statement = server.into_iter().fold(statement, |statement, server| statement.bind(server));
            let rows = statement.fetch_all(&mut *self.connection().await?).await?;
            let mut found = rows.iter().map(change).collect::<Result<Vec<_>, _>>()?;
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let more = found.len() > limit;
            found.truncate(limit);
            let next = found.last().filter(|_| more).map(|last| last.number.to_string());
            Ok(CatalogueFound { rows: found, next })
        })
        .await
    }

    /// The registries that were read for this organisation, or (empty) for public knowledge.
    pub async fn catalogue_sources(&self, organisation: &str) -> Result<Vec<CatalogueSource>, StoreError> {
        in_time(async {
            let sql = "SELECT url, page, since, newest, servers, at FROM catalogue_sources \
                       WHERE organisation = $1 ORDER BY url";
            let rows = sqlx::query(sql).bind(organisation).fetch_all(&mut *self.connection().await?).await?;
            let read = |row| {
                let mut values = Values::new(row, "catalogue_sources");
                Ok(CatalogueSource {
                    url: values.next()?,
                    page: values.next()?,
                    since: values.next()?,
                    newest: values.next()?,
                    servers: values.next()?,
                    at: values.next()?,
                })
            };
            rows.iter().map(read).collect()
        })
        .await
    }
}

fn change(row: &sqlx::any::AnyRow) -> Result<CatalogueChange, StoreError> {
    let mut values = Values::new(row, "catalogue_changes");
    let (number, organisation) = (values.next()?, values.next()?);
    let row = FeedRow {
        at: values.next()?,
        what: values.next()?,
        server_id: values.next()?,
        server: values.next()?,
        registered: values.next()?,
        tool: values.next()?,
        details: values.next()?,
    };
    Ok(CatalogueChange { number, organisation, row })
}
