//! Compares the classifier with a labelled set: `accuracy LABELS.jsonl [--wrong]`. Prints Markdown: how often it says
//! what a careful reader says, with annotations hidden and shown, and what is left of that on servers that its lexicon
//! has not seen. Fails where the goal is missed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "an evaluation stops at the first surprise"
)]

mod labelled;
mod poison;
mod tally;
mod unseen;

use callgate_catalog::{Lexicon, classify_with};
use labelled::Labelled;
use std::process::ExitCode;
use tally::Tally;

/// What has to be reached with annotations hidden: percent equal to the label, and within what is defensible.
const GOAL: (f64, f64) = (92.0, 97.0);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().expect("usage: accuracy LABELS.jsonl [--wrong]");
    let text = std::fs::read_to_string(path).expect("the labelled set can be read");
    let hidden = labelled::read(&text, false);
    let shown = labelled::read(&text, true);
    if arguments.iter().any(|argument| argument == "--wrong") {
        print_wrong(&hidden);
    }

    let whole = judge(&hidden, Lexicon::built_in());
    whole.print("Annotations hidden from the classifier");
    judge(&shown, Lexicon::built_in()).print("Annotations shown");
    println!("### Servers that the lexicon has not seen\n");
    println!(
        "Before a server is judged, everything is taken out of the lexicon that only servers like it bear out: each"
    );
    println!(
        "word that stands in no other server's names, parameters and descriptions, and each combination and phrase"
    );
    println!("that fires on no other server's tools. Annotations are hidden.\n");
    println!("| judged | equal to the label | defensible | mean over servers | dangerous ones taken for read |");
    println!("|---|---|---|---|---|");
    unseen::one_out(&hidden).row("each server by the words of all others");
    unseen::halves(&hidden).row("each half of the servers by the words of the other");
    whole.row("all servers, with the whole lexicon");
    poison::print(&hidden);
    if whole.reaches(GOAL) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn judge(tools: &[Labelled], lexicon: &Lexicon) -> Tally {
    let mut tally = Tally::default();
    for tool in tools {
        tally.add(tool, &classify_with(&tool.tool, lexicon));
    }
    tally
}

fn print_wrong(tools: &[Labelled]) {
    for tool in tools {
        let found = classify_with(&tool.tool, Lexicon::built_in());
        let said = found.category.as_str();
        let Some(gold) = tool.gold.as_deref().filter(|gold| *gold != said) else { continue };
        let mark = if tool.accepted.contains(said) { "~" } else { " " };
        let text: String = tool.tool.description.chars().take(90).collect();
        println!("{mark} {gold} <- {said} {:?} {}: {}", found.confidence, tool.tool.name, text.replace('\n', " "));
        for sign in found.evidence.iter().take(4) {
            println!("      {:.1} {} `{}` {}", sign.weight, sign.category.as_str(), sign.what, sign.why);
        }
    }
}
