//! What the tools of servers are defined as: pinned, set aside when it changes, and looked at by people.

mod edit;
mod known;
mod read;
mod rows;
mod saw;
mod shown;
#[cfg(test)]
mod tests;

pub use edit::{Approval, Approvals, Approved, DefinitionPatch};
pub use known::{in_force, pinned};
pub use rows::{DefinitionDetail, DefinitionListed, DefinitionRow, State};
pub use saw::Listed;

pub(crate) use edit::no_word;
pub(crate) use saw::Seeing;
