//! What was typed as a value, read as the operator and the tool's own schema need it.

use super::action::{Action, EntryKey, RowList};
use super::facts::ToolFacts;
use super::model::{Condition, Operand, OperandForm, Rule};
use super::picker::{PickerKind, Pickers};
use callgate_json::{Kind, Limits, parse};
use callgate_policy::{OPERATORS, OperandKind};

/// The action with the form of every value settled. `old` gives the rule that stands at a place now: a value that was
/// not touched keeps the form that it has.
pub(super) fn settled(action: &Action, tools: &[ToolFacts], old: impl Fn(&RowList, usize) -> Option<Rule>) -> Action {
    let mut action = action.clone();
    let (list, before) = match &action {
        Action::AddRule { list, .. } => (list.clone(), None),
        Action::EditRule { list, index, .. }
        | Action::AddCondition { list, index, .. }
        | Action::EditCondition { list, index, .. } => (list.clone(), old(list, *index)),
        _ => return action,
    };
    let before = before.unwrap_or_default();
    let pickers = Pickers::of_entry(tools, &list.entry);
    let all = |conditions: &mut Vec<Condition>, before: &[Condition]| {
        for (at, condition) in conditions.iter_mut().enumerate() {
            settle(condition, before.get(at), &pickers);
        }
    };
    match &mut action {
        Action::AddRule { rule, .. } | Action::EditRule { rule, .. } => {
            all(&mut rule.conditions, &before.conditions);
            all(&mut rule.any, &before.any);
        }
        Action::AddCondition { condition, .. } => settle(condition, None, &pickers),
        Action::EditCondition { condition, any, at, .. } => {
            let before = if *any { &before.any } else { &before.conditions };
            settle(condition, before.get(*at), &pickers);
        }
        _ => {}
    }
    action
}

impl Pickers {
    /// What can be picked for the rules of an entry: the arguments of its own tool, and what holds for all.
    pub(crate) fn of_entry(tools: &[ToolFacts], key: &EntryKey) -> Self {
        match key {
            EntryKey::Tool(name) => tools.iter().find(|facts| facts.name == *name).map_or_else(Self::general, Self::of),
            _ => Self::general(),
        }
    }
}

fn settle(condition: &mut Condition, before: Option<&Condition>, pickers: &Pickers) {
    if condition.value.form != OperandForm::Fitting {
        return;
    }
    let kind = pickers.find(&condition.path).map_or(PickerKind::Any, |picker| picker.kind);
    // Another argument is of another kind, unless nobody knows which.
    let is_untouched = |old: &&Condition| {
        let is_same_kind = old.path == condition.path || kind == PickerKind::Any;
        is_same_kind && old.op == condition.op && old.value.text == condition.value.text
    };
    match before.filter(is_untouched) {
        Some(old) => condition.value = old.value.clone(),
        None => condition.value = Operand::fitting(&condition.op, kind, &condition.value.text),
    }
}

impl Operand {
    /// A typed value for an operator, where the path has values of this kind.
    pub(crate) fn fitting(op: &str, kind: PickerKind, text: &str) -> Self {
        let form = |form, text: &str| Self { form, text: text.to_owned() };
        let info = OPERATORS.iter().find(|info| info.name == op);
        match info.map_or(OperandKind::Any, |info| info.operand) {
            OperandKind::OptionalBool if text.trim().is_empty() => form(OperandForm::Absent, ""),
            OperandKind::OptionalBool => form(OperandForm::Bool, text),
            OperandKind::Number | OperandKind::Length => form(OperandForm::Number, text),
            OperandKind::String | OperandKind::Regex | OperandKind::Expression => form(OperandForm::Text, text),
            OperandKind::StringOrStrings | OperandKind::Strings => form(OperandForm::Texts, text),
            OperandKind::Schema => form(OperandForm::Json, text),
            OperandKind::List => Self::several(kind, text),
            OperandKind::Any => match kind {
                PickerKind::Text => form(OperandForm::Text, text),
                PickerKind::Number => form(OperandForm::Number, text),
                PickerKind::Bool => form(OperandForm::Bool, text),
                PickerKind::Object => form(OperandForm::Json, text),
                PickerKind::List if op != "contains" => form(OperandForm::Json, text),
                PickerKind::List | PickerKind::Any => form(guess(text), text),
            },
        }
    }

    /// One value a line.
    fn several(kind: PickerKind, text: &str) -> Self {
        let lines = || text.lines().filter(|line| !line.trim().is_empty());
        let all = |wanted: OperandForm| lines().next().is_some() && lines().all(|line| guess(line) == wanted);
        let form = match kind {
            PickerKind::Text => OperandForm::Texts,
            PickerKind::Number => OperandForm::Numbers,
            _ if text.trim_start().starts_with('[') => OperandForm::Json,
            _ if all(OperandForm::Number) => OperandForm::Numbers,
            _ if all(OperandForm::Bool) => {
                let list = lines().map(str::trim).collect::<Vec<_>>().join(", ");
                return Self { form: OperandForm::Json, text: format!("[{list}]") };
            }
            _ => OperandForm::Texts,
        };
        Self { form, text: text.to_owned() }
    }
}

/// What a text most likely is where nothing says what it has to be.
fn guess(text: &str) -> OperandForm {
    match parse(text.trim().as_bytes(), &Limits::default()).map(|value| value.kind) {
        Ok(Kind::Number(_)) => OperandForm::Number,
        Ok(Kind::Bool(_)) => OperandForm::Bool,
        Ok(_) => OperandForm::Json,
        Err(_) => OperandForm::Text,
    }
}
