//! The stdio front: one client on standard streams, in front of an HTTP or a stdio upstream.

use crate::errors::Cause;
use crate::forward::{Ended, Pool};
use crate::front::duplex::{self, Connection, End};
use crate::front::lines::{Input, Lines};
use crate::gate::Gate;
use callgate_policy::GrantId;
use std::process::ExitStatus;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// How a stdio front ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdioEnd {
    /// The client closed its side.
    ClientLeft,
    /// The server process ended, with this status where it is known.
    ServerEnded(Option<ExitStatus>),
}

/// Why a stdio front can't run.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// There is no such grant.
    #[error("the grant `{0}` is not in the configuration")]
    NoGrant(GrantId),
    /// The server process can't be started.
    #[error("{0}")]
    NotStarted(Cause),
    /// The client's input can't be read.
    #[error("the client's input can't be read: {0}")]
    Input(std::io::Error),
}

/// Serves one client until it leaves, or the server process ends. Wants a tokio runtime. The grant is looked up anew
/// for each message, so what is published meanwhile counts.
pub async fn run_stdio<R, W>(gate: Arc<Gate>, grant: &GrantId, input: R, output: W) -> Result<StdioEnd, StdioError>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let entry = gate.snapshot().grant_by_id(grant).cloned().ok_or_else(|| StdioError::NoGrant(grant.clone()))?;
    let (lines, writer) = Lines::to(output);
    let input = Input::new(input, gate.options.max_body);
    let pool = Arc::new(Pool::new(Arc::clone(&gate.tls)));
    let connection = Connection::new(Arc::clone(&gate), pool, grant, lines);
    let process = connection.start(&entry).map_err(StdioError::NotStarted)?;
    let ended = duplex::run(connection, entry, process, input, std::future::pending()).await;
    gate.held.end_of(grant).await;
    let _ = writer.await;
    match ended {
        Ok(End::ClientLeft) => Ok(StdioEnd::ClientLeft),
        Ok(End::ServerEnded(Ended(status))) => Ok(StdioEnd::ServerEnded(status)),
        Err(error) => Err(StdioError::Input(error)),
    }
}
