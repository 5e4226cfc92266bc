//! Charging, recording, permits and rebuilding, against records in memory and a clock that is set by hand.
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
use callgate_decision::{CountersError, DecisionRecord, Ending, OutcomeRecord, ResetOrder, ResultKind};
use callgate_json::{Limits, parse};
use callgate_policy::{CounterKey, FlowVerdict, Outcome, Reason, Settlement, Timestamp, Window};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn ending(settlement: Settlement, result: ResultKind) -> Ending {
    Ending { upstream_status: Some(200), latency_us: 1500, bytes: 321, ..Ending::new(settlement, result) }
}

fn order(keys: &[CounterKey]) -> ResetOrder<'_> {
    ResetOrder { organisation: about().organisation, who: "member:ada", reason: "agreed", keys }
}

#[tokio::test]
async fn a_reset_is_recorded_and_outlives_the_process() {
    let bench = Bench::new();
    bench.clock.set(1_000_000);
    let flight = || charge("flight", Window::Concurrent, 1);
    let two = |flying: bool| {
        let charges = [Some(charge("calls", Window::Hour, 2)), flying.then(flight)];
        allow(charges.into_iter().flatten().collect())
    };
    let old = bench.decider.charge(two(true), &about()).await.unwrap();
    let late = bench.decider.charge(two(false), &about()).await.unwrap();
    assert!(bench.decider.charge(two(false), &about()).await.is_err());
    let keys = [charge("calls", Window::Hour, 2).key, flight().key];
    // What can't be recorded did not happen.
    bench.fail_appends(true);
    assert!(matches!(bench.decider.reset(&order(&keys)).await, Err(CountersError::Unrecorded(_))));
    assert!(bench.decider.charge(two(false), &about()).await.is_err());
    bench.fail_appends(false);
    let from = bench.decider.reset(&order(&keys)).await.unwrap();
    let record: serde_json::Value = serde_json::from_str(&bench.records().last().unwrap().1).unwrap();
    assert_eq!((record["who"].as_str(), record["reason"].as_str()), (Some("member:ada"), Some("agreed")));
    assert_eq!(record["from"], from.0);
    // Calls in flight hold their place, and what was charged before is not given back to what counts anew.
    assert!(bench.decider.charge(two(true), &about()).await.is_err());
    let new = bench.decider.charge(two(false), &about()).await.unwrap();
    drop(late);
    drop(bench.decider.charge(two(false), &about()).await.unwrap().depart());
    assert!(bench.decider.charge(two(false), &about()).await.is_err());
    drop(new);
    assert_eq!(bench.rebuilt(), bench.live());
    let held: Vec<_> = bench.decider.counters(about().organisation).unwrap();
    let held: Vec<_> = held.iter().map(|standing| (&*standing.key.name, standing.held.to_string())).collect();
    assert_eq!(held.len(), 2, "{held:?}");
    assert!(held.iter().all(|(_, held)| held == "1"), "{held:?}");
    drop(old);
    // Once the window is over, nothing is left of it.
    bench.clock.set(1_000_000 + 3_600_000);
    assert_eq!(bench.rebuilt(), Vec::<serde_json::Value>::new());
    let other = callgate_policy::Organisation::parse("other").unwrap();
    assert_eq!(bench.decider.counters(&other), Ok(Vec::new()));
}

