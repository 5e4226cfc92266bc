//! Retention: what it deletes, what it leaves, and that nobody else can do the same unnoticed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_journal::{
    Checkpoint, Completeness, Journal, JournalError, Kind, Options, Refusals, Resumed, prunable, read, resume, verify,
};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const DIR: &str = "CALLGATE_JOURNAL_PRUNE_DIR";

fn open(dir: &Path) -> Journal {
    Journal::open(dir, Options { segment_bytes: 900, ..Options::default() }, &mut |_| Ok(())).unwrap()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with('0'));
    found.sort();
    found
}

/// Appends records with the times given, each its own segment's last where it is full.
fn fill(journal: &Journal, times: impl IntoIterator<Item = i64>) {
    for ts in times {
        let body = format!("{{\"at\":{ts}}}");
        let ticket = journal.append(ts, Kind::Decision, body.as_bytes(), || b"{}".to_vec()).unwrap();
        journal.wait_written(ticket).unwrap();
    }
}

/// The first segment carries the moment of its making, which is now; times here are far behind that.
const LATER: i64 = 10_000_000_000_000;

#[test]
fn whole_old_segments_go_and_the_last_stays() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    fill(&journal, (1..30).map(|n| LATER + n));
    let all = segments(dir.path());
    assert!(all.len() > 4);
    assert_eq!(journal.prune(LATER, None).unwrap(), None, "the first segment has records that are not older");
    // A record in the middle of a segment that is not older keeps it.
    let third: Vec<i64> = read(dir.path(), None).unwrap().map(|entry| entry.unwrap()).map(|entry| entry.ts).collect();
    let seq: u64 = all[2].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let last_of_second = third[usize::try_from(seq).unwrap() - 2];
    let plan = prunable(dir.path(), last_of_second).unwrap().unwrap();
    assert_eq!((plan.first, plan.segments), (1, 1));
    let plan = prunable(dir.path(), last_of_second + 1).unwrap().unwrap();
    assert_eq!((plan.last, plan.segments), (seq - 1, 2));
    assert_eq!(segments(dir.path()), all, "a plan deletes nothing");
    let pruned = journal.prune(last_of_second + 1, None).unwrap().unwrap();
    assert_eq!(pruned, plan);
    assert_eq!(segments(dir.path()), all[2..]);
    assert_eq!(journal.prune(last_of_second + 1, None).unwrap(), None);
    let report = verify(dir.path(), Some(&journal.head())).unwrap();
    assert!(report.is_ok() && report.first_seq == seq && report.completeness == Completeness::Confirmed, "{report:?}");
    // The head that was kept elsewhere when the last deleted record was the last is still good.
    let kept = Checkpoint { seq: plan.last, hash: plan.head, key: journal.head().key };
    assert_eq!(verify(dir.path(), Some(&kept)).unwrap().completeness, Completeness::Confirmed);
    // Everything else goes, again and again, but never the last segment.
    for round in 0..3 {
        fill(&journal, (1..30).map(|n| LATER + 100 * round + n));
        journal.prune(i64::MAX, None).unwrap().unwrap();
        assert_eq!(segments(dir.path()).len(), 1);
        let report = verify(dir.path(), Some(&journal.head())).unwrap();
        assert!(report.is_ok(), "{report:?}");
    }
}

#[test]
fn a_segment_is_full_at_its_age_too() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_age: Duration::from_millis(10), ..Options::default() };
    let journal = Journal::open(dir.path(), options, &mut |_| Ok(())).unwrap();
    fill(&journal, [LATER, LATER + 9, LATER + 10, LATER + 11]);
    drop(journal);
    let journal = Journal::open(dir.path(), options, &mut |_| Ok(())).unwrap();
    assert_eq!(segments(dir.path()).len(), 3);
    fill(&journal, [LATER + 12, LATER + 30]);
    assert_eq!(segments(dir.path()).len(), 4);
}

