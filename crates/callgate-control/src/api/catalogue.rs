//! The routes of the catalogue.

use super::ApiState;
use super::answer::Answer;
use super::body::{self, Document};
use super::page::{List, PageQuery, Paging, Query};
use super::problem::Problem;
use crate::caller::{Caller, Permission, Scope};
use crate::catalogue::{
    CatalogueChangeRow, CatalogueServerRow, CatalogueSourceRow, CatalogueTerms, CatalogueToolRow, ChangeTerms, Import,
    Imported, MAX_DOCUMENT, Reading, ServerDetails, ToolDetails,
};
use crate::moment;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What is searched for. Everything has to be true; values joined by commas stand for any of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SearchQuery {
    /// Words, in any order; `begin*` for all that begin so.
    #[param(max_length = 400, example = "read file*")]
    q: Option<String>,
    /// What a tool does: `read`, `write`, `execute`, `destructive`, `financial`.
    #[param(min_length = 1)]
    category: Option<String>,
    /// How risky a tool, or a server's riskiest tool, is: `low`, `medium`, `high`, `critical`.
    #[param(min_length = 1)]
    risk: Option<String>,
    /// What attacks could use a tool for: `reads_untrusted`, `egress`, …
    #[param(min_length = 1)]
    label: Option<String>,
    /// The grade of the server, A to F.
    #[param(min_length = 1)]
    grade: Option<String>,
    /// The kind of a finding in the definition.
    #[param(min_length = 1)]
    finding: Option<String>,
    /// Where entries come from: `registry`, `import`, `scan`, `gateway`.
    #[param(min_length = 1)]
    origin: Option<String>,
    /// Only what is of the organisation itself.
    own: Option<bool>,
}

/// Whose tools.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ServerQuery {
    /// The server, by its identity or name in the catalogue.
    #[param(min_length = 1)]
    server: Option<String>,
}

/// Which changes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ChangesQuery {
    /// The server, by its identity or name in the catalogue.
    #[param(min_length = 1)]
    server: Option<String>,
    /// From then on: how long ago (`7d`), or an RFC 3339 time.
    #[param(min_length = 1, example = "7d")]
    since: Option<String>,
}

/// How to import.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ImportQuery {
    /// From which file or address, for whoever looks at the entries.
    #[param(min_length = 1, max_length = 500)]
    source: Option<String>,
    /// For all organisations: needs the permission `manage_instance`.
    public: Option<bool>,
    /// The server of a list of tools that names none.
    #[param(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Leaves bad entries out, instead of the whole document.
    skip_bad: Option<bool>,
    /// What the document is: `import` (a file), `scan` (a server that was asked), `registry` (a page of the registry at
    /// `source`: how far it was read is noted with it).
    #[param(inline)]
    origin: Option<OriginWord>,
    /// Of a registry: whether it is the first page of this reading.
    first: Option<bool>,
    /// Of a registry: since when what is read was updated.
    #[param(min_length = 1, max_length = 100)]
    since: Option<String>,
}

/// Where entries come from.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OriginWord {
    Import,
    Scan,
    Registry,
}

/// The registries that were read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueSources)]
struct Sources {
    /// Each with how far.
    items: Vec<CatalogueSourceRow>,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(servers))
        .routes(routes!(server))
        .routes(routes!(tool))
        .routes(routes!(tools))
        .routes(routes!(changes))
        .routes(routes!(sources))
        .routes(routes!(import))
}

/// Servers of the catalogue: public ones and the organisation's own. A part can be short and still have a next one.
#[utoipa::path(
    get,
    path = "/catalogue/servers",
    tag = "catalogue",
    operation_id = "catalogue_servers",
    params(SearchQuery, PageQuery),
    responses((status = 200, description = "Those that fit best first.", body = List<CatalogueServerRow>)),
    extensions(("x-permission" = json!("read_servers")))
)]
async fn servers(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<SearchQuery>,
    paging: Paging,
) -> Result<Answer<List<CatalogueServerRow>>, Problem> {
    let listed = state.control().search_servers(&caller, &query.terms(None)?, &paging.part()).await?;
    Ok(Answer::ok(paging.listed(listed)))
}

/// Tools of the catalogue. A part can be short and still have a next one.
#[utoipa::path(
    get,
    path = "/catalogue/tools",
    tag = "catalogue",
    operation_id = "catalogue_tools",
    params(SearchQuery, ServerQuery, PageQuery),
    responses((status = 200, description = "Those that fit best first.", body = List<CatalogueToolRow>)),
    extensions(("x-permission" = json!("read_servers")))
)]
async fn tools(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<SearchQuery>,
    Query(server): Query<ServerQuery>,
    paging: Paging,
) -> Result<Answer<List<CatalogueToolRow>>, Problem> {
    let listed = state.control().search_tools(&caller, &query.terms(server.server)?, &paging.part()).await?;
    Ok(Answer::ok(paging.listed(listed)))
}

/// One server of the catalogue, with its tools.
#[utoipa::path(
    get,
    path = "/catalogue/servers/{entry}",
    tag = "catalogue",
    operation_id = "catalogue_server",
    params(("entry" = String, Path, description = "Its identity or name in the catalogue.")),
    responses((status = 200, description = "The server.", body = ServerDetails)),
    extensions(("x-permission" = json!("read_servers")))
)]
async fn server(
    State(state): State<ApiState>,
    caller: Caller,
    Path(entry): Path<String>,
) -> Result<Answer<ServerDetails>, Problem> {
    Ok(Answer::ok(state.control().show_catalogue_server(&caller, &entry).await?))
}