#[tokio::test]
async fn an_allow_is_recorded_before_its_permit_and_settled_after() {
    let bench = Bench::new();
    let text = br#"{"b":1,"a":{"secret":"hunter2"}}"#;
    let arguments = parse(text, &Limits::default()).unwrap();
    let mut about = about();
    about.arguments = Some(&arguments);
    let permit = bench.decider.charge(allow(vec![charge("calls", Window::Minute, 2)]), &about).await.unwrap();
    let id = permit.id();
    {
        let records = bench.records();
        assert_eq!(kinds(&records), ["decision"]);
        assert!(!records[0].1.contains("hunter2"));
        let record: DecisionRecord<'_> = serde_json::from_str(&records[0].1).unwrap();
        assert_eq!((record.id, record.outcome.as_ref(), record.rule.as_ref()), (id, "allow", ""));
        assert_eq!(record.about.argument_keys, ["a", "b"]);
        assert_eq!(record.about.arguments_digest.as_ref().map(|digest| digest.len()), Some(64));
        assert_eq!((record.charges.len(), record.charges[0].amount.as_str()), (1, "1"));
        assert_eq!(record.charges[0].key.window, "minute");
    }
    permit.depart().settle(ending(Settlement::Keep, ResultKind::Result));
    let records = bench.records();
    let outcome: OutcomeRecord<'_> = serde_json::from_str(&records[1].1).unwrap();
    assert_eq!((outcome.id, outcome.kept, outcome.result), (id, true, ResultKind::Result));
    assert_eq!((outcome.upstream_status, outcome.latency_us, outcome.bytes), (Some(200), 1500, 321));
    assert!(outcome.charges.is_empty());
}

#[tokio::test]
async fn equal_arguments_have_equal_digests_however_they_are_written() {
    let bench = Bench::new();
    for text in [r#"{"a":1.0,"b":"x"}"#, r#" { "b":"\u0078", "a":1 }"#, r#"{"a":2,"b":"x"}"#] {
        let arguments = parse(text.as_bytes(), &Limits::default()).unwrap();
        let mut about = about();
        about.arguments = Some(&arguments);
        drop(bench.decider.charge(allow(vec![]), &about).await.unwrap());
    }
    let records: Vec<_> = bench.records().iter().filter(|record| record.0 == "decision").cloned().collect();
    let digest = |n: usize| {
        let record: serde_json::Value = serde_json::from_str(&records[n].1).unwrap();
        record["arguments_digest"].clone()
    };
    assert_eq!(digest(0), digest(1));
    assert_ne!(digest(0), digest(2));
}

/// How a call ends, and whether its place is free again.
#[tokio::test]
async fn what_did_not_run_is_given_back_and_nothing_else() {
    type End = fn(callgate_decision::Permit);
    let cases: [(&str, End, bool, &str); 5] = [
        ("unused", |permit| drop(permit), true, "not_forwarded"),
        ("departed and dropped", |permit| drop(permit.depart()), false, "broken"),
        ("kept", |p| p.depart().settle(ending(Settlement::Keep, ResultKind::ToolError)), false, "tool_error"),
        (
            "unreachable",
            |p| p.depart().settle(ending(Settlement::GiveBack, ResultKind::Unreachable)),
            true,
            "unreachable",
        ),
        ("cancelled", |p| p.depart().settle(ending(Settlement::Keep, ResultKind::Cancelled)), false, "cancelled"),
    ];
    for (what, end, free, result) in cases {
        let bench = Bench::new();
        let one = || allow(vec![charge("calls", Window::Minute, 1)]);
        end(bench.decider.charge(one(), &about()).await.unwrap());
        assert_eq!(kinds(&bench.records()), ["decision", "outcome"], "{what}");
        let outcome: serde_json::Value = serde_json::from_str(&bench.records()[1].1).unwrap();
        assert_eq!(outcome["result"], result, "{what}");
        assert_eq!(outcome["charges"].as_array().map(Vec::len), free.then_some(1), "{what}");
        assert_eq!(bench.decider.charge(one(), &about()).await.is_ok(), free, "{what}");
    }
}

#[tokio::test]
async fn a_lease_ends_with_its_call_however_it_ends() {
    let bench = Bench::new();
    let one = || allow(vec![charge("open", Window::Concurrent, 1)]);
    let first = bench.decider.charge(one(), &about()).await.unwrap().depart();
    assert!(bench.decider.charge(one(), &about()).await.is_err());
    first.settle(ending(Settlement::Keep, ResultKind::Result));
    drop(bench.decider.charge(one(), &about()).await.unwrap().depart());
    assert!(bench.decider.charge(one(), &about()).await.is_ok());
}

