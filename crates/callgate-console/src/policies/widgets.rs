//! The rows of the builder as the page has them: each with the click that it is, and with what can be picked in it.

mod results;

pub(super) use results::{DETECTORS, ResultsRow};

use crate::builder::{
    Action, Bearing, Condition, ConditionView, EntryKey, EntryView, Limit, LimitView, OperandForm, Picker, PickerKind,
    Pickers, ProblemView, Rule, RuleView, TextOnly,
};
use crate::form::Form;
use callgate_policy::{OPERATORS, Reads, Severity};

/// What fills the body of an entry.
pub(super) struct Body {
    /// The prefix of its identities and fields.
    pub(super) id: String,
    pub(super) flaws: Vec<ProblemView>,
    pub(super) text_only: Vec<TextOnly>,
    pub(super) description: String,
    pub(super) validate: bool,
    /// The click that keeps description and switch.
    pub(super) keep: String,
    pub(super) rules: Vec<RuleGroup>,
    pub(super) limits: Vec<LimitRow>,
    pub(super) add_limit: LimitRow,
    pub(super) results: ResultsRow,
    pub(super) pickers: Pickers,
    /// Whether the entry can be taken out as a whole.
    pub(super) remove: Option<String>,
}

/// A list of rules.
pub(super) struct RuleGroup {
    pub(super) id: String,
    pub(super) title: &'static str,
    pub(super) how: &'static str,
    pub(super) rules: Vec<RuleRow>,
    pub(super) add: ConditionRow,
    /// The click that adds a rule without conditions, where that makes sense.
    pub(super) always: Option<(&'static str, String)>,
}

/// A rule.
pub(super) struct RuleRow {
    pub(super) id: String,
    pub(super) line: u32,
    pub(super) summary: String,
    pub(super) rule: Rule,
    pub(super) flaws: Vec<ProblemView>,
    pub(super) text_only: Vec<TextOnly>,
    pub(super) conditions: Vec<ConditionRow>,
    pub(super) add: ConditionRow,
    pub(super) asks: bool,
    /// The click that keeps its switches.
    pub(super) keep: String,
    pub(super) remove: String,
}

/// A condition, or the row that adds one.
pub(super) struct ConditionRow {
    pub(super) id: String,
    /// What stands before it: `and`, `or`, nothing.
    pub(super) joint: &'static str,
    pub(super) condition: Condition,
    pub(super) operators: Vec<OperatorOption>,
    pub(super) value: Value,
    pub(super) flaws: Vec<ProblemView>,
    /// The click that keeps it, or adds it.
    pub(super) keep: String,
    pub(super) remove: Option<String>,
}

/// An operator that can be picked.
pub(super) struct OperatorOption {
    pub(super) name: &'static str,
    pub(super) words: &'static str,
    /// The kinds of values that it can judge; empty for all.
    pub(super) fits: &'static str,
    pub(super) is_chosen: bool,
}

/// How the value of a condition is written.
pub(super) struct Value {
    pub(super) control: Control,
    pub(super) text: String,
    /// What the schema lists.
    pub(super) listed: Vec<String>,
}

/// The field that it is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Line,
    Number,
    Flag,
    Lines,
}

/// A limit, or the row that adds one.
pub(super) struct LimitRow {
    pub(super) id: String,
    pub(super) line: u32,
    pub(super) summary: String,
    pub(super) limit: Limit,
    pub(super) flaws: Vec<ProblemView>,
    pub(super) text_only: Vec<TextOnly>,
    pub(super) keep: String,
    pub(super) remove: Option<String>,
}

/// A click as the value of a button: its fields as a query, without those that are fields of the part `part`.
pub(super) fn click(action: &Action, part: &str, fields: &[&str]) -> String {
    let known = action.fields().into_iter().filter(|(name, _)| !fields.contains(name));
    let part = (!part.is_empty()).then(|| ("part", part.to_owned()));
    Form::of(part.into_iter().chain(known)).query()
}

/// The fields of a condition.
const CONDITION: [&str; 4] = ["path", "op", "value", "kind"];
/// The fields of a rule beside its conditions.
const RULE: [&str; 11] = [
    "name",
    "description",
    "on_deny",
    "mode",
    "quiet",
    "timeout",
    "ask",
    "hold_for",
    "four_eyes",
    "remember_for",
    "include_arguments",
];
/// The fields of a limit that can be changed here; its description stays.
const LIMIT: [&str; 9] =
    ["counter", "window", "concurrent", "max", "scope", "increment_from", "strategy", "on_deny", "mode"];

