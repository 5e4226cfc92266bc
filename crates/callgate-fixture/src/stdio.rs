//! The fixture over stdio: one message per line.

use crate::answer::Fixture;
use crate::call::{Call, Kind, MODERN};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, JoinSet};

/// Serves standard input and output until the input ends.
pub async fn serve_stdio(fixture: Fixture) -> io::Result<()> {
    serve_lines(fixture, tokio::io::stdin(), tokio::io::stdout()).await
}

/// Serves lines until the input ends and every request is answered.
pub async fn serve_lines(
    fixture: Fixture,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let (sender, receiver) = unbounded_channel();
    let reading = read(fixture, input, sender);
    let (read, written) = tokio::join!(reading, write(receiver, output));
    read.and(written)
}

/// Writes until every sender is gone.
async fn write(mut lines: UnboundedReceiver<String>, mut output: impl AsyncWrite + Unpin) -> io::Result<()> {
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        output.write_all(line.as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}

async fn read(fixture: Fixture, input: impl AsyncRead + Unpin, sender: UnboundedSender<String>) -> io::Result<()> {
    // Changes of the list go through a channel of their own, so that they don't keep the output open.
    let (changes, mut changed) = unbounded_channel();
    let mut state = Connection { fixture, sender, changes, running: JoinSet::new(), by_id: HashMap::new() };
    let mut lines = BufReader::new(input).split(b'\n');
    loop {
        tokio::select! {
            line = lines.next_segment() => match line? {
                Some(line) => state.line(&line)?,
                None => break,
            },
            Some(change) = changed.recv() => state.send(change),
        }
    }
    while state.running.join_next().await.is_some() {}
    while let Ok(change) = changed.try_recv() {
        state.send(change);
    }
    Ok(())
}

struct Connection {
    fixture: Fixture,
    sender: UnboundedSender<String>,
    changes: UnboundedSender<String>,
    running: JoinSet<()>,
    /// The requests in flight, by the JSON of their ids.
    by_id: HashMap<String, AbortHandle>,
}

impl Connection {
    fn send(&self, line: String) {
        // A client that no longer reads ends the connection through the writer.
        let _ = self.sender.send(line);
    }

    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        self.fixture.log().note("stdio", None, line)?;
        let call = match serde_json::from_slice(line) {
            Ok(message) => Call { message },
            Err(error) => {
                let error = json!({"jsonrpc": "2.0", "error": {"code": -32700, "message": error.to_string()}});
                self.send(error.to_string());
                return Ok(());
            }
        };
        match (call.kind(), call.method()) {
            (Kind::Request, "subscriptions/listen") if call.version() == Some(MODERN) => {
                self.fixture.listeners().add_sender(Some(call.id()), self.changes.clone());
            }
            (Kind::Request, _) => self.run(call),
            (Kind::Notification, "notifications/initialized") => {
                self.fixture.listeners().add_sender(None, self.changes.clone());
            }
            (Kind::Notification, "notifications/cancelled") => {
                let id = call.param("requestId").map(Value::to_string);
                if let Some(running) = id.and_then(|id| self.by_id.remove(&id)) {
                    running.abort();
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn run(&mut self, call: Call) {
        let (fixture, sender) = (self.fixture.clone(), self.sender.clone());
        let id = call.id().to_string();
        let running = self.running.spawn(async move {
            let answer = fixture.answer(&call).await;
            let _ = sender.send(answer.json);
        });
        self.by_id.retain(|_, running| !running.is_finished());
        self.by_id.insert(id, running);
    }
}
