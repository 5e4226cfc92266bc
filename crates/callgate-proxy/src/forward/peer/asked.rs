//! A request to a peer and its answers, and what a peer says to nobody in particular.

use super::Peer;
use crate::forward::Failure;
use crate::forward::routes::Said;
use crate::gate::until;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A request to a peer, and its answers. Dropped before the response, the request is forgotten, and cancelled where
/// that is what a disconnect means.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(super) process: Peer,
    pub(super) number: i64,
    pub(super) from: mpsc::Receiver<Said>,
    pub(super) cancel: bool,
    pub(super) done: bool,
}

/// The one listener of a peer: hears what is said to nobody in particular.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(super) process: Peer,
    pub(super) number: u64,
}

impl Asked {
    /// The connection that was asked.
    pub(crate) fn peer(&self) -> &Peer {
        &self.process
    }

    /// The next message to this request, and whether it is the response.
    pub(crate) async fn next(&mut self) -> Option<Result<(Bytes, bool), Failure>> {
        if self.done {
            return None;
        }
        let said = self.from.recv().await;
        Some(self.take(said))
    }

    /// The next message where it is already there.
    pub(crate) fn ready(&mut self) -> Option<Result<(Bytes, bool), Failure>> {
        if self.done {
            return None;
        }
        let said = self.from.try_recv().ok()?;
        Some(self.take(Some(said)))
    }

    fn take(&mut self, said: Option<Said>) -> Result<(Bytes, bool), Failure> {
        match said {
            Some(Said::Aside(message)) => Ok((message, false)),
            Some(Said::Response(message)) => {
                self.done = true;
                Ok((message, true))
            }
            Some(Said::Failed(failure)) => {
                self.done = true;
                Err(failure)
            }
            None => {
                self.done = true;
                Err(if self.process.has_ended() { self.process.end_failure() } else { Failure::TooSlow })
            }
        }
    }
}

impl Asked {
    /// The request is to be cancelled where its answers are no longer wanted, whatever a disconnect means.
    pub(crate) fn cancel(&mut self) {
        self.cancel = true;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.done || !self.process.routes().close(self.number) || !self.cancel {
            return;
        }
        let params = format!("{{\"requestId\":{},\"reason\":\"nobody waits for it any more\"}}", self.number);
        let line = callgate_mcp::notification("notifications/cancelled", Some(params.as_bytes()));
        let _ = self.process.shared.lines.try_send(line);
    }
}

impl Listener {
    /// The connection that is listened to.
    pub(crate) fn peer(&self) -> &Peer {
        &self.process
    }

    /// The next message; `None` when the process ended or another listener took over.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        let shared = Arc::clone(&self.process.shared);
        let mut ended = shared.ended.subscribe();
        loop {
            let mut said = std::pin::pin!(shared.said.notified());
            said.as_mut().enable();
            match self.process.routes().heard(self.number) {
                Ok(Some(message)) => return Some(message),
                Ok(None) => {}
                Err(()) => return None,
            }
            tokio::select! {
                () = said => {}
                () = until(&mut ended, Option::is_some) => return None,
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.process.routes().unlisten(self.number);
    }
}
