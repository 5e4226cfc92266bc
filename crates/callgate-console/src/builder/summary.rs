//! Rules and limits in one line.

use super::json::shortened;
use super::model::{Condition, Limit, OperandForm, Redact, Results, Rule};
use super::picker::words;

impl Rule {
    /// The rule in one line: `args.amount is more than 10000 and args.currency is "EUR"`.
    pub(crate) fn summary(&self) -> String {
        let all = |conditions: &[Condition], by| conditions.iter().map(Condition::summary).collect::<Vec<_>>().join(by);
        let text = match (self.conditions.is_empty(), self.any.is_empty()) {
            (true, true) => "always".to_owned(),
            (false, true) => all(&self.conditions, " and "),
            (true, false) => all(&self.any, " or "),
            (false, false) => format!("{} and ({})", all(&self.conditions, " and "), all(&self.any, " or ")),
        };
        marked(text, self.shadow)
    }
}

impl Condition {
    /// The condition in words.
    pub(crate) fn summary(&self) -> String {
        let value = match self.value.form {
            OperandForm::Absent => String::new(),
            OperandForm::Text => format!("\"{}\"", shortened(&self.value.text)),
            OperandForm::Texts | OperandForm::Numbers => {
                shortened(&self.value.text.lines().collect::<Vec<_>>().join(", "))
            }
            _ => shortened(&self.value.text),
        };
        let path = if self.path.is_empty() { String::new() } else { shortened(&self.path) };
        let op = words(&self.op).map_or_else(|| shortened(&self.op), str::to_owned);
        let parts = [path, op, value];
        parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

impl Limit {
    /// The limit in one line: `at most 10 a minute per grant`.
    pub(crate) fn summary(&self) -> String {
        let what = if self.increment_from.is_empty() {
            String::new()
        } else {
            format!("sum of {} ", shortened(&self.increment_from))
        };
        let window = if self.concurrent {
            "at a time".to_owned()
        } else if ["minute", "hour", "day", "week", "month"].contains(&self.window.as_str()) {
            let article = if self.window == "hour" { "an" } else { "a" };
            format!("{article} {}", self.window)
        } else {
            format!("in {}", shortened(&self.window))
        };
        let sliding = if self.sliding { ", sliding" } else { "" };
        let scope = shortened(&self.scope);
        marked(format!("{what}at most {} {window} per {scope}{sliding}", shortened(&self.max)), self.shadow)
    }
}

impl Results {
    /// The switches in one line: `takes out secrets, email; at most 200000 bytes`.
    pub(crate) fn summary(&self) -> String {
        let names = self.redact.iter().map(|redact| match redact {
            Redact::Known(name) | Redact::Own { name, .. } => shortened(name),
        });
        let mut parts = Vec::new();
        if !self.redact.is_empty() {
            parts.push(format!("takes out {}", names.collect::<Vec<_>>().join(", ")));
        }
        if !self.max_bytes.is_empty() {
            parts.push(format!("at most {} bytes", shortened(&self.max_bytes)));
        }
        marked(parts.join("; "), self.shadow)
    }
}

fn marked(text: String, shadow: bool) -> String {
    if shadow { format!("{text} (shadow)") } else { text }
}
