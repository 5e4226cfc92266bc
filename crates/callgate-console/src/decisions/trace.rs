//! A decision in full.

use super::row::{Decision, Place, fate, was_forwarded};
use super::text::{Excerpt, Line, line_of};
use crate::api::{Api, Part, Problem, path};
use crate::figure;
use crate::moment::Moment;
use crate::part::{outcome_class, outcome_word};
use crate::search;
use crate::shell::{self, Section, Shell};
use crate::visit::Visit;
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use callgate_control::approvals::visible::visible;
use callgate_json::escape_token;
use http::StatusCode;
use serde::Deserialize;

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Response {
    let decision: Decision = match visit.api.get(&path(&["decisions", &id], &[])).await {
        Ok(decision) => decision,
        Err(problem) => return shell::failed(&visit, Section::Decisions, problem),
    };
    let rule = rule(&visit.api, &decision).await;
    let page = TracePage { trace: Trace::of(&decision), rule, shell: Shell::new(&visit, Section::Decisions) };
    shell::html(StatusCode::OK, &page)
}

/// What is said about a decision, besides its rule.
struct Trace {
    class: &'static str,
    outcome: &'static str,
    moment: Moment,
    /// The tool, or the method.
    tool: String,
    server: String,
    /// Why it was decided so.
    why: String,
    rule: String,
    message: String,
    /// When a limit resets, seen from the decision.
    retry: Option<String>,
    facts: Vec<Fact>,
    /// What came back: what it is called, what that means, and its figures.
    result: (&'static str, &'static str),
    result_facts: Vec<Fact>,
    redacted: Vec<Fact>,
    shadow: Vec<ShadowRow>,
    limits_href: String,
    try_href: String,
    related: Vec<Link>,
}

/// A fact with its name.
struct Fact {
    name: String,
    text: String,
    href: Option<String>,
}

/// What a rule in shadow mode would have done.
struct ShadowRow {
    outcome: &'static str,
    class: &'static str,
    rule: String,
    reason: String,
    message: String,
}

/// A link to somewhere else.
struct Link {
    text: &'static str,
    href: String,
}

/// The text of the policy that decided.
struct Rule {
    /// Which text it is.
    title: String,
    /// What the marked line is.
    marks: &'static str,
    excerpt: Option<Excerpt>,
    whole: Option<Vec<Line>>,
    /// Where the policy is edited.
    href: Option<String>,
    problem: Option<Problem>,
}

/// A version of a policy, with its document.
#[derive(Deserialize)]
struct Version {
    document: String,
    digest: String,
}

/// A version in a list.
#[derive(Deserialize)]
struct Published {
    version: i64,
    published: String,
}

impl Trace {
    fn of(decision: &Decision) -> Self {
        let is_call = !decision.tool.is_empty();
        let version = decision.policy_version.map(|version| version.to_string()).unwrap_or_default();
        Self {
            class: outcome_class(&decision.outcome),
            outcome: outcome_word(&decision.outcome),
            moment: Moment::of(&decision.time),
            tool: visible(if is_call { &decision.tool } else { &decision.method }),
            server: visible(&decision.server),
            why: why(decision),
            rule: visible(&decision.rule),
            message: visible(&decision.message),
            retry: decision.retry_after_ms.map(|ms| figure::span(ms.div_ceil(1000))),
            facts: facts(decision),
            result: fate(&decision.result),
            result_facts: result_facts(decision),
            redacted: decision.redacted.iter().map(|(what, times)| fact(visible(what), &times.to_string())).collect(),
            shadow: decision.shadow.iter().map(ShadowRow::of).collect(),
            limits_href: path(&["limits"], &[("server", &decision.server), ("grant", &decision.grant)]),
            try_href: path(
                &["try"],
                &[
                    ("server", &decision.server),
                    ("policy", &decision.policy),
                    ("version", &version),
                    ("tool", &decision.tool),
                    ("grant", &decision.grant_label),
                    ("at", &decision.time),
                ],
            ),
            related: related(decision),
        }
    }
}

impl ShadowRow {
    fn of(shadow: &super::row::Shadow) -> Self {
        Self {
            outcome: outcome_word(&shadow.outcome),
            class: outcome_class(&shadow.outcome),
            rule: visible(&shadow.rule),
            reason: visible(&shadow.reason),
            message: visible(&shadow.message),
        }
    }
}

fn why(decision: &Decision) -> String {
    let rule = decision.rule.as_str();
    match (decision.outcome.as_str(), rule) {
        ("allow", "") => "No rule stood against it.".to_owned(),
        ("deny", "(default deny)") => "The policy does not list it, and denies what it does not list.".to_owned(),
        ("deny", "(hidden)") => "The policy hides it.".to_owned(),
        ("deny", "(no policy)") => "The grant has no policy, and without one everything is denied.".to_owned(),
        ("deny", _) => "This rule denied it.".to_owned(),
        ("approve", _) => "This rule wants a person to say yes first.".to_owned(),
        _ => "This rule decided it.".to_owned(),
    }
}

fn fact(name: impl Into<String>, text: &str) -> Fact {
    Fact { name: name.into(), text: visible(text), href: None }
}

