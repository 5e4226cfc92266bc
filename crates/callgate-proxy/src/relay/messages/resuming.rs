//! A stream that is taken up again where it ended, or broke off, before its response.

use super::{Messages, Source};
use crate::errors::Cause;
use crate::forward::{AnswerBody, Failure};
use crate::place::Place;
use callgate_mcp::SseReader;

/// What was read of an event stream.
pub(crate) struct Read {
    pub(super) reader: SseReader,
    pub(super) place: Place,
}

impl Messages {
    /// Lets a stream that breaks off end like one that was closed: somebody will take it up again.
    pub(crate) fn will_resume(&mut self) {
        self.resumes = true;
    }

    /// Where to take the stream up again, where it ended and its response is still to come.
    pub(crate) fn missed(&self) -> Option<Place> {
        self.relay.flight.as_ref().and_then(|_| self.place()).cloned()
    }

    /// How far an event stream was read, where it can be taken up again.
    pub(crate) fn place(&self) -> Option<&Place> {
        match &self.source {
            Source::Sse { read, .. } => Some(&read.place).filter(|place| place.is_known()),
            _ => None,
        }
    }

    /// Whether a stream that has ended leaves a request without its response, and nobody can take it up again.
    pub(super) fn is_lost(&self) -> bool {
        let waits = self.relay.flight.is_some() && !self.relay.waits_for_events();
        waits && matches!(self.source, Source::Sse { .. }) && self.place().is_none()
    }

    /// Goes on with the stream, taken up again. An error where nothing was heard for too long.
    pub(crate) fn resume(&mut self, body: AnswerBody, before: Place) -> Result<(), Cause> {
        self.still_waits()?;
        self.source = Source::sse(body, self.relay.gate.options.max_message);
        if let Source::Sse { read, .. } = &mut self.source {
            read.place = before;
        }
        self.over = false;
        Ok(())
    }

    /// An error where nothing was heard for too long.
    pub(crate) fn still_waits(&mut self) -> Result<(), Cause> {
        match self.silence.filter(|limit| self.heard.elapsed() > *limit) {
            Some(limit) => Err(self.failed(Failure::Silent(limit)).cause(self.relay.server())),
            None => Ok(()),
        }
    }

    /// Nothing more will come, for this reason.
    pub(crate) fn give_up(&mut self, why: &str) -> Cause {
        self.failed(Failure::Broken(why.to_owned())).cause(self.relay.server())
    }
}
