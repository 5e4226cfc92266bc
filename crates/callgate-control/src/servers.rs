//! Servers: registered, looked at, changed, removed.

mod credentials;
mod edit;
mod find;
mod read;
mod requests;
mod rows;

pub use read::Tools;
pub use requests::{CommandPlace, Credentials, NewPlace, NewServer, ServerPatch, UrlPlace};
pub use rows::{Removed, ServerRow};

pub(crate) use credentials::{bare, keep, opened};

#[cfg(test)]
mod tests;
