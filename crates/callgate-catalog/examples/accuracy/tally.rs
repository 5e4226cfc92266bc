//! What the answers add up to.

use crate::labelled::Labelled;
use callgate_catalog::{Classification, Confidence};
use std::collections::BTreeMap;

const NAMES: [&str; 5] = ["read", "write", "execute", "destructive", "financial"];

/// Counts over labelled tools.
#[derive(Default)]
pub(crate) struct Tally {
    /// By the label, then by the answer.
    matrix: [[usize; 5]; 5],
    equal: usize,
    judged: usize,
    accepted: usize,
    total: usize,
    /// Execute, destructive or financial that was taken for read with more than low confidence.
    waved_through: usize,
    servers: BTreeMap<String, (usize, usize)>,
}

impl Tally {
    /// Counts one answer.
    pub(crate) fn add(&mut self, tool: &Labelled, answer: &Classification) {
        let said = answer.category.as_str();
        self.total += 1;
        self.accepted += usize::from(tool.accepted.contains(said));
        let Some(gold) = tool.gold.as_deref() else { return };
        let is_equal = gold == said;
        self.judged += 1;
        self.equal += usize::from(is_equal);
        self.matrix[place(gold)][place(said)] += 1;
        let server = self.servers.entry(tool.server.clone()).or_default();
        *server = (server.0 + usize::from(is_equal), server.1 + 1);
        let is_dangerous = place(gold) >= 2;
        self.waved_through += usize::from(is_dangerous && said == "read" && answer.confidence > Confidence::Low);
    }

    /// Whether the goal is met: percent equal, percent defensible, and nothing dangerous waved through.
    pub(crate) fn reaches(&self, goal: (f64, f64)) -> bool {
        percent(self.equal, self.judged) >= goal.0
            && percent(self.accepted, self.total) >= goal.1
            && self.waved_through == 0
    }

    /// Prints it as a section with its confusion matrix.
    pub(crate) fn print(&self, heading: &str) {
        println!("### {heading}\n");
        println!("| labelled \\ said | {} |", NAMES.join(" | "));
        println!("|---|{}", "---:|".repeat(NAMES.len()));
        for (name, row) in NAMES.iter().zip(self.matrix) {
            println!("| {name} | {} |", row.map(|count| count.to_string()).join(" | "));
        }
        println!("\nEqual to the label: {:.1} % of {}.", percent(self.equal, self.judged), self.judged);
        println!("Within what is defensible: {:.1} % of {}.", percent(self.accepted, self.total), self.total);
        println!("Mean over {} servers: {:.1} %.", self.servers.len(), self.mean());
        println!(
            "Execute, destructive or financial taken for read with more than low confidence: {}.\n",
            self.waved_through
        );
    }

    /// Prints it as one line of a table.
    pub(crate) fn row(&self, what: &str) {
        println!(
            "| {what} | {:.1} % | {:.1} % | {:.1} % | {} |",
            percent(self.equal, self.judged),
            percent(self.accepted, self.total),
            self.mean(),
            self.waved_through
        );
    }

    fn mean(&self) -> f64 {
        let shares = self.servers.values().map(|(equal, of)| percent(*equal, *of));
        shares.sum::<f64>() / self.servers.len().max(1) as f64
    }
}

fn place(name: &str) -> usize {
    NAMES.iter().position(|known| *known == name).unwrap()
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}
