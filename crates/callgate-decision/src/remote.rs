//! Charging through a running gateway's local socket, so that several processes on one data directory share counters
//! and journal.
//!
//! One JSON object a line. The first line of a connection is [`OPENING`]; the gateway answers with the digest key.
//! Then the client sends `charge` and `settle`, numbered by the client, and the gateway answers each charge with
//! `permit` or `refused`, and each `weigh` with `weighed`; `withheld` has no answer. Calls that are in flight when a
//! connection ends count as having run.
//!
//! Questions to people have a connection of their own, which opens with [`ASKING`].

mod ask;
mod history;
mod link;
mod message;
mod serve;

pub use ask::{Askers, RemoteApprovals, serve_approvals};
pub(crate) use link::Link;
pub use serve::serve_connection;

use std::io;
use std::path::PathBuf;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use tokio::net::UnixStream;

/// The first line of a connection that wants to charge, without its line feed. The listener reads one line,
/// recognises its `op`, and hands the connection to [`serve_connection`].
pub const OPENING: &str = r#"{"op":"decider","version":3}"#;

/// The first line of a connection that wants to ask people: for [`serve_approvals`].
pub const ASKING: &str = r#"{"op":"approvals","version":1}"#;

/// The longest line that either side reads, in bytes.
const MAX_LINE: u64 = 8 * 1024 * 1024;

/// Why a running gateway can't be charged through.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Nobody listens.
    #[error("CG4009: no gateway answers at `{}`: {error}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The other end runs as somebody else.
    #[error("CG4009: the process at the other end of the local socket runs as user {theirs}, not as {ours}")]
    Peer {
        /// The other end's user id.
        theirs: u32,
        /// This process's.
        ours: u32,
    },
    /// The connection broke.
    #[error("CG4009: the connection over the local socket broke: {0}")]
    Broken(#[from] io::Error),
    /// The other end says something that isn't in the protocol.
    #[error("CG4009: the other end of the local socket speaks another version: {0}")]
    Protocol(String),
}

/// Refuses a connection whose other end does not run as this process's user.
pub fn check_peer(stream: &UnixStream) -> Result<(), RemoteError> {
    let (theirs, ours) = (stream.peer_cred()?.uid(), rustix::process::geteuid().as_raw());
    if theirs == ours { Ok(()) } else { Err(RemoteError::Peer { theirs, ours }) }
}

/// Reads one line into `line`, without its line feed. `false` at the end of the stream; half a line is an error.
async fn read_line<R: AsyncBufRead + Unpin>(reader: &mut R, line: &mut Vec<u8>) -> Result<bool, RemoteError> {
    line.clear();
    let read = reader.take(MAX_LINE).read_until(b'\n', line).await?;
    if read == 0 {
        return Ok(false);
    }
    if line.pop_if(|byte| *byte == b'\n').is_some() {
        return Ok(true);
    }
    Err(RemoteError::Protocol(format!("a line without an end, {read} bytes long")))
}
