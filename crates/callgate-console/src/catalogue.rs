//! The catalogue as pages: an index, a page for each server, a page for each tool.

mod document;
mod live;
mod pages;
mod site;
mod view;

pub use document::{Providers, ServerDocument, Unreadable};
pub use view::IndexRow;

pub(crate) use live::routes;
pub(crate) use view::ToolView;

use document::Judged;
use pages::{AttackPage, AttacksPage, IndexPage, ServerPage, ToolPage};
use site::{Site, slug, tool_file};
use view::ServerView;

/// So many servers stand on one page of the index.
pub const PER_PAGE: usize = 200;

/// One file of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path below the site's root, with slashes.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// The pages of one server: its own, and one for each of its tools. `providers` knows which other servers have tools of
/// the same names.
pub fn server(document: &ServerDocument, providers: &Providers) -> Result<Vec<File>, Unreadable> {
    let judged = Judged::of(document)?;
    let view = ServerView::of(&judged, Site::Files);
    let folder = format!("servers/{}", slug(&judged.document.id));
    let page = |path: String, text: Result<String, askama::Error>| {
        let text = text.map_err(|error| Unreadable { server: document.name.clone(), why: error.to_string() })?;
        Ok(File { path, text })
    };
    let mut files = vec![page(format!("{folder}/index.html"), ServerPage::render_of(&view))?];
    for (at, _) in judged.tools.iter().enumerate() {
        let Some(tool) = ToolView::of(&judged, at, providers, Site::Files) else { continue };
        files.push(page(format!("{folder}/{}", tool_file(&tool.name)), ToolPage::render_of(&view, &tool))?);
    }
    Ok(files)
}

/// What the index says about a server.
pub fn row(document: &ServerDocument) -> IndexRow {
    IndexRow::of(document)
}

/// The pages of the index, of all servers in order of their names.
pub fn index(mut rows: Vec<IndexRow>) -> Result<Vec<File>, Unreadable> {
    rows.sort_by(|one, other| (one.name.to_lowercase(), &one.id).cmp(&(other.name.to_lowercase(), &other.id)));
    let tools = rows.iter().map(|row| row.tools.unwrap_or_default()).sum();
    let all = rows.len();
    let pages = all.div_ceil(PER_PAGE).max(1);
    let mut files = Vec::with_capacity(pages);
    for number in 1..=pages {
        let begin = (number - 1) * PER_PAGE;
        let part = rows.get(begin..all.min(begin + PER_PAGE)).unwrap_or_default();
        let text = IndexPage { rows: part, servers: all, tools, number, pages }.render_of();
        let text = text.map_err(|error| Unreadable { server: "the index".to_owned(), why: error.to_string() })?;
        files.push(File { path: page_name(number), text });
    }
    Ok(files)
}

/// The pages of the known attacks, and the list of them.
pub fn attacks() -> Result<Vec<File>, Unreadable> {
    let all = callgate_catalog::attacks();
    let unreadable = |error: askama::Error| Unreadable { server: "the attacks".to_owned(), why: error.to_string() };
    let list = AttacksPage::render_of(all).map_err(unreadable)?;
    let mut files = vec![File { path: "attacks/index.html".to_owned(), text: list }];
    for attack in all {
        let text = AttackPage::render_of(attack).map_err(unreadable)?;
        files.push(File { path: format!("attacks/{}.html", attack.id), text });
    }
    Ok(files)
}

/// What is known of one tool of a registered server; none where its definition can't be read.
pub(crate) fn tool_view(server: &str, definition: &str) -> Option<ToolView> {
    let definition = serde_json::value::RawValue::from_string(definition.to_owned()).ok()?;
    let document = ServerDocument::of_tool(server.to_owned(), server.to_owned(), definition);
    let judged = Judged::of(&document).ok()?;
    ToolView::of(&judged, 0, &Providers::default(), Site::Console)
}

/// The word of a risk.
pub(crate) fn risk_word(risk: callgate_catalog::Risk) -> &'static str {
    view::risk(risk)
}

/// The beginning of a text, for lists.
pub(crate) fn beginning(text: &str) -> String {
    view::short(text)
}

/// The file of a page of the index.
fn page_name(number: usize) -> String {
    if number == 1 { "index.html".to_owned() } else { format!("page-{number}.html") }
}

#[cfg(test)]
mod tests;