fn facts(decision: &Decision) -> Vec<Fact> {
    let grant = format!("{} ({})", decision.grant_label, decision.grant);
    let policy = match decision.policy_version {
        Some(version) => format!("{}, version {version}", decision.policy),
        None => decision.policy.clone(),
    };
    let client = match &decision.client_version {
        Some(version) => format!("{} {version}", decision.client),
        None => decision.client.clone(),
    };
    let mut facts = vec![
        Fact { href: Some(path(&["servers", &decision.server], &[])), ..fact("Server", &decision.server) },
        fact("Tool", &decision.tool),
        fact("Method", &decision.method),
        Fact { href: Some(path(&["grants", &decision.grant], &[])), ..fact("Grant", &grant) },
        fact("In the name of", decision.identity.as_deref().unwrap_or_default()),
        fact("Client, as it calls itself", &client),
        fact("Session", &decision.session),
        fact("Request id", decision.request_id.as_deref().unwrap_or_default()),
        fact("Policy", &policy),
        fact("Digest of the policy", decision.policy_digest.as_deref().unwrap_or_default()),
        fact("Reason", &decision.reason),
        fact("Names of the arguments", &decision.argument_keys.join(", ")),
        fact("Keyed digest of the arguments", decision.arguments_digest.as_deref().unwrap_or_default()),
        fact("Decision", &decision.id),
        fact("Record in the journal", &decision.seq.to_string()),
    ];
    if let Some(call) = &decision.result_of {
        facts.push(Fact { href: Some(path(&["decisions", call], &[])), ..fact("About the result of", call) });
    }
    facts.retain(|fact| !fact.text.is_empty());
    facts
}

fn result_facts(decision: &Decision) -> Vec<Fact> {
    if !was_forwarded(decision) {
        return Vec::new();
    }
    let figures = [
        ("HTTP status of the server", decision.upstream_status.map(|status| status.to_string())),
        ("JSON-RPC error", decision.error_code.map(|code| code.to_string())),
        ("Took", decision.latency_us.map(figure::duration)),
        ("Size of the answer", decision.bytes.map(figure::bytes)),
    ];
    figures.into_iter().filter_map(|(name, text)| Some(fact(name, &text?))).collect()
}

fn related(decision: &Decision) -> Vec<Link> {
    let server = ("server", decision.server.as_str());
    let links = [
        ("This tool", !decision.tool.is_empty(), vec![server, ("tool", &decision.tool)]),
        ("This rule", !decision.rule.is_empty(), vec![server, ("rule", &decision.rule)]),
        ("This grant", true, vec![("grant", decision.grant.as_str())]),
        ("This session", !decision.session.is_empty(), vec![("session", &decision.session)]),
    ];
    let link = |(text, _, terms): (_, _, Vec<(&str, &str)>)| Link { text, href: search::decisions(&terms) };
    links.into_iter().filter(|(_, is_there, _)| *is_there).map(link).collect()
}

/// The text of the policy with the line of the rule; none where no policy decided.
async fn rule(api: &Api, decision: &Decision) -> Option<Rule> {
    let place = decision.place.as_ref();
    if place.is_some_and(|place| place.baseline) {
        return Some(baseline(api, decision, place).await);
    }
    let version = decision.policy_version.filter(|_| !decision.policy.is_empty())?;
    let (server, policy) = (decision.server.as_str(), decision.policy.as_str());
    let version = version.to_string();
    let found = api.get::<Version>(&path(&["servers", server, "policies", policy, "versions", &version], &[])).await;
    // A policy that is deleted and made anew begins with version 1 again.
    let found = found.and_then(|version| match &decision.policy_digest {
        Some(digest) if !digest.is_empty() && *digest != version.digest => Err(Problem::missing(
            "the text that decided is not kept: a policy of this name was made anew since",
            "the journal has its digest, and `callgate policy history` the texts that are kept",
        )),
        _ => Ok(version),
    });
    let rule = Rule {
        title: format!("Policy {} of {}, version {version}", visible(policy), visible(server)),
        href: Some(path(&["servers", server, "policies", policy], &[])),
        ..Rule::empty()
    };
    Some(rule.with(found, decision, place))
}

/// The baseline as it was then: a record says the version of the grant's policy only.
async fn baseline(api: &Api, decision: &Decision, place: Option<&Place>) -> Rule {
    let rule = Rule { title: "The organisation's baseline".to_owned(), ..Rule::empty() };
    let versions = match api.get::<Part<Published>>(&path(&["baseline", "versions"], &[("limit", "200")])).await {
        Ok(part) => part.items,
        Err(problem) => return Rule { problem: Some(problem), ..rule },
    };
    // Newest first, and written alike, so that they can be compared as texts.
    let Some(then) = versions.iter().find(|version| version.published <= decision.time) else { return rule };
    let version = then.version.to_string();
    let found = api.get::<Version>(&path(&["baseline", "versions", &version], &[])).await;
    Rule { title: format!("The organisation's baseline, version {version}"), ..rule }.with(found, decision, place)
}

impl Rule {
    fn empty() -> Self {
        Self { title: String::new(), marks: "", excerpt: None, whole: None, href: None, problem: None }
    }

    fn with(self, found: Result<Version, Problem>, decision: &Decision, place: Option<&Place>) -> Self {
        let text = match found {
            Ok(version) => version.document,
            Err(problem) => return Self { problem: Some(problem), ..self },
        };
        let (line, marks) = match place {
            Some(place) if place.line > 0 => (Some(place.line), "the rule"),
            Some(place) => (line_of(&text, &place.pointer), "the rule"),
            // An entry of its own allows it; a pattern might, too: then nothing is marked.
            None => (line_of(&text, &format!("/tools/{}", escape_token(&decision.tool))), "the entry of the tool"),
        };
        let line = line.filter(|_| place.is_some() || !decision.tool.is_empty());
        Self {
            marks,
            excerpt: line.and_then(|line| Excerpt::around(&text, line)),
            whole: Excerpt::whole(&text, line.unwrap_or_default()),
            ..self
        }
    }
}

#[derive(Template)]
#[template(path = "decisions/trace.html")]
struct TracePage<'v> {
    shell: Shell<'v>,
    trace: Trace,
    rule: Option<Rule>,
}
