//! The append-only, hash-chained record of every decision and every change.
//!
//! A journal is a directory of segments. A segment is a text file, one record a line:
//!
//! ```text
//! <sha256 as 64 hexadecimal digits> {"seq":42,"ts":1795219200000,"kind":"decision","body":{…}}
//! ```
//!
//! The hash is SHA-256 over the hash of the line before (as 32 bytes) and the bytes of the JSON, so the records form
//! one chain across all segments. `seq` counts from 1 without gaps, `ts` is in milliseconds since the Unix epoch. Each
//! segment is named after its first sequence number and opens with a checkpoint: the head of the chain and the live
//! counters, signed with Ed25519, so that a start reads one segment only. Retention deletes segments from the front; a
//! signed `pruned` record says which, and a journal that begins later without one does not verify.
//!
//! Beside the segments: `journal.key` (the signing seed, mode 0600), `journal.pub` (its public half), `refused.log` and
//! `refused.log.1` (what was refused before a grant was known, aggregated and capped, outside the chain).

mod checkpoint;
mod error;
mod journal;
mod line;
mod prune;
mod queue;
mod read;
mod recover;
mod refused;
mod storage;
mod verify;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use error::JournalError;
pub use journal::{Journal, Options, ReplayError, Sync, Ticket};
pub use line::{Kind, Record};
pub use prune::{Pruned, prunable};
pub use read::{Entry, Reader, Resumed, beginning, chain, read, resume};
pub use refused::{Refusals, RefusedEntry};
pub use verify::{Break, Completeness, Report, verify};
