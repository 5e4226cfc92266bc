//! What a record costs: appended, and appended and written.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark stops at the first surprise")]

use callgate_journal::{Journal, Kind, Options};
use divan::{Bencher, counter::ItemsCount};

fn main() {
    divan::main();
}

fn journal() -> (tempfile::TempDir, Journal) {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), Options::default(), &mut |_| Ok(())).unwrap();
    (dir, journal)
}

fn body() -> String {
    format!("{{\"text\":\"{}\"}}", "x".repeat(588))
}

/// A decision as the data path has it: appended, then written before the call may leave. 600 bytes.
#[divan::bench]
fn append_and_write(bencher: Bencher<'_, '_>) {
    let ((_dir, journal), body) = (journal(), body());
    bencher.counter(ItemsCount::new(1_u64)).bench_local(|| {
        let ticket = journal.append(1, Kind::Decision, body.as_bytes(), || b"{}".to_vec()).unwrap();
        journal.wait_written(ticket).unwrap();
    });
}

/// Sixteen decisions that came together: one write for all.
#[divan::bench]
fn append_16_and_write(bencher: Bencher<'_, '_>) {
    let ((_dir, journal), body) = (journal(), body());
    bencher.counter(ItemsCount::new(16_u64)).bench_local(|| {
        let tickets: Vec<_> =
            (0..16).map(|_| journal.append(1, Kind::Decision, body.as_bytes(), || b"{}".to_vec()).unwrap()).collect();
        tickets.into_iter().for_each(|ticket| journal.wait_written(ticket).unwrap());
    });
}
