//! What happens to tools: allow, deny, hide, custom, for one or for many in one pass.

use super::action::{Choice, EntryKey};
use super::draft::Refused;
use super::edit::Edit;
use super::json::{Json, shortened};
use super::place::{self, Level};
use super::reading::{Now, RULES, Reading, kind, rules_kind};
use callgate_json::Value;
use callgate_policy::{Category, Glob, Unlisted};
use std::collections::BTreeSet;

/// The changes for any number of tools.
pub(super) struct Chooser<'r, 'v, 't> {
    reading: &'r Reading<'v, 't>,
    edit: Edit,
    entries: Vec<(String, Json)>,
    hidden: Vec<String>,
    shown: BTreeSet<usize>,
}

impl<'r, 'v, 't> Chooser<'r, 'v, 't> {
    pub(super) fn new(reading: &'r Reading<'v, 't>) -> Self {
        let edit = Edit::of_document();
        Self { reading, edit, entries: Vec::new(), hidden: Vec::new(), shown: BTreeSet::new() }
    }

    /// Makes a tool what was clicked. A tool may come once.
    ///
    /// # Errors
    /// Why it can't be that; then nothing of it is changed.
    pub(super) fn choose(&mut self, name: &str, category: Category, choice: Choice) -> Result<(), Refused> {
        let now = self.reading.now(name, category);
        let is_so =
            now.choice == choice || choice == Choice::Inherit && now.hidden_at.is_empty() && now.entry.is_none();
        if is_so {
            return Ok(());
        }
        nameable(name)?;
        if let Some(pattern) = now.hidden_by.filter(|_| !matches!(choice, Choice::Hide | Choice::Inherit)) {
            return Err(blocked(name, "hidden", &format!("`{}` in `hide`", shortened(pattern))));
        }
        if let Some(key) = now.denied_by.as_ref().filter(|_| matches!(choice, Choice::Allow | Choice::Custom)) {
            return Err(blocked(name, "denied", &format!("the entry `{}`", shortened(&key.to_string()))));
        }
        if choice == Choice::Hide {
            self.hidden.push(name.to_owned());
            return Ok(());
        }
        self.shown.extend(now.hidden_at);
        match choice {
            Choice::Allow => self.allow(name, &now),
            Choice::Deny => self.deny(name, &now),
            Choice::Custom => self.customise(name, &now),
            Choice::Hide => {}
            Choice::Inherit => self.drop_entry(&now),
        }
        Ok(())
    }

    /// Puts a whole entry in the place of what a tool has; without one the tool is hidden.
    pub(super) fn replace(&mut self, name: &str, category: Category, entry: Option<&Value<'_>>) -> Result<(), Refused> {
        nameable(name)?;
        let now = self.reading.now(name, category);
        let Some(entry) = entry else {
            self.drop_entry(&now);
            if now.hidden_at.is_empty() && now.hidden_by.is_none() {
                self.hidden.push(name.to_owned());
            }
            return Ok(());
        };
        if let Some(pattern) = now.hidden_by {
            return Err(blocked(name, "hidden", &format!("`{}` in `hide`", shortened(pattern))));
        }
        self.shown.extend(now.hidden_at);
        match now.entry {
            Some((_, old)) if callgate_json::canonical(old) == callgate_json::canonical(entry) => {}
            Some((index, _)) => {
                let json = Json::again(entry, true);
                self.in_tools(|tools| tools.set(index, json));
            }
            None => self.entries.push((name.to_owned(), Json::again(entry, true))),
        }
        Ok(())
    }

    /// The changes of the document.
    ///
    /// # Errors
    /// Where `tools` or `hide` is nothing that entries or names can be put into.
    pub(super) fn finish(mut self) -> Result<Edit, Refused> {
        let root = self.reading.root;
        if !self.entries.is_empty() {
            match place::member(root, "tools") {
                None => place::add(&mut self.edit, root, Level::Document, "tools", Json::open(self.entries)),
                Some((_, tools)) if !tools.is_object() => return Err(Refused::Odd("/tools".to_owned())),
                Some((index, tools)) => {
                    let edit = self.edit.inside_open(index);
                    for (name, json) in self.entries {
                        edit.add(tools.members().len(), &name, json);
                    }
                }
            }
        }
        let names = self.hidden.iter().map(|name| Json::string(name));
        match place::member(root, "hide") {
            None if self.hidden.is_empty() => {}
            None => place::add(&mut self.edit, root, Level::Document, "hide", Json::List(names.collect())),
            Some((index, list)) => {
                let Some(items) = list.as_array() else {
                    let changes = !self.hidden.is_empty();
                    return if changes { Err(Refused::Odd("/hide".to_owned())) } else { Ok(self.edit) };
                };
                if !items.is_empty() && self.shown.len() == items.len() && self.hidden.is_empty() {
                    self.edit.remove(index);
                    return Ok(self.edit);
                }
                let edit = self.edit.inside(index);
                self.shown.iter().for_each(|at| edit.remove(*at));
                names.for_each(|name| edit.push(items.len(), name));
            }
        }
        Ok(self.edit)
    }

