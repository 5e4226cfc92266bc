//! Intercept's YAML: rules whose conditions are requirements, counters beside them.

use super::limits::{self, Block, CounterNames, Terms};
use super::{Converted, Spot, Told, yaml};
use crate::layout::Json;
use crate::model::{Policy, Problem, Problems, Severity};
use crate::parse::wording::{shown, suggestion};
use callgate_json::{escape_token, write_string};
use std::collections::HashMap;

/// Converts a document of Intercept's.
pub(super) fn convert(input: &[u8]) -> Result<Converted, Problems> {
    let tree = yaml::read(input)?;
    let root = Spot::root(&tree);
    let mut conversion: Conversion = Default::default();
    let document = conversion.document(&root);
    let parsed = Policy::parse(document.text().as_bytes());
    let from_parser = match &parsed {
        Ok(policy) => policy.warnings(),
        Err(problems) => &problems.0,
    };
    // What the conversion already told is not told again by what became of it.
    if !conversion.told.0.iter().any(|problem| problem.severity == Severity::Error) {
        let placed: Vec<Problem> = from_parser.iter().map(|problem| conversion.at_its_origin(problem)).collect();
        conversion.told.0.extend(placed);
    }
    let mut problems = conversion.told.0;
    problems.sort_by_key(|problem| (problem.line, problem.column));
    match parsed {
        Ok(policy) if problems.iter().all(|problem| problem.severity == Severity::Warning) => {
            Ok(Converted { json: policy.print(), warnings: problems })
        }
        _ => Err(Problems(problems)),
    }
}

#[derive(Default)]
struct Conversion {
    told: Told,
    counters: CounterNames,
    /// Pointers into the result, with the line and column that they come from.
    origins: HashMap<String, (u32, u32, String)>,
}

/// The lists of one entry in the making.
#[derive(Default)]
struct Lists {
    require: Vec<Json>,
    deny_if: Vec<Json>,
    approve_if: Vec<Json>,
    limits: Vec<Json>,
}

impl Conversion {
    /// A problem of the result, told where it comes from.
    fn at_its_origin(&self, problem: &Problem) -> Problem {
        let mut pointer = problem.pointer.as_str();
        let mut placed = Problem { line: 1, column: 1, pointer: String::new(), ..problem.clone() };
        loop {
            if let Some((line, column, origin)) = self.origins.get(pointer) {
                (placed.line, placed.column, placed.pointer) = (*line, *column, origin.clone());
                return placed;
            }
            match pointer.rsplit_once('/') {
                Some((parent, _)) => pointer = parent,
                None => return placed,
            }
        }
    }

    fn came_from(&mut self, pointer: String, spot: &Spot<'_>) {
        self.origins.insert(pointer, (spot.node.line, spot.node.column, spot.pointer.clone()));
    }

    fn document(&mut self, root: &Spot<'_>) -> Json {
        if !root.node.is_map() {
            self.told.error(root, "the document has to be a map", "it begins with `version: \"1\"`");
        }
        only(&mut self.told, root, &["version", "description", "default", "hide", "tools"], "the document");
        if root.get("version").and_then(|spot| spot.text()) != Some("1") {
            let at = root.get("version").unwrap_or_else(|| root.clone());
            self.told.error(&at, "`version` has to be \"1\"", "this converts version 1 of Intercept's format");
        }
        let mut members = vec![("version".to_owned(), Json::string("1"))];
        if let Some(text) = root.get("description").and_then(|spot| spot.text()) {
            members.push(("description".to_owned(), Json::string(text)));
        }
        let default = self.unlisted(root);
        members.push(("default".to_owned(), Json::string(default)));
        members.extend(self.hide(root).map(|hide| ("hide".to_owned(), hide)));
        members.extend(self.tools(root));
        Json::Object(members)
    }

