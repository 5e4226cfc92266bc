use super::*;
use callgate_journal::{Journal, Options};
use callgate_store::{ChangeRow, DecisionRow, Search};
use serde_json::json;
use tempfile::TempDir;

/// Values that must not be anywhere in the index.
const SECRET: &str = "hunter2-4711";

struct Bench {
    dir: TempDir,
    journal: Journal,
    store: Store,
}

type Rows = (Vec<DecisionRow>, Vec<ChangeRow>, Vec<RefusalRow>, Watermark);

fn id(n: u64) -> String {
    format!("018f3c5e-7a31-7c44-9d1e-{n:012x}")
}

fn decision(n: u64) -> String {
    let key = json!({ "organisation": "default", "scope": "grant", "scope_id": "g", "name": "spent", "window": "day",
        "strategy": "fixed", "path": "amount" });
    json!({
        "id": id(n), "outcome": if n.is_multiple_of(3) { "deny" } else { "allow" }, "rule": "", "message": "m",
        "organisation": "default", "grant": "g_0123456789abcdef", "grant_label": "laptop", "server": "kernel",
        "method": "tools/call", "tool": format!("tool\u{0}{n}"), "policy": "default", "policy_version": 2,
        "policy_digest": "d", "session": "s", "client": "c", "request_id": "7", "argument_keys": ["amount", "to"],
        "place": { "pointer": "/rules/0", "line": 3 }, "retry_after_ms": 5,
        "charges": [{ "key": key, "amount": SECRET, "window_start": 0 }],
    })
    .to_string()
}

/// The records of a journal of many kinds.
fn record(n: u64) -> (Kind, String) {
    match n % 8 {
        5 => (Kind::Outcome, json!({ "id": id(n - 1), "result": "result", "kept": true, "latency_us": n }).to_string()),
        6 => {
            // Of a call that was decided long before.
            (Kind::Outcome, json!({ "id": id(1), "result": "timeout", "kept": true, "latency_us": n }).to_string())
        }
        7 => (
            Kind::Change,
            json!({ "organisation": "default", "generation": n, "position": 0, "at": 1, "who": "member:a",
            "what": "grant mint", "object": "server/kernel/grant/g", "before": null, "after": { "label": "x" } })
            .to_string(),
        ),
        0 => (
            Kind::Withheld,
            json!({ "organisation": "default", "grant": "g", "grant_label": "l", "server": "kernel",
            "method": "tools/list", "names": ["rm"], "count": 1 })
            .to_string(),
        ),
        _ => (Kind::Decision, decision(n)),
    }
}

use callgate_journal::Kind;

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes: 4_000, ..Options::default() };
        let journal = Journal::open(&dir.path().join("journal"), options, &mut |_| Ok(())).unwrap();
        let store = Store::open(&format!("sqlite:{}", dir.path().join("test.db").display())).await.unwrap();
        store.add_organisation("default", 1, None).await.unwrap();
        Self { dir, journal, store }
    }

    fn fill(&self, numbers: std::ops::Range<u64>) {
        for n in numbers {
            let (kind, body) = record(n);
            let ts = i64::try_from(1_000 + n).unwrap();
            let ticket = self.journal.append(ts, kind, body.as_bytes(), || b"{}".to_vec()).unwrap();
            self.journal.wait_written(ticket).unwrap();
        }
    }

    fn indexer(&self, batch: usize) -> Indexer {
        Indexer { batch, ..Indexer::new(self.store.clone(), &self.dir.path().join("journal")) }
    }

    async fn rows(&self) -> Rows {
        let search = Search { limit: 10_000, ..Search::default() };
        let reads = self.store.reads("default");
        let chain = chain(self.journal.dir()).unwrap().unwrap();
        (
            reads.decisions(&search).await.unwrap().rows,
            reads.changes(&search).await.unwrap().rows,
            reads.refusals(&search, true).await.unwrap().rows,
            self.store.watermark(&chain).await.unwrap(),
        )
    }
}

