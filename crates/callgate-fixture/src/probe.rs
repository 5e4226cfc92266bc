//! The tools of the list `probe`: each does what its name says, in whichever way the era of the request does it.

mod asking;
mod content;
mod control;
mod process;

use crate::exchange::{Ending, Exchange, Outcome, text};
use crate::fault::Fault;
use crate::options::{Tool, ToolList};
use serde_json::{Value, json};

const EXTRA: &str = r#"{"tools":[{"name":"extra","description":"A tool that wasn't there before","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}]}"#;

/// The tool that `change` adds and takes out.
pub(crate) fn extra() -> Option<Tool> {
    ToolList::from_json(EXTRA).ok().and_then(|list| list.tools().first().cloned())
}

/// Runs one of these tools; `None` where it isn't one, or only echoes.
pub(crate) async fn call(exchange: &mut Exchange, name: &str) -> Option<Outcome> {
    Some(match name {
        "echo" => Ok(echo(exchange)),
        "ask" => asking::ask(exchange).await,
        "ask_twice" => asking::ask_twice(exchange).await,
        "ask_url" => asking::ask_url(exchange).await,
        "sample" => asking::sample(exchange).await,
        "roots" => asking::roots(exchange).await,
        "slow" => control::slow(exchange).await,
        "step" => control::step(exchange),
        "change" => control::change(exchange),
        "touch" => control::touch(exchange),
        "log" => control::log(exchange),
        "forget" => control::forget(exchange),
        "notify_close" => control::notify_close(exchange),
        "big" => content::big(exchange),
        "structured" => content::structured(exchange),
        "link" => Ok(content::link()),
        "region" => Ok(echo(exchange)),
        "task" => crate::tasks::create(exchange),
        "env" => process::env(),
        "fork" => process::fork(exchange),
        "misbehave" => misbehave(exchange).await,
        _ => return None,
    })
}

/// The arguments and the rest of what the client sent along, but the `_meta` of the protocol itself.
fn echo(exchange: &Exchange) -> Value {
    let arguments = exchange.call.param("arguments").cloned().unwrap_or(json!({}));
    let mut result = text(arguments.to_string());
    crate::answer::insert(&mut result, "x-fixture", json!({"kept": true, "big": 12_345_678_901_234_567_u64}));
    result
}

async fn misbehave(exchange: &Exchange) -> Outcome {
    let kind = exchange.text_argument("kind").unwrap_or_default();
    let fault: Fault =
        kind.parse().map_err(|error: crate::fault::FaultError| Ending::fail(-32602, error.to_string()))?;
    match crate::misbehave::misbehave(exchange, fault).await {
        Some(ending) => Err(ending),
        None => Ok(text(format!("{kind} was done"))),
    }
}
