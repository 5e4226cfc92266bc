//! The journal's index, on both databases.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_store::{
    Batch, ChangeRow, Column, DecisionRow, Filter, Grant, Origin, OutcomeRow, RefusalKind, RefusalRow, Search, Server,
    Sight, Span, Store, Watermark,
};
use std::collections::BTreeMap;

const CHAIN: &str = "00ff";

async fn stores() -> Vec<(Store, Option<tempfile::TempDir>)> {
    let dir = tempfile::tempdir().unwrap();
    let sqlite = Store::open(&format!("sqlite:{}", dir.path().join("test.db").display())).await.unwrap();
    let postgres = Store::open(&testkit::Postgres::shared().unwrap().database().unwrap()).await.unwrap();
    vec![(sqlite, Some(dir)), (postgres, None)]
}

fn mark(seq: i64) -> Watermark {
    let hash = if seq == 0 { String::new() } else { format!("{seq:064x}") };
    Watermark { chain: CHAIN.to_owned(), seq, hash, pruned_before: 0 }
}

/// Decision number `n`: every value repeats in its own rhythm.
fn decision(n: i64) -> DecisionRow {
    let pick = |rhythm: i64, name: &str| format!("{name}{}", n % rhythm);
    DecisionRow {
        seq: n,
        organisation: if n % 10 == 9 { "other".to_owned() } else { "acme".to_owned() },
        // Several at one moment.
        ts: 1_000 + n / 3,
        id: format!("d{n}"),
        grant: if n % 2 == 0 { "g_1".to_owned() } else { "g_2".to_owned() },
        grant_label: pick(3, "label"),
        server: pick(2, "server"),
        server_id: String::new(),
        method: "tools/call".to_owned(),
        tool: pick(5, "tool"),
        policy: "default".to_owned(),
        policy_version: (n % 4 > 0).then_some(n % 4),
        outcome: if n % 7 == 0 { "deny".to_owned() } else { "allow".to_owned() },
        rule: if n % 7 == 0 { "limits.calls".to_owned() } else { String::new() },
        reason: String::new(),
        message: if n == 42 { "Zu häufig: 100%_genug! ÄPFEL".to_owned() } else { pick(6, "message ") },
        session: pick(11, "s"),
        client: pick(4, "client"),
        details: "{}".to_owned(),
        fate: (n % 5 == 0).then(|| OutcomeRow {
            id: format!("d{n}"),
            result: "result".to_owned(),
            upstream_status: Some(if n % 10 == 0 { 200 } else { 500 }),
            error_code: None,
            latency_us: n,
            bytes: 1,
        }),
    }
}

async fn filled(store: &Store, count: i64) -> Vec<DecisionRow> {
    store.add_organisation("acme", 1, None).await.unwrap();
    store.add_organisation("other", 1, None).await.unwrap();
    let mut change = store.begin("acme").await.unwrap();
    for (n, server) in ["server0", "server1"].into_iter().enumerate() {
        let id = format!("uuid-{server}");
        let (target, settings) = ("{}".to_owned(), "{}".to_owned());
        let name = server.to_owned();
        let origin = Origin::Manual;
        let server =
            Server { id: id.clone(), name, target, sealed: vec![], key_version: 0, settings, origin, created: 1 };
        change.insert(&server).await.unwrap();
        let grant = Grant {
            id: format!("g_{}", n + 1),
            server: id,
            label: format!("label{n}"),
            policy: None,
            tags: BTreeMap::new(),
            token: format!("token{n}"),
            previous: None,
            origin: Origin::Manual,
            created: 1,
            expires: None,
            revoked: None,
            minted_by: None,
            rotated_by: None,
        };
        change.insert(&grant).await.unwrap();
    }
    change.commit().await.unwrap();
    let mut rows: Vec<_> = (1..=count).map(decision).collect();
    let from = store.watermark(CHAIN).await.unwrap();
    assert_eq!(from, mark(0));
    let outcomes = rows.iter_mut().filter_map(|row| row.fate.take()).collect();
    let batch = Batch { decisions: rows, outcomes, ..Batch::default() };
    store.index(&from, &mark(count), batch).await.unwrap();
    let mut rows: Vec<_> = (1..=count).map(decision).collect();
    for row in rows.iter_mut().filter(|row| row.organisation == "acme") {
        row.server_id = if row.grant == "g_1" { "uuid-server0".to_owned() } else { "uuid-server1".to_owned() };
    }
    rows.reverse();
    rows
}

