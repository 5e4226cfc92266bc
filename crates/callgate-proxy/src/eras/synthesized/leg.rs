//! One request to the modern upstream, in the name of a session.

use crate::exchange::{Exchange, Way};
use crate::forward::{Failure, Pool};
use crate::gate::Gate;
use crate::judge::Caller;
use crate::mirrored;
use crate::reach;
use crate::sessions::Session;
use crate::snapshot::GrantEntry;
use crate::upstream::UpstreamConfig;
use bytes::Bytes;
use callgate_decision::Permit;
use callgate_mcp::{Batches, Era, HeaderParams, Incoming, MCP_PROTOCOL_VERSION, Message, Revision, parse_client};
use http::header::{HeaderName, HeaderValue};
use std::sync::Arc;

/// How deep an answer of the client may stand in the next leg, below where it stood in its own message.
const DEEPER: usize = 8;

/// The way to the upstream, for as long as an exchange lasts.
#[derive(Clone)]
pub(super) struct Road {
    pub(super) gate: Arc<Gate>,
    pub(super) pool: Arc<Pool>,
    pub(super) entry: Arc<GrantEntry>,
    pub(super) session: Option<Arc<Session>>,
    pub(super) trace: Option<Arc<str>>,
}

impl Road {
    pub(super) fn of(way: Way<'_>) -> Self {
        Self {
            gate: Arc::clone(way.gate),
            pool: Arc::clone(way.pool),
            entry: Arc::clone(way.entry),
            session: way.session.cloned(),
            trace: way.trace.map(Into::into),
        }
    }

    pub(super) fn way(&self) -> Way<'_> {
        Way {
            gate: &self.gate,
            pool: &self.pool,
            entry: &self.entry,
            session: self.session.as_ref(),
            era: Era::Modern,
            trace: self.trace.as_deref(),
            // What is dropped here is wanted by nobody any more: the front keeps what a client may come back for.
            cancel: true,
            streams: false,
        }
    }

    /// Sends a notification as it came.
    pub(super) async fn note(&self, permit: Permit, message: &Message<'_>) -> Result<Exchange, Failure> {
        let mut headers = mirrored::derived(message, None);
        headers.insert(
            HeaderName::from_static(MCP_PROTOCOL_VERSION),
            HeaderValue::from_static(Revision::V2026_07_28.as_str()),
        );
        self.way().send(permit, message, Bytes::copy_from_slice(message.bytes()), headers).await
    }

    /// The server's name.
    pub(super) fn server(&self) -> String {
        self.entry.server.name.as_str().to_owned()
    }

    /// Sends a request that the gateway wrote. Of what the client told, only what this moment's policy lets out.
    pub(super) async fn send(&self, permit: Permit, request: Bytes) -> Result<Exchange, Failure> {
        let message = self.read(&request)?;
        let Some(kept) = reach::input_responses(&self.entry, &message).map(Bytes::from) else {
            return self.send_read(permit, &message, request.clone()).await;
        };
        self.send_read(permit, &self.read(&kept)?, kept.clone()).await
    }

    async fn send_read(&self, permit: Permit, message: &Message<'_>, body: Bytes) -> Result<Exchange, Failure> {
        // Over HTTP a call repeats arguments in headers.
        let over_http = matches!(self.entry.server.upstream, UpstreamConfig::Http(_));
        let known = if over_http { mirrored::known(self.way(), message) } else { Some(None) };
        if let Some(params) = known {
            return self.send_with(permit, message, body, params).await;
        }
        let session = self.session.as_ref();
        let client = session.and_then(|session| session.client.as_ref());
        let caller = Caller { entry: &self.entry, session: session.map(|session| &*session.id), client, trace: None };
        let params = mirrored::params_of(self.way(), caller, message).await.map_err(Failure::Refused)?;
        match self.way().decided_again(permit, message).await {
            Ok((permit, entry)) => Self { entry, ..self.clone() }.send_with(permit, message, body, params).await,
            Err(answer) => Ok(answer),
        }
    }

    async fn send_with(
        &self,
        permit: Permit,
        message: &Message<'_>,
        body: Bytes,
        params: Option<Arc<HeaderParams>>,
    ) -> Result<Exchange, Failure> {
        let headers = mirrored::derived(message, params.as_deref());
        self.way().send(permit, message, body, headers).await
    }

    fn read<'a>(&self, request: &'a [u8]) -> Result<Message<'a>, Failure> {
        let mut limits = self.gate.limits;
        // The client's message was within them; what was added to it is not the client's.
        limits.json.max_bytes = usize::MAX;
        limits.json.max_values = usize::MAX;
        limits.json.max_depth = limits.json.max_depth.saturating_add(DEEPER);
        match parse_client(request, &limits, Batches::Refused) {
            Ok(Incoming::One(message)) => Ok(message),
            Ok(Incoming::Batch(_)) => Err(Failure::Unreadable("it became a batch".to_owned())),
            Err(error) => Err(Failure::Unreadable(format!("its translation can't be read: {error}"))),
        }
    }
}
