//! Charging through the local socket: the same counters, the same records, and nothing given back by a broken line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

#[path = "bench/records.rs"]
mod bench;

use bench::{Bench, about, allow, charge, decision, kinds, with_history};
use callgate_decision::{Decider, Ending, RecordError, ResultKind, remote};
use callgate_policy::{Ask, AskTerms, FlowVerdict, Mode, Outcome, Reason, Settlement, Window};
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

struct Gateway {
    bench: Bench,
    path: PathBuf,
    listener: UnixListener,
    _dir: tempfile::TempDir,
}

type Served = JoinHandle<Result<(), remote::RemoteError>>;

impl Gateway {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        Self { bench: Bench::new(), listener: UnixListener::bind(&path).unwrap(), path, _dir: dir }
    }

    /// What a gateway's listener does.
    async fn accept(&self) -> Served {
        let (stream, _) = self.listener.accept().await.unwrap();
        let decider = self.bench.decider.clone();
        tokio::spawn(async move {
            remote::check_peer(&stream)?;
            let (read, write) = stream.into_split();
            let mut read = BufReader::new(read);
            let mut line = String::new();
            read.read_line(&mut line).await?;
            assert_eq!(line.trim_end(), remote::OPENING);
            remote::serve_connection(read, write, &decider).await
        })
    }

    async fn connect(&self) -> (Decider, Served) {
        let (decider, served) = tokio::join!(Decider::connect(&self.path), self.accept());
        (decider.unwrap(), served)
    }
}

fn one() -> callgate_policy::Decision {
    allow(vec![charge("calls", Window::Minute, 2)])
}

