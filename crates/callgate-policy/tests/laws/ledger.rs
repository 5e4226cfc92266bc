//! The ledger against a model that keeps every charge for ever and adds them up anew each time.

use callgate_json::Decimal;
use callgate_policy::{
    Charge, CounterKey, Mode, Organisation, Place, Receipt, Reserved, RulePath, Scope, ServerName, Settlement, Source,
    State, Strategy as Moves, Timestamp, Unit, Window,
};
use proptest::prelude::*;

const MINUTE: i64 = 60_000;

#[derive(Clone, Debug)]
enum Step {
    Reserve(Vec<Charge>),
    Settle(usize, Settlement),
    Advance(i64),
    Sweep,
    Restart,
    Reset(Vec<usize>),
}

fn charge(counter: usize, amount: i64, max: i64, mode: Mode) -> Charge {
    let (name, window, strategy) = [
        ("fixed", Window::Minute, Moves::Fixed),
        ("sliding", Window::Minute, Moves::Sliding),
        ("short", Window::Every(7_000), Moves::Fixed),
        ("flight", Window::Concurrent, Moves::Fixed),
    ][counter];
    Charge {
        key: CounterKey {
            organisation: Organisation::parse("acme").unwrap(),
            server: Some(ServerName::parse("s").unwrap()),
            scope: Scope::Grant,
            scope_id: "g".into(),
            name: name.into(),
            window,
            strategy,
            unit: Unit::Calls,
        },
        amount: if window == Window::Concurrent { Decimal::ONE } else { Decimal::from(amount) },
        max: Decimal::from(max),
        rule: RulePath::new(format!("/{name}/{max}")),
        place: Place { source: Source::Policy, pointer: "".into(), line: 1 },
        on_deny: None,
        mode,
    }
}

fn charges() -> impl Strategy<Value = Vec<Charge>> {
    let mode = prop_oneof![3 => Just(Mode::Enforce), 1 => Just(Mode::Shadow)];
    // One amount per call: limits that name one counter count one thing.
    (0i64..4, proptest::collection::vec((0usize..4, 0i64..8, mode), 1..4)).prop_map(|(amount, limits)| {
        limits.into_iter().map(|(counter, max, mode)| charge(counter, amount, max, mode)).collect()
    })
}

fn step() -> impl Strategy<Value = Step> {
    let settlement = prop_oneof![Just(Settlement::Keep), Just(Settlement::GiveBack)];
    prop_oneof![
        6 => charges().prop_map(Step::Reserve),
        3 => (any::<prop::sample::Index>(), settlement).prop_map(|(at, how)| Step::Settle(at.index(64), how)),
        3 => prop_oneof![Just(0), 1i64..40_000, -30_000i64..0].prop_map(Step::Advance),
        1 => Just(Step::Sweep),
        1 => Just(Step::Restart),
        1 => proptest::collection::vec(0usize..4, 0..4).prop_map(Step::Reset),
    ]
}

/// One charge as the model remembers it.
#[derive(Clone, Debug)]
struct Entry {
    call: usize,
    key: CounterKey,
    mode: Mode,
    amount: i64,
    at: i64,
}

#[derive(Default)]
struct Model {
    entries: Vec<Entry>,
    latest: i64,
}

impl Model {
    fn held(&self, charge: &Charge) -> i64 {
        let now = self.latest;
        let counts = |entry: &&Entry| {
            entry.key == charge.key
                && entry.mode == charge.mode
                && match (entry.key.window, entry.key.strategy) {
                    (Window::Concurrent, _) => true,
                    (Window::Minute, Moves::Sliding) => entry.at + MINUTE > now,
                    (Window::Minute, Moves::Fixed) => entry.at / MINUTE == now / MINUTE,
                    (Window::Every(length), _) => entry.at / length as i64 == now / length as i64,
                    other => panic!("{other:?} is not generated"),
                }
        };
        self.entries.iter().filter(counts).map(|entry| entry.amount).sum()
    }

