//! What the data plane knows of a server: whether calls reach it. Nothing is asked of the server itself.

use crate::caller::{Caller, Permission};
use crate::control::Control;
use crate::error::Error;
use crate::moment;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What the data plane knows, as a port.
pub trait Observations: Send + Sync {
    /// What is known of the server with this identity; `None` where nothing was sent to it yet.
    fn of(&self, server: &str) -> Option<Observed>;
}

/// What is known of a server. Moments are milliseconds since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Whether the last thing that was sent reached it; `None` where that is not known yet.
    pub reached: Option<bool>,
    /// Since when that is so.
    pub since: Option<i64>,
    /// Whether calls are let through to it.
    pub breaker: Breaker,
    /// When it answered last.
    pub last_ok: Option<i64>,
    /// When it could not be reached last, and why.
    pub last_error: Option<(i64, String)>,
    /// How many requests are in flight.
    pub in_flight: u64,
    /// How many sessions with it are open.
    pub sessions: u64,
    /// How many processes run for it.
    pub processes: u64,
}

/// Whether calls are let through to a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ServerBreaker)]
pub enum Breaker {
    /// They are.
    #[default]
    Closed,
    /// It could not be reached several times in a row: none is, for a while.
    Open,
    /// The while is over: one is, to see.
    HalfOpen,
}

/// Whether a server can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ServerState)]
pub enum Reached {
    /// The last call was answered.
    Ok,
    /// The last call did not reach it.
    Failing,
    /// Nothing was sent to it since the gateway started.
    #[default]
    Unknown,
}

/// What the gateway knows of a server from the calls that it forwards. What is not known is null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ServerHealth)]
pub struct Health {
    /// Whether it can be reached.
    pub state: Reached,
    /// Since when that is so, RFC 3339.
    #[schema(required)]
    pub since: Option<String>,
    /// Whether calls are let through to it.
    pub breaker: Breaker,
    /// When it answered last, RFC 3339; an error is an answer, too.
    #[schema(required)]
    pub last_ok: Option<String>,
    /// When it could not be reached last.
    #[schema(required)]
    pub last_error: Option<LastError>,
    /// How many requests are in flight, where the server's settings bound them.
    pub in_flight: u64,
    /// How many sessions with it are open.
    pub sessions: u64,
    /// How many processes run for it.
    pub processes: u64,
}

/// Why a server could not be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ServerLastError)]
pub struct LastError {
    /// When, RFC 3339.
    pub at: String,
    /// Why.
    pub what: String,
}

impl Control {
    /// Hands over what the data plane knows. Only the first one counts.
    pub fn observe_with(&self, observations: Arc<dyn Observations>) {
        drop(self.inner.observations.set(observations));
    }

    /// What is known of a server, by its name or identity: by this process, since it started. CG3041.
    pub async fn server_health(&self, caller: &Caller, wanted: &str) -> Result<Health, Error> {
        let (_, server) = self.server_for(caller, Permission::ReadServers, wanted).await?;
        let known = self.inner.observations.get().and_then(|observations| observations.of(&server.record.id));
        let Observed { reached, since, breaker, last_ok, last_error, in_flight, sessions, processes } =
            known.unwrap_or_default();
        let state = match reached {
            Some(true) => Reached::Ok,
            Some(false) => Reached::Failing,
            None => Reached::Unknown,
        };
        Ok(Health {
            state,
            since: since.map(moment::rfc3339),
            breaker,
            last_ok: last_ok.map(moment::rfc3339),
            last_error: last_error.map(|(at, what)| LastError { at: moment::rfc3339(at), what }),
            in_flight,
            sessions,
            processes,
        })
    }
}
