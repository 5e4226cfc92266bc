//! The way of one message to its upstream and back, with what may stop it: a way that is broken, a full house, the end
//! of its time, the end of the gateway. A session that the upstream forgot is opened again here.

use crate::answer;
use crate::errors::Cause;
use crate::exchange::{Exchange, Opened, Way};
use crate::forward::{Failure, by};
use crate::gate::{Phase, until};
use crate::judge::{Caller, Denial};
use crate::reopen;
use crate::sessions::{Session, Why};
use crate::snapshot::GrantEntry;
use crate::standing::Pass;
use crate::translate;
use bytes::Bytes;
use callgate_decision::{Cover, Permit};
use callgate_mcp::{Era, MCP_PROTOCOL_VERSION, Message, MessageKind, Method};
use http::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;

impl Way<'_> {
    /// Carries a message that is not `initialize`, within the limits of its server.
    pub(crate) async fn cross(
        self,
        permit: Permit,
        message: &Message<'_>,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Exchange, Failure> {
        // Whoever is stopped here has dropped the permit: nothing left, and nothing is charged.
        let pass = self.pass(message)?;
        let far = self.session.and_then(|session| session.far_id());
        if let Some(session) = self.session {
            session.tells(message);
        }
        // Boxed: it would be moved as a whole three times.
        let carried = Box::pin(self.carry(permit, message, body.clone(), headers));
        let crossed = self.within(message, carried).await;
        let crossed = match (crossed, self.session, far) {
            (Err(Failure::Gone), Some(session), Some(far)) => Box::pin(self.again(session, &far, message, body)).await,
            (crossed, ..) => crossed,
        };
        match crossed {
            Ok(Exchange::Stream(mut messages)) => {
                messages.hold(pass);
                Ok(Exchange::Stream(messages))
            }
            Ok(Exchange::Large(mut large)) => {
                large.flight.hold(pass);
                Ok(Exchange::Large(large))
            }
            Ok(exchange) => {
                pass.succeeded();
                Ok(exchange)
            }
            Err(failure) => {
                pass.failed(&failure);
                self.cancel_late(message, &failure);
                Err(failure)
            }
        }
    }

    /// Carries `initialize`, within the limits of its server.
    pub(crate) async fn cross_open(
        self,
        permit: Permit,
        message: &Message<'_>,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Opened, Failure> {
        let pass = self.pass(message)?;
        let opened = self.within(message, Box::pin(self.open(permit, message, body, headers))).await;
        match &opened {
            Ok(_) => pass.succeeded(),
            Err(failure) => pass.failed(failure),
        }
        opened
    }

    fn pass(self, message: &Message<'_>) -> Result<Pass, Failure> {
        let standing = self.gate.standings.of(&self.entry.server);
        let takes_place = message.kind() == MessageKind::Request && message.method() != Method::SubscriptionsListen;
        standing.pass(takes_place.then_some(self.entry.server.limits.in_flight))
    }

    /// The work, until the call's time or the gateway's is over.
    async fn within<T>(
        self,
        message: &Message<'_>,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let whole = message.kind() == MessageKind::Request && message.method() != Method::SubscriptionsListen;
        let limit = self.entry.server.timeouts.call.filter(|_| whole);
        let mut phase = self.gate.phase();
        let stopping = until(&mut phase, |phase| *phase >= Phase::Stopping);
        tokio::select! {
            done = by(limit, work) => done,
            () = stopping => Err(Failure::Refused(Cause::Stopping)),
        }
    }

    /// The upstream no longer knows the session: opened again where nothing is missed by that, and the message, which
    /// did not run, judged and carried once more. Else the session ends.
    async fn again(
        self,
        session: &Arc<Session>,
        far: &HeaderValue,
        message: &Message<'_>,
        body: Bytes,
    ) -> Result<Exchange, Failure> {
        let gone = |way: Self| {
            way.gate.sessions.end_because(session, Why::Lost);
            Err(Failure::Gone)
        };
        // What a response answers is forgotten with the session.
        if message.kind() == MessageKind::Response || !reopen::reopen(self, session, far).await {
            return gone(self);
        }
        // Time has passed: what counts is the configuration of now.
        let entry = self.now().map_err(Failure::Refused)?;
        let way = Way { entry: &entry, ..self };
        let permit = match way.judge(message).await {
            Ok(permit) => permit,
            Err(answer) => return Ok(answer),
        };
        match way.within(message, Box::pin(way.carry(permit, message, body, headers(session)))).await {
            Err(Failure::Gone) => gone(self),
            done => done,
        }
    }

    /// The grant as it is now; with it, a session keeps its upstream.
    pub(crate) fn now(self) -> Result<Arc<GrantEntry>, Cause> {
        match self.session {
            Some(_) if !self.gate.still_holds(self.entry) => Err(Cause::GrantEnded),
            _ => self.gate.renewed(self.entry),
        }
    }

    /// What lets a message leave that waited since `permit` let it: the same, where whatever decided about it is still
    /// in force; else it is decided again, and what was charged before goes back. A refusal is an answer.
    pub(crate) async fn decided_again(
        self,
        permit: Permit,
        message: &Message<'_>,
    ) -> Result<(Permit, Arc<GrantEntry>), Exchange> {
        let entry = match self.now() {
            Ok(entry) => entry,
            Err(cause) => {
                let message = answer::cause_message(&cause, message.id_bytes()).into();
                return Err(Exchange::Whole { status: cause.row().status, message });
            }
        };
        if entry.decides_like(self.entry) && !self.is_set_aside(message) {
            return Ok((permit, entry));
        }
        // A person's yes to this very call stays with it, if it is still what was asked about.
        let cover = permit.release();
        let permit = Way { entry: &entry, ..self }.judge_under(message, cover).await?;
        Ok((permit, entry))
    }

    /// A person's yes took its time to be looked up and to be used up. What is no longer decided so is decided again.
    pub(crate) async fn carry_approved(
        self,
        mut permit: Permit,
        message: &Message<'_>,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Exchange, Failure> {
        let mut entry = Arc::clone(self.entry);
        loop {
            let now;
            (permit, now) = match (Way { entry: &entry, ..self }).decided_again(permit, message).await {
                Ok(decided) => decided,
                Err(answer) => return Ok(answer),
            };
            // To be decided again takes time, too.
            if now.decides_like(&entry) {
                return Way { entry: &now, ..self }.carry_decided(permit, message, body, headers).await;
            }
            entry = now;
        }
    }

    /// Whether the tool that a message calls is set aside until a person has looked at it.
    fn is_set_aside(self, message: &Message<'_>) -> bool {
        let definition = message.tool_call().and_then(|call| self.gate.definition(&self.entry.server, call.name));
        definition.is_some_and(|definition| definition.quarantined)
    }

    /// Decides about a message once more; the answer to it where it is denied.
    pub(crate) async fn judge(self, message: &Message<'_>) -> Result<Permit, Exchange> {
        self.judge_under(message, None).await
    }

    async fn judge_under(self, message: &Message<'_>, cover: Option<Cover>) -> Result<Permit, Exchange> {
        let own = translate::client(message);
        let client = own.as_ref().or_else(|| self.session?.client.as_ref());
        let session = self.session.filter(|_| self.era == Era::Legacy).map(|session| &*session.id);
        let judged = self
            .gate
            .judge_under(Caller { entry: self.entry, session, client, trace: self.trace }, message, cover)
            .await;
        judged.map_err(|denial| {
            // It is on its way already, so it does not wait: its client comes again.
            if let Denial::Asked(asked) = &denial {
                self.gate.waiting.stays(&asked.approval.id);
            }
            let message = answer::denial_message(&denial, message.id_bytes(), self.era).into();
            Exchange::Whole { status: answer::denial_status(&denial), message }
        })
    }

    /// Tells a legacy upstream over HTTP that a request's time is over. Elsewhere, to go away is to cancel.
    fn cancel_late(self, message: &Message<'_>, failure: &Failure) {
        if let (Failure::Overdue(_), Era::Legacy, Some(id)) = (failure, self.era, message.id_bytes()) {
            crate::late::cancel(self.gate, self.pool, self.entry, self.session, id);
        }
    }
}

/// The headers of a message in a legacy session.
pub(crate) fn headers(session: &Session) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    if session.revision.has_version_header() {
        let revision = HeaderValue::from_static(session.revision.as_str());
        headers.insert(HeaderName::from_static(MCP_PROTOCOL_VERSION), revision);
    }
    headers
}