    fn fits(&self, charge: &Charge) -> bool {
        Decimal::from(self.held(charge)).checked_add(charge.amount).unwrap() <= charge.max
    }

    /// The rules in shadow that would have refused, or the rule that does.
    fn reserve(&mut self, call: usize, charges: &[Charge], now: i64) -> Result<Vec<RulePath>, RulePath> {
        let before = self.latest;
        self.latest = self.latest.max(now);
        if let Some(refuses) = charges.iter().find(|c| c.mode == Mode::Enforce && !self.fits(c)) {
            // What is refused leaves no trace, not even of its moment.
            self.latest = before;
            return Err(refuses.rule.clone());
        }
        let shadow: Vec<_> = charges.iter().filter(|c| c.mode == Mode::Shadow && !self.fits(c)).cloned().collect();
        for charge in charges {
            let is_refused = charge.mode == Mode::Shadow && shadow.iter().any(|other| other.key == charge.key);
            let is_counted = |entry: &Entry| entry.call == call && entry.key == charge.key && entry.mode == charge.mode;
            if !is_refused && !self.entries.iter().any(is_counted) {
                self.entries.push(Entry {
                    call,
                    key: charge.key.clone(),
                    mode: charge.mode,
                    amount: charge.amount.as_i64().unwrap(),
                    at: self.latest,
                });
            }
        }
        Ok(shadow.into_iter().map(|charge| charge.rule).collect())
    }

