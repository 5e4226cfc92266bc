//! Standard output and standard error, as people and scripts read them.

use serde::Serialize;
use std::io::Write;

/// Prints a text on standard output, with a line feed where it has none.
pub(crate) fn text(text: &str) {
    let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
    let mut out = std::io::stdout().lock();
    // A reader that went away (`| head`) is no error of ours.
    drop(write!(out, "{text}{end}").and_then(|()| out.flush()));
}

/// Prints a line on standard output; whether anybody still reads.
pub(crate) fn line(line: &str) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// Prints a value as JSON on standard output.
pub(crate) fn json(value: &impl Serialize) {
    text(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Tells the operator something, on standard error.
pub(crate) fn note(message: &str) {
    drop(writeln!(std::io::stderr().lock(), "callgate: {message}"));
}

/// Tells scripts something, on standard error, exactly as it is.
pub(crate) fn announce(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// So many of something: `1 segment`, `2 segments`.
pub(crate) fn count(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// Prints rows under their headings, columns aligned. That there is none is said to people, on standard error.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) {
    text(&table_text(headings, rows));
    if rows.is_empty() {
        note("nothing found");
    }
}

/// Rows under their headings, columns aligned.
pub(crate) fn table_text(headings: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headings.get(column).map(|heading| heading.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| {
            let fill = width.saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(fill))
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(headings.to_vec())];
    lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

/// How far long work is, on a terminal; nothing in a pipe.
pub(crate) struct Progress {
    unit: &'static str,
    shown: Option<std::time::Instant>,
    terminal: bool,
}

impl Progress {
    /// Work that is counted in this unit.
    pub(crate) fn of(unit: &'static str) -> Self {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        Self { unit, shown: None, terminal }
    }

    /// So much is done.
    pub(crate) fn at(&mut self, done: u64) {
        let recent = self.shown.is_some_and(|then| then.elapsed() < std::time::Duration::from_millis(100));
        if self.terminal && !recent {
            self.shown = Some(std::time::Instant::now());
            drop(write!(std::io::stderr().lock(), "\r{done} {}", self.unit));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            // Takes the line away again.
            drop(write!(std::io::stderr().lock(), "\r\x1b[K"));
        }
    }
}

/// Text from servers and clients must not steer a terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_control_characters_do_not_pass() {
        let rows = [vec!["a".to_owned(), "x\u{1b}[2J".to_owned()], vec!["länger".to_owned(), String::new()]];
        assert_eq!(table_text(&["name", "what"], &rows), "name    what\na       x\u{fffd}[2J\nlänger");
    }
}
