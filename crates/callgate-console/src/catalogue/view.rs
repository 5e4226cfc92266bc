//! What the pages say, as text. The templates only place it.

mod attacks;
mod facts;
mod questions;

use super::document::{Judged, Provider, Providers, ServerDocument, slug};
pub(super) use attacks::{AttackRow, AttackView};
use callgate_catalog::{Confidence, Finding, Risk, Scanned, Tool, attacks_on, attacks_with};
use facts::facts;
use questions::{server_questions, tool_questions};
use serde_json::{Value, json};

/// The longest description that a list shows, in characters.
const SHORT: usize = 160;

/// So many signs are shown as evidence, and so many related tools.
const SIGNS: usize = 12;
const RELATED: usize = 10;

/// What the index says about a server.
#[derive(Clone, Debug)]
pub struct IndexRow {
    /// Its identity.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its title, or its name.
    pub title: String,
    /// The beginning of what it is said to do.
    pub description: String,
    /// Where its page is.
    pub href: String,
    /// Its grade; none where its tools are not known.
    pub grade: Option<String>,
    /// The risk of its riskiest tool.
    pub risk: Option<String>,
    /// How many tools it has; none where that is not known.
    pub tools: Option<i64>,
}

/// A link to somewhere else.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) href: String,
    pub(super) text: String,
}

/// A fact with its name.
#[derive(Clone, Debug)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) text: String,
    /// Where it leads; only to http and https.
    pub(super) href: Option<String>,
}

/// A tool in a list.
#[derive(Clone, Debug)]
pub(super) struct ToolRow {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) description: String,
    pub(super) category: &'static str,
    pub(super) risk: &'static str,
    pub(super) labels: Vec<String>,
    pub(super) findings: usize,
}

/// Points that a server lost.
#[derive(Clone, Debug)]
pub(super) struct LostRow {
    pub(super) what: &'static str,
    pub(super) points: String,
    pub(super) why: String,
}

/// A question and its answer: a text, and what to copy.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) asks: String,
    pub(super) answer: String,
    pub(super) code: Option<String>,
}

/// A server's page.
#[derive(Clone, Debug)]
pub(super) struct ServerView {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) grade: Option<String>,
    pub(super) score: u32,
    pub(super) lost: Vec<LostRow>,
    pub(super) risk: Option<String>,
    pub(super) facts: Vec<Fact>,
    pub(super) kinds: Vec<(&'static str, usize)>,
    pub(super) tools: Vec<ToolRow>,
    pub(super) tools_known: bool,
    pub(super) attacks: Vec<AttackRow>,
    pub(super) policy: Option<String>,
    pub(super) questions: Vec<Question>,
}

/// A sign that decided, or a finding.
#[derive(Clone, Debug)]
pub(super) struct Sign {
    pub(super) quote: String,
    pub(super) place: String,
    pub(super) why: String,
    pub(super) kind: String,
}

/// A parameter of a tool.
#[derive(Clone, Debug)]
pub(super) struct ParamRow {
    pub(super) name: String,
    pub(super) shape: &'static str,
    pub(super) required: bool,
    pub(super) description: String,
}

