//! A small MCP server that serves any tool list and echoes every call, over Streamable HTTP, HTTP+SSE and stdio, in both
//! eras; and a probe whose tools do whatever the protocol knows, and whatever can go wrong.
//!
//! For tests and demonstrations: it keeps a log of every message that reached it, so a test can prove what a gateway
//! let through. It reads messages as leniently as many real servers do (the last of two equal keys counts, a call
//! without an id runs), because a gateway in front of it must not rely on its strictness. It shares no parsing code
//! with the gateway.

mod answer;
mod call;
mod example;
mod exchange;
mod fault;
mod fixture;
mod http;
mod listen;
mod lists;
mod log;
mod misbehave;
mod options;
mod outlet;
mod peer;
mod probe;
mod prompts;
mod resources;
mod round;
mod sse;
mod stdio;
mod tasks;

pub use fault::{Fault, FaultError, FaultPlan};
pub use fixture::Fixture;
pub use http::serve_http;
pub use lists::{KERNEL, PARE_DOCKER, PROBE};
pub use options::{Behaviour, Eras, FixtureError, FixtureOptions, ListChange, ToolList};
pub use sse::serve_sse;
pub use stdio::{serve_lines, serve_stdio};