#[tokio::test]
async fn refusals_are_recorded_and_charge_nothing() {
    let bench = Bench::new();
    let denied = bench.decider.charge(decision(Outcome::Deny, Some(Reason::DenyIf), vec![]), &about()).await;
    let refused = denied.unwrap_err();
    assert_eq!((refused.decision.reason, refused.unrecorded), (Some(Reason::DenyIf), None));
    let ask = || decision(Outcome::Approve, None, vec![charge("calls", Window::Minute, 1)]);
    let asked = bench.decider.charge(ask(), &about()).await.unwrap_err();
    assert_eq!((asked.decision.outcome, asked.decision.reason), (Outcome::Approve, None));
    let one = || allow(vec![charge("calls", Window::Minute, 1)]);
    bench.decider.charge(one(), &about()).await.unwrap().depart().settle(ending(Settlement::Keep, ResultKind::Result));
    let over = bench.decider.charge(one(), &about()).await.unwrap_err();
    assert_eq!((over.decision.outcome, over.decision.reason), (Outcome::Deny, Some(Reason::Limit)));
    let exhausted = bench.decider.charge(ask(), &about()).await.unwrap_err();
    assert_eq!((exhausted.decision.outcome, exhausted.decision.reason), (Outcome::Deny, Some(Reason::Limit)));
    let outcomes: Vec<_> = bench
        .records()
        .iter()
        .filter(|record| record.0 == "decision")
        .map(|record| {
            serde_json::from_str::<serde_json::Value>(&record.1).unwrap()["outcome"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(outcomes, ["deny", "approve", "allow", "deny", "deny"]);
    bench.clock.set(60_000);
    assert!(bench.decider.charge(one(), &about()).await.is_ok(), "a new minute");
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_leave_and_costs_nothing() {
    let one = || allow(vec![charge("calls", Window::Minute, 1)]);
    let bench = Bench::new();
    bench.fail_appends(true);
    let refused = bench.decider.charge(one(), &about()).await.unwrap_err();
    assert_eq!((refused.decision.outcome, refused.decision.reason), (Outcome::Deny, Some(Reason::Fault)));
    assert!(refused.unrecorded.is_some());
    let denied = decision(Outcome::Deny, Some(Reason::Hidden), vec![]);
    let denied = bench.decider.charge(denied, &about()).await.unwrap_err();
    assert_eq!((denied.decision.reason, denied.unrecorded.is_some()), (Some(Reason::Hidden), true));
    bench.fail_appends(false);
    bench.fail_writes(true);
    let refused = bench.decider.charge(one(), &about()).await.unwrap_err();
    assert_eq!(refused.decision.reason, Some(Reason::Fault));
    assert_eq!(kinds(&bench.records()), ["decision", "outcome"], "what was appended and not written is taken back");
    bench.fail_writes(false);
    let permit = bench.decider.charge(one(), &about()).await.unwrap();
    assert_eq!(bench.decider.unrecorded(), 0);
    bench.fail_appends(true);
    permit.depart().settle(ending(Settlement::Keep, ResultKind::Result));
    assert_eq!(bench.decider.unrecorded(), 1);
}

#[tokio::test]
async fn a_caller_that_stops_waiting_gives_back() {
    let bench = Bench::new();
    let one = || allow(vec![charge("calls", Window::Minute, 1)]);
    bench.hold_writes(true);
    {
        let about = about();
        let mut waiting = std::pin::pin!(bench.decider.charge(one(), &about));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        assert_eq!(kinds(&bench.records()), ["decision"]);
    }
    assert_eq!(kinds(&bench.records()), ["decision", "outcome"]);
    bench.hold_writes(false);
    assert!(bench.decider.charge(one(), &about()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_interleaving_exceeds_a_limit() {
    let bench = Bench::new();
    let (allowed, running, most) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let counts = Arc::new((allowed, running, most));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..64 {
        let (decider, counts) = (bench.decider.clone(), Arc::clone(&counts));
        tasks.spawn(async move {
            for round in 0..20 {
                let charges = vec![charge("calls", Window::Hour, 300), charge("open", Window::Concurrent, 7)];
                let Ok(permit) = decider.charge(allow(charges), &about()).await else { continue };
                if (task + round) % 5 == 0 {
                    drop(permit);
                    continue;
                }
                let call = permit.depart();
                let running = counts.1.fetch_add(1, Ordering::SeqCst) + 1;
                counts.2.fetch_max(running, Ordering::SeqCst);
                tokio::task::yield_now().await;
                counts.0.fetch_add(1, Ordering::SeqCst);
                counts.1.fetch_sub(1, Ordering::SeqCst);
                call.settle(ending(Settlement::Keep, ResultKind::Result));
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert!(counts.0.load(Ordering::SeqCst) <= 300);
    assert!(counts.2.load(Ordering::SeqCst) <= 7);
    let mut left = 0;
    while let Ok(permit) = bench.decider.charge(allow(vec![charge("calls", Window::Hour, 300)]), &about()).await {
        drop(permit.depart());
        left += 1;
    }
    assert_eq!(counts.0.load(Ordering::SeqCst) + left, 300, "every place was used once");
    assert_eq!(bench.rebuilt(), bench.live());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// At every moment, the history that the journal adds up to is the process's own, wherever the checkpoints fall.
    #[test]
    fn the_rebuilt_history_is_the_live_one(
        steps in prop::collection::vec((0u8..6, 0u8..5, 0i64..9_000, prop::bool::ANY), 1..60),
        checkpoint_every in 1usize..9,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::with_checkpoints(checkpoint_every);
            let mut in_flight = Vec::new();
            let mut now = 0;
            for (event, end, pause, two) in steps {
                now += pause;
                bench.clock.set(now);
                let leaves = if two { vec![event, 5 - event] } else { vec![event] };
                let leaves: Vec<u8> = if event == 5 - event { vec![event] } else { leaves };
                let decision = with_history(allow(vec![charge("c", Window::Minute, 9)]), &[], &leaves);
                if let Ok(permit) = bench.decider.charge(decision, &about()).await {
                    match end {
                        0 => drop(permit),
                        1 => in_flight.push(permit.depart()),
                        2 => permit.depart().settle(ending(Settlement::GiveBack, ResultKind::Unreachable)),
                        3 => permit.depart().settle(ending(Settlement::Keep, ResultKind::ToolError)),
                        _ => permit.depart().settle(ending(Settlement::Keep, ResultKind::Result)),
                    }
                }
                if in_flight.len() > 2 {
                    in_flight.remove(0).settle(ending(Settlement::GiveBack, ResultKind::Error));
                }
                prop_assert_eq!(bench.rebuilt_marks(), bench.live_marks());
                prop_assert_eq!(bench.rebuilt(), bench.live());
            }
            Ok(())
        })?;
    }

    /// At every moment, what the journal adds up to is what the process holds, wherever the checkpoints fall.
    #[test]
    fn rebuilt_counters_are_the_live_ones(
        steps in prop::collection::vec((0u8..4, 0u8..5, 0i64..40_000, 1usize..4), 1..60),
        checkpoint_every in 1usize..9,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::with_checkpoints(checkpoint_every);
            let mut in_flight = Vec::new();
            let mut now = 0;
            for (counter, end, pause, max) in steps {
                now += pause;
                bench.clock.set(now);
                let window = [Window::Minute, Window::Hour, Window::Every(7_000), Window::Concurrent][usize::from(counter)];
                let mut sliding = charge("sliding", Window::Minute, 4);
                sliding.key.strategy = callgate_policy::Strategy::Sliding;
                let charges = vec![charge("c", window, max), sliding];
                if end == 4 {
                    let keys: Vec<_> = charges.iter().map(|charge| charge.key.clone()).collect();
                    now = bench.decider.reset(&order(&keys)).await.unwrap().0;
                    bench.clock.set(now);
                }
                if let Ok(permit) = bench.decider.charge(allow(charges), &about()).await {
                    match end {
                        0 => drop(permit),
                        1 => in_flight.push(permit.depart()),
                        2 => permit.depart().settle(ending(Settlement::GiveBack, ResultKind::Unreachable)),
                        _ => permit.depart().settle(ending(Settlement::Keep, ResultKind::Result)),
                    }
                }
                if in_flight.len() > 2 {
                    in_flight.remove(0).settle(ending(Settlement::GiveBack, ResultKind::Error));
                }
                prop_assert_eq!(bench.rebuilt(), bench.live());
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn the_history_is_on_record_where_a_flow_speaks_of_the_call() {
    let bench = Bench::new();
    bench.clock.set(1_000);
    drop(bench.decider.charge(allow(vec![]), &about()).await.unwrap().depart());
    assert!(bench.records().iter().all(|record| !record.1.contains("marks") && !record.1.contains("ended")));
    let fetch = with_history(allow(vec![]), &[], &[0]);
    let permit = bench.decider.charge(fetch, &about()).await.unwrap();
    bench.clock.set(1_700);
    permit.depart().settle(ending(Settlement::Keep, ResultKind::Result));
    let records = bench.records();
    let decision: DecisionRecord<'_> = serde_json::from_str(&records[2].1).unwrap();
    let outcome: OutcomeRecord<'_> = serde_json::from_str(&records[3].1).unwrap();
    assert_eq!((decision.marks.len(), decision.marks[0].at, &*decision.marks[0].key.scope), (1, 1_000, "session"));
    assert_eq!((&outcome.marks, outcome.ended), (&decision.marks, Some(1_700)));
    let send = || with_history(allow(vec![]), &[(0, FlowVerdict::Deny)], &[]);
    let refused = bench.decider.charge(send(), &about()).await.unwrap_err();
    assert_eq!((refused.decision.reason, refused.decision.rule.as_str()), (Some(Reason::Flow), "/flows/0"));
    assert!(bench.records()[4].1.contains(r#""outcome":"deny","reason":"flow","rule":"/flows/0""#));
    let refused = bench.rebuild().admit(send(), Timestamp(1_800)).0;
    assert_eq!(refused.reason, Some(Reason::Flow), "a restart changes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_calls_at_once_one_is_before_the_other() {
    let bench = Bench::new();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let decider = bench.decider.clone();
        tasks.spawn(async move {
            let only_one = with_history(allow(vec![]), &[(2, FlowVerdict::Deny)], &[2]);
            match decider.charge(only_one, &about()).await {
                Ok(permit) => {
                    tokio::task::yield_now().await;
                    permit.depart().settle(ending(Settlement::Keep, ResultKind::Result));
                    true
                }
                Err(_) => false,
            }
        });
    }
    let mut passed = 0;
    while let Some(done) = tasks.join_next().await {
        passed += usize::from(done.unwrap());
    }
    assert_eq!(passed, 1);
}

#[test]
fn what_cannot_be_understood_stops_the_rebuild() {
    let mut rebuild = callgate_decision::Rebuild::new();
    assert!(rebuild.checkpoint("null").is_ok());
    let known = r#"{"charges":[{"key":{"organisation":"o","scope":"grant","scope_id":"g","name":"n","window":"minute","strategy":"fixed"},"amount":"1","window_start":0}]}"#;
    assert!(rebuild.decision(known).is_ok());
    for (from, to) in
        [("minute", "fortnight"), ("fixed", "loose"), ("grant", "galaxy"), ("\"1\"", "\"NaN\""), ("}]}", "")]
    {
        let error = rebuild.decision(&known.replace(from, to)).unwrap_err().to_string();
        assert!(error.starts_with("CG4007"), "{error}");
    }
    assert!(rebuild.outcome("{}", Timestamp(0)).is_ok());
    for broken in ["{}", r#"{"organisation":"o","who":"w","reason":"r","from":1,"counters":[{}]}"#] {
        assert!(rebuild.reset(broken).unwrap_err().to_string().starts_with("CG4007"));
    }
    let known = r#"{"marks":[{"key":{"organisation":"o","scope":"tag","id":"v","tag":"k","event":"000102030405060708090a0b0c0d0e0f"},"keep_ms":1,"at":0}]}"#;
    assert!(rebuild.decision(known).is_ok());
    for (from, to) in [("\"tag\",\"id", "\"grant\",\"id"), ("0f\"", "\""), ("\"o\"", "\"\""), ("\"at\"", "\"when\"")] {
        let error = rebuild.decision(&known.replace(from, to)).unwrap_err().to_string();
        assert!(error.starts_with("CG4007"), "{error}");
    }
}
