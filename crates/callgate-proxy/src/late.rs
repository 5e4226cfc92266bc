//! What a legacy upstream over HTTP is told when the time of a request is over: to go away alone would mean nothing.

use crate::crossing;
use crate::forward::{Ask, Pool, forward_http};
use crate::gate::Gate;
use crate::judge::Caller;
use crate::sessions::{FarEnd, Session};
use crate::snapshot::GrantEntry;
use crate::upstream::UpstreamConfig;
use bytes::Bytes;
use callgate_mcp::{MCP_SESSION_ID, notification};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use std::sync::Arc;

/// Sends `notifications/cancelled` for a request of this session, beside everything else. `id` is its id as JSON.
pub(crate) fn cancel(
    gate: &Arc<Gate>,
    pool: &Arc<Pool>,
    entry: &Arc<GrantEntry>,
    session: Option<&Arc<Session>>,
    id: &[u8],
) {
    let Some(session) = session.filter(|session| matches!(session.far, FarEnd::Http(_))).cloned() else { return };
    if !matches!(entry.server.upstream, UpstreamConfig::Http(_)) {
        return;
    }
    let params = [&b"{\"requestId\":"[..], id, b",\"reason\":\"its time is over\"}"].concat();
    let body = notification("notifications/cancelled", Some(&params));
    let (gate, pool, entry) = (Arc::clone(gate), Arc::clone(pool), Arc::clone(entry));
    tokio::spawn(async move { tell(&gate, &pool, &entry, &session, body.into()).await });
}

async fn tell(gate: &Gate, pool: &Arc<Pool>, entry: &GrantEntry, session: &Session, body: Bytes) {
    let UpstreamConfig::Http(upstream) = &entry.server.upstream else { return };
    let caller = Caller { entry, session: Some(&session.id), client: session.client.as_ref(), trace: None };
    let Ok(permit) = gate.judge_stream(caller, "(cancel)").await else { return };
    let mut headers = crossing::headers(session);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(id) = session.far_id() {
        headers.insert(MCP_SESSION_ID, id);
    }
    let wait = entry.server.timeouts.connect;
    let ask = Ask { method: http::Method::POST, headers, body, connect: wait, silence: Some(wait) };
    match forward_http(permit, pool, upstream, ask).await {
        Ok((flight, _)) => flight.accepted(),
        Err(failure) => tracing::debug!("the server was not told that a request's time is over: {failure:?}"),
    }
}
