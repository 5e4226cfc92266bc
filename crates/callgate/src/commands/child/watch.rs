//! The watcher beside a server's command: when the gateway dies, or the command ends, everything that the command
//! started ends too, also what has left its process group.

use crate::failure::Failure;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getppid, kill_process, wait};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// What the system sends when the gateway dies. By default it is ignored.
pub(super) const PARENT_DIED: Signal = Signal::URG;
/// After SIGTERM, before everything is killed: shortly before the gateway would kill the group, and this process in it.
const PATIENCE: Duration = Duration::from_millis(1500);
/// For what the command left behind to end by itself.
const LEAVING: Duration = Duration::from_millis(300);
const LOOK: Duration = Duration::from_millis(10);

/// Waits for the command to end, or for the gateway's death, and passes the command's status on.
pub(super) fn run(command: i32, parent: i32) -> Result<ExitCode, Failure> {
    let (ready, listening) = std::sync::mpsc::sync_channel(1);
    let listener = std::thread::Builder::new().name("signals".to_owned()).spawn(move || listen(parent, &ready));
    // Without it nothing would end with the gateway. Dying ends the command, which is tied to this process.
    let heard = listener.ok().and_then(|_| listening.recv().ok());
    if heard.is_none() {
        return Err(Failure::cannot_run("CG3052", "the command can't be watched", "raise the limit of processes"));
    }
    let status = loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == command => break Some(status),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => break None,
        }
    };
    leave();
    Ok(status.map_or(ExitCode::SUCCESS, passed_on))
}

/// Ends all when the gateway dies; outlives the signals that the whole group gets.
fn listen(parent: i32, ready: &std::sync::mpsc::SyncSender<()>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let kinds =
            [PARENT_DIED, Signal::TERM, Signal::INT, Signal::HUP].map(|kind| SignalKind::from_raw(kind.as_raw()));
        let [Ok(mut died), Ok(mut term), Ok(mut int), Ok(mut hangup)] = kinds.map(signal) else { return };
        let _ = ready.send(());
        loop {
            // Also before the first signal: the gateway may have died before anybody listened.
            if getppid().is_none_or(|now| now.as_raw_nonzero().get() != parent) {
                kill_all();
            }
            tokio::select! {
                _ = died.recv() => {}
                _ = term.recv() => {
                    tokio::time::sleep(PATIENCE).await;
                    kill_all();
                }
                _ = int.recv() => {}
                _ = hangup.recv() => {}
            }
        }
    });
}

/// Ends what the command left behind, first politely.
fn leave() {
    let left = children();
    left.iter().for_each(|pid| end(*pid, Signal::TERM));
    let mut waited = Duration::ZERO;
    while waited < LEAVING && !children().is_empty() {
        std::thread::sleep(LOOK);
        waited += LOOK;
        reap();
    }
    kill_all();
    reap();
}

/// Kills every child, and every child of theirs as it comes here for want of a parent, until there is none.
fn kill_all() {
    loop {
        let left = children();
        if left.is_empty() {
            return;
        }
        left.iter().for_each(|pid| end(*pid, Signal::KILL));
        std::thread::sleep(LOOK / 10);
    }
}

fn reap() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}

fn end(pid: Pid, signal: Signal) {
    // It fails where it has ended already, which is what is wanted.
    let _ = kill_process(pid, signal);
}

/// The children of this process that have not ended.
fn children() -> Vec<Pid> {
    let own = std::process::id();
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| lives_under(*pid, own)).filter_map(Pid::from_raw).collect()
}

/// Whether the process is a child of `parent` and no zombie. See proc(5): the name in parentheses may hold anything.
fn lives_under(pid: i32, parent: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let Some((_, rest)) = stat.rsplit_once(") ") else { return false };
    let mut fields = rest.split(' ');
    fields.next().is_some_and(|state| state != "Z") && fields.next().and_then(|ppid| ppid.parse().ok()) == Some(parent)
}

fn passed_on(status: WaitStatus) -> ExitCode {
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 1,
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
