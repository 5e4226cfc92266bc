//! Servers: registered, looked at, changed, removed.

mod credentials;
mod edit;
mod find;
mod health;
mod read;
mod requests;
mod rows;

pub use health::{Breaker, Health, LastError, Observations, Observed, Reached};
pub use read::Tools;
pub use requests::{CommandPlace, Credentials, NewPlace, NewServer, ServerPatch, UrlPlace};
pub use rows::{Removed, ServerRow};

pub(crate) use credentials::{bare, keep, opened};

#[cfg(test)]
mod tests;
