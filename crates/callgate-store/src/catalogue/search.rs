//! Searching the catalogue.

use super::entry::{CatalogueServer, CatalogueTool};
use super::rows::{self, Cell};
use super::words::{self, LONGEST, Tier, Wanted};
use crate::connect::Backend;
use crate::error::StoreError;
use crate::reads::Reads;
use crate::store::in_time;
use crate::table::Values;
use sqlx::{AnyConnection, AssertSqlSafe};
use std::collections::HashMap;

/// What entries are filtered by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Facet {
    /// What a tool does; of a server, what one of its tools does.
    Category(String),
    /// How risky a tool is; of a server, its riskiest tool.
    Risk(String),
    /// What attacks could use a tool for; of a server, one of its tools.
    Label(String),
    /// The grade of a server, of a tool its server's.
    Grade(String),
    /// Where an entry comes from.
    Origin(String),
    /// A tool's server, by its number.
    Server(i64),
    /// The kind of a finding.
    Finding(String),
}

/// What is searched for. Everything has to be true.
#[derive(Clone, Debug, Default)]
pub struct CatalogueSearch {
    /// Words as somebody typed them; `begin*` for all words that begin so.
    pub words: String,
    /// Of each list one.
    pub filters: Vec<Vec<Facet>>,
    /// Only what is of the organisation itself, without public knowledge.
    pub own: bool,
    /// Behind this place: [`CatalogueFound::next`] of the part before.
    pub after: Option<String>,
    /// How many at most.
    pub limit: u32,
}

/// A part of what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueFound<R> {
    /// The entries, in order.
    pub rows: Vec<R>,
    /// Where the next part begins; none where there is no more.
    pub next: Option<String>,
}

/// A place among what is found: the tier and the number.
#[derive(Clone, Copy, Debug)]
struct Place {
    tier: usize,
    number: i64,
}

impl Facet {
    /// Its word in the index: letters and digits behind a sign that no other word has.
    pub(super) fn word(&self) -> String {
        let (kind, value) = match self {
            Self::Category(value) => ("c", value.as_str()),
            Self::Risk(value) => ("r", value.as_str()),
            Self::Label(value) => ("l", value.as_str()),
            Self::Grade(value) => ("g", value.as_str()),
            Self::Origin(value) => ("o", value.as_str()),
            Self::Finding(value) => ("f", value.as_str()),
            Self::Server(number) => return format!("=s{number}"),
        };
        let value: String = value.to_lowercase().chars().filter(|c| c.is_alphanumeric()).take(LONGEST).collect();
        format!("={kind}{value}")
    }
}

