//! Prompts and completion: one without arguments, one with, and one that asks before it is given.

use crate::answer::page;
use crate::exchange::{Ending, Exchange, Outcome};
use crate::resources::cached;
use crate::tasks::with_cursor;
use serde_json::{Value, json};

const STYLES: [&str; 4] = ["plain", "polite", "poetic", "terse"];

/// Serves `prompts/*` and `completion/complete`.
pub(crate) async fn serve(exchange: &mut Exchange, method: &str) -> Outcome {
    match method {
        "prompts/list" => {
            let all = all(exchange);
            let (page, next) = page(exchange, &all)?;
            Ok(cached(exchange, with_cursor(json!({"prompts": page, "x-fixture": "kept"}), next)))
        }
        "prompts/get" => get(exchange).await,
        _ => complete(exchange),
    }
}

fn all(exchange: &Exchange) -> Vec<Value> {
    let style = json!({"name": "style", "description": "How", "required": false});
    let name = json!({"name": "name", "description": "Whom", "required": true});
    let mut all = vec![
        json!({"name": "plain", "description": "A prompt without arguments", "x-fixture": {"kept": true}}),
        json!({"name": "greet", "title": "Greet", "description": "A greeting", "arguments": [name, style]}),
        json!({"name": "asking", "description": "A prompt that asks first"}),
    ];
    if exchange.fixture.extra().prompts {
        all.push(json!({"name": "extra", "description": "One that wasn't there before"}));
    }
    all
}

async fn get(exchange: &mut Exchange) -> Outcome {
    let name = exchange.call.param("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !all(exchange).iter().any(|prompt| prompt.get("name") == Some(&json!(name))) {
        return Err(Ending::fail(-32602, format!("unknown prompt `{name}`")));
    }
    let mut said = exchange.call.param("arguments").cloned().unwrap_or(json!({}));
    if name == "greet" && said.get("name").is_none() {
        return Err(Ending::fail(-32602, "the argument `name` is missing"));
    }
    if name == "asking" {
        let question = json!({"mode": "form", "message": "Which topic?", "requestedSchema": {
            "type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]}});
        said = exchange.ask("topic", "elicitation/create", &question).await?;
    }
    let text = json!({"prompt": name, "arguments": said}).to_string();
    let message = json!({"role": "user", "content": {"type": "text", "text": text}});
    Ok(json!({"description": name, "messages": [message], "x-fixture": "kept"}))
}

fn complete(exchange: &Exchange) -> Outcome {
    let argument = |key: &str| exchange.call.param("argument").and_then(|argument| argument.get(key)?.as_str());
    let begun = argument("value").unwrap_or_default();
    let values: Vec<&str> = match argument("name") {
        Some("style") => STYLES.to_vec(),
        Some("id") => vec!["1", "2", "10"],
        _ => Vec::new(),
    };
    let values: Vec<&str> = values.into_iter().filter(|value| value.starts_with(begun)).collect();
    Ok(json!({"completion": {"values": values, "total": values.len(), "hasMore": false}, "x-fixture": "kept"}))
}
