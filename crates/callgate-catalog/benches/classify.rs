#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark stops at the first surprise")]
//! What it costs to read, classify and check one tool, over the lists that the fixture server can serve.

use callgate_catalog::{Tool, classify, findings, recommend};
use divan::{Bencher, black_box, counter::ItemsCount};

const LISTS: [(&str, &[u8]); 2] = [
    ("kernel", include_bytes!("../../callgate-fixture/lists/kernel.json")),
    ("pare-docker", include_bytes!("../../callgate-fixture/lists/pare-docker.json")),
];

fn main() {
    divan::main();
}

fn tools() -> Vec<Tool> {
    LISTS.iter().flat_map(|(_, list)| Tool::from_list(list).unwrap()).collect()
}

/// Every tool of the lists; divan divides by their number.
fn each(bencher: Bencher<'_, '_>, work: impl Fn(&Tool) + Sync) {
    let tools = tools();
    tools.iter().for_each(&work);
    bencher.counter(ItemsCount::new(tools.len())).bench(|| tools.iter().for_each(&work));
}

#[divan::bench]
fn classifying(bencher: Bencher<'_, '_>) {
    each(bencher, |tool| {
        black_box(classify(black_box(tool)));
    });
}

#[divan::bench]
fn checking(bencher: Bencher<'_, '_>) {
    each(bencher, |tool| {
        black_box(findings(black_box(tool)));
    });
}

#[divan::bench]
fn reading(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(tools().len())).bench(|| black_box(tools()));
}

#[divan::bench]
fn recommending(bencher: Bencher<'_, '_>) {
    let tools = tools();
    bencher.counter(ItemsCount::new(tools.len())).bench(|| recommend(black_box(&tools)).unwrap());
}