/// One tool of a server of the catalogue: what it does, the evidence, the findings, the rule that fits.
#[utoipa::path(
    get,
    path = "/catalogue/servers/{entry}/tools/{name}",
    tag = "catalogue",
    operation_id = "catalogue_tool",
    params(
        ("entry" = String, Path, description = "The identity or name of its server in the catalogue."),
        ("name" = String, Path, description = "Its name.")
    ),
    responses((status = 200, description = "The tool.", body = ToolDetails)),
    extensions(("x-permission" = json!("read_servers")))
)]
async fn tool(
    State(state): State<ApiState>,
    caller: Caller,
    Path((entry, name)): Path<(String, String)>,
) -> Result<Answer<ToolDetails>, Problem> {
    Ok(Answer::ok(state.control().show_catalogue_tool(&caller, &entry, &name).await?))
}

/// What was new, changed and removed in the catalogue, newest first.
#[utoipa::path(
    get,
    path = "/catalogue/changes",
    tag = "catalogue",
    operation_id = "catalogue_changes",
    params(ChangesQuery, PageQuery),
    responses((status = 200, description = "A part of the feed.", body = List<CatalogueChangeRow>)),
    extensions(("x-permission" = json!("read_servers")))
)]
async fn changes(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ChangesQuery>,
    paging: Paging,
) -> Result<Answer<List<CatalogueChangeRow>>, Problem> {
    let since = match &query.since {
        None => 0,
        Some(text) => {
            let ago = moment::milliseconds(text).map(|ago| state.control().now().saturating_sub(ago));
            ago.or_else(|| moment::parse(text)).ok_or_else(|| {
                Problem::malformed("`since` of the query is no moment", "say `7d`, or an RFC 3339 time")
            })?
        }
    };
    let terms = ChangeTerms { server: query.server, since };
    let listed = state.control().catalogue_changes(&caller, &terms, &paging.part()).await?;
    Ok(Answer::ok(paging.listed(listed)))
}

/// How far each registry was read.
#[utoipa::path(
    get,
    path = "/catalogue/sources",
    tag = "catalogue",
    operation_id = "catalogue_sources",
    responses((status = 200, description = "The registries.", body = Sources)),
    extensions(("x-permission" = json!("read_servers")))
)]
async fn sources(State(state): State<ApiState>, caller: Caller) -> Result<Answer<Sources>, Problem> {
    Ok(Answer::ok(Sources { items: state.control().catalogue_sources(&caller).await? }))
}

/// Import a document into the catalogue.
///
/// A registry's list (`{"servers": […]}`), a `server.json`, or the answer to `tools/list`. Nothing of a document is
/// kept where an entry of it is bad, unless bad ones are to be left out.
#[utoipa::path(
    post,
    path = "/catalogue/import",
    tag = "catalogue",
    operation_id = "catalogue_import",
    params(ImportQuery),
    request_body(content = Object, description = "The document.", content_type = "application/json"),
    responses((status = 200, description = "What was done.", body = Imported)),
    extensions(("x-permission" = json!("manage_servers")))
)]
async fn import(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ImportQuery>,
    Document(document): Document,
) -> Result<Answer<Imported>, Problem> {
    let import = query.import()?;
    let permission = if import.public { Permission::ManageInstance } else { Permission::ManageServers };
    // Before a large body is read.
    caller.clear(permission, Scope::Organisation)?;
    let document = body::collect_up_to(document, MAX_DOCUMENT).await?;
    Ok(Answer::ok(state.control().import_catalogue(&caller, import, &document).await?))
}

impl SearchQuery {
    fn terms(self, server: Option<String>) -> Result<CatalogueTerms, Problem> {
        let Self { q, category, risk, label, grade, finding, origin, own } = self;
        within("q", q.as_deref(), 400)?;
        let (words, own) = (q.unwrap_or_default(), own.unwrap_or_default());
        Ok(CatalogueTerms { words, category, risk, label, grade, origin, finding, server, own })
    }
}

impl ImportQuery {
    fn import(self) -> Result<Import, Problem> {
        let Self { source, public, name, skip_bad, origin, first, since } = self;
        within("source", source.as_deref(), 500)?;
        within("name", name.as_deref(), 200)?;
        within("since", since.as_deref(), 100)?;
        let origin = origin.unwrap_or(OriginWord::Import);
        let registry = matches!(origin, OriginWord::Registry);
        let reading = Reading { since: since.unwrap_or_default(), first: first.unwrap_or_default() };
        let origin = match origin {
            OriginWord::Import => "import",
            OriginWord::Scan => "scan",
            OriginWord::Registry => "registry",
        };
        Ok(Import {
            source: source.unwrap_or_default(),
            origin: origin.to_owned(),
            public: public.unwrap_or_default(),
            name,
            skip_bad: skip_bad.unwrap_or_default(),
            reading: registry.then_some(reading),
        })
    }
}

/// Refuses a parameter that is longer than it may be.
fn within(name: &str, value: Option<&str>, most: usize) -> Result<(), Problem> {
    if value.is_some_and(|value| value.chars().count() > most) {
        let detail = format!("`{name}` of the query is longer than {most} characters");
        return Err(Problem::malformed(detail, "say less"));
    }
    Ok(())
}
