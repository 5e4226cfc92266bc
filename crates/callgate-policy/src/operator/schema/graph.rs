//! A schema as a graph: which of its parts look at a value, and which at what the value holds.

use super::references::References;
use serde_json::Value;
use std::collections::HashMap;

/// The most parts that lead to each other.
const MAX_EDGES: usize = 200_000;
/// The most patterns: each is compiled.
const MAX_PATTERNS: usize = 500;
/// What a reference to one of the published meta-schemas costs, by far.
const META: u64 = 500;

/// A schema, part by part. The first part is the schema itself.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) parts: Vec<Part>,
    pub(super) patterns: usize,
    edges: usize,
}

/// One part of a schema.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// What it costs by itself.
    pub(super) weight: u64,
    /// How many patterns it puts to a text.
    pub(super) patterns: u64,
    /// Parts that look at the same value.
    pub(super) same: Vec<(Role, usize)>,
    /// Of each of these, one part looks at the same value; which one only the value tells.
    pub(super) one_of: Vec<Vec<usize>>,
    /// One of these looks at each thing that the value holds.
    pub(super) named: Vec<usize>,
    /// All of these look at each thing that the value holds.
    pub(super) each: Vec<usize>,
    /// It asks again what the others looked at.
    pub(super) asks_again: bool,
}

/// How a part is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Once.
    Plain,
    /// Once whether it holds, and where nothing does, once more why not.
    Choice,
}

const CHOICES: [&str; 2] = ["anyOf", "oneOf"];
const SAME: [&str; 4] = ["not", "if", "then", "else"];
const SAME_MAPS: [&str; 2] = ["dependentSchemas", "dependencies"];
const DEPENDENT: [&str; 2] = ["dependentRequired", "dependencies"];
const EACH: [&str; 7] = [
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "items",
    "additionalItems",
    "contains",
    "unevaluatedItems",
];

impl Graph {
    /// Reads a schema. The error says what of it can't be used.
    pub(super) fn of(schema: &Value) -> Result<Self, String> {
        let references = References::of(schema);
        let mut graph = Self::default();
        let mut building = Building { known: HashMap::new(), waiting: Vec::new() };
        building.part(&mut graph, schema);
        while let Some((index, schema)) = building.waiting.pop() {
            let part = graph.read(&mut building, &references, schema)?;
            if let Some(place) = graph.parts.get_mut(index) {
                *place = part;
            }
            if graph.edges > MAX_EDGES {
                return Err(format!("its parts lead to each other more than {MAX_EDGES} times"));
            }
            if graph.patterns > MAX_PATTERNS {
                return Err(format!("it has more than {MAX_PATTERNS} patterns"));
            }
        }
        Ok(graph)
    }

    fn read<'s>(
        &mut self,
        building: &mut Building<'s>,
        references: &References<'s>,
        schema: &'s Value,
    ) -> Result<Part, String> {
        let mut part = Part { weight: 1, ..Part::default() };
        let Value::Object(members) = schema else { return Ok(part) };
        let list = |key: &str| members.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let map = |key: &str| members.get(key).and_then(Value::as_object).into_iter().flat_map(|map| map.values());
        let mut of = |schema: &'s Value| {
            self.edges += 1;
            building.part(self, schema)
        };
        for key in CHOICES {
            part.same.extend(list(key).iter().map(|schema| (Role::Choice, of(schema))));
        }
        part.same.extend(list("allOf").iter().map(|schema| (Role::Plain, of(schema))));
        let choice = |key: &str| if matches!(key, "not" | "if") { Role::Choice } else { Role::Plain };
        for key in SAME {
            part.same.extend(members.get(key).map(|schema| (choice(key), of(schema))));
        }
        for key in SAME_MAPS {
            part.same.extend(map(key).filter(|schema| !schema.is_array()).map(|schema| (Role::Plain, of(schema))));
        }
        part.named.extend(map("properties").chain(list("prefixItems")).chain(list("items")).map(&mut of));
        part.each.extend(map("patternProperties").map(&mut of));
        for key in EACH {
            part.each.extend(members.get(key).filter(|schema| !schema.is_array()).map(&mut of));
        }
        let found = references.of_part(schema, members)?;
        for target in found.targets {
            let targets = target.into_iter().map(&mut of).collect();
            part.one_of.push(targets);
        }
        part.weight += META * found.published;
        let counted = ["enum", "required"].map(|key| list(key).len()).into_iter().sum::<usize>();
        // Each of these names is looked for in every object, whether or not one of them is there.
        let names = |names: &Value| 1 + names.as_array().map_or(0, Vec::len);
        let wanted = DEPENDENT.into_iter().flat_map(map).map(names).sum::<usize>();
        part.weight += u64::try_from(counted + wanted).unwrap_or(u64::MAX);
        part.patterns = u64::from(members.contains_key("pattern"));
        part.patterns += u64::try_from(map("patternProperties").count()).unwrap_or(u64::MAX);
        part.asks_again = ["unevaluatedProperties", "unevaluatedItems"].iter().any(|key| members.contains_key(*key));
        self.patterns += usize::try_from(part.patterns).unwrap_or(usize::MAX);
        Ok(part)
    }
}

/// Parts that are known, and those that were not read yet.
struct Building<'s> {
    known: HashMap<usize, usize>,
    waiting: Vec<(usize, &'s Value)>,
}

impl<'s> Building<'s> {
    /// The number of a part.
    fn part(&mut self, graph: &mut Graph, schema: &'s Value) -> usize {
        let place = std::ptr::from_ref(schema).addr();
        *self.known.entry(place).or_insert_with(|| {
            graph.parts.push(Part::default());
            self.waiting.push((graph.parts.len() - 1, schema));
            graph.parts.len() - 1
        })
    }
}
