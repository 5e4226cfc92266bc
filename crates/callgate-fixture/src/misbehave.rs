//! What a request meets when a fault strikes.

use crate::exchange::{Ending, Exchange, text};
use crate::fault::Fault;
use crate::outlet::Head;
use bytes::Bytes;
use serde_json::json;
use std::io::Write;

const HUGE: u64 = 64 << 20;
const FLOOD_OF_ERRORS: u64 = 8 << 20;
const CHUNK: usize = 64 << 10;

/// Lets a fault have its way; `None` where the request is answered well all the same.
pub(crate) async fn misbehave(exchange: &Exchange, fault: Fault) -> Option<Ending> {
    match fault {
        Fault::Hang => {
            exchange.outlet.open();
            exchange.forever().await;
            Some(Ending::Nothing)
        }
        Fault::SlowHead => {
            exchange.forever().await;
            Some(Ending::Nothing)
        }
        Fault::Die => {
            break_off(exchange).await;
            Some(Ending::Abort)
        }
        Fault::Garbage | Fault::GarbageEvents => Some(garbage(exchange, fault).await),
        Fault::Twice => {
            let (_, answer) = crate::answer::complete(exchange, text("once")).message(&exchange.call.id())?;
            exchange.outlet.send(&answer);
            exchange.outlet.send(&answer.replace("once", "twice"));
            Some(Ending::Nothing)
        }
        Fault::OtherId => Some(other_id(exchange)),
        Fault::Flood => flood(exchange).await,
        Fault::HugeLine => {
            huge_line(exchange).await;
            Some(Ending::Nothing)
        }
        Fault::Redirect => {
            let to = exchange.text_argument("url").unwrap_or(&exchange.fixture.options().redirect_to).to_owned();
            Some(head(exchange, 302, vec![("location", to)], "elsewhere"))
        }
        Fault::BadStatus => {
            let status = exchange.count_argument("status").and_then(|status| u16::try_from(status).ok());
            let headers = vec![("content-type", "text/plain".to_owned())];
            Some(head(exchange, status.unwrap_or(500), headers, "the server has a bad day"))
        }
        Fault::Unasked => {
            unasked(exchange).await;
            None
        }
        Fault::StderrFlood => {
            let bytes = exchange.count_argument("bytes").unwrap_or(FLOOD_OF_ERRORS);
            // A pipe that nobody empties must not stop the other calls.
            let _ = tokio::task::spawn_blocking(move || flood_stderr(bytes)).await;
            None
        }
        Fault::IgnoreTerm => {
            exchange.fixture.be_stubborn();
            None
        }
    }
}

/// The first half of an answer.
async fn break_off(exchange: &Exchange) {
    let half = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{\"content\":[{{\"ty", exchange.call.id());
    let half = match (exchange.outlet.has_head(), exchange.fixture.options().sse) {
        (true, true) => format!("event: message\ndata: {half}"),
        (true, false) => {
            let headers = vec![("content-type", "application/json".to_owned())];
            exchange.outlet.head(Head { status: 200, headers });
            half
        }
        (false, _) => half,
    };
    exchange.outlet.raw(half.into()).await;
}

async fn garbage(exchange: &Exchange, fault: Fault) -> Ending {
    let bytes = Bytes::from_static(b"\xff\xfe<html>{\"jsonrpc\": nothing of the kind\n");
    if exchange.outlet.has_head() && fault == Fault::Garbage {
        return head(exchange, 200, vec![("content-type", "application/json".to_owned())], bytes);
    }
    exchange.outlet.raw(bytes).await;
    Ending::Nothing
}

fn other_id(exchange: &Exchange) -> Ending {
    let id = match exchange.call.id().as_i64() {
        Some(id) => json!(id + 1000),
        None => json!("other"),
    };
    let Some((_, answer)) = crate::answer::complete(exchange, text("of another")).message(&id) else {
        return Ending::Nothing;
    };
    if exchange.outlet.has_head() && !exchange.fixture.options().sse {
        return head(exchange, 200, vec![("content-type", "application/json".to_owned())], answer);
    }
    exchange.outlet.send(&answer);
    Ending::Nothing
}

/// Notifications until nobody takes them, or as many as `count` says and then an answer.
async fn flood(exchange: &Exchange) -> Option<Ending> {
    let most = exchange.count_argument("count").unwrap_or(u64::MAX);
    let data = json!({"level": "info", "logger": "flood", "data": "x".repeat(200)});
    let note = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": data}).to_string();
    let framed = if exchange.outlet.is_stream() { format!("event: message\ndata: {note}\n\n") } else { note + "\n" };
    let mut sent = 0;
    while sent < most {
        let some = 100.min(most - sent);
        let chunk = framed.repeat(usize::try_from(some).unwrap_or(1));
        let is_taken = tokio::select! {
            is_taken = exchange.outlet.raw(chunk.into()) => is_taken,
            () = exchange.forever() => false,
        };
        if !is_taken {
            return Some(Ending::Nothing);
        }
        sent += some;
    }
    None
}

/// A valid answer of so many bytes, in one line.
async fn huge_line(exchange: &Exchange) {
    let mut left = exchange.count_argument("bytes").unwrap_or(HUGE);
    let id = exchange.call.id();
    let result_type = if exchange.modern { "\"resultType\":\"complete\"," } else { "" };
    let is_stream = exchange.outlet.is_stream();
    let event = if is_stream { "event: message\ndata: " } else { "" };
    let begin = format!(
        "{event}{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{{result_type}\"content\":[{{\"type\":\"text\",\"text\":\""
    );
    let mut is_taken = exchange.outlet.raw(begin.into()).await;
    let chunk = Bytes::from(vec![b'x'; CHUNK]);
    while left > 0 && is_taken {
        let length = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        is_taken = exchange.outlet.raw(chunk.slice(..length)).await;
        left -= length as u64;
    }
    let end = if is_stream { "\"}]}}\n\n" } else { "\"}]}}\n" };
    exchange.outlet.raw(Bytes::from_static(end.as_bytes())).await;
}

/// Requests that no capability covers; `wait` waits for what comes back.
async fn unasked(exchange: &Exchange) {
    let message = json!({"role": "user", "content": {"type": "text", "text": "Say something."}});
    let schema = json!({"type": "object", "properties": {"password": {"type": "string"}}});
    let requests = [
        ("sampling/createMessage", json!({"messages": [message], "maxTokens": 10})),
        ("elicitation/create", json!({"mode": "form", "message": "Your password?", "requestedSchema": schema})),
        ("roots/list", json!({})),
    ];
    let mut answers = Vec::new();
    for (method, params) in requests {
        let (request, answer) = exchange.peer.ask(method, &params);
        exchange.outlet.send(&request);
        answers.push(answer);
    }
    if exchange.flag_argument("wait") {
        for answer in answers {
            tokio::select! {
                // The log has what came.
                _ = answer => {}
                () = exchange.forever() => return,
            }
        }
    }
}

fn flood_stderr(bytes: u64) {
    let line = [b"stderr flood ".as_slice(), &[b'x'; 200], b"\n"].concat();
    let mut error = std::io::stderr().lock();
    let mut written = 0;
    while written < bytes && error.write_all(&line).is_ok() {
        written += line.len() as u64;
    }
}

fn head(exchange: &Exchange, status: u16, headers: Vec<(&'static str, String)>, body: impl Into<Bytes>) -> Ending {
    if exchange.outlet.has_head() {
        return Ending::Whole(Head { status, headers }, body.into());
    }
    Ending::fail(-32603, "this fault needs a response of HTTP")
}
