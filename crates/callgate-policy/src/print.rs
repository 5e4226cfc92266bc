//! A policy as its canonical policy.json: fixed order, older spellings rewritten, defaults left out.

use crate::decision::Outcome;
use crate::history::FlowVerdict;
use crate::layout::Json;
use crate::ledger::Unit;
use crate::model::{
    Ask, AskTerms, Condition, EarlierCall, Entry, Flow, FlowScope, Limit, ListMode, Matcher, Mode, Policy, Predicate,
    ResultRules, Section, Strategy, TestCase, TestSubject, Unlisted, Wanted, Window, Within,
};
use crate::parse::duration;
use std::sync::Arc;

impl Policy {
    /// The canonical policy.json text. Parsing it gives an equal policy, and printing that gives the same text.
    pub fn print(&self) -> String {
        let mut members = Members::default();
        members.text("$schema", self.schema.as_ref());
        members.word("version", "1");
        members.text("name", self.name.as_ref());
        members.text("description", self.description.as_ref());
        members.word("default", if self.default == Unlisted::Allow { "allow" } else { "deny" });
        if self.list == ListMode::Callable {
            members.word("list", "callable");
        }
        members.list("hide", self.hide.patterns.iter().map(|(name, _)| Json::string(name)));
        if let Some(all) = &self.all_tools {
            members.add("all_tools", entry(all));
        }
        let categories = self.categories.iter().map(|(category, rules)| (category.as_str().to_owned(), entry(rules)));
        members.object("categories", categories);
        members.object("tools", self.tools.entries.iter().map(|rules| (rules.pattern.to_string(), entry(rules))));
        for (kind, section) in self.sections.iter() {
            members.add(kind.section(), printed(section));
        }
        members.list("flows", self.flows.iter().map(flow));
        if let Some(rules) = &self.results {
            members.add("results", results(rules));
        }
        members.list("tests", self.tests.iter().map(test));
        members.json().text()
    }
}

/// The members of an object in the making.
#[derive(Default)]
struct Members(Vec<(String, Json)>);

impl Members {
    fn add(&mut self, key: &str, value: Json) {
        self.0.push((key.to_owned(), value));
    }

    fn word(&mut self, key: &str, value: &str) {
        self.add(key, Json::string(value));
    }

    fn text(&mut self, key: &str, value: Option<&Arc<str>>) {
        if let Some(value) = value {
            self.word(key, value);
        }
    }

    fn duration(&mut self, key: &str, milliseconds: Option<u64>) {
        if let Some(milliseconds) = milliseconds {
            self.word(key, &duration::write(milliseconds));
        }
    }

    fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.add(key, Json::bool(true));
        }
    }

    fn shadow(&mut self, mode: Mode) {
        if mode == Mode::Shadow {
            self.word("mode", "shadow");
        }
    }

    fn list(&mut self, key: &str, items: impl Iterator<Item = Json>) {
        let items: Vec<Json> = items.collect();
        if !items.is_empty() {
            self.add(key, Json::List(items));
        }
    }

    fn object(&mut self, key: &str, members: impl Iterator<Item = (String, Json)>) {
        let members: Vec<(String, Json)> = members.collect();
        if !members.is_empty() {
            self.add(key, Json::Object(members));
        }
    }

    fn json(self) -> Json {
        Json::Object(self.0)
    }
}

fn printed(section: &Section) -> Json {
    let mut members = Members::default();
    members.text("description", section.description.as_ref());
    for (key, list) in [("allow", &section.allow), ("deny", &section.deny)] {
        if let Some(list) = list {
            // Also where it is empty: that allows nothing.
            members.add(key, Json::List(list.patterns.iter().map(|pattern| Json::string(&pattern.text)).collect()));
        }
    }
    members.json()
}

fn entry(entry: &Entry) -> Json {
    let mut members = Members::default();
    members.text("description", entry.description.as_ref());
    if let Some(toggle) = &entry.validate_arguments {
        members.add("validate_arguments", Json::bool(toggle.on));
    }
    members.list("require", entry.require.iter().map(predicate));
    members.list("deny_if", entry.deny_if.iter().map(predicate));
    members.list("approve_if", entry.approve_if.iter().map(predicate));
    members.list("limits", entry.limits.iter().map(limit));
    if let Some(rules) = &entry.results {
        members.add("results", results(rules));
    }
    members.json()
}

pub(crate) fn results(rules: &ResultRules) -> Json {
    let mut members = Members::default();
    members.text("description", rules.description.as_ref());
    members.list("redact", rules.redact.iter().flat_map(|redact| &redact.wanted).map(wanted));
    if let Some(bound) = &rules.max_bytes {
        members.add("max_bytes", Json::Raw(bound.most.to_string()));
    }
    // Also where it is empty: a document may hold nothing else.
    if !rules.deny_if.is_empty() || (rules.redact.is_none() && rules.max_bytes.is_none()) {
        members.add("deny_if", Json::List(rules.deny_if.iter().map(predicate).collect()));
    }
    members.text("on_deny", rules.on_deny.as_ref());
    members.shadow(rules.mode);
    members.json()
}

fn wanted(wanted: &Wanted) -> Json {
    match wanted {
        Wanted::Known(name) => Json::string(name),
        Wanted::Own { name, regex } => {
            let mut members = Members::default();
            members.text("name", Some(name));
            members.text("regex", Some(regex));
            members.json()
        }
    }
}

