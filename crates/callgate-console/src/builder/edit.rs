//! Changes of single parts of a text: everything between them stays byte for byte.

use super::json::{Json, Style, WIDTH, column, indent};
use callgate_json::{Kind, Value, write_string};
use std::collections::{BTreeMap, BTreeSet};

/// What changes in one list or object.
#[derive(Clone, Debug, Default)]
pub(super) struct Edit {
    /// The places of what goes.
    removed: BTreeSet<usize>,
    /// What stands at a place instead.
    set: BTreeMap<usize, Json>,
    /// What changes inside of what stands at a place.
    inner: BTreeMap<usize, Edit>,
    /// What comes into it, and in front of which of what is in it.
    added: Vec<(usize, Added)>,
    /// Whether what is put into it while it is empty gets lines of its own.
    open: bool,
}

#[derive(Clone, Debug)]
struct Added {
    key: Option<String>,
    json: Json,
}

impl Edit {
    /// Puts another value in the place of one.
    pub(super) fn set(&mut self, index: usize, json: Json) {
        self.set.insert(index, json);
    }

    /// Takes a member or an element out.
    pub(super) fn remove(&mut self, index: usize) {
        self.removed.insert(index);
    }

    /// Adds a member in front of the one at this place.
    pub(super) fn add(&mut self, before: usize, key: &str, json: Json) {
        self.added.push((before, Added { key: Some(key.to_owned()), json }));
    }

    /// Adds an element in front of the one at this place.
    pub(super) fn push(&mut self, before: usize, json: Json) {
        self.added.push((before, Added { key: None, json }));
    }

    /// What changes inside a member or an element.
    pub(super) fn inside(&mut self, index: usize) -> &mut Self {
        self.inner.entry(index).or_default()
    }

    /// The same for a set of entries or an entry: members that are put into an empty one get lines of their own.
    pub(super) fn inside_open(&mut self, index: usize) -> &mut Self {
        let edit = self.inside(index);
        edit.open = true;
        edit
    }

    /// An edit of a whole document.
    pub(super) fn of_document() -> Self {
        Self { open: true, ..Self::default() }
    }

    /// Whether nothing changes.
    pub(super) fn is_empty(&self) -> bool {
        let is_own = self.added.is_empty() && self.removed.is_empty() && self.set.is_empty();
        is_own && self.inner.values().all(Self::is_empty)
    }

    /// Whether something comes into it, at any depth.
    fn grows(&self) -> bool {
        let is_own = !self.added.is_empty() || self.set.values().any(|json| !matches!(json, Json::Raw(_)));
        is_own || self.inner.values().any(Self::grows)
    }
}

/// The text with the changes made. `root` is the document in it.
pub(super) fn rewrite(text: &str, root: &Value<'_>, edit: &Edit, style: &Style) -> String {
    let mut writer = Writer { text, style, out: String::with_capacity(text.len() + 512) };
    writer.copy(0, root.span.start);
    writer.container(root, edit, How::Free);
    writer.copy(root.span.end, text.len());
    writer.out
}

/// What a container's line allows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// Several lines where it is too wide.
    Free,
    /// One line.
    Flat,
    /// What it is in was just broken: so are documents and entries.
    Broken,
}

struct Writer<'t, 's> {
    text: &'t str,
    style: &'s Style,
    out: String,
}

/// A member or an element as it stands in the text.
#[derive(Clone, Copy)]
struct Part<'v, 't> {
    /// Where it begins: a member at its key.
    start: usize,
    value: &'v Value<'t>,
}

/// What a container has afterwards.
#[derive(Clone, Copy)]
enum Item<'e> {
    Old(usize),
    New(&'e Added),
}

