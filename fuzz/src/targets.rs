//! The targets. A new one is a module here and a line in [`ALL`].

mod jsonrpc_framer;
mod policy_parser;
mod stream_reader;

use crate::runner::Target;

/// Every target.
pub(crate) const ALL: &[Target] = &[policy_parser::TARGET, jsonrpc_framer::TARGET, stream_reader::TARGET];
