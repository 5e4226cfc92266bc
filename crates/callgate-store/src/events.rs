//! What happens, for those who are told of it: an outbox of events, written with what they tell of, and one delivery
//! per event and endpoint.
//!
//! An endpoint gets its events one after the other, oldest first. Of several processes one delivers: it claims the
//! delivery for a while, and whoever ends in between leaves a claim that runs out.

mod deliver;
mod history;

pub use deliver::{Claimed, Told, Waiting};
pub use history::{Delivery, DeliveryState};

use crate::change::{Change, Write};
use crate::error::StoreError;
use crate::records::Webhook;
use crate::store::{Store, in_time};
use crate::table::Values;
use sqlx::AnyConnection;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its organisation.
    pub organisation: String,
    /// Its identity, by which receivers know it again: `ev_` and random characters.
    pub id: String,
    /// What happened: `approval.asked`, `definition.quarantined`, …
    pub kind: String,
    /// The identity of the server that it is about, where it is about one.
    pub server: Option<String>,
    /// When, milliseconds since the Unix epoch.
    pub at: i64,
    /// What is told, as a compact JSON object without any argument's value. Of approvals: `id`, `server` (its name),
    /// `tool`, `argument_names`, `grant` (its label), `rule`, `expires` (RFC 3339), and where a person answered
    /// `answered_by` and `reason`. Of definitions: `server` (its name) and `tools` (names).
    pub body: String,
}

impl Write {
    /// Tells of an event, if this transaction is committed: everyone who listens at this moment gets it. Where nobody
    /// does, nothing is written.
    pub(crate) async fn announce(&mut self, event: &Event) -> Result<(), StoreError> {
        self.has_news |= in_time(announce(&mut self.transaction, event)).await?;
        Ok(())
    }
}

impl Change<'_> {
    /// Tells of an event with this change: everyone who listens at this moment gets it, once the change is committed.
    /// The event is of the organisation that is changed.
    pub async fn announce(&mut self, event: &Event) -> Result<(), StoreError> {
        let done = match event.organisation == self.organisation {
            true => self.write.announce(event).await,
            false => Err(StoreError::failed("an event is of another organisation than its change")),
        };
        self.note(done)
    }

    /// Removes an endpoint: what it was still to be told ends, and what was sealed is wiped.
    pub async fn remove_webhook(&mut self, id: &str, at: i64) -> Result<(), StoreError> {
        let done = in_time(async {
            for sql in [
                "UPDATE deliveries SET state = 'dropped', ended = $3 \
                 WHERE organisation = $1 AND webhook = $2 AND ended IS NULL",
                "UPDATE webhooks SET sealed = coalesce(substr(sealed, 1, 0), sealed) \
                 WHERE organisation = $1 AND id = $2 AND removed IS NULL AND $3 >= 0",
            ] {
                let statement = sqlx::query(sql).bind(&self.organisation).bind(id).bind(at);
                statement.execute(&mut *self.write.transaction).await?;
            }
            Ok(())
        });
        let done = done.await;
        self.note(done)?;
        self.remove::<Webhook>(id, at).await
    }
}

impl Store {
    /// Waits until a transaction of this process that told of something is committed.
    pub async fn news(&self) {
        self.inner.news.notified().await;
    }
}

/// Whether anybody listens.
async fn announce(connection: &mut AnyConnection, event: &Event) -> Result<bool, StoreError> {
    let webhooks = listening(connection, event).await?;
    if webhooks.is_empty() {
        return Ok(false);
    }
    let sql = "INSERT INTO events (organisation, id, kind, server, at, body) VALUES ($1, $2, $3, $4, $5, $6) \
               RETURNING seq";
    let statement = sqlx::query(sql).bind(&event.organisation).bind(&event.id).bind(&event.kind);
    let row = statement.bind(event.server.clone()).bind(event.at).bind(&event.body).fetch_one(&mut *connection);
    let seq: i64 = Values::new(&row.await?, "events").next()?;
    for webhook in webhooks {
        let sql = "INSERT INTO deliveries \
                   (organisation, webhook, seq, state, attempts, next_at, lease, leased_until, why) \
                   VALUES ($1, $2, $3, 'waiting', 0, $4, '', 0, '')";
        let statement = sqlx::query(sql).bind(&event.organisation).bind(webhook).bind(seq).bind(event.at);
        statement.execute(&mut *connection).await?;
    }
    Ok(true)
}

/// The endpoints that are to be told of an event.
async fn listening(connection: &mut AnyConnection, event: &Event) -> Result<Vec<String>, StoreError> {
    let all = crate::rows::changed_since::<Webhook>(connection, &event.organisation, None).await?;
    let wanted = all.into_iter().filter(|stored| stored.record.wants(&event.kind, event.server.as_deref()));
    Ok(wanted.map(|stored| stored.record.id).collect())
}
