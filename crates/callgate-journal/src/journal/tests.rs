//! The journal on a disk that fails.

use super::*;
use crate::read::{Entry, read};
use crate::storage::SegmentFile;
use crate::verify::verify;
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
