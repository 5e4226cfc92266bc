//! Rules on arguments that fit the shape which the schema really has.

use super::document::{Condition, Entry, Predicate, path};
use crate::classify::Classification;
use crate::tool::{Param, ParamType, Tool};
use crate::words::{identifier, prose};
use callgate_policy::Category;
use serde::Deserialize;
use serde_json::{Value, json};

/// What an argument of a certain name may not hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Guard {
    name: String,
    categories: Vec<String>,
    /// Whether the argument holds what the caller wants run.
    #[serde(default)]
    code: bool,
    params: String,
    #[serde(default)]
    with: String,
    #[serde(default)]
    needs: String,
    pattern: String,
    on_deny: String,
    example: String,
    #[serde(default)]
    example_with: String,
}

/// Adds the rules that fit; whether the argument that carries the code is covered by one.
pub(super) fn add(guards: &[Guard], tool: &Tool, found: &Classification, entry: &mut Entry) -> bool {
    let (mut covered, mut open) = (false, false);
    for guard in guards.iter().filter(|guard| guard.concerns(found) && guard.fits(tool)) {
        let main: Vec<&Param> = guard.named(&guard.params, tool);
        let paths: Vec<String> = main.iter().filter_map(|param| readable(param)).collect();
        covered |= guard.code && !paths.is_empty();
        open |= guard.code && paths.len() < main.len();
        let with = guard.named(&guard.with, tool);
        let rest = with.iter().filter_map(|param| readable(param));
        let rest: Vec<String> = if main.is_empty() { Vec::new() } else { rest.collect() };
        for (at, path) in paths.into_iter().chain(rest).enumerate() {
            entry.deny_if.push(Predicate {
                name: if at == 0 { guard.name.clone() } else { format!("{}-{}", guard.name, at + 1) },
                conditions: vec![Condition { path, op: "regex", value: Value::String(guard.pattern.clone()) }],
                on_deny: guard.on_deny.clone(),
            });
        }
    }
    covered && !open
}

/// Arguments that the guard `name` refuses, for the document's own tests.
pub(super) fn example(guards: &[Guard], tool: &Tool, rule: &str) -> Option<Value> {
    let guard = guards.iter().find(|guard| guard.name == rule)?;
    let value = |param: &Param, text: &str| match param.shape {
        ParamType::Strings => json!(text.split(' ').collect::<Vec<_>>()),
        _ => json!(text),
    };
    let mut args = serde_json::Map::new();
    let main = *guard.named(&guard.params, tool).iter().find(|param| readable(param).is_some())?;
    args.insert(main.name.clone(), value(main, &guard.example));
    if let Some(with) = guard.named(&guard.with, tool).into_iter().find(|param| readable(param).is_some()) {
        args.insert(with.name.clone(), value(with, &guard.example_with));
    }
    Some(Value::Object(args))
}

impl Guard {
    /// Whether the tool does something of the guard's categories.
    fn concerns(&self, found: &Classification) -> bool {
        let known = |category: Category| self.categories.iter().any(|name| name == category.as_str());
        known(found.category) || found.actions.is_some()
    }

    fn fits(&self, tool: &Tool) -> bool {
        if self.needs.is_empty() {
            return true;
        }
        let said = prose(&tool.description, 0);
        let known = |word: &str| self.needs.split_whitespace().any(|need| need == word);
        identifier(&tool.name).iter().chain(&said).any(|word| known(&word.text))
            || tool.params.iter().any(|param| known(&param.name.to_lowercase()))
    }

    fn named<'t>(&self, names: &str, tool: &'t Tool) -> Vec<&'t Param> {
        let known = |param: &&Param| {
            let name = param.name.to_lowercase();
            param.values.is_empty() && names.split_whitespace().any(|known| known == name)
        };
        tool.params.iter().filter(known).collect()
    }
}

/// The path under which a rule sees the whole argument as one text; `None` where the schema allows more than one shape,
/// so that a rule would refuse honest calls.
fn readable(param: &Param) -> Option<String> {
    let path = path(&param.name)?;
    match param.shape {
        ParamType::String => Some(path),
        ParamType::Strings => Some(format!("{path}[join]")),
        _ => None,
    }
}
