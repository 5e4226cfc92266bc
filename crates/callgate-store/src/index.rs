//! The journal's index: what is written, as one transaction per batch, and what is searched.
//!
//! ```text
//! rows    the values of each table
//! write   a batch and its watermark; retention; throwing a chain's rows away
//! search  conditions → newest first, in parts
//! terms   what conditions are made of
//! ```

mod rows;
mod search;
mod sql;
mod terms;
mod write;

pub use rows::{ChangeRow, DecisionRow, OutcomeRow, RefusalKind, RefusalRow};
pub use search::{Filter, Found, Search, Sight};
pub use terms::{Column, Place};
pub use write::{Batch, Watermark};
