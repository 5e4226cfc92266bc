//! The parts of the page that change with every draft: the tools, problems, what the edit changes, the tests.

use super::sections::{CATEGORIES, DocumentCard, SectionCard, counted, entry_title};
use super::tools::{Origin, Tools};
use super::widgets::{self, Body};
use crate::builder::{
    self, Action, BuilderView, Changed, Choice, Draft, EntryKey, Group, HiddenView, Matrix, MatrixRow, Pickers,
    ProblemView, TestsView, ToolView,
};
use crate::form::Form;
use askama::Template;
use askama::filters::HtmlSafe;
use callgate_policy::{Category, Severity, Unlisted};
use std::collections::HashSet;
use std::sync::Arc;

/// So many tools stand on one page of the list.
const PER_PAGE: usize = 50;

/// So many rows of the matrix are shown; those that changed first.
const ROWS: usize = 60;

/// The words for risks.
pub(super) const RISKS: [&str; 4] = ["low", "medium", "high", "critical"];

/// What the parts are made from.
pub(super) struct PartsOf {
    pub(super) text: String,
    /// The document in force; empty where there is none.
    pub(super) before: String,
    pub(super) form: Form,
    pub(super) tools: Arc<Tools>,
}

/// The parts. As a template: the answer to htmx, each part to be put into its place.
#[derive(Template)]
#[template(path = "policies/draft.html")]
pub(super) struct Parts {
    pub(super) view: BuilderView,
    pub(super) cards: Vec<Card>,
    /// What holds for the document as a whole.
    pub(super) document: DocumentCard,
    /// Entries that are about more than one tool, or about none of this server.
    pub(super) sections: Vec<SectionCard>,
    pub(super) shown: usize,
    pub(super) total: usize,
    pub(super) page: usize,
    pub(super) pages: usize,
    pub(super) form: Form,
    pub(super) matrix: Vec<MatrixRow>,
    pub(super) matrix_rest: usize,
    pub(super) changed: usize,
    pub(super) is_usable: bool,
    pub(super) tests: TestsView,
    pub(super) tools: Arc<Tools>,
    pub(super) defaults: Vec<(String, &'static str, bool)>,
    pub(super) hide_add: String,
    pub(super) unhide: Vec<(HiddenView, String)>,
    pub(super) recommended: String,
    pub(super) groups: Vec<(String, String)>,
    /// What there is to say about a click.
    pub(super) said: Vec<String>,
    /// The text after a click.
    pub(super) next: Option<String>,
    /// What was published after the draft was begun: since which version, which, by whom.
    pub(super) newer: Option<(i64, i64, String)>,
}

/// The builder, as a part of a page.
#[derive(Template)]
#[template(path = "policies/part_tools.html")]
pub(super) struct ToolsPart<'p> {
    parts: &'p Parts,
    live: bool,
}

/// What stands beside it.
#[derive(Template)]
#[template(path = "policies/part_beside.html")]
pub(super) struct BesidePart<'p> {
    parts: &'p Parts,
    live: bool,
}

// They are templates, which have escaped what is in them.
impl HtmlSafe for ToolsPart<'_> {}
impl HtmlSafe for BesidePart<'_> {}

/// A tool in the list.
pub(super) struct Card {
    /// The prefix of its identities and fields.
    pub(super) id: String,
    pub(super) key: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) category: &'static str,
    pub(super) risk: &'static str,
    pub(super) labels: String,
    /// What can be chosen: its word, as it is called, whether it is so, and the click.
    pub(super) choices: [(&'static str, &'static str, bool, String); 4],
    pub(super) because: String,
    pub(super) also: String,
    pub(super) inherit: Option<String>,
    pub(super) recommended: String,
    pub(super) errors: usize,
    pub(super) warnings: usize,
    pub(super) change: Option<&'static str>,
    pub(super) body: Option<Body>,
}

