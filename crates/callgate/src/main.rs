//! Callgate's command line: reads the process's arguments and environment, once, and hands them on.

mod api;
mod backup;
mod cli;
mod client;
mod clients;
mod commands;
mod config;
mod counters;
mod data;
mod database;
mod definitions;
mod demo;
mod environment;
mod failure;
mod gateway;
mod legacy;
mod moment;
mod outgoing;
mod output;
mod own_server;
mod policy_file;
mod records;
mod reference;
mod settings;
mod snapshots;
mod socket;
mod target;
mod tool_list;
mod upstreams;
mod watch;

use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

/// Of the memory that a connection reserves and does not use, it keeps the least in fact: a call that waits for a
/// person costs half of what it does with the system's (`docs/performance.md`).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let environment = environment::Environment::of_process();
    commands::run(std::env::args_os().collect(), environment)
}
