//! Tools that ask the client: elicitation, sampling, roots.

use crate::exchange::{Ending, Exchange, Outcome, text};
use serde_json::{Value, json};

/// Asks for a name and says what came.
pub(super) async fn ask(exchange: &mut Exchange) -> Outcome {
    let message = exchange.text_argument("message").unwrap_or("What is your name?").to_owned();
    let answer = exchange.ask("name", "elicitation/create", &form(&message, "name")).await?;
    Ok(said(&json!({"name": answer})))
}

/// Asks a second question after the first.
pub(super) async fn ask_twice(exchange: &mut Exchange) -> Outcome {
    let first = exchange.ask("first", "elicitation/create", &form("What is your name?", "name")).await?;
    let second = exchange.ask("second", "elicitation/create", &form("And your colour?", "colour")).await?;
    Ok(said(&json!({"first": first, "second": second})))
}

/// Sends the user to a URL; with `error`, by the error that a legacy server may answer with instead.
pub(super) async fn ask_url(exchange: &mut Exchange) -> Outcome {
    let mut question = json!({"mode": "url", "message": "Please sign in.", "url": "https://sign-in.example/start"});
    if !exchange.modern {
        crate::answer::insert(&mut question, "elicitationId", json!("elicitation-1"));
    }
    if exchange.flag_argument("error") && !exchange.modern {
        let data = json!({"elicitations": [question]});
        let error = json!({"code": -32042, "message": "This needs a sign-in", "data": data});
        return Err(Ending::Fail { status: 200, error });
    }
    let answer = exchange.ask("sign_in", "elicitation/create", &question).await?;
    if !exchange.modern {
        exchange.notify("notifications/elicitation/complete", &json!({"elicitationId": "elicitation-1"}));
    }
    Ok(said(&json!({"sign_in": answer})))
}

/// Has the client's model say something.
pub(super) async fn sample(exchange: &mut Exchange) -> Outcome {
    let prompt = exchange.text_argument("prompt").unwrap_or("Say something.").to_owned();
    let message = json!({"role": "user", "content": {"type": "text", "text": prompt}});
    let request = json!({"messages": [message], "maxTokens": 100, "systemPrompt": "Be brief."});
    let answer = exchange.ask("sample", "sampling/createMessage", &request).await?;
    Ok(said(&json!({"sample": answer})))
}

/// Asks for the client's roots.
pub(super) async fn roots(exchange: &mut Exchange) -> Outcome {
    let answer = exchange.ask("roots", "roots/list", &json!({})).await?;
    Ok(said(&json!({"roots": answer.get("roots")})))
}

fn form(message: &str, field: &str) -> Value {
    json!({"mode": "form", "message": message, "requestedSchema": {
        "type": "object", "properties": {field: {"type": "string", "title": field}}, "required": [field]}})
}

fn said(answers: &Value) -> Value {
    text(answers.to_string())
}
