//! Whatever is changed in a journal afterwards, `verify` notices.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_journal::{Checkpoint, Completeness, Journal, Kind, Options, Report, verify};
use std::fs;
use std::path::{Path, PathBuf};

struct Sample {
    dir: tempfile::TempDir,
    segments: Vec<PathBuf>,
    head: Checkpoint,
}

/// Three segments, a few records each.
fn sample() -> Sample {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path());
    let mut n = 0;
    while segments(dir.path()).len() < 3 || n % 4 != 0 {
        n += 1;
        let ticket = journal.append(n, Kind::Decision, format!("{{\"n\":{n}}}").as_bytes(), || b"{}".to_vec()).unwrap();
        journal.wait_written(ticket).unwrap();
    }
    let head = journal.head();
    drop(journal);
    let segments = segments(dir.path());
    Sample { dir, segments, head }
}

fn journal(dir: &Path) -> Journal {
    Journal::open(dir, Options { segment_bytes: 900, ..Options::default() }, &mut |_| Ok(())).unwrap()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with('0'));
    found.sort();
    found
}

impl Sample {
    fn verify(&self) -> Report {
        verify(self.dir.path(), None).unwrap()
    }

    fn lines(&self, segment: usize) -> Vec<String> {
        fs::read_to_string(&self.segments[segment]).unwrap().lines().map(str::to_owned).collect()
    }

    fn write(&self, segment: usize, lines: &[String]) {
        fs::write(&self.segments[segment], lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }
}

fn noticed(report: &Report) -> bool {
    !report.is_ok() || report.unfinished_bytes > 0
}

#[test]
fn an_untouched_journal_verifies() {
    let sample = sample();
    let report = sample.verify();
    assert!(!noticed(&report), "{report:?}");
    assert_eq!((report.head.as_ref(), report.segments, report.first_seq), (Some(&sample.head), 3, 1));
    assert_eq!(report.completeness, Completeness::Unknown);
    let expected = verify(sample.dir.path(), Some(&sample.head)).unwrap();
    assert_eq!(expected.completeness, Completeness::Confirmed);
    assert_eq!(sample.head.to_string().parse(), Ok(sample.head));
}

#[test]
fn a_changed_byte_anywhere_is_noticed() {
    let sample = sample();
    for segment in &sample.segments {
        let whole = fs::read(segment).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= if at % 2 == 0 { 0x20 } else { 0x01 };
            fs::write(segment, &changed).unwrap();
            assert!(noticed(&sample.verify()), "{} byte {at}", segment.display());
        }
        fs::write(segment, &whole).unwrap();
    }
    assert!(!noticed(&sample.verify()));
}

#[test]
fn lines_taken_out_doubled_or_moved_are_noticed_with_their_place() {
    let sample = sample();
    for segment in 0..3 {
        let whole = sample.lines(segment);
        for line in 0..whole.len() {
            let is_the_end = segment == 2 && line + 1 == whole.len();
            let mut without = whole.clone();
            without.remove(line);
            let mut doubled = whole.clone();
            doubled.insert(line, whole[line].clone());
            let mut moved = whole.clone();
            moved.swap(line, (line + 1) % whole.len());
            for (what, lines) in [("without", without), ("doubled", doubled), ("moved", moved)] {
                sample.write(segment, &lines);
                let report = sample.verify();
                if what == "without" && is_the_end {
                    assert!(report.is_ok(), "a chain can't tell that its end is missing");
                    let expected = verify(sample.dir.path(), Some(&sample.head)).unwrap();
                    assert!(matches!(expected.completeness, Completeness::Refuted(_)) && !expected.is_ok());
                    continue;
                }
                let broken = report.broken.unwrap_or_else(|| panic!("{what} line {line} of segment {segment}"));
                assert!(!broken.why.is_empty() && broken.line > 0);
            }
        }
        sample.write(segment, &whole);
    }
}

#[test]
fn a_shortened_segment_is_noticed() {
    let sample = sample();
    for (index, segment) in sample.segments.iter().enumerate() {
        let whole = fs::read(segment).unwrap();
        for len in 0..whole.len() {
            fs::write(segment, &whole[..len]).unwrap();
            let plain = sample.verify();
            let expected = verify(sample.dir.path(), Some(&sample.head)).unwrap();
            assert!(!expected.is_ok(), "segment {index} at {len}");
            assert!(index == 2 || !plain.is_ok(), "segment {index} at {len}");
        }
        fs::write(segment, &whole).unwrap();
    }
}

#[test]
fn segments_swapped_replaced_or_taken_out_are_noticed() {
    let sample = sample();
    let whole: Vec<_> = sample.segments.iter().map(|path| fs::read(path).unwrap()).collect();
    for (a, b) in [(0, 1), (1, 2), (0, 2)] {
        fs::write(&sample.segments[a], &whole[b]).unwrap();
        fs::write(&sample.segments[b], &whole[a]).unwrap();
        assert!(!sample.verify().is_ok(), "{a} and {b} swapped");
        fs::write(&sample.segments[a], &whole[a]).unwrap();
        assert!(!sample.verify().is_ok(), "{a} twice");
        fs::write(&sample.segments[b], &whole[b]).unwrap();
    }
    fs::remove_file(&sample.segments[1]).unwrap();
    assert!(!sample.verify().is_ok());
    fs::write(&sample.segments[1], &whole[1]).unwrap();
    // A journal that begins later is what retention left only where a record says so.
    fs::remove_file(&sample.segments[0]).unwrap();
    let broken = verify(sample.dir.path(), Some(&sample.head)).unwrap().broken.unwrap();
    assert!(broken.why.contains("no `pruned` record"), "{broken:?}");
}

/// Somebody who recomputes every hash, but has no key, gets past the chain and not past the signatures.
#[test]
fn a_chain_of_another_key_is_noticed() {
    let (sample, other) = (sample(), sample());
    for (mine, theirs) in sample.segments.iter().zip(&other.segments) {
        fs::copy(theirs, mine).unwrap();
    }
    assert!(!sample.verify().is_ok());
    fs::copy(other.dir.path().join("journal.pub"), sample.dir.path().join("journal.pub")).unwrap();
    assert!(sample.verify().is_ok(), "a whole other journal is consistent");
    assert!(!verify(sample.dir.path(), Some(&sample.head)).unwrap().is_ok(), "but it isn't the one expected");
}
