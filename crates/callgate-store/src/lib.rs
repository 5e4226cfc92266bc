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
//! events       what happened, and who is still to be told of it
//! approvals    questions to people, and their answers
//! index        the journal's records, for search; can be thrown away
//! catalogue    servers and tools as published, for search; can be thrown away
//! notice       what other processes change
//! dump, restore   backups, from one kind of database to the other
//! ```

mod approvals;
mod catalogue;
mod cell;
mod change;
mod connect;
mod dump;
mod error;
mod events;
mod groups;
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

pub use approvals::{
    Answering, ApprovalNow, ApprovalRow, ApprovalSearch, ApprovalState, Asking, LiveApproval, PendingApproval,
};
pub use catalogue::{
    CatalogueChange, CatalogueEdit, CatalogueFound, CatalogueSearch, CatalogueServer, CatalogueSource, CatalogueTool,
    Facet, FeedRow, KnownServer, KnownTool, ServerPut, ToolPut,
};
pub use change::Change;
pub use error::StoreError;
pub use events::{Claimed, Delivery, DeliveryState, Event, Told, Waiting};
pub use index::{
    Batch, ChangeRow, Column, DecisionRow, Ends, Filter, Found, OutcomeRow, Place, RefusalKind, RefusalRow, Repeated,
    Search, Sight, Span, Tally, Watermark,
};
pub use instance::Claim;
pub use notice::{Notice, Notifications};
pub use reads::{Reads, View};
pub use records::{
    Candidate, Credential, CredentialKind, Definition, DefinitionState, Grant, Member, OrganisationRecord, Origin,
    Policy, PolicyVersion, PreviousToken, Role, Roles, Server, Template, Webhook,
};
pub use store::{OutboxRow, Page, Record, Store, Stored};