impl Parts {
    /// The parts for a text.
    pub(super) fn of(of: &PartsOf) -> Self {
        let PartsOf { text, before, form, tools } = of;
        let view = Draft::read(text).view(&tools.facts);
        let Matrix { rows, changed, after_is_usable, .. } = builder::matrix(before, text, &tools.facts);
        let open: HashSet<&str> = form.values("open").collect();
        let wanted: Vec<&ToolView> = view.tools.iter().filter(|tool| is_wanted(tool, form, tools, &rows)).collect();
        let pages = wanted.len().div_ceil(PER_PAGE).max(1);
        let page = form.text("page").parse().unwrap_or(1).clamp(1, pages);
        let on_page = wanted.iter().skip((page - 1) * PER_PAGE).take(PER_PAGE);
        let cards = on_page.filter_map(|tool| Card::of(tool, tools, &rows, &open)).collect();
        let document = DocumentCard::of(&view, &open);
        let sections = SectionCard::all(&view, &tools.facts, &open);
        let (shown, total) = (wanted.len(), view.tools.len());
        let tests = builder::tests(text, &tools.facts);
        let (matrix, matrix_rest) = first_rows(rows);
        Self {
            defaults: defaults(&view),
            hide_add: widgets::click(&Action::Hide { pattern: String::new() }, "hide", &["pattern"]),
            unhide: view.hide.iter().map(unhide).collect(),
            recommended: widgets::click(&Action::Recommended { tool: None }, "", &[]),
            groups: groups(),
            view,
            cards,
            document,
            sections,
            shown,
            total,
            page,
            pages,
            form: form.clone(),
            matrix,
            matrix_rest,
            changed,
            is_usable: after_is_usable,
            tests,
            tools: Arc::clone(tools),
            said: Vec::new(),
            next: None,
            newer: None,
        }
    }

    /// The builder. `live`: to be put into its place by htmx.
    pub(super) fn tools_part(&self, live: bool) -> ToolsPart<'_> {
        ToolsPart { parts: self, live }
    }

    /// Problems, tests and the matrix; `live` as there.
    pub(super) fn beside_part(&self, live: bool) -> BesidePart<'_> {
        BesidePart { parts: self, live }
    }

    /// Where the tools are not known, why.
    pub(super) fn unknown(&self) -> Option<&str> {
        match &self.tools.origin {
            Origin::Unknown(why) => Some(why),
            _ => None,
        }
    }

    /// Whether the tools are the server's own word, not pinned.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.tools.origin, Origin::Asked)
    }

    /// Whether a field of the form holds this.
    pub(super) fn is_typed(&self, field: &str, value: &str) -> bool {
        self.form.text(field) == value
    }

    pub(super) fn has_server(&self) -> bool {
        !matches!(self.tools.origin, Origin::Nobody)
    }

    pub(super) fn errors(&self) -> usize {
        self.view.problems.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    pub(super) fn bulk_choices(&self) -> [(&'static str, &'static str); 4] {
        [("allow", "Allow"), ("deny", "Deny"), ("hide", "Hide"), ("inherit", "Nothing of their own")]
    }

    pub(super) fn categories(&self) -> [&'static str; 5] {
        CATEGORIES.map(Category::as_str)
    }

    pub(super) fn severity(&self, problem: &ProblemView) -> &'static str {
        widgets::severity(problem)
    }
}

/// What a tool may be, as its buttons are called.
const CHOICES: [(Choice, &str); 4] =
    [(Choice::Allow, "Allow"), (Choice::Deny, "Deny"), (Choice::Hide, "Hide"), (Choice::Custom, "Custom")];

