//! `callgate __child`: becomes a command that ends when its parent does.

use crate::cli::ChildArgs;
use crate::failure::Failure;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Asks the system to end this process with its parent, then becomes the command. Returns only where that fails.
pub(super) fn run(args: &ChildArgs) -> Result<ExitCode, Failure> {
    #[cfg(target_os = "linux")]
    {
        let parent = rustix::process::getppid();
        let asked = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
        if let Err(error) = asked {
            let message = format!("the command can't be tied to its parent: {error}");
            return Err(Failure::cannot_run(
                "CG3052",
                message,
                "start it without callgate to see whether it runs at all",
            ));
        }
        // The parent may have ended before it was asked for.
        if rustix::process::getppid() != parent {
            return Ok(ExitCode::from(1));
        }
    }
    let Some((program, arguments)) = args.command.split_first() else {
        return Err(Failure::cannot_run("CG3052", "there is no command to run", "name one after `--`"));
    };
    let error = Command::new(program).args(arguments).exec();
    let message = format!("`{}` can't be started: {error}", program.to_string_lossy());
    Err(Failure::cannot_run("CG3052", message, "name a program that is in `PATH`, or its whole path"))
}
