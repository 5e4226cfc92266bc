//! The catalogue: servers and tools, with what they can do, in a form that is searched.
//!
//! Entries are of nobody (public knowledge) or of one organisation, which sees both. Words are cut here, the same for
//! both databases, and the databases only find numbers by words: SQLite with FTS5, PostgreSQL with a GIN index over
//! `tsvector`. What is found is ordered by the number itself, so that a page costs what it shows and not what fits:
//! first entries that have all words in their name, then those that have them anywhere; each by how many other words
//! the name has, then by age. Both databases give the same answer.
//!
//! ```text
//! entry    what is kept: servers, tools, changes, sources
//! words    a text → words; what is looked for → an expression
//! edit     one transaction that writes: what is known, put, remove, commit
//! search   words and filters → entries, in parts
//! read     one server with its tools; the change feed; the sources
//! rows     bulk statements over both databases
//! ```

mod edit;
mod entry;
mod read;
mod rows;
mod search;
mod words;

pub use edit::CatalogueEdit;
pub use entry::{
    CatalogueChange, CatalogueServer, CatalogueSource, CatalogueTool, FeedRow, KnownServer, KnownTool, ServerPut,
    ToolPut,
};
pub use search::{CatalogueFound, CatalogueSearch, Facet};
