//! Clicks as the fields of forms.
//!
//! `action` names the click. Conditions are fields that repeat, in order: `path`, `op`, `value`, `kind`, and for `any` the
//! same with `any_` in front. `kind` is a word of [`OperandForm`]; without it the tool's schema,
//! the operator and the text decide.

mod fields;

use super::action::{Action, BadForm, Bearing, Choice, EntryKey, Group, RowList};
use super::json::shortened;
use super::model::{Asking, Condition, Limit, Operand, OperandForm, Redact, Results, Rule};
use crate::form::Form;
use callgate_policy::{Category, Unlisted};

impl Action {
    /// Reads an action from a form. `action` names it (see the variants); the other fields are those of
    /// [`Action::fields`].
    ///
    /// # Errors
    /// The first field that can't be read.
    pub(crate) fn of_form(form: &Form) -> Result<Self, BadForm> {
        Ok(match form.text("action") {
            "choose" => Self::Choose { tool: form.text("tool").to_owned(), choice: choice(form)? },
            "bulk" => Self::Bulk { group: group(form)?, choice: choice(form)? },
            "recommended" => Self::Recommended { tool: form.has("tool").then(|| form.text("tool").to_owned()) },
            "default" => Self::SetDefault(match form.text("default") {
                "allow" => Unlisted::Allow,
                "deny" => Unlisted::Deny,
                other => return Err(bad("default", other, "it is `allow` or `deny`")),
            }),
            "list" => Self::SetList { callable: form.text("list") == "callable" },
            "about" => Self::SetAbout { name: form.text("name").to_owned(), description: prose(form, "description") },
            "hide" => Self::Hide { pattern: form.text("pattern").to_owned() },
            "unhide" => Self::Unhide { index: number(form, "index")? },
            "add_entry" => Self::AddEntry { entry: entry(form)? },
            "remove_entry" => Self::RemoveEntry { entry: entry(form)? },
            "entry" => Self::SetEntry {
                entry: entry(form)?,
                description: prose(form, "description"),
                validate_arguments: form.has("validate_arguments"),
            },
            "results" => Self::SetResults { entry: entry(form)?, results: results(form) },
            "add_limit" => Self::AddLimit { entry: entry(form)?, limit: limit(form) },
            "edit_limit" => Self::EditLimit { entry: entry(form)?, index: number(form, "index")?, limit: limit(form) },
            _ => return of_rows(form),
        })
    }
}

impl OperandForm {
    /// Every form, as the field `kind` names it.
    pub(crate) const ALL: [(Self, &'static str); 8] = [
        (Self::Fitting, "fitting"),
        (Self::Absent, "none"),
        (Self::Text, "text"),
        (Self::Number, "number"),
        (Self::Bool, "bool"),
        (Self::Texts, "texts"),
        (Self::Numbers, "numbers"),
        (Self::Json, "json"),
    ];

    /// The word in the field `kind`.
    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(form, _)| *form == self).map_or("", |(_, word)| word)
    }

    /// The form with this word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(form, _)| *form)
    }
}

