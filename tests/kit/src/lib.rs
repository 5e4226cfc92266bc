//! Starts the real gateway, real servers and real clients for tests, and talks to them byte by byte.
//!
//! Blocking and small on purpose: a test that reads a socket itself judges the gateway by bytes, and by nobody's
//! reading of HTTP or of MCP. Every wait is for something that happens; the limits only end a run that hangs.

mod attacks;
pub mod browser;
mod clients;
mod fixture;
mod gateway;
mod http;
pub mod journal;
mod postgres;
mod process;
mod reference;
mod rpc;
mod stage;
mod stdio;
mod token;
mod warm;

pub use attacks::wire_tests;
pub use browser::{Browser, Person};
pub use clients::{Client, npm_server, peers, python_server};
pub use fixture::Fixture;
pub use gateway::{Callgate, Gateway, Grant};
pub use http::{Connection, Response};
pub use postgres::Postgres;
pub use process::Process;
pub use reference::{Check, Checks, Reference, Verdict, conformance};
pub use rpc::{Session, request, result_bytes};
pub use stage::Stage;
pub use stdio::StdioServer;
pub use token::TokenProxy;
pub use warm::Warm;

use std::time::Duration;

/// When a wait gives up: something has gone wrong that no waiting mends.
pub const PATIENCE: Duration = Duration::from_secs(60);
