//! What a policy has to know of a tool before it can decide about a call.

use crate::model::{Condition, Policy, Predicate, ResultRules};
use crate::path::Subject;

impl Policy {
    /// Whether some rule looks at what tools are pinned as: their schema, category or annotations. Found out once.
    pub fn needs_definitions(&self) -> bool {
        *self.needs_definitions.get_or_init(|| {
            let of_results = |rules: &ResultRules| rules.deny_if.iter().any(of_predicate);
            !self.categories.is_empty()
                || self.flows_need_definitions()
                || self.results.as_ref().is_some_and(of_results)
                || self.entries().any(|entry| {
                    let lists = [&entry.require, &entry.deny_if, &entry.approve_if];
                    entry.validate_arguments.as_ref().is_some_and(|toggle| toggle.on)
                        || lists.into_iter().flatten().any(of_predicate)
                        || entry.results.as_ref().is_some_and(of_results)
                })
        })
    }
}

fn of_predicate(predicate: &Predicate) -> bool {
    predicate.conditions.iter().chain(&predicate.any).any(of_condition)
}

/// Whether a condition looks at what a tool is pinned as.
pub(crate) fn of_condition(condition: &Condition) -> bool {
    let subject = condition.path.as_ref().map(|path| path.subject());
    matches!(subject, Some(Subject::ToolCategory | Subject::ToolAnnotations(_)))
        || condition.operator.expression().is_some_and(|expression| expression.variables().contains(&"tool"))
}

#[cfg(test)]
mod tests {
    use crate::model::Policy;

    #[test]
    fn what_looks_at_definitions_is_known() {
        let when = |condition: &str| format!(r#""all_tools": {{ "deny_if": [{{ "conditions": [{condition}] }}] }}"#);
        let cases = [
            (r#""tools": { "a": {} }"#.to_owned(), false),
            (r#""tools": { "a": { "validate_arguments": true } }"#.to_owned(), true),
            (r#""tools": { "a": { "validate_arguments": false } }"#.to_owned(), false),
            (r#""categories": { "read": {} }"#.to_owned(), true),
            (r#""flows": [{ "name": "f", "after": { "tool": "a" }, "deny": { "tool": "b" } }]"#.to_owned(), false),
            (r#""flows": [{ "name": "f", "after": { "label": "egress" }, "deny": { "tool": "b" } }]"#.to_owned(), true),
            (r#""results": { "redact": ["secrets"] }"#.to_owned(), false),
            (
                r#""results": { "deny_if": [{ "conditions": [{ "path": "tool.category", "op": "eq", "value": "read" }] }] }"#
                    .to_owned(),
                true,
            ),
            (when(r#"{ "path": "tool.name", "op": "eq", "value": "a" }"#), false),
            (when(r#"{ "path": "tool.category", "op": "eq", "value": "read" }"#), true),
            (when(r#"{ "path": "tool.annotations.readOnlyHint", "op": "exists" }"#), true),
            (when(r#"{ "op": "cel", "value": "args.x == 1" }"#), false),
            (when(r#"{ "op": "cel", "value": "tool.category == 'read'" }"#), true),
        ];
        for (rules, needs) in cases {
            let document = format!(r#"{{ "version": "1", "default": "allow", {rules} }}"#);
            let policy = Policy::parse(document.as_bytes()).unwrap();
            assert_eq!(policy.needs_definitions(), needs, "{document}");
        }
    }
}
