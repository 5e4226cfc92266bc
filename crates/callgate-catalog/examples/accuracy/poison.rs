//! How many poisoned definitions are found, and how many honest ones are called poisoned.

#[path = "../../tests/poison/corpus.rs"]
mod corpus;

use crate::labelled::Labelled;
use callgate_catalog::{FindingSeverity, Tool, findings};
use corpus::corpus;

/// Prints the share of the poisoned corpus that is found, and the alarms over what is honest.
pub(crate) fn print(labelled: &[Labelled]) {
    let poisoned = corpus(include_str!("../../tests/poison/poisoned.toml"));
    let ordinary = corpus(include_str!("../../tests/poison/ordinary.toml"));
    let found = poisoned.iter().filter(|(_, tool)| is_suspicious(tool)).count();
    let sounding = ordinary.iter().filter(|(_, tool)| is_suspicious(tool)).count();
    let honest = labelled.iter().filter(|labelled| is_suspicious(&labelled.tool)).count();
    println!("\n### Poisoned definitions\n");
    println!("| corpus | definitions | called suspicious |");
    println!("|---|---:|---:|");
    println!("| published attacks, in our own words | {} | {found} |", poisoned.len());
    println!("| honest definitions that sound like attacks | {} | {sounding} |", ordinary.len());
    println!("| the labelled tools, real and honest | {} | {honest} |", labelled.len());
}

fn is_suspicious(tool: &Tool) -> bool {
    findings(tool).iter().any(|found| found.severity >= FindingSeverity::Medium)
}
