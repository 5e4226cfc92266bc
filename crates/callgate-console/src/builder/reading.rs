//! What a document says about each tool, looked up at once instead of tool by tool.

use super::action::{Choice, EntryKey};
use callgate_json::Value;
use callgate_policy::glob::GlobIndex;
use callgate_policy::{Category, Glob, Unlisted};
use std::collections::HashMap;

/// The members of an entry that are rules; the others are words, or what nobody knows.
pub(super) const RULES: &[&str] = &[
    "validate_arguments",
    "require",
    "deny_if",
    "approve_if",
    "limits",
    "results",
    "action",
    "reason",
    "approval_timeout",
    "rate_limit",
    "spend_limit",
];

/// A document that is an object.
pub(super) struct Reading<'v, 't> {
    /// The document.
    pub(super) root: &'v Value<'t>,
    /// `default`, where it can be read.
    pub(super) default: Option<Unlisted>,
    hidden: HashMap<&'v str, Vec<usize>>,
    hiding: Patterns<'v>,
    entries: HashMap<&'v str, usize>,
    listing: Patterns<'v>,
}

/// Patterns and what stands under them.
#[derive(Default)]
struct Patterns<'v> {
    index: GlobIndex,
    texts: Vec<&'v str>,
}

/// What a document says about one tool.
pub(super) struct Now<'r, 'v, 't> {
    /// Where the name itself stands in `hide`.
    pub(super) hidden_at: &'r [usize],
    /// A pattern in `hide` that matches.
    pub(super) hidden_by: Option<&'v str>,
    /// Its own entry, and where that stands in `tools`.
    pub(super) entry: Option<(usize, &'v Value<'t>)>,
    /// Other entries that hold for it too.
    pub(super) also: Vec<EntryKey>,
    /// That of them which lists it.
    pub(super) listed_by: Option<EntryKey>,
    /// That of them which denies every call.
    pub(super) denied_by: Option<EntryKey>,
    /// All of it in one word.
    pub(super) choice: Choice,
    /// Whether it would be the same without anything of its own.
    pub(super) inherited: bool,
}

impl<'v> Patterns<'v> {
    fn push(&mut self, text: &'v str) {
        self.index.push(Glob::new(text), self.texts.len());
        self.texts.push(text);
    }

    fn matching(&self, name: &str) -> impl Iterator<Item = &'v str> {
        self.index.matching(name).into_iter().filter_map(|number| self.texts.get(number).copied())
    }
}

impl<'v, 't> Reading<'v, 't> {
    /// Looks a document over once.
    pub(super) fn new(root: &'v Value<'t>) -> Self {
        let default = match root.get("default").and_then(Value::as_str) {
            Some("allow") => Some(Unlisted::Allow),
            Some("deny") => Some(Unlisted::Deny),
            _ => None,
        };
        let mut reading = Self {
            root,
            default,
            hidden: HashMap::new(),
            hiding: Patterns::default(),
            entries: HashMap::new(),
            listing: Patterns::default(),
        };
        for (index, item) in super::rows::list(root, "hide").iter().enumerate() {
            let Some(name) = item.as_str() else { continue };
            reading.hidden.entry(name).or_default().push(index);
            if Glob::is_pattern(name) {
                reading.hiding.push(name);
            }
        }
        for (index, member) in root.get("tools").map(Value::members).unwrap_or_default().iter().enumerate() {
            reading.entries.insert(&member.key, index);
            if Glob::is_pattern(&member.key) {
                reading.listing.push(&member.key);
            }
        }
        reading
    }

