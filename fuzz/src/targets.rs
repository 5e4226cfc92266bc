//! The targets. A new one is a module here and a line in [`ALL`].

mod jsonrpc_framer;
mod policy_parser;
mod sse_reader;
mod stdio_reader;

use crate::runner::Target;

/// Every target.
pub(crate) const ALL: &[Target] =
    &[policy_parser::TARGET, jsonrpc_framer::TARGET, sse_reader::TARGET, stdio_reader::TARGET];
