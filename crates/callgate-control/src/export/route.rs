//! An export over the API: read on a thread of its own, sent as it is read.

use super::{Format, Wanted, export};
use crate::caller::{Caller, Permission, Scope};
use crate::control::Control;
use crate::error::Error;
use crate::records::{QueryError, failure};
use bytes::Bytes;
use callgate_store::{Grant, Sight};
use futures_util::Stream;
use std::collections::HashSet;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// How many bytes are sent at once.
const CHUNK: usize = 64 * 1024;

/// How many chunks wait for the client.
const WAITING: usize = 4;

/// The bytes of an export. Dropped, it ends.
pub(crate) struct Export {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
}

impl Control {
    /// Exports what the caller may see. Changes are for whoever reads the organisation's; what belongs to no
    /// organisation is for whoever sees them all.
    pub(crate) async fn export(&self, caller: &Caller, format: Format, mut wanted: Wanted) -> Result<Export, Error> {
        let cleared = caller.clear(Permission::ReadDecisions, Scope::Visible)?;
        wanted.organisation = Some(caller.organisation().to_owned());
        wanted.without_changes = caller.clear(Permission::ReadChanges, Scope::Organisation).is_err();
        wanted.without_instance = !cleared.sees_all() || !self.is_everything(caller).await?;
        if let Sight::Servers(servers) = self.sight(&cleared).await? {
            let servers: HashSet<String> = servers.into_iter().map(|(id, _, _)| id).collect();
            // Removed ones, too: names are given again, and so a grant says which server it was.
            let grants = self.reads(&cleared).changed_since::<Grant>(None).await?;
            let seen = grants.into_iter().filter(|grant| servers.contains(&grant.record.server));
            wanted.grants = Some(seen.map(|grant| grant.record.id).collect());
        }
        let exporter = export(self.journal_dir()?, format, wanted).map_err(|error| failure(&error))?;
        let (to, chunks) = mpsc::channel(WAITING);
        tokio::task::spawn_blocking(move || send(exporter, &to));
        Ok(Export { chunks })
    }
}

/// Sends the lines, until they end or nobody wants more.
fn send(exporter: super::Exporter, to: &mpsc::Sender<io::Result<Bytes>>) {
    let mut chunk = Vec::with_capacity(CHUNK);
    for line in exporter {
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                // The connection breaks, so that nobody takes a part for the whole.
                tracing::warn!("an export ended early: {error}");
                drop(to.blocking_send(Err(io::Error::other("the journal can't be read"))));
                return;
            }
        };
        chunk.extend_from_slice(line.as_bytes());
        chunk.push(b'\n');
        if chunk.len() >= CHUNK {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK));
            if to.blocking_send(Ok(full.into())).is_err() {
                return;
            }
        }
    }
    if !chunk.is_empty() {
        drop(to.blocking_send(Ok(chunk.into())));
    }
}

impl Stream for Export {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.poll_recv(cx)
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
