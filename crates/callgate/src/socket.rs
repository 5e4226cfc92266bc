//! The local socket of the process that owns a data directory: charging for `wrap`, and operations for the CLI.
//!
//! A connection's first line says what it is for: the opening of the charge protocol, or one request as JSON. A
//! request gets one answer, and then the connection ends.

use crate::admin::{Admin, Op, Reply};
use crate::data::DataDir;
use crate::failure::Failure;
use callgate_decision::{Decider, remote};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

/// The largest request: a policy document of 1 MiB, escaped.
const MAX_REQUEST: u64 = 8 << 20;

/// The socket's path as the system wants it: short. Long ones are reached through a descriptor of the directory.
#[derive(Debug)]
pub(crate) struct Address {
    path: PathBuf,
    /// Keeps `/proc/self/fd/N` alive.
    _directory: Option<OwnedFd>,
}

/// One operation with its credential, on the wire.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    credential: Option<String>,
    operation: Op,
}

/// What a request is answered.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Reply(Reply),
    Failure(Failure),
}

/// A listening socket that removes its file at the end.
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Address {
    /// The address of a data directory's socket.
    pub(crate) fn of(data: &DataDir) -> Result<Self, Failure> {
        let path = data.socket();
        // `sun_path` has room for 108 bytes, the closing NUL included.
        if path.as_os_str().len() < 104 {
            return Ok(Self { path, _directory: None });
        }
        if !cfg!(target_os = "linux") {
            let message = format!("the path of the local socket is too long: `{}`", path.display());
            return Err(Failure::cannot_run("CG3015", message, "name a data directory with a shorter path"));
        }
        let directory =
            rustix::fs::open(data.root(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|error| broken(&path, &error.into()))?;
        let short = format!("/proc/self/fd/{}/callgate.sock", directory.as_raw_fd());
        Ok(Self { path: PathBuf::from(short), _directory: Some(directory) })
    }

    /// The path to bind or connect to.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Socket {
    /// Binds the socket of a data directory that this process owns; what an earlier owner left is replaced.
    pub(crate) fn bind(data: &DataDir) -> Result<Self, Failure> {
        let path = data.socket();
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(broken(&path, &error)),
        }
        let address = Address::of(data)?;
        let listener = UnixListener::bind(address.path()).map_err(|error| broken(&path, &error))?;
        // The directory is closed to others already; this holds where somebody opens it up.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
            .map_err(|error| broken(&path, &error))?;
        Ok(Self { listener, path })
    }

    /// Serves until this future is dropped.
    pub(crate) async fn serve(self, decider: Decider, admin: Arc<Admin>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let (decider, admin) = (decider.clone(), Arc::clone(&admin));
                        connections.spawn(async move {
                            if let Err(error) = connection(stream, &decider, &admin).await {
                                tracing::debug!("a connection on the local socket ended: {error}");
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!("the local socket can't accept: {error}");
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Left behind, it would only be replaced by the next owner.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Asks the process that owns the data directory to do an operation; `None` where nobody listens.
pub(crate) async fn request(data: &DataDir, op: Op, credential: Option<String>) -> Result<Option<Reply>, Failure> {
    let address = Address::of(data)?;
    let path = data.socket();
    let mut stream = match UnixStream::connect(address.path()).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(broken(&path, &error)),
    };
    remote::check_peer(&stream).map_err(|error| unanswered(&path, &error.to_string()))?;
    let request = Request { credential, operation: op };
    let mut line = serde_json::to_vec(&request).map_err(|error| unanswered(&path, &error.to_string()))?;
    line.push(b'\n');
    stream.write_all(&line).await.map_err(|error| broken(&path, &error))?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(|error| broken(&path, &error))?;
    match serde_json::from_slice(&answer) {
        Ok(Answer::Reply(reply)) => Ok(Some(reply)),
        Ok(Answer::Failure(failure)) => Err(failure),
        Err(_) if answer.is_empty() => Err(unanswered(&path, "it closed the connection without an answer")),
        Err(error) => Err(unanswered(&path, &error.to_string())),
    }
}

async fn connection(mut stream: UnixStream, decider: &Decider, admin: &Admin) -> Result<(), remote::RemoteError> {
    remote::check_peer(&stream)?;
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    let mut line = String::new();
    (&mut read).take(MAX_REQUEST).read_line(&mut line).await?;
    if line.trim_end() == remote::OPENING {
        return remote::serve_connection(read, write, decider).await;
    }
    let answer = match serde_json::from_str::<Request>(&line) {
        Ok(Request { credential, operation }) => match admin.execute(operation, credential.as_deref()).await {
            Ok(reply) => Answer::Reply(reply),
            Err(failure) => Answer::Failure(failure),
        },
        // Without the parser's words: they could repeat a credential.
        Err(error) => {
            let message = format!("the request can't be read (column {})", error.column());
            let remedy = "use the same version of callgate for the gateway and the command line";
            Answer::Failure(Failure::cannot_run("CG3032", message, remedy))
        }
    };
    let text = serde_json::to_vec(&answer).map_err(std::io::Error::other)?;
    write.write_all(&text).await?;
    write.shutdown().await?;
    Ok(())
}

fn broken(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("the local socket `{}` can't be used: {error}", path.display());
    Failure::cannot_run(
        "CG3015",
        message,
        "give this user the right to use it, or name another data directory with `--data DIR`",
    )
}

fn unanswered(path: &Path, why: &str) -> Failure {
    let message = format!("the gateway behind `{}` gave no usable answer: {why}", path.display());
    Failure::cannot_run("CG3032", message, "look at the gateway's own output; restart it if it is of another version")
}
