//! The catalogue as a service: documents of servers and tools → entries, searched by whoever may read servers.
//!
//! Public knowledge is every organisation's to read, and the instance's to write. Each organisation has a part of its
//! own: what it imported for itself, and the servers that its gateway fronts.
//!
//! ```text
//! document   registry lists, server.json, tool lists → Vec<Entry>, with every problem and its place
//! judge      an entry's tools → categories, risks, findings, the grade
//! prepare    what is done before the catalogue is locked
//! import     entries → one transaction: what is new, changed, the same
//! beside     what only shows beside the organisation's own servers
//! search     words and filters → rows, as answers show them
//! note       what the gateway itself learns about its servers
//! ```

mod beside;
mod document;
mod import;
mod judge;
mod note;
mod prepare;
mod search;
mod shown;

pub use beside::AimedAt;
pub use import::{Import, Imported, Reading, Skipped};
pub use search::{CatalogueTerms, ChangeTerms};
pub use shown::{
    CatalogueChangeRow, CatalogueServerRow, CatalogueSourceRow, CatalogueToolRow, ServerDetails, ServerRef, ToolDetails,
};

/// The longest document that is imported at once, in bytes.
pub const MAX_DOCUMENT: usize = 16 << 20;

#[cfg(test)]
mod tests;