/// Every part of a search, put together.
async fn everything(store: &Store, search: &Search) -> Vec<DecisionRow> {
    let mut search = search.clone();
    let mut rows = Vec::new();
    loop {
        let found = store.reads("acme").decisions(&search).await.unwrap();
        assert!(found.rows.len() <= search.limit as usize);
        rows.extend(found.rows);
        let Some(next) = found.next else { return rows };
        let text = next.to_string();
        assert_eq!(text.parse::<callgate_store::Place>().unwrap(), next);
        search.after = Some(next);
    }
}

fn filter(column: Column, values: &[&str]) -> Filter {
    Filter { column, values: values.iter().map(|value| (*value).to_owned()).collect() }
}

#[tokio::test]
async fn every_filter_finds_what_a_scan_finds_in_parts_of_any_size() {
    type Test = fn(&DecisionRow) -> bool;
    let servers = |ids: &[&str]| Sight::Servers(ids.iter().map(|id| ((*id).to_owned(), String::new(), 0)).collect());
    let cases: Vec<(Search, Test)> = vec![
        (Search::default(), |_| true),
        (Search { filters: vec![filter(Column::Tool, &["tool3"])], ..Search::default() }, |row| row.tool == "tool3"),
        (Search { filters: vec![filter(Column::Tool, &["tool3", "tool4"])], ..Search::default() }, |row| {
            row.tool == "tool3" || row.tool == "tool4"
        }),
        (Search { filters: vec![filter(Column::Server, &["server1"])], ..Search::default() }, |row| {
            row.server == "server1"
        }),
        (Search { filters: vec![filter(Column::Grant, &["g_2"])], ..Search::default() }, |row| row.grant == "g_2"),
        (Search { filters: vec![filter(Column::Label, &["label1"])], ..Search::default() }, |row| {
            row.grant_label == "label1"
        }),
        (Search { filters: vec![filter(Column::Outcome, &["deny"])], ..Search::default() }, |row| {
            row.outcome == "deny"
        }),
        (
            Search {
                filters: vec![filter(Column::Outcome, &["deny"]), filter(Column::Rule, &["limits.calls"])],
                since: Some(1_010),
                until: Some(1_060),
                ..Search::default()
            },
            |row| row.outcome == "deny" && row.ts >= 1_010 && row.ts < 1_060,
        ),
        (Search { filters: vec![filter(Column::Session, &["s7"])], ..Search::default() }, |row| row.session == "s7"),
        (Search { filters: vec![filter(Column::Client, &["client2"])], ..Search::default() }, |row| {
            row.client == "client2"
        }),
        (Search { filters: vec![filter(Column::Method, &["ping"])], ..Search::default() }, |_| false),
        (Search { filters: vec![filter(Column::Policy, &["default"])], ..Search::default() }, |_| true),
        (Search { filters: vec![filter(Column::Version, &["3"])], ..Search::default() }, |row| {
            row.policy_version == Some(3)
        }),
        (Search { filters: vec![filter(Column::Fate, &["result"])], ..Search::default() }, |row| row.fate.is_some()),
        (Search { filters: vec![filter(Column::Status, &["500"])], ..Search::default() }, |row| {
            row.fate.as_ref().is_some_and(|fate| fate.upstream_status == Some(500))
        }),
        (Search { words: vec!["MESSAGE 4".to_owned()], ..Search::default() }, |row| row.message == "message 4"),
        (Search { words: vec!["häufig".to_owned(), "100%_".to_owned()], ..Search::default() }, |row| row.id == "d42"),
        (Search { words: vec!["ÄPFEL".to_owned()], ..Search::default() }, |row| row.id == "d42"),
        (Search { words: vec!["genug!".to_owned()], ..Search::default() }, |row| row.id == "d42"),
        (Search { words: vec!["g__ug".to_owned()], ..Search::default() }, |_| false),
        (Search { words: vec!["' OR 1=1 --".to_owned()], ..Search::default() }, |_| false),
        (Search { sight: servers(&["uuid-server0"]), ..Search::default() }, |row| row.server_id == "uuid-server0"),
        (Search { sight: servers(&["uuid-server0", "x"]), ..Search::default() }, |row| row.server_id == "uuid-server0"),
        (Search { sight: servers(&[]), ..Search::default() }, |_| false),
    ];
    for (store, _dir) in stores().await {
        let all = filled(&store, 200).await;
        let own: Vec<_> = all.into_iter().filter(|row| row.organisation == "acme").collect();
        for (at, (search, test)) in cases.iter().enumerate() {
            let expected: Vec<_> = own.iter().filter(|row| test(row)).cloned().collect();
            for (limit, window) in [(1_000, 50_000), (7, 50_000), (7, 13), (1, 1)] {
                let search = Search { limit, window, ..search.clone() };
                let found = everything(&store, &search).await;
                assert!(found == expected, "{store:?}, case {at}, {limit} of {window}: {search:?}\n{found:?}");
            }
        }
        assert_eq!(
            store.reads("acme").decision("d42").await.unwrap().unwrap().message,
            own[0].message.replace(&own[0].message, "Zu häufig: 100%_genug! ÄPFEL")
        );
        assert_eq!(store.reads("other").decision("d42").await.unwrap(), None);
        assert!(everything(&store, &Search::default()).await.iter().all(|row| row.organisation == "acme"));
    }
}

