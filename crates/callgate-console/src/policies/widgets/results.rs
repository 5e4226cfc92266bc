//! Rules over results, of an entry or of the whole document.

use super::{RuleGroup, click};
use crate::builder::{Action, Bearing, EntryKey, Pickers, ProblemView, Redact, Results, ResultsView, TextOnly};

/// Groups of detectors that can be ticked.
pub(in crate::policies) const DETECTORS: [(&str, &str); 2] =
    [("secrets", "secrets"), ("personal_data", "personal data")];

/// The fields that can be changed here; the description stays, and so do expressions of the document's own.
const FIELDS: [&str; 4] = ["redact", "max_bytes", "on_deny", "mode"];

/// Rules over results.
pub(in crate::policies) struct ResultsRow {
    /// The prefix of its identities and fields.
    pub(in crate::policies) id: String,
    pub(in crate::policies) results: Results,
    pub(in crate::policies) flaws: Vec<ProblemView>,
    pub(in crate::policies) text_only: Vec<TextOnly>,
    /// The names of single detectors.
    pub(in crate::policies) others: Vec<String>,
    /// Name and text of each expression of the document's own: only to be seen.
    pub(in crate::policies) own: Vec<(String, String)>,
    pub(in crate::policies) keep: String,
    pub(in crate::policies) deny_if: RuleGroup,
}

impl ResultsRow {
    /// The rules over results of what has the identity `id`; `view` is what is there yet.
    pub(in crate::policies) fn of(id: &str, key: &EntryKey, view: Option<&ResultsView>, pickers: &Pickers) -> Self {
        let results = view.map(|view| view.results.clone()).unwrap_or_default();
        let set = Action::SetResults { entry: key.clone(), results: results.clone() };
        let id = format!("{id}.results");
        let (mut others, mut own) = (Vec::new(), Vec::new());
        for one in &results.redact {
            match one {
                Redact::Own { name, regex } => own.push((name.clone(), regex.clone())),
                Redact::Known(name) if DETECTORS.iter().all(|(group, _)| group != name) => others.push(name.clone()),
                Redact::Known(_) => {}
            }
        }
        let rules = view.map(|view| view.deny_if.as_slice()).unwrap_or_default();
        Self {
            flaws: view.map(|view| view.problems.clone()).unwrap_or_default(),
            text_only: view.map(|view| view.text_only.clone()).unwrap_or_default(),
            others,
            own,
            keep: click(&set, &id, &FIELDS),
            deny_if: RuleGroup::of(&id, key, Bearing::ResultsDenyIf, rules, pickers),
            results,
            id,
        }
    }

    /// Whether a group is taken out.
    pub(in crate::policies) fn redacts(&self, group: &str) -> bool {
        self.results.redact.iter().any(|one| matches!(one, Redact::Known(name) if name == group))
    }
}
