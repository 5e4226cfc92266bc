//! Where parts of a document stand, and in which order they are written.

use super::action::{Bearing, EntryKey, RowList};
use super::draft::Refused;
use super::edit::Edit;
use super::json::Json;
use super::model::{Results, Rule};
use super::rows::Fields;
use callgate_json::Value;

/// What a part of a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// The document.
    Document,
    /// `tools` or `categories`.
    Entries,
    /// An entry.
    Entry,
    /// `results`
    Results,
    /// A rule.
    Rule,
    /// A condition.
    Condition,
    /// A limit.
    Limit,
    /// A value.
    Leaf,
}

/// One key on the way to a part, and what stands under it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    key: String,
    level: Level,
}

impl Level {
    /// The order in which its members are written; what is not named comes last.
    pub(super) fn order(self) -> &'static [&'static str] {
        match self {
            Self::Document => &[
                "$schema",
                "version",
                "name",
                "description",
                "default",
                "list",
                "hide",
                "all_tools",
                "categories",
                "tools",
                "resources",
                "prompts",
                "sampling",
                "elicitation",
                "roots",
                "flows",
                "results",
                "tests",
            ],
            Self::Entry => {
                &["description", "validate_arguments", "require", "deny_if", "approve_if", "limits", "results"]
            }
            Self::Results => Results::ORDER,
            Self::Rule => Rule::ORDER,
            Self::Condition => &["path", "op", "value"],
            Self::Limit => &[
                "counter",
                "description",
                "window",
                "concurrent",
                "max",
                "scope",
                "increment_from",
                "strategy",
                "on_deny",
                "mode",
            ],
            Self::Entries | Self::Leaf => &[],
        }
    }

    fn is_open(self) -> bool {
        matches!(self, Self::Document | Self::Entries | Self::Entry)
    }

    fn object(self, members: Vec<(String, Json)>) -> Json {
        if self.is_open() { Json::open(members) } else { Json::row(members) }
    }
}

/// The way to an entry.
pub(super) fn entry(key: &EntryKey) -> Vec<Step> {
    let step = |key: &str, level| Step { key: key.to_owned(), level };
    match key {
        EntryKey::Document => Vec::new(),
        EntryKey::AllTools => vec![step("all_tools", Level::Entry)],
        EntryKey::Category(category) => {
            vec![step("categories", Level::Entries), step(category.as_str(), Level::Entry)]
        }
        EntryKey::Tool(name) => vec![step("tools", Level::Entries), step(name, Level::Entry)],
    }
}

/// The way to the rules over results of an entry.
pub(super) fn results(key: &EntryKey) -> Vec<Step> {
    let mut steps = entry(key);
    steps.push(Step { key: "results".to_owned(), level: Level::Results });
    steps
}

/// The way to a list of rows.
pub(super) fn list(list: &RowList) -> Vec<Step> {
    let mut steps = match list.bearing {
        Bearing::ResultsDenyIf => results(&list.entry),
        _ => entry(&list.entry),
    };
    steps.push(Step { key: list.bearing.key().to_owned(), level: Level::Leaf });
    steps
}

/// A part that is there: its value, and the edit of what it stands in.
pub(super) struct Spot<'v, 't, 'e> {
    /// The value.
    pub(super) value: &'v Value<'t>,
    /// The edit of what it stands in.
    pub(super) around: &'e mut Edit,
    /// Its place there.
    pub(super) index: usize,
    /// What it stands in.
    pub(super) container: &'v Value<'t>,
}

/// Follows a way; none where it ends before the part.
pub(super) fn find<'v, 't, 'e>(root: &'v Value<'t>, edit: &'e mut Edit, steps: &[Step]) -> Option<Spot<'v, 't, 'e>> {
    let (step, rest) = steps.split_first()?;
    let (index, value) = member(root, &step.key)?;
    if rest.is_empty() {
        return Some(Spot { value, around: edit, index, container: root });
    }
    find(value, within(edit, index, step.level), rest)
}

/// A member and its place.
pub(super) fn member<'v, 't>(object: &'v Value<'t>, key: &str) -> Option<(usize, &'v Value<'t>)> {
    let mut members = object.members().iter().enumerate();
    members.find(|(_, member)| member.key == key).map(|(index, member)| (index, &member.value))
}

/// The edit inside a part of this level.
pub(super) fn within(edit: &mut Edit, index: usize, level: Level) -> &mut Edit {
    if level.is_open() { edit.inside_open(index) } else { edit.inside(index) }
}

/// What is put at the end of a way.
pub(super) enum Put {
    /// A value under the last key.
    Value(Json),
    /// An element of the list under the last key.
    Element(Json),
}

/// Puts something at the end of a way; what is missing on it is made.
pub(super) fn put(root: &Value<'_>, edit: &mut Edit, steps: &[Step], what: Put) -> Result<(), Refused> {
    step_in(root, edit, Level::Document, steps, what, &mut String::new())
}

fn step_in(
    value: &Value<'_>,
    edit: &mut Edit,
    level: Level,
    steps: &[Step],
    what: Put,
    at: &mut String,
) -> Result<(), Refused> {
    let Some((step, rest)) = steps.split_first() else { return Ok(()) };
    at.push('/');
    at.push_str(&callgate_json::escape_token(&step.key));
    let Some((index, here)) = member(value, &step.key) else {
        add(edit, value, level, &step.key, nested(step, rest, what));
        return Ok(());
    };
    if !rest.is_empty() {
        if !here.is_object() {
            return Err(Refused::Odd(at.clone()));
        }
        return step_in(here, within(edit, index, step.level), step.level, rest, what, at);
    }
    match (what, here.as_array()) {
        (Put::Value(json), _) => edit.set(index, json),
        (Put::Element(json), Some(items)) => edit.inside(index).push(items.len(), json),
        (Put::Element(_), None) => return Err(Refused::Odd(at.clone())),
    }
    Ok(())
}

fn nested(step: &Step, rest: &[Step], what: Put) -> Json {
    match (rest.split_first(), what) {
        (Some((next, after)), what) => step.level.object(vec![(next.key.clone(), nested(next, after, what))]),
        (None, Put::Value(json)) => json,
        (None, Put::Element(json)) => Json::List(vec![json]),
    }
}

/// Adds a member where its order says: behind the last of those that come before it.
pub(super) fn add(edit: &mut Edit, object: &Value<'_>, level: Level, key: &str, json: Json) {
    let rank = |key: &str| level.order().iter().position(|known| *known == key);
    let members = object.members();
    let before = match rank(key) {
        None => members.len(),
        Some(own) => {
            let ranks: Vec<Option<usize>> = members.iter().map(|member| rank(&member.key)).collect();
            let behind = ranks.iter().rposition(|rank| rank.is_some_and(|rank| rank < own)).map(|at| at + 1);
            let ahead = || ranks.iter().position(|rank| rank.is_some_and(|rank| rank > own));
            behind.or_else(ahead).unwrap_or(members.len())
        }
    };
    edit.add(before, key, json);
}

/// Changes those members of an object that are to be others; what is as it was stays, however it is written.
pub(super) fn update(edit: &mut Edit, object: &Value<'_>, level: Level, old: Fields, new: Fields) {
    for ((key, old), (_, new)) in old.into_iter().zip(new) {
        if old == new {
            continue;
        }
        match (member(object, key), new) {
            (Some((index, _)), Some(json)) => edit.set(index, json),
            (Some((index, _)), None) => edit.remove(index),
            (None, Some(json)) => add(edit, object, level, key, json),
            (None, None) => {}
        }
    }
}