#[tokio::test]
async fn a_batch_is_written_once_or_not_at_all() {
    for (store, _dir) in stores().await {
        filled(&store, 20).await;
        let batch = |n: i64| Batch { decisions: vec![decision(n)], ..Batch::default() };
        // From a place that is not where the index is: nothing is written.
        for from in [mark(0), mark(19), mark(21), Watermark { hash: "x".to_owned(), ..mark(20) }] {
            assert!(store.index(&from, &mark(22), batch(22)).await.is_err(), "{from:?}");
        }
        // A row that is there already takes the whole batch back, and the watermark with it.
        let doubled = Batch { decisions: vec![decision(21), decision(20)], ..Batch::default() };
        assert!(store.index(&mark(20), &mark(21), doubled).await.is_err());
        assert_eq!(store.watermark(CHAIN).await.unwrap(), mark(20));
        assert_eq!(store.reads("acme").decision("d21").await.unwrap(), None);
        store.index(&mark(20), &mark(21), batch(21)).await.unwrap();
        // What became of a call comes later.
        let fate = OutcomeRow { id: "d21".to_owned(), result: "timeout".to_owned(), ..OutcomeRow::default() };
        let outcomes = Batch { outcomes: vec![fate.clone()], ..Batch::default() };
        store.index(&mark(21), &mark(22), outcomes).await.unwrap();
        assert_eq!(store.reads("acme").decision("d21").await.unwrap().unwrap().fate, Some(fate));
    }
}

#[tokio::test]
async fn a_generation_that_is_used_again_hides_no_change() {
    for (store, _dir) in stores().await {
        let change = |seq: i64, position: i64, object: &str| ChangeRow {
            seq,
            organisation: "acme".to_owned(),
            ts: seq,
            generation: 7,
            position,
            who: "member:ada".to_owned(),
            what: "server add".to_owned(),
            object: object.to_owned(),
            before: "null".to_owned(),
            after: "{}".to_owned(),
        };
        let batch = |changes| Batch { changes, ..Batch::default() };
        let start = store.watermark(CHAIN).await.unwrap();
        let first = vec![change(1, 0, "server/a"), change(2, 1, "server/b")];
        store.index(&start, &mark(2), batch(first)).await.unwrap();
        // After a restore: other steps at the same places, one of the old ones once more, and a new one.
        let again = vec![
            change(3, 0, "server/c"),
            change(4, 1, "server/b"),
            change(5, 1, "server/d"),
            change(6, 2, "server/e"),
        ];
        store.index(&mark(2), &mark(6), batch(again)).await.unwrap();
        let found = store.reads("acme").changes(&Search::default()).await.unwrap().rows;
        let objects: Vec<_> = found.iter().map(|row| row.object.as_str()).collect();
        assert_eq!(objects, ["server/e", "server/d", "server/c", "server/b", "server/a"]);
    }
}

