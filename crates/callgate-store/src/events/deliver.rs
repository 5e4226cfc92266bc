//! Delivering: who is next, claims, and what became of an attempt.

use super::Event;
use crate::change::Change;
use crate::error::StoreError;
use crate::store::{Store, in_time};
use crate::table::Values;
use sqlx::AnyConnection;

/// What an endpoint is told next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The organisation.
    pub organisation: String,
    /// The identity of the endpoint.
    pub webhook: String,
    /// The place of the event among all.
    pub seq: i64,
    /// From when on it may be tried, milliseconds since the Unix epoch: its turn has come, and nobody is at it.
    pub ready: i64,
}

/// A delivery that is this process's for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The identity of the endpoint.
    pub webhook: String,
    /// What it is told.
    pub event: Event,
    /// Which attempt it is, counted from 1.
    pub attempt: i64,
    seq: i64,
    lease: String,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The endpoint took it.
    Delivered {
        /// The HTTP status.
        status: i64,
    },
    /// It did not, and is asked again.
    Again {
        /// When, milliseconds since the Unix epoch.
        at: i64,
        /// The HTTP status, where it answered.
        status: Option<i64>,
        /// Why, in a few words without a secret.
        why: String,
    },
    /// It did not, and is not asked again.
    GivenUp {
        /// The HTTP status, where it answered.
        status: Option<i64>,
        /// Why, in a few words without a secret.
        why: String,
    },
}

/// The oldest open delivery of every endpoint that is switched on, by when it may be tried.
const NEXT: &str = "SELECT d.organisation, d.webhook, d.seq, \
     CASE WHEN d.next_at > d.leased_until THEN d.next_at ELSE d.leased_until END AS ready \
     FROM (SELECT organisation, webhook, MIN(seq) AS seq FROM deliveries WHERE ended IS NULL \
           GROUP BY organisation, webhook) head \
     JOIN deliveries d ON d.organisation = head.organisation AND d.webhook = head.webhook AND d.seq = head.seq \
     JOIN webhooks w ON w.organisation = d.organisation AND w.id = d.webhook \
     WHERE w.removed IS NULL AND w.disabled IS NULL ORDER BY ready, d.seq LIMIT $1";

/// Claims a delivery that nobody is at, while nothing older is open for its endpoint and nobody tells it anything else.
const CLAIM: &str = "UPDATE deliveries SET lease = $4, leased_until = $5, attempts = attempts + 1, tried = $6 \
     WHERE organisation = $1 AND webhook = $2 AND seq = $3 AND ended IS NULL AND leased_until <= $6 AND next_at <= $6 \
     AND NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.organisation = $1 AND o.webhook = $2 AND o.ended IS NULL \
                     AND (o.seq < $3 OR o.leased_until > $6)) \
     RETURNING attempts";

const EVENT: &str = "SELECT organisation, id, kind, server, at, body FROM events WHERE seq = $1";

impl Store {
    /// What each endpoint is told next, the soonest first.
    pub async fn next_deliveries(&self, limit: u32) -> Result<Vec<Waiting>, StoreError> {
        let rows = sqlx::query(NEXT).bind(i64::from(limit)).fetch_all(&self.inner.pool);
        let rows = in_time(async { Ok(rows.await?) }).await?;
        let read = |row| {
            let mut values = Values::new(row, "deliveries");
            let (organisation, webhook) = (values.next()?, values.next()?);
            Ok(Waiting { organisation, webhook, seq: values.next()?, ready: values.next()? })
        };
        rows.iter().map(read).collect()
    }

    /// Claims a delivery until a moment, under a name that nobody else uses; `None` where somebody else has it, or it is
    /// not its turn any more.
    pub async fn claim_delivery(
        &self,
        waiting: &Waiting,
        lease: &str,
        now: i64,
        until: i64,
    ) -> Result<Option<Claimed>, StoreError> {
        let Waiting { organisation, webhook, seq, .. } = waiting;
        self.written(async |write| {
            let claim =
                sqlx::query(CLAIM).bind(organisation).bind(webhook).bind(*seq).bind(lease).bind(until).bind(now);
            let Some(row) = claim.fetch_optional(&mut *write.transaction).await? else { return Ok(None) };
            let attempt = Values::new(&row, "deliveries").next()?;
            let row = sqlx::query(EVENT).bind(*seq).fetch_one(&mut *write.transaction).await?;
            let mut values = Values::new(&row, "events");
            let event = Event {
                organisation: values.next()?,
                id: values.next()?,
                kind: values.next()?,
                server: values.next()?,
                at: values.next()?,
                body: values.next()?,
            };
            Ok(Some(Claimed { webhook: webhook.clone(), event, attempt, seq: *seq, lease: lease.to_owned() }))
        })
        .await
    }

    /// Keeps what became of an attempt; `false` where its claim ran out and somebody else went on.
    pub async fn told(&self, claimed: &Claimed, told: &Told, now: i64) -> Result<bool, StoreError> {
        self.written(async |write| keep(&mut write.transaction, claimed, told, now).await).await
    }

    /// Forgets deliveries that ended before a moment, and events that nobody is told of any more.
    pub async fn purge_deliveries(&self, before: i64) -> Result<(), StoreError> {
        self.written(async |write| {
            let deliveries = sqlx::query("DELETE FROM deliveries WHERE ended < $1").bind(before);
            deliveries.execute(&mut *write.transaction).await?;
            let sql = "DELETE FROM events WHERE at < $1 \
                       AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.seq = events.seq)";
            sqlx::query(sql).bind(before).execute(&mut *write.transaction).await?;
            Ok(())
        })
        .await
    }
}

impl Change<'_> {
    /// As [`Store::told`], with a change.
    pub async fn told(&mut self, claimed: &Claimed, told: &Told, now: i64) -> Result<bool, StoreError> {
        let kept = in_time(keep(&mut self.write.transaction, claimed, told, now)).await;
        self.note(kept)
    }
}

async fn keep(connection: &mut AnyConnection, claimed: &Claimed, told: &Told, now: i64) -> Result<bool, StoreError> {
    let (state, next, ended, status, why) = match told {
        Told::Delivered { status } => ("delivered", now, Some(now), Some(*status), ""),
        Told::Again { at, status, why } => ("waiting", *at, None, *status, why.as_str()),
        Told::GivenUp { status, why } => ("given_up", now, Some(now), *status, why.as_str()),
    };
    let sql = "UPDATE deliveries SET lease = '', leased_until = 0, state = $6, next_at = $7, ended = $8, \
               status = $9, why = $10 \
               WHERE organisation = $1 AND webhook = $2 AND seq = $3 AND lease = $4 AND attempts = $5 \
               AND ended IS NULL";
    let statement = sqlx::query(sql).bind(&claimed.event.organisation).bind(&claimed.webhook).bind(claimed.seq);
    let statement = statement.bind(&claimed.lease).bind(claimed.attempt).bind(state).bind(next);
    let statement = statement.bind(ended).bind(status).bind(why);
    Ok(statement.execute(connection).await?.rows_affected() > 0)
}