pub(crate) fn predicate(predicate: &Predicate) -> Json {
    let mut members = Members::default();
    members.text("name", predicate.name.as_ref());
    members.text("description", predicate.description.as_ref());
    let conditions: Vec<Json> = predicate.conditions.iter().map(condition).collect();
    if !conditions.is_empty() || predicate.any.is_empty() {
        members.add("conditions", Json::List(conditions));
    }
    members.list("any", predicate.any.iter().map(condition));
    members.text("on_deny", predicate.on_deny.as_ref());
    ask(&predicate.ask, &mut members);
    members.shadow(predicate.mode);
    members.flag("quiet", predicate.quiet);
    members.json()
}

fn ask(terms: &AskTerms, members: &mut Members) {
    members.duration("timeout", terms.timeout_ms);
    match terms.ask {
        Ask::Retry => {}
        Ask::Hold => members.word("ask", "hold"),
        Ask::Client => members.word("ask", "client"),
    }
    members.duration("hold_for", terms.hold_for_ms);
    members.flag("four_eyes", terms.four_eyes);
    members.duration("remember_for", terms.remember_for_ms);
    members.flag("include_arguments", terms.include_arguments);
}

fn condition(condition: &Condition) -> Json {
    let mut members = Members::default();
    if let Some(path) = &condition.path {
        members.word("path", path.text());
    }
    members.word("op", condition.operator.name());
    if let Some(operand) = condition.operator.operand() {
        members.add("value", Json::Raw(operand.to_owned()));
    }
    members.json()
}

pub(crate) fn limit(limit: &Limit) -> Json {
    let mut members = Members::default();
    members.word("counter", &limit.counter);
    members.text("description", limit.description.as_ref());
    match duration::write_window(limit.window) {
        Some(window) => members.word("window", &window),
        None => members.flag("concurrent", limit.window == Window::Concurrent),
    }
    members.add("max", Json::Raw(limit.max.to_string()));
    members.word("scope", limit.scope.as_str());
    if let Unit::Path(path) = &limit.unit {
        members.word("increment_from", path);
    }
    if limit.strategy == Strategy::Sliding {
        members.word("strategy", "sliding");
    }
    members.text("on_deny", limit.on_deny.as_ref());
    members.shadow(limit.mode);
    members.json()
}

pub(crate) fn flow(flow: &Flow) -> Json {
    let mut members = Members::default();
    members.word("name", &flow.name);
    members.text("description", flow.description.as_ref());
    match &flow.verdict {
        FlowVerdict::Require => {
            members.add("before", matcher(&flow.later));
            members.add("require", matcher(&flow.earlier));
        }
        FlowVerdict::Deny | FlowVerdict::Approve(_) => members.add("after", matcher(&flow.earlier)),
    }
    match flow.within {
        None => {}
        Some(Within::Session) => members.word("within", "session"),
        Some(Within::Span(span)) => members.duration("within", Some(span)),
    }
    match &flow.scope {
        None => {}
        Some(FlowScope::Session) => members.word("scope", "session"),
        Some(FlowScope::Grant) => members.word("scope", "grant"),
        Some(FlowScope::Trace) => members.word("scope", "trace"),
        Some(FlowScope::Identity) => members.word("scope", "identity"),
        Some(FlowScope::Tag(key)) => members.word("scope", &format!("tag:{key}")),
    }
    match &flow.verdict {
        FlowVerdict::Require => {}
        FlowVerdict::Deny => members.add("deny", matcher(&flow.later)),
        FlowVerdict::Approve(terms) => {
            members.add("approve", matcher(&flow.later));
            ask(terms, &mut members);
        }
    }
    members.text("on_deny", flow.on_deny.as_ref());
    members.shadow(flow.mode);
    members.json()
}

fn matcher(matcher: &Matcher) -> Json {
    let mut members = Members::default();
    match matcher.tools.names().as_slice() {
        [one] => members.word(matcher.tools.kind(), one),
        many => members.list(matcher.tools.kind(), many.iter().map(|name| Json::string(name))),
    }
    members.list("conditions", matcher.conditions.iter().map(condition));
    members.json()
}

fn test(test: &TestCase) -> Json {
    let mut members = Members::default();
    members.word("name", &test.name);
    match &test.subject {
        TestSubject::Tool(tool) => members.word("tool", tool),
        TestSubject::Reach(kind, subject) => members.word(kind.as_str(), subject),
    }
    if let Some(args) = &test.args {
        members.add("args", Json::Raw(args.to_string()));
    }
    let earlier = |call: &EarlierCall| {
        let mut members = Members::default();
        members.word("tool", &call.tool);
        if let Some(args) = &call.args {
            members.add("args", Json::Raw(args.to_string()));
        }
        members.json()
    };
    members.list("after", test.after.iter().map(earlier));
    if test.calls != 1 {
        members.add("calls", Json::Raw(test.calls.to_string()));
    }
    members.text("grant", test.grant.as_ref());
    members.text("at", test.at.as_ref());
    if let Some(result) = &test.result {
        members.add("result", Json::Raw(result.to_string()));
    }
    if let Some(names) = &test.redacts {
        members.add("redacts", Json::List(names.iter().map(|name| Json::string(name)).collect()));
    }
    members.word(
        "expect",
        match test.expect {
            Outcome::Allow => "allow",
            Outcome::Deny => "deny",
            Outcome::Approve => "approve",
        },
    );
    members.text("rule", test.rule.as_ref());
    members.json()
}
