//! What a tool's `inputSchema` says about a path: enough JSON Schema to tell kinds and names, never more than it says.

use crate::path::Step;
use callgate_json::{Kind, Value};

/// Most schemas that one look-up visits; a schema beyond that is taken to say nothing.
const MAX_VISITS: usize = 2_000;

/// What the schema says about a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding<'s> {
    /// Nothing that could be held against a rule.
    Unknown,
    /// There is no such property; the names that there are.
    NoSuchProperty {
        /// The missing key.
        key: String,
        /// Its siblings.
        known: Vec<&'s str>,
    },
    /// The path looks into something that has another kind: which step, and what it finds there.
    WrongContainer {
        /// How many steps lead to the value.
        steps: usize,
        /// The kinds that the schema names.
        kinds: Kinds,
    },
    /// The value has one of these kinds and, where the schema lists them, one of these values.
    Value {
        /// The kinds.
        kinds: Kinds,
        /// The canonical texts of the values, where they are listed.
        listed: Option<Vec<String>>,
    },
}

/// A set of JSON kinds. Empty means unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds(u8);

const NAMES: [(u8, &str); 6] =
    [(1, "null"), (2, "boolean"), (4, "number"), (8, "string"), (16, "array"), (32, "object")];

impl Kinds {
    pub(super) const NUMBER: Self = Self(4);
    pub(super) const STRING: Self = Self(8);
    pub(super) const ARRAY: Self = Self(16);
    pub(super) const OBJECT: Self = Self(32);

    pub(super) fn named(name: &str) -> Self {
        let name = if name == "integer" { "number" } else { name };
        NAMES.iter().find(|(_, known)| *known == name).map_or(Self(0), |(bit, _)| Self(*bit))
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn is_known(self) -> bool {
        self.0 != 0
    }

    /// Whether a value of these kinds can be of one of those.
    pub(super) fn may_be(self, other: Self) -> bool {
        !self.is_known() || self.0 & other.0 != 0
    }

    /// The kinds in words: `a string or a list`.
    pub(super) fn in_words(self) -> String {
        let words =
            [(2, "a boolean"), (4, "a number"), (8, "a string"), (16, "a list"), (32, "an object"), (1, "null")];
        let named: Vec<&str> = words.iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, word)| *word).collect();
        named.join(" or ")
    }
}

/// A tool's schema, ready to be asked.
pub(super) struct Schema<'s> {
    root: &'s Value<'s>,
}

impl<'s> Schema<'s> {
    pub(super) fn new(root: &'s Value<'s>) -> Self {
        Self { root }
    }

