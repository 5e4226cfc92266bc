//! Known attacks: in the lists of what enables them, and on pages of their own.

use super::label_why;
use crate::catalogue::site::Site;
use callgate_catalog::{Attack, Step};

/// An attack that something enables.
#[derive(Clone, Debug)]
pub(crate) struct AttackRow {
    pub(crate) href: String,
    pub(crate) title: &'static str,
    pub(crate) how: &'static str,
}

/// The page of an attack.
#[derive(Clone, Debug)]
pub(crate) struct AttackView {
    pub(crate) attack: &'static Attack,
    /// What each step needs, in words.
    pub(crate) steps: Vec<String>,
}

impl AttackRow {
    /// In a list on the page of a server or a tool.
    pub(in crate::catalogue) fn of(attack: &'static Attack, site: Site) -> Self {
        Self { href: site.attack(attack.id), title: &attack.title, how: &attack.how }
    }
}

impl AttackView {
    /// On its own page.
    pub(in crate::catalogue) fn of(attack: &'static Attack) -> Self {
        let step = |step: &Step| {
            let kinds = step.categories.iter().map(|category| does_what(category.as_str()).to_owned());
            let labels = step.labels.iter().map(|label| label_why(label.as_str()).to_owned());
            let needs: Vec<String> = kinds.chain(labels).collect();
            if needs.is_empty() { "any tool".to_owned() } else { format!("a tool that {}", needs.join(", or ")) }
        };
        Self { attack, steps: attack.steps.iter().map(step).collect() }
    }
}

/// What a tool of a category does, behind "a tool that".
fn does_what(category: &str) -> &'static str {
    match category {
        "read" => "reads",
        "write" => "changes something",
        "execute" => "runs code or commands",
        "destructive" => "destroys something",
        "financial" => "moves money",
        _ => "does anything",
    }
}
