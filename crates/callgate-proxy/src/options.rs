//! What the data plane is told once, at its start.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The variables of the gateway's own environment that a child process gets. Everything else it is given by name.
pub const CHILD_VARIABLES: [&str; 14] = [
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TMPDIR",
    "TZ",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "SYSTEMROOT",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// What the data plane is told once, at its start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Worker threads, each with its own runtime and its own upstream connections.
    pub workers: usize,
    /// Names beside the loopback ones that `Host` and `Origin` may carry: `name`, or `name:port` for that port only.
    pub public_names: Vec<String>,
    /// The largest request body, in bytes.
    pub max_body: usize,
    /// The largest upstream message that has to be looked at as a whole (a list, one event of a stream, one line of a
    /// child process), in bytes. Larger ones are cut off with an error that says so.
    pub max_message: usize,
    /// For a request's head to arrive; an idle connection is closed after the same time.
    pub head_timeout: Duration,
    /// For a request's body to arrive.
    pub body_timeout: Duration,
    /// Connections at once; the next one waits to be accepted.
    pub max_connections: usize,
    /// Legacy sessions at once.
    pub max_sessions: usize,
    /// Legacy sessions of one grant at once.
    pub max_sessions_per_grant: usize,
    /// Calls at once that are held while a person decides about them; others are told to come again.
    pub max_waiting: usize,
    /// The same of one grant.
    pub max_waiting_per_grant: usize,
    /// Between two comments on a stream that has nothing to say.
    pub keep_alive: Duration,
    /// For calls in flight to end once the gateway was told to stop.
    pub grace: Duration,
    /// The program that starts children (`[launcher, "__child", "--", command…]`), so that they die with the gateway.
    /// Without one they are started directly.
    pub launcher: Option<PathBuf>,
    /// What every child process finds in its environment; meant to be made of [`CHILD_VARIABLES`].
    pub child_environment: Vec<(OsString, OsString)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            public_names: Vec::new(),
            max_body: 4 << 20,
            max_message: 16 << 20,
            head_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            max_connections: 10_000,
            max_sessions: 10_000,
            max_sessions_per_grant: 1_000,
            max_waiting: 4_096,
            max_waiting_per_grant: 256,
            keep_alive: Duration::from_secs(25),
            grace: Duration::from_secs(5),
            launcher: None,
            child_environment: Vec::new(),
        }
    }
}
