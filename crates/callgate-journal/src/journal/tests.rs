//! The journal on a disk that fails.

use super::options::now;
use super::*;
use crate::read::{Entry, read};
use crate::storage::SegmentFile;
use crate::storage::segment_path;
use crate::verify::verify;
use std::collections::BTreeSet;
use std::io;

/// A disk with so much room, whose next syncs fail.
#[derive(Default)]
struct Faults {
    room: usize,
    failing_syncs: usize,
}

struct FaultyDisk(Arc<Mutex<Faults>>);
struct FaultyFile(Box<dyn SegmentFile>, Arc<Mutex<Faults>>);

impl Storage for FaultyDisk {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(FaultyFile(Disk.create(path)?, Arc::clone(&self.0))))
    }
    fn open(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(FaultyFile(Disk.open(path)?, Arc::clone(&self.0))))
    }
    fn remove(&mut self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }
    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        Disk.sync_dir(dir)
    }
}

impl SegmentFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut faults = self.1.lock().unwrap();
        let fits = bytes.len().min(faults.room);
        faults.room -= fits;
        self.0.append(&bytes[..fits])?;
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.truncate(len)
    }
    fn sync(&mut self) -> io::Result<()> {
        let mut faults = self.1.lock().unwrap();
        if faults.failing_syncs > 0 {
            faults.failing_syncs -= 1;
            return Err(io::Error::other("the disk is gone"));
        }
        self.0.sync()
    }
}

struct Bench {
    dir: tempfile::TempDir,
    faults: Arc<Mutex<Faults>>,
    journal: Journal,
}

fn bench(options: Options) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Mutex::new(Faults { room: usize::MAX, failing_syncs: 0 }));
    let disk = Box::new(FaultyDisk(Arc::clone(&faults)));
    let journal = Journal::open_on(dir.path(), options, disk, &mut |_| Ok(())).unwrap();
    Bench { dir, faults, journal }
}

impl Bench {
    fn append(&self, kind: Kind, n: usize) -> Result<Ticket, JournalError> {
        self.journal.append(7, kind, format!("{{\"n\":{n}}}").as_bytes(), || b"{}".to_vec())
    }

    fn close(self) -> (Vec<Entry>, tempfile::TempDir) {
        drop(self.journal);
        let report = verify(self.dir.path(), None).unwrap();
        assert!(report.is_ok() && report.unfinished_bytes == 0, "{report:?}");
        (read(self.dir.path(), None).unwrap().map(Result::unwrap).collect(), self.dir)
    }
}

fn bodies(entries: &[Entry], kind: &str) -> Vec<String> {
    entries.iter().filter(|entry| entry.kind == kind).map(|entry| entry.body.clone()).collect()
}