/// What is left after somebody deletes, changes or forges is noticed.
#[test]
fn only_retention_deletes_unnoticed() {
    let fresh = || {
        let dir = tempfile::tempdir().unwrap();
        let journal = open(dir.path());
        fill(&journal, (1..40).map(|n| LATER + n));
        let all = segments(dir.path());
        let seq: u64 = all[2].file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let before = read(dir.path(), None).unwrap().map(Result::unwrap).find(|entry| entry.seq == seq).unwrap().ts;
        journal.prune(before + 1, None).unwrap().unwrap();
        fill(&journal, (50..90).map(|n| LATER + n));
        drop(journal);
        assert!(verify(dir.path(), None).unwrap().is_ok());
        (dir, all)
    };
    let why = |dir: &Path| verify(dir, None).unwrap().broken.map(|broken| broken.why).unwrap_or_default();
    // One segment more than the record says.
    let (dir, _) = fresh();
    fs::remove_file(&segments(dir.path())[0]).unwrap();
    assert!(why(dir.path()).contains("no `pruned` record"), "{}", why(dir.path()));
    // The record itself taken out: the chain breaks.
    let (dir, _) = fresh();
    let holder = segments(dir.path()).into_iter().find(|path| fs::read_to_string(path).unwrap().contains("\"pruned\""));
    let holder = holder.unwrap();
    let text = fs::read_to_string(&holder).unwrap();
    let without: String =
        text.lines().filter(|line| !line.contains("\"pruned\"")).map(|line| format!("{line}\n")).collect();
    fs::write(&holder, without).unwrap();
    assert!(!why(dir.path()).is_empty());
    // A record of another journal's key, or with another range, in a chain whose hashes somebody computed anew.
    let (dir, _) = fresh();
    let first: u64 = segments(dir.path())[1].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let journal = open(dir.path());
    let true_body = text.lines().find(|line| line.contains("\"pruned\"")).unwrap();
    let body = true_body.split("\"body\":").nth(1).unwrap().strip_suffix('}').unwrap();
    let ticket = journal.append_plain(LATER, Kind::Pruned, body.as_bytes()).unwrap();
    journal.wait_written(ticket).unwrap();
    drop(journal);
    assert!(why(dir.path()).contains("another key"), "{}", why(dir.path()));
    let (dir, _) = fresh();
    let own = fs::read_to_string(
        segments(dir.path()).into_iter().find(|path| fs::read_to_string(path).unwrap().contains("\"pruned\"")).unwrap(),
    )
    .unwrap();
    let own = own.lines().find(|line| line.contains("\"pruned\"")).unwrap().to_owned();
    let body = own.split("\"body\":").nth(1).unwrap().strip_suffix('}').unwrap();
    let at = body.find(",\"head\"").unwrap();
    let last = body.find("\"last\":").unwrap() + 7;
    let forged = format!("{}{}{}", &body[..last], first - 1, &body[at..]);
    let journal = open(dir.path());
    let ticket = journal.append_plain(LATER, Kind::Pruned, forged.as_bytes()).unwrap();
    journal.wait_written(ticket).unwrap();
    drop(journal);
    assert!(why(dir.path()).contains("signature"), "{}", why(dir.path()));
}

/// What was changed is evidence: retention leaves it, and says so.
#[test]
fn retention_deletes_nothing_that_was_changed() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    fill(&journal, (1..40).map(|n| LATER + n));
    let all = segments(dir.path());
    for (segment, needle) in [(0, "\"at\""), (1, "\"at\""), (1, "\"signature\":\""), (2, "\"head\":\"")] {
        let whole = fs::read_to_string(&all[segment]).unwrap();
        fs::write(&all[segment], whole.replacen(needle, &needle.replace('a', "A").replace(":\"", ":\"0"), 1)).unwrap();
        match journal.prune(LATER + 1_000, None) {
            Err(JournalError::Unsound { segment: path, .. }) => assert_eq!(path, all[segment], "{needle}"),
            other => panic!("{needle}: {other:?}"),
        }
        assert_eq!(segments(dir.path()), all);
        fs::write(&all[segment], whole).unwrap();
    }
    assert!(journal.prune(LATER + 1_000, None).unwrap().is_some());
}

#[test]
fn a_reader_goes_on_across_segments_and_notices_what_was_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    fill(&journal, (1..30).map(|n| LATER + n));
    let mut reader = read(dir.path(), None).unwrap();
    assert_eq!(reader.position(), None);
    // At every record: stop, and go on.
    let mut seen = 0;
    while let Some(entry) = reader.next() {
        seen += 1;
        assert_eq!(entry.unwrap().seq, seen);
        let position = reader.position().unwrap();
        let Resumed::Here(again) = resume(dir.path(), &position).unwrap() else { panic!("{seen}") };
        assert_eq!(again.position(), Some(position));
        reader = again;
    }
    assert_eq!(reader.position().unwrap(), journal.head());
    assert_eq!(reader.take_gap(), None);
    // One that stopped before what was pruned goes on behind it, and says what it missed.
    let mut early = read(dir.path(), None).unwrap();
    (0..3).for_each(|_| drop(early.next()));
    let position = early.position().unwrap();
    let pruned = journal.prune(i64::MAX, None).unwrap().unwrap();
    let Resumed::Here(mut late) = resume(dir.path(), &position).unwrap() else { panic!() };
    assert_eq!(late.next().unwrap().unwrap().seq, pruned.last + 1);
    assert_eq!(late.take_gap(), Some(4..=pruned.last));
    // One that was reading at that moment ends its segment, and goes on behind the gap.
    let rest: Vec<_> = early.by_ref().map(|entry| entry.unwrap().seq).collect();
    let gap = early.take_gap().unwrap();
    assert!(rest.contains(&(gap.start() - 1)) && rest.contains(&(gap.end() + 1)) && !rest.contains(gap.start()));
    // Another journal, or one that lost its end, is not gone on in.
    let other = tempfile::tempdir().unwrap();
    let stranger = open(other.path());
    fill(&stranger, (1..30).map(|n| LATER + n));
    assert!(matches!(resume(other.path(), &position).unwrap(), Resumed::Anew(_)));
    stranger.prune(i64::MAX, None).unwrap();
    assert!(matches!(resume(other.path(), &position).unwrap(), Resumed::Anew(_)));
    let mut beyond = stranger.head();
    beyond.seq += 1;
    assert!(matches!(resume(other.path(), &beyond).unwrap(), Resumed::Anew(_)));
}

