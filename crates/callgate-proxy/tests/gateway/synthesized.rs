//! A legacy client in front of a server that speaks only 2026-07-28.

mod events;
mod input;
mod lines;
mod opening;
pub mod server;

use crate::http::Answer;
use crate::world::{Plan, TOKEN, World, post};
use callgate_proxy::{Timeouts, UpstreamConfig, UpstreamEra};
use serde_json::{Value, json};

pub const ALL: &str = r#"{"roots":{"listChanged":true},"sampling":{},"elicitation":{"form":{},"url":{}}}"#;

/// A world whose server is known to be modern.
async fn world(upstream: UpstreamConfig) -> World {
    World::planned(upstream, Plan { era: UpstreamEra::Modern, ..Plan::default() }).await
}

async fn with_policy(upstream: UpstreamConfig, policy: Value) -> World {
    World::planned(upstream, Plan { policy, era: UpstreamEra::Modern, ..Plan::default() }).await
}

async fn impatient(upstream: UpstreamConfig, timeouts: Timeouts) -> World {
    World::planned(upstream, Plan { timeouts, era: UpstreamEra::Modern, ..Plan::default() }).await
}

fn initialize(version: &str, capabilities: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{{"name":"test","version":"1"}}}}}}"#
    )
}

/// Opens a session; its id.
pub async fn session(world: &World, capabilities: &str) -> String {
    let body = initialize("2025-11-25", capabilities);
    let answer = world.raw(&post(TOKEN, &[], body.as_bytes())).await;
    answer.header("mcp-session-id").unwrap_or_else(|| panic!("no session: {answer:?}")).to_owned()
}

pub async fn send(world: &World, session: &str, body: impl AsRef<[u8]>) -> Answer {
    world.post(&[("Mcp-Session-Id", session)], body).await
}

fn request(method: &str, params: &Value) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":"mine","method":"{method}","params":{params}}}"#)
}

pub fn call(tool: &str, how: &str) -> String {
    let params = json!({ "name": tool, "arguments": { "how": how }, "_meta": { "progressToken": "tok" } });
    request("tools/call", &params)
}

pub fn response(id: &str, result: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}
