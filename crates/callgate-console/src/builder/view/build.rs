//! From a text that was read to what is shown of it.

use super::entries::{At, Reader};
use super::problems::Places;
use super::{BuilderView, EntryView, HiddenView, ProblemView, ToolView};
use crate::builder::action::EntryKey;
use crate::builder::advice::advice;
use crate::builder::draft::Draft;
use crate::builder::facts::ToolFacts;
use crate::builder::place::Level;
use crate::builder::reading::Reading;
use crate::builder::rows::list;
use callgate_json::{Pointer, Value};
use callgate_policy::{Category, Glob};
use std::collections::HashMap;

impl BuilderView {
    /// What a draft says about these tools.
    pub(in crate::builder) fn of(draft: &Draft<'_>, tools: &[ToolFacts]) -> Self {
        let advice = advice(draft, tools);
        let is_unadvised = advice.is_none();
        let told = draft.problems.iter().chain(advice.iter().flatten());
        let mut problems: Vec<ProblemView> = told.map(ProblemView::from).collect();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        let Some(root) = draft.root.as_ref().filter(|root| root.is_object()) else {
            return Self { elsewhere: problems.clone(), problems, ..Self::default() };
        };
        let mut places = Places::of(&problems, draft.source);
        let mut reader = Reader { source: draft.source, places: &mut places };
        let reading = Reading::new(root);
        let top = Pointer::root();
        let text = |key: &str| root.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut view = Self {
            readable: true,
            editable: draft.editable().is_ok(),
            name: text("name"),
            description: text("description"),
            default: reading.default,
            callable_only: text("list") == "callable",
            hide: hidden(&mut reader, root),
            problems,
            is_unadvised,
            ..Self::default()
        };
        view.shared_entries(&mut reader, root);
        let mut own = view.tool_entries(&mut reader, root, tools);
        let results = top.key("results");
        let found = root.get("results").filter(|results| results.is_object());
        view.results = found.map(|value| reader.results(&EntryKey::Document, At { value, pointer: &results }));
        view.text_only = reader.text_only(At { value: root, pointer: &top }, Level::Document);
        view.about = reader.about(&top);
        view.about_tools(&reading, tools, &mut own);
        view.elsewhere = places.rest();
        view
    }

    /// `all_tools` and `categories`.
    fn shared_entries(&mut self, reader: &mut Reader<'_>, root: &Value<'_>) {
        let pointer = Pointer::root().key("all_tools");
        let member = root.members().iter().find(|member| member.key == "all_tools");
        self.all_tools = member.filter(|member| member.value.is_object()).map(|member| {
            let at = At { value: &member.value, pointer: &pointer };
            reader.entry(EntryKey::AllTools, at, member.key_span.start)
        });
        let pointer = Pointer::root().key("categories");
        for member in root.get("categories").map(Value::members).unwrap_or_default() {
            // An unknown category is a problem of `categories`.
            let Some(category) = Category::parse(&member.key) else { continue };
            let (value, pointer) = (&member.value, pointer.key(&member.key));
            let at = At { value, pointer: &pointer };
            self.categories.push(reader.entry(EntryKey::Category(category), at, member.key_span.start));
        }
    }

    /// The entries under `tools`: those of the server's tools by name, the others where they are shown.
    fn tool_entries(
        &mut self,
        reader: &mut Reader<'_>,
        root: &Value<'_>,
        tools: &[ToolFacts],
    ) -> HashMap<String, EntryView> {
        let names: std::collections::HashSet<&str> = tools.iter().map(|facts| facts.name.as_str()).collect();
        let mut own = HashMap::new();
        let top = Pointer::root().key("tools");
        for member in root.get("tools").map(Value::members).unwrap_or_default() {
            let pointer = top.key(&member.key);
            let at = At { value: &member.value, pointer: &pointer };
            let entry = reader.entry(EntryKey::Tool(member.key.to_string()), at, member.key_span.start);
            if Glob::is_pattern(&member.key) {
                self.patterns.push(entry);
            } else if names.contains(&*member.key) {
                own.insert(member.key.to_string(), entry);
            } else {
                self.strangers.push(entry);
            }
        }
        own
    }

    /// The server's tools, and how many of them each part is about.
    fn about_tools(&mut self, reading: &Reading<'_, '_>, tools: &[ToolFacts], own: &mut HashMap<String, EntryView>) {
        let mut counts: HashMap<EntryKey, usize> = HashMap::new();
        let mut hidden: HashMap<&str, usize> = HashMap::new();
        for (index, facts) in tools.iter().enumerate() {
            let now = reading.now(&facts.name, facts.category);
            for key in &now.also {
                *counts.entry(key.clone()).or_default() += 1;
            }
            for name in reading.hiding(&facts.name) {
                *hidden.entry(name).or_default() += 1;
            }
            self.tools.push(ToolView {
                index,
                name: facts.name.clone(),
                choice: now.choice,
                inherited: now.inherited,
                because: now.because(),
                also: now.also,
                entry: own.remove(&facts.name).map(|entry| EntryView { matches: 1, ..entry }),
            });
        }
        for entry in self.all_tools.iter_mut().chain(&mut self.categories).chain(&mut self.patterns) {
            entry.matches = counts.get(&entry.key).copied().unwrap_or_default();
        }
        for name in &mut self.hide {
            name.matches = hidden.get(name.pattern.as_str()).copied().unwrap_or_default();
        }
    }
}

fn hidden(reader: &mut Reader<'_>, root: &Value<'_>) -> Vec<HiddenView> {
    let top = Pointer::root().key("hide");
    let names = list(root, "hide").iter().enumerate();
    names
        .map(|(index, value)| {
            let pattern = value.as_str().unwrap_or_default().to_owned();
            HiddenView {
                index,
                is_pattern: Glob::is_pattern(&pattern),
                matches: 0,
                line: reader.places.line(value.span.start),
                problems: reader.places.take(top.index(index).as_str()),
                pattern,
            }
        })
        .collect()
}
