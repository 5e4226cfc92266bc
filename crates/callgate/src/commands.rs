//! The commands, one file each.

mod apply;
mod approvals;
mod catalog;
mod child;
mod connect;
mod definitions;
mod explain;
mod fixture;
mod fleet;
mod grant;
mod import;
mod instance;
mod journal;
mod limits;
mod log;
mod login;
mod members;
mod policy;
mod scan;
mod serve;
mod server;
mod webhook;

use crate::cli::{Cli, Command};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::output;
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::process::ExitCode;

pub(crate) use log::{HEADINGS, last};

/// Runs the command that the arguments name.
pub(crate) fn run(arguments: Vec<OsString>, environment: Environment) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help on standard output, mistakes on standard error; a closed pipe is no error of ours.
            drop(error.print());
            return if error.use_stderr() { Exit::CannotRun.into() } else { Exit::Yes.into() };
        }
    };
    match dispatch(cli.command, &environment) {
        Ok(code) => code,
        Err(failure) => {
            output::note(&format!("error: {failure}"));
            failure.exit.into()
        }
    }
}

fn dispatch(command: Command, environment: &Environment) -> Result<ExitCode, Failure> {
    let exit = match command {
        Command::Up(args) => serve::up(args, environment)?,
        Command::Wrap(args) => return serve::wrap(args, environment),
        Command::Bridge(args) => serve::bridge(args, environment)?,
        Command::Server(command) => server::run(command, environment)?,
        Command::Policy(command) => policy::run(command, environment)?,
        Command::Grant(command) => grant::run(command, environment)?,
        Command::Approvals(command) => approvals::run(command, environment)?,
        Command::Limits(command) => limits::run(command, environment)?,
        Command::Apply(args) => apply::run(&args, environment)?,
        Command::Connect(args) => connect::connect(&args, environment)?,
        Command::Disconnect(args) => connect::disconnect(&args, environment)?,
        Command::Member(command) => members::member(command, environment)?,
        Command::Token(command) => members::token(command, environment)?,
        Command::Organisation(command) => members::organisation(command, environment)?,
        Command::Webhook(command) => webhook::run(command, environment)?,
        Command::Login(args) => login::login(args, environment)?,
        Command::Logout(args) => login::logout(&args, environment)?,
        Command::Key(command) => instance::key(command, environment)?,
        Command::Backup(args) => instance::backup(&args, environment)?,
        Command::Restore(args) => instance::restore(&args, environment)?,
        Command::Log(args) => log::run(&args, environment)?,
        Command::Journal(command) => journal::run(command, environment)?,
        Command::Scan(args) => scan::run(&args, environment)?,
        Command::Catalog(command) => catalog::run(command, environment)?,
        Command::Explain(args) => explain::run(&args)?,
        Command::Fixture(args) => fixture::run(&args)?,
        Command::Child(args) => return child::run(&args),
        Command::HelpMarkdown => {
            output::text(&crate::reference::markdown(Cli::command()));
            Exit::Yes
        }
    };
    Ok(exit.into())
}

/// A runtime for commands that wait for a few things.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        let message = format!("the operating system gives no event loop: {error}");
        Failure::cannot_run("CG3010", message, "raise the limit of open files (`ulimit -n`)")
    })
}
