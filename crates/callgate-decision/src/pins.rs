//! Definitions of tools, as a port: what the data plane saw in a server's list goes to whoever keeps what is pinned. What
//! is pinned comes back with the configuration.

use crate::approvals::Later;
use callgate_policy::{Organisation, ServerName};
use std::sync::Arc;

/// A tool as its server listed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its definition, as JSON text.
    pub definition: String,
    /// The fingerprint of that definition.
    pub fingerprint: String,
}

/// Whose list it was.
#[derive(Clone, Copy, Debug)]
pub struct ListOf<'a> {
    /// The organisation.
    pub organisation: &'a Organisation,
    /// The server's identity.
    pub server: &'a Arc<str>,
    /// The server's name.
    pub name: &'a ServerName,
}

/// Keeps what tools were defined as.
pub trait Pins: Send + Sync + 'static {
    /// Tools whose definitions are not what is pinned passed by: new ones are pinned or wait for a person, as the
    /// server's settings say; changed ones are set aside until a person has looked at them. When this is done, what was
    /// decided about them is kept, and in force.
    fn saw<'a>(&'a self, of: ListOf<'a>, tools: Vec<Listed>) -> Later<'a, Result<(), String>>;
}

/// Pins nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPins;

impl Pins for NoPins {
    fn saw<'a>(&'a self, _: ListOf<'a>, _: Vec<Listed>) -> Later<'a, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