/// Wherever the disk fills up, in whichever record or segment: those who wait are told, new decisions are refused,
/// outcomes are kept, and once there is room everything is there once.
#[test]
fn a_full_disk_refuses_and_recovers() {
    for room in [0, 1, 40, 64, 65, 100, 118, 119, 300, 600, 900] {
        let bench = bench(Options { segment_bytes: 400, ..Options::default() });
        bench.faults.lock().unwrap().room = room;
        let mut appended = 0;
        while appended < 20 {
            let Ok(ticket) = bench.append(Kind::Decision, appended) else { break };
            appended += 1;
            if bench.journal.wait_written(ticket).is_err() {
                break;
            }
        }
        assert!(appended < 20, "room for {room} bytes is not room for everything");
        assert!(matches!(bench.append(Kind::Decision, 98), Err(JournalError::Failing { .. })), "{room}");
        bench.faults.lock().unwrap().room = usize::MAX;
        let outcome = bench.append(Kind::Outcome, 99).unwrap();
        while bench.journal.wait_written(outcome).is_err() {
            std::thread::yield_now();
        }
        let decision = bench.append(Kind::Decision, 100).unwrap();
        bench.journal.wait_written(decision).unwrap();
        let (entries, _dir) = bench.close();
        // The decision that failed is there too: its caller gave it back, and the record of that follows it.
        let expected: Vec<_> = (0..appended).chain([100]).map(|n| format!("{{\"n\":{n}}}")).collect();
        assert_eq!(bodies(&entries, "decision"), expected, "{room}");
        assert_eq!(bodies(&entries, "outcome"), [r#"{"n":99}"#], "{room}");
    }
}

#[test]
fn what_finds_no_room_is_counted() {
    let bench = bench(Options::default());
    bench.faults.lock().unwrap().room = 0;
    let failed = bench.append(Kind::Decision, 0).and_then(|ticket| bench.journal.wait_written(ticket));
    assert!(failed.is_err());
    let body = format!("\"{}\"", "x".repeat(1024 * 1024));
    let mut kept = 0;
    while bench.journal.append(7, Kind::Outcome, body.as_bytes(), Vec::new).is_ok() {
        kept += 1;
    }
    assert!(bench.append(Kind::Outcome, 1).is_err());
    assert!(kept >= 15);
    bench.faults.lock().unwrap().room = usize::MAX;
    while bench.append(Kind::Decision, 2).is_err() {
        std::thread::yield_now();
    }
    let (entries, _dir) = bench.close();
    assert_eq!(bodies(&entries, "outcome").len(), kept);
    assert_eq!(bodies(&entries, "lost"), [r#"{"records":2}"#]);
}

#[test]
fn after_a_failed_sync_everything_is_written_again() {
    let bench = bench(Options { sync: Sync::Disk, ..Options::default() });
    let first = bench.append(Kind::Decision, 0).unwrap();
    bench.journal.wait_written(first).unwrap();
    bench.faults.lock().unwrap().failing_syncs = 1;
    let second = bench.append(Kind::Decision, 1).unwrap();
    assert!(matches!(bench.journal.wait_written(second), Err(JournalError::Failing { .. })));
    let third = bench.append(Kind::Outcome, 2).unwrap();
    bench.journal.wait_written(third).unwrap();
    let (entries, _dir) = bench.close();
    assert_eq!(bodies(&entries, "decision"), [r#"{"n":0}"#, r#"{"n":1}"#]);
    assert_eq!(bodies(&entries, "outcome"), [r#"{"n":2}"#]);
}

/// A disk that is gone after so many steps.
struct Stopping(usize);

impl Stopping {
    fn step(&mut self) -> io::Result<()> {
        self.0 = self.0.checked_sub(1).ok_or_else(|| io::Error::other("stopped"))?;
        Ok(())
    }
}

impl Storage for Stopping {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Disk.create(path)
    }
    fn open(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        self.step()?;
        Disk.open(path)
    }
    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.step()?;
        Disk.remove(path)
    }
    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.step()?;
        Disk.sync_dir(dir)
    }
}

/// Wherever pruning stops, the journal verifies, before and after the next start, and the next run does the rest.
#[test]
fn pruning_stops_anywhere_and_leaves_a_journal_that_verifies() {
    let mut remainders = BTreeSet::new();
    for steps in 0..20 {
        let options = Options { segment_bytes: 600, ..Options::default() };
        let bench = bench(options);
        for n in 0..12 {
            let ticket = bench.append(Kind::Decision, n).unwrap();
            bench.journal.wait_written(ticket).unwrap();
        }
        let dir = bench.dir.path();
        let before = segments(dir).unwrap();
        let stopped = bench.journal.prune_on(now() + 1, None, &mut Stopping(steps));
        let report = verify(dir, Some(&bench.journal.head())).unwrap();
        assert!(report.is_ok(), "{steps}: {report:?}");
        let left = segments(dir).unwrap();
        remainders.insert(left.len());
        assert!(stopped.is_err() || left.len() == 1, "{steps}");
        assert_eq!(report.first_seq, left[0], "{steps}");
        // The next process goes on with it.
        let Bench { dir, journal, .. } = bench;
        drop(journal);
        let journal = Journal::open(dir.path(), options, &mut |_| Ok(())).unwrap();
        let rest = journal.prune(now() + 1, None).unwrap();
        assert_eq!(rest.map_or(0, |pruned| pruned.segments), left.len() as u64 - 1, "{steps}");
        assert_eq!(segments(dir.path()).unwrap(), before[before.len() - 1..], "{steps}");
        let report = verify(dir.path(), Some(&journal.head())).unwrap();
        assert!(report.is_ok() && report.completeness == crate::Completeness::Confirmed, "{steps}: {report:?}");
    }
    assert!(remainders.len() > 3, "every number of deleted segments was seen: {remainders:?}");
}

/// Nothing is deleted before the record of it is on the disk, in the segment that holds it.
#[test]
fn a_failing_journal_prunes_nothing() {
    let bench = bench(Options { segment_bytes: 600, ..Options::default() });
    for n in 0..12 {
        let ticket = bench.append(Kind::Decision, n).unwrap();
        bench.journal.wait_written(ticket).unwrap();
    }
    let before = segments(bench.dir.path()).unwrap();
    bench.faults.lock().unwrap().room = 0;
    assert!(matches!(bench.journal.prune(now() + 1, None), Err(JournalError::Failing { .. })));
    assert_eq!(segments(bench.dir.path()).unwrap(), before);
    assert!(segment_path(bench.dir.path(), 1).exists());
}
