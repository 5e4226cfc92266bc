//! A policy as its canonical text has it: every rule by its name, with its exact JSON.

use callgate_policy::Policy;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};

/// A policy, rule by rule.
pub(super) struct Canonical {
    /// `default`: whether tools that no entry lists are denied.
    pub(super) denies_unlisted: bool,
    /// `list`, where it is not `all`.
    pub(super) list: Option<String>,
    /// `hide`, in order.
    pub(super) hide: Vec<String>,
    /// The keys of `tools`.
    pub(super) tools: Vec<String>,
    /// The rules of every part: `all_tools`, `categories/…`, `tools/…`, and sections such as `resources`.
    pub(super) parts: BTreeMap<String, Part>,
}

/// What stands under one entry or section.
#[derive(Default)]
pub(super) struct Part {
    /// The rules in the document's order.
    pub(super) rules: Vec<Rule>,
}

/// One rule.
pub(super) struct Rule {
    /// Its name in records, such as `/tools/exec/deny_if/args.path-contains`.
    pub(super) name: String,
    /// The list that it stands in: `require`, `deny_if`, `approve_if`, `limits`, `validate_arguments`, `allow`, `deny`.
    pub(super) list: &'static str,
    /// Its line in the document as it was written, from 1.
    pub(super) line: u32,
    /// Its canonical JSON.
    pub(super) json: Box<RawValue>,
}

#[derive(Deserialize)]
struct Document {
    default: String,
    list: Option<String>,
    #[serde(default)]
    hide: Vec<String>,
    all_tools: Option<Entry>,
    #[serde(default)]
    categories: BTreeMap<String, Entry>,
    #[serde(default)]
    tools: BTreeMap<String, Entry>,
    resources: Option<Section>,
    prompts: Option<Section>,
    sampling: Option<Section>,
    elicitation: Option<Section>,
    roots: Option<Section>,
}

#[derive(Deserialize)]
struct Entry {
    validate_arguments: Option<Box<RawValue>>,
    #[serde(default)]
    require: Vec<Box<RawValue>>,
    #[serde(default)]
    deny_if: Vec<Box<RawValue>>,
    #[serde(default)]
    approve_if: Vec<Box<RawValue>>,
    #[serde(default)]
    limits: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Section {
    allow: Option<Box<RawValue>>,
    #[serde(default)]
    deny: Vec<Box<RawValue>>,
}

/// Name and line of every rule, by its pointer into the canonical text.
type Names = HashMap<String, (String, u32)>;

impl Canonical {
    /// Reads a policy. The canonical text is parsed again for its pointers: rules come in the same order in both.
    pub(super) fn of(policy: &Policy) -> Option<Self> {
        let text = policy.print();
        let again = Policy::parse(text.as_bytes()).ok()?;
        let written = policy.rules();
        let names: Names = again
            .rules()
            .into_iter()
            .zip(written)
            .map(|((rule, place), (_, written))| (place.pointer.to_string(), (rule.as_str().to_owned(), written.line)))
            .collect();
        Some(Self::read(serde_json::from_str(&text).ok()?, &names))
    }

    fn read(document: Document, names: &Names) -> Self {
        let Document { default, list, hide, all_tools, categories, tools, .. } = document;
        let keys = tools.keys().cloned().collect();
        let mut parts = BTreeMap::new();
        let mut add = |place: String, entry: Entry| {
            let part = entry.part(&place, names);
            parts.insert(place, part);
        };
        if let Some(entry) = all_tools {
            add("all_tools".to_owned(), entry);
        }
        categories.into_iter().for_each(|(key, entry)| add(format!("categories/{}", escaped(&key)), entry));
        tools.into_iter().for_each(|(key, entry)| add(format!("tools/{}", escaped(&key)), entry));
        for (name, section) in [
            ("resources", document.resources),
            ("prompts", document.prompts),
            ("sampling", document.sampling),
            ("elicitation", document.elicitation),
            ("roots", document.roots),
        ] {
            if let Some(section) = section {
                parts.insert(name.to_owned(), section.part(name, names));
            }
        }
        Self { denies_unlisted: default == "deny", list, hide, tools: keys, parts }
    }
}

impl Entry {
    fn part(self, place: &str, names: &Names) -> Part {
        let mut part = Part::default();
        if let Some(json) = self.validate_arguments {
            part.add(names, "validate_arguments", format!("/{place}/validate_arguments"), json);
        }
        for (list, rules) in [
            ("require", self.require),
            ("deny_if", self.deny_if),
            ("approve_if", self.approve_if),
            ("limits", self.limits),
        ] {
            for (index, json) in rules.into_iter().enumerate() {
                part.add(names, list, format!("/{place}/{list}/{index}"), json);
            }
        }
        part
    }
}

impl Section {
    fn part(self, place: &str, names: &Names) -> Part {
        let mut part = Part::default();
        if let Some(json) = self.allow {
            part.add(names, "allow", format!("/{place}/allow"), json);
        }
        for (index, json) in self.deny.into_iter().enumerate() {
            part.add(names, "deny", format!("/{place}/deny/{index}"), json);
        }
        part
    }
}

impl Part {
    fn add(&mut self, names: &Names, list: &'static str, pointer: String, json: Box<RawValue>) {
        let (name, line) = names.get(&pointer).cloned().unwrap_or((pointer, 0));
        self.rules.push(Rule { name, list, line, json });
    }
}

/// A key as a pointer has it (RFC 6901 section 3).
pub(super) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
