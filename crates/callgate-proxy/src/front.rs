//! Where clients come in: over HTTP, or over standard streams.

pub(crate) mod duplex;
pub mod http;
pub(crate) mod lines;
pub mod stdio;
