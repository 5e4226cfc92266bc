//! The only way to an upstream. Every function here that sends takes its permit by value; what sends without one is
//! private to this module.

mod http;
mod pool;
mod process;
mod processes;
mod routes;
mod tls;

pub(crate) use http::{Answer, AnswerBody, Ask, Collected};
pub(crate) use pool::Pool;
pub(crate) use process::{Asked, Ended, Listener, Process};
pub(crate) use processes::Processes;
pub(crate) use tls::Tls;

use crate::bridge::DecidedElsewhere;
use crate::errors::Cause;
use crate::snapshot::Timeouts;
use crate::upstream::HttpUpstream;
use ::http::StatusCode;
use callgate_decision::{Ending, InFlight, Permit, ResultKind};
use callgate_mcp::{Message, MessageKind, ResponseOutcome};
use callgate_policy::Settlement;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why nothing, or not all of it, came back.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// Nothing was sent.
    Unreachable(String),
    /// The process could not be started, or has ended before anything was sent.
    NotStarted(String),
    /// It broke off.
    Broken(String),
    /// Nothing came for this long.
    Silent(Duration),
    /// A redirect, which is never followed.
    Redirect(StatusCode),
    /// What came can't be read.
    Unreadable(String),
    /// A part of what came is longer than this many bytes.
    TooLarge(usize),
    /// The process ended, in this way.
    Ended(String),
    /// The reader did not keep up.
    TooSlow,
    /// The gateway itself ended it.
    Refused(Cause),
}

/// A call that has left. It is settled once; dropped, it counts as broken off, and its charges stay.
#[derive(Debug)]
pub(crate) struct Flight {
    inner: InFlight,
    since: Instant,
    status: Option<u16>,
    bytes: u64,
}

/// Sends a request to an HTTP upstream.
pub(crate) async fn forward_http(
    permit: Permit,
    pool: &Arc<Pool>,
    upstream: &HttpUpstream,
    ask: Ask,
) -> Result<(Flight, Answer), Failure> {
    let mut flight = Flight::depart(permit);
    match http::send(pool, upstream, ask).await {
        Ok(answer) => {
            flight.status = Some(answer.status.as_u16());
            Ok((flight, answer))
        }
        Err(failure) => Err(flight.fail(failure)),
    }
}

/// Sends a request to a child process. `cancel`: the request is cancelled where its answers are no longer wanted.
pub(crate) async fn forward_request(
    permit: Permit,
    process: &Process,
    message: &Message<'_>,
    timeouts: &Timeouts,
    cancel: bool,
) -> Result<(Flight, Asked), Failure> {
    let flight = Flight::depart(permit);
    match tokio::time::timeout(timeouts.silence, process.ask(message, cancel)).await {
        Ok(Ok(asked)) => Ok((flight, asked)),
        Ok(Err(failure)) => Err(flight.fail(failure)),
        Err(_) => Err(flight.fail(Failure::Silent(timeouts.silence))),
    }
}

/// Sends a notification or a response to a child process.
pub(crate) async fn forward_note(
    permit: Permit,
    process: &Process,
    message: &Message<'_>,
    timeouts: &Timeouts,
) -> Result<(), Failure> {
    let flight = Flight::depart(permit);
    let sent = async {
        match message.kind() {
            MessageKind::Response => process.reply(message).await,
            _ => process.notify(message).await,
        }
    };
    match tokio::time::timeout(timeouts.silence, sent).await {
        Ok(Ok(())) => {
            flight.end(Settlement::Keep, ResultKind::Accepted, None);
            Ok(())
        }
        Ok(Err(failure)) => Err(flight.fail(failure)),
        Err(_) => Err(flight.fail(Failure::Silent(timeouts.silence))),
    }
}

/// The bridge's way out. It is a client of a gateway elsewhere, which decides; only the bridge can say so.
pub(crate) async fn carry(
    _elsewhere: DecidedElsewhere,
    pool: &Arc<Pool>,
    upstream: &HttpUpstream,
    ask: Ask,
) -> Result<Answer, Failure> {
    http::send(pool, upstream, ask).await
}

impl Flight {
    fn depart(permit: Permit) -> Self {
        Self { inner: permit.depart(), since: Instant::now(), status: None, bytes: 0 }
    }

    /// Notes bytes of the answer.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The response is there.
    pub(crate) fn answered(self, outcome: Option<ResponseOutcome>) {
        let Some(outcome) = outcome else { return self.end(Settlement::Keep, ResultKind::Result, None) };
        let settlement = if outcome.did_not_run() { Settlement::GiveBack } else { Settlement::Keep };
        let (result, code) = match outcome {
            ResponseOutcome::Result => (ResultKind::Result, None),
            ResponseOutcome::ToolError => (ResultKind::ToolError, None),
            ResponseOutcome::InputRequired => (ResultKind::InputRequired, None),
            ResponseOutcome::Task => (ResultKind::Task, None),
            ResponseOutcome::Error(code) => (ResultKind::Error, Some(code)),
        };
        self.end(settlement, result, code);
    }

    /// It was taken without an answer.
    pub(crate) fn accepted(self) {
        self.end(Settlement::Keep, ResultKind::Accepted, None);
    }

    /// It came to nothing. Gives the failure back, to be answered.
    pub(crate) fn fail(self, failure: Failure) -> Failure {
        let (settlement, result) = match &failure {
            Failure::Unreachable(_) | Failure::NotStarted(_) => (Settlement::GiveBack, ResultKind::Unreachable),
            Failure::Silent(_) => (Settlement::Keep, ResultKind::Timeout),
            _ => (Settlement::Keep, ResultKind::Broken),
        };
        self.end(settlement, result, None);
        failure
    }

    fn end(self, settlement: Settlement, result: ResultKind, error_code: Option<i64>) {
        self.inner.settle(Ending {
            settlement,
            result,
            upstream_status: self.status,
            error_code,
            latency_us: u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX),
            bytes: self.bytes,
        });
    }
}

impl Failure {
    /// What the caller is told.
    pub(crate) fn cause(self, server: &str) -> Cause {
        let server = server.to_owned();
        match self {
            Self::Unreachable(why) => Cause::Unreachable { server, why },
            Self::NotStarted(why) => Cause::NotStarted { server, why },
            Self::Broken(why) => Cause::Broken { server, why },
            Self::Silent(silence) => Cause::Silent { server, silence },
            Self::Redirect(status) => Cause::Redirect { server, status: status.as_u16() },
            Self::Unreadable(why) => Cause::Unreadable { server, why },
            Self::TooLarge(limit) => Cause::AnswerTooLarge { server, limit },
            Self::Ended(status) => Cause::ProcessEnded { server, status },
            Self::TooSlow => Cause::ReaderTooSlow { server },
            Self::Refused(cause) => cause,
        }
    }
}
