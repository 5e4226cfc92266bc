//! A journal over its life: written, reopened, followed, refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_journal::{Journal, JournalError, Kind, Options, Reader, Refusals, Sync, read, verify};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn open(dir: &Path, options: Options) -> Result<(Journal, Vec<String>), JournalError> {
    let mut replayed = Vec::new();
    let journal = Journal::open(dir, options, &mut |record| {
        let what = record.state().map_or_else(|| record.body().to_owned(), |state| format!("state {state}"));
        replayed.push(format!("{} {} {what}", record.seq, record.kind));
        Ok(())
    })?;
    Ok((journal, replayed))
}

fn append(journal: &Journal, n: usize) {
    let ticket = journal.append(n as i64, Kind::Decision, format!("{{\"n\":{n}}}").as_bytes(), || {
        format!("{{\"through\":{n}}}").into_bytes()
    });
    journal.wait_written(ticket.unwrap()).unwrap();
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with('0'));
    found.sort();
    found
}

#[test]
fn a_start_replays_the_last_segment_from_an_exact_checkpoint() {
    for sync in [Sync::Process, Sync::Disk] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { sync, segment_bytes: 700, ..Options::default() };
        let (journal, replayed) = open(dir.path(), options).unwrap();
        assert!(replayed.is_empty());
        (0..9).for_each(|n| append(&journal, n));
        drop(journal);
        let (_journal, replayed) = open(dir.path(), options).unwrap();
        let last = segments(dir.path()).pop().unwrap();
        assert!(segments(dir.path()).len() > 1);
        let first: usize = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        // The checkpoint covers every record before it and none behind it.
        let through = replayed[0].split("through\":").nth(1).unwrap().trim_end_matches('}').parse::<usize>().unwrap();
        let rest: Vec<_> = replayed[1..].iter().map(|line| line.split(' ').nth(2).unwrap().to_owned()).collect();
        let expected: Vec<_> = (through + 1..9).map(|n| format!("{{\"n\":{n}}}")).collect();
        assert_eq!(rest, expected);
        assert!(replayed[0].starts_with(&format!("{first} checkpoint")), "{}", replayed[0]);
    }
}

#[test]
fn one_journal_is_opened_once() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), Options::default()).unwrap();
    assert!(matches!(open(dir.path(), Options::default()), Err(JournalError::Locked { .. })));
    drop(journal);
    assert!(open(dir.path(), Options::default()).is_ok());
}

#[test]
fn nobody_else_reads_the_key_or_the_records() {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal");
    let (_open, _) = open(&journal, Options::default()).unwrap();
    for (path, mode) in [(journal.join("journal.key"), 0o600), (segments(&journal)[0].clone(), 0o600), (journal, 0o700)]
    {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }
}

#[test]
fn a_torn_end_is_cut_off_and_recorded_wherever_it_tore() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 700, ..Options::default() };
    let (journal, _) = open(dir.path(), options).unwrap();
    (0..4).for_each(|n| append(&journal, n));
    drop(journal);
    let all = segments(dir.path());
    let last = all.last().unwrap().clone();
    let whole = fs::read(&last).unwrap();
    let line_ends: Vec<_> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
    for len in 0..whole.len() {
        fs::write(&last, &whole[..len]).unwrap();
        for extra in segments(dir.path()).iter().filter(|path| !all.contains(path)) {
            fs::remove_file(extra).unwrap();
        }
        let before: Vec<_> = all.iter().map(|path| fs::read(path).unwrap()).collect();
        let (journal, _) = open(dir.path(), options).unwrap();
        append(&journal, 77);
        drop(journal);
        let report = verify(dir.path(), None).unwrap();
        assert!(report.is_ok() && report.unfinished_bytes == 0, "{len}: {report:?}");
        let kinds: Vec<_> = read(dir.path(), None).unwrap().map(|entry| entry.unwrap().kind).collect();
        let torn = len == 0 || !line_ends.contains(&(len - 1));
        assert_eq!(kinds.iter().any(|kind| kind == "recovered"), torn, "{len}");
        for (path, bytes) in all.iter().zip(before) {
            fs::write(path, bytes).unwrap();
        }
    }
}

#[test]
fn nothing_starts_on_a_broken_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), Options::default()).unwrap();
    (0..4).for_each(|n| append(&journal, n));
    drop(journal);
    let segment = segments(dir.path())[0].clone();
    let whole = fs::read_to_string(&segment).unwrap();
    let lines: Vec<_> = whole.lines().collect();
    let cases = [
        (whole.replace("\"n\":2", "\"n\":3"), 4),
        ([lines[0], lines[1], lines[3], lines[4], ""].join("\n"), 3),
        ([lines[0], lines[1], lines[1], lines[2], ""].join("\n"), 3),
        ([lines[0], "", lines[1], ""].join("\n"), 2),
        ([lines[1], lines[2], ""].join("\n"), 1),
        (whole.replacen("\"signature\":\"", "\"signature\":\"0", 1), 1),
    ];
    for (text, line) in cases {
        fs::write(&segment, text).unwrap();
        match open(dir.path(), Options::default()) {
            Err(JournalError::Broken { line: at, segment: path, .. }) => {
                assert_eq!((at, path), (line, segment.clone()))
            }
            Err(other) => panic!("line {line}: {other}"),
            Ok(_) => panic!("line {line}: opened"),
        }
    }
    fs::write(&segment, whole).unwrap();
    fs::remove_file(dir.path().join("journal.key")).unwrap();
    assert!(matches!(open(dir.path(), Options::default()), Err(JournalError::Key { .. })));
}