    fn in_tools(&mut self, change: impl FnOnce(&mut Edit)) {
        if let Some((index, _)) = place::member(self.reading.root, "tools") {
            change(self.edit.inside_open(index));
        }
    }

    /// Whether a tool without an entry of its own may be called.
    fn is_open(&self, now: &Now<'_, '_, '_>) -> bool {
        now.listed_by.is_some() || self.reading.default == Some(Unlisted::Allow)
    }

    fn allow(&mut self, name: &str, now: &Now<'_, 'v, 't>) {
        let needs_entry = !self.is_open(now);
        match now.entry {
            None if needs_entry => self.entries.push((name.to_owned(), Json::open(Vec::new()))),
            None => {}
            // It was only hidden.
            Some((_, entry)) if kind(entry) == Choice::Allow => {}
            Some((_, entry)) if !needs_entry && says_only_rules(entry) => self.drop_entry(now),
            Some((index, entry)) => self.rewrite(index, entry, None),
        }
    }

    fn deny(&mut self, name: &str, now: &Now<'_, 'v, 't>) {
        if now.denied_by.is_some() || !self.is_open(now) {
            return self.drop_entry(now);
        }
        let always = Json::row(vec![("conditions".to_owned(), Json::List(Vec::new()))]);
        self.with_list(name, now, "deny_if", Json::List(vec![always]));
    }

    /// Rules to begin with: so many calls a minute.
    fn customise(&mut self, name: &str, now: &Now<'_, 'v, 't>) {
        match now.entry {
            Some((index, entry)) if rules_kind(entry) == Choice::Custom => {
                // It was only hidden.
                self.in_tools(|tools| {
                    for (at, member) in entry.members().iter().enumerate() {
                        if matches!(&*member.key, "action" | "reason") {
                            tools.inside_open(index).remove(at);
                        }
                    }
                });
            }
            _ => self.with_list(name, now, "limits", Json::List(vec![first_limit(name)])),
        }
    }

    fn with_list(&mut self, name: &str, now: &Now<'_, 'v, 't>, key: &str, list: Json) {
        match now.entry {
            Some((index, entry)) => self.rewrite(index, entry, Some((key, list))),
            None => self.entries.push((name.to_owned(), Json::open(vec![(key.to_owned(), list)]))),
        }
    }

    /// Takes every rule out of an entry and puts one list in.
    fn rewrite(&mut self, index: usize, entry: &Value<'_>, list: Option<(&str, Json)>) {
        if !entry.is_object() {
            let members = list.into_iter().map(|(key, json)| (key.to_owned(), json)).collect();
            return self.in_tools(|tools| tools.set(index, Json::open(members)));
        }
        self.in_tools(|tools| {
            let edit = tools.inside_open(index);
            let mut list = list;
            for (at, member) in entry.members().iter().enumerate() {
                match list.take_if(|(key, _)| *key == member.key) {
                    Some((_, json)) => edit.set(at, json),
                    None if RULES.contains(&&*member.key) => edit.remove(at),
                    None => {}
                }
            }
            if let Some((key, json)) = list {
                place::add(edit, entry, Level::Entry, key, json);
            }
        });
    }

    fn drop_entry(&mut self, now: &Now<'_, '_, '_>) {
        if let Some((index, _)) = now.entry {
            self.in_tools(|tools| tools.remove(index));
        }
    }
}

/// Whether a name can stand for itself in a document.
pub(super) fn nameable(name: &str) -> Result<(), Refused> {
    let why = if name.is_empty() {
        "a tool without a name can't be named in a policy; `default` and patterns hold for it".to_owned()
    } else if Glob::is_pattern(name) {
        format!(
            "`{}` can't be named alone: a `*` in a policy stands for any characters; `default` and patterns hold for it",
            shortened(name)
        )
    } else {
        return Ok(());
    };
    Err(Refused::Impossible(why))
}

fn blocked(name: &str, what: &str, by: &str) -> Refused {
    Refused::Impossible(format!(
        "`{}` is {what} by {by}, whatever is said about it alone: change that first",
        shortened(name)
    ))
}

fn says_only_rules(entry: &Value<'_>) -> bool {
    entry.members().iter().all(|member| RULES.contains(&&*member.key))
}

/// Ten calls a minute, for each grant.
fn first_limit(name: &str) -> Json {
    let member = |key: &str, json| (key.to_owned(), json);
    Json::row(vec![
        member("counter", Json::string(&format!("{name}_rate"))),
        member("window", Json::string("minute")),
        member("max", Json::Raw("10".to_owned())),
        member("scope", Json::string("grant")),
    ])
}

impl std::fmt::Display for EntryKey {
    /// As people name it: the pattern or name itself, the category, `all_tools`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Document => f.write_str("document"),
            Self::AllTools => f.write_str("all_tools"),
            Self::Category(category) => f.write_str(category.as_str()),
            Self::Tool(name) => f.write_str(name),
        }
    }
}
