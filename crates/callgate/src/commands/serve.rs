//! The commands that serve: `up`, `wrap` and `bridge`.

mod bridge;
mod up;
mod wrap;

pub(super) use bridge::bridge;
pub(super) use up::up;
pub(super) use wrap::wrap;

use crate::environment::Environment;
use crate::failure::Failure;
use callgate_proxy::CHILD_VARIABLES;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Diagnostics on standard error: warnings and what servers print there, or what `CALLGATE_LOG` asks for.
fn start_logging(environment: &Environment) {
    let wanted = environment.text("CALLGATE_LOG").unwrap_or("warn,callgate::child=info");
    let filter = tracing_subscriber::EnvFilter::builder().parse_lossy(wanted);
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let logger = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    let logger = logger.with_target(false);
    // A second logger is only possible in tests, where the first serves as well.
    drop(logger.try_init());
}

/// What the data plane needs to start children: a program that ties them to this process, and their environment.
fn children(environment: &Environment) -> (Option<PathBuf>, Vec<(OsString, OsString)>) {
    let launcher = std::env::current_exe().ok();
    let variable = |name: &&str| Some((OsString::from(*name), environment.raw(name)?.clone()));
    (launcher, CHILD_VARIABLES.iter().filter_map(variable).collect())
}

/// Refuses a command whose program is not there, before anything is started for it.
fn check_program(program: &str, cwd: Option<&Path>, environment: &Environment) -> Result<(), Failure> {
    let runs =
        |path: &Path| path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    let found = if program.contains('/') {
        runs(&cwd.unwrap_or(Path::new(".")).join(program))
    } else {
        let path = environment.raw("PATH").cloned().unwrap_or_default();
        std::env::split_paths(&path).any(|directory| runs(&directory.join(program)))
    };
    if found {
        return Ok(());
    }
    let message = format!("there is no program `{program}` that can be run");
    Err(Failure::cannot_run("CG3052", message, "name a program that is in `PATH`, or its whole path"))
}

/// The signals that end a process in order.
struct Ending {
    interrupt: Signal,
    terminate: Signal,
}

impl Ending {
    fn new() -> Result<Self, Failure> {
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| {
        let message = format!("the operating system gives no signals: {error}");
        Failure::cannot_run("CG3010", message, "raise the limit of open files (`ulimit -n`)")
    })
}

/// A runtime for a process that serves: the data plane brings its own threads.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|error| {
        let message = format!("the operating system gives no threads: {error}");
        Failure::cannot_run("CG3010", message, "raise the limits of this user (`ulimit -u`, `ulimit -n`)")
    })
}