/// Everything of this journal is from long ago.
fn open_then(dir: &Path) -> Journal {
    Journal::open(dir, Options { segment_bytes: 900, clock: || 1_000, ..Options::default() }, &mut |_| Ok(())).unwrap()
}

#[test]
fn the_record_of_a_deletion_says_who_wanted_it_and_those_of_before_are_read_still() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open_then(dir.path());
    for who in [None, Some("member:ada")] {
        fill(&journal, 1_000..1_030);
        journal.prune(2_000, who).unwrap().unwrap();
    }
    let pruned: Vec<String> = read(dir.path(), None)
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.kind == "pruned")
        .map(|entry| entry.body)
        .collect();
    assert!(pruned.last().unwrap().ends_with(r#","who":"member:ada"}"#), "{pruned:?}");
    // Without, a record is as it always was; with it or not, the chain is in order.
    assert!(pruned.iter().rev().skip(1).all(|body| !body.contains("who")), "{pruned:?}");
    let report = verify(dir.path(), Some(&journal.head())).unwrap();
    assert!(report.is_ok() && report.completeness == Completeness::Confirmed, "{report:?}");
}

#[test]
fn what_was_refused_goes_with_its_age() {
    let dir = tempfile::tempdir().unwrap();
    let written = Refusals::open(dir.path(), 200).unwrap();
    for now in [10, 20, 30] {
        written.note(now, &format!("192.0.2.{now}"), "unknown token");
        written.flush(now, true);
    }
    drop(written);
    assert!(dir.path().join("refused.log.1").exists(), "both files have some");
    let sources =
        || -> Vec<String> { Refusals::read(dir.path()).unwrap().into_iter().map(|entry| entry.source).collect() };
    let journal = open_then(dir.path());
    // Half a file of a deletion that was cut off is in nobody's way.
    fs::write(dir.path().join("refused.tmp"), "{\"ts\":").unwrap();
    assert_eq!(journal.prune(20, None).unwrap(), None);
    assert_eq!(sources(), ["192.0.2.20", "192.0.2.30"]);
    journal.prune(30, None).unwrap();
    assert_eq!(sources(), ["192.0.2.30"]);
    // The counts go on in the file that is there now.
    journal.note_refused("192.0.2.1", "no token");
    journal.write_refused();
    assert_eq!(sources(), ["192.0.2.30", "192.0.2.1"]);
    journal.prune(2_000, None).unwrap();
    assert_eq!(sources(), [""; 0]);
}

/// Runs only in the child that the other test starts: appends and prunes, and says what it deleted.
#[test]
fn child_prunes_until_it_is_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let journal = open(Path::new(&dir));
    for round in 0_i64.. {
        fill(&journal, (1..20).map(|n| LATER + round * 100 + n));
        let pruned = journal.prune(i64::MAX, None).unwrap();
        if writeln!(std::io::stdout(), "pruned {}", pruned.map_or(0, |pruned| pruned.last)).is_err() {
            return;
        }
    }
}

#[test]
fn kill_minus_nine_while_pruning_leaves_a_journal_that_verifies() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..15 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_prunes_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut fresh = 0;
        while fresh < 2 + round % 5 {
            fresh += usize::from(lines.next().expect("the child goes on").unwrap().contains("pruned "));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let report = verify(dir.path(), None).unwrap();
        assert!(report.is_ok(), "round {round}: {report:?}");
        drop(open(dir.path()));
        let report = verify(dir.path(), None).unwrap();
        assert!(report.is_ok() && report.unfinished_bytes == 0, "round {round}: {report:?}");
    }
}
