//! The journal's index: what is written, as one transaction per batch, and what is searched.
//!
//! ```text
//! rows    the values of each table
//! write   a batch and its watermark; retention; throwing a chain's rows away
//! search  conditions → newest first, in parts
//! terms   what conditions are made of
//! identified  decisions by their identities
//! tail    what comes after a record, in the order of writing
//! tallies decisions counted as they are written, and summed up; tally: one of the counts
//! ```

mod identified;
mod rows;
mod search;
mod sql;
mod tail;
mod tallies;
mod tally;
mod terms;
mod write;

pub use rows::{ChangeRow, DecisionRow, OutcomeRow, RefusalKind, RefusalRow};
pub use search::{Filter, Found, Search, Sight};
pub use tail::Ends;
pub use tallies::{Repeated, Span};
pub use tally::Tally;
pub use terms::{Column, Place};
pub use write::{Batch, Watermark};