    /// Every name and pattern in `hide` that hides a tool.
    pub(super) fn hiding(&self, name: &str) -> impl Iterator<Item = &'v str> {
        let exact = self.hidden.get_key_value(name).map(|(text, _)| *text).filter(|text| !Glob::is_pattern(text));
        exact.into_iter().chain(self.hiding.matching(name))
    }

    /// The entry under this name or pattern.
    pub(super) fn entry(&self, name: &str) -> Option<(usize, &'v Value<'t>)> {
        let index = self.entries.get(name).copied()?;
        self.root.get("tools")?.members().get(index).map(|member| (index, &member.value))
    }

    fn shared(&self, key: &EntryKey) -> Option<&'v Value<'t>> {
        match key {
            EntryKey::Document => None,
            EntryKey::AllTools => self.root.get("all_tools"),
            EntryKey::Category(category) => self.root.get("categories")?.get(category.as_str()),
            EntryKey::Tool(name) => self.entry(name).map(|(_, entry)| entry),
        }
    }

    /// What the document says about a tool.
    pub(super) fn now(&self, name: &str, category: Category) -> Now<'_, 'v, 't> {
        let hidden_at = self.hidden.get(name).map(Vec::as_slice).unwrap_or_default();
        let entry = self.entry(name).filter(|_| !Glob::is_pattern(name));
        let mut also = vec![EntryKey::AllTools, EntryKey::Category(category)];
        also.extend(self.listing.matching(name).map(|pattern| EntryKey::Tool(pattern.to_owned())));
        also.retain(|key| self.shared(key).is_some());
        let denied_by = also.iter().find(|key| self.shared(key).map(kind) == Some(Choice::Deny)).cloned();
        let mut now = Now {
            hidden_at,
            hidden_by: self.hiding.matching(name).next(),
            entry,
            listed_by: also.iter().find(|key| !matches!(key, EntryKey::AllTools)).cloned(),
            also,
            denied_by,
            choice: Choice::Deny,
            inherited: true,
        };
        let own = entry.map(|(_, entry)| kind(entry));
        let is_hidden = !hidden_at.is_empty() || own == Some(Choice::Hide);
        (now.choice, now.inherited) = match own {
            _ if is_hidden => (Choice::Hide, false),
            _ if now.hidden_by.is_some() => (Choice::Hide, true),
            Some(own) => (own, false),
            None if now.denied_by.is_some() => (Choice::Deny, true),
            None if now.listed_by.is_some() || self.default == Some(Unlisted::Allow) => (Choice::Allow, true),
            None => (Choice::Deny, true),
        };
        now
    }
}

impl Now<'_, '_, '_> {
    /// Why it is as it is, where nothing of its own says so.
    pub(super) fn because(&self) -> String {
        if !self.inherited {
            return String::new();
        }
        let by = match self.choice {
            Choice::Hide => self.hidden_by.map(str::to_owned),
            Choice::Deny => self.denied_by.as_ref().map(EntryKey::to_string),
            _ => self.listed_by.as_ref().map(EntryKey::to_string),
        };
        by.unwrap_or_else(|| "default".to_owned())
    }
}

/// What an entry by itself makes of its tool: allow, deny, custom; hide in the older spelling.
pub(super) fn kind(entry: &Value<'_>) -> Choice {
    if entry.get("action").and_then(Value::as_str) == Some("hide") {
        return Choice::Hide;
    }
    rules_kind(entry)
}

/// The same, whatever an older spelling says about hiding.
pub(super) fn rules_kind(entry: &Value<'_>) -> Choice {
    if !entry.is_object() {
        return Choice::Custom;
    }
    let mut denies = false;
    for member in entry.members() {
        let value = &member.value;
        let rows = value.as_array();
        let says_nothing = match &*member.key {
            "description" | "reason" => true,
            "require" | "deny_if" | "approve_if" | "limits" => rows.is_some_and(<[_]>::is_empty),
            "validate_arguments" => value.as_bool() == Some(false),
            "action" => matches!(value.as_str(), Some("allow" | "hide")),
            _ => false,
        };
        let is_denial = match &*member.key {
            "deny_if" => rows.is_some_and(|rows| matches!(rows, [row] if is_unconditional(row))),
            "action" => value.as_str() == Some("deny"),
            _ => false,
        };
        denies |= is_denial;
        if !says_nothing && !is_denial {
            return Choice::Custom;
        }
    }
    if denies { Choice::Deny } else { Choice::Allow }
}

fn is_unconditional(rule: &Value<'_>) -> bool {
    let is_empty = rule.get("conditions").and_then(Value::as_array).is_some_and(<[_]>::is_empty);
    is_empty && rule.get("any").is_none() && rule.get("mode").and_then(Value::as_str) != Some("shadow")
}
