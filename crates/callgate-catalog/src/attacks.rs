//! A small library of attacks on agents and their tools: how each works, what enables it, and the policy that stops it.

use crate::classify::Classification;
use crate::findings::FindingKind;
use callgate_policy::{Category, Label};
use serde::Deserialize;
use std::sync::LazyLock;

/// A way to attack an agent through its tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attack {
    /// Its name in links and records, for example `rug-pull`.
    pub id: &'static str,
    /// Its name as people know it.
    pub title: String,
    /// How it works.
    pub how: String,
    /// What stops it, and why.
    pub stops: String,
    /// What a scan finds where it is under way.
    pub findings: Vec<FindingKind>,
    /// What it needs, step by step: one tool each, of the same or of different servers.
    pub steps: Vec<Step>,
    /// A policy that stops it, as a document. Its tools are those of an example.
    pub policy: String,
}

/// What one step of an attack needs: a tool of one of the categories, or with one of the labels. Where both are empty any
/// tool will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Categories.
    pub categories: Vec<Category>,
    /// Labels.
    pub labels: Vec<Label>,
}

/// The files, in the order in which people read them.
const FILES: [(&str, &str); 11] = [
    ("tool-poisoning", include_str!("../data/attacks/tool-poisoning.toml")),
    ("rug-pull", include_str!("../data/attacks/rug-pull.toml")),
    ("indirect-injection", include_str!("../data/attacks/indirect-injection.toml")),
    ("injection-through-results", include_str!("../data/attacks/injection-through-results.toml")),
    ("exfiltration-by-chaining", include_str!("../data/attacks/exfiltration-by-chaining.toml")),
    ("confused-deputy", include_str!("../data/attacks/confused-deputy.toml")),
    ("token-mis-redemption", include_str!("../data/attacks/token-mis-redemption.toml")),
    ("runaway-loops", include_str!("../data/attacks/runaway-loops.toml")),
    ("credentials-in-errors", include_str!("../data/attacks/credentials-in-errors.toml")),
    ("typosquatting", include_str!("../data/attacks/typosquatting.toml")),
    ("compromised-package", include_str!("../data/attacks/compromised-package.toml")),
];

/// Every attack that is known, in the order in which people read them.
pub fn attacks() -> &'static [Attack] {
    static ATTACKS: LazyLock<Vec<Attack>> = LazyLock::new(|| {
        #[expect(clippy::expect_used, reason = "the files are part of the program and a test reads them")]
        FILES.iter().map(|(id, text)| read(id, text).expect("a file of data/attacks")).collect()
    });
    &ATTACKS
}

/// The attack with this id.
pub fn attack(id: &str) -> Option<&'static Attack> {
    attacks().iter().find(|attack| attack.id == id)
}

/// The attacks that one tool has a part in beyond what any tool has: alone, or as a step beside others.
pub fn attacks_with(found: &Classification) -> Vec<&'static Attack> {
    attacks().iter().filter(|attack| attack.steps.iter().any(|step| step.is_specific() && step.fits(found))).collect()
}

/// The attacks that the tools of one server enable without another's: each step has a tool.
pub fn attacks_on(tools: &[Classification]) -> Vec<&'static Attack> {
    let enabled = |attack: &&Attack| attack.steps.iter().all(|step| tools.iter().any(|found| step.fits(found)));
    attacks().iter().filter(enabled).collect()
}

impl Step {
    /// Whether a tool can be this step.
    pub fn fits(&self, found: &Classification) -> bool {
        let does = |category: &Category| {
            found.category == *category
                || found.actions.as_ref().is_some_and(|actions| actions.values().any(|does| does == category))
        };
        !self.is_specific()
            || self.categories.iter().any(does)
            || self.labels.iter().any(|label| found.labels.contains(label))
    }

    /// Whether it needs more than some tool.
    fn is_specific(&self) -> bool {
        !self.categories.is_empty() || !self.labels.is_empty()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAttack {
    title: String,
    how: String,
    stops: String,
    findings: Vec<FindingKind>,
    policy: String,
    step: Vec<RawStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    labels: Vec<String>,
}

fn read(id: &'static str, text: &str) -> Result<Attack, String> {
    let raw: RawAttack = toml::from_str(text).map_err(|error| format!("{id}: {error}"))?;
    let steps = raw.step.into_iter().map(step).collect::<Result<_, _>>()?;
    let prose = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Attack {
        id,
        title: raw.title,
        how: prose(&raw.how),
        stops: prose(&raw.stops),
        findings: raw.findings,
        steps,
        policy: raw.policy,
    })
}

fn step(raw: RawStep) -> Result<Step, String> {
    let category = |name: &String| Category::parse(name).ok_or_else(|| format!("`{name}` is no category"));
    let label = |name: &String| Label::parse(name).ok_or_else(|| format!("`{name}` is no label"));
    Ok(Step {
        categories: raw.categories.iter().map(category).collect::<Result<_, _>>()?,
        labels: raw.labels.iter().map(label).collect::<Result<_, _>>()?,
    })
}
