//! What delivering needs from outside.

use crate::secret::Secret;
use futures_util::future::BoxFuture;

/// A message to an endpoint.
#[derive(Debug)]
pub struct Post {
    /// Where it goes.
    pub url: Secret,
    /// Its headers, in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// What an endpoint answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The HTTP status.
    pub status: u16,
    /// How many seconds it wants to be left alone (`Retry-After`).
    pub retry_after: Option<u64>,
}

/// Sends messages to endpoints, as a port.
pub trait Outgoing: Send + Sync {
    /// Sends one with `POST` and gives its answer's status, whatever it is; follows no redirect. An error says why there
    /// is no answer, without more of the address than its host.
    fn post<'a>(&'a self, post: &'a Post) -> BoxFuture<'a, Result<Posted, String>>;
}
