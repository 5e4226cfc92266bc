//! What is no tool: whether a resource, prompt, sampling, elicitation or root may be reached, or started.

use super::{Denial, Passed, at, message};
use crate::decision::{Decision, Place, Reason, Source};
use crate::model::{List, Pattern, Policy, Section, Unlisted};
use crate::reach::uri::{self, Readings};
use crate::reach::{Reach, ReachKind};

/// Why something can't be reached.
enum Bar<'a> {
    NoPolicy,
    Broken(&'a str),
    /// The server starts it, no section speaks of it, and `default` is `deny`.
    Default(Option<Place>),
    /// It is a URI that readers disagree about.
    Disputed(Source, &'a Section, &'static str),
    Denied(Source, &'a Pattern),
    NotAllowed(Source, &'a List),
}

/// What happens to something that is no tool (policy language, "Beyond tools").
///
/// Policy and baseline both have to allow it. A decision here carries no charges and never asks.
pub fn decide_reach(policy: Option<&Policy>, baseline: Option<&Policy>, reach: Reach<'_>) -> Decision {
    match judge(policy, baseline, reach) {
        Ok(()) => Passed { approval: None, charges: Vec::new(), history: None }.into_decision(Vec::new()),
        Err(bar) => bar.denial(reach).into_decision(Vec::new()),
    }
}

/// Whether [`decide_reach`] allows it: the same answer without its reason, for lists.
pub fn reaches(policy: Option<&Policy>, baseline: Option<&Policy>, reach: Reach<'_>) -> bool {
    judge(policy, baseline, reach).is_ok()
}

impl Policy {
    /// Whether there could be something of this kind that the policy denies. Where it is `false`, lists need no look.
    pub fn restricts(&self, kind: ReachKind) -> bool {
        self.broken.is_some() || self.sections.get(kind).is_some() || self.default_denies(kind)
    }

    /// Whether there could be something of this kind that the policy allows.
    pub fn allows_some(&self, kind: ReachKind) -> bool {
        self.broken.is_none() && self.sections.get(kind).map_or(!self.default_denies(kind), Section::allows_some)
    }

    fn default_denies(&self, kind: ReachKind) -> bool {
        kind.is_started_by_server() && self.default == Unlisted::Deny
    }
}

fn judge<'a>(policy: Option<&'a Policy>, baseline: Option<&'a Policy>, reach: Reach<'_>) -> Result<(), Bar<'a>> {
    let policy = policy.ok_or(Bar::NoPolicy)?;
    let documents = [baseline.map(|baseline| (Source::Baseline, baseline)), Some((Source::Policy, policy))];
    for (_, document) in documents.iter().flatten() {
        if let Some(why) = &document.broken {
            return Err(Bar::Broken(why));
        }
    }
    for (source, document) in documents.into_iter().flatten() {
        match document.sections.get(reach.kind) {
            Some(section) => judge_section(source, section, reach)?,
            None if document.default_denies(reach.kind) => {
                return Err(Bar::Default(document.default_place.as_ref().map(|place| at(source, place))));
            }
            None => {}
        }
    }
    Ok(())
}

fn judge_section<'a>(source: Source, section: &'a Section, reach: Reach<'_>) -> Result<(), Bar<'a>> {
    let Reach { kind, subject } = reach;
    let readings = match reach.is_uri() {
        true => uri::read(subject, kind == ReachKind::Template).map_err(|why| Bar::Disputed(source, section, why))?,
        false => Readings::default(),
    };
    if let Some(pattern) = section.deny.as_ref().and_then(|list| list.any(subject, &readings)) {
        return Err(Bar::Denied(source, pattern));
    }
    match &section.allow {
        Some(list) if !list.covers(subject, &readings) => Err(Bar::NotAllowed(source, list)),
        _ => Ok(()),
    }
}

impl Bar<'_> {
    fn denial(self, reach: Reach<'_>) -> Denial {
        let named = named(reach);
        match self {
            Self::NoPolicy => {
                let message = "no policy is attached to this grant, so everything is denied".to_owned();
                Denial::new(Reason::NoPolicy, "(no policy)", None, message)
            }
            Self::Broken(why) => {
                let message = format!("the policy can't be used, so everything is denied: {why}");
                Denial::new(Reason::Fault, "(no policy)", None, message)
            }
            Self::Default(place) => {
                let section = reach.kind.section();
                let message = format!("{named} is not allowed: the policy has no section `{section}` that allows it");
                Denial::new(Reason::DefaultDeny, "(default deny)", place, message)
            }
            Self::Disputed(source, section, why) => {
                let message = format!("{named} is refused: the URI has {why}, which can be read in more than one way");
                let (rule, place) = (section.rule.clone(), Some(at(source, &section.place)));
                Denial { reason: Reason::Fault, rule, place, message: message.into() }
            }
            Self::Denied(source, pattern) => {
                let message = format!("{named} is denied by the rule `{}`", pattern.rule);
                let (rule, place) = (pattern.rule.clone(), Some(at(source, &pattern.place)));
                Denial { reason: Reason::NotAllowed, rule, place, message: message.into() }
            }
            Self::NotAllowed(source, list) => {
                let message = format!("{named} is not among what `{}` allows", list.rule);
                let (rule, place) = (list.rule.clone(), Some(at(source, &list.place)));
                Denial { reason: Reason::NotAllowed, rule, place, message: message.into() }
            }
        }
    }
}

/// What is reached for, fit for a message.
fn named(reach: Reach<'_>) -> String {
    let subject = message::shorten(reach.subject);
    match reach.kind {
        ReachKind::Resource => format!("the resource `{subject}`"),
        ReachKind::Template => format!("the resource template `{subject}`"),
        ReachKind::Prompt => format!("the prompt `{subject}`"),
        ReachKind::Sampling if reach.subject.is_empty() => "sampling without a model hint".to_owned(),
        ReachKind::Sampling => format!("sampling with the model hint `{subject}`"),
        ReachKind::Elicitation if !reach.is_uri() => "an elicitation by form".to_owned(),
        ReachKind::Elicitation => format!("an elicitation at `{subject}`"),
        ReachKind::Root => format!("the root `{subject}`"),
    }
}
