//! Webhooks: endpoints that are told of what happens, in order, signed, until they took it.
//!
//! ```text
//! requests → edit        endpoints as records; address and secret sealed (sealed)
//! Change::announce       an event, in the transaction of what it tells of
//! deliver                who is next → message → sign → Outgoing → what became of it (pause)
//! ```

mod address;
mod deliver;
mod edit;
mod event;
mod message;
mod pause;
mod read;
mod requests;
mod rows;
mod sealed;
mod sign;

pub use address::is_link_local;
pub use deliver::{Outgoing, Post, Posted};
pub use event::{Happening, event};
pub use requests::{NewWebhook, WebhookPatch};
pub use rows::{DeliveryRow, Rotated, Tested, WebhookRow};

#[cfg(test)]
mod tests;
