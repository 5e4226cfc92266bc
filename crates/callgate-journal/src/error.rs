//! What can go wrong with a journal, each with its code and remedy.

use std::path::PathBuf;

/// Why a journal can't be opened, written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Somebody else has it open.
    #[error("CG4001: the journal `{}` is in use; stop the process that has it open, or use another data directory", dir.display())]
    Locked {
        /// The journal's directory.
        dir: PathBuf,
    },
    /// It isn't what was written. Nothing starts on it.
    #[error(
        "CG4002: the journal is broken: `{}` line {line}: {why}; restore the file, or move the journal away (which \
         starts the counters from zero), then start again",
        segment.display()
    )]
    Broken {
        /// The segment's file.
        segment: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong there.
        why: String,
    },
    /// It can't be written now. It is tried again ten times a second.
    #[error("CG4003: the journal can't be written: {why}; calls are refused until it can be")]
    Failing {
        /// What the operating system says.
        why: String,
    },
    /// What retention should delete isn't what was written, so it stays, as evidence.
    #[error(
        "CG4020: nothing was deleted: `{}` line {line}: {why}; see what `callgate journal verify` says, and move the \
         journal away where it can't be restored",
        segment.display()
    )]
    Unsound {
        /// The segment's file.
        segment: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong there.
        why: String,
    },
    /// The signing key is missing, unreadable or another one.
    #[error("CG4004: the journal's key `{}`: {why}", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// A file or directory can't be read or made.
    #[error("CG4005: can't {what} `{}`: {why}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the operating system says.
        why: String,
    },
    /// A record's body is not one line of JSON.
    #[error("CG4006: a record's body has to be one line of JSON: {why}")]
    Body {
        /// What is wrong with it.
        why: &'static str,
    },
    /// Whoever rebuilds a state from the records refused one.
    #[error("`{}` line {line}: {why}", segment.display())]
    Replay {
        /// The segment's file.
        segment: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Why, with its own code.
        why: String,
    },
}

impl JournalError {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>, error: impl ToString) -> Self {
        Self::Io { what, path: path.into(), why: error.to_string() }
    }
}
