//! An export over the API: read piece by piece, sent as it is read. Nothing is held while a client takes its time but a
//! place among the exports, and that not for long.

use super::{Format, Wanted, export};
use crate::caller::{Caller, Permission, Scope};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::records::{QueryError, failure};
use bytes::Bytes;
use callgate_journal::JournalError;
use callgate_store::{Grant, Sight};
use futures_util::Stream;
use std::collections::HashSet;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::mpsc;

/// How many bytes are sent at once.
const CHUNK: usize = 64 * 1024;

/// How many chunks wait for the client.
const WAITING: usize = 4;

/// How many exports are read at once.
pub(crate) const AT_ONCE: usize = 4;

/// How long a client may take nothing before its place is given to others.
const PATIENCE: Duration = Duration::from_secs(30);

/// The bytes of an export. Dropped, it ends.
pub(crate) struct Export {
    parts: mpsc::Receiver<Part>,
    is_over: bool,
}

/// A piece of an export.
enum Part {
    Bytes(Bytes),
    /// All is said: what ends without this was broken off.
    End,
}

impl Control {
    /// Exports what the caller may see. Changes are for whoever reads the organisation's; what belongs to no
    /// organisation is for whoever sees them all. CG3197 where as many are under way as may.
    pub(crate) async fn export(&self, caller: &Caller, format: Format, mut wanted: Wanted) -> Result<Export, Error> {
        let cleared = caller.clear(Permission::ReadDecisions, Scope::Visible)?;
        let place = Arc::clone(&self.inner.exporting).try_acquire_owned().map_err(|_| {
            let message = format!("{AT_ONCE} exports are under way already");
            let remedy = "wait until one ends; `callgate journal export` reads the journal without the gateway";
            Error::new(Kind::TooMany { retry_after: 10 }, "CG3197", message, remedy)
        })?;
        wanted.organisation = Some(caller.organisation().to_owned());
        wanted.without_changes = caller.clear(Permission::ReadChanges, Scope::Organisation).is_err();
        wanted.without_instance = !cleared.sees_all() || !self.is_everything(caller).await?;
        if let Sight::Servers(servers) = self.sight(&cleared).await? {
            let servers: HashSet<String> = servers.into_iter().map(|(id, _, _)| id).collect();
            // Removed ones, too: names are given again, and so a grant says which server it was.
            let grants = self.reads(&cleared).changed_since::<Grant>(Some(-1)).await?;
            let seen = grants.into_iter().filter(|grant| servers.contains(&grant.record.server));
            wanted.grants = Some(seen.map(|grant| grant.record.id).collect());
        }
        let exporter = export(self.journal_dir()?, format, wanted).map_err(|error| failure(&error))?;
        let (to, parts) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let _place = place;
            send(exporter, &to, PATIENCE).await;
        });
        Ok(Export { parts, is_over: false })
    }
}

/// Sends the lines, until they end or nobody takes them any more. A thread is used only while a chunk is read, so that
/// however many clients stall, none is missing elsewhere.
async fn send<L>(mut lines: L, to: &mpsc::Sender<Part>, patience: Duration)
where
    L: Iterator<Item = Result<String, JournalError>> + Send + 'static,
{
    loop {
        let read = tokio::task::spawn_blocking(move || {
            let chunk = chunk(&mut lines);
            (lines, chunk)
        });
        let Ok((rest, chunk)) = read.await else { return };
        lines = rest;
        let part = match chunk {
            Ok(chunk) if chunk.is_empty() => Part::End,
            Ok(chunk) => Part::Bytes(chunk.into()),
            Err(error) => return tracing::warn!("an export ended early: {error}"),
        };
        let is_last = matches!(part, Part::End);
        if to.send_timeout(part, patience).await.is_err() || is_last {
            return;
        }
    }
}

/// The next lines; none at the end.
fn chunk(lines: &mut impl Iterator<Item = Result<String, JournalError>>) -> Result<Vec<u8>, JournalError> {
    let mut chunk = Vec::with_capacity(CHUNK);
    while chunk.len() < CHUNK {
        let Some(line) = lines.next() else { break };
        chunk.extend_from_slice(line?.as_bytes());
        chunk.push(b'\n');
    }
    Ok(chunk)
}

impl Stream for Export {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let part = match ready!(self.parts.poll_recv(cx)) {
            Some(Part::Bytes(bytes)) => return Poll::Ready(Some(Ok(bytes))),
            Some(Part::End) => None,
            // The connection breaks, so that nobody takes a part for the whole.
            None => Some(Err(io::Error::other("the export was broken off"))),
        };
        self.is_over = true;
        Poll::Ready(part)
    }
}

