//! A small MCP server that serves any tool list and echoes every call, over Streamable HTTP and stdio, in both eras.
//!
//! For tests and demonstrations: it keeps a log of every message that reached it, so a test can prove what a gateway
//! let through. It reads messages as leniently as many real servers do (the last of two equal keys counts, a call
//! without an id runs), because a gateway in front of it must not rely on its strictness. It shares no parsing code
//! with the gateway.

mod answer;
mod call;
mod example;
mod http;
mod listen;
mod lists;
mod log;
mod options;
mod stdio;

pub use answer::Fixture;
pub use http::serve_http;
pub use lists::{KERNEL, PARE_DOCKER};
pub use options::{Behaviour, Eras, FixtureError, FixtureOptions, ListChange, ToolList};
pub use stdio::{serve_lines, serve_stdio};
