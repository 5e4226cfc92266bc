//! What an endpoint was told, for people.

use crate::error::StoreError;
use crate::reads::Reads;
use crate::store::in_time;
use crate::table::Values;
use sqlx::AssertSqlSafe;

/// An event and what became of telling one endpoint of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The place of the event among all; orders deliveries.
    pub seq: i64,
    /// The identity of the event.
    pub event: String,
    /// What happened.
    pub kind: String,
    /// When it happened, milliseconds since the Unix epoch.
    pub at: i64,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was tried last.
    pub tried: Option<i64>,
    /// When it is tried next, as far as it waits; those behind it wait for it.
    pub next: i64,
    /// When it ended.
    pub ended: Option<i64>,
    /// The HTTP status of the last answer.
    pub status: Option<i64>,
    /// Why the last attempt failed; empty where it did not.
    pub why: String,
}

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is to be tried, again or for the first time.
    Waiting,
    /// The endpoint took it.
    Delivered,
    /// The endpoint did not take it for too long.
    GivenUp,
    /// The endpoint was removed before.
    Dropped,
}

impl Reads<'_> {
    /// What an endpoint was told and is to be told, the newest first, before a place.
    pub async fn deliveries(
        &self,
        webhook: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let before = before.unwrap_or(i64::MAX);
        let sql = "SELECT d.seq, e.id, e.kind, e.at, d.state, d.attempts, d.tried, d.next_at, d.ended, d.status, d.why \
                   FROM deliveries d JOIN events e ON e.seq = d.seq \
                   WHERE d.organisation = $1 AND d.webhook = $2 AND d.seq < $3 ORDER BY d.seq DESC LIMIT $4";
        let statement = sqlx::query(AssertSqlSafe(sql)).bind(self.organisation()).bind(webhook).bind(before);
        let statement = statement.bind(i64::from(limit));
        let rows = in_time(async { Ok(statement.fetch_all(&mut *self.connection().await?).await?) }).await?;
        rows.iter().map(|row| read(&mut Values::new(row, "deliveries"))).collect()
    }
}

fn read(values: &mut Values<'_>) -> Result<Delivery, StoreError> {
    const STATES: [(&str, DeliveryState); 4] = [
        ("waiting", DeliveryState::Waiting),
        ("delivered", DeliveryState::Delivered),
        ("given_up", DeliveryState::GivenUp),
        ("dropped", DeliveryState::Dropped),
    ];
    Ok(Delivery {
        seq: values.next()?,
        event: values.next()?,
        kind: values.next()?,
        at: values.next()?,
        state: values.word(&STATES)?,
        attempts: values.next()?,
        tried: values.next()?,
        next: values.next()?,
        ended: values.next()?,
        status: values.next()?,
        why: values.next()?,
    })
}
