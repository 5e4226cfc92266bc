//! A server that is a command: one message a line on its standard streams.

use super::{ClientError, MAX_MESSAGE, Message, answer_to};
use crate::environment::Environment;
use callgate_control::Target;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A server that runs as a child of this process.
pub(super) struct StdioClient {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    next: u64,
}

impl StdioClient {
    /// Starts the command with the same environment that the gateway would give it.
    pub(super) fn start(target: &Target, environment: &Environment) -> Result<Self, ClientError> {
        let Target::Command { command, args, env, env_from, cwd } = target else {
            return Err(ClientError::Connection("it is no command".to_owned()));
        };
        let failed = |error| ClientError::Start { command: command.clone(), error };
        let mut child = Command::new(command);
        child.args(args).env_clear().kill_on_drop(true);
        for name in callgate_proxy::CHILD_VARIABLES.iter().copied().chain(env_from.iter().map(String::as_str)) {
            if let Some(value) = environment.raw(name) {
                child.env(name, value);
            }
        }
        child
            .envs(env.iter().map(|(name, value)| (name, value.reveal())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        if let Some(directory) = cwd {
            child.current_dir(directory);
        }
        let mut child = child.spawn().map_err(failed)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(std::io::Error::other("its standard streams can't be had")));
        };
        Ok(Self { child, stdin, stdout: BufReader::new(stdout), next: 1 })
    }

    /// Sends a request and waits for its answer; what the server asks meanwhile is refused.
    pub(super) async fn request(&mut self, method: &str, parameters: Value) -> Result<Box<RawValue>, ClientError> {
        let id = self.next;
        self.next += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters })).await?;
        loop {
            let line = self.line().await?;
            // Some servers print banners to stdout; only what is a message counts.
            let Ok(message) = serde_json::from_str::<Message<'_>>(&line) else { continue };
            if let (Some(asked), Some(method)) = (&message.id, &message.method) {
                let answer = match method.as_str() {
                    "ping" => json!({ "jsonrpc": "2.0", "id": asked, "result": {} }),
                    _ => {
                        json!({ "jsonrpc": "2.0", "id": asked, "error": { "code": -32601, "message": "not supported" } })
                    }
                };
                self.send(&answer).await?;
                continue;
            }
            if let Some(result) = answer_to(id, &line)? {
                return Ok(result);
            }
        }
    }

    /// Sends a notification.
    pub(super) async fn notify(&mut self, method: &str) -> Result<(), ClientError> {
        self.send(&json!({ "jsonrpc": "2.0", "method": method })).await
    }

    /// Ends the server: its input first, and it by force where it does not listen.
    pub(super) async fn close(self) {
        let Self { mut child, stdin, .. } = self;
        drop(stdin);
        if tokio::time::timeout(Duration::from_secs(2), child.wait()).await.is_err() {
            // Already gone is as good as killed.
            drop(child.kill().await);
        }
    }

    async fn send(&mut self, message: &Value) -> Result<(), ClientError> {
        let mut line = message.to_string();
        line.push('\n');
        self.stdin.write_all(line.as_bytes()).await.map_err(|error| gone(&error))
    }

    async fn line(&mut self) -> Result<String, ClientError> {
        let mut line = Vec::new();
        let limit = MAX_MESSAGE as u64 + 1;
        let read = (&mut self.stdout).take(limit).read_until(b'\n', &mut line).await.map_err(|error| gone(&error))?;
        if read == 0 {
            let status = self.child.wait().await.map(|status| status.to_string()).unwrap_or_default();
            return Err(ClientError::Connection(format!("it ended before it answered ({status})")));
        }
        if read as u64 == limit {
            return Err(ClientError::Unreadable(format!("a line is longer than {MAX_MESSAGE} bytes")));
        }
        String::from_utf8(line).map_err(|_| ClientError::Unreadable("it is no UTF-8".to_owned()))
    }
}

fn gone(error: &std::io::Error) -> ClientError {
    ClientError::Connection(format!("its streams broke: {error}"))
}
