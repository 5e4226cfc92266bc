//! A PostgreSQL of the tests' own: in a directory of its own, reached through a socket in it, gone with the test.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, anyhow, bail};

use crate::process::Process;

/// A running PostgreSQL server. It ends, and its directory with it, when this is dropped or the process ends, however.
pub struct Postgres {
    watch: Mutex<Process>,
    programs: PathBuf,
    directory: PathBuf,
    databases: AtomicU32,
}

/// Whose the server is where the tests run as root, which PostgreSQL refuses to run as.
struct User {
    uid: u32,
    gid: u32,
}

/// Runs the server until its own standard input ends, which is when the process that started it ends.
const WATCH: &str = r#"
trap '' INT TERM HUP
"$1/initdb" --pgdata="$2/data" --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync >/dev/null || exit
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=300 -c autovacuum=off \
    -c fsync=off -c full_page_writes=off -c synchronous_commit=off </dev/null &
server=$!
read -r _
kill -QUIT "$server"
wait "$server"
rm -rf "$2"
"#;

impl Postgres {
    /// Starts a server.
    pub fn start() -> Result<Self> {
        let programs = programs()?;
        let directory = tempfile::Builder::new().prefix("pg").tempdir()?;
        let mut watch = Command::new("sh");
        watch.args(["-c", WATCH, "watch"]).arg(&programs).arg(directory.path()).current_dir("/");
        watch.env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::null());
        if rustix::process::geteuid().is_root() {
            let user = User::other()?;
            std::os::unix::fs::chown(directory.path(), Some(user.uid), Some(user.gid))?;
            watch.uid(user.uid).gid(user.gid);
        }
        let watch = Mutex::new(Process::start(&mut watch)?);
        // From here on the shell removes the directory.
        let mut server = Self { watch, programs, directory: directory.keep(), databases: AtomicU32::new(0) };
        server.watch().wait_for("ready to accept connections").context("PostgreSQL did not start")?;
        Ok(server)
    }

    /// The server that all tests of this process share: started for the first one.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<Postgres, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Self::start().map_err(|error| format!("{error:#}")));
        shared.as_ref().map_err(|error| anyhow!("{error}"))
    }

    /// Makes an empty database and returns its URL.
    pub fn database(&self) -> Result<String> {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        let host = self.directory.to_str().context("the directory's path is no UTF-8")?.replace('/', "%2F");
        Ok(format!("postgres://postgres@{host}/{name}"))
    }

    /// Runs SQL in a database, which is named as its URL ends, and returns what it gives: a line per row.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let name = database.rsplit('/').next().unwrap_or(database);
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        psql.args(["--username=postgres", "--dbname", name, "--command", sql, "--host"]).arg(&self.directory);
        let done = psql.stdin(Stdio::null()).output()?;
        if !done.status.success() {
            bail!("psql failed: {}", String::from_utf8_lossy(&done.stderr));
        }
        Ok(String::from_utf8(done.stdout)?.trim_end().to_owned())
    }

    fn watch(&mut self) -> &mut Process {
        self.watch.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a PostgreSQL on this machine that can be started.
    pub fn is_installed() -> bool {
        programs().is_ok()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The end of its standard input is the sign; nothing else can be done where it does not come to an end.
        drop(self.watch().child().stdin.take());
        let _ = self.watch().wait();
    }
}

impl User {
    /// The user that PostgreSQL's package made, or the one that owns nothing.
    fn other() -> Result<Self> {
        let users = fs::read_to_string("/etc/passwd")?;
        let named = |name: &str| {
            let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
            let found = fields.into_iter().find(|fields| fields.first() == Some(&name))?;
            Some(Self { uid: found.get(2)?.parse().ok()?, gid: found.get(3)?.parse().ok()? })
        };
        named("postgres").or_else(|| named("nobody")).context("there is neither a user `postgres` nor `nobody`")
    }
}

/// The folder with the server's programs: the newest where Debian keeps them, or one on the PATH.
fn programs() -> Result<PathBuf> {
    let has_all = |folder: &Path| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).exists());
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| has_all(folder))
        .collect();
    debian.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || std::env::split_paths(&path).find(|folder| has_all(folder));
    debian.pop().map(|(_, folder)| folder).or_else(on_path).context("PostgreSQL is missing: Debian's `postgresql`")
}
