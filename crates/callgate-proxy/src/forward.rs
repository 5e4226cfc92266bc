//! The only way to an upstream. Every function here that sends takes its permit by value; what sends without one is
//! private to this module.

mod http;
mod peer;
mod pool;
mod processes;
mod routes;
mod tls;

pub(crate) use http::{Answer, AnswerBody, Ask, Collected};
pub(crate) use peer::{Asked, Ended, Far, Listener, Peer};
pub(crate) use pool::Pool;
pub(crate) use processes::Processes;
pub(crate) use tls::Tls;

use crate::bridge::DecidedElsewhere;
use crate::errors::Cause;
use crate::snapshot::Timeouts;
use crate::standing::Pass;
use crate::upstream::HttpUpstream;
use ::http::StatusCode;
use bytes::Bytes;
use callgate_decision::{Cover, DecisionId, Ending, InFlight, Permit, ResultKind};
use callgate_mcp::{Message, MessageKind, ResponseOutcome};
use callgate_policy::Settlement;
use std::sync::Arc;
use std::time::{Duration, Instant};

tokio::task_local! {
    /// When the time of the call is over that is being carried, and how long that was. Calls that may take as long as
    /// they take are carried outside of it.
    static DUE: (tokio::time::Instant, Duration);
}

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
    /// It took longer than a whole call may take.
    Overdue(Duration),
    /// The upstream no longer knows the session: nothing ran.
    Gone,
    /// The way to the upstream was broken so often that nothing is sent for this long.
    Resting(Duration),
    /// As many requests as may be are in flight: this many.
    Full(usize),
    /// As many processes as may be are running: this many.
    TooManyProcesses(usize),
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
    /// An HTTP status that is no success, and the body that came with it.
    Status(StatusCode, Bytes),
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
    /// When the call's time is over, and how long that was.
    due: Option<(tokio::time::Instant, Duration)>,
    pass: Option<Pass>,
}

/// Does the work of a call that has this long: everything that departs meanwhile has to be answered within it.
pub(crate) async fn by<T>(limit: Option<Duration>, work: impl Future<Output = T>) -> T {
    match limit {
        None => work.await,
        Some(limit) => DUE.scope((tokio::time::Instant::now() + limit, limit), work).await,
    }
}

/// Sends a request to an HTTP upstream.
pub(crate) async fn forward_http(
    permit: Permit,
    pool: &Arc<Pool>,
    upstream: &HttpUpstream,
    ask: Ask,
) -> Result<(Flight, Answer), Failure> {
    let mut flight = Flight::depart(permit);
    match flight.in_time(http::send(pool, upstream, ask)).await {
        Ok(mut answer) => {
            flight.status = Some(answer.status.as_u16());
            answer.body.is_due(flight.due);
            Ok((flight, answer))
        }
        Err(failure) => Err(flight.fail(failure)),
    }
}

/// Sends a request to a peer. `cancel`: the request is cancelled where its answers are no longer wanted.
pub(crate) async fn forward_request(
    permit: Permit,
    process: &Peer,
    message: &Message<'_>,
    timeouts: &Timeouts,
    cancel: bool,
) -> Result<(Flight, Asked), Failure> {
    let flight = Flight::depart(permit);
    let asked = async {
        match tokio::time::timeout(timeouts.silence, process.ask(message, cancel)).await {
            Ok(asked) => asked,
            Err(_) => Err(Failure::Silent(timeouts.silence)),
        }
    };
    match flight.in_time(asked).await {
        Ok(asked) => Ok((flight, asked)),
        Err(failure) => Err(flight.fail(failure)),
    }
}

/// Sends a notification or a response to a peer.
pub(crate) async fn forward_note(
    permit: Permit,
    process: &Peer,
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

/// Sends the answers to a peer's questions: the call that they belong to goes on, in this flight.
pub(crate) async fn forward_answers(
    permit: Permit,
    peer: &Peer,
    answers: Vec<Vec<u8>>,
    timeouts: &Timeouts,
) -> Result<Flight, Failure> {
    let flight = Flight::depart(permit);
    let sent = async {
        for answer in answers {
            peer.answer(answer).await?;
        }
        Ok(())
    };
    match tokio::time::timeout(timeouts.silence, sent).await {
        Ok(Ok(())) => Ok(flight),
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
        let due = DUE.try_with(|due| *due).ok();
        Self { inner: permit.depart(), since: Instant::now(), status: None, bytes: 0, due, pass: None }
    }

    /// The work, or a failure where the call's time is over first.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        match self.due {
            None => work.await,
            Some((at, limit)) => tokio::time::timeout_at(at, work).await.unwrap_or(Err(Failure::Overdue(limit))),
        }
    }

    /// The decision that let it leave.
    pub(crate) fn id(&self) -> DecisionId {
        self.inner.id()
    }

    /// Whether a flow wants the call completed: its answer has to be looked at.
    pub(crate) fn is_required(&self) -> bool {
        self.inner.is_required()
    }

    /// When the call's time is over, and how long that was.
    pub(crate) fn due(&self) -> Option<(tokio::time::Instant, Duration)> {
        self.due
    }

    /// The yes under which the call left, where a person was asked.
    pub(crate) fn cover(&self) -> Option<&Cover> {
        self.inner.cover()
    }

    /// Keeps the call's leave until it is over.
    pub(crate) fn hold(&mut self, pass: Pass) {
        pass.succeeded();
        self.pass = Some(pass);
    }

    /// Notes bytes of the answer.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The response is there; `None` where it was passed on without being read.
    pub(crate) fn answered(self, outcome: Option<ResponseOutcome>) {
        let Some(outcome) = outcome else { return self.end(Settlement::Keep, ResultKind::Unread, None) };
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
        if let Some(pass) = &self.pass {
            pass.failed(&failure);
        }
        let (settlement, result) = match &failure {
            Failure::Unreachable(_) | Failure::NotStarted(_) | Failure::Gone => {
                (Settlement::GiveBack, ResultKind::Unreachable)
            }
            Failure::Silent(_) | Failure::Overdue(_) => (Settlement::Keep, ResultKind::Timeout),
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
            Self::Overdue(limit) => Cause::Overdue { server, limit },
            Self::Gone => Cause::SessionUnknown,
            Self::Resting(wait) => Cause::Resting { server, wait },
            Self::Full(limit) => Cause::Full { server, limit },
            Self::TooManyProcesses(limit) => Cause::TooManyProcesses { server, limit },
            Self::Redirect(status) => Cause::Redirect { server, status: status.as_u16() },
            Self::Unreadable(why) => Cause::Unreadable { server, why },
            Self::TooLarge(limit) => Cause::AnswerTooLarge { server, limit },
            Self::Ended(status) => Cause::ProcessEnded { server, status },
            Self::TooSlow => Cause::ReaderTooSlow { server },
            Self::Status(status, _) => Cause::Broken { server, why: format!("it answered with HTTP {status}") },
            Self::Refused(cause) => cause,
        }
    }
}
