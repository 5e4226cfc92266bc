//! The control plane: services behind one authorisation, the admin API, publishing, and the journal's index.
//!
//! ```text
//! api         a request → Caller (authentication) → a service → JSON
//! caller      Caller + Permission + Scope → Cleared: the only way to the store
//! servers, policies, grants, members, …   the services: read through Cleared, change through Control::change
//! change      one transaction: records + outbox → commit → journal → published configuration
//! approvals   questions to people, for the data plane and for those who answer
//! publish     the store → Configuration, immutable, for the data plane
//! ```

pub mod api;
pub mod apply;
pub mod approvals;
mod attempts;
pub mod backup;
pub mod caller;
pub mod catalogue;
mod change;
pub mod configuration;
pub mod connect;
pub mod control;
pub mod definitions;
pub mod document;
pub mod error;
pub mod export;
pub mod grants;
pub mod index;
pub mod legacy;
pub mod limits;
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
mod visitor;
pub mod webhooks;

pub use backup::{Archives, Backups};
pub use caller::{Caller, Cleared, Permission, Scope, Who};
pub use configuration::{
    Configuration, PublishedDefinition, PublishedDefinitions, PublishedGrant, PublishedPolicy, PublishedServer,
};
pub use control::{ANYWAY, ChangeLog, Control, Parts, Upstreams};
pub use error::{Error, Kind};
pub use members::Link;
pub use organisations::FirstUse;
pub use precondition::Precondition;
pub use secret::{Secret, TokenKey};
pub use target::Target;
pub use vault::{KeySource, Vault};
