//! What a policy makes of a tool before anyone calls it, and the rules that do.

use super::entries::Entries;
use super::flows;
use super::listing::{Known, never_callable};
use crate::call::Definition;
use crate::decision::{Place, RulePath, Source};
use crate::model::{Mode, Policy, Predicate, ResultRules, Unlisted};
use crate::print;

/// One of the lists of an entry.
type Predicates = fn(&crate::model::Entry) -> &[Predicate];

/// What becomes of calls of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Treatment {
    /// The tool is taken out of `tools/list`, and every call is denied.
    Hidden,
    /// Every call is denied, whatever its arguments.
    Denied,
    /// Rules decide.
    Ruled,
    /// Every call is allowed that can be read.
    Allowed,
}

/// What a policy makes of a tool.
#[derive(Clone, Debug)]
pub struct Outlook<'p> {
    /// What becomes of its calls.
    pub standing: Treatment,
    /// The rules that its calls and their results meet, in the order in which they run; none for a tool that is hidden or
    /// that no entry lists.
    pub rules: Vec<ToolRule<'p>>,
}

/// One rule that calls of a tool meet.
#[derive(Clone, Debug)]
pub struct ToolRule<'p> {
    /// The field that it stands under: `validate_arguments`, `require`, `deny_if`, `approve_if`, `limits`, `results`,
    /// `flows`.
    pub field: &'static str,
    /// Its name in logs; that of `results` is their pointer.
    pub name: &'p str,
    /// Where it stands; none for `results`, which are more than one rule.
    pub place: Option<&'p Place>,
    /// The rule as canonical JSON: older spellings rewritten, defaults left out.
    pub json: String,
    /// Whether it is enforced.
    pub mode: Mode,
}

impl Policy {
    /// What the policy makes of a tool, whatever a call's arguments are. A broken policy denies.
    pub fn outlook(&self, tool: &str, definition: Option<&Definition>) -> Outlook<'_> {
        let without_rules = |standing| Outlook { standing, rules: Vec::new() };
        if self.broken.is_some() {
            return without_rules(Treatment::Denied);
        }
        if self.hides(tool) {
            return without_rules(Treatment::Hidden);
        }
        let mut entries = Entries::default();
        let is_listed = entries.extend(Source::Policy, self, tool, definition);
        if !is_listed && self.default == Unlisted::Deny {
            return without_rules(Treatment::Denied);
        }
        let mut rules = Vec::new();
        for (_, entry) in entries.iter() {
            rules.extend(entry.validate_arguments.iter().filter(|toggle| toggle.on).map(|toggle| ToolRule {
                field: "validate_arguments",
                name: toggle.rule.as_str(),
                place: Some(&toggle.place),
                json: "true".to_owned(),
                mode: Mode::Enforce,
            }));
        }
        let fields: [(&str, Predicates); 3] = [
            ("require", |entry| &entry.require),
            ("deny_if", |entry| &entry.deny_if),
            ("approve_if", |entry| &entry.approve_if),
        ];
        for (field, list) in fields {
            let predicates = entries.iter().flat_map(|(_, entry)| list(entry));
            rules.extend(predicates.map(|p| rule(field, &p.rule, &p.place, p.mode, print::predicate(p).text())));
            if field == "deny_if" {
                let meant = self.flows.iter().filter(|flow| flows::speaks_of(flow, tool, definition));
                rules.extend(meant.map(|f| rule("flows", &f.rule, &f.place, f.mode, print::flow(f).text())));
            }
        }
        let limits = entries.iter().flat_map(|(_, entry)| &entry.limits);
        rules.extend(limits.map(|l| rule("limits", &l.rule, &l.place, l.mode, print::limit(l).text())));
        let results = self.results.iter().chain(entries.iter().filter_map(|(_, entry)| entry.results.as_ref()));
        rules.extend(results.map(of_results));
        let known = Known { tool, definition };
        let is_never = definition.is_some_and(|known| known.quarantined)
            || entries.iter().any(|(_, entry)| never_callable(entry, &known));
        let standing = match rules.iter().any(|rule| rule.mode == Mode::Enforce) {
            _ if is_never => Treatment::Denied,
            true => Treatment::Ruled,
            false => Treatment::Allowed,
        };
        Outlook { standing, rules }
    }
}

fn rule<'p>(field: &'static str, name: &'p RulePath, place: &'p Place, mode: Mode, json: String) -> ToolRule<'p> {
    ToolRule { field, name: name.as_str(), place: Some(place), json, mode }
}

fn of_results(rules: &ResultRules) -> ToolRule<'_> {
    let name = rules.rules().next().map(|(name, _)| name.as_str()).unwrap_or_default();
    ToolRule { field: "results", name, place: None, json: print::results(rules).text(), mode: rules.mode }
}
