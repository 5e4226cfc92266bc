//! Searching and showing the catalogue.

use super::shown::{
    CatalogueChangeRow, CatalogueServerRow, CatalogueSourceRow, CatalogueToolRow, ServerDetails, ToolDetails,
};
use crate::caller::{Caller, Cleared, Permission, Scope};
use crate::control::Control;
use crate::definitions::no_word;
use crate::error::{Error, Kind};
use crate::listing::{Listed, Part};
use callgate_policy::{Category, Label};
use callgate_store::{CatalogueSearch, CatalogueServer, Facet};

/// What is searched for. Everything has to be true; of several values of one filter (joined by commas), one.
#[derive(Clone, Debug, Default)]
pub struct CatalogueTerms {
    /// Words; `begin*` for beginnings.
    pub words: String,
    /// Categories.
    pub category: Option<String>,
    /// Risks.
    pub risk: Option<String>,
    /// Labels.
    pub label: Option<String>,
    /// Grades.
    pub grade: Option<String>,
    /// Where entries come from.
    pub origin: Option<String>,
    /// Kinds of findings.
    pub finding: Option<String>,
    /// The server of tools, by identity or name.
    pub server: Option<String>,
    /// Only the organisation's own part.
    pub own: bool,
}

/// Which part of the change feed.
#[derive(Clone, Debug, Default)]
pub struct ChangeTerms {
    /// The server, by identity or name.
    pub server: Option<String>,
    /// From then on, milliseconds since the Unix epoch.
    pub since: i64,
}

/// What risks are called.
const RISKS: [&str; 4] = ["low", "medium", "high", "critical"];

/// Makes what a word is searched as.
type Faceted = fn(String) -> Facet;

impl Control {
    /// Servers of the catalogue.
    pub async fn search_servers(
        &self,
        caller: &Caller,
        terms: &CatalogueTerms,
        part: &Part,
    ) -> Result<Listed<CatalogueServerRow>, Error> {
        let cleared = caller.clear(Permission::ReadServers, Scope::Visible)?;
        let search = terms.search(part, Vec::new())?;
        let found = self.reads(&cleared).catalogue_servers(&search).await?;
        let seen = found.rows.into_iter().filter(|server| sees(&cleared, server));
        Ok(Listed { items: seen.map(CatalogueServerRow::from).collect(), next: found.next })
    }

    /// Tools of the catalogue.
    pub async fn search_tools(
        &self,
        caller: &Caller,
        terms: &CatalogueTerms,
        part: &Part,
    ) -> Result<Listed<CatalogueToolRow>, Error> {
        let cleared = caller.clear(Permission::ReadServers, Scope::Visible)?;
        let mut filters = Vec::new();
        if let Some(server) = &terms.server {
            filters.push(vec![Facet::Server(self.entry(&cleared, server).await?.number)]);
        }
        let search = terms.search(part, filters)?;
        let found = self.reads(&cleared).catalogue_tools(&search).await?;
        let seen = found.rows.into_iter().filter(|(server, _)| sees(&cleared, server));
        let items = seen.map(|(server, tool)| CatalogueToolRow::of(&server, &tool)).collect();
        Ok(Listed { items, next: found.next })
    }

    /// One server of the catalogue with its tools, by its identity or name. CG3242.
    pub async fn show_catalogue_server(&self, caller: &Caller, wanted: &str) -> Result<ServerDetails, Error> {
        let cleared = caller.clear(Permission::ReadServers, Scope::Visible)?;
        let server = self.entry(&cleared, wanted).await?;
        let tools = self.reads(&cleared).catalogue_tools_of(&server).await?;
        let aims_at = self.aimed_at_own(&cleared, &server, &tools).await?;
        Ok(ServerDetails::of(server, tools, aims_at))
    }

    /// One tool of a server of the catalogue, with the evidence for what it does. CG3242, CG3243.
    pub async fn show_catalogue_tool(&self, caller: &Caller, wanted: &str, tool: &str) -> Result<ToolDetails, Error> {
        let cleared = caller.clear(Permission::ReadServers, Scope::Visible)?;
        let server = self.entry(&cleared, wanted).await?;
        let tools = self.reads(&cleared).catalogue_tools_of(&server).await?;
        let found = tools.iter().find(|found| found.name == tool).ok_or_else(|| {
            let tool: String = tool.chars().take(200).collect();
            let message = format!("the server `{}` has no tool `{tool}`", server.name);
            Error::new(Kind::NotFound, "CG3243", message, "`callgate catalog show SERVER` lists its tools")
        })?;
        ToolDetails::of(&server, found)
    }

