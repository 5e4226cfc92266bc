//! Organisations, servers, policies, grants, members and the journal's index, in SQLite or PostgreSQL.
//!
//! Everything is read and written for one organisation: [`Store::reads`] and [`Store::begin`] take its name, and every
//! query carries it. A change is one transaction: it takes the organisation's next generation (and with it the right to
//! write), writes records, leaves the journal's copy in the outbox, and commits.
//!
//! ```text
//! connect      an address → connections, for both databases
//! migrations   the schema, step by step
//! store        open; reads: Reads, View; change: Change
//! table, rows  a record ↔ a row; one statement each, over any table
//! instance     what belongs to no change
//! index        the journal's records, for search; can be thrown away
//! notice       what other processes change
//! dump, restore   backups, from one kind of database to the other
//! ```

mod change;
mod connect;
mod dump;
mod error;
mod index;
mod instance;
mod migrations;
mod notice;
mod reads;
mod records;
mod restore;
mod rows;
mod store;
mod table;

pub use change::Change;
pub use error::StoreError;
pub use index::{
    Batch, ChangeRow, Column, DecisionRow, Filter, Found, OutcomeRow, Place, RefusalKind, RefusalRow, Search, Sight,
    Watermark,
};
pub use notice::{Notice, Notifications};
pub use reads::{Reads, View};
pub use records::{
    Credential, CredentialKind, Grant, Member, OrganisationRecord, Origin, Policy, PolicyVersion, PreviousToken, Role,
    Roles, Server,
};
pub use store::{OutboxRow, Page, Record, Store, Stored};
