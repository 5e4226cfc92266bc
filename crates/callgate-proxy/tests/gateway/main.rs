//! The data plane against upstreams that do as they are told, well or badly.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests stop at the first surprise"
)]

mod approvals;
mod child;
mod elsewhere;
mod flows;
mod held;
mod held_http;
mod http;
mod limits;
mod lines;
mod lists;
mod mirrored;
mod older;
mod polled;
mod questions;
mod reach;
mod results;
mod resume;
mod sessions;
mod states;
mod streams;
mod survival;
mod synthesized;
mod tls;
mod upstream;
mod waited;
mod ways_past;
mod withheld;
mod world;
