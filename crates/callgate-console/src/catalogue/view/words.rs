//! Words for what the classifier finds.

use super::{lower_first, upper_first};
use callgate_catalog::{Confidence, Risk, Scanned};

pub(super) fn does(category: &str) -> &'static str {
    match category {
        "read" => "It reads, and changes nothing.",
        "write" => "It changes something that can be changed back.",
        "execute" => "It runs code or commands.",
        "destructive" => "It destroys something that can't be had back.",
        "financial" => "It moves money.",
        _ => "What it does is not known.",
    }
}

pub(super) fn risk_why(scanned: &Scanned) -> String {
    let signs: Vec<String> = scanned.evidence.iter().take(3).map(|sign| format!("“{}”", sign.what)).collect();
    let because = match signs.is_empty() {
        true => "nothing in its definition says more".to_owned(),
        false => format!("its definition says {}", signs.join(", ")),
    };
    let findings = match scanned.findings.len() {
        0 => String::new(),
        1 => " One thing in its definition should be looked at by a person.".to_owned(),
        more => format!(" {more} things in its definition should be looked at by a person."),
    };
    let (risk, does) = (risk(scanned.risk), does(scanned.category).trim_end_matches('.').to_owned());
    format!("{} risk: {}; {because}.{findings}", upper_first(risk), lower_first(&does))
}

pub(super) fn label_why(label: &str) -> &'static str {
    match label {
        "reads_untrusted" => "brings in text that strangers wrote",
        "reads_private" => "shows what is private",
        "egress" => "sends something out",
        "credentials" => "handles secrets",
        "free_form_code" => "takes code that the caller writes",
        "bulk" => "acts on many things at once",
        _ => "a label of the catalogue",
    }
}

/// The word of a risk.
pub(in crate::catalogue) fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
        Risk::Critical => "critical",
    }
}

pub(super) fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}

pub(super) fn shape(shape: callgate_catalog::ParamType) -> &'static str {
    use callgate_catalog::ParamType;
    match shape {
        ParamType::Unknown => "any",
        ParamType::String => "string",
        ParamType::Number => "number",
        ParamType::Boolean => "boolean",
        ParamType::Strings => "strings",
        ParamType::Array => "array",
        ParamType::Object => "object",
    }
}

/// The word of a value that is written as one.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The same word, of those that there are.
pub(super) fn known(word: &str, words: &[&'static str]) -> &'static str {
    words.iter().find(|known| **known == word).copied().unwrap_or_default()
}
