//! What a child process writes on standard error, on its way to the log: every line, up to a rate.

use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::ChildStderr;

/// Of a line, in bytes; what is longer goes on as the next one.
const MAX_LINE: u64 = 2048;
/// Lines that are logged within a window. The rest is counted, and the count is logged at its end.
const LINES: u32 = 200;
const WINDOW: Duration = Duration::from_secs(10);

/// How many lines of a window were logged, and how many were not.
#[derive(Debug)]
struct Rate {
    began: Instant,
    logged: u32,
    suppressed: u64,
}

/// Logs what is written until its end.
pub(super) async fn log(server: Arc<str>, stderr: ChildStderr) {
    let mut lines = BufReader::new(stderr).take(MAX_LINE);
    let mut rate = Rate::new(Instant::now());
    let mut line = Vec::new();
    loop {
        line.clear();
        lines.set_limit(MAX_LINE);
        let window = tokio::time::sleep(rate.left(Instant::now()));
        let mut window = std::pin::pin!(window);
        let read = loop {
            tokio::select! {
                biased;
                read = lines.read_until(b'\n', &mut line) => break read,
                () = &mut window, if rate.suppressed > 0 => tell(&server, rate.turn(Instant::now())),
            }
        };
        if !matches!(read, Ok(1..)) {
            return tell(&server, rate.turn(Instant::now()));
        }
        tell(&server, rate.due(Instant::now()));
        if rate.passes() {
            tracing::info!(target: "callgate::child", %server, "{}", String::from_utf8_lossy(&line).trim_end());
        }
    }
}

fn tell(server: &str, suppressed: u64) {
    if suppressed > 0 {
        tracing::warn!(target: "callgate::child", %server, "{suppressed} more lines on standard error are not shown");
    }
}

impl Rate {
    fn new(now: Instant) -> Self {
        Self { began: now, logged: 0, suppressed: 0 }
    }

    fn left(&self, now: Instant) -> Duration {
        WINDOW.saturating_sub(now.duration_since(self.began))
    }

    /// Begins a new window; how many lines of the old one were not logged.
    fn turn(&mut self, now: Instant) -> u64 {
        std::mem::replace(self, Self::new(now)).suppressed
    }

    /// The same, where the window is over.
    fn due(&mut self, now: Instant) -> u64 {
        if self.left(now).is_zero() { self.turn(now) } else { 0 }
    }

    /// Whether one more line is logged.
    fn passes(&mut self) -> bool {
        if self.logged < LINES {
            self.logged += 1;
            return true;
        }
        self.suppressed += 1;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_a_new_window_shows_lines_again() {
        let begin = Instant::now();
        let mut rate = Rate::new(begin);
        assert_eq!((0..LINES + 7).filter(|_| rate.passes()).count(), LINES as usize);
        assert_eq!(rate.due(begin + WINDOW / 2), 0);
        assert_eq!(rate.due(begin + WINDOW), 7);
        assert!(rate.passes());
        assert_eq!(rate.turn(begin + WINDOW), 0);
    }
}
