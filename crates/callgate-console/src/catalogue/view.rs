//! What the pages say, as text. The templates only place it.

mod attacks;
mod facts;
mod questions;
mod words;

use super::document::{AimedAt, Judged, Provider, Providers, ServerDocument};
use super::site::Site;
pub(crate) use attacks::{AttackRow, AttackView};
use callgate_catalog::{Finding, Scanned, Tool, attacks_on, attacks_with};
use facts::facts;
use questions::{server_questions, tool_questions};
use serde_json::{Value, json};
pub(in crate::catalogue) use words::risk;
use words::{confidence, does, known, label_why, risk_why, shape, word};

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
pub(crate) struct Link {
    pub(crate) href: String,
    pub(crate) text: String,
}

/// A fact with its name.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    /// Where it leads; only to http and https.
    pub(crate) href: Option<String>,
}

/// A tool in a list.
#[derive(Clone, Debug)]
pub(crate) struct ToolRow {
    pub(crate) name: String,
    pub(crate) href: String,
    pub(crate) description: String,
    pub(crate) category: &'static str,
    pub(crate) risk: &'static str,
    pub(crate) labels: Vec<String>,
    pub(crate) findings: usize,
}

/// Points that a server lost.
#[derive(Clone, Debug)]
pub(crate) struct LostRow {
    pub(crate) what: &'static str,
    pub(crate) points: String,
    pub(crate) why: String,
}

/// A question and its answer: a text, and what to copy.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) asks: String,
    pub(crate) answer: String,
    pub(crate) code: Option<String>,
}

/// A server's page.
#[derive(Clone, Debug)]
pub(crate) struct ServerView {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) grade: Option<String>,
    pub(crate) score: u32,
    pub(crate) lost: Vec<LostRow>,
    pub(crate) risk: Option<String>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) kinds: Vec<(&'static str, usize)>,
    pub(crate) tools: Vec<ToolRow>,
    pub(crate) tools_known: bool,
    pub(crate) attacks: Vec<AttackRow>,
    pub(crate) policy: Option<String>,
    pub(crate) questions: Vec<Question>,
    pub(crate) aims_at: Vec<AimRow>,
}

/// Something that aims at a server of the organisation.
#[derive(Clone, Debug)]
pub(crate) struct AimRow {
    pub(crate) tool: String,
    pub(crate) at: String,
    pub(crate) quote: String,
    pub(crate) why: String,
}

/// A sign that decided, or a finding.
#[derive(Clone, Debug)]
pub(crate) struct Sign {
    pub(crate) quote: String,
    pub(crate) place: String,
    pub(crate) why: String,
    pub(crate) kind: String,
}

/// A parameter of a tool.
#[derive(Clone, Debug)]
pub(crate) struct ParamRow {
    pub(crate) name: String,
    pub(crate) shape: &'static str,
    pub(crate) required: bool,
    pub(crate) description: String,
}

