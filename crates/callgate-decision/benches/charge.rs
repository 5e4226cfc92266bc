//! What charging costs: reserve, serialise, record (in memory), permit, settle, record.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark stops at the first surprise"
)]

#[path = "../tests/bench/records.rs"]
mod bench;

use bench::{about, allow, charge};
use callgate_decision::{Decider, DigestKey, Ending, RecordError, Records, ResultKind, SystemClock, Ticket};
use callgate_json::{Limits, parse};
use callgate_policy::{Settlement, State, Timestamp, Window};
use divan::Bencher;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

fn main() {
    divan::main();
}

/// Takes everything and keeps nothing, so that what is left is the decider's own cost.
struct Nothing;

impl Records for Nothing {
    fn append_decision(
        &self,
        _: Timestamp,
        body: &[u8],
        _: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError> {
        divan::black_box(body);
        Ok(Ticket(1))
    }

    fn append_outcome(&self, _: Timestamp, body: &[u8], _: &mut dyn FnMut() -> Vec<u8>) -> Result<Ticket, RecordError> {
        divan::black_box(body);
        Ok(Ticket(1))
    }

    fn append_withheld(
        &self,
        _: Timestamp,
        body: &[u8],
        _: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError> {
        divan::black_box(body);
        Ok(Ticket(1))
    }

    fn append_reset(&self, _: Timestamp, body: &[u8], _: &mut dyn FnMut() -> Vec<u8>) -> Result<Ticket, RecordError> {
        divan::black_box(body);
        Ok(Ticket(1))
    }

    fn poll_written(&self, _: Ticket, _: &mut Context<'_>) -> Poll<Result<(), RecordError>> {
        Poll::Ready(Ok(()))
    }
}

/// One call with so many limits and small arguments, from decision to settlement.
#[divan::bench(args = [0, 1, 3])]
fn charge_and_settle(bencher: Bencher<'_, '_>, limits: usize) {
    let decider = Decider::local(Arc::new(Nothing), Arc::new(SystemClock), DigestKey::new([1; 32]), State::default());
    let arguments = parse(br#"{"command":"ls","args":["-l","/tmp"]}"#, &Limits::default()).unwrap();
    let mut about = about();
    about.arguments = Some(&arguments);
    let charges = || (0..limits).map(|n| charge(&format!("c{n}"), Window::Hour, usize::MAX >> 8)).collect();
    bencher.with_inputs(|| allow(charges())).bench_local_values(|decision| {
        let charged = pin!(decider.charge(decision, &about));
        match charged.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(permit)) => permit.depart().settle(Ending::new(Settlement::Keep, ResultKind::Result)),
            other => drop(divan::black_box(other)),
        }
    });
}
