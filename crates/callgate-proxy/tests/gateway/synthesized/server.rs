//! A server of 2026-07-28 over HTTP that does what a call's `how` says.

use crate::upstream::{Say, Seen, Upstream, events, json_answer, json_type};
use crate::world::http_upstream;
use callgate_proxy::UpstreamConfig;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub struct Server {
    pub upstream: Upstream,
    /// Streams that stay open: the request, and what goes on it.
    held: UnboundedReceiver<(Value, UnboundedSender<String>)>,
}

impl Server {
    pub async fn new() -> Self {
        let (holder, held) = unbounded_channel();
        let upstream = Upstream::new(move |seen| answer(seen, &holder)).await;
        Self { upstream, held }
    }

    pub fn config(&self) -> UpstreamConfig {
        http_upstream(&self.upstream)
    }

    /// The next stream that stays open.
    pub async fn held(&mut self) -> (Value, UnboundedSender<String>) {
        self.held.recv().await.unwrap()
    }

    /// The parameters of the requests with this method.
    pub fn asked(&self, method: &str) -> Vec<Value> {
        let all = self.upstream.seen().into_iter().map(|seen| seen.json());
        all.filter(|message| message["method"] == method).map(|message| message["params"].clone()).collect()
    }
}

pub fn event(message: &Value) -> String {
    format!("data: {message}\n\n")
}

fn answer(seen: &Seen, holder: &UnboundedSender<(Value, UnboundedSender<String>)>) -> Say {
    let message = seen.json();
    assert_eq!(seen.header("mcp-session-id"), None);
    assert_eq!(seen.header("mcp-protocol-version"), Some("2026-07-28"), "{message}");
    assert_eq!(seen.header("mcp-method"), message["method"].as_str());
    let (id, params) = (&message["id"], &message["params"]);
    let result = |mut result: Value| {
        result["resultType"] = "complete".into();
        json_answer(&json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string())
    };
    match message["method"].as_str() {
        Some("server/discover") => result(discovered()),
        Some("tools/list") => result(json!({ "ttlMs": 5, "cacheScope": "public", "tools": [
            { "name": "safe", "inputSchema": { "type": "object" }, "outputSchema": { "type": "array" }, "x": 1.5 },
            { "name": "delete_all", "inputSchema": { "type": "object" } },
        ] })),
        Some("tools/call") => called(id, params, holder),
        Some("resources/read") => failed(400, id, -32602, "unknown resource"),
        Some("subscriptions/listen") => {
            let (sender, receiver) = unbounded_channel();
            let mut honoured = params["notifications"].clone();
            if let Some(uris) = honoured["resourceSubscriptions"].as_array_mut() {
                uris.retain(|uri| uri != "file:///unknown");
            }
            let meta = json!({ "io.modelcontextprotocol/subscriptionId": id });
            let params = json!({ "_meta": meta, "notifications": honoured });
            let method = "notifications/subscriptions/acknowledged";
            sender.send(event(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))).unwrap();
            holder.send((message, sender)).unwrap();
            Say::Events(vec![], receiver)
        }
        Some("prompts/list") => failed(404, id, -32601, "no prompts"),
        _ => Say::Plain(202, vec![], vec![]),
    }
}

fn discovered() -> Value {
    json!({
        "supportedVersions": ["2026-07-28"], "ttlMs": 0, "cacheScope": "private", "instructions": "Be kind.",
        "capabilities": { "tools": { "listChanged": true }, "resources": { "subscribe": true }, "logging": {} },
        "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "modern", "version": "3" } }
    })
}

fn failed(status: u16, id: &Value, code: i64, text: &str) -> Say {
    let body = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": text } });
    Say::Plain(status, vec![json_type()], body.to_string().into())
}

fn called(id: &Value, params: &Value, holder: &UnboundedSender<(Value, UnboundedSender<String>)>) -> Say {
    let reply = |result: Value| json!({ "jsonrpc": "2.0", "id": id, "result": result });
    let complete = |extra: Value| {
        let content = json!([{ "type": "text", "text": "done" }]);
        reply(json!({ "resultType": "complete", "content": content, "echo": params, "extra": extra }))
    };
    let wants = |requests: Value| {
        let state = format!("state {}", params["requestState"].as_str().unwrap_or("0"));
        let result = json!({ "resultType": "input_required", "inputRequests": requests, "requestState": state });
        json_answer(&reply(result).to_string())
    };
    let elicit = json!({ "method": "elicitation/create", "params": { "message": "who?", "requestedSchema": { "type": "object" } } });
    let again = params["inputResponses"].is_object();
    let token = &params["_meta"]["progressToken"];
    let progress = |step: i64| {
        let params = json!({ "progressToken": token, "progress": step });
        event(&json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params }))
    };
    match params["arguments"]["how"].as_str().unwrap_or_default() {
        "structured" => json_answer(
            &reply(json!({ "resultType": "complete", "content": [], "structuredContent": [1] })).to_string(),
        ),
        "progress" => events(&[progress(1), progress(2), event(&complete(json!(null)))]),
        "elicit" if !again => wants(json!({ "who": elicit })),
        "ever" => wants(json!({ "who": elicit })),
        "all" if !again => wants(json!({
            "s": { "method": "sampling/createMessage", "params": { "messages": [], "maxTokens": 1 } },
            "r": { "method": "roots/list" },
            "u": { "method": "elicitation/create", "params": { "mode": "url", "message": "go", "url": "https://x.example/" } },
        })),
        "rounds" if !again => events(&[
            progress(1),
            event(&reply(json!({
            "resultType": "input_required", "inputRequests": { "who": elicit }, "requestState": "one" }))),
        ]),
        "rounds" if params["requestState"] == "one" => wants(json!({ "r": { "method": "roots/list" } })),
        "later" if params["requestState"].is_null() => {
            json_answer(&reply(json!({ "resultType": "input_required", "requestState": "soon" })).to_string())
        }
        "dies" if !again => wants(json!({ "who": elicit })),
        "dies" => Say::Nothing,
        "needs" => {
            let data = json!({ "requiredCapabilities": { "sampling": {} } });
            let error = json!({ "code": -32021, "message": "sampling is needed", "data": data });
            let body = json!({ "jsonrpc": "2.0", "id": id, "error": error });
            Say::Plain(400, vec![json_type()], body.to_string().into())
        }
        "task" => json_answer(&reply(json!({ "resultType": "task", "taskId": "t" })).to_string()),
        "silent" | "hang" => {
            let (sender, receiver) = unbounded_channel();
            if params["arguments"]["how"] == "hang" {
                sender.send(progress(1)).unwrap();
            }
            holder.send((params.clone(), sender)).unwrap();
            Say::Events(vec![], receiver)
        }
        "page" => Say::Plain(404, vec![("content-type", "text/html".into())], b"<p>".to_vec()),
        _ => json_answer(&complete(json!(1.5)).to_string()),
    }
}
