//! Clicks, written as the fields of forms.

use super::{ANY, CONDITIONS, Names};
use crate::builder::action::{Action, Group, RowList};
use crate::builder::model::{Condition, Limit, Redact, Results, Rule};
use callgate_policy::Unlisted;

type Fields = Vec<(&'static str, String)>;

impl Action {
    /// The fields that [`Action::of_form`] reads back: for buttons.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("action", self.word().to_owned())];
        self.rest(&mut fields);
        fields
    }

    /// The word that names it in forms.
    fn word(&self) -> &'static str {
        match self {
            Self::Choose { .. } => "choose",
            Self::Bulk { .. } => "bulk",
            Self::Recommended { .. } => "recommended",
            Self::SetDefault(_) => "default",
            Self::SetList { .. } => "list",
            Self::SetAbout { .. } => "about",
            Self::Hide { .. } => "hide",
            Self::Unhide { .. } => "unhide",
            Self::AddEntry { .. } => "add_entry",
            Self::RemoveEntry { .. } => "remove_entry",
            Self::SetEntry { .. } => "entry",
            Self::AddRule { .. } => "add_rule",
            Self::EditRule { .. } => "edit_rule",
            Self::SetMessage { .. } => "message",
            Self::AddCondition { .. } => "add_condition",
            Self::EditCondition { .. } => "edit_condition",
            Self::RemoveCondition { .. } => "remove_condition",
            Self::AddLimit { .. } => "add_limit",
            Self::EditLimit { .. } => "edit_limit",
            Self::RemoveRow { .. } => "remove_row",
            Self::SetResults { .. } => "results",
        }
    }

    fn rest(&self, fields: &mut Fields) {
        match self {
            Self::Choose { tool, choice } => {
                fields.extend([("tool", tool.clone()), ("choice", choice.as_str().to_owned())]);
            }
            Self::Bulk { group, choice } => {
                fields.extend([("group", group.to_form()), ("choice", choice.as_str().to_owned())]);
            }
            Self::Recommended { tool } => fields.extend(tool.iter().map(|tool| ("tool", tool.clone()))),
            Self::SetDefault(unlisted) => {
                fields.push(("default", if *unlisted == Unlisted::Allow { "allow" } else { "deny" }.to_owned()));
            }
            Self::SetList { callable } => {
                fields.push(("list", if *callable { "callable" } else { "all" }.to_owned()));
            }
            Self::SetAbout { name, description } => {
                fields.extend([("name", name.clone()), ("description", description.clone())]);
            }
            Self::Hide { pattern } => fields.push(("pattern", pattern.clone())),
            Self::Unhide { index } => fields.push(("index", index.to_string())),
            Self::AddEntry { entry } | Self::RemoveEntry { entry } => fields.push(("entry", entry.to_form())),
            Self::SetEntry { entry, description, validate_arguments } => {
                fields.extend([("entry", entry.to_form()), ("description", description.clone())]);
                flag(fields, "validate_arguments", *validate_arguments);
            }
            Self::AddLimit { entry, limit } => {
                fields.push(("entry", entry.to_form()));
                limit_fields(fields, limit);
            }
            Self::EditLimit { entry, index, limit } => {
                fields.extend([("entry", entry.to_form()), ("index", index.to_string())]);
                limit_fields(fields, limit);
            }
            Self::SetResults { entry, results } => {
                fields.push(("entry", entry.to_form()));
                results_fields(fields, results);
            }
            _ => self.of_row(fields),
        }
    }

    fn of_row(&self, fields: &mut Fields) {
        let mut place = |list: &RowList, index: Option<usize>| {
            fields.extend([("entry", list.entry.to_form()), ("rows", list.bearing.as_str().to_owned())]);
            fields.extend(index.map(|index| ("index", index.to_string())));
        };
        match self {
            Self::AddRule { list, rule } => {
                place(list, None);
                rule_fields(fields, rule);
            }
            Self::EditRule { list, index, rule } => {
                place(list, Some(*index));
                rule_fields(fields, rule);
            }
            Self::SetMessage { list, index, message } => {
                place(list, Some(*index));
                fields.push(("on_deny", message.clone()));
            }
            Self::AddCondition { list, index, any, condition } => {
                place(list, Some(*index));
                flag(fields, "any", *any);
                condition_fields(fields, CONDITIONS, condition);
            }
            Self::EditCondition { list, index, any, at, condition } => {
                place(list, Some(*index));
                flag(fields, "any", *any);
                fields.push(("at", at.to_string()));
                condition_fields(fields, CONDITIONS, condition);
            }
            Self::RemoveCondition { list, index, any, at } => {
                place(list, Some(*index));
                flag(fields, "any", *any);
                fields.push(("at", at.to_string()));
            }
            Self::RemoveRow { list, index } => place(list, Some(*index)),
            // The others have no row.
            _ => {}
        }
    }
}

