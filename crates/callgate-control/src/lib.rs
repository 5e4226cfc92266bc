//! The control plane: services behind one authorisation, the admin API, publishing, and the journal's index.
//!
//! ```text
//! api         a request → Caller (authentication) → a service → JSON
//! caller      Caller + Permission + Scope → Cleared: the only way to the store
//! servers, policies, grants, members, …   the services: read through Cleared, change through Control::change
//! change      one transaction: records + outbox → commit → journal → published configuration
//! publish     the store → Configuration, immutable, for the data plane
//! ```

pub mod api;
pub mod apply;
mod attempts;
pub mod backup;
pub mod caller;
mod change;
pub mod configuration;
pub mod control;
pub mod document;
pub mod error;
pub mod export;
pub mod grants;
pub mod index;
pub mod legacy;
pub mod listing;
mod members;
pub mod moment;
pub mod names;
mod organisations;
mod passwords;
pub mod policies;
pub mod precondition;
mod publish;
pub mod records;
pub mod secret;
pub mod servers;
mod sessions;
pub mod settings;
pub mod target;
mod tokens;
#[cfg(test)]
mod trial;
pub mod vault;

pub use backup::{Archives, Backups};
pub use caller::{Caller, Cleared, Permission, Scope, Who};
pub use configuration::{Configuration, PublishedGrant, PublishedPolicy, PublishedServer};
pub use control::{ChangeLog, Control, Parts, Upstreams};
pub use error::{Error, Kind};
pub use members::Link;
pub use organisations::FirstUse;
pub use precondition::Precondition;
pub use secret::{Secret, TokenKey};
pub use target::Target;
pub use vault::{KeySource, Vault};
