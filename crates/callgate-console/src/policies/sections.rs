//! The cards beside those of single tools: the document as a whole, and entries for several tools at once.

use super::widgets::{self, Body, ResultsRow};
use crate::builder::{
    Action, BuilderView, EntryKey, EntryView, Pickers, ProblemView, ResultsView, RuleView, ToolFacts,
};
use callgate_policy::{Category, Severity};
use std::collections::HashSet;

/// The categories, in the order of the page.
pub(super) const CATEGORIES: [Category; 5] =
    [Category::Read, Category::Write, Category::Execute, Category::Destructive, Category::Financial];

/// What holds for the document as a whole.
pub(super) struct DocumentCard {
    pub(super) id: &'static str,
    pub(super) key: String,
    pub(super) name: String,
    pub(super) errors: usize,
    pub(super) warnings: usize,
    pub(super) body: Option<DocumentBody>,
}

/// What fills it.
pub(super) struct DocumentBody {
    pub(super) id: &'static str,
    pub(super) name: String,
    pub(super) description: String,
    /// The click that keeps both.
    pub(super) about: String,
    pub(super) is_callable_only: bool,
    /// The click that keeps that.
    pub(super) list: String,
    pub(super) flaws: Vec<ProblemView>,
    pub(super) results: ResultsRow,
    pub(super) pickers: Pickers,
}

/// An entry beside those of single tools.
pub(super) struct SectionCard {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) title: String,
    pub(super) matches: usize,
    pub(super) is_there: bool,
    pub(super) errors: usize,
    pub(super) warnings: usize,
    pub(super) body: Option<Body>,
}

impl DocumentCard {
    /// The prefix of its identities and fields.
    const ID: &'static str = "doc";

    /// The card; filled where it is open.
    pub(super) fn of(view: &BuilderView, open: &HashSet<&str>) -> Self {
        let key = EntryKey::Document.to_form();
        let (errors, warnings) = by_severity(view.about.iter().chain(view.results.iter().flat_map(of_results)));
        let body = open.contains(key.as_str()).then(|| DocumentBody::of(view));
        Self { id: Self::ID, key, name: view.name.clone(), errors, warnings, body }
    }
}

impl DocumentBody {
    fn of(view: &BuilderView) -> Self {
        let id = DocumentCard::ID;
        let pickers = Pickers::general();
        let about = Action::SetAbout { name: String::new(), description: String::new() };
        let list = Action::SetList { callable: view.callable_only };
        Self {
            id,
            name: view.name.clone(),
            description: view.description.clone(),
            about: widgets::click(&about, id, &["name", "description"]),
            is_callable_only: view.callable_only,
            list: widgets::click(&list, id, &["list"]),
            flaws: view.about.clone(),
            results: ResultsRow::of(id, &EntryKey::Document, view.results.as_ref(), &pickers),
            pickers,
        }
    }
}

impl SectionCard {
    /// All of them: those that can always be there, then those that the document has.
    pub(super) fn all(view: &BuilderView, tools: &[ToolFacts], open: &HashSet<&str>) -> Vec<Self> {
        let known = |keys: &[EntryView]| keys.iter().map(|entry| entry.key.clone()).collect::<Vec<_>>();
        let mut keys: Vec<(EntryKey, Option<&EntryView>)> = vec![(EntryKey::AllTools, view.all_tools.as_ref())];
        let there = known(&view.categories);
        keys.extend(view.categories.iter().map(|entry| (entry.key.clone(), Some(entry))));
        let missing = CATEGORIES.into_iter().map(EntryKey::Category).filter(|key| !there.contains(key));
        keys.extend(missing.map(|key| (key, None)));
        let rest = view.patterns.iter().chain(&view.strangers);
        keys.extend(rest.map(|entry| (entry.key.clone(), Some(entry))));
        let numbered = keys.into_iter().enumerate();
        numbered.map(|(at, (key, entry))| Self::of(&format!("s{at}"), &key, entry, (tools, open))).collect()
    }

    fn of(id: &str, key: &EntryKey, entry: Option<&EntryView>, (tools, open): (&[ToolFacts], &HashSet<&str>)) -> Self {
        let word = key.to_form();
        let is_open = open.contains(word.as_str());
        let (errors, warnings) = entry.map(counted).unwrap_or_default();
        Self {
            id: id.to_owned(),
            title: entry_title(key),
            matches: entry.map_or(0, |entry| entry.matches),
            is_there: entry.is_some(),
            errors,
            warnings,
            body: is_open.then(|| Body::of(id, key, entry, BuilderView::pickers(tools, key))),
            key: word,
        }
    }
}

/// What a card is called.
pub(super) fn entry_title(key: &EntryKey) -> String {
    match key {
        EntryKey::Document => "the document".to_owned(),
        EntryKey::AllTools => "all tools".to_owned(),
        EntryKey::Category(category) => format!("category {}", category.as_str()),
        EntryKey::Tool(name) => name.clone(),
    }
}

/// How many errors and warnings an entry and its rows have.
pub(super) fn counted(entry: &EntryView) -> (usize, usize) {
    let rules = entry.require.iter().chain(&entry.deny_if).chain(&entry.approve_if);
    let of_limits = entry.limits.iter().flat_map(|limit| &limit.problems);
    let of_rest = entry.text_only.iter().flat_map(|rest| &rest.problems);
    let own = entry.problems.iter().chain(rules.flat_map(of_rule)).chain(of_limits).chain(of_rest);
    by_severity(own.chain(entry.results.iter().flat_map(of_results)))
}

fn of_results(results: &ResultsView) -> impl Iterator<Item = &ProblemView> {
    results.problems.iter().chain(results.deny_if.iter().flat_map(of_rule))
}

fn of_rule(rule: &RuleView) -> impl Iterator<Item = &ProblemView> {
    rule.problems.iter().chain(rule.conditions.iter().flat_map(|one| &one.problems))
}

fn by_severity<'p>(problems: impl Iterator<Item = &'p ProblemView>) -> (usize, usize) {
    problems.fold((0, 0), |(errors, warnings), problem| match problem.severity {
        Severity::Error => (errors + 1, warnings),
        Severity::Warning => (errors, warnings + 1),
    })
}
