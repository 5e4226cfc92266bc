//! The life of a child process: started in a group of its own, read and written, surely ended.

use super::{Ended, Living, Shared};
use crate::forward::routes::Routed;
use crate::gate::until;
use crate::options::Options;
use crate::upstream::StdioUpstream;
use bytes::Bytes;
use callgate_mcp::LineReader;
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

/// Of a line on standard error, in bytes.
const MAX_STDERR_LINE: u64 = 2048;
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
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
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
                Ok(Some(line)) => heard(&shared, &line).await,
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(server = %shared.server, "the server process is ended: {error}");
                    return;
                }
            }
        }
    }
}

async fn heard(shared: &Shared, line: &Bytes) {
    let routed = shared.routes.lock().unwrap_or_else(PoisonError::into_inner).route(line, &shared.limits);
    match routed {
        Routed::Delivered => {}
        Routed::Answered => shared.answered.store(true, Ordering::Relaxed),
        Routed::Waiting => shared.said.notify_waiters(),
        Routed::Dropped(why) => tracing::debug!(server = %shared.server, "a message of the server is dropped: {why}"),
        // A server that does not read its input can't hold up its output.
        Routed::Reply(line) => {
            let _ = shared.lines.try_send(line);
        }
    }
}

pub(super) async fn log_stderr(server: Arc<str>, stderr: ChildStderr) {
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut lines).take(MAX_STDERR_LINE).read_until(b'\n', &mut line).await {
            Ok(1..) => {
                tracing::info!(target: "callgate::child", %server, "{}", String::from_utf8_lossy(&line).trim_end())
            }
            _ => return,
        }
    }
}
