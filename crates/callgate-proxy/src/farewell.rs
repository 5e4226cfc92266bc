//! An HTTP upstream is told that a session of its own is over, where its client never said so.

use crate::crossing;
use crate::forward::{Ask, Pool, forward_http};
use crate::gate::Gate;
use crate::judge::Caller;
use crate::sessions::Session;
use crate::upstream::UpstreamConfig;
use bytes::Bytes;
use callgate_mcp::MCP_SESSION_ID;
use std::sync::Arc;

/// Ends the upstream's half of a session that was idle for too long.
pub(crate) async fn tell(gate: Arc<Gate>, pool: Arc<Pool>, session: Arc<Session>) {
    let (Some(id), UpstreamConfig::Http(upstream)) = (session.far_id(), &session.server.upstream) else { return };
    let Some(entry) = gate.snapshot().grant_by_id(&session.grant).cloned() else { return };
    let caller = Caller { entry: &entry, session: Some(&session.id), client: session.client.as_ref(), trace: None };
    let Ok(permit) = gate.judge_stream(caller, "(end of idle session)").await else { return };
    let mut headers = crossing::headers(&session);
    headers.insert(MCP_SESSION_ID, id);
    let wait = entry.server.timeouts.connect;
    let ask = Ask { method: http::Method::DELETE, headers, body: Bytes::new(), connect: wait, silence: Some(wait) };
    match forward_http(permit, &pool, upstream, ask).await {
        Ok((flight, _)) => flight.accepted(),
        Err(failure) => tracing::debug!("the upstream was not told that a session ended: {failure:?}"),
    }
}