    /// What the schema says about the path with these steps into the arguments.
    pub(super) fn find(&self, steps: &[Step]) -> Finding<'s> {
        let mut visits = 0;
        let mut here = self.alternatives(self.root, &mut visits);
        for (index, step) in steps.iter().enumerate() {
            let kinds = self.kinds(&here);
            let container = match step {
                Step::Key(_) => Kinds::OBJECT,
                Step::Index(_) | Step::Any | Step::All | Step::Join => Kinds::ARRAY,
            };
            if !kinds.may_be(container) {
                return Finding::WrongContainer { steps: index, kinds };
            }
            let next = match step {
                Step::Key(key) => match self.property(&here, key) {
                    Ok(next) => next,
                    Err(finding) => return finding,
                },
                _ => self.items(&here),
            };
            if next.is_empty() || visits > MAX_VISITS {
                return if matches!(step, Step::Join) { joined() } else { Finding::Unknown };
            }
            here = next.into_iter().flat_map(|schema| self.alternatives(schema, &mut visits)).collect();
            if matches!(step, Step::Join) {
                let kinds = self.kinds(&here);
                return if kinds.may_be(Kinds::STRING) {
                    joined()
                } else {
                    Finding::WrongContainer { steps: index + 1, kinds }
                };
            }
        }
        Finding::Value { kinds: self.kinds(&here), listed: listed(&here) }
    }

    /// The names of the top level's properties whose value may be one of these kinds, and surely is known.
    pub(super) fn properties(&self) -> Vec<(&'s str, Finding<'s>)> {
        let members = self.root.get("properties").map(Value::members).unwrap_or_default();
        members.iter().map(|member| (&*member.key, self.find(&[Step::Key((&*member.key).into())]))).collect()
    }

    /// Whether the top level's property must be there.
    pub(super) fn requires(&self, key: &str) -> bool {
        let required = self.root.get("required").and_then(Value::as_array).unwrap_or_default();
        required.iter().any(|name| name.as_str() == Some(key))
    }

    /// The schemas that a value may have to meet: the schema itself, and those behind `$ref`, `anyOf`, `oneOf`,
    /// `allOf`.
    fn alternatives(&self, schema: &'s Value<'s>, visits: &mut usize) -> Vec<&'s Value<'s>> {
        let mut found = Vec::new();
        let mut open = vec![schema];
        while let Some(schema) = open.pop() {
            *visits += 1;
            if *visits > MAX_VISITS {
                return Vec::new();
            }
            found.push(schema);
            if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
                match self.resolve(reference) {
                    Some(target) => open.push(target),
                    None => return Vec::new(),
                }
            }
            for word in ["anyOf", "oneOf", "allOf"] {
                open.extend(schema.get(word).and_then(Value::as_array).unwrap_or_default());
            }
        }
        found
    }

    fn resolve(&self, reference: &str) -> Option<&'s Value<'s>> {
        let mut here = self.root;
        for token in reference.strip_prefix('#')?.split('/').skip(1) {
            here = here.get(&token.replace("~1", "/").replace("~0", "~"))?;
        }
        Some(here)
    }

    fn kinds(&self, schemas: &[&'s Value<'s>]) -> Kinds {
        let mut kinds = Kinds::default();
        for schema in schemas {
            match schema.get("type").map(|value| &value.kind) {
                Some(Kind::String(name)) => kinds = kinds.with(Kinds::named(name)),
                Some(Kind::Array(names)) => {
                    for name in names.iter().filter_map(Value::as_str) {
                        kinds = kinds.with(Kinds::named(name));
                    }
                }
                _ => {
                    let values = values(schema);
                    if values.is_empty() && !only_refers(schema) {
                        // An alternative that says nothing allows everything.
                        return Kinds::default();
                    }
                    for value in values {
                        kinds = kinds.with(Kinds::named(value.type_name()));
                    }
                }
            }
        }
        kinds
    }

    fn property(&self, schemas: &[&'s Value<'s>], key: &str) -> Result<Vec<&'s Value<'s>>, Finding<'s>> {
        let mut next = Vec::new();
        let mut known = Vec::new();
        let mut open = false;
        for schema in schemas {
            let properties = schema.get("properties");
            open |= schema.get("patternProperties").is_some();
            match schema.get("additionalProperties").map(|more| (more, &more.kind)) {
                Some((more, Kind::Object(members))) if !members.is_empty() => next.push(more),
                // Said out loud, so meant: any other property may be there.
                Some((_, Kind::Object(_) | Kind::Bool(true))) => open = true,
                _ => {}
            }
            known.extend(properties.map(Value::members).unwrap_or_default().iter().map(|member| &*member.key));
            if let Some(property) = properties.and_then(|properties| properties.get(key)) {
                return Ok(vec![property]);
            }
        }
        match (next.is_empty(), open || known.is_empty()) {
            (false, _) => Ok(next),
            (true, true) => Err(Finding::Unknown),
            (true, false) => Err(Finding::NoSuchProperty { key: key.to_owned(), known }),
        }
    }

    fn items(&self, schemas: &[&'s Value<'s>]) -> Vec<&'s Value<'s>> {
        let mut items: Vec<&Value<'_>> = Vec::new();
        for schema in schemas {
            items.extend(schema.get("prefixItems").and_then(Value::as_array).unwrap_or_default());
            items.extend(schema.get("items").filter(|items| items.is_object()));
        }
        items
    }
}

fn only_refers(schema: &Value<'_>) -> bool {
    ["$ref", "anyOf", "oneOf", "allOf"].iter().any(|word| schema.get(word).is_some())
}

fn joined<'s>() -> Finding<'s> {
    Finding::Value { kinds: Kinds::STRING, listed: None }
}

fn values<'s>(schema: &'s Value<'s>) -> Vec<&'s Value<'s>> {
    let listed = schema.get("enum").and_then(Value::as_array).unwrap_or_default();
    listed.iter().chain(schema.get("const")).collect()
}

/// The values that are listed; `None` where some alternative lists none.
fn listed(schemas: &[&Value<'_>]) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for schema in schemas {
        let values = values(schema);
        if values.is_empty() && !only_refers(schema) {
            return None;
        }
        all.extend(values.into_iter().map(callgate_json::canonical));
    }
    (!all.is_empty()).then_some(all)
}
