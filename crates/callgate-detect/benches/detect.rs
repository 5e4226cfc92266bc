#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark stops at the first surprise")]
//! What it costs to look: in prose, in program text, in tables of numbers, and in texts full of keywords.

use callgate_detect::Detectors;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

const SIZE: usize = 64 << 10;

fn main() {
    divan::main();
}

fn filled(pattern: &str) -> String {
    pattern.chars().cycle().take(SIZE).collect()
}

fn look(bencher: Bencher<'_, '_>, names: &[&str], pattern: &str) {
    let detectors = Detectors::select(names.iter().copied()).unwrap();
    let text = filled(pattern);
    bencher.counter(BytesCount::new(text.len())).bench_local(|| black_box(&detectors).find(black_box(&text)));
}

const PROSE: &str = "The gateway reads every message once, and strictly; what it judged is what it forwards.\n";
const PROGRAM: &str = "fn token(&self) -> &str { self.password.as_deref().unwrap_or(\"\") } // secret\n";
const TABLE: &str = "2026-11-22T09:13:44Z,17,4711,0.25,198.18.7.3,ok\n";

#[divan::bench]
fn secrets_in_prose(bencher: Bencher<'_, '_>) {
    look(bencher, &["secrets"], PROSE);
}

#[divan::bench]
fn secrets_in_a_program(bencher: Bencher<'_, '_>) {
    look(bencher, &["secrets"], PROGRAM);
}

#[divan::bench]
fn everything_in_prose(bencher: Bencher<'_, '_>) {
    look(bencher, &["secrets", "personal_data"], PROSE);
}

#[divan::bench]
fn everything_in_a_table(bencher: Bencher<'_, '_>) {
    look(bencher, &["secrets", "personal_data"], TABLE);
}

#[divan::bench]
fn a_short_text(bencher: Bencher<'_, '_>) {
    let detectors = Detectors::select(["secrets"]).unwrap();
    bencher.bench_local(|| black_box(&detectors).find(black_box("wrote 3 files to the workspace")));
}