impl Group {
    /// As forms write it: `all`, `category:NAME`, `risk:WORD`.
    pub(crate) fn to_form(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Category(category) => format!("category:{}", category.as_str()),
            Self::Risk(risk) => format!("risk:{risk}"),
        }
    }
}

fn flag(fields: &mut Fields, name: &'static str, is_on: bool) {
    fields.extend(is_on.then(|| (name, "yes".to_owned())));
}

fn filled(fields: &mut Fields, name: &'static str, text: &str) {
    fields.extend((!text.is_empty()).then(|| (name, text.to_owned())));
}

fn shadow(fields: &mut Fields, is_on: bool) {
    fields.extend(is_on.then(|| ("mode", "shadow".to_owned())));
}

fn condition_fields(fields: &mut Fields, [path, op, value, kind]: Names, condition: &Condition) {
    let Condition { path: looked_at, op: operator, value: operand } = condition;
    fields.extend([(path, looked_at.clone()), (op, operator.clone()), (value, operand.text.clone())]);
    fields.push((kind, operand.form.as_str().to_owned()));
}

fn rule_fields(fields: &mut Fields, rule: &Rule) {
    filled(fields, "name", &rule.name);
    filled(fields, "description", &rule.description);
    rule.conditions.iter().for_each(|condition| condition_fields(fields, CONDITIONS, condition));
    rule.any.iter().for_each(|condition| condition_fields(fields, ANY, condition));
    filled(fields, "on_deny", &rule.on_deny);
    let asking = &rule.asking;
    for (name, text) in [
        ("timeout", &asking.timeout),
        ("ask", &asking.ask),
        ("hold_for", &asking.hold_for),
        ("remember_for", &asking.remember_for),
    ] {
        filled(fields, name, text);
    }
    flag(fields, "four_eyes", asking.four_eyes);
    flag(fields, "include_arguments", asking.include_arguments);
    shadow(fields, rule.shadow);
    flag(fields, "quiet", rule.quiet);
}

fn limit_fields(fields: &mut Fields, limit: &Limit) {
    for (name, text) in [
        ("counter", &limit.counter),
        ("description", &limit.description),
        ("window", &limit.window),
        ("max", &limit.max),
        ("scope", &limit.scope),
        ("increment_from", &limit.increment_from),
        ("on_deny", &limit.on_deny),
    ] {
        filled(fields, name, text);
    }
    flag(fields, "concurrent", limit.concurrent);
    fields.extend(limit.sliding.then(|| ("strategy", "sliding".to_owned())));
    shadow(fields, limit.shadow);
}

fn results_fields(fields: &mut Fields, results: &Results) {
    filled(fields, "description", &results.description);
    for redact in &results.redact {
        match redact {
            Redact::Known(name) => fields.push(("redact", name.clone())),
            Redact::Own { name, regex } => fields.extend([("own_name", name.clone()), ("own_regex", regex.clone())]),
        }
    }
    filled(fields, "max_bytes", &results.max_bytes);
    filled(fields, "on_deny", &results.on_deny);
    shadow(fields, results.shadow);
}
