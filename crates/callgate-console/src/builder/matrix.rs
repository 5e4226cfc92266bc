//! What an edit changes for each tool, as the policy engine reads both texts.

use super::facts::ToolFacts;
use super::json::shortened;
use super::model::{Limit, Results, Rule};
use super::rows::list;
use callgate_json::{Limits, Value};
use callgate_policy::{Definition, Outlook, Policy, ToolRule};
use std::cmp::Ordering;

/// The server's tools before and after an edit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Matrix {
    /// A row per tool, in the server's order.
    pub(crate) rows: Vec<MatrixRow>,
    /// How many rows are others than before.
    pub(crate) changed: usize,
    /// Whether the text before is a policy; else everything is denied under it, or there was none.
    pub(crate) before_is_usable: bool,
    /// Whether the text after is a policy.
    pub(crate) after_is_usable: bool,
}

/// One tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MatrixRow {
    /// Its name.
    pub(crate) tool: String,
    /// What it was.
    pub(crate) before: Side,
    /// What it will be.
    pub(crate) after: Side,
    /// How they differ.
    pub(crate) changed: Changed,
}

/// What a text makes of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    /// In one word.
    pub(crate) standing: Standing,
    /// Its rules, one a line, in the order in which they run: `deny_if args.amount is more than 10000`.
    pub(crate) rules: Vec<String>,
}

/// What becomes of calls of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    /// Every call is allowed.
    Allow,
    /// Every call is denied.
    Deny,
    /// It is not shown, and every call is denied.
    Hidden,
    /// Rules decide.
    Custom,
    /// The text is no policy: every call is refused, or the policy before it stays in force.
    Unusable,
}

/// How a tool's row differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Changed {
    /// Not at all.
    Same,
    /// More may be called than before: from denied to allowed or custom, from custom to allowed.
    Opened,
    /// Less may be called than before.
    Closed,
    /// Other rules; or denied as before, but shown or no longer shown.
    Rules,
}

impl Standing {
    /// The word on pages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Hidden => "hidden",
            Self::Custom => "custom",
            Self::Unusable => "unusable",
        }
    }
}

/// What a text makes of each tool, beside what another made of it. No text before (empty) is no policy: it denies all.
pub(crate) fn matrix(before: &str, after: &str, tools: &[ToolFacts]) -> Matrix {
    let read = |text: &str| Policy::parse(text.as_bytes()).ok();
    let (before, after) = (read(before), read(after));
    let mut matrix = Matrix {
        before_is_usable: before.is_some(),
        after_is_usable: after.is_some(),
        rows: Vec::with_capacity(tools.len()),
        changed: 0,
    };
    for facts in tools {
        let definition = facts.definition();
        let side = |policy: &Option<Policy>| policy.as_ref().map(|policy| Side::of(policy, &facts.name, &definition));
        let before = side(&before).unwrap_or(Side { standing: Standing::Deny, rules: Vec::new() });
        let after = side(&after).unwrap_or(Side { standing: Standing::Unusable, rules: Vec::new() });
        let changed = Changed::between(&before, &after);
        matrix.changed += usize::from(changed != Changed::Same);
        matrix.rows.push(MatrixRow { tool: facts.name.clone(), before, after, changed });
    }
    matrix
}

impl Changed {
    fn between(before: &Side, after: &Side) -> Self {
        let rank = |side: &Side| match side.standing {
            Standing::Hidden | Standing::Deny | Standing::Unusable => 0,
            Standing::Custom => 1,
            Standing::Allow => 2,
        };
        match rank(after).cmp(&rank(before)) {
            _ if after.standing == Standing::Unusable => Self::Same,
            Ordering::Greater => Self::Opened,
            Ordering::Less => Self::Closed,
            Ordering::Equal if before == after => Self::Same,
            Ordering::Equal => Self::Rules,
        }
    }
}

impl Side {
    fn of(policy: &Policy, tool: &str, definition: &Definition) -> Self {
        let Outlook { standing, rules } = policy.outlook(tool, Some(definition));
        let standing = match standing {
            callgate_policy::Treatment::Hidden => Standing::Hidden,
            callgate_policy::Treatment::Denied => Standing::Deny,
            callgate_policy::Treatment::Ruled => Standing::Custom,
            callgate_policy::Treatment::Allowed => Standing::Allow,
        };
        Self { standing, rules: rules.iter().flat_map(lines).collect() }
    }
}

/// A rule as a line; rules over results are a line for their switches and one for each rule.
fn lines(rule: &ToolRule<'_>) -> Vec<String> {
    let Ok(value) = callgate_json::parse(rule.json.as_bytes(), &Limits::default()) else {
        return vec![rule.field.to_owned()];
    };
    let of = |field: &str, value: &Value<'_>| {
        let rule = Rule::read(value, &rule.json);
        let name = if rule.name.is_empty() { String::new() } else { format!(" {}:", shortened(&rule.name)) };
        format!("{field}{name} {}", rule.summary())
    };
    match rule.field {
        "validate_arguments" => vec!["arguments have to match the schema".to_owned()],
        "limits" => vec![format!("{}: {}", shortened(&text(&value, "counter")), Limit::read(&value).summary())],
        "flows" => vec![format!("flow {}", shortened(&text(&value, "name")))],
        "results" => {
            let switches = Results::read(&value).summary();
            let switches = (!switches.is_empty()).then(|| format!("results: {switches}"));
            let rules = list(&value, "deny_if").iter().map(|value| of("results deny_if", value));
            switches.into_iter().chain(rules).collect()
        }
        field => vec![of(field, &value)],
    }
}

fn text(value: &Value<'_>, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
