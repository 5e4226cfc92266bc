//! What is said where a server's question is refused: to the server, and to the client that waits for its answer.

use crate::answer;
use crate::errors::REFUSED_BY_POLICY;
use crate::forward::{Ask, Peer, Pool, forward_http, forward_note};
use crate::gate::Gate;
use crate::judge::Caller;
use crate::sessions::{FarEnd, Session};
use crate::snapshot::GrantEntry;
use crate::upstream::UpstreamConfig;
use bytes::Bytes;
use callgate_decision::Refused;
use callgate_mcp::{
    Batches, Era, Incoming, MCP_PROTOCOL_VERSION, MCP_SESSION_ID, Method, error_response, parse_client, tool_refusal,
};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;

/// Refusals on their way to servers at once: a server that asks without end is not answered without end.
const MAX_ANSWERS: usize = 64;

/// A question or a result that the policy refuses, or that could not be recorded.
#[derive(Debug)]
pub(crate) struct Denied {
    refused: Box<Refused>,
    what: What,
}

#[derive(Debug)]
enum What {
    Question,
    /// A result; of a tool, or of something else.
    Result {
        of_tool: bool,
    },
}

/// Where the refusal of a server's request goes.
pub(crate) enum ServerEnd {
    /// To the other end of a connection.
    Peer(Peer),
    /// To the HTTP server behind this session.
    Session(Arc<Session>),
}

impl Denied {
    pub(crate) fn question(refused: Box<Refused>) -> Self {
        Self { refused, what: What::Question }
    }

    /// `of_tool`: what stands in its place can be a result that a model reads.
    pub(crate) fn result(refused: Box<Refused>, of_tool: bool) -> Self {
        Self { refused, what: What::Result { of_tool } }
    }

    /// The reason, for people.
    pub(crate) fn message(&self) -> &str {
        &self.refused.decision.message
    }

    /// The answer to the server's request with this id, on one line.
    pub(crate) fn to_server(&self, id: &[u8]) -> Vec<u8> {
        // What exactly the policy says is none of the server's business.
        let text = "[POLICY DENIED] The policy of the client's grant does not allow this request.";
        let mut line = error_response(Some(id), REFUSED_BY_POLICY, text, Some("{\"code\":\"CG2061\"}"));
        line.retain(|byte| *byte != b'\n');
        line
    }

    /// The answer to the client's request with this id, whose result would have been the question, or is refused.
    pub(crate) fn to_client(&self, id: &[u8], era: Era, method: Option<Method>) -> Vec<u8> {
        let (text, page, of_tool) = match self.what {
            What::Question => {
                let text =
                    format!("[POLICY DENIED] The server wants something that is not allowed. {}", self.message());
                (text, "CG2061", method == Some(Method::ToolsCall))
            }
            What::Result { of_tool } => (format!("[POLICY DENIED] {}", self.message()), "CG2110", of_tool),
        };
        let decision = answer::decision_member(&self.refused, None);
        if of_tool {
            return tool_refusal(id, era, &text, Some(&format!("{{{decision}}}")));
        }
        let data = format!("{{\"code\":\"{page}\",{decision}}}");
        error_response(Some(id), REFUSED_BY_POLICY, &text, Some(&data))
    }
}

impl ServerEnd {
    /// Tells the server that its request is refused, beside whatever else is going on.
    pub(crate) fn tell(self, gate: &Arc<Gate>, entry: &Arc<GrantEntry>, line: Vec<u8>) {
        let Ok(place) = Arc::clone(&gate.refusing).try_acquire_owned() else {
            tracing::warn!(server = entry.server.name.as_str(), "more than {MAX_ANSWERS} refusals are on their way");
            return;
        };
        let (gate, entry) = (Arc::clone(gate), Arc::clone(entry));
        tokio::spawn(async move {
            let _place = place;
            if let Err(why) = self.send(&gate, &entry, line).await {
                tracing::debug!(server = entry.server.name.as_str(), "the server was not told of a refusal: {why}");
            }
        });
    }

    async fn send(self, gate: &Arc<Gate>, entry: &Arc<GrantEntry>, line: Vec<u8>) -> Result<(), String> {
        let session = match &self {
            Self::Peer(_) => None,
            Self::Session(session) => Some(&*session.id),
        };
        let caller = Caller { entry, session, client: None, trace: None };
        let permit = gate.judge_stream(caller, "(refusal)").await.map_err(|cause| cause.to_string())?;
        let timeouts = &entry.server.timeouts;
        let session = match self {
            Self::Session(session) => session,
            Self::Peer(peer) => {
                let Ok(Incoming::One(message)) = parse_client(&line, &gate.limits, Batches::Refused) else {
                    return Err("its id can't be repeated".to_owned());
                };
                let sent = forward_note(permit, &peer, &message, timeouts).await;
                return sent.map_err(|failure| format!("{failure:?}"));
            }
        };
        let (FarEnd::Http(id), UpstreamConfig::Http(upstream)) = (&session.far, &session.server.upstream) else {
            return Err("there is no way back to it".to_owned());
        };
        let mut headers = HeaderMap::with_capacity(6);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if let Some(id) = id {
            headers.insert(MCP_SESSION_ID, id.clone());
        }
        if session.revision.has_version_header() {
            let version = HeaderValue::from_static(session.revision.as_str());
            headers.insert(HeaderName::from_static(MCP_PROTOCOL_VERSION), version);
        }
        let (connect, silence) = (timeouts.connect, Some(timeouts.silence));
        let ask = Ask { method: http::Method::POST, headers, body: Bytes::from(line), connect, silence };
        // A connection of its own: refusals are rare, and the worker's pool is out of reach here.
        let pool = Arc::new(Pool::new(Arc::clone(&gate.tls)));
        let (flight, _) = forward_http(permit, &pool, upstream, ask).await.map_err(|failure| format!("{failure:?}"))?;
        flight.accepted();
        Ok(())
    }
}

/// The places of [`ServerEnd::tell`].
pub(crate) fn places() -> Arc<tokio::sync::Semaphore> {
    Arc::new(tokio::sync::Semaphore::new(MAX_ANSWERS))
}