#[test]
fn a_record_that_nobody_can_rebuild_from_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), Options::default()).unwrap());
    let refused = Journal::open(dir.path(), Options::default(), &mut |_| Err("CG4007: no".into()));
    let error = refused.err().unwrap().to_string();
    assert!(error.contains("line 1") && error.contains("CG4007"), "{error}");
}

#[test]
fn a_body_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), Options::default()).unwrap();
    for body in ["", "{\n}", "{\"a\":1}\r"] {
        assert!(matches!(journal.append_plain(1, Kind::Change, body.as_bytes()), Err(JournalError::Body { .. })));
    }
}

#[test]
fn following_sees_every_record_across_segments() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), Options { segment_bytes: 500, ..Options::default() }).unwrap();
    let mut reader: Reader = read(dir.path(), None).unwrap();
    let mut seen = Vec::new();
    for n in 0..30 {
        append(&journal, n);
        if n % 7 == 0 {
            seen.extend(reader.by_ref().map(|entry| entry.unwrap().seq));
        }
    }
    seen.extend(reader.by_ref().map(|entry| entry.unwrap().seq));
    assert_eq!(seen, (1..=journal.head().seq).collect::<Vec<_>>());
    assert!(segments(dir.path()).len() > 3);
    let since: Vec<_> = read(dir.path(), Some(20)).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(since.iter().all(|entry| entry.ts >= 20));
    assert_eq!(since.iter().filter(|entry| entry.kind == "decision").count(), 10);
}

#[test]
fn many_writers_get_one_chain_in_both_modes() {
    for sync in [Sync::Process, Sync::Disk] {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = open(dir.path(), Options { sync, segment_bytes: 4096, ..Options::default() }).unwrap();
        let journal = Arc::new(journal);
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let journal = Arc::clone(&journal);
                std::thread::spawn(move || (0..25).for_each(|n| append(&journal, thread * 100 + n)))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let head = journal.head();
        let report = verify(dir.path(), Some(&head)).unwrap();
        assert!(report.is_ok(), "{report:?}");
        let mut seen: Vec<_> = read(dir.path(), None).unwrap().map(Result::unwrap).collect();
        seen.retain(|entry| entry.kind == "decision");
        assert_eq!(seen.len(), 200);
    }
}

#[test]
fn a_flood_of_refusals_stays_small() {
    let dir = tempfile::tempdir().unwrap();
    let refusals = Refusals::open(dir.path(), 4096).unwrap();
    for n in 0..100_000_i64 {
        refusals.note(n, "192.0.2.7", "unknown token");
        refusals.note(n, &format!("192.0.2.{n}"), "unknown token");
        if n % 100 == 0 {
            refusals.flush(n, false);
        }
    }
    refusals.flush(100_000, false);
    let total: u64 =
        ["refused.log", "refused.log.1"].iter().map(|name| fs::metadata(dir.path().join(name)).unwrap().len()).sum();
    assert!(total <= 2 * 4096, "{total}");
    refusals.flush(200_000, true);
    drop(refusals);
    let again = Refusals::open(dir.path(), 1 << 20).unwrap();
    again.note(300_000, "a \"quoted\"\nsource", "no token");
    again.flush(300_001, true);
    let entries = Refusals::read(dir.path()).unwrap();
    let last = entries.last().unwrap();
    assert_eq!((last.source.as_str(), last.count, last.since), ("a \"quoted\"\nsource", 1, 300_000));
}

#[test]
fn refusals_are_written_when_they_double_and_by_the_minute() {
    let dir = tempfile::tempdir().unwrap();
    let refusals = Refusals::open(dir.path(), 1 << 20).unwrap();
    let note = |now: i64, times: usize| {
        (0..times).for_each(|_| {
            refusals.note(now, "198.51.100.1", "no token");
        });
        refusals.flush(now, false);
        Refusals::read(dir.path()).unwrap().iter().map(|entry| entry.count).collect::<Vec<_>>()
    };
    assert_eq!(note(0, 1), [1]);
    assert_eq!(note(1, 1), [1, 2]);
    assert_eq!(note(2, 1), [1, 2]);
    assert_eq!(note(3, 1), [1, 2, 4]);
    assert_eq!(note(60_004, 1), [1, 2, 4, 5]);
}