impl Body {
    /// The body of an entry; of one that is not there yet where there is none.
    pub(super) fn of(id: &str, key: &EntryKey, entry: Option<&EntryView>, pickers: Pickers) -> Self {
        let rows = |pick: fn(&EntryView) -> &Vec<RuleView>| entry.map(pick).map(Vec::as_slice).unwrap_or_default();
        let group = |bearing, views: &[RuleView]| RuleGroup::of(id, key, bearing, views, &pickers);
        let limits = entry.map(|entry| entry.limits.as_slice()).unwrap_or_default();
        let set = Action::SetEntry { entry: key.clone(), description: String::new(), validate_arguments: false };
        Self {
            id: id.to_owned(),
            flaws: entry.map(|entry| entry.problems.clone()).unwrap_or_default(),
            text_only: entry.map(|entry| entry.text_only.clone()).unwrap_or_default(),
            description: entry.map(|entry| entry.description.clone()).unwrap_or_default(),
            validate: entry.is_some_and(|entry| entry.validate_arguments),
            keep: click(&set, id, &["description", "validate_arguments"]),
            rules: vec![
                group(Bearing::Require, rows(|entry| &entry.require)),
                group(Bearing::DenyIf, rows(|entry| &entry.deny_if)),
                group(Bearing::ApproveIf, rows(|entry| &entry.approve_if)),
            ],
            limits: limits.iter().map(|view| LimitRow::of(id, view)).collect(),
            add_limit: LimitRow::adding(id, key),
            results: ResultsRow::of(id, key, entry.and_then(|entry| entry.results.as_ref()), &pickers),
            remove: entry.map(|_| click(&Action::RemoveEntry { entry: key.clone() }, "", &[])),
            pickers,
        }
    }
}

impl RuleGroup {
    pub(super) fn of(id: &str, key: &EntryKey, bearing: Bearing, views: &[RuleView], pickers: &Pickers) -> Self {
        let list = || crate::builder::RowList { entry: key.clone(), bearing };
        let (word, title, how) = match bearing {
            Bearing::Require => ("require", "Must hold", "Denied unless all of it is true."),
            Bearing::DenyIf => ("deny_if", "Denied if", "Each line denies by itself."),
            Bearing::ApproveIf => ("approve_if", "A person is asked if", "Each line asks by itself."),
            Bearing::ResultsDenyIf => ("results", "The result is withheld if", "Looked at when the answer is there."),
            Bearing::Limits => ("limits", "Limits", ""),
        };
        let id = format!("{id}.{word}");
        let new =
            |conditions: Vec<Condition>| Action::AddRule { list: list(), rule: Rule { conditions, ..Rule::default() } };
        let always = match bearing {
            Bearing::DenyIf => Some("Always deny"),
            Bearing::ApproveIf => Some("Always ask"),
            _ => None,
        };
        let add = format!("{id}.new");
        let blank = new(vec![Condition::default()]);
        Self {
            title,
            how,
            rules: views.iter().map(|view| RuleRow::of(&format!("{id}.{}", view.index), view, pickers)).collect(),
            add: ConditionRow::adding(&add, "", click(&blank, &add, &CONDITION)),
            always: always.map(|words| (words, click(&new(Vec::new()), "", &[]))),
            id,
        }
    }
}

impl RuleRow {
    fn of(id: &str, view: &RuleView, pickers: &Pickers) -> Self {
        let (list, index) = (|| view.list.clone(), view.index);
        let add = format!("{id}.new");
        let adding = Action::AddCondition { list: list(), index, any: false, condition: Condition::default() };
        let edit = Action::EditRule { list: list(), index, rule: view.rule.clone() };
        let conditions = view.conditions.iter().enumerate();
        Self {
            id: id.to_owned(),
            line: view.line,
            summary: view.summary.clone(),
            flaws: view.problems.clone(),
            text_only: view.text_only.clone(),
            conditions: conditions.map(|(at, one)| ConditionRow::of(id, at, (view, one), pickers)).collect(),
            add: ConditionRow::adding(&add, "and", click(&adding, &add, &CONDITION)),
            asks: view.list.bearing == Bearing::ApproveIf,
            keep: click(&edit, id, &RULE),
            remove: click(&Action::RemoveRow { list: list(), index }, "", &[]),
            rule: view.rule.clone(),
        }
    }
}

impl RuleRow {
    /// Whether the call is treated this way while a person is asked.
    pub(super) fn is_asked(&self, way: &str) -> bool {
        self.rule.asking.ask == way
    }
}

