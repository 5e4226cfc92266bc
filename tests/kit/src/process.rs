//! A child process that ends with its handle.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::PATIENCE;

/// A child process whose standard error is read line by line. Dropping it kills it.
pub struct Process {
    child: Child,
    lines: Mutex<Receiver<String>>,
    seen: Vec<String>,
}

impl Process {
    /// Starts the command; standard input and output stay as the caller set them.
    pub fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("`{}` could not be started", command.get_program().to_string_lossy()))?;
        let stderr = child.stderr.take().context("the child has no standard error")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    // Nobody asks any more; the pipe still has to be emptied or the child would block on it.
                    continue;
                }
            }
        });
        Ok(Self { child, lines: Mutex::new(lines), seen: Vec::new() })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for the next line on standard error that holds `text`, and returns it. Lines before it count as seen.
    pub fn wait_for(&mut self, text: &str) -> Result<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.get_mut().unwrap_or_else(PoisonError::into_inner).recv_timeout(left) else {
                bail!("never said `{text}`; it said:\n{}", self.seen.join("\n"));
            };
            let is_it = line.contains(text);
            self.seen.push(line.clone());
            if is_it {
                return Ok(line);
            }
        }
    }

    /// What standard error has held so far.
    pub fn said(&mut self) -> String {
        self.seen.extend(self.lines.get_mut().unwrap_or_else(PoisonError::into_inner).try_iter());
        self.seen.join("\n")
    }

    /// All that standard error held, once the process has ended. Who still holds the pipe is waited for a while only.
    pub fn last_words(&mut self) -> String {
        let end = Instant::now() + PATIENCE;
        let lines = self.lines.get_mut().unwrap_or_else(PoisonError::into_inner);
        while let Ok(line) = lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.seen.push(line);
        }
        self.seen.join("\n")
    }

    /// Asks the process to end (SIGTERM) and waits for it.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        Ok(self.child.wait()?)
    }

    /// Ends the process on the spot (SIGKILL) and waits for it.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        Ok(kill_process(pid, signal)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
