//! The templates of the catalogue's pages.

use super::page_name;
use super::view::{AttackView, IndexRow, ServerView, ToolView};
use askama::Template;
use callgate_catalog::Attack;

/// The index, one page of it.
#[derive(Template)]
#[template(path = "catalogue/index.html")]
pub(super) struct IndexPage<'v> {
    pub(super) rows: &'v [IndexRow],
    pub(super) servers: usize,
    pub(super) tools: i64,
    pub(super) number: usize,
    pub(super) pages: usize,
}

/// A server.
#[derive(Template)]
#[template(path = "catalogue/server.html")]
pub(super) struct ServerPage<'v> {
    server: &'v ServerView,
}

/// A tool.
#[derive(Template)]
#[template(path = "catalogue/tool.html")]
pub(super) struct ToolPage<'v> {
    server: &'v ServerView,
    tool: &'v ToolView,
}

/// An attack.
#[derive(Template)]
#[template(path = "catalogue/attack.html")]
pub(super) struct AttackPage {
    view: AttackView,
}

/// All attacks.
#[derive(Template)]
#[template(path = "catalogue/attacks.html")]
pub(super) struct AttacksPage {
    attacks: &'static [Attack],
}

impl AttackPage {
    pub(super) fn render_of(attack: &'static Attack) -> askama::Result<String> {
        Self { view: AttackView::of(attack) }.render()
    }

    fn root(&self) -> &'static str {
        "../"
    }
}

impl AttacksPage {
    pub(super) fn render_of(attacks: &'static [Attack]) -> askama::Result<String> {
        Self { attacks }.render()
    }

    fn root(&self) -> &'static str {
        "../"
    }
}

impl IndexPage<'_> {
    pub(super) fn render_of(&self) -> askama::Result<String> {
        self.render()
    }

    /// Where the site's root is, from here.
    fn root(&self) -> &'static str {
        ""
    }

    fn before(&self) -> Option<String> {
        self.number.checked_sub(1).filter(|number| *number > 0).map(page_name)
    }

    fn after(&self) -> Option<String> {
        Some(self.number + 1).filter(|number| *number <= self.pages).map(page_name)
    }
}

impl<'v> ServerPage<'v> {
    pub(super) fn render_of(server: &'v ServerView) -> askama::Result<String> {
        Self { server }.render()
    }

    fn root(&self) -> &'static str {
        "../../"
    }
}

impl<'v> ToolPage<'v> {
    pub(super) fn render_of(server: &'v ServerView, tool: &'v ToolView) -> askama::Result<String> {
        Self { server, tool }.render()
    }

    fn root(&self) -> &'static str {
        "../../"
    }
}
