//! A call that waits for a person, on a connection both ways: its answer comes when there is one.

use super::{Connection, call};
use crate::answer;
use crate::asking::{After, Held, Patience, Turn, Wait, confirm, words};
use crate::errors::Cause;
use crate::judge::{Asked, Denial};
use crate::snapshot::GrantEntry;
use bytes::Bytes;
use callgate_mcp::{Batches, Era, Incoming, Message, parse_client};
use callgate_policy::Ask;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Answers a call that needs a person's yes: at once, or when there is one. `line` holds the call and nothing else.
pub(super) async fn asked(
    connection: &Arc<Connection>,
    entry: &Arc<GrantEntry>,
    era: Era,
    (message, line): (&Message<'_>, Bytes),
    asked: Box<Asked>,
    tasks: &mut JoinSet<()>,
) {
    let begun = match begin(connection, entry, era, Patience::Fresh, message, asked).await {
        Some(begun) => begun,
        None => return,
    };
    let Some(id) = message.id() else { return };
    let (own, entry, waited) = (Arc::clone(connection), Arc::clone(entry), id.clone());
    let mut waiting = connection.waiting();
    let task = tasks.spawn(async move {
        wait(&own, entry, era, line, begun).await;
        own.waiting().remove(&waited);
    });
    waiting.insert(id, task);
}

/// Begins to wait, or says what the client has to do. Whatever is asked of it goes out here.
pub(super) async fn begin(
    connection: &Connection,
    entry: &Arc<GrantEntry>,
    era: Era,
    patience: Patience,
    message: &Message<'_>,
    asked: Box<Asked>,
) -> Option<Box<Wait>> {
    let gate = &connection.gate;
    let asks = asked.ask();
    if asks == Ask::Client
        && era == Era::Modern
        && let Some(required) = confirm::required(gate, entry, &asked, message)
    {
        connection.lines.write(&required).await;
        return None;
    }
    let session = connection.session().filter(|_| era == Era::Legacy);
    let patience = match asks {
        Ask::Hold if !connection.has_left() => patience,
        Ask::Client if era == Era::Legacy && connection.elicits() && !connection.has_left() => patience,
        _ => Patience::None,
    };
    let held = Held { gate, entry, session: session.as_ref(), owner: Some(&connection.owner), patience };
    let mut wait = match Wait::begin(&held, asked, message) {
        Ok(wait) => wait,
        Err(asked) => {
            gate.waiting.stays(&asked.approval.id);
            connection.lines.write(&answer::denial_message(&Denial::Asked(asked), message.id_bytes(), era)).await;
            return None;
        }
    };
    if let Some(token) = message.progress_token() {
        connection.lines.write(&words::progress(message.bytes_of(token), 1, wait.asked())).await;
    }
    if asks == Ask::Client
        && let Some(id) = wait.confirm(&connection.owner)
    {
        connection.lines.write(&words::question(&id, wait.asked(), message)).await;
    }
    Some(wait)
}

/// Waits, and judges the call again, until there is an answer.
pub(super) async fn wait(
    connection: &Arc<Connection>,
    mut entry: Arc<GrantEntry>,
    era: Era,
    line: Bytes,
    mut wait: Box<Wait>,
) {
    // It was read when it came, so it can be read again.
    let Ok(Incoming::One(message)) = parse_client(&line, &connection.gate.limits, Batches::Refused) else { return };
    let mut notes = 1;
    loop {
        let woken = loop {
            match wait.next().await {
                Turn::Over(woken) => break woken,
                Turn::Beat => {
                    if let Some(token) = message.progress_token() {
                        notes += 1;
                        let note = words::progress(message.bytes_of(token), notes, wait.asked());
                        connection.lines.write(&note).await;
                    }
                }
            }
        };
        let (patience, place) = match wait.after(woken, &message, era).await {
            After::Again(patience, place) => (patience, place),
            After::Told(told) => {
                connection.lines.write(&told).await;
                return;
            }
            After::Nothing => return,
        };
        entry = match connection.gate.renewed(&entry) {
            Ok(entry) => entry,
            Err(cause) => return refuse(connection, &cause, &message).await,
        };
        let asked = match call::judged(connection, &entry, era, &message).await {
            Ok((permit, entry)) => {
                drop(place);
                return call::ask(connection, &entry, era, permit, line.clone()).await;
            }
            Err(Some((Denial::Asked(asked), now))) if asked.is_open() => {
                entry = now;
                asked
            }
            Err(Some((denial, _))) => {
                let told = answer::denial_message(&denial, message.id_bytes(), era);
                connection.lines.write(&told).await;
                return;
            }
            Err(None) => return,
        };
        wait = match begin(connection, &entry, era, patience, &message, asked).await {
            Some(begun) => begun,
            None => return,
        };
        drop(place);
    }
}

async fn refuse(connection: &Connection, cause: &Cause, message: &Message<'_>) {
    connection.lines.write(&answer::cause_message(cause, message.id_bytes())).await;
}
