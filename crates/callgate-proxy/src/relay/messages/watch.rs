//! What a stream ends with, whatever it still has to say.

use super::super::Relay;
use crate::errors::Cause;
use crate::gate::{Phase, until};
use std::time::Duration;
use tokio::sync::watch;

/// What a stream ends with: the session, the grant, or the gateway.
pub(crate) struct Watch {
    session: Option<watch::Receiver<bool>>,
    phase: watch::Receiver<Phase>,
    /// In which phase this stream ends.
    ends_in: Phase,
    snapshots: crate::snapshot::Snapshots,
}

impl Watch {
    pub(crate) fn new(relay: &Relay) -> Self {
        Self {
            session: relay.session.as_ref().map(|session| session.ended()),
            phase: relay.gate.phase(),
            ends_in: if relay.waits_for_events() { Phase::Draining } else { Phase::Stopping },
            snapshots: relay.gate.snapshots.clone(),
        }
    }

    /// Waits until the stream must not go on.
    pub(super) async fn over(&mut self, relay: &Relay) -> Cause {
        loop {
            if !relay.gate.still_holds(&relay.entry) {
                return Cause::GrantEnded;
            }
            let expiry = async {
                match relay.entry.expires {
                    None => std::future::pending().await,
                    Some(end) => {
                        let left = end.0.saturating_sub(relay.gate.clock.now().0);
                        tokio::time::sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0).max(10))).await;
                    }
                }
            };
            let session = async {
                match &mut self.session {
                    None => std::future::pending().await,
                    Some(ended) => until(ended, |ended| *ended).await,
                }
            };
            tokio::select! {
                changed = self.snapshots.changed() => if changed.is_err() {
                    std::future::pending::<()>().await;
                },
                // Where the grant went, it took the session with it.
                () = session => return if relay.gate.still_holds(&relay.entry) { Cause::SessionUnknown } else { Cause::GrantEnded },
                () = until(&mut self.phase, |phase| *phase >= self.ends_in) => return Cause::Stopping,
                () = expiry => {}
            }
        }
    }
}