/// The names of the fields of conditions.
pub(super) type Names = [&'static str; 4];

pub(super) const CONDITIONS: Names = ["path", "op", "value", "kind"];
pub(super) const ANY: Names = ["any_path", "any_op", "any_value", "any_kind"];

fn of_rows(form: &Form) -> Result<Action, BadForm> {
    let any = form.has("any");
    Ok(match form.text("action") {
        "add_rule" => Action::AddRule { list: list(form)?, rule: rule(form)? },
        "edit_rule" => Action::EditRule { list: list(form)?, index: number(form, "index")?, rule: rule(form)? },
        "message" => {
            Action::SetMessage { list: list(form)?, index: number(form, "index")?, message: prose(form, "on_deny") }
        }
        "add_condition" => {
            let condition = one_condition(form)?;
            Action::AddCondition { list: list(form)?, index: number(form, "index")?, any, condition }
        }
        "edit_condition" => {
            let (index, at) = (number(form, "index")?, number(form, "at")?);
            Action::EditCondition { list: list(form)?, index, any, at, condition: one_condition(form)? }
        }
        "remove_condition" => {
            let (index, at) = (number(form, "index")?, number(form, "at")?);
            Action::RemoveCondition { list: list(form)?, index, any, at }
        }
        "remove_row" => Action::RemoveRow { list: list(form)?, index: number(form, "index")? },
        other => return Err(bad("action", other, "there is no such click")),
    })
}

fn bad(field: &'static str, given: &str, why: &str) -> BadForm {
    BadForm { field, given: shortened(given), why: why.to_owned() }
}

fn choice(form: &Form) -> Result<Choice, BadForm> {
    let given = form.text("choice");
    Choice::parse(given).ok_or_else(|| bad("choice", given, "it is `allow`, `deny`, `hide`, `custom` or `inherit`"))
}

fn group(form: &Form) -> Result<Group, BadForm> {
    let given = form.text("group");
    let group = match given.split_once(':') {
        None if given == "all" => Some(Group::All),
        Some(("category", name)) => Category::parse(name).map(Group::Category),
        Some(("risk", word @ ("low" | "medium" | "high" | "critical"))) => Some(Group::Risk(word.to_owned())),
        _ => None,
    };
    group.ok_or_else(|| bad("group", given, "it is `all`, `category:` and a category, or `risk:` and a risk"))
}

fn entry(form: &Form) -> Result<EntryKey, BadForm> {
    let given = form.text("entry");
    let why = "it is `document`, `all_tools`, `category:` and a category, or `tool:` and a name";
    EntryKey::of_form(given).ok_or_else(|| bad("entry", given, why))
}

fn list(form: &Form) -> Result<RowList, BadForm> {
    let given = form.text("rows");
    let bearing = Bearing::parse(given);
    let why = "it is `require`, `deny_if`, `approve_if`, `limits` or `results.deny_if`";
    Ok(RowList { entry: entry(form)?, bearing: bearing.ok_or_else(|| bad("rows", given, why))? })
}

fn number(form: &Form, field: &'static str) -> Result<usize, BadForm> {
    let given = form.text(field);
    given.trim().parse().map_err(|_| bad(field, given, "it is a place in a list, from 0"))
}

/// A text of several lines: forms end them in a way of their own.
fn prose(form: &Form, field: &str) -> String {
    form.text(field).replace("\r\n", "\n")
}

fn plain(form: &Form, field: &str) -> String {
    form.text(field).trim().to_owned()
}

fn one_condition(form: &Form) -> Result<Condition, BadForm> {
    let mut all = conditions(form, CONDITIONS)?;
    if all.len() != 1 {
        return Err(bad("path", &all.len().to_string(), "it is wanted once, with `op` and `value`"));
    }
    Ok(all.swap_remove(0))
}

fn conditions(form: &Form, names: Names) -> Result<Vec<Condition>, BadForm> {
    let [path, op, value, kind] = names;
    let (values, kinds): (Vec<&str>, Vec<&str>) = (form.values(value).collect(), form.values(kind).collect());
    let rows = form.values(path).zip(form.values(op)).enumerate();
    if form.values(path).count() != form.values(op).count() {
        return Err(bad(op, &form.values(op).count().to_string(), "every `path` has one `op`, and one `value`"));
    }
    rows.map(|(at, (path, op))| {
        let text = values.get(at).copied().unwrap_or_default().replace("\r\n", "\n");
        let form = match kinds.get(at).copied().filter(|kind| !kind.is_empty()) {
            None => OperandForm::Fitting,
            Some(word) => OperandForm::parse(word).ok_or_else(|| bad(kind, word, "there is no such kind of value"))?,
        };
        let text = if form == OperandForm::Absent { String::new() } else { text };
        Ok(Condition { path: path.trim().to_owned(), op: op.to_owned(), value: Operand { form, text } })
    })
    .collect()
}

fn rule(form: &Form) -> Result<Rule, BadForm> {
    Ok(Rule {
        name: form.text("name").to_owned(),
        description: prose(form, "description"),
        conditions: conditions(form, CONDITIONS)?,
        any: conditions(form, ANY)?,
        on_deny: prose(form, "on_deny"),
        shadow: form.text("mode") == "shadow",
        quiet: form.has("quiet"),
        asking: Asking {
            timeout: plain(form, "timeout"),
            ask: plain(form, "ask"),
            hold_for: plain(form, "hold_for"),
            four_eyes: form.has("four_eyes"),
            remember_for: plain(form, "remember_for"),
            include_arguments: form.has("include_arguments"),
        },
    })
}

fn limit(form: &Form) -> Limit {
    let concurrent = form.has("concurrent");
    Limit {
        counter: form.text("counter").to_owned(),
        description: prose(form, "description"),
        window: if concurrent { String::new() } else { plain(form, "window") },
        concurrent,
        max: plain(form, "max"),
        scope: plain(form, "scope"),
        increment_from: plain(form, "increment_from"),
        sliding: form.text("strategy") == "sliding",
        on_deny: prose(form, "on_deny"),
        shadow: form.text("mode") == "shadow",
    }
}

fn results(form: &Form) -> Results {
    let known = form.values("redact").filter(|name| !name.is_empty()).map(|name| Redact::Known(name.to_owned()));
    let own = form.values("own_name").zip(form.values("own_regex"));
    let own = own.filter(|(name, regex)| !name.is_empty() || !regex.is_empty());
    let own = own.map(|(name, regex)| Redact::Own { name: name.to_owned(), regex: regex.to_owned() });
    Results {
        description: prose(form, "description"),
        redact: known.chain(own).collect(),
        max_bytes: plain(form, "max_bytes"),
        on_deny: prose(form, "on_deny"),
        shadow: form.text("mode") == "shadow",
    }
}
