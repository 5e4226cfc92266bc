//! Tools that let things happen: progress, changes, log messages, the end of sessions and of streams.

use crate::exchange::{Ending, Exchange, Outcome, text};
use crate::listen::Change;
use serde_json::json;

/// Goes on by one step for every call of `step`, and says so; ends after `steps` of them.
pub(super) async fn slow(exchange: &Exchange) -> Outcome {
    let total = exchange.count_argument("steps").unwrap_or(3);
    let mut steps = exchange.fixture.steps();
    let start = *steps.borrow_and_update();
    exchange.outlet.open();
    exchange.progress(0, total);
    exchange.fixture.log().event("begun", &exchange.call.id(), exchange.call.param("name"), "slow");
    let mut done = 0;
    while done < total {
        tokio::select! {
            // The sender is in the fixture: waiting can't fail.
            _ = steps.changed() => {}
            () = exchange.forever() => return Err(Ending::Nothing),
        }
        let now = (*steps.borrow_and_update() - start).min(total);
        while done < now {
            done += 1;
            exchange.progress(done, total);
        }
    }
    Ok(text(format!("{total} steps")))
}

/// One step.
pub(super) fn step(exchange: &Exchange) -> Outcome {
    exchange.fixture.step();
    Ok(text("stepped"))
}

/// Adds the extra tool, resource or prompt, or takes it out, and tells everyone.
pub(super) fn change(exchange: &Exchange) -> Outcome {
    let what = exchange.text_argument("what").unwrap_or("tools");
    let change = match what {
        "tools" => Change::Tools,
        "resources" => Change::Resources,
        "prompts" => Change::Prompts,
        other => return Err(Ending::fail(-32602, format!("`{other}` is no list"))),
    };
    let is_in = exchange.fixture.toggle(&change);
    exchange.fixture.announce(&change);
    Ok(text(format!("extra {}", if is_in { "added" } else { "removed" })))
}

/// Says that a resource was updated.
pub(super) fn touch(exchange: &Exchange) -> Outcome {
    let uri = exchange.text_argument("uri").unwrap_or("fixture://text/1");
    exchange.fixture.announce(&Change::Resource(uri.to_owned()));
    Ok(text(format!("touched {uri}")))
}

/// Logs a message.
pub(super) fn log(exchange: &Exchange) -> Outcome {
    let level = exchange.text_argument("level").unwrap_or("info");
    let is_sent = exchange.log(level, exchange.argument("data").unwrap_or(&json!("something happened")));
    Ok(text(if is_sent { "logged" } else { "not wanted" }))
}

/// Forgets all sessions, and ends all subscriptions.
pub(super) fn forget(exchange: &Exchange) -> Outcome {
    exchange.fixture.forget_sessions();
    exchange.fixture.listeners().end();
    Ok(text("forgotten"))
}

/// Closes the stream before the answer: whoever wants it has to come back for it.
pub(super) fn notify_close(exchange: &Exchange) -> Outcome {
    exchange.outlet.open();
    exchange.log("info", &json!("before"));
    if exchange.outlet.has_head() {
        exchange.outlet.detach();
    }
    exchange.log("info", &json!("after"));
    Ok(text("after the stream was closed"))
}
