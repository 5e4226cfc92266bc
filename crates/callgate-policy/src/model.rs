//! The typed document.

use std::fmt;
use std::sync::Arc;

/// What a tool does, by its riskiest action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// Looks, changes nothing.
    Read,
    /// Changes something that can be changed back.
    Write,
    /// Runs something: code, a process, a machine.
    Execute,
    /// Removes or overwrites for good.
    Destructive,
    /// Moves money.
    Financial,
}

/// Whether a rule is enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// It is.
    #[default]
    Enforce,
    /// It is evaluated and recorded, and refuses nothing.
    Shadow,
}

/// Whose calls share a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Those of one grant.
    Grant,
    /// Those of one session.
    Session,
    /// Those of one identity, across servers.
    Identity,
    /// All on one server.
    Server,
    /// All of the organisation.
    Organisation,
}

/// How a window moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Strategy {
    /// Aligned windows, one tally each.
    #[default]
    Fixed,
    /// Never more than `max` in any span of the window's length.
    Sliding,
}

/// The span that a limit counts over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    /// A minute, UTC.
    Minute,
    /// An hour, UTC.
    Hour,
    /// A day, UTC.
    Day,
    /// A week from Monday, UTC.
    Week,
    /// A calendar month, UTC.
    Month,
    /// So many milliseconds, aligned to the Unix epoch.
    Every(u64),
    /// Calls in flight.
    Concurrent,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The document can't be used.
    Error,
    /// It can, but hardly means what was meant.
    Warning,
}

/// One thing that is wrong with a document, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A stable code, such as `CG1003`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The RFC 6901 pointer.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it; empty where the message says it all.
    pub hint: String,
}

/// Why a document can't be used: every error, with the warnings, in document order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{}: {}", problem.line, problem.column, problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A policy, compiled and ready to decide. Immutable; shared by reference.
#[derive(Debug)]
pub struct Policy {
    /// The document's `name`.
    pub name: Option<Arc<str>>,
}
