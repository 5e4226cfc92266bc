//! What is known of each server, for those who look: from what was sent to it, never by asking.

use crate::gate::Gate;
use callgate_policy::Timestamp;

/// What is known of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether the last thing that was sent reached it; `None` where nothing was sent yet.
    pub reached: Option<bool>,
    /// Since when that is so.
    pub since: Option<Timestamp>,
    /// Whether calls are let through to it.
    pub breaker: BreakerState,
    /// When it answered last.
    pub last_ok: Option<Timestamp>,
    /// When it could not be reached last, and why.
    pub last_error: Option<(Timestamp, String)>,
    /// How many requests hold a place among those in flight.
    pub in_flight: usize,
    /// How many sessions with it are open.
    pub sessions: usize,
    /// How many processes run for it.
    pub processes: usize,
}

/// Whether calls are let through to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// They are.
    Closed,
    /// None is, for a while.
    Open,
    /// The next one is, to see.
    HalfOpen,
}

impl Gate {
    /// What is known of the server with this identity; `None` where nothing was sent to it since the start.
    pub fn health(&self, server: &str) -> Option<Health> {
        let standing = self.standings.known(server)?;
        let known = standing.life();
        let running = self.processes.running();
        Some(Health {
            reached: known.reached,
            since: known.since,
            breaker: standing.breaker_state(),
            last_ok: known.last_ok,
            last_error: known.last_error,
            in_flight: standing.in_flight(),
            sessions: self.sessions.count_at(server) + self.held.count_at(server),
            processes: running.iter().filter(|(id, _)| **id == *server).map(|(_, count)| count).sum(),
        })
    }
}