/// A tool's page.
#[derive(Clone, Debug)]
pub(super) struct ToolView {
    pub(super) file: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) does: String,
    pub(super) category: &'static str,
    pub(super) risk: &'static str,
    pub(super) risk_why: String,
    pub(super) confidence: &'static str,
    pub(super) labels: Vec<(String, &'static str)>,
    pub(super) actions: Vec<(String, &'static str)>,
    pub(super) evidence: Vec<Sign>,
    pub(super) findings: Vec<Sign>,
    pub(super) attacks: Vec<AttackRow>,
    pub(super) params: Vec<ParamRow>,
    pub(super) rule: String,
    pub(super) fingerprint: String,
    pub(super) providers: Vec<Link>,
    pub(super) related: Vec<ToolRow>,
    pub(super) questions: Vec<Question>,
}

impl IndexRow {
    pub(super) fn of(document: &ServerDocument) -> Self {
        Self {
            id: document.id.clone(),
            name: document.name.clone(),
            title: titled(document).to_owned(),
            description: short(&document.description),
            href: format!("servers/{}/index.html", slug(&document.id)),
            grade: document.grade.clone(),
            risk: document.risk.clone(),
            tools: document.tools,
        }
    }
}

impl ServerView {
    pub(super) fn of(judged: &Judged<'_>) -> Self {
        let document = judged.document;
        let tools: Vec<ToolRow> =
            judged.tools.iter().zip(&judged.scanned).map(|(tool, scanned)| ToolRow::of(tool, scanned)).collect();
        let kinds = ["read", "write", "execute", "destructive", "financial"];
        let kinds = kinds.map(|kind| (kind, tools.iter().filter(|tool| tool.category == kind).count()));
        let grade = judged.grade.as_ref();
        let lost = grade.into_iter().flat_map(|grade| &grade.deductions).map(|lost| LostRow {
            what: lost.what,
            points: format!("{}.{}", lost.tenths / 10, lost.tenths % 10),
            why: lost.why.clone(),
        });
        Self {
            name: document.name.clone(),
            title: titled(document).to_owned(),
            description: document.description.clone(),
            grade: grade.map(|grade| grade.letter.to_string()),
            score: grade.map(|grade| grade.score).unwrap_or_default(),
            lost: lost.collect(),
            risk: document.risk.clone().filter(|_| !tools.is_empty()),
            facts: facts(document),
            kinds: kinds.into_iter().filter(|(_, count)| *count > 0).collect(),
            tools_known: document.tools.is_some(),
            attacks: attacks_on(&judged.classified).into_iter().map(AttackRow::of).collect(),
            policy: judged.policy.clone(),
            questions: server_questions(judged),
            tools,
        }
    }
}

impl ToolRow {
    fn of(tool: &Tool, scanned: &Scanned) -> Self {
        Self {
            name: tool.name.clone(),
            href: file(&tool.name),
            description: short(&tool.description),
            category: scanned.category,
            risk: risk(scanned.risk),
            labels: scanned.labels.iter().map(word).collect(),
            findings: scanned.findings.len(),
        }
    }
}

impl ToolView {
    /// The page of the tool at this place.
    pub(super) fn of(judged: &Judged<'_>, at: usize, providers: &Providers) -> Option<Self> {
        let (tool, scanned) = (judged.tools.get(at)?, judged.scanned.get(at)?);
        let others = providers.others(&tool.name, &judged.document.id);
        let same = judged.tools.iter().zip(&judged.scanned).enumerate();
        let same = same.filter(|(place, (_, other))| *place != at && other.category == scanned.category);
        let link = |provider: &Provider| Link {
            href: format!("../{}/{}", slug(&provider.id), file(&tool.name)),
            text: provider.name.clone(),
        };
        let evidence = scanned.evidence.iter().take(SIGNS).map(|sign| Sign {
            quote: sign.what.clone(),
            place: sign.place.clone(),
            why: sign.why.clone(),
            kind: sign.category.to_owned(),
        });
        let params = tool.params.iter().map(|param| ParamRow {
            name: param.name.clone(),
            shape: shape(param.shape),
            required: param.required,
            description: param.description.clone(),
        });
        let rule = json!({ "version": "1", "default": "deny", "tools": { (tool.name.as_str()): scanned.rule } });
        let hidden = scanned.rule.get("hide").is_some();
        let rule = if hidden { json!({ "version": "1", "hide": [tool.name] }) } else { rule };
        Some(Self {
            file: file(&tool.name),
            name: tool.name.clone(),
            description: tool.description.clone(),
            does: does(scanned.category).to_owned(),
            category: scanned.category,
            risk: risk(scanned.risk),
            risk_why: risk_why(scanned),
            confidence: confidence(scanned.confidence),
            labels: scanned
                .labels
                .iter()
                .map(word)
                .map(|word| {
                    let why = label_why(&word);
                    (word, why)
                })
                .collect(),
            actions: scanned.actions.iter().flatten().map(|(value, category)| (value.clone(), *category)).collect(),
            evidence: evidence.collect(),
            findings: scanned.findings.iter().map(Sign::of_finding).collect(),
            attacks: judged.classified.get(at).map(attacks_with).into_iter().flatten().map(AttackRow::of).collect(),
            params: params.collect(),
            rule: pretty(&rule),
            fingerprint: scanned.fingerprint.clone(),
            providers: others.iter().map(link).collect(),
            related: same.take(RELATED).map(|(_, (tool, scanned))| ToolRow::of(tool, scanned)).collect(),
            questions: tool_questions(judged, tool, scanned, &pretty(&rule), others.len()),
        })
    }
}

impl Sign {
    fn of_finding(finding: &Finding) -> Self {
        Self {
            quote: finding.what.clone(),
            place: finding.place.clone(),
            why: finding.why.clone(),
            kind: format!("{}, {}", word(&finding.kind).replace('_', " "), word(&finding.severity)),
        }
    }
}

/// The file of a tool's page, beside its server's.
fn file(tool: &str) -> String {
    format!("{}.html", slug(tool))
}

fn titled(document: &ServerDocument) -> &str {
    if document.title.trim().is_empty() { &document.name } else { &document.title }
}

fn does(category: &str) -> &'static str {
    match category {
        "read" => "It reads, and changes nothing.",
        "write" => "It changes something that can be changed back.",
        "execute" => "It runs code or commands.",
        "destructive" => "It destroys something that can't be had back.",
        "financial" => "It moves money.",
        _ => "What it does is not known.",
    }
}

fn risk_why(scanned: &Scanned) -> String {
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

fn label_why(label: &str) -> &'static str {
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

fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
        Risk::Critical => "critical",
    }
}

fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}

fn shape(shape: callgate_catalog::ParamType) -> &'static str {
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
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn short(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    match line.char_indices().nth(SHORT) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// What a server says, as a quotation.
fn sentence(text: &str) -> String {
    let text = short(text);
    if text.is_empty() { "It does not say.".to_owned() } else { format!("It says: “{text}”") }
}

fn upper_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
