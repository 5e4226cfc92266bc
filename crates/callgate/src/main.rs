//! Callgate's command line: reads the process's arguments and environment, once, and hands them on.

mod admin;
mod cli;
mod client;
mod commands;
mod config;
mod data;
mod demo;
mod document;
mod environment;
mod failure;
mod gateway;
mod moment;
mod output;
mod publish;
mod records;
mod reference;
mod settings;
mod socket;
mod state;
mod tool_list;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    let environment = environment::Environment::of_process();
    commands::run(std::env::args_os().collect(), environment)
}
