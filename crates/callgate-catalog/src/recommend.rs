//! The recommended policy: reading allowed, writing and running limited, destroying and paying behind a person.

mod approval;
mod document;
mod guard;
mod tests_of;

use crate::classify::{Classification, Confidence, Risk, classify};
use crate::tool::{ParamType, Tool};
use callgate_policy::{Category, Label};
use document::{Document, Entry, Limit, Results};
use guard::Guard;
use serde::Deserialize;
use std::sync::LazyLock;

/// The largest policy document that the engine reads by default, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// The most tool entries that the engine reads by default.
const MAX_TOOLS: usize = 10_000;

/// Why no policy is recommended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a policy for {tools} tools would be larger than a policy may be (10000 entries, 1 MiB); split the server's list"
)]
pub struct TooLarge {
    /// How many tools the list has.
    pub tools: usize,
}

/// The text of a `policy.json` that fits the tools of one server, with its own tests. Tools with `*` in their name
/// can't be listed alone and stay denied.
pub fn recommend(tools: &[Tool]) -> Result<String, TooLarge> {
    recommend_classified(tools, &tools.iter().map(classify).collect::<Vec<_>>())
}

/// The same for tools that are classified already; `found` goes with them.
pub fn recommend_classified(tools: &[Tool], found: &[Classification]) -> Result<String, TooLarge> {
    let mut document = Document::new();
    for (tool, found) in tools.iter().zip(found).filter(|(tool, _)| !tool.name.contains('*')) {
        match entry(tool, found) {
            Some(entry) => {
                tests_of::entry(tool, found, &entry, &mut document.tests);
                document.tools.insert(tool.name.clone(), entry);
            }
            None => {
                tests_of::hidden(tool, &mut document.tests);
                document.hide.push(tool.name.clone());
            }
        }
    }
    let text = document.text();
    if tools.len() > MAX_TOOLS || text.len() > MAX_BYTES {
        return Err(TooLarge { tools: tools.len() });
    }
    Ok(text)
}

/// The recommended entry of `tools` for one tool, as JSON; `{"hide": true}` for a tool that is better not offered.
pub fn rule(tool: &Tool) -> serde_json::Value {
    rule_for(tool, &classify(tool))
}

/// [`rule`] for a tool that is classified already.
pub(crate) fn rule_for(tool: &Tool, found: &Classification) -> serde_json::Value {
    let hidden = serde_json::json!({"hide": true});
    if tool.name.contains('*') {
        return hidden;
    }
    entry(tool, found).map_or(hidden, |entry| entry.json())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    limits: Limits,
    guard: Vec<Guard>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    write_per_minute: u32,
    execute_per_minute: u32,
    financial_per_hour: u32,
    spend_per_day: u32,
    spend_per_day_smallest_unit: u32,
    smallest_unit_words: String,
    amount_params: String,
}

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is part of the program and a test reads it")]
    toml::from_str(include_str!("../data/recommend.toml")).expect("data/recommend.toml")
});

/// `None` where the tool is better hidden: it destroys many things at once, whatever its arguments.
fn entry(tool: &Tool, found: &Classification) -> Option<Entry> {
    let multiplexed = found.actions.is_some();
    if found.category == Category::Destructive && found.risk == Risk::Critical && !multiplexed {
        return None;
    }
    let mut entry = Entry::default();
    if found.category != Category::Read {
        entry.description = Some(format!("{}, {} risk", found.category.as_str(), risk_word(found.risk)));
    }
    let guarded = guard::add(&SETTINGS.guard, tool, found, &mut entry);
    entry.approve_if = approval::ask(tool, found, guarded);
    entry.limits = limits(tool, found);
    entry.results = results(found);
    Some(entry)
}

/// What is taken out of the answers of a tool that shows what is not public: credentials that lie there by chance. A tool
/// whose work they are shows them.
fn results(found: &Classification) -> Option<Results> {
    let has = |label| found.labels.contains(&label);
    (has(Label::ReadsPrivate) && !has(Label::Credentials)).then(|| Results { redact: vec!["secrets"] })
}

fn limits(tool: &Tool, found: &Classification) -> Vec<Limit> {
    let settings = &SETTINGS.limits;
    let rate = |window, max| Limit {
        counter: format!("{}_rate", tool.name),
        window,
        max,
        scope: "grant",
        increment_from: None,
    };
    let riskiest_run = found.actions.as_ref().is_some_and(|actions| actions.values().any(|c| *c == Category::Execute));
    match found.category {
        Category::Read if found.confidence > Confidence::Low => Vec::new(),
        Category::Financial => {
            let mut limits = vec![rate("hour", settings.financial_per_hour)];
            limits.extend(spending(tool));
            limits
        }
        Category::Execute => vec![rate("minute", settings.execute_per_minute)],
        _ if riskiest_run => vec![rate("minute", settings.execute_per_minute)],
        _ => vec![rate("minute", settings.write_per_minute)],
    }
}

/// A spending limit, where the schema says that every call names its amount: a call without one would be a fault.
fn spending(tool: &Tool) -> Option<Limit> {
    let settings = &SETTINGS.limits;
    let amount = tool.params.iter().find(|param| {
        let name = param.name.to_lowercase();
        let known = settings.amount_params.split(' ').any(|known| known == name);
        known && param.required && param.shape == ParamType::Number
    })?;
    let said = format!("{} {} {}", tool.description, amount.description, amount.name.replace('_', " ")).to_lowercase();
    let smallest = crate::words::prose(&said, 0)
        .iter()
        .any(|word| settings.smallest_unit_words.split(' ').any(|known| known == word.text));
    Some(Limit {
        counter: format!("{}_spend", tool.name),
        window: "day",
        max: if smallest { settings.spend_per_day_smallest_unit } else { settings.spend_per_day },
        scope: "grant",
        increment_from: document::path(&amount.name),
    })
}

fn risk_word(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
        Risk::Critical => "critical",
    }
}