impl Wanted {
    /// Reads the parameters of a request.
    pub(crate) fn read(
        since: Option<String>,
        until: Option<String>,
        server: Option<String>,
        now: i64,
    ) -> Result<Self, QueryError> {
        let moment = |name: &'static str, text: Option<String>| {
            text.map(|text| crate::records::moment_of(name, &text, now)).transpose()
        };
        let (since, until) = (moment("since", since)?, moment("until", until)?);
        Ok(Self { since, until, server, ..Self::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{NOW, Trial, grant, member_of, root, server};
    use callgate_journal::{Journal, Options};
    use callgate_store::Role;
    use futures_util::StreamExt;

    /// Lines of 1 KiB, so many.
    fn lines(count: usize) -> impl Iterator<Item = Result<String, JournalError>> + Send + 'static {
        (0..count).map(|_| Ok("x".repeat(1_023)))
    }

    fn channel() -> (mpsc::Sender<Part>, Export) {
        let (to, parts) = mpsc::channel(WAITING);
        (to, Export { parts, is_over: false })
    }

    async fn all(mut export: Export) -> (usize, bool) {
        let (mut bytes, mut whole) = (0, true);
        while let Some(part) = export.next().await {
            whole &= part.as_ref().is_ok();
            bytes += part.map_or(0, |part| part.len());
        }
        (bytes, whole)
    }

    #[tokio::test]
    async fn whoever_takes_nothing_is_let_go_and_knows_that_it_was_not_all() {
        let (to, export) = channel();
        // Nobody reads: it ends all the same, with what fits in between.
        send(lines(1_000), &to, Duration::ZERO).await;
        drop(to);
        assert_eq!(all(export).await, (WAITING * CHUNK, false));
        let (to, export) = channel();
        let (sent, read) = tokio::join!(
            async {
                let to = to;
                send(lines(1_000), &to, PATIENCE).await;
            },
            all(export)
        );
        assert_eq!((sent, read), ((), (1_000 * 1_024, true)));
    }

    #[tokio::test]
    async fn a_grant_that_was_removed_leaves_its_records_to_who_sees_its_server() {
        let trial = Trial::new().await;
        let control = &trial.control;
        let mut change = control.inner.store.begin("default").await.unwrap();
        for name in ["kernel", "files"] {
            change.insert(&server(name)).await.unwrap();
            change.insert(&grant(&format!("g_{name}"), &format!("id-{name}"), None)).await.unwrap();
        }
        change.commit().await.unwrap();
        let mut change = control.inner.store.begin("default").await.unwrap();
        for id in ["g_kernel", "g_files"] {
            change.remove::<Grant>(id, NOW).await.unwrap();
        }
        change.commit().await.unwrap();
        let journal = Journal::open(&trial.directory.path().join("journal"), Options::default(), &mut |_| Ok(()));
        let journal = Arc::new(journal.unwrap());
        for name in ["kernel", "files"] {
            let body = serde_json::json!({
                "id": format!("of {name}"), "outcome": "deny", "organisation": "default", "grant": format!("g_{name}"),
                "server": name, "method": "tools/call",
            });
            let ticket = journal.append_plain(NOW, callgate_journal::Kind::Decision, body.to_string().as_bytes());
            journal.wait_written(ticket.unwrap()).unwrap();
        }
        control.keep(journal);
        let viewer = member_of(Role::Viewer, &["id-kernel"]);
        let mut export = control.export(&viewer, Format::Jsonl, Wanted::default()).await.unwrap();
        let mut text = Vec::new();
        while let Some(part) = export.next().await {
            text.extend_from_slice(&part.unwrap());
        }
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("of kernel") && !text.contains("of files"), "{text}");
    }

    #[tokio::test]
    async fn so_many_exports_are_under_way_and_others_come_again() {
        let trial = Trial::new().await;
        let places = Arc::clone(&trial.control.inner.exporting).try_acquire_many_owned(4).unwrap();
        let export = async || trial.control.export(&root(), Format::Jsonl, Wanted::default()).await;
        let refused = export().await.err().unwrap();
        assert_eq!((refused.code, refused.kind), ("CG3197", Kind::TooMany { retry_after: 10 }));
        drop(places);
        // The trial has no journal; the place was free.
        assert_eq!(export().await.err().unwrap().code, "CG3193");
    }
}
