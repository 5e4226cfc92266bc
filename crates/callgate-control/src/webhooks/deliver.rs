//! Delivering: whoever is next is sent its message, and what became of it is kept.

mod attempt;
mod port;

use crate::control::Control;
use crate::error::Error;
use crate::names;
use callgate_store::Waiting;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::HashSet;
use std::time::Duration;

pub use port::{Outgoing, Post, Posted};

/// How many endpoints are sent something at once.
const AT_ONCE: u32 = 32;

/// How soon one looks again for what another process wrote, or left behind, in milliseconds.
const LOOK: i64 = 5_000;

/// How soon one looks again where another process has what one wanted, in milliseconds.
const OTHERS: i64 = 200;

/// How long after it ended a delivery is forgotten, in milliseconds: 30 days.
const KEPT: i64 = 30 * 86_400_000;

/// How often what is old is forgotten, in milliseconds.
const PURGE: i64 = 3_600_000;

impl Control {
    /// Delivers what is due at this moment, and all that becomes due by that; says when the next one is.
    pub async fn deliver_due(&self, now: i64) -> Result<Option<i64>, Error> {
        let (lease, clock) = (names::new_id("d_")?, || now);
        loop {
            let waiting = self.inner.store.next_deliveries(AT_ONCE).await?;
            let due = waiting.iter().filter(|waiting| waiting.ready <= now);
            let tries: Vec<_> = due.map(|waiting| self.attempt(waiting, &lease, &clock)).collect();
            let mut is_on = false;
            for tried in futures_util::future::join_all(tries).await {
                is_on |= tried?;
            }
            if !is_on {
                return Ok(waiting.first().map(|waiting| waiting.ready));
            }
        }
    }

    /// Delivers until it is dropped: at once what this process announces, and soon what others left. Of each endpoint one
    /// after the other, of several at once, so that a slow one holds up nobody else.
    pub async fn deliver(self) {
        let lease = match names::new_id("d_") {
            Ok(lease) => lease,
            Err(error) => return tracing::error!("webhooks are not told of anything: {error}"),
        };
        let mut under_way = FuturesUnordered::new();
        let mut busy = HashSet::new();
        let mut purged = None;
        loop {
            let now = self.now();
            self.forget_deliveries(&mut purged, now).await;
            let waiting = self.inner.store.next_deliveries(AT_ONCE).await.unwrap_or_else(|error| {
                tracing::error!("webhooks are told later: {error}");
                Vec::new()
            });
            let (due, later): (Vec<Waiting>, Vec<Waiting>) = waiting.into_iter().partition(|it| it.ready <= now);
            for waiting in due.into_iter().filter(|waiting| busy.insert(endpoint(waiting))) {
                let (control, lease) = (&self, &lease);
                let clock = || control.now();
                under_way.push(async move { (control.attempt(&waiting, lease, &clock).await, endpoint(&waiting)) });
            }
            let next = later.first().map_or(LOOK, |next| next.ready.saturating_sub(now).clamp(1, LOOK));
            tokio::select! {
                Some((tried, endpoint)) = under_way.next(), if !under_way.is_empty() => {
                    busy.remove(&endpoint);
                    match tried {
                        Ok(true) => {}
                        Ok(false) => pause(OTHERS).await,
                        Err(error) => {
                            tracing::error!("a webhook is told later: {error}");
                            pause(LOOK).await;
                        }
                    }
                }
                () = self.inner.store.news() => {}
                () = pause(next) => {}
            }
        }
    }

    /// Forgets what ended long ago, once in a while.
    async fn forget_deliveries(&self, purged: &mut Option<i64>, now: i64) {
        if purged.is_some_and(|purged| now.saturating_sub(purged) < PURGE) {
            return;
        }
        *purged = Some(now);
        if let Err(error) = self.inner.store.purge_deliveries(now.saturating_sub(KEPT)).await {
            tracing::warn!("old deliveries of webhooks stay a while longer: {error}");
        }
    }
}

/// Whose turn it is.
fn endpoint(waiting: &Waiting) -> (String, String) {
    (waiting.organisation.clone(), waiting.webhook.clone())
}

async fn pause(milliseconds: i64) {
    tokio::time::sleep(Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default())).await;
}