#[tokio::test]
async fn rows_follow_retention_and_a_chain_can_be_thrown_away() {
    for (store, _dir) in stores().await {
        filled(&store, 100).await;
        let change = |seq: i64| ChangeRow {
            seq,
            organisation: "acme".to_owned(),
            ts: seq,
            generation: seq,
            position: 0,
            who: "member:ada".to_owned(),
            what: "server add".to_owned(),
            object: format!("server/server{}", seq % 2),
            before: "null".to_owned(),
            after: "{}".to_owned(),
        };
        let early = |ts: i64, count: i64| RefusalRow {
            id: "e.1.a".to_owned(),
            ts,
            count,
            source: "192.0.2.1".to_owned(),
            names: "[]".to_owned(),
            ..RefusalRow::default()
        };
        let withheld = RefusalRow {
            id: "w.103".to_owned(),
            kind: RefusalKind::Withheld,
            organisation: "acme".to_owned(),
            ts: 50,
            count: 2,
            grant: "g_1".to_owned(),
            names: r#"["rm"]"#.to_owned(),
            ..RefusalRow::default()
        };
        // A step that is in the journal twice is there once.
        let changes = vec![change(101), change(102), ChangeRow { seq: 103, ..change(102) }];
        let batch = Batch { changes, refusals: vec![early(40, 1), early(60, 3), withheld], ..Batch::default() };
        store.index(&mark(100), &mark(103), batch).await.unwrap();
        let reads = store.reads("acme");
        let seqs = |rows: Vec<ChangeRow>| rows.into_iter().map(|row| row.seq).collect::<Vec<_>>();
        assert_eq!(seqs(reads.changes(&Search::default()).await.unwrap().rows), [102, 101]);
        let scoped = |name: &str, created: i64| Search {
            sight: Sight::Servers(vec![("uuid".to_owned(), name.to_owned(), created)]),
            ..Search::default()
        };
        assert_eq!(seqs(reads.changes(&scoped("server1", 0)).await.unwrap().rows), [101]);
        assert_eq!(seqs(reads.changes(&scoped("server1", 102)).await.unwrap().rows), [0; 0]);
        assert_eq!(seqs(reads.changes(&scoped("server", 0)).await.unwrap().rows), [0; 0]);
        let found = |rows: Vec<RefusalRow>| rows.into_iter().map(|row| (row.ts, row.count)).collect::<Vec<_>>();
        assert_eq!(found(reads.refusals(&Search::default(), true).await.unwrap().rows), [(60, 3), (50, 2)]);
        assert_eq!(found(reads.refusals(&Search::default(), false).await.unwrap().rows), [(50, 2)]);
        let one = Search { limit: 1, ..Search::default() };
        let first = reads.refusals(&one, true).await.unwrap();
        let second = reads.refusals(&Search { after: first.next.clone(), ..one.clone() }, true).await.unwrap();
        assert_eq!((found(first.rows), found(second.rows)), (vec![(60, 3)], vec![(50, 2)]));
        assert_eq!(found(store.reads("other").refusals(&Search::default(), false).await.unwrap().rows), []);
        // Retention.
        store.forget_records(CHAIN, 101, 55).await.unwrap();
        assert_eq!(everything(&store, &Search::default()).await, []);
        assert_eq!(seqs(reads.changes(&Search::default()).await.unwrap().rows), [102]);
        assert_eq!(found(reads.refusals(&Search::default(), true).await.unwrap().rows), [(60, 3)]);
        assert_eq!(store.watermark(CHAIN).await.unwrap(), mark(103));
        // Thrown away.
        store.forget_chain(CHAIN).await.unwrap();
        assert_eq!(store.watermark(CHAIN).await.unwrap(), mark(0));
        assert_eq!(reads.changes(&Search::default()).await.unwrap().rows, []);
        assert_eq!(reads.refusals(&Search::default(), true).await.unwrap().rows, []);
        assert!(store.index(&mark(103), &mark(104), Batch::default()).await.is_err());
    }
}

