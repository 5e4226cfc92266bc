//! A decider over records in memory that fail on demand, and a clock that is set by hand.
#![allow(dead_code, unreachable_pub, reason = "each test file uses another part of it")]

use callgate_decision::{
    About, Clock, Decider, DigestKey, Rebuild, RecordError, Records, ReservedRecord, StandingMarkRecord, Ticket,
};
use callgate_policy::{
    Charge, Check, CounterKey, Decision, EventId, FlowVerdict, Grant, GrantId, History, Imprint, MarkKey, MarkScope,
    Mode, Organisation, Outcome, Place, Reason, RulePath, Scope, ServerName, Source, State, Strategy, Timestamp, Unit,
    Window,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::task::{Context, Poll};

pub type Entry = (&'static str, String, i64);

#[derive(Default)]
pub struct Memory(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    entries: Vec<Entry>,
    since_checkpoint: usize,
    checkpoint_every: usize,
    fail_appends: bool,
    fail_writes: bool,
    hold_writes: bool,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    fn append(
        &self,
        kind: &'static str,
        now: Timestamp,
        body: &[u8],
        checkpoint: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError> {
        let mut inner = self.lock();
        if inner.fail_appends {
            return Err(RecordError("CG4003: full".to_owned()));
        }
        inner.entries.push((kind, String::from_utf8(body.to_vec()).unwrap(), now.0));
        inner.since_checkpoint += 1;
        if inner.checkpoint_every > 0 && inner.since_checkpoint >= inner.checkpoint_every {
            inner.entries.push(("checkpoint", String::from_utf8(checkpoint()).unwrap(), now.0));
            inner.since_checkpoint = 0;
        }
        Ok(Ticket(inner.entries.len() as u64))
    }
}

impl Records for Memory {
    fn append_decision(
        &self,
        now: Timestamp,
        body: &[u8],
        checkpoint: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError> {
        self.append("decision", now, body, checkpoint)
    }

    fn append_outcome(
        &self,
        now: Timestamp,
        body: &[u8],
        checkpoint: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError> {
        self.append("outcome", now, body, checkpoint)
    }

    fn append_withheld(
        &self,
        now: Timestamp,
        body: &[u8],
        checkpoint: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError> {
        self.append("withheld", now, body, checkpoint)
    }

    fn append_reset(
        &self,
        now: Timestamp,
        body: &[u8],
        checkpoint: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError> {
        self.append("reset", now, body, checkpoint)
    }

    fn poll_written(&self, _: Ticket, _: &mut Context<'_>) -> Poll<Result<(), RecordError>> {
        let inner = self.lock();
        if inner.hold_writes {
            return Poll::Pending;
        }
        Poll::Ready(if inner.fail_writes { Err(RecordError("CG4003: gone".to_owned())) } else { Ok(()) })
    }
}

#[derive(Default)]
pub struct HandClock(AtomicI64);

impl HandClock {
    pub fn set(&self, now: i64) {
        self.0.store(now, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

pub struct Bench {
    pub decider: Decider,
    pub clock: Arc<HandClock>,
    memory: Arc<Memory>,
}

impl Bench {
    pub fn new() -> Self {
        Self::with_checkpoints(0)
    }

    pub fn with_checkpoints(every: usize) -> Self {
        let (memory, clock) = (Arc::new(Memory::default()), Arc::new(HandClock::default()));
        memory.lock().checkpoint_every = every;
        let decider = Decider::local(memory.clone(), clock.clone(), DigestKey::new([7; 32]), State::default());
        Self { decider, clock, memory }
    }

    pub fn records(&self) -> Vec<Entry> {
        self.memory.lock().entries.clone()
    }

    pub fn fail_appends(&self, fail: bool) {
        self.memory.lock().fail_appends = fail;
    }

    pub fn fail_writes(&self, fail: bool) {
        self.memory.lock().fail_writes = fail;
    }

    pub fn hold_writes(&self, hold: bool) {
        self.memory.lock().hold_writes = hold;
    }

    /// The live counters without leases, as a checkpoint has them.
    pub fn live(&self) -> Vec<serde_json::Value> {
        let state: serde_json::Value = serde_json::from_slice(&self.decider.checkpoint().unwrap()).unwrap();
        let mut counters = state["counters"].as_array().unwrap().clone();
        counters.retain(|counter| counter["key"]["window"] != "concurrent");
        counters
    }

    /// The live history, as if everything in flight had ended now.
    pub fn live_marks(&self) -> Vec<serde_json::Value> {
        let state: serde_json::Value = serde_json::from_slice(&self.decider.checkpoint().unwrap()).unwrap();
        let mut marks = state["marks"].as_array().cloned().unwrap_or_default();
        for mark in &mut marks {
            if mark.as_object_mut().unwrap().remove("open").is_some() {
                mark["ended"] = self.clock.now().0.into();
            }
        }
        marks
    }

    /// The history that the records add up to.
    pub fn rebuilt_marks(&self) -> Vec<serde_json::Value> {
        let now = self.clock.now();
        let marks = self.rebuild().marks(now);
        marks.iter().map(|mark| serde_json::to_value(StandingMarkRecord::from(mark)).unwrap()).collect()
    }

    /// The counters that the records add up to.
    pub fn rebuilt(&self) -> Vec<serde_json::Value> {
        let counters = self.rebuild().snapshot(self.clock.now());
        counters.iter().map(|reserved| serde_json::to_value(ReservedRecord::from(reserved)).unwrap()).collect()
    }

    /// What a restart makes of the records.
    pub fn rebuild(&self) -> State {
        let records = self.records();
        let start = records.iter().rposition(|record| record.0 == "checkpoint").unwrap_or(0);
        let mut rebuild = Rebuild::new();
        for (kind, body, at) in &records[start..] {
            match *kind {
                "checkpoint" => rebuild.checkpoint(body).unwrap(),
                "decision" => rebuild.decision(body).unwrap(),
                "reset" => rebuild.reset(body).unwrap(),
                _ => rebuild.outcome(body, Timestamp(*at)).unwrap(),
            }
        }
        rebuild.finish(self.clock.now())
    }
}

pub fn kinds(records: &[Entry]) -> Vec<&'static str> {
    records.iter().map(|record| record.0).collect()
}

pub fn about() -> About<'static> {
    static ORGANISATION: LazyLock<Organisation> = LazyLock::new(|| Organisation::parse("acme").unwrap());
    static SERVER: LazyLock<ServerName> = LazyLock::new(|| ServerName::parse("kernel").unwrap());
    static GRANT: LazyLock<Grant> =
        LazyLock::new(|| Grant { id: GrantId::parse("g1").unwrap(), label: "ci".to_owned(), tags: BTreeMap::new() });
    About {
        organisation: &ORGANISATION,
        grant: &GRANT,
        identity: None,
        server: &SERVER,
        method: "tools/call",
        tool: Some("exec_command"),
        policy: None,
        session: None,
        client: None,
        request_id: Some("1"),
        trace: None,
        arguments: None,
        approval: None,
        result_of: None,
        redacted: &[],
    }
}

pub fn decision(outcome: Outcome, reason: Option<Reason>, charges: Vec<Charge>) -> Decision {
    Decision {
        outcome,
        reason,
        rule: RulePath::new(""),
        place: None,
        message: "".into(),
        charges,
        history: None,
        shadow: Vec::new(),
        ask: None,
        retry_after_ms: None,
    }
}

pub fn allow(charges: Vec<Charge>) -> Decision {
    decision(Outcome::Allow, None, charges)
}

pub fn charge(name: &str, window: Window, max: usize) -> Charge {
    Charge {
        key: CounterKey {
            organisation: Organisation::parse("acme").unwrap(),
            server: Some(ServerName::parse("kernel").unwrap()),
            scope: Scope::Grant,
            scope_id: "g1".into(),
            name: name.into(),
            window,
            strategy: Strategy::Fixed,
            unit: Unit::Calls,
        },
        amount: "1".parse().unwrap(),
        max: max.to_string().parse().unwrap(),
        rule: RulePath::new(format!("/tools/exec_command/limits/{name}")),
        place: Place { source: Source::Policy, pointer: "/tools/exec_command/limits/0".into(), line: 1 },
        on_deny: None,
        mode: Mode::Enforce,
    }
}

/// The same decision in a call that sets `leaves` off, and has to pass `asks`.
pub fn with_history(mut decision: Decision, asks: &[(u8, FlowVerdict)], leaves: &[u8]) -> Decision {
    let place = || Place { source: Source::Policy, pointer: "/flows/0".into(), line: 1 };
    let check = |(event, verdict): &(u8, FlowVerdict)| Check {
        key: mark(*event),
        within_ms: Some(20_000),
        verdict: verdict.clone(),
        rule: RulePath::new(format!("/flows/{event}")),
        place: place(),
        on_deny: (*event == 1).then(|| "not now".into()),
        mode: Mode::Enforce,
        has_asked: false,
    };
    let imprint = |event: &u8| Imprint {
        key: mark(*event),
        grant: GrantId::parse("g1").unwrap(),
        keep_ms: 20_000,
        rule: RulePath::new(format!("/flows/{event}")),
        place: place(),
        is_required: false,
        mode: Mode::Enforce,
    };
    let (checks, imprints) = (asks.iter().map(check).collect(), leaves.iter().map(imprint).collect());
    decision.history = Some(Box::new(History { checks, imprints }));
    decision
}

/// A mark of every scope, by its event.
pub fn mark(event: u8) -> MarkKey {
    let grant = || GrantId::parse("g1").unwrap();
    let scope = match event {
        0 => MarkScope::Session("s1".into()),
        1 => MarkScope::Sessionless(grant()),
        2 => MarkScope::Grant(grant()),
        3 => MarkScope::Identity("ann".into()),
        4 => MarkScope::Trace("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        _ => MarkScope::Tag { key: "agent".into(), value: "ä\"1".into() },
    };
    let server = (event < 3).then(|| ServerName::parse("kernel").unwrap());
    MarkKey { organisation: Organisation::parse("acme").unwrap(), server, scope, event: EventId([event; 16]) }
}
