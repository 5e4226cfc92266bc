//! Resources: lists with pages, templates, text and bytes, subscriptions, and one that asks before it is read.

use crate::answer::page;
use crate::exchange::{Ending, Exchange, Outcome};
use crate::tasks::with_cursor;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const TEMPLATE: &str = "fixture://item/";

/// Serves `resources/*`.
pub(crate) async fn serve(exchange: &mut Exchange, method: &str) -> Outcome {
    let uri = exchange.call.param("uri").and_then(Value::as_str).unwrap_or_default().to_owned();
    match method {
        "resources/list" => {
            let all = all(exchange);
            let (page, next) = page(exchange, &all)?;
            Ok(cached(exchange, with_cursor(json!({"resources": page, "x-fixture": "kept"}), next)))
        }
        "resources/templates/list" => {
            let template = json!({"uriTemplate": format!("{TEMPLATE}{{id}}"), "name": "item",
                "description": "Any item", "mimeType": "text/plain", "x-fixture": {"kept": true}});
            Ok(cached(exchange, json!({"resourceTemplates": [template]})))
        }
        "resources/read" => {
            let contents = read(exchange, &uri).await?;
            Ok(cached(exchange, json!({"contents": [contents], "x-fixture": "kept"})))
        }
        _ => {
            exchange.peer.subscribe(&uri, method == "resources/subscribe");
            Ok(json!({}))
        }
    }
}

/// What the modern era says about keeping a result.
pub(crate) fn cached(exchange: &Exchange, mut result: Value) -> Value {
    if exchange.modern {
        crate::answer::insert(&mut result, "ttlMs", json!(60_000));
        crate::answer::insert(&mut result, "cacheScope", json!("public"));
    }
    result
}

fn all(exchange: &Exchange) -> Vec<Value> {
    let resource = |name: &str, kind: &str| {
        json!({"uri": format!("fixture://{name}"), "name": name, "mimeType": kind, "x-fixture": {"kept": true},
            "annotations": {"audience": ["user"], "priority": 0.5}})
    };
    let mut all = vec![
        resource("text/1", "text/plain"),
        resource("text/2", "text/plain"),
        resource("bytes", "application/octet-stream"),
        resource("asking", "text/plain"),
    ];
    if exchange.fixture.extra().resources {
        all.push(resource("extra", "text/plain"));
    }
    all
}

async fn read(exchange: &mut Exchange, uri: &str) -> Outcome {
    let plain = |text: String| json!({"uri": uri, "mimeType": "text/plain", "text": text, "x-fixture": {"kept": true}});
    if uri == "fixture://bytes" {
        let bytes: Vec<u8> = (0..=255).collect();
        return Ok(json!({"uri": uri, "mimeType": "application/octet-stream", "blob": STANDARD.encode(bytes)}));
    }
    if uri == "fixture://asking" {
        let question = json!({"mode": "form", "message": "May it be read?", "requestedSchema": {
            "type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}});
        let answer = exchange.ask("may", "elicitation/create", &question).await?;
        return Ok(plain(answer.to_string()));
    }
    if let Some(item) = uri.strip_prefix(TEMPLATE) {
        return Ok(plain(format!("item {item}")));
    }
    if all(exchange).iter().any(|resource| resource.get("uri") == Some(&json!(uri))) {
        return Ok(plain(format!("content of {uri}")));
    }
    let error = json!({"code": if exchange.modern { -32602 } else { -32002 }, "message": "Resource not found",
        "data": {"uri": uri}});
    Err(Ending::Fail { status: 200, error })
}