#[tokio::test]
async fn several_processes_share_one_counter() {
    let gateway = Gateway::new();
    let (first, served) = gateway.connect().await;
    let (second, _also) = gateway.connect().await;
    let a = first.charge(one(), &about()).await.unwrap();
    let b = second.charge(one(), &about()).await.unwrap();
    let refused = gateway.bench.decider.charge(one(), &about()).await.unwrap_err();
    assert_eq!(refused.decision.reason, Some(Reason::Limit));
    let refused = first.charge(one(), &about()).await.unwrap_err();
    assert_eq!((refused.decision.reason, refused.id.is_some()), (Some(Reason::Limit), true));
    assert!(refused.decision.retry_after_ms.is_some() && refused.decision.place.is_some());
    // Messages keep their order, so once the third charge is answered the settlement before it has been done.
    a.depart().settle(Ending::new(Settlement::GiveBack, ResultKind::Unreachable));
    let again = first.charge(one(), &about()).await.unwrap();
    drop(again);
    drop(first.charge(one(), &about()).await.unwrap().depart());
    assert!(first.charge(one(), &about()).await.is_err());
    b.depart().settle(Ending::new(Settlement::Keep, ResultKind::Result));
    drop(first);
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_was_withheld_arrives_as_it_left() {
    let gateway = Gateway::new();
    let (remote, served) = gateway.connect().await;
    let names = vec!["a".to_owned(), "ü".repeat(200)];
    assert!(gateway.bench.decider.withheld(&about(), &names, 7) && remote.withheld(&about(), &names, 7));
    drop(remote);
    served.await.unwrap().unwrap();
    let records = gateway.bench.records();
    assert_eq!(kinds(&records), ["withheld", "withheld"]);
    assert_eq!(records[0].1, records[1].1);
    let record: serde_json::Value = serde_json::from_str(&records[0].1).unwrap();
    assert_eq!((&record["count"], &record["names"][1]), (&7.into(), &"ü".repeat(128).into()));
}

#[tokio::test]
async fn what_was_withheld_and_can_not_be_recorded_is_counted() {
    let bench = Bench::new();
    bench.fail_appends(true);
    assert!(!bench.decider.withheld(&about(), &["a".to_owned()], 1));
    assert_eq!(bench.decider.unrecorded(), 1);
}

#[tokio::test]
async fn a_decision_arrives_as_it_left() {
    let gateway = Gateway::new();
    let (remote, _served) = gateway.connect().await;
    let mut shadow = charge("shadow", Window::Every(90_000), 0);
    shadow.mode = Mode::Shadow;
    shadow.on_deny = Some("slow down".into());
    let charges = vec![charge("calls", Window::Month, 3), shadow];
    let here = gateway.bench.decider.charge(allow(charges.clone()), &about()).await.unwrap();
    let there = remote.charge(allow(charges), &about()).await.unwrap();
    let records = gateway.bench.records();
    assert_eq!(kinds(&records), ["decision", "decision"]);
    let same = |n: usize, id: String| records[n].1.replace(&id, "ID");
    assert_eq!(same(0, here.id().to_string()), same(1, there.id().to_string()));
    let asked = remote.charge(decision(Outcome::Approve, None, vec![]), &about()).await.unwrap_err();
    assert_eq!((asked.decision.outcome, asked.decision.reason), (Outcome::Approve, None));
}

#[tokio::test]
async fn the_history_is_one_for_all_processes() {
    let gateway = Gateway::new();
    let (remote, _served) = gateway.connect().await;
    let terms = AskTerms::new(Ask::Hold, (Some(60_000), Some(5_000), None), (true, true));
    let all: Vec<(u8, FlowVerdict)> = (0..6).map(|event| (event, FlowVerdict::Approve(terms.clone()))).collect();
    let send = || with_history(allow(vec![]), &all, &[]);
    assert_eq!(remote.weigh(send()).await.outcome, Outcome::Allow);
    let fetch = with_history(allow(vec![]), &[(1, FlowVerdict::Deny)], &[0, 1, 2, 3, 4, 5]);
    let permit = remote.charge(fetch, &about()).await.unwrap();
    let here = with_history(allow(vec![]), &[(5, FlowVerdict::Deny)], &[]);
    let refused = gateway.bench.decider.charge(here, &about()).await.unwrap_err();
    assert_eq!(refused.decision.rule.as_str(), "/flows/5");
    let weighed = remote.weigh(send()).await;
    assert_eq!(
        (weighed.outcome, weighed.rule.as_str(), weighed.ask.as_ref()),
        (Outcome::Approve, "/flows/0", Some(&terms))
    );
    assert_eq!(gateway.bench.records().len(), 2, "to weigh is to change nothing");
    let asked = remote.charge(weighed.clone(), &about()).await.unwrap_err();
    assert_eq!((asked.decision.outcome, asked.decision.ask), (Outcome::Approve, Some(terms.clone())));
    let asked = remote.charge(send(), &about()).await.unwrap_err();
    assert_eq!((asked.decision.outcome, asked.decision.ask), (Outcome::Approve, Some(terms)));
    drop(remote.charge(weighed.approved(), &about()).await.unwrap().depart());
    drop(permit);
    let after = with_history(allow(vec![]), &[(1, FlowVerdict::Require)], &[]);
    let refused = remote.charge(after, &about()).await.unwrap_err();
    assert_eq!((refused.decision.reason, refused.decision.message.as_str()), (Some(Reason::Flow), "not now"));
}

#[tokio::test]
async fn a_failing_journal_refuses_at_both_ends() {
    let gateway = Gateway::new();
    let (remote, _served) = gateway.connect().await;
    gateway.bench.fail_writes(true);
    let refused = remote.charge(one(), &about()).await.unwrap_err();
    assert_eq!(refused.decision.reason, Some(Reason::Fault));
    assert_eq!(refused.unrecorded, Some(RecordError("CG4003: gone".to_owned())));
}

#[tokio::test]
async fn a_call_whose_line_breaks_counts_as_having_run() {
    let gateway = Gateway::new();
    let (read, mut write) = {
        let (stream, served) = tokio::join!(UnixStream::connect(&gateway.path), gateway.accept());
        drop(served);
        stream.unwrap().into_split()
    };
    // A client that dies between its permit and its settlement; half a line is all that it still says.
    let charge = r#"{"charge":{"number":1,"decision":{"outcome":"allow","reason":null,"rule":"","place":null,"message":"","charges":[],"shadow":[],"retry_after_ms":null},"about":{"organisation":"acme","grant":"g1","grant_label":"ci","server":"kernel","method":"tools/call"}}}"#;
    write.write_all(format!("{}\n{charge}\n", remote::OPENING).as_bytes()).await.unwrap();
    let mut lines = BufReader::new(read).lines();
    assert!(lines.next_line().await.unwrap().unwrap().contains("hello"));
    assert!(lines.next_line().await.unwrap().unwrap().contains("permit"));
    write.write_all(b"{\"settle\":").await.unwrap();
    drop(write);
    assert!(lines.next_line().await.unwrap().is_none());
    let records = gateway.bench.records();
    assert_eq!(kinds(&records), ["decision", "outcome"]);
    assert!(records[1].1.contains(r#""result":"broken","kept":true"#), "{}", records[1].1);
}

#[tokio::test]
async fn a_gateway_that_is_gone_refuses_everything() {
    let gateway = Gateway::new();
    let (remote, served) = gateway.connect().await;
    let permit = remote.charge(one(), &about()).await.unwrap();
    served.abort();
    assert!(served.await.is_err());
    let refused = remote.charge(one(), &about()).await.unwrap_err();
    assert_eq!((refused.decision.outcome, refused.decision.reason), (Outcome::Deny, Some(Reason::Fault)));
    assert!(refused.unrecorded.unwrap().0.starts_with("CG4009"));
    let asks = [(0, FlowVerdict::Approve(AskTerms::default()))];
    assert_eq!(remote.weigh(with_history(allow(vec![]), &asks, &[])).await.outcome, Outcome::Deny);
    drop(permit);
    let nobody = Decider::connect(Path::new("/nonexistent/socket")).await.unwrap_err();
    assert!(nobody.to_string().starts_with("CG4009"));
}

#[tokio::test]
async fn what_is_not_in_the_protocol_ends_the_connection() {
    let settle = r#"{"settle":{"number":9,"ending":{"kept":true,"result":"result","upstream_status":null,"error_code":null,"latency_us":0,"bytes":0}}}"#;
    for line in ["nonsense", "{}", r#"{"charge":{}}"#, settle] {
        let gateway = Gateway::new();
        let (stream, served) = tokio::join!(UnixStream::connect(&gateway.path), gateway.accept());
        let mut stream = stream.unwrap();
        stream.write_all(format!("{}\n{line}\n", remote::OPENING).as_bytes()).await.unwrap();
        assert!(matches!(served.await.unwrap(), Err(remote::RemoteError::Protocol(_))), "{line}");
        assert!(gateway.bench.records().is_empty());
    }
}

#[tokio::test]
async fn charges_that_wait_together_get_their_own_answers() {
    let gateway = Gateway::new();
    let (remote, _served) = gateway.connect().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..50 {
        let remote = remote.clone();
        tasks.spawn(async move {
            let decision = allow(vec![charge(&format!("c{}", n % 5), Window::Hour, 4)]);
            remote.charge(decision, &about()).await.map(|permit| drop(permit.depart())).is_ok()
        });
    }
    let mut allowed = 0;
    while let Some(done) = tasks.join_next().await {
        allowed += usize::from(done.unwrap());
    }
    assert_eq!(allowed, 20);
}
