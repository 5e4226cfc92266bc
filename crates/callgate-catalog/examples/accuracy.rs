//! Compares the classifier with a labelled set: `accuracy LABELS.jsonl [--annotations] [--wrong]`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "an evaluation stops at the first surprise"
)]

use callgate_catalog::{Classification, Confidence, Tool, classify};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const NAMES: [&str; 5] = ["read", "write", "execute", "destructive", "financial"];

/// What the answers add up to.
#[derive(Default)]
struct Tally {
    /// By the gold category, then by the given one.
    matrix: [[usize; 5]; 5],
    judged: usize,
    gold: usize,
    total: usize,
    accepted: usize,
    /// Execute, destructive or financial that was taken for read with more than low confidence.
    waved_through: usize,
    groups: BTreeMap<String, (usize, usize)>,
    spent: Duration,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let path = arguments.first().expect("usage: accuracy LABELS.jsonl [--annotations] [--wrong]");
    let text = std::fs::read_to_string(path).expect("the labelled set can be read");
    let mut tally = Tally::default();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let tool = tool(&row, flag("--annotations"));
        let start = Instant::now();
        let answer = classify(&tool);
        tally.spent += start.elapsed();
        tally.add(&row, &answer, flag("--wrong"));
    }
    tally.print();
}

fn tool(row: &Value, with_annotations: bool) -> Tool {
    let mut definition = serde_json::json!({"name": row["tool"]});
    for key in ["description", "inputSchema", "annotations"] {
        if !row[key].is_null() && (key != "annotations" || with_annotations) {
            definition[key] = row[key].clone();
        }
    }
    Tool::from_list(serde_json::json!([definition]).to_string().as_bytes()).unwrap().remove(0)
}

fn index(name: &str) -> usize {
    NAMES.iter().position(|known| *known == name).unwrap()
}

impl Tally {
    fn add(&mut self, row: &Value, answer: &Classification, print_wrong: bool) {
        let given = answer.category.as_str();
        let accepted =
            row["accept"].as_array().unwrap().iter().any(|name| name.as_str().unwrap().to_lowercase() == given);
        self.total += 1;
        self.accepted += usize::from(accepted);
        let Some(gold) = row["gold"].as_str().map(str::to_lowercase) else { return };
        let hit = gold == given;
        self.judged += 1;
        self.gold += usize::from(hit);
        self.matrix[index(&gold)][index(given)] += 1;
        let group = self.groups.entry(row["group"].as_str().unwrap_or_default().to_owned()).or_default();
        *group = (group.0 + usize::from(hit), group.1 + 1);
        let waved_through = index(&gold) >= 2 && given == "read" && answer.confidence > Confidence::Low;
        self.waved_through += usize::from(waved_through);
        if hit || !print_wrong {
            return;
        }
        let mark = match (waved_through, accepted) {
            (true, _) => "!!",
            (_, true) => "~ ",
            _ => "  ",
        };
        let said: String = row["description"].as_str().unwrap_or_default().chars().take(90).collect();
        println!("{mark} {gold:11} {given:11} {:?} {} | {}", answer.confidence, row["tool"], said.replace('\n', " "));
        for sign in answer.evidence.iter().take(4) {
            println!("      {:.1} {} `{}` {}", sign.weight, sign.category.as_str(), sign.what, sign.why);
        }
    }

    fn print(&self) {
        println!("gold \\ given {}", NAMES.map(|name| format!("{name:>12}")).join(""));
        for (name, row) in NAMES.iter().zip(self.matrix) {
            println!("{name:12} {}", row.map(|count| format!("{count:>12}")).join(""));
        }
        let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        let means = self.groups.values().map(|(hits, all)| percent(*hits, *all));
        let mean = means.sum::<f64>() / self.groups.len().max(1) as f64;
        println!("equal to gold {:.1} % of {}, per group {mean:.1} %", percent(self.gold, self.judged), self.judged);
        println!("within accept {:.1} % of {}", percent(self.accepted, self.total), self.total);
        println!("execute, destructive or financial taken for read, not with low confidence: {}", self.waved_through);
        println!("{:.1} µs a tool", self.spent.as_secs_f64() * 1e6 / self.total.max(1) as f64);
    }
}
