//! Advice: what a policy's rules can't do on the tools that a server has.

use super::shape::{Finding, Kinds, Schema};
use super::{commands, flows};
use super::{conditions, odd_characters, skeleton};
use crate::call::Definition;
use crate::decision::Place;
use crate::glob::Glob;
use crate::model::{Condition, Entry, Limit, Policy, Problem, Severity, TestSubject};
use crate::operator::Reads;
use crate::parse::wording::{nearest, quoted, shown};
use crate::path::{Path, Step};
use callgate_json::{Kind, Limits, Value, canonical, line_column, parse};

/// So many warnings are given at most: nobody reads more, and each is compared with those before it.
const MOST: usize = 1_000;

/// Warns about rules that can't mean what they say on these tools: a `tools/list` answer, one definition per tool.
/// In document order; problems of the tools themselves come first.
pub fn advise(policy: &Policy, definitions: &[Definition]) -> Vec<Problem> {
    let mut advice = Advice { found: Vec::new() };
    let schemas: Vec<Option<Value<'_>>> = definitions.iter().map(|tool| advice.schema(tool)).collect();
    let tools: Vec<Tool<'_>> = definitions
        .iter()
        .zip(&schemas)
        .map(|(definition, schema)| Tool { name: &definition.name, schema: schema.as_ref().map(Schema::new) })
        .collect();
    advice.names(policy, &tools);
    flows::advise(&mut advice, policy, definitions, &tools);
    for entry in &policy.tools.entries {
        let glob = Glob::new(&entry.pattern);
        let matching: Vec<&Tool<'_>> = tools.iter().filter(|tool| glob.matches(tool.name)).collect();
        advice.entry(entry, &matching);
    }
    let every: Vec<&Tool<'_>> = tools.iter().collect();
    if let Some(entry) = &policy.all_tools {
        advice.entry(entry, &every);
    }
    for (category, entry) in &policy.categories {
        let meant = definitions.iter().zip(&tools);
        // A tool that nobody has classified may be of any category.
        let meant = meant.filter(|(definition, _)| definition.category.is_none_or(|known| known == *category));
        advice.entry(entry, &meant.map(|(_, tool)| tool).collect::<Vec<_>>());
    }
    advice.finish(policy)
}

/// A tool with what its definition says about arguments.
pub(super) struct Tool<'s> {
    pub(super) name: &'s str,
    pub(super) schema: Option<Schema<'s>>,
}

/// Advice in the making.
pub(super) struct Advice {
    found: Vec<Problem>,
}