impl Card {
    fn of(tool: &ToolView, tools: &Tools, rows: &[MatrixRow], open: &HashSet<&str>) -> Option<Self> {
        let facts = tools.facts.get(tool.index)?;
        let (id, key) = (format!("t{}", tool.index), EntryKey::Tool(tool.name.clone()));
        let word = key.to_form();
        let choose = |choice| Action::Choose { tool: tool.name.clone(), choice };
        let body = open.contains(word.as_str()).then(|| Body::of(&id, &key, tool.entry.as_ref(), Pickers::of(facts)));
        let (errors, warnings) = tool.entry.as_ref().map(counted).unwrap_or_default();
        Some(Self {
            key: word,
            description: short(&facts.description),
            category: facts.category.as_str(),
            risk: facts.risk_word(),
            labels: facts.labels.iter().map(|label| label.as_str()).collect::<Vec<_>>().join(", "),
            choices: CHOICES.map(|(choice, words)| {
                (choice.as_str(), words, choice == tool.choice, widgets::click(&choose(choice), "", &[]))
            }),
            because: if tool.inherited { tool.because.clone() } else { String::new() },
            also: tool.also.iter().map(entry_title).collect::<Vec<_>>().join(", "),
            inherit: (!tool.inherited).then(|| widgets::click(&choose(Choice::Inherit), "", &[])),
            recommended: widgets::click(&Action::Recommended { tool: Some(tool.name.clone()) }, "", &[]),
            errors,
            warnings,
            change: rows.get(tool.index).and_then(|row| change_word(row.changed)),
            name: tool.name.clone(),
            body,
            id,
        })
    }
}

/// Whether the list shows a tool, by what is asked for: words, category, risk, what changed.
fn is_wanted(tool: &ToolView, form: &Form, tools: &Tools, rows: &[MatrixRow]) -> bool {
    let Some(facts) = tools.facts.get(tool.index) else { return false };
    let words = form.text("q").to_lowercase();
    let text = || format!("{} {}", facts.name, facts.description).to_lowercase();
    let is_same = || rows.get(tool.index).is_none_or(|row| row.changed == Changed::Same);
    let counted = || tool.entry.as_ref().map(counted).unwrap_or_default();
    let only = match form.text("only") {
        "changed" => !is_same(),
        "problems" => counted() != (0, 0),
        "" => true,
        choice => Choice::parse(choice) == Some(tool.choice),
    };
    only && words.split_whitespace().all(|word| text().contains(word))
        && form.word("category").is_none_or(|category| facts.category.as_str() == category)
        && form.word("risk").is_none_or(|risk| facts.risk_word() == risk)
}

/// Of many rows those that changed, then the first of the others.
fn first_rows(rows: Vec<MatrixRow>) -> (Vec<MatrixRow>, usize) {
    let all = rows.len();
    let (mut first, same): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.changed != Changed::Same);
    first.extend(same);
    first.truncate(ROWS);
    let rest = all - first.len();
    (first, rest)
}

/// A member of `hide`, and the click that takes it out.
fn unhide(hidden: &HiddenView) -> (HiddenView, String) {
    (hidden.clone(), widgets::click(&Action::Unhide { index: hidden.index }, "", &[]))
}

/// What becomes of a tool, in a word.
pub(super) fn change_word(changed: Changed) -> Option<&'static str> {
    match changed {
        Changed::Same => None,
        Changed::Opened => Some("opened"),
        Changed::Closed => Some("closed"),
        Changed::Rules => Some("other rules"),
    }
}

fn defaults(view: &BuilderView) -> Vec<(String, &'static str, bool)> {
    let one = |unlisted, words| {
        (widgets::click(&Action::SetDefault(unlisted), "", &[]), words, view.default == Some(unlisted))
    };
    vec![one(Unlisted::Deny, "Deny"), one(Unlisted::Allow, "Allow")]
}

/// The groups that a bulk click can be about: the fields of the click without its choice, and its name.
fn groups() -> Vec<(String, String)> {
    let of = |group: Group, words: String| {
        (widgets::click(&Action::Bulk { group, choice: Choice::Allow }, "bulk", &["choice"]), words)
    };
    let mut groups = vec![of(Group::All, "all tools".to_owned())];
    groups.extend(CATEGORIES.map(|one| of(Group::Category(one), format!("category {}", one.as_str()))));
    groups.extend(RISKS.map(|risk| of(Group::Risk(risk.to_owned()), format!("risk {risk}"))));
    groups
}

/// The first sentence or two of a description.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(&line)),
        None => line,
    }
}
