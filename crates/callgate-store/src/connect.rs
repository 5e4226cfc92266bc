//! From an address to connections, for both databases.

use crate::error::{StoreError, why};
use sqlx::any::AnyPoolOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AnyPool, ConnectOptions, PgPool};
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};
use url::Url;

/// How long one waits for a connection, new or free.
const CONNECT: Duration = Duration::from_secs(10);

/// How long one waits before trying again what others keep from happening.
const PAUSE: Duration = Duration::from_millis(10);

/// SQLite has one writer at a time, the others read.
const SQLITE_CONNECTIONS: u32 = 4;

/// Per process: leaves room for other replicas within PostgreSQL's default of 100.
const POSTGRES_CONNECTIONS: u32 = 10;

/// `FULL`: what was committed survives a power cut.
const SQLITE_SESSION: &str =
    "PRAGMA busy_timeout = 10000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;";

/// A statement, a wait for another change and a forgotten transaction end by themselves.
const POSTGRES_SESSION: &str = "SET statement_timeout = '30s'; SET lock_timeout = '15s'; \
    SET idle_in_transaction_session_timeout = '60s';";

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// Where a database is.
pub(crate) struct Address {
    pub(crate) backend: Backend,
    /// For messages: without user, password and options.
    pub(crate) shown: String,
    url: Url,
}

impl Backend {
    /// Begins a transaction that is going to write. SQLite takes the right to write at once: one that reads first and
    /// writes then could fail.
    pub(crate) fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        }
    }

    /// How many write at once: SQLite has one writer, and PostgreSQL's connections are for readers too.
    pub(crate) fn writers(self) -> usize {
        match self {
            Self::Sqlite => 1,
            Self::Postgres => 5,
        }
    }

    /// Begins a transaction that sees one moment, and holds nobody up.
    pub(crate) fn begin_view(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

impl Address {
    /// Reads `sqlite:PATH` and `postgres://…`; makes the file of a SQLite database. A PostgreSQL on another machine has
    /// to prove who it is (`sslmode=verify-full`) unless the address names another `sslmode`.
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return sqlite(path.strip_prefix("//").unwrap_or(path));
        }
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        if !matches!(scheme, "postgres" | "postgresql") {
            let why = "it begins with neither `sqlite:` nor `postgres://`".to_owned();
            // Whatever it is, it can hold a password.
            return Err(StoreError::Open { url: "…".to_owned(), why });
        }
        let open = |why: String| StoreError::Open { url: format!("{scheme}://…"), why };
        let mut url = Url::parse(text).map_err(|error| open(format!("the address can't be understood: {error}")))?;
        let mut shown = url.clone();
        // Both fail only for addresses without a host, which have neither.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        shown.set_query(None);
        shown.set_fragment(None);
        let options = PgConnectOptions::from_url(&url).map_err(|error| open(why(&error)))?;
        if !is_here(&options) && !url.query_pairs().any(|(name, _)| matches!(&*name, "sslmode" | "ssl-mode")) {
            url.query_pairs_mut().append_pair("sslmode", "verify-full");
        }
        Ok(Self { backend: Backend::Postgres, shown: shown.to_string(), url })
    }

    /// Connections, at least one of them made.
    pub(crate) async fn connect(&self) -> Result<AnyPool, StoreError> {
        sqlx::any::install_default_drivers();
        let (session, connections) = match self.backend {
            Backend::Sqlite => (SQLITE_SESSION, SQLITE_CONNECTIONS),
            Backend::Postgres => (POSTGRES_SESSION, POSTGRES_CONNECTIONS),
        };
        let options = sqlx::any::AnyConnectOptions::from_url(&self.url)
            .map_err(|error| self.error(&error))?
            .disable_statement_logging();
        let pool = AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(CONNECT)
            .after_connect(move |connection, _| {
                Box::pin(async move { sqlx::raw_sql(session).execute(connection).await.map(drop) })
            })
            .connect_with(options)
            .await
            .map_err(|error| self.error(&error))?;
        if self.backend == Backend::Sqlite {
            write_ahead(&pool).await.map_err(|error| self.error(&error))?;
        }
        Ok(pool)
    }

    /// A connection of its own for PostgreSQL's notifications, not made yet.
    pub(crate) fn listener(&self) -> Result<Option<PgPool>, StoreError> {
        if self.backend == Backend::Sqlite {
            return Ok(None);
        }
        let options = PgConnectOptions::from_url(&self.url).map_err(|error| self.error(&error))?;
        let options = options.disable_statement_logging();
        Ok(Some(PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT).connect_lazy_with(options)))
    }

    fn error(&self, error: &sqlx::Error) -> StoreError {
        StoreError::Open { url: self.shown.clone(), why: why(error) }
    }
}