    /// What was new, changed and removed, newest first.
    pub async fn catalogue_changes(
        &self,
        caller: &Caller,
        terms: &ChangeTerms,
        part: &Part,
    ) -> Result<Listed<CatalogueChangeRow>, Error> {
        let cleared = caller.clear(Permission::ReadServers, Scope::Visible)?;
        let server = match &terms.server {
            // One that is gone is not found any more, and its changes are.
            Some(wanted) => Some(self.entry(&cleared, wanted).await.map_or_else(|_| wanted.clone(), |found| found.id)),
            None => None,
        };
        let reads = self.reads(&cleared);
        let found = reads.catalogue_changes(server.as_deref(), terms.since, part.after.as_deref(), part.limit).await?;
        let seen = found.rows.into_iter().filter(|change| {
            change.organisation.is_empty() || cleared.sees_all() || cleared.sees(&change.row.registered)
        });
        Ok(Listed { items: seen.map(CatalogueChangeRow::from).collect(), next: found.next })
    }

    /// The registries that were read: for everybody, and for the organisation.
    pub async fn catalogue_sources(&self, caller: &Caller) -> Result<Vec<CatalogueSourceRow>, Error> {
        let cleared = caller.clear(Permission::ReadServers, Scope::Visible)?;
        let reads = self.reads(&cleared);
        let mut rows = Vec::new();
        for (organisation, public) in [("", true), (cleared.caller().organisation(), false)] {
            if public || cleared.sees_all() {
                let sources = reads.catalogue_sources(organisation).await?;
                rows.extend(sources.into_iter().map(|source| CatalogueSourceRow::of(source, public)));
            }
        }
        Ok(rows)
    }

    async fn entry(&self, cleared: &Cleared<'_>, wanted: &str) -> Result<CatalogueServer, Error> {
        let found = self.reads(cleared).catalogue_server(wanted).await?;
        found.filter(|server| sees(cleared, server)).ok_or_else(|| {
            let wanted: String = wanted.chars().take(200).collect();
            let message = format!("the catalogue has no server `{wanted}`");
            Error::new(Kind::NotFound, "CG3242", message, "`callgate catalog search` finds them by words")
        })
    }
}

/// Public knowledge is everybody's; of the organisation's part, whoever may see only some servers sees those.
pub(super) fn sees(cleared: &Cleared<'_>, server: &CatalogueServer) -> bool {
    server.organisation.is_empty() || cleared.sees_all() || cleared.sees(&server.registered)
}

impl CatalogueTerms {
    /// As the store searches. CG3203 for a category, risk or label that there is not: nothing would be found, which is
    /// no answer to a question that was written wrongly.
    fn search(&self, part: &Part, mut filters: Vec<Vec<Facet>>) -> Result<CatalogueSearch, Error> {
        check("category", self.category.as_deref(), &Category::ALL.map(|(_, word)| word))?;
        check("risk", self.risk.as_deref(), &RISKS)?;
        check("label", self.label.as_deref(), &Label::ALL.map(|(_, word)| word))?;
        let kinds: [(&Option<String>, Faceted); 6] = [
            (&self.category, Facet::Category),
            (&self.risk, Facet::Risk),
            (&self.label, Facet::Label),
            (&self.grade, Facet::Grade),
            (&self.origin, Facet::Origin),
            (&self.finding, Facet::Finding),
        ];
        for (values, facet) in kinds {
            let any: Vec<Facet> = single(values.as_deref()).map(|value| facet(value.to_owned())).collect();
            if !any.is_empty() {
                filters.push(any);
            }
        }
        let words = self.words.clone();
        Ok(CatalogueSearch { words, filters, own: self.own, after: part.after.clone(), limit: part.limit })
    }
}

/// The values of a filter.
fn single(values: Option<&str>) -> impl Iterator<Item = &str> {
    values.into_iter().flat_map(|values| values.split(',')).map(str::trim).filter(|value| !value.is_empty())
}

fn check(what: &str, values: Option<&str>, words: &[&str]) -> Result<(), Error> {
    let unknown = single(values).find(|value| !words.iter().any(|word| word.eq_ignore_ascii_case(value)));
    unknown.map_or(Ok(()), |unknown| Err(no_word(what, unknown, words)))
}
