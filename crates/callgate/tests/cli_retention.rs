//! Retention, from the configuration file to the journal's files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "tests stop at the first surprise"
)]

#[path = "support/callgate.rs"]
mod callgate;
#[path = "support/proc.rs"]
mod proc;

use callgate::{Gateway, run};
use callgate_journal::{Journal, Kind, Options};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

const WITHHELD: &str = r#"{"organisation":"default","grant":"g","grant_label":"l","server":"kernel","method":"tools/list","names":["rm"],"count":1}"#;

/// The numbers of the journal's records, and who had some deleted.
fn records(journal: &Path) -> (Vec<u64>, Vec<serde_json::Value>) {
    let entries: Vec<_> = callgate_journal::read(journal, None).unwrap().map(Result::unwrap).collect();
    let pruned = entries.iter().filter(|entry| entry.kind == "pruned");
    let who = pruned.map(|entry| serde_json::from_str::<serde_json::Value>(&entry.body).unwrap()["who"].clone());
    (entries.iter().map(|entry| entry.seq).collect(), who.collect())
}

#[test]
fn a_gateway_deletes_what_is_older_than_its_configuration_says() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let journal = data.join("journal");
    std::fs::DirBuilder::new().mode(0o700).create(&data).unwrap();
    // What a gateway left in 1970.
    let options = Options { segment_bytes: 600, clock: || 1_000, ..Options::default() };
    let old = Journal::open(&journal, options, &mut |_| Ok(())).unwrap();
    for _ in 0..20 {
        let ticket = old.append(1_000, Kind::Withheld, WITHHELD.as_bytes(), || b"null".to_vec()).unwrap();
        old.wait_written(ticket).unwrap();
    }
    drop(old);
    let config = directory.path().join("callgate.toml");
    std::fs::write(&config, "").unwrap();
    let arguments = ["--config", config.to_str().unwrap()];
    let kept = Gateway::start(&data, &arguments);
    assert_eq!(kept.stop(), 0);
    assert_eq!((records(&journal).0[0], records(&journal).1.len()), (1, 0), "without it nothing is ever deleted");

    std::fs::write(&config, "[journal]\nretention = \"1h\"\n").unwrap();
    let gateway = Gateway::start(&data, &arguments);
    proc::until("the old segments are gone", || {
        std::fs::read_dir(&journal)
            .unwrap()
            .all(|entry| !entry.unwrap().file_name().to_str().unwrap().starts_with("00000000000000000001"))
    });
    assert_eq!(gateway.stop(), 0);
    let (numbers, who) = records(&journal);
    assert!(numbers[0] > 1, "{numbers:?}");
    assert_eq!(who, ["gateway"]);
    run(&data, &["journal", "verify"]).expect(0);
}