/// Whether the server is on this machine: what goes there can't be listened to.
fn is_here(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let is_loopback = |address: std::net::IpAddr| address.is_loopback();
    options.get_socket().is_some()
        || host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(is_loopback)
        || host.starts_with('/')
}

fn sqlite(path: &str) -> Result<Address, StoreError> {
    let open = |why: String| StoreError::Open { url: format!("sqlite:{path}"), why };
    if path.is_empty() || path.starts_with(':') || path.contains(['?', '#']) {
        return Err(open("after `sqlite:` stands the path of a file, without options".to_owned()));
    }
    let absolute = std::path::absolute(path).map_err(|error| open(error.to_string()))?;
    make(&absolute).map_err(|error| open(error.to_string()))?;
    let absolute = absolute.to_str().ok_or_else(|| open("its path is no UTF-8".to_owned()))?;
    let mut url = String::from("sqlite:");
    for byte in absolute.bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    let url = Url::parse(&url).map_err(|error| open(error.to_string()))?;
    Ok(Address { backend: Backend::Sqlite, shown: format!("sqlite:{path}"), url })
}

/// Makes an empty file that only its owner can read, where there is none; SQLite gives its other files the same mode.
/// One that is there isn't opened: closing it would end the locks that this process has on it.
fn make(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        done => done.map(drop),
    }
}

/// Turns on the write-ahead log, which stays on. SQLite itself doesn't wait here for others that do the same.
async fn write_ahead(pool: &AnyPool) -> Result<(), sqlx::Error> {
    let end = Instant::now() + CONNECT;
    loop {
        let done = sqlx::query("PRAGMA journal_mode = WAL").fetch_one(pool).await;
        let is_locked = |error: &sqlx::Error| error.as_database_error().is_some_and(|it| it.code() == Some("5".into()));
        match done {
            Err(error) if is_locked(&error) && Instant::now() < end => tokio::time::sleep(PAUSE).await,
            done => return done.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, is_here};
    use crate::store::Store;
    use sqlx::postgres::{PgConnectOptions, PgSslMode};
    use sqlx::{ConnectOptions, Row};

    #[test]
    fn a_host_elsewhere_has_to_prove_itself() {
        for (url, here, mode) in [
            ("postgres://ada@localhost/x", true, PgSslMode::Prefer),
            ("postgres://ada@127.0.0.9:99/x", true, PgSslMode::Prefer),
            ("postgres://ada@[::1]/x", true, PgSslMode::Prefer),
            ("postgres://ada@%2Frun%2Fpostgresql/x", true, PgSslMode::Prefer),
            ("postgres://ada@db/x", false, PgSslMode::VerifyFull),
            ("postgres://ada@10.0.0.1/x?application_name=callgate", false, PgSslMode::VerifyFull),
            ("postgres://ada@localhost/x?host=db.example", false, PgSslMode::VerifyFull),
            ("postgres://ada@localhost.example/x", false, PgSslMode::VerifyFull),
            ("postgres://ada@db/x?sslmode=disable", false, PgSslMode::Disable),
            ("postgres://ada@db/x?ssl-mode=require", false, PgSslMode::Require),
        ] {
            let address = Address::parse(url).map_err(|error| error.to_string()).unwrap();
            let options = PgConnectOptions::from_url(&address.url).unwrap();
            assert_eq!(is_here(&options), here, "{url}");
            assert_eq!(format!("{:?}", options.get_ssl_mode()), format!("{mode:?}"), "{url}");
        }
    }

    #[tokio::test]
    async fn what_sqlite_commits_is_on_the_disk_and_fits() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", folder.path().join("a.db").display())).await.unwrap();
        // Every connection, not only the first.
        let mut connections = Vec::new();
        for _ in 0..super::SQLITE_CONNECTIONS {
            connections.push(store.inner.pool.acquire().await.unwrap());
        }
        for connection in &mut connections {
            for (pragma, expected) in [("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 10_000)] {
                let row = sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA {pragma}"))).fetch_one(&mut **connection);
                assert_eq!(row.await.unwrap().get::<i64, _>(0), expected, "{pragma}");
            }
            let row = sqlx::query("PRAGMA journal_mode").fetch_one(&mut **connection).await.unwrap();
            assert_eq!(row.get::<String, _>(0), "wal");
        }
    }
}
