//! The journal as the decider, the data plane and the operations see it.

use crate::failure::Failure;
use callgate_control::ChangeLog;
use callgate_decision::{RecordError, Records, Ticket};
use callgate_journal::{Journal, JournalError, Kind};
use callgate_policy::Timestamp;
use callgate_proxy::{Early, Refusals};
use std::sync::Arc;
use std::task::{Context, Poll};

/// One journal, handed to everybody who records something.
#[derive(Clone)]
pub(crate) struct JournalRecords {
    journal: Arc<Journal>,
}

impl JournalRecords {
    /// The adapter of an open journal.
    pub(crate) fn new(journal: Arc<Journal>) -> Self {
        Self { journal }
    }

    /// The journal itself.
    pub(crate) fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.journal)
    }

    fn append(
        &self,
        kind: Kind,
        now: Timestamp,
        body: &[u8],
        checkpoint: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError> {
        let ticket = self.journal.append(now.0, kind, body, checkpoint).map_err(|error| record_error(&error))?;
        Ok(Ticket(ticket.0))
    }
}

impl Records for JournalRecords {
    fn append_decision(
        &self,
        now: Timestamp,
        body: &[u8],
        checkpoint: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError> {
        self.append(Kind::Decision, now, body, checkpoint)
    }

    fn append_outcome(
        &self,
        now: Timestamp,
        body: &[u8],
        checkpoint: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError> {
        self.append(Kind::Outcome, now, body, checkpoint)
    }

    fn append_withheld(
        &self,
        now: Timestamp,
        body: &[u8],
        checkpoint: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError> {
        self.append(Kind::Withheld, now, body, checkpoint)
    }

    fn append_reset(
        &self,
        now: Timestamp,
        body: &[u8],
        checkpoint: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError> {
        self.append(Kind::Reset, now, body, checkpoint)
    }

    fn poll_written(&self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Result<(), RecordError>> {
        let ticket = callgate_journal::Ticket(ticket.0);
        self.journal.poll_written(ticket, cx).map_err(|error| record_error(&error))
    }
}

impl ChangeLog for JournalRecords {
    fn append_change(&self, at: i64, body: &[u8]) -> Result<(), String> {
        let written = self.journal.append_plain(at, Kind::Change, body);
        written.and_then(|ticket| self.journal.wait_written(ticket)).map_err(|error| error.to_string())
    }
}

impl Refusals for JournalRecords {
    fn refused(&self, early: &Early<'_>) {
        match early.source {
            Some(source) => self.journal.note_refused(&source.to_string(), early.reason),
            None => self.journal.note_refused("stdio", early.reason),
        }
    }
}

/// A journal's error as the command line shows it: its text begins with its code.
pub(crate) fn failure(error: &JournalError) -> Failure {
    let text = error.to_string();
    let (code, rest) = match text.split_once(": ") {
        Some((code, rest)) if code.starts_with("CG4") => (code.to_owned(), rest.to_owned()),
        _ => ("CG4002".to_owned(), text.clone()),
    };
    let (message, remedy) = rest.split_once("; ").map_or((rest.as_str(), ""), |(message, remedy)| (message, remedy));
    Failure {
        code: code.into(),
        exit: crate::failure::Exit::CannotRun,
        message: message.to_owned(),
        remedy: remedy.to_owned(),
    }
}

fn record_error(error: &JournalError) -> RecordError {
    RecordError(error.to_string())
}
