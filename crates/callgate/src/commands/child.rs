//! `callgate __child`: runs a command that ends when the gateway does, with everything that it started.
//!
//! On Linux in three steps. The first process starts the second, which becomes the command, and then becomes the
//! watcher itself: it keeps no end of the command's standard streams, so that both sides still see each other's end.

#[cfg(target_os = "linux")]
mod watch;

use crate::cli::ChildArgs;
use crate::failure::Failure;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// This program, also after its file was replaced or removed.
#[cfg(target_os = "linux")]
const OURSELVES: &str = "/proc/self/exe";

/// Runs the command of one of the steps.
#[cfg(target_os = "linux")]
pub(super) fn run(args: &ChildArgs) -> Result<ExitCode, Failure> {
    use rustix::process::{Signal, getppid, set_child_subreaper, set_parent_process_death_signal};
    use std::process::Stdio;

    if let (Some(command), Some(parent)) = (args.watch, args.parent) {
        return watch::run(command, parent);
    }
    if args.tied {
        // Dies with the watcher, whatever that one dies of.
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| untied(&error))?;
        return Err(become_command(args));
    }
    let parent = getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
    // Does nothing by itself: nobody dies of it before the watcher can look after the rest.
    set_parent_process_death_signal(Some(watch::PARENT_DIED)).map_err(|error| untied(&error))?;
    // What loses its parent comes to the watcher, wherever it went.
    set_child_subreaper(Some(rustix::process::getpid())).map_err(|error| untied(&error))?;
    let mut tied = Command::new(OURSELVES);
    tied.args(["__child", "--tied", "--"]).args(&args.command);
    let started = tied.spawn().map_err(|error| unusable("callgate", &error))?;
    let mut watcher = Command::new(OURSELVES);
    watcher.args(["__child", "--watch", &started.id().to_string(), "--parent", &parent.to_string()]);
    watcher.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Where this fails, the command dies with this process.
    Err(unusable("callgate", &watcher.exec()))
}

/// Becomes the command. Returns only where that fails.
#[cfg(not(target_os = "linux"))]
pub(super) fn run(args: &ChildArgs) -> Result<ExitCode, Failure> {
    Err(become_command(args))
}

fn become_command(args: &ChildArgs) -> Failure {
    let Some((program, arguments)) = args.command.split_first() else {
        return Failure::cannot_run("CG3052", "there is no command to run", "name one after `--`");
    };
    let error = Command::new(program).args(arguments).exec();
    unusable(&program.to_string_lossy(), &error)
}

fn unusable(program: &str, error: &std::io::Error) -> Failure {
    let message = format!("`{program}` can't be started: {error}");
    Failure::cannot_run("CG3052", message, "name a program that is in `PATH`, or its whole path")
}

#[cfg(target_os = "linux")]
fn untied(error: &rustix::io::Errno) -> Failure {
    let message = format!("the command can't be tied to the gateway: {error}");
    Failure::cannot_run("CG3052", message, "start it without callgate to see whether it runs at all")
}