/// A tool's page.
#[derive(Clone, Debug)]
pub(crate) struct ToolView {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) does: String,
    pub(crate) category: &'static str,
    pub(crate) risk: &'static str,
    pub(crate) risk_why: String,
    pub(crate) confidence: &'static str,
    pub(crate) labels: Vec<(String, &'static str)>,
    pub(crate) actions: Vec<(String, &'static str)>,
    pub(crate) evidence: Vec<Sign>,
    pub(crate) findings: Vec<Sign>,
    pub(crate) attacks: Vec<AttackRow>,
    pub(crate) params: Vec<ParamRow>,
    pub(crate) rule: String,
    pub(crate) fingerprint: String,
    pub(crate) providers: Vec<Link>,
    pub(crate) related: Vec<ToolRow>,
    pub(crate) questions: Vec<Question>,
}

impl IndexRow {
    pub(in crate::catalogue) fn of(document: &ServerDocument) -> Self {
        Self {
            id: document.id.clone(),
            name: document.name.clone(),
            title: titled(document).to_owned(),
            description: short(&document.description),
            href: Site::Files.server(&document.id),
            grade: document.grade.clone(),
            risk: document.risk.clone(),
            tools: document.tools,
        }
    }
}

impl ServerView {
    pub(in crate::catalogue) fn of(judged: &Judged<'_>, site: Site) -> Self {
        let document = judged.document;
        let row = |(tool, scanned): (&Tool, &Scanned)| ToolRow::of(tool, scanned, &document.id, site);
        let tools: Vec<ToolRow> = judged.tools.iter().zip(&judged.scanned).map(row).collect();
        let kinds = ["read", "write", "execute", "destructive", "financial"];
        let kinds = kinds.map(|kind| (kind, tools.iter().filter(|tool| tool.category == kind).count()));
        let grade = judged.grade.as_ref();
        let lost = grade.into_iter().flat_map(|grade| &grade.deductions).map(|lost| LostRow {
            what: lost.what,
            points: format!("{}.{}", lost.tenths / 10, lost.tenths % 10),
            why: lost.why.clone(),
        });
        let aim = |aimed: &AimedAt| AimRow {
            tool: aimed.tool.as_deref().map(|tool| site.text(tool)).unwrap_or_default(),
            at: site.text(&aimed.at),
            quote: site.text(&aimed.what),
            why: site.text(&aimed.why),
        };
        Self {
            aims_at: document.aims_at.iter().map(aim).collect(),
            name: site.text(&document.name),
            title: site.text(titled(document)),
            description: site.text(&document.description),
            grade: grade.map(|grade| grade.letter.to_string()),
            score: grade.map(|grade| grade.score).unwrap_or_default(),
            lost: lost.collect(),
            risk: document.risk.clone().filter(|_| !tools.is_empty()),
            facts: facts(document).into_iter().map(|fact| Fact { text: site.text(&fact.text), ..fact }).collect(),
            kinds: kinds.into_iter().filter(|(_, count)| *count > 0).collect(),
            tools_known: document.tools.is_some(),
            attacks: attacks_on(&judged.classified).into_iter().map(|attack| AttackRow::of(attack, site)).collect(),
            policy: judged.policy.clone(),
            questions: server_questions(judged).into_iter().map(|item| item.on(site)).collect(),
            tools,
        }
    }
}

impl ToolRow {
    fn of(tool: &Tool, scanned: &Scanned, server: &str, site: Site) -> Self {
        Self {
            name: site.text(&tool.name),
            href: site.tool(server, &tool.name),
            description: site.text(&short(&tool.description)),
            category: scanned.category,
            risk: risk(scanned.risk),
            labels: scanned.labels.iter().map(word).collect(),
            findings: scanned.findings.len(),
        }
    }
}

impl ToolRow {
    /// One that the API lists, beside another tool of its server.
    pub(in crate::catalogue) fn related(name: String, category: &str, risk: &str, server: &str) -> Self {
        Self {
            href: Site::Console.tool(server, &name),
            name: Site::Console.text(&name),
            description: String::new(),
            category: known(category, &["read", "write", "execute", "destructive", "financial"]),
            risk: known(risk, &["low", "medium", "high", "critical"]),
            labels: Vec::new(),
            findings: 0,
        }
    }
}

impl ToolView {
    /// The page of the tool at this place.
    pub(in crate::catalogue) fn of(judged: &Judged<'_>, at: usize, providers: &Providers, site: Site) -> Option<Self> {
        let (tool, scanned) = (judged.tools.get(at)?, judged.scanned.get(at)?);
        let others = providers.others(&tool.name, &judged.document.id);
        let same = judged.tools.iter().zip(&judged.scanned).enumerate();
        let same = same.filter(|(place, (_, other))| *place != at && other.category == scanned.category);
        let link = |provider: &Provider| Link {
            href: site.tool_elsewhere(&provider.id, &tool.name),
            text: site.text(&provider.name),
        };
        let evidence = scanned.evidence.iter().take(SIGNS).map(|sign| Sign {
            quote: site.text(&sign.what),
            place: site.text(&sign.place),
            why: site.text(&sign.why),
            kind: sign.category.to_owned(),
        });
        let params = tool.params.iter().map(|param| ParamRow {
            name: site.text(&param.name),
            shape: shape(param.shape),
            required: param.required,
            description: site.text(&param.description),
        });
        let rule = json!({ "version": "1", "default": "deny", "tools": { (tool.name.as_str()): scanned.rule } });
        let hidden = scanned.rule.get("hide").is_some();
        let rule = if hidden { json!({ "version": "1", "default": "deny", "hide": [tool.name] }) } else { rule };
        let attacks = judged.classified.get(at).map(attacks_with).into_iter().flatten();
        let server = &judged.document.id;
        let questions = tool_questions(judged, tool, scanned, &pretty(&rule), others.len());
        Some(Self {
            name: site.text(&tool.name),
            description: site.text(&tool.description),
            does: does(scanned.category).to_owned(),
            category: scanned.category,
            risk: risk(scanned.risk),
            risk_why: site.text(&risk_why(scanned)),
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
            actions: scanned.actions.iter().flatten().map(|(value, category)| (site.text(value), *category)).collect(),
            evidence: evidence.collect(),
            findings: scanned.findings.iter().map(|finding| Sign::of_finding(finding, site)).collect(),
            attacks: attacks.map(|attack| AttackRow::of(attack, site)).collect(),
            params: params.collect(),
            rule: pretty(&rule),
            fingerprint: scanned.fingerprint.clone(),
            providers: others.iter().map(link).collect(),
            related: same.take(RELATED).map(|(_, (tool, scanned))| ToolRow::of(tool, scanned, server, site)).collect(),
            questions: questions.into_iter().map(|item| item.on(site)).collect(),
        })
    }
}

impl Question {
    /// The same, as this site shows it.
    fn on(self, site: Site) -> Self {
        let Self { asks, answer, code } = self;
        Self { asks: site.text(&asks), answer: site.text(&answer), code: code.map(|code| site.text(&code)) }
    }
}

impl Sign {
    fn of_finding(finding: &Finding, site: Site) -> Self {
        Self {
            quote: site.text(&finding.what),
            place: site.text(&finding.place),
            why: site.text(&finding.why),
            kind: format!("{}, {}", word(&finding.kind).replace('_', " "), word(&finding.severity)),
        }
    }
}

fn titled(document: &ServerDocument) -> &str {
    if document.title.trim().is_empty() { &document.name } else { &document.title }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// The beginning of a text, for lists.
pub(in crate::catalogue) fn short(text: &str) -> String {
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
