//! The demo's calls: some pass, some are denied, one limit is reached, one waits for a person.

use super::Served;
use crate::client::HttpClient;
use crate::output;
use serde_json::{Value, json};

/// Calls a server as an agent would.
pub(super) async fn burst(server: &Served) {
    let Ok(mut client) = HttpClient::with_token(&server.url, &server.token) else { return };
    if let Err(error) = client.initialize().await {
        output::note(&format!("warning: the demo's calls to `{}` fail: {error}", server.name));
        return;
    }
    for (tool, arguments, times) in calls(server.name) {
        for _ in 0..times {
            let parameters = json!({ "name": tool, "arguments": arguments });
            // A refusal is an answer like any other; the journal has it.
            if let Err(error) = client.request("tools/call", parameters).await {
                tracing::debug!("the demo's call of `{tool}` was answered: {error}");
            }
        }
    }
    client.close().await;
}

/// A line that makes one call, in the revision that needs no handshake.
pub(super) fn curl(server: &Served) -> String {
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": "exec_command", "arguments": { "session_id": "demo", "command": "ls" },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "curl", "version": "8" },
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    format!(
        "  curl -s {} \\\n    -H 'Authorization: Bearer {}' \\\n    -H 'Content-Type: application/json' \
         -H 'Accept: application/json, text/event-stream' \\\n    -H 'MCP-Protocol-Version: 2026-07-28' \
         -H 'Mcp-Method: tools/call' -H 'Mcp-Name: exec_command' \\\n    -d '{message}'",
        server.url, server.token
    )
}

fn calls(server: &str) -> Vec<(&'static str, Value, usize)> {
    match server {
        "kernel" => vec![
            ("get_connection_context", json!({}), 1),
            ("exec_command", json!({ "session_id": "demo", "command": "ls", "args": ["-l"] }), 2),
            ("exec_command", json!({ "session_id": "demo", "command": "rm", "args": ["-rf", "/"] }), 1),
            ("exec_command", json!({ "session_id": "demo", "command": "uname" }), 9),
            ("transfer_funds", json!({ "amount": 100 }), 1),
        ],
        _ => vec![
            ("ps", json!({}), 1),
            ("exec", json!({ "container": "web", "command": ["ls", "/srv"] }), 1),
            ("exec", json!({ "container": "web", "command": ["rm", "-rf", "/srv"] }), 1),
            // Last, so that it stands at the end: it waits for a person.
            ("build", json!({ "path": "/srv/web" }), 1),
        ],
    }
}

/// The tool of a server that needs a person's yes, and what its rule says.
pub(super) fn asking(server: &str) -> Option<(&'static str, &'static str)> {
    (server == "pare-docker").then_some(("build", "Building an image runs what is in it: a person looks first."))
}