impl ConditionRow {
    fn of(rule: &str, nth: usize, (view, one): (&RuleView, &ConditionView), pickers: &Pickers) -> Self {
        let id = format!("{rule}.c{nth}");
        let (list, index, any, at) = (|| view.list.clone(), view.index, one.any, one.at);
        let edit = Action::EditCondition { list: list(), index, any, at, condition: one.condition.clone() };
        let picker = pickers.find(&one.condition.path);
        let kind = picker.map_or(PickerKind::Any, |picker| picker.kind);
        let joint = match (any, at) {
            (true, 0) => "and one of:",
            (true, _) => "or",
            (false, 0) => "",
            (false, _) => "and",
        };
        Self {
            joint,
            operators: operators(kind, &one.condition.op),
            value: Value::of(&one.condition, picker),
            condition: one.condition.clone(),
            flaws: one.problems.clone(),
            keep: click(&edit, &id, &CONDITION),
            remove: Some(click(&Action::RemoveCondition { list: list(), index, any, at }, "", &[])),
            id,
        }
    }

    fn adding(id: &str, joint: &'static str, keep: String) -> Self {
        Self {
            id: id.to_owned(),
            joint,
            condition: Condition::default(),
            operators: operators(PickerKind::Any, "eq"),
            value: Value { control: Control::Line, text: String::new(), listed: Vec::new() },
            flaws: Vec::new(),
            keep,
            remove: None,
        }
    }
}

impl Value {
    fn of(condition: &Condition, picker: Option<&Picker>) -> Self {
        let control = match condition.value.form {
            OperandForm::Texts | OperandForm::Numbers => Control::Lines,
            OperandForm::Json if condition.value.text.contains('\n') => Control::Lines,
            OperandForm::Number => Control::Number,
            OperandForm::Bool => Control::Flag,
            _ => Control::Line,
        };
        let plain = |json: &String| serde_json::from_str::<String>(json).unwrap_or_else(|_| json.clone());
        let listed = picker.map(|picker| picker.values.iter().map(plain).collect()).unwrap_or_default();
        Self { control, text: condition.value.text.clone(), listed }
    }
}

impl LimitRow {
    fn of(id: &str, view: &LimitView) -> Self {
        let id = format!("{id}.limits.{}", view.index);
        let edit = Action::EditLimit { entry: view.list.entry.clone(), index: view.index, limit: view.limit.clone() };
        let remove = Action::RemoveRow { list: view.list.clone(), index: view.index };
        Self {
            keep: click(&edit, &id, &LIMIT),
            remove: Some(click(&remove, "", &[])),
            line: view.line,
            summary: view.summary.clone(),
            limit: view.limit.clone(),
            flaws: view.problems.clone(),
            text_only: view.text_only.clone(),
            id,
        }
    }

    /// Whether it counts for each of these.
    pub(super) fn is_scope(&self, scope: &str) -> bool {
        self.limit.scope == scope
    }

    fn adding(id: &str, key: &EntryKey) -> Self {
        let id = format!("{id}.limits.new");
        let limit = Limit {
            counter: match key {
                EntryKey::Tool(name) => format!("{name}_rate"),
                _ => String::new(),
            },
            window: "minute".to_owned(),
            max: "10".to_owned(),
            scope: "grant".to_owned(),
            ..Limit::default()
        };
        let add = Action::AddLimit { entry: key.clone(), limit: limit.clone() };
        let keep = click(&add, &id, &LIMIT);
        let (summary, flaws, text_only) = (String::new(), Vec::new(), Vec::new());
        Self { id, line: 0, summary, limit, flaws, text_only, keep, remove: None }
    }
}

/// The operators, those that fit the kind; what is chosen is always among them.
fn operators(kind: PickerKind, chosen: &str) -> Vec<OperatorOption> {
    let fitting = kind.operators();
    let words = |name: &str| {
        let all = PickerKind::Any.operators();
        fitting.iter().chain(&all).find(|one| one.name == name).map_or("", |one| one.words)
    };
    let known = OPERATORS
        .iter()
        .filter(|known| fitting.is_empty() || fitting.iter().any(|fit| fit.name == known.name) || known.name == chosen);
    let option = |known: &callgate_policy::OperatorInfo| OperatorOption {
        name: known.name,
        words: words(known.name),
        fits: match known.reads {
            Reads::Numbers => "number",
            Reads::Strings => "text",
            Reads::StringsAndArrays => "text list",
            Reads::Anything | Reads::Call => "",
        },
        is_chosen: known.name == chosen,
    };
    known.map(option).collect()
}

/// The word for how bad a problem is.
pub(super) fn severity(problem: &ProblemView) -> &'static str {
    match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