    /// Intercept allows what nothing lists unless the document says otherwise.
    fn unlisted(&mut self, root: &Spot<'_>) -> &'static str {
        match root.get("default") {
            None => "allow",
            Some(spot) => match spot.text() {
                Some("allow") => "allow",
                Some("deny") => "deny",
                _ => {
                    self.told.error(&spot, "`default` has to be `allow` or `deny`", "");
                    "deny"
                }
            },
        }
    }

    fn hide(&mut self, root: &Spot<'_>) -> Option<Json> {
        let hide = root.get("hide")?;
        if !hide.node.is_list() {
            self.told.error(&hide, "`hide` has to be a list", "");
        }
        let mut names = Vec::new();
        for (index, item) in hide.items().iter().enumerate() {
            match item.text() {
                Some(name) if name == "*" || !name.contains('*') => names.push(Json::string(name)),
                Some(name) => self.literal_star(item, name),
                None => self.told.error(item, "a name in `hide` has to be text", ""),
            }
            self.came_from(format!("/hide/{index}"), item);
        }
        Some(Json::List(names))
    }

    fn literal_star(&mut self, spot: &Spot<'_>, name: &str) {
        let message = format!("`{}` is one name for Intercept, and would be a pattern here", shown(name));
        self.told.error(spot, message, "names with `*` can't be written in policy.json: rename or remove it");
    }

    fn tools(&mut self, root: &Spot<'_>) -> Vec<(String, Json)> {
        let Some(tools) = root.get("tools") else {
            return Vec::new();
        };
        if !tools.node.is_map() {
            self.told.error(&tools, "`tools` has to be a map", "");
        }
        let (mut all, mut entries) = (None, Vec::new());
        for (name, spot) in tools.members() {
            if name == "*" {
                self.came_from("/all_tools".to_owned(), &spot);
                all = Some(self.entry(name, &spot, "/all_tools"));
            } else if name.contains('*') {
                self.literal_star(&spot, name);
            } else {
                let pointer = format!("/tools/{}", escape_token(name));
                self.came_from(pointer.clone(), &spot);
                entries.push((name.to_owned(), self.entry(name, &spot, &pointer)));
            }
        }
        let all = all.map(|entry| ("all_tools".to_owned(), entry));
        all.into_iter().chain([("tools".to_owned(), Json::Object(entries))]).collect()
    }

    fn entry(&mut self, tool: &str, spot: &Spot<'_>, pointer: &str) -> Json {
        only(&mut self.told, spot, &["rules"], "a tool");
        let mut lists = Lists::default();
        if let Some(rules) = spot.get("rules") {
            if !rules.node.is_list() {
                self.told.error(&rules, "`rules` has to be a list", "");
            }
            let rules = rules.items();
            let mut blocks: HashMap<&str, Block<'_>> = HashMap::new();
            for state in rules.iter().filter_map(|rule| rule.get("state")) {
                blocks.extend(limits::block(&mut self.told, &state));
            }
            for rule in &rules {
                self.rule(tool, rule, &mut blocks, &mut lists, pointer);
            }
            for state in rules.iter().filter_map(|rule| rule.get("state")) {
                let counter = state.get("counter").and_then(|spot| spot.text()).unwrap_or_default();
                if blocks.get(counter).is_some_and(|block| !block.limited) {
                    let message = format!("the counter `{}` limits nothing and is left out", shown(counter));
                    self.told.warning(&state, message, "no condition compares it with `lt` or `lte`");
                }
            }
        }
        let lists = [
            ("require", lists.require),
            ("deny_if", lists.deny_if),
            ("approve_if", lists.approve_if),
            ("limits", lists.limits),
        ];
        let filled = lists.into_iter().filter(|(_, items)| !items.is_empty());
        Json::Object(filled.map(|(name, items)| (name.to_owned(), Json::List(items))).collect())
    }

    fn rule(
        &mut self,
        tool: &str,
        rule: &Spot<'_>,
        blocks: &mut HashMap<&str, Block<'_>>,
        lists: &mut Lists,
        pointer: &str,
    ) {
        const KNOWN: [&str; 7] = ["name", "action", "rate_limit", "conditions", "on_deny", "state", "approval_timeout"];
        only(&mut self.told, rule, &KNOWN, "a rule");
        let text = |key: &str| rule.get(key).and_then(|spot| spot.text());
        let terms = Terms { tool, rule: text("name"), on_deny: text("on_deny") };
        let action = text("action").unwrap_or("evaluate");
        if let Some(timeout) = rule.get("approval_timeout").filter(|_| action != "require_approval") {
            self.told.error(&timeout, "`approval_timeout` needs `action: require_approval`", "");
        }
        let conditions = rule.get("conditions").map(|spot| spot.items()).unwrap_or_default();
        if let Some(rate) = rule.get("rate_limit") {
            if action != "evaluate" || !conditions.is_empty() || rule.get("state").is_some() {
                let hint = "Intercept refuses this too: write two rules";
                self.told.error(&rate, "`rate_limit` stands alone in its rule", hint);
            }
            self.came_from(format!("{pointer}/limits/{}", lists.limits.len()), rule);
            lists.limits.extend(limits::from_rate(&mut self.told, &mut self.counters, &rate, &terms));
            return;
        }
        let (state, args): (Vec<_>, Vec<_>) = conditions
            .into_iter()
            .partition(|c| c.get("path").and_then(|p| p.text()).is_some_and(|path| path.starts_with("state.")));
        match action {
            "evaluate" => {
                if state.is_empty() && args.is_empty() {
                    let hint = "Intercept refuses it too: add one, or remove the rule";
                    self.told.error(rule, "this rule has no conditions", hint);
                }
                for condition in &state {
                    self.came_from(format!("{pointer}/limits/{}", lists.limits.len()), condition);
                    let limit = limits::from_condition(&mut self.told, &mut self.counters, condition, blocks, &terms);
                    lists.limits.extend(limit);
                }
                if !args.is_empty() {
                    let at = format!("{pointer}/require/{}", lists.require.len());
                    lists.require.push(self.predicate(rule, &args, &terms, at));
                }
            }
            "deny" if state.is_empty() && args.is_empty() => {
                let at = format!("{pointer}/deny_if/{}", lists.deny_if.len());
                lists.deny_if.push(self.predicate(rule, &[], &terms, at));
            }
            "require_approval" if state.is_empty() => {
                let at = format!("{pointer}/approve_if/{}", lists.approve_if.len());
                lists.approve_if.push(self.predicate(rule, &args, &terms, at));
            }
            other => self.impossible(rule, other),
        }
    }

    /// Tells why a rule with this action has no counterpart.
    fn impossible(&mut self, rule: &Spot<'_>, action: &str) {
        match action {
            "deny" => {
                let hint = "Intercept refuses this too: a requirement is a rule with conditions and without an action";
                self.told.error(rule, "`action: deny` takes no conditions", hint);
            }
            "require_approval" => {
                self.told.error(rule, "an approval can't depend on a counter", "write a limit beside it");
            }
            other => {
                let hint = suggestion(other, &["evaluate", "deny", "require_approval"]);
                let at = rule.get("action").unwrap_or_else(|| rule.clone());
                self.told.error(&at, format!("`action` can't be `{}`", shown(other)), &hint);
            }
        }
    }

    fn predicate(&mut self, rule: &Spot<'_>, conditions: &[Spot<'_>], terms: &Terms<'_>, pointer: String) -> Json {
        let mut members = Vec::new();
        members.extend(terms.rule.map(|name| ("name", Json::string(name))));
        let mut converted = Vec::new();
        for condition in conditions {
            self.came_from(format!("{pointer}/conditions/{}", converted.len()), condition);
            converted.push(self.condition(condition));
        }
        self.came_from(pointer, rule);
        members.push(("conditions", Json::List(converted)));
        members.extend(terms.on_deny.map(|text| ("on_deny", Json::string(text))));
        let timeout = rule.get("approval_timeout").and_then(|spot| spot.text());
        members.extend(timeout.map(|text| ("timeout", Json::string(text))));
        Json::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    fn condition(&mut self, condition: &Spot<'_>) -> Json {
        only(&mut self.told, condition, &["path", "op", "value"], "a condition");
        let written = condition.get("path").and_then(|spot| spot.text()).unwrap_or_default();
        if !written.starts_with("args.") {
            let message = format!("`path` can't be `{}`", shown(written));
            self.told.error(condition, message, "Intercept's paths begin with `args.` or `state.`");
        }
        let op = condition.get("op").and_then(|spot| spot.text()).unwrap_or_default();
        let mut members = vec![("path", Json::string(&path(written))), ("op", Json::string(op))];
        // A null operand is left for the parser to judge, so it is not `get`.
        let value = condition.members().into_iter().find(|(key, _)| *key == "value").map(|(_, spot)| spot);
        if let Some(value) = value {
            self.printed_forms(op, &value);
            members.push(("value", value.node.json()));
        }
        Json::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// Intercept compares printed forms, so that `"5"` equals `5`; here kinds don't mix.
    fn printed_forms(&mut self, op: &str, value: &Spot<'_>) {
        if !matches!(op, "eq" | "neq" | "in" | "not_in") {
            return;
        }
        let operands = if value.node.is_list() { value.items() } else { vec![value.clone()] };
        let negative = op.starts_with('n');
        for operand in operands {
            let Some(text) = operand.text() else { continue };
            let is_string = matches!(operand.node.json(), Json::Raw(json) if json.starts_with('"'));
            let looks_typed = matches!(text, "true" | "false") || yaml::number(text).is_some();
            if looks_typed && (is_string || negative) {
                let kind = if is_string { "the string" } else { "the value" };
                let message = format!("`{op}` now compares {kind} `{}` only with its own kind", shown(text));
                let hint = "Intercept took `\"5\"` and `5` for equal; list both where a tool takes both";
                self.told.warning(&operand, message, hint);
            }
        }
    }
}

/// Tells about members that Intercept's format doesn't have, or that this can't convert.
pub(super) fn only(told: &mut Told, spot: &Spot<'_>, known: &[&str], what: &str) {
    for (key, member) in spot.members() {
        if key == "spend" {
            let hint = "write a limit with `increment_from`, naming the argument that holds the amount";
            told.error(&member, "`spend` budgets have no counterpart in policy.json", hint);
        } else if !known.contains(&key) {
            told.error(&member, format!("`{}` is no field of {what}", shown(key)), &suggestion(key, known));
        }
    }
}

/// Intercept's path, in which every dot descends, as ours.
pub(super) fn path(written: &str) -> String {
    let mut parts = written.split('.');
    let mut path = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$')) {
            path.push('.');
            path.push_str(part);
        } else {
            path.push('[');
            write_string(part, &mut path);
            path.push(']');
        }
    }
    path
}