impl Reads<'_> {
    /// Servers of the organisation and public ones.
    pub async fn catalogue_servers(
        &self,
        search: &CatalogueSearch,
    ) -> Result<CatalogueFound<CatalogueServer>, StoreError> {
        in_time(async {
            let mut connection = self.connection().await?;
            let (numbers, next) = self.numbers(&mut connection, "catalogue_server_words", search).await?;
            let found = servers(&mut connection, self.backend(), self.organisation(), &numbers).await?;
            let mut found: HashMap<i64, CatalogueServer> =
                found.into_iter().map(|server| (server.number, server)).collect();
            let rows = numbers.iter().filter_map(|number| found.remove(number)).collect();
            Ok(CatalogueFound { rows, next })
        })
        .await
    }

    /// Tools of the organisation's servers and of public ones, each with its server.
    pub async fn catalogue_tools(
        &self,
        search: &CatalogueSearch,
    ) -> Result<CatalogueFound<(CatalogueServer, CatalogueTool)>, StoreError> {
        in_time(async {
            let mut connection = self.connection().await?;
            let (numbers, next) = self.numbers(&mut connection, "catalogue_tool_words", search).await?;
            let sql =
                format!("SELECT {} FROM catalogue_tools WHERE number IN {{values}}", CatalogueTool::COLUMNS.join(", "));
            let wanted = numbers.iter().map(|number| Cell::from(*number)).collect();
            let rows = rows::select(&mut connection, self.backend(), &sql, None, wanted).await?;
            let mut tools = HashMap::new();
            for row in &rows {
                let tool = CatalogueTool::read(&mut Values::new(row, "catalogue_tools"))?;
                tools.insert(tool.number, tool);
            }
            let of: Vec<i64> = tools.values().map(|tool: &CatalogueTool| tool.server).collect();
            let servers = servers(&mut connection, self.backend(), self.organisation(), &of).await?;
            let servers: HashMap<i64, CatalogueServer> =
                servers.into_iter().map(|server| (server.number, server)).collect();
            let rows = numbers.iter().filter_map(|number| {
                let tool = tools.remove(number)?;
                Some((servers.get(&tool.server)?.clone(), tool))
            });
            Ok(CatalogueFound { rows: rows.collect(), next })
        })
        .await
    }

    /// The numbers of what is found, and where the next part begins.
    async fn numbers(
        &self,
        connection: &mut AnyConnection,
        table: &str,
        search: &CatalogueSearch,
    ) -> Result<(Vec<i64>, Option<String>), StoreError> {
        let wanted = Wanted::read(&search.words, search.filters.clone());
        if wanted.words.is_empty() && !search.words.trim().is_empty() {
            // Nothing but signs: nothing has such words.
            return Ok((Vec::new(), None));
        }
        let mut marks = vec![words::mark(self.organisation())];
        if !search.own && !self.organisation().is_empty() {
            marks.insert(0, String::new());
        }
        let limit = usize::try_from(search.limit).unwrap_or(usize::MAX);
        let after = search.after.as_deref().map(Place::read).transpose()?.unwrap_or(Place { tier: 0, number: 0 });
        let mut found: Vec<Place> = Vec::new();
        for (tier, kind) in wanted.tiers().iter().enumerate().skip(after.tier) {
            let begin = if tier == after.tier { after.number } else { 0 };
            let room = i64::from(search.limit).saturating_add(1) - i64::try_from(found.len()).unwrap_or(i64::MAX);
            let numbers = self.tier(connection, table, &wanted, *kind, &marks, begin, room).await?;
            found.extend(numbers.into_iter().map(|number| Place { tier, number }));
            if found.len() > limit {
                break;
            }
        }
        let last = limit.checked_sub(1).and_then(|last| found.get(last));
        let next = last.filter(|_| found.len() > limit).map(|place| format!("{}.{}", place.tier, place.number));
        Ok((found.into_iter().take(limit).map(|place| place.number).collect(), next))
    }

    #[expect(clippy::too_many_arguments, reason = "one statement with all that varies in it")]
    async fn tier(
        &self,
        connection: &mut AnyConnection,
        table: &str,
        wanted: &Wanted,
        tier: Tier,
        marks: &[String],
        begin: i64,
        room: i64,
    ) -> Result<Vec<i64>, StoreError> {
        let sql = match self.backend() {
            Backend::Sqlite => {
                format!("SELECT rowid FROM {table} WHERE {table} MATCH $1 AND rowid > $2 ORDER BY rowid LIMIT $3")
            }
            Backend::Postgres => format!(
                "SELECT number FROM {table} WHERE words @@ CAST($1 AS tsquery) AND number > $2 ORDER BY number LIMIT $3"
            ),
        };
        let expression = wanted.expression(tier, marks, self.backend());
        let statement = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(expression).bind(begin).bind(room);
        let rows = statement.fetch_all(connection).await?;
        rows.iter().map(|row| Values::new(row, "catalogue").next()).collect()
    }
}

/// The servers with these numbers that this organisation may see. (The words of others' never match; this is the
/// second lock, and an expression, so that the numbers lead: an index on it leads through every public server.)
pub(super) async fn servers(
    connection: &mut AnyConnection,
    backend: Backend,
    organisation: &str,
    numbers: &[i64],
) -> Result<Vec<CatalogueServer>, StoreError> {
    let sql = format!(
        "SELECT {} FROM catalogue_servers WHERE (organisation || '') IN ('', {{first}}) AND number IN {{values}}",
        CatalogueServer::COLUMNS.join(", ")
    );
    let wanted = numbers.iter().map(|number| Cell::from(*number)).collect();
    let rows = rows::select(connection, backend, &sql, Some(organisation.into()), wanted).await?;
    rows.iter().map(|row| CatalogueServer::read(&mut Values::new(row, "catalogue_servers"))).collect()
}

impl Place {
    fn read(text: &str) -> Result<Self, StoreError> {
        let wrong =
            || StoreError::Broken { table: "the catalogue", why: "a place in it can't be understood".to_owned() };
        let (tier, number) = text.split_once('.').ok_or_else(wrong)?;
        Ok(Self { tier: tier.parse().map_err(|_| wrong())?, number: number.parse().map_err(|_| wrong())? })
    }
}
