//! A process killed while it writes: what it was told is written is there afterwards, and the journal goes on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_journal::{Journal, Kind, Options, read, verify};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const DIR: &str = "CALLGATE_JOURNAL_CRASH_DIR";

fn open(dir: &Path) -> Journal {
    let options = Options { segment_bytes: 16 * 1024, ..Options::default() };
    Journal::open(dir, options, &mut |_| Ok(())).unwrap()
}

/// Runs only in the child that the other test starts: appends on several threads, and says what is written.
#[test]
fn child_appends_until_it_is_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let journal = Arc::new(open(Path::new(&dir)));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let journal = Arc::clone(&journal);
            std::thread::spawn(move || {
                loop {
                    let body = format!("\"{}\"", "x".repeat(200));
                    let ticket = journal.append(1, Kind::Decision, body.as_bytes(), || b"{}".to_vec()).unwrap();
                    journal.wait_written(ticket).unwrap();
                    if writeln!(std::io::stdout(), "written {}", ticket.0).is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn kill_minus_nine_loses_nothing_that_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut confirmed = BTreeSet::new();
    for round in 0..20 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_appends_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let seen = |line: &str, confirmed: &mut BTreeSet<u64>| {
            // The test harness writes on the same stream, without a line feed before the first of ours.
            let number = line.split("written ").nth(1).and_then(|number| number.trim().parse().ok());
            number.is_some_and(|number| confirmed.insert(number))
        };
        let mut fresh = 0;
        while fresh < 50 + round * 17 {
            let line = lines.next().expect("the child goes on").unwrap();
            fresh += usize::from(seen(&line, &mut confirmed));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // The last line may be cut in the middle of its number: only those with their line feed are sure.
        let rest: Vec<_> = lines.map_while(Result::ok).collect();
        rest.iter().rev().skip(1).for_each(|line| {
            seen(line, &mut confirmed);
        });
        let report = verify(dir.path(), None).unwrap();
        assert!(report.is_ok(), "round {round}: {report:?}");
        let there: BTreeSet<_> = read(dir.path(), None).unwrap().map(|entry| entry.unwrap().seq).collect();
        let missing: Vec<_> = confirmed.difference(&there).collect();
        assert!(missing.is_empty(), "round {round}: {missing:?}");
        drop(open(dir.path()));
        let report = verify(dir.path(), None).unwrap();
        assert!(report.is_ok() && report.unfinished_bytes == 0, "round {round}: {report:?}");
    }
}
