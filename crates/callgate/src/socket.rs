//! The local socket of the process that owns a data directory: charging and asking for `wrap`, and the admin API for the
//! CLI.
//!
//! A connection's first byte says what it is for: the charge protocol and the one for questions open with a line of JSON, the
//! rest is HTTP.

use crate::api;
use crate::data::DataDir;
use crate::failure::Failure;
use axum::Router;
use callgate_decision::remote::{self, Askers};
use callgate_decision::{Approvals, Decider};
use rustix::fs::{Mode, OFlags};
use std::error::Error;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

/// The longest line that a connection may open with.
const MAX_OPENING: u64 = 1024;

/// The socket's path as the system wants it: short. Long ones are reached through a descriptor of the directory.
#[derive(Debug)]
pub(crate) struct Address {
    path: PathBuf,
    /// Keeps `/proc/self/fd/N` alive.
    _directory: Option<OwnedFd>,
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
    pub(crate) async fn serve(self, decider: Decider, approvals: Arc<dyn Approvals>, router: Router) {
        let askers = Askers::new(approvals);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let (decider, askers, router) = (decider.clone(), Arc::clone(&askers), router.clone());
                        connections.spawn(async move {
                            if let Err(error) = connection(stream, &decider, &askers, &router).await {
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

async fn connection(
    stream: UnixStream,
    decider: &Decider,
    askers: &Arc<Askers>,
    router: &Router,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    remote::check_peer(&stream)?;
    let mut stream = BufReader::new(stream);
    // No HTTP request begins like JSON.
    if stream.fill_buf().await?.first() != Some(&b'{') {
        return Ok(api::serve_connection(stream, router).await?);
    }
    let mut line = String::new();
    (&mut stream).take(MAX_OPENING).read_line(&mut line).await?;
    let (read, write) = tokio::io::split(stream);
    match line.trim_end() {
        remote::OPENING => Ok(remote::serve_connection(BufReader::new(read), write, decider).await?),
        remote::ASKING => Ok(remote::serve_approvals(BufReader::new(read), write, askers).await?),
        _ => Err("it opens with a line of another version".into()),
    }
}

/// The failure of a socket that can't be used.
pub(crate) fn broken(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("the local socket `{}` can't be used: {error}", path.display());
    Failure::cannot_run(
        "CG3015",
        message,
        "give this user the right to use it, or name another data directory with `--data DIR`",
    )
}