#[tokio::test]
async fn wherever_a_process_ends_nothing_is_lost_or_doubled() {
    let bench = Bench::new().await;
    bench.fill(1..60);
    bench.indexer(1_000).catch_up().await.unwrap();
    let whole = bench.rows().await;
    assert_eq!(whole.3.seq, i64::try_from(bench.journal.head().seq).unwrap());
    assert_eq!((whole.0.len(), whole.1.len(), whole.2.len()), (31, 7, 7));
    let late = whole.0.iter().find(|row| row.id == id(1)).unwrap().fate.as_ref().unwrap();
    assert_eq!((late.result.as_str(), late.latency_us), ("timeout", 54));
    // A new process at every border of a batch of any size.
    for batch in [1, 2, 7, 59] {
        bench.indexer(batch).rebuild().await.unwrap();
        assert_eq!(bench.rows().await.0, []);
        for _ in 0..100 {
            bench.indexer(batch).step().await.unwrap();
        }
        assert!(bench.rows().await == whole, "{batch}");
    }
    // One that read a batch and ended before it was written, and one that wrote while another one had read it.
    let (mut slow, mut quick) = (bench.indexer(1_000), bench.indexer(1_000));
    slow.step().await.unwrap();
    quick.step().await.unwrap();
    bench.fill(60..70);
    quick.step().await.unwrap();
    assert!(slow.step().await.is_err(), "somebody else moved the watermark");
    slow.step().await.unwrap();
    let after = bench.rows().await;
    bench.indexer(3).rebuild().await.unwrap();
    bench.indexer(3).catch_up().await.unwrap();
    assert!(bench.rows().await == after);
}

#[tokio::test]
async fn no_value_of_an_argument_is_in_the_index_and_every_field_is() {
    let bench = Bench::new().await;
    bench.fill(1..20);
    bench.indexer(1_000).catch_up().await.unwrap();
    let rows = bench.rows().await;
    bench.store.close().await;
    for entry in std::fs::read_dir(bench.dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
    let shown = crate::records::Decision::from(rows.0.iter().find(|row| row.seq == 5).unwrap().clone());
    let expected = json!({
        "id": id(4), "seq": 5, "time": "1970-01-01T00:00:01.004Z", "outcome": "allow", "rule": "", "message": "m",
        "organisation": "default", "grant": "g_0123456789abcdef", "grant_label": "laptop", "server": "kernel",
        "method": "tools/call", "tool": "tool\u{fffd}4", "policy": "default", "policy_version": 2, "policy_digest": "d",
        "session": "s", "client": "c", "request_id": "7", "argument_keys": ["amount", "to"],
        "place": { "baseline": false, "pointer": "/rules/0", "line": 3 }, "retry_after_ms": 5,
        "result": "result", "latency_us": 5, "bytes": 0,
    });
    assert_eq!(serde_json::to_value(shown).unwrap(), expected);
}

#[tokio::test]
async fn the_index_follows_retention_and_other_journals() {
    let bench = Bench::new().await;
    // Written here and now: the journal's own counts are written at a moment of their own.
    let refusals = callgate_journal::Refusals::open(bench.journal.dir(), 1 << 20).unwrap();
    refusals.note(1, "192.0.2.1", "unknown token");
    refusals.flush(1, true);
    bench.fill(1..200);
    let mut indexer = bench.indexer(50);
    indexer.catch_up().await.unwrap();
    let pruned = bench.journal.prune(i64::MAX, None).unwrap().unwrap();
    indexer.catch_up().await.unwrap();
    let rows = bench.rows().await;
    let last = i64::try_from(pruned.last).unwrap();
    assert!(!rows.0.is_empty() && rows.0.iter().all(|row| row.seq > last));
    assert!(rows.1.iter().all(|row| row.seq > last) && rows.2.is_empty());
    // Built anew from what is left, it is the same.
    indexer.rebuild().await.unwrap();
    bench.indexer(7).catch_up().await.unwrap();
    assert!(bench.rows().await == rows);
    // A process that ended between the two steps of a deletion.
    let stale = DecisionRow {
        seq: 1,
        organisation: "default".to_owned(),
        id: "x".to_owned(),
        details: "{}".to_owned(),
        ..DecisionRow::default()
    };
    bench.store.index(&rows.3, &rows.3, Batch { decisions: vec![stale], ..Batch::default() }).await.unwrap();
    bench.indexer(7).step().await.unwrap();
    assert!(bench.rows().await == rows);
    // A journal that was moved away takes its rows with it.
    let Bench { dir, journal, store } = bench;
    drop(journal);
    std::fs::rename(dir.path().join("journal"), dir.path().join("old")).unwrap();
    let journal = Journal::open(&dir.path().join("journal"), Options::default(), &mut |_| Ok(())).unwrap();
    let bench = Bench { dir, journal, store };
    bench.fill(1..10);
    bench.indexer(7).catch_up().await.unwrap();
    assert_eq!(bench.rows().await.0.len(), 5);
}
