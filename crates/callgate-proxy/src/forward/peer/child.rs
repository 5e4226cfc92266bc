//! The life of a child process: started in a group of its own, read and written, surely ended.

use super::{Ended, Living, Shared};
use crate::gate::until;
use crate::options::Options;
use crate::upstream::StdioUpstream;
use callgate_mcp::LineReader;
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

/// Between closing its input and SIGTERM, and between SIGTERM and SIGKILL.
const CLOSING: Duration = Duration::from_millis(500);
const TERMINATING: Duration = Duration::from_secs(2);
/// For what is still in the pipe once the child has exited.
const DRAINING: Duration = Duration::from_millis(500);

pub(super) fn prepare(config: &StdioUpstream, options: &Options) -> Command {
    let mut command = match &options.launcher {
        None => Command::new(&config.command),
        Some(launcher) => {
            let mut command = Command::new(launcher);
            command.args(["__child", "--"]).arg(&config.command);
            command
        }
    };
    command.args(&config.args).env_clear();
    command.envs(options.child_environment.iter().map(|(name, value)| (name, value)));
    command.envs(config.env.iter().map(|(name, value)| (name, value)));
    if let Some(cwd) = &config.cwd {
        command.current_dir(cwd);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    // With a launcher it ends with the gateway by itself; killed alone, it could not end what it started.
    command.kill_on_drop(options.launcher.is_none());
    command
}

/// Lives as long as the child does, and notes how it ended.
pub(super) async fn supervise(
    shared: Arc<Shared>,
    mut child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    to_write: mpsc::Receiver<Vec<u8>>,
    living: Arc<Living>,
) {
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let writer = tokio::spawn(write_lines(stdin, to_write));
    let mut reader = tokio::spawn(read_lines(Arc::clone(&shared), stdout));
    let mut stop = shared.stop.subscribe();
    let mut read_out = false;
    let status = tokio::select! {
        status = child.wait() => status.ok(),
        // No more answers can come: the process is of no use any more.
        _ = &mut reader => {
            read_out = true;
            writer.abort();
            end(&mut child, group).await
        }
        () = until(&mut stop, |stop| *stop) => {
            // Dropping the writer closes the child's input, which is how MCP ends a stdio server.
            writer.abort();
            end(&mut child, group).await
        }
    };
    signal(group, Signal::TERM);
    if !read_out && tokio::time::timeout(DRAINING, &mut reader).await.is_err() {
        reader.abort();
    }
    signal(group, Signal::KILL);
    writer.abort();
    shared.ended.send_replace(Some((Ended(status), Instant::now())));
    shared.routes.lock().unwrap_or_else(PoisonError::into_inner).clear();
    living.send_modify(|count| *count -= 1);
}

async fn end(child: &mut Child, group: Option<Pid>) -> Option<ExitStatus> {
    if let Ok(status) = tokio::time::timeout(CLOSING, child.wait()).await {
        return status.ok();
    }
    signal(group, Signal::TERM);
    if let Ok(status) = tokio::time::timeout(TERMINATING, child.wait()).await {
        return status.ok();
    }
    signal(group, Signal::KILL);
    child.wait().await.ok()
}

fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // It fails where nobody of the group is left, which is what is wanted.
        let _ = kill_process_group(group, signal);
    }
}

async fn write_lines(mut stdin: ChildStdin, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut line) = lines.recv().await {
        line.push(b'\n');
        if stdin.write_all(&line).await.is_err() {
            return;
        }
    }
}

async fn read_lines(shared: Arc<Shared>, mut stdout: ChildStdout) {
    let mut reader = LineReader::new(shared.limits.json.max_bytes);
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = stdout.read(&mut buffer).await {
        reader.push(buffer.get(..count).unwrap_or_default());
        loop {
            match reader.next_line() {
                Ok(Some(line)) => shared.heard(&line, None),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(server = %shared.server, "the server process is ended: {error}");
                    return;
                }
            }
        }
    }
}