    fn settle(&mut self, call: usize, settlement: Settlement) {
        self.entries.retain(|entry| {
            entry.call != call || settlement == Settlement::Keep && entry.key.window != Window::Concurrent
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_behaves_like_the_model_under_any_interleaving(steps in proptest::collection::vec(step(), 1..60)) {
        let mut state = State::default();
        let mut model = Model::default();
        let mut open: Vec<(usize, Receipt)> = Vec::new();
        let mut now = 1_000_000_000;
        for (call, step) in steps.into_iter().enumerate() {
            match step {
                Step::Advance(by) => now += by,
                Step::Sweep => {
                    state.sweep(Timestamp(now));
                    model.latest = model.latest.max(now);
                }
                Step::Settle(at, settlement) if !open.is_empty() => {
                    let (call, receipt) = open.swap_remove(at % open.len());
                    state.settle(&receipt, settlement, Timestamp(now));
                    model.settle(call, settlement);
                }
                Step::Settle(..) => {}
                Step::Restart => {
                    // Leases die with the process; everything else is as it was. The clock is not remembered, but a
                    // restart does not turn it back further than the charges that are.
                    now = now.max(model.latest);
                    let mut fresh = State::default();
                    state.snapshot(Timestamp(now)).iter().for_each(|reserved| fresh.restore(reserved));
                    state = fresh;
                    model.entries.retain(|entry| entry.key.window != Window::Concurrent);
                    open.iter_mut().for_each(|(_, receipt)| {
                        receipt.reserved.retain(|r: &Reserved| r.key.window != Window::Concurrent);
                    });
                    model.latest = now;
                    state.sweep(Timestamp(now));
                }
                Step::Reset(counters) => {
                    let keys: Vec<_> = counters.iter().map(|at| charge(*at, 1, 1, Mode::Enforce).key).collect();
                    let undone = state.clone();
                    let reset = state.reset(&keys, Timestamp(now));
                    // The journal knows the moment only.
                    let mut rebuilt = undone.clone();
                    keys.iter().for_each(|key| rebuilt.restore_reset(key, reset.from));
                    prop_assert_eq!(rebuilt.snapshot(reset.from), state.snapshot(reset.from));
                    prop_assert!(reset.from.0 - now.max(model.latest) <= 6, "{:?} {}", reset.from, now);
                    let mut back = state.clone();
                    (now, model.latest) = (reset.from.0, reset.from.0);
                    back.undo(reset);
                    prop_assert_eq!(back.snapshot(Timestamp(now)), undone.snapshot(Timestamp(now)));
                    model.entries.retain(|entry| entry.key.window == Window::Concurrent || !keys.contains(&entry.key));
                    let left = state.standings(|key| keys.contains(key), Timestamp(now));
                    prop_assert!(left.iter().all(|standing| standing.key.window == Window::Concurrent), "{:?}", left);
                }
                Step::Reserve(charges) => {
                    let got = state.reserve(&charges, Timestamp(now));
                    let expected = model.reserve(call, &charges, now);
                    match (got, expected) {
                        (Ok(receipt), Ok(shadow)) => {
                            prop_assert_eq!(&receipt.shadow, &shadow);
                            open.push((call, receipt));
                        }
                        (Err(refusal), Err(rule)) => prop_assert_eq!(refusal.rule, rule),
                        (got, expected) => prop_assert!(false, "{:?} but the model says {:?}", got, expected),
                    }
                    for charge in charges.iter().filter(|charge| charge.mode == Mode::Enforce) {
                        prop_assert!(Decimal::from(model.held(charge)) <= Decimal::from(7));
                    }
                }
            }
        }
    }

}

proptest! {
    // Each case is ten thousand calls.
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn a_sliding_log_stays_small_and_never_lets_one_too_many_through(gaps in proptest::collection::vec(0i64..20, 1..200)) {
        let charge = charge(1, 1, 6_000, Mode::Enforce);
        let mut state = State::default();
        let mut passed: Vec<i64> = Vec::new();
        let mut now = 1_000_000_000;
        for gap in gaps.iter().cycle().take(10_000) {
            now += gap;
            if state.reserve(std::slice::from_ref(&charge), Timestamp(now)).is_ok() {
                passed.push(now);
            }
        }
        let first = |at: i64| passed.partition_point(|moment| *moment <= at - MINUTE);
        for (index, moment) in passed.iter().enumerate() {
            prop_assert!(index + 1 - first(*moment) <= 6_000);
        }
        prop_assert!(state.snapshot(Timestamp(now)).len() <= 4096);
    }
}

#[test]
fn retry_after_is_the_moment_from_which_it_fits() {
    for (counter, wait) in [(0, 20_000), (1, 60_000), (2, 7_000 - 1_000_000_000i64.rem_euclid(7_000))] {
        let one = [charge(counter, 1, 1, Mode::Enforce)];
        let mut state = State::default();
        let start = 1_000_000_000 - 1_000_000_000i64.rem_euclid(MINUTE) + 40_000;
        let start = if counter == 2 { 1_000_000_000 } else { start };
        state.reserve(&one, Timestamp(start)).unwrap();
        let refusal = state.reserve(&one, Timestamp(start)).unwrap_err();
        assert_eq!(refusal.retry_after_ms, Some(wait as u64), "{counter}");
        assert!(state.look(&one, Timestamp(start + wait - 1)).is_err());
        assert!(state.look(&one, Timestamp(start + wait)).is_ok());
    }
}

#[test]
fn a_clock_that_goes_back_grants_nothing_twice() {
    for counter in 0..3 {
        let one = [charge(counter, 1, 1, Mode::Enforce)];
        let mut state = State::default();
        state.reserve(&one, Timestamp(1_000_000_000)).unwrap();
        state.sweep(Timestamp(1_000_000_000));
        assert!(state.reserve(&one, Timestamp(900_000_000)).is_err(), "{counter}");
    }
    // Also where what was charged has been swept away since.
    let one = [charge(0, 1, 1, Mode::Enforce)];
    let mut state = State::default();
    state.reserve(&one, Timestamp(1_000_000_000)).unwrap();
    state.sweep(Timestamp(1_000_000_000 + MINUTE));
    assert!(state.is_empty());
    let receipt = state.reserve(&one, Timestamp(1_000_000_000)).unwrap();
    assert_eq!(receipt.reserved[0].window_start, Timestamp((1_000_000_000 + MINUTE) / MINUTE * MINUTE));
}