/// What is counted of the rows that are there, by a scan.
async fn scanned(store: &Store, span: &Span) -> Vec<(i64, [i64; 4])> {
    let mut parts: BTreeMap<i64, [i64; 4]> = BTreeMap::new();
    let search = Search { limit: 10_000, ..Search::default() };
    for row in store.reads("acme").decisions(&search).await.unwrap().rows {
        let is_seen = match &span.sight {
            Sight::All => true,
            Sight::Servers(servers) => servers.iter().any(|(id, _, _)| *id == row.server_id),
        };
        let is_meant = span.server.as_ref().is_none_or(|server| *server == row.server);
        if !is_seen || !is_meant || row.ts < span.since || row.ts >= span.until {
            continue;
        }
        let part = parts.entry((row.ts - span.since) / span.bucket).or_default();
        part[usize::from(row.outcome == "deny")] += 1;
        let fate = row.fate.map(|fate| fate.result).unwrap_or_default();
        part[2] += i64::from(fate == "timeout");
        part[3] += i64::from(!fate.is_empty());
    }
    parts.into_iter().collect()
}

async fn counted(store: &Store, span: &Span) -> Vec<(i64, [i64; 4])> {
    let parts = store.reads("acme").tallies(span).await.unwrap();
    // All latencies are of the first columns: how many there are can be told from the sum of the whole.
    parts.into_iter().map(|(at, tally)| (at, [tally.allow, tally.deny, tally.errors, tally.ended()])).collect()
}

#[tokio::test]
async fn counts_are_what_a_scan_finds_whatever_comes_and_goes() {
    let spread = |n: i64| DecisionRow { ts: n * 7_000_000, ..decision(n) };
    let servers = |ids: &[&str]| Sight::Servers(ids.iter().map(|id| ((*id).to_owned(), String::new(), 0)).collect());
    let mut spans = Vec::new();
    for bucket in [60_000, 300_000, 900_000, 3_600_000, 21_600_000, 86_400_000] {
        for (server, sight) in [
            (None, Sight::All),
            (Some("server1".to_owned()), Sight::All),
            (None, servers(&["uuid-server0"])),
            (Some("server1".to_owned()), servers(&["uuid-server0"])),
            (None, servers(&[])),
        ] {
            let (since, until) = (86_400_000, 86_400_000 * 20);
            spans.push(Span { since, until, bucket, server: server.clone(), sight: sight.clone() });
            spans.push(Span { since: 0, until: 86_400_000 * 100, bucket, server, sight });
        }
    }
    let agrees = async |store: &Store, when: &str| {
        for span in &spans {
            assert_eq!(counted(store, span).await, scanned(store, span).await, "{store:?} {when}: {span:?}");
        }
    };
    let fate =
        |n: i64, result: &str| OutcomeRow { id: format!("d{n}"), result: result.to_owned(), ..OutcomeRow::default() };
    for (store, _dir) in stores().await {
        filled(&store, 20).await;
        let batch = Batch { decisions: (21..=300).map(spread).collect(), ..Batch::default() };
        store.index(&mark(20), &mark(300), batch).await.unwrap();
        agrees(&store, "written").await;
        // What became of some, of one twice, and of one that nobody knows.
        let outcomes = vec![fate(22, "result"), fate(23, "timeout"), fate(22, "timeout"), fate(999, "timeout")];
        store.index(&mark(300), &mark(301), Batch { outcomes, ..Batch::default() }).await.unwrap();
        let outcomes = vec![fate(23, "result")];
        store.index(&mark(301), &mark(302), Batch { outcomes, ..Batch::default() }).await.unwrap();
        agrees(&store, "ended").await;
        let span = spans[1].clone();
        let by_server = store.reads("acme").tallies_by_server(&span).await.unwrap();
        assert_eq!(by_server.iter().map(|(_, [allow, ..])| allow).sum::<i64>(), 232, "{by_server:?}");
        let repeated = store.reads("acme").repeated_refusals(&span, 2).await.unwrap();
        assert_eq!(repeated.len(), 2);
        assert!(repeated.iter().all(|found| found.rule == "limits.calls" && found.denied == 5), "{repeated:?}");
        let other = Span { server: Some("server0".to_owned()), ..span.clone() };
        let repeated = store.reads("acme").repeated_refusals(&other, 9).await.unwrap();
        assert!(repeated.iter().all(|found| found.server == "server0") && repeated.len() == 5, "{repeated:?}");
        let none = Span { sight: servers(&[]), ..span.clone() };
        assert_eq!(store.reads("acme").repeated_refusals(&none, 9).await.unwrap(), []);
        assert_eq!(store.reads("nobody").tallies(&span).await.unwrap(), []);
        // Retention, also again; and thrown away.
        for through in [150, 150, 151] {
            store.forget_records(CHAIN, through, 0).await.unwrap();
            agrees(&store, "deleted").await;
        }
        store.forget_chain(CHAIN).await.unwrap();
        for span in &spans {
            assert_eq!(store.reads("acme").tallies(span).await.unwrap(), []);
        }
    }
}

