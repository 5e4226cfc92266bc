//! The one error of the command line: a code, what happened and where, and what to do about it.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::process::ExitCode;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Exit {
    /// Yes: allowed, valid, done. Status 0.
    Yes,
    /// No: denied, invalid, failed. Status 1.
    No,
    /// Wrong usage, or the command can't run. Status 2.
    CannotRun,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Yes => Self::from(0),
            Exit::No => Self::from(1),
            Exit::CannotRun => Self::from(2),
        }
    }
}

/// What a command answers when it could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The code with a page of its own (`callgate explain CG3011`).
    pub code: Cow<'static, str>,
    /// The status that the command ends with.
    pub exit: Exit,
    /// What happened, and where.
    pub message: String,
    /// What to do about it; empty where the message says it all.
    pub remedy: String,
}

impl Failure {
    /// The command can't run as it was asked to.
    pub(crate) fn cannot_run(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code: Cow::Borrowed(code), exit: Exit::CannotRun, message: message.into(), remedy: remedy.into() }
    }

    /// The command ran, and the answer is no.
    pub(crate) fn no(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code: Cow::Borrowed(code), exit: Exit::No, message: message.into(), remedy: remedy.into() }
    }
}

impl From<callgate_control::Error> for Failure {
    fn from(error: callgate_control::Error) -> Self {
        let callgate_control::Error { code, message, remedy, .. } = error;
        Self::cannot_run(code, message, remedy)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "\n  {}", self.remedy) }
    }
}

impl std::error::Error for Failure {}