impl Advice {
    /// Adds a warning at a place of the policy.
    pub(super) fn warn(&mut self, code: &'static str, place: &Place, message: String, hint: impl Into<String>) {
        if self.found.len() >= MOST {
            return;
        }
        let (line, column) = (place.line, 1);
        let (pointer, hint) = (place.pointer.to_string(), hint.into());
        let problem = Problem { code, severity: Severity::Warning, line, column, pointer, message, hint };
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    fn schema<'s>(&mut self, tool: &'s Definition) -> Option<Value<'s>> {
        let text = tool.input_schema.as_deref()?;
        match parse(text.as_bytes(), &Limits::default()) {
            Ok(schema) => Some(schema),
            Err(error) => {
                let place = Place { source: crate::Source::Policy, pointer: "".into(), line: 1 };
                let message = format!("the `inputSchema` of `{}` can't be read: {error}", shown(&tool.name));
                self.warn("CG1207", &place, message, "no rule on this tool's arguments could be checked");
                None
            }
        }
    }

    /// Names and patterns that match no tool.
    fn names(&mut self, policy: &Policy, tools: &[Tool<'_>]) {
        let hidden = policy.hide.patterns.iter().map(|(name, place)| (name, place));
        let listed = policy.tools.entries.iter().map(|entry| (&entry.pattern, &entry.place));
        let tested = policy.tests.iter().filter_map(|test| match &test.subject {
            TestSubject::Tool(tool) => Some((tool, &test.place)),
            TestSubject::Reach(..) => None,
        });
        for (name, place) in hidden.chain(listed).chain(tested) {
            let glob = Glob::new(name);
            if tools.iter().any(|tool| glob.matches(tool.name)) {
                continue;
            }
            let looks = skeleton(name);
            if let Some(twin) = tools.iter().find(|tool| skeleton(tool.name) == looks) {
                let message =
                    format!("`{}` looks like the server's `{}`, and is another name", shown(name), shown(twin.name));
                self.warn("CG1206", place, message, odd_characters(name, twin.name));
                continue;
            }
            let message = if Glob::is_pattern(name) {
                format!("no tool matches `{}`", shown(name))
            } else {
                format!("the server has no tool `{}`", shown(name))
            };
            self.warn("CG1201", place, message, missing_tool_hint(name, tools));
        }
    }

    fn entry(&mut self, entry: &Entry, tools: &[&Tool<'_>]) {
        let predicates = entry.require.iter().chain(&entry.deny_if).chain(&entry.approve_if);
        for condition in predicates.flat_map(conditions) {
            self.condition(condition, tools);
        }
        for limit in &entry.limits {
            self.increment(limit, tools);
        }
        for tool in tools {
            commands::half_looked_at(self, entry, tool);
        }
    }

    /// What a condition can't do on these tools.
    pub(super) fn condition(&mut self, condition: &Condition, tools: &[&Tool<'_>]) {
        let Some(steps) = condition.path.as_ref().and_then(Path::argument_steps) else {
            return;
        };
        let text = condition.path.as_ref().map(Path::text).unwrap_or_default();
        let mut missing = None;
        let mut found = false;
        for tool in tools {
            match tool.schema.as_ref().map(|schema| schema.find(steps)) {
                None | Some(Finding::Unknown) => found = true,
                Some(Finding::NoSuchProperty { key, known }) => missing = missing.or(Some((tool.name, key, known))),
                Some(Finding::WrongContainer { steps: depth, kinds }) => {
                    found = true;
                    let part = part_of(steps, depth);
                    let message =
                        format!("`{}`: `{part}` of `{}` is {}", shown(text), shown(tool.name), kinds.in_words());
                    self.warn("CG1203", &condition.place, message, container_hint(&part, kinds));
                }
                Some(Finding::Value { kinds, listed }) => {
                    found = true;
                    self.operator(condition, tool.name, text, kinds, listed.as_deref());
                }
            }
        }
        // A rule for many tools may look at what only some of them have.
        if let Some((tool, key, known)) = missing.filter(|_| !found) {
            let message =
                format!("`{}` has no argument `{}` that `{}` could look at", shown(tool), shown(&key), shown(text));
            self.warn("CG1202", &condition.place, message, known_hint(&key, &known));
        }
    }

    fn operator(&mut self, condition: &Condition, tool: &str, path: &str, kinds: Kinds, listed: Option<&[String]>) {
        let name = condition.operator.name();
        let readable = match condition.operator.info().reads {
            Reads::Numbers => Kinds::NUMBER,
            Reads::Strings => Kinds::STRING,
            Reads::StringsAndArrays => Kinds::STRING.with(Kinds::ARRAY),
            Reads::Anything | Reads::Call => return self.operand(condition, tool, path, kinds, listed),
        };
        if kinds.may_be(readable) {
            return;
        }
        let message = format!(
            "`{name}` reads {}, but `{}` of `{}` is {}",
            readable.in_words(),
            shown(path),
            shown(tool),
            kinds.in_words()
        );
        let hint = if kinds == Kinds::ARRAY && readable == Kinds::STRING {
            format!(
                "write `{0}[join]` for all elements joined with blanks, or `{0}[*]` for any one of them",
                shown(path)
            )
        } else {
            "a value of another kind makes `require` refuse, and `deny_if` fire".to_owned()
        };
        self.warn("CG1203", &condition.place, message, hint);
    }

    /// Whether `eq`, `neq`, `in` and `not_in` compare with something that can occur.
    fn operand(&mut self, condition: &Condition, tool: &str, path: &str, kinds: Kinds, listed: Option<&[String]>) {
        let name = condition.operator.name();
        let operand = condition.operator.operand().filter(|_| matches!(name, "eq" | "neq" | "in" | "not_in"));
        let Some(operand) = operand.and_then(|text| parse(text.as_bytes(), &Limits::default()).ok()) else {
            return;
        };
        let operands = match &operand.kind {
            Kind::Array(items) if matches!(name, "in" | "not_in") => items.iter().collect(),
            _ => vec![&operand],
        };
        for value in operands {
            let text = canonical(value);
            if !kinds.may_be(Kinds::named(value.type_name())) {
                let message = format!(
                    "`{}` of `{}` is {}, and never equals `{}`",
                    shown(path),
                    shown(tool),
                    kinds.in_words(),
                    shown(&text)
                );
                let hint = if kinds == Kinds::ARRAY {
                    format!("write `{0}[*]` for any one element, or `{0}[join]` for all of them", shown(path))
                } else {
                    "kinds don't mix: `\"1\"` is not `1`".to_owned()
                };
                self.warn("CG1203", &condition.place, message, hint);
            } else if listed.is_some_and(|listed| !listed.contains(&text)) {
                let listed: Vec<&str> = listed.unwrap_or_default().iter().map(|v| v.trim_matches('"')).collect();
                let message = format!("`{}` of `{}` is never `{}`", shown(path), shown(tool), shown(&text));
                let hint = match nearest(text.trim_matches('"'), &listed) {
                    Some(near) => format!("did you mean `{near}`? It can be {}", quoted(&listed)),
                    None => format!("it can be {}", quoted(&listed)),
                };
                self.warn("CG1204", &condition.place, message, hint);
            }
        }
    }

    fn increment(&mut self, limit: &Limit, tools: &[&Tool<'_>]) {
        let Some(path) = &limit.increment_from else {
            return;
        };
        let steps = path.argument_steps().unwrap_or_default();
        let hint = "a call whose amount can't be read is denied as a fault";
        for tool in tools {
            let Some(schema) = &tool.schema else { continue };
            match schema.find(steps) {
                Finding::Unknown => {}
                Finding::NoSuchProperty { key, .. } => {
                    let message = format!("`{}` has no argument `{}` to charge", shown(tool.name), shown(&key));
                    self.warn("CG1202", &limit.place, message, hint);
                }
                Finding::WrongContainer { kinds, .. } | Finding::Value { kinds, .. } => {
                    let optional = matches!(steps, [Step::Key(key)] if !schema.requires(key));
                    if !kinds.may_be(Kinds::NUMBER) {
                        let message = format!(
                            "`{}` of `{}` is {}, and can't be charged",
                            shown(path.text()),
                            shown(tool.name),
                            kinds.in_words()
                        );
                        self.warn("CG1203", &limit.place, message, hint);
                    } else if optional {
                        let message = format!("`{}` of `{}` may be left out", shown(path.text()), shown(tool.name));
                        self.warn("CG1202", &limit.place, message, hint);
                    }
                }
            }
        }
    }

    /// The advice in document order, with columns.
    fn finish(mut self, policy: &Policy) -> Vec<Problem> {
        let limits = Limits { max_bytes: usize::MAX, ..Limits::default() };
        let document = parse(policy.source(), &limits).ok();
        let mut placed: Vec<(usize, Problem)> = Vec::new();
        for mut problem in self.found.drain(..) {
            let offset = document.as_ref().and_then(|root| offset_of(root, &problem.pointer)).unwrap_or(0);
            if offset > 0 {
                (problem.line, problem.column) = line_column(policy.source(), offset);
            }
            placed.push((offset, problem));
        }
        placed.sort_by_key(|(offset, _)| *offset);
        placed.into_iter().map(|(_, problem)| problem).collect()
    }
}

/// Where the value that a pointer names begins; an entry begins at its key.
fn offset_of(root: &Value<'_>, pointer: &str) -> Option<usize> {
    let mut here = root;
    let mut offset = root.span.start;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        if let Some(items) = here.as_array() {
            here = items.get(token.parse::<usize>().ok()?)?;
            offset = here.span.start;
        } else {
            let member = here.members().iter().find(|member| member.key == token)?;
            here = &member.value;
            offset = member.key_span.start;
        }
    }
    Some(offset)
}

/// The part of a path that the first steps make.
fn part_of(steps: &[Step], depth: usize) -> String {
    let mut part = "args".to_owned();
    for step in steps.iter().take(depth) {
        match step {
            Step::Key(key) => {
                part.push('.');
                part.push_str(key);
            }
            Step::Index(index) => part.push_str(&format!("[{index}]")),
            Step::Any => part.push_str("[*]"),
            Step::All => part.push_str("[all]"),
            Step::Join => part.push_str("[join]"),
        }
    }
    part
}

fn container_hint(part: &str, kinds: Kinds) -> String {
    if kinds == Kinds::ARRAY {
        format!("write `{part}[*]` to look into any element")
    } else {
        format!("nothing can be looked up in it: look at `{part}` itself")
    }
}

fn known_hint(key: &str, known: &[&str]) -> String {
    match nearest(key, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("its arguments: {}", quoted(known.get(..known.len().min(20)).unwrap_or_default())),
    }
}

/// The nearest tool, or the tools that do under `action` what the missing name says.
fn missing_tool_hint(name: &str, tools: &[Tool<'_>]) -> String {
    let names: Vec<&str> = tools.iter().map(|tool| tool.name).collect();
    let behind = commands::behind_an_argument(name, tools);
    if !behind.is_empty() {
        return format!("behind an argument instead: {}; write a `deny_if` on it", behind.join(", "));
    }
    match nearest(name, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("its tools: {}", quoted(names.get(..names.len().min(20)).unwrap_or_default())),
    }
}
