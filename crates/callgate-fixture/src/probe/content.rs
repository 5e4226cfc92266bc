//! Tools whose results have a content of some special kind.

use crate::exchange::{Exchange, Outcome, text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// So many bytes of text, and an image of so many bytes.
pub(super) fn big(exchange: &Exchange) -> Outcome {
    let length = |name| usize::try_from(exchange.count_argument(name).unwrap_or(0)).unwrap_or(0);
    let image: Vec<u8> = (0..=255).cycle().take(length("image")).collect();
    let mut content = vec![json!({"type": "text", "text": "x".repeat(length("text"))})];
    if !image.is_empty() {
        content.push(json!({"type": "image", "mimeType": "image/png", "data": STANDARD.encode(image)}));
    }
    Ok(json!({"content": content}))
}

/// Structured content that fits the tool's schema, or that doesn't where `invalid` says so.
pub(super) fn structured(exchange: &Exchange) -> Outcome {
    let count = if exchange.flag_argument("invalid") { json!("one") } else { json!(1) };
    let structured = json!({"count": count, "more": {"x-fixture": "kept", "number": 1.5}});
    let mut result = text(structured.to_string());
    crate::answer::insert(&mut result, "structuredContent", structured);
    crate::answer::insert(&mut result, "x-fixture", json!([1, {"kept": null}]));
    Ok(result)
}

/// A link to a resource, and a resource inside the result.
pub(super) fn link() -> Value {
    json!({"content": [
        {"type": "resource_link", "uri": "fixture://text/1", "name": "text/1", "mimeType": "text/plain",
            "annotations": {"audience": ["assistant"]}},
        {"type": "resource", "resource": {"uri": "fixture://text/2", "mimeType": "text/plain", "text": "embedded"}},
    ], "x-fixture": "kept"})
}