#[tokio::test]
async fn what_comes_is_followed_in_steps_of_any_size() {
    for (store, _dir) in stores().await {
        filled(&store, 50).await;
        let reads = store.reads("acme");
        let here = reads.ends().await.unwrap();
        let decisions = (51..=300).map(decision).collect();
        store.index(&mark(50), &mark(300), Batch { decisions, ..Batch::default() }).await.unwrap();
        let denied = Search { filters: vec![filter(Column::Outcome, &["deny"])], ..Search::default() };
        let none = Search { sight: Sight::Servers(Vec::new()), ..Search::default() };
        let timely = Search { since: Some(1_050), until: Some(1_060), ..Search::default() };
        for search in [Search::default(), denied, none, timely] {
            let mut expected = everything(&store, &Search { limit: 1_000, ..search.clone() }).await;
            expected.retain(|row| row.seq > 50);
            expected.sort_by_key(|row| row.seq);
            for limit in [1, 7, 1_000] {
                let search = Search { limit, ..search.clone() };
                let (mut from, mut rows) = (here.clone(), Vec::new());
                loop {
                    let (some, more) = reads.decisions_behind(&mut from, &search).await.unwrap();
                    assert!(some.len() <= limit as usize);
                    rows.extend(some);
                    if !more {
                        break;
                    }
                }
                assert!(rows == expected, "{store:?} {limit} {search:?}");
                assert_eq!(from, reads.ends().await.unwrap());
            }
        }
        // Behind one that somebody has seen, and not too far behind.
        let seqs = async |mut from: callgate_store::Ends| {
            let rows =
                reads.decisions_behind(&mut from, &Search { limit: 1_000, ..Search::default() }).await.unwrap().0;
            rows.into_iter().map(|row| row.seq).collect::<Vec<_>>()
        };
        let last = reads.ends().await.unwrap();
        let seen = reads.ends_at("d290").await.unwrap().unwrap();
        assert_eq!(seqs(seen.near(&last, 10_000)).await, [291, 292, 293, 294, 295, 296, 297, 298, 300]);
        let old = reads.ends_at("d2").await.unwrap().unwrap();
        assert_eq!(seqs(old.near(&last, 3)).await, [298, 300]);
        assert_eq!(reads.ends_at("d9").await.unwrap(), None, "it is of another organisation");
    }
}