impl<'t> Writer<'t, '_> {
    fn slice(&self, start: usize, end: usize) -> &'t str {
        self.text.get(start..end).unwrap_or_default()
    }

    fn copy(&mut self, start: usize, end: usize) {
        let text = self.slice(start, end);
        self.out.push_str(text);
    }

    fn container(&mut self, value: &Value<'_>, edit: &Edit, how: How) {
        let parts = parts(value);
        let items = items(parts.len(), edit);
        let is_list = value.as_array().is_some();
        if items.is_empty() || parts.is_empty() {
            let json = fresh(&items, is_list, edit.open);
            return if how == How::Flat {
                json.flat(self.style, &mut self.out)
            } else {
                json.write(self.style, &mut self.out)
            };
        }
        let is_one_line = !self.slice(value.span.start, value.span.end).contains('\n');
        if how == How::Flat || !is_one_line || !self.style.breaks || !edit.grows() || self.is_wide(value) {
            let how = if is_one_line { How::Flat } else { How::Free };
            return self.joined(value, &parts, &items, edit, how);
        }
        let before = self.out.len();
        if !(how == How::Broken && edit.open) {
            let column = column(&self.out);
            self.joined(value, &parts, &items, edit, How::Flat);
            let width = self.out.get(before..).unwrap_or_default().chars().count();
            if column + width < WIDTH {
                return;
            }
            self.out.truncate(before);
        }
        self.broken(is_list, &parts, &items, edit);
    }

    /// Whether the line that a value begins on is too wide as it is: then somebody wants it so.
    fn is_wide(&self, value: &Value<'_>) -> bool {
        let line_start = self.slice(0, value.span.start).rfind('\n').map_or(0, |at| at + 1);
        let rest = self.slice(line_start, self.text.len());
        rest.chars().take_while(|c| *c != '\n').take(WIDTH + 1).count() > WIDTH
    }

    /// All items with the white space that stands between them now.
    fn joined(&mut self, value: &Value<'_>, parts: &[Part<'_, '_>], items: &[Item<'_>], edit: &Edit, how: How) {
        let ends: Vec<usize> = parts.iter().map(|part| part.value.span.end).collect();
        let lead = |index: usize| -> &'t str {
            let Some(part) = parts.get(index) else { return "" };
            let from = index.checked_sub(1).and_then(|before| ends.get(before).copied()).unwrap_or(value.span.start);
            let between = self.slice(from, part.start);
            // Behind the bracket or the comma.
            between.find(['{', '[', ',']).and_then(|at| between.get(at + 1..)).unwrap_or_default()
        };
        let first = lead(0);
        // What stands behind a comma, where the list has had none.
        let usual = match parts.len() {
            1 if first.contains('\n') => first,
            1 => self.style.gap,
            _ => lead(1),
        };
        let mut leads: Vec<&str> = Vec::with_capacity(items.len());
        let mut last_old = None;
        for (place, item) in items.iter().enumerate() {
            leads.push(match (place, item) {
                (0, Item::Old(index)) if *index > 0 && lead(*index).contains('\n') => lead(*index),
                (0, _) => first,
                (_, Item::Old(0)) => usual,
                (_, Item::Old(index)) => lead(*index),
                (_, Item::New(_)) => last_old.filter(|index| *index > 0).map_or(usual, lead),
            });
            if let Item::Old(index) = item {
                last_old = Some(*index);
            }
        }
        let last_end = ends.last().copied().unwrap_or(value.span.start);
        self.copy(value.span.start, value.span.start + 1);
        let mut trail = "";
        for (place, (item, lead)) in items.iter().zip(leads).enumerate() {
            if place > 0 {
                self.out.push_str(trail);
                self.out.push(',');
            }
            self.out.push_str(lead);
            self.item(item, parts, edit, how);
            trail = match item {
                Item::Old(index) => self.trail(parts, *index),
                Item::New(_) => "",
            };
        }
        self.copy(last_end, value.span.end);
    }

    /// What stands between a part and the comma behind it; nothing for the last one.
    fn trail(&self, parts: &[Part<'_, '_>], index: usize) -> &'t str {
        let Some((part, next)) = parts.get(index).zip(parts.get(index + 1)) else { return "" };
        self.slice(part.value.span.end, next.start).split(',').next().unwrap_or_default()
    }

    /// All items on lines of their own.
    fn broken(&mut self, is_list: bool, parts: &[Part<'_, '_>], items: &[Item<'_>], edit: &Edit) {
        let indent = indent(&self.out).to_owned();
        self.out.push(if is_list { '[' } else { '{' });
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                self.out.push(',');
            }
            for piece in [self.style.newline, &indent, &self.style.unit] {
                self.out.push_str(piece);
            }
            self.item(item, parts, edit, How::Broken);
        }
        self.out.push_str(self.style.newline);
        self.out.push_str(&indent);
        self.out.push(if is_list { ']' } else { '}' });
    }

    fn item(&mut self, item: &Item<'_>, parts: &[Part<'_, '_>], edit: &Edit, how: How) {
        let (json, before) = match item {
            Item::New(added) => {
                if let Some(key) = &added.key {
                    write_string(key, &mut self.out);
                    self.out.push_str(&self.style.colon);
                }
                (&added.json, None)
            }
            Item::Old(index) => {
                let Some(part) = parts.get(*index) else { return };
                self.copy(part.start, part.value.span.start);
                match (edit.set.get(index), edit.inner.get(index)) {
                    (Some(json), _) => (json, Some(part)),
                    (None, Some(inner)) if !inner.is_empty() => return self.container(part.value, inner, how),
                    _ => return self.copy(part.value.span.start, part.value.span.end),
                }
            }
        };
        // A value that stood on one line stays there, whatever its line is.
        let stays = before.is_some_and(|part| !matches!(part.value.kind, Kind::Array(_) | Kind::Object(_)));
        if how == How::Flat || stays {
            json.flat(self.style, &mut self.out);
        } else {
            json.write(self.style, &mut self.out);
        }
    }
}

fn parts<'v, 't>(value: &'v Value<'t>) -> Vec<Part<'v, 't>> {
    match &value.kind {
        Kind::Array(items) => items.iter().map(|value| Part { start: value.span.start, value }).collect(),
        Kind::Object(members) => {
            members.iter().map(|member| Part { start: member.key_span.start, value: &member.value }).collect()
        }
        _ => Vec::new(),
    }
}

fn items(count: usize, edit: &Edit) -> Vec<Item<'_>> {
    let mut added: Vec<&(usize, Added)> = edit.added.iter().collect();
    added.sort_by_key(|(before, _)| *before);
    let mut added = added.into_iter().peekable();
    let mut items = Vec::with_capacity(count + edit.added.len());
    for index in 0..count {
        while let Some((_, new)) = added.next_if(|(before, _)| *before <= index) {
            items.push(Item::New(new));
        }
        if !edit.removed.contains(&index) {
            items.push(Item::Old(index));
        }
    }
    items.extend(added.map(|(_, new)| Item::New(new)));
    items
}

/// A container that was empty, or is.
fn fresh(items: &[Item<'_>], is_list: bool, open: bool) -> Json {
    let new = items.iter().filter_map(|item| match item {
        Item::New(added) => Some(added),
        Item::Old(_) => None,
    });
    if is_list {
        return Json::List(new.map(|added| added.json.clone()).collect());
    }
    Json::Object {
        members: new.map(|added| (added.key.clone().unwrap_or_default(), added.json.clone())).collect(),
        open,
    }
}
