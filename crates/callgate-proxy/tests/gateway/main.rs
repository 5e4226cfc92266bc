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

mod child;
mod http;
mod lines;
mod lists;
mod sessions;
mod streams;
mod upstream;
mod ways_past;
mod world;
