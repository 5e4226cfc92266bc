//! Entries and their rows.

use super::problems::Places;
use super::{ConditionView, EntryView, LimitView, ProblemView, ResultsView, RuleView, TextOnly};
use crate::builder::action::{Bearing, EntryKey, RowList};
use crate::builder::model::{Condition, Limit, Results, Rule};
use crate::builder::place::Level;
use crate::builder::reading::kind;
use crate::builder::rows::list;
use callgate_json::{Kind, Pointer, Value};

/// What rows are read with.
pub(super) struct Reader<'p> {
    /// The text.
    pub(super) source: &'p str,
    /// The problems that are left.
    pub(super) places: &'p mut Places,
}

/// A value and the pointer to it.
#[derive(Clone, Copy)]
pub(super) struct At<'a, 'v, 't> {
    pub(super) value: &'v Value<'t>,
    pub(super) pointer: &'a Pointer,
}

impl Reader<'_> {
    /// An entry. `offset` is where its key begins.
    pub(super) fn entry(&mut self, key: EntryKey, at: At<'_, '_, '_>, offset: usize) -> EntryView {
        let At { value, pointer } = at;
        let results = value.get("results").filter(|results| results.is_object());
        let inner = pointer.key("results");
        EntryView {
            line: self.places.line(offset),
            pointer: pointer.to_string(),
            choice: kind(value),
            matches: 0,
            description: value.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
            validate_arguments: value.get("validate_arguments").and_then(Value::as_bool).unwrap_or_default(),
            require: self.rules(&key, Bearing::Require, at),
            deny_if: self.rules(&key, Bearing::DenyIf, at),
            approve_if: self.rules(&key, Bearing::ApproveIf, at),
            limits: self.limits(&key, at),
            results: results.map(|value| self.results(&key, At { value, pointer: &inner })),
            text_only: self.text_only(at, Level::Entry),
            problems: self.places.take(pointer.as_str()),
            key,
        }
    }

    /// The problems of what the document says about itself, and of what it shows.
    pub(super) fn about(&mut self, top: &Pointer) -> Vec<ProblemView> {
        ["name", "description", "list"].iter().flat_map(|key| self.places.take(top.key(key).as_str())).collect()
    }

    /// Rules over results.
    pub(super) fn results(&mut self, key: &EntryKey, at: At<'_, '_, '_>) -> ResultsView {
        let results = Results::read(at.value);
        ResultsView {
            key: key.clone(),
            line: self.places.line(at.value.span.start),
            deny_if: self.rules(key, Bearing::ResultsDenyIf, at),
            text_only: self.text_only(at, Level::Results),
            problems: self.places.take(at.pointer.as_str()),
            summary: results.summary(),
            results,
        }
    }

    fn rules(&mut self, key: &EntryKey, bearing: Bearing, at: At<'_, '_, '_>) -> Vec<RuleView> {
        let pointer = at.pointer.key(bearing.key());
        let rows = list(at.value, bearing.key()).iter().enumerate();
        rows.map(|(index, value)| {
            let pointer = pointer.index(index);
            let at = At { value, pointer: &pointer };
            let rule = Rule::read(value, self.source);
            RuleView {
                list: RowList::new(key.clone(), bearing),
                index,
                line: self.places.line(value.span.start),
                conditions: self.conditions(at),
                summary: rule.summary(),
                text_only: self.text_only(at, Level::Rule),
                problems: self.places.take(pointer.as_str()),
                rule,
            }
        })
        .collect()
    }

    fn conditions(&mut self, at: At<'_, '_, '_>) -> Vec<ConditionView> {
        let mut views = Vec::new();
        for (any, key) in [(false, "conditions"), (true, "any")] {
            let pointer = at.pointer.key(key);
            for (index, value) in list(at.value, key).iter().enumerate() {
                let pointer = pointer.index(index);
                let condition = Condition::read(value, self.source);
                views.push(ConditionView {
                    any,
                    at: index,
                    line: self.places.line(value.span.start),
                    text_only: self.text_only(At { value, pointer: &pointer }, Level::Condition),
                    problems: self.places.take(pointer.as_str()),
                    condition,
                });
            }
        }
        views
    }

    fn limits(&mut self, key: &EntryKey, at: At<'_, '_, '_>) -> Vec<LimitView> {
        let pointer = at.pointer.key("limits");
        let rows = list(at.value, "limits").iter().enumerate();
        rows.map(|(index, value)| {
            let pointer = pointer.index(index);
            let limit = Limit::read(value);
            LimitView {
                list: RowList::new(key.clone(), Bearing::Limits),
                index,
                line: self.places.line(value.span.start),
                summary: limit.summary(),
                text_only: self.text_only(At { value, pointer: &pointer }, Level::Limit),
                problems: self.places.take(pointer.as_str()),
                limit,
            }
        })
        .collect()
    }

    /// The members that no field shows: unknown ones, and known ones of another kind than they should be. What is no
    /// object is not shown as a whole.
    pub(super) fn text_only(&mut self, at: At<'_, '_, '_>, level: Level) -> Vec<TextOnly> {
        if !at.value.is_object() {
            let key = at.pointer.as_str().rsplit('/').next().unwrap_or_default().to_owned();
            let line = self.places.line(at.value.span.start);
            return vec![TextOnly { key, line, problems: self.places.take(at.pointer.as_str()) }];
        }
        let unknown = at.value.members().iter().filter(|member| {
            let is_known = level.order().contains(&&*member.key);
            !(is_known && is_readable(&member.key, &member.value))
        });
        unknown
            .map(|member| TextOnly {
                key: member.key.to_string(),
                line: self.places.line(member.key_span.start),
                problems: self.places.take(at.pointer.key(&member.key).as_str()),
            })
            .collect()
    }
}

/// Whether a known member has the kind that the builder reads it as.
fn is_readable(key: &str, value: &Value<'_>) -> bool {
    match key {
        "value" | "version" | "$schema" => true,
        "mode" => matches!(value.as_str(), Some("enforce" | "shadow")),
        "strategy" => matches!(value.as_str(), Some("fixed" | "sliding")),
        "list" => matches!(value.as_str(), Some("all" | "callable")),
        "default" => matches!(value.as_str(), Some("allow" | "deny")),
        "max" | "max_bytes" => value.as_number().is_some(),
        "validate_arguments" | "concurrent" | "four_eyes" | "quiet" | "include_arguments" => value.as_bool().is_some(),
        "hide" | "require" | "deny_if" | "approve_if" | "limits" | "conditions" | "any" | "redact" => {
            matches!(value.kind, Kind::Array(_))
        }
        "all_tools" | "categories" | "tools" | "results" => value.is_object(),
        "resources" | "prompts" | "sampling" | "elicitation" | "roots" | "flows" | "tests" => false,
        _ => value.as_str().is_some(),
    }
}
