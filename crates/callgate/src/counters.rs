//! Counters and servers as the control plane asks the data plane about them.

use callgate_control::limits::Counters;
use callgate_control::servers::{Breaker, Observations, Observed};
use callgate_decision::{Decider, ResetOrder};
use callgate_policy::{Organisation, Standing};
use callgate_proxy::{BreakerState, Gate};
use std::pin::Pin;
use std::sync::{Arc, Weak};

/// The counters of this process.
pub(crate) struct Counting(pub(crate) Decider);

/// What this process's data plane has seen, for as long as it is there.
pub(crate) struct Observing(Weak<Gate>);

impl Observing {
    /// What this one has seen.
    pub(crate) fn new(gate: &Arc<Gate>) -> Self {
        Self(Arc::downgrade(gate))
    }
}

impl Counters for Counting {
    fn standing(&self, organisation: &Organisation) -> Result<Vec<Standing>, String> {
        self.0.counters(organisation).map_err(|error| error.to_string())
    }

    fn reset<'a>(&'a self, order: ResetOrder<'a>) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>> {
        Box::pin(async move { self.0.reset(&order).await.map(drop).map_err(|error| error.to_string()) })
    }
}

impl Observations for Observing {
    fn of(&self, server: &str) -> Option<Observed> {
        let health = self.0.upgrade()?.health(server)?;
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Some(Observed {
            reached: health.reached,
            since: health.since.map(|at| at.0),
            breaker: match health.breaker {
                BreakerState::Closed => Breaker::Closed,
                BreakerState::Open => Breaker::Open,
                BreakerState::HalfOpen => Breaker::HalfOpen,
            },
            last_ok: health.last_ok.map(|at| at.0),
            last_error: health.last_error.map(|(at, what)| (at.0, what)),
            in_flight: count(health.in_flight),
            sessions: count(health.sessions),
            processes: count(health.processes),
        })
    }
}
