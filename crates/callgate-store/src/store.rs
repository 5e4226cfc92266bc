//! The store: open, read for one organisation, change for one organisation.

use crate::change::{Change, Write};
use crate::connect::{Address, Backend};
use crate::error::StoreError;
use crate::migrations::{KNOWN, migrate};
use crate::notice::Notifications;
use crate::reads::{Reads, View};
use crate::records::OrganisationRecord;
use crate::table::{Table, Values};
use sqlx::{AnyPool, PgPool};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// How long a change waits for its turn in this process.
const TURN: Duration = Duration::from_secs(20);

/// How long a statement may take altogether: longer than PostgreSQL itself allows, so that it only ends a wait for a
/// machine that is gone.
const STATEMENT: Duration = Duration::from_secs(45);

/// A structure that has a table. Sealed: the tables are this crate's.
pub trait Record: Table + Send + Sync + Unpin + 'static {
    /// What one is called in messages: `server`, `grant`, …
    const WHAT: &'static str;
}

/// A record with what the store adds to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<R> {
    /// The record.
    pub record: R,
    /// The generation of its organisation that wrote it last: its revision (and `ETag`).
    pub changed: i64,
    /// When it was removed, where it was. Only [`Reads::changed_since`] gives removed ones.
    pub removed: Option<i64>,
}

/// Which part of a list: ordered by identity (policy versions: by number, newest first).
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Only those of this parent: the server of policies and grants, the policy of versions, the member of credentials.
    pub parent: Option<String>,
    /// Only what comes after this identity.
    pub after: Option<String>,
    /// How many at most.
    pub limit: u32,
}

/// A change that waits to be in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its organisation.
    pub organisation: String,
    /// The generation that it belongs to.
    pub generation: i64,
    /// Its place among the changes of that generation, from 0.
    pub position: i64,
    /// The body of its journal record: compact JSON.
    pub body: String,
}

/// An open database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) pool: AnyPool,
    pub(crate) backend: Backend,
    /// For PostgreSQL's notifications.
    pub(crate) listener: Option<PgPool>,
    /// Whose turn it is to write: changes of this process wait here, in order, and hold no connection meanwhile, so that
    /// reading goes on.
    turns: Arc<Semaphore>,
    /// Something was announced.
    pub(crate) news: Arc<Notify>,
}

impl Store {
    /// Opens a database (`sqlite:PATH`, `postgres://…`), makes it where it is missing (SQLite, in a directory that is
    /// there), and migrates it.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url).await?;
        store.migrate(KNOWN).await?;
        Ok(store)
    }

    /// Opens a database and leaves its schema as it is.
    pub(crate) async fn connect(url: &str) -> Result<Self, StoreError> {
        let address = Address::parse(url)?;
        let listener = address.listener()?;
        let pool = address.connect().await?;
        let turns = Arc::new(Semaphore::new(address.backend.writers()));
        let inner = Inner { pool, backend: address.backend, listener, turns, news: Arc::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(crate) async fn migrate(&self, target: i64) -> Result<(), StoreError> {
        migrate(&self.inner.pool, self.inner.backend, target).await
    }

    /// Closes all connections; what is under way is waited for.
    pub async fn close(&self) {
        self.inner.pool.close().await;
        if let Some(listener) = &self.inner.listener {
            listener.close().await;
        }
    }

    /// All organisations, by name.
    pub async fn organisations(&self) -> Result<Vec<OrganisationRecord>, StoreError> {
        in_time(async { organisations(&mut *self.inner.pool.acquire().await?).await }).await
    }

    /// Makes an organisation, at its generation 0, with the journal's copy of that. [`StoreError::Taken`] where its name
    /// is.
    pub async fn add_organisation(&self, name: &str, at: i64, body: Option<String>) -> Result<(), StoreError> {
        self.written(async |write| {
            let statement = sqlx::query("INSERT INTO organisations (name, generation, created) VALUES ($1, 0, $2)");
            let done = statement.bind(name).bind(at).execute(&mut *write.transaction).await;
            done.map_err(|error| StoreError::of_write(error, "organisation", || name.to_owned()))?;
            let Some(body) = body else { return Ok(()) };
            let sql = "INSERT INTO outbox (organisation, generation, position, body) VALUES ($1, 0, 0, $2)";
            Ok(sqlx::query(sql).bind(name).bind(body).execute(&mut *write.transaction).await.map(drop)?)
        })
        .await
    }

    /// Reads what an organisation has, each time as it is at that moment.
    pub fn reads(&self, organisation: &str) -> Reads<'_> {
        Reads::new(self, organisation)
    }

    /// Reads all organisations as they are at one moment, however long it takes.
    pub async fn view(&self) -> Result<View<'_>, StoreError> {
        View::begin(self).await
    }

    /// Begins a change: waits for the organisation's other changes, and takes its next generation.
    pub async fn begin(&self, organisation: &str) -> Result<Change<'_>, StoreError> {
        Change::begin(self, organisation).await
    }

    /// What other processes change, as it happens; looked for again after `anyway` even if nothing was told, because a
    /// connection can be dead without anybody noticing.
    pub fn notifications(&self, anyway: Duration) -> Notifications {
        Notifications::new(self.inner.listener.clone(), anyway)
    }

    /// Tells other processes that an organisation changed, once its journal has the change. They would find out
    /// without, only later.
    pub async fn notify(&self, organisation: &str) -> Result<(), StoreError> {
        if self.inner.backend == Backend::Sqlite {
            return Ok(());
        }
        let statement = sqlx::query("SELECT pg_notify($1, $2)").bind(crate::notice::CHANNEL).bind(organisation);
        in_time(async { Ok(statement.execute(&self.inner.pool).await.map(drop)?) }).await
    }

    /// Writes something that is no change of an organisation, in a transaction of its own.
    pub(crate) async fn written<T>(
        &self,
        work: impl AsyncFnOnce(&mut Write) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut write = self.write().await?;
        let done = in_time(work(&mut write)).await?;
        write.commit().await?;
        Ok(done)
    }

    /// A transaction that is going to write.
    pub(crate) async fn write(&self) -> Result<Write, StoreError> {
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.inner.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| StoreError::failed("other changes did not end in time"))?;
        let turn = turn.map_err(|_| StoreError::failed("it is closed"))?;
        let transaction = async { Ok(self.inner.pool.begin_with(self.inner.backend.begin_write()).await?) };
        Ok(Write::new(in_time(transaction).await?, turn, Arc::clone(&self.inner.news)))
    }
}

/// Never shows where the database is: the address can hold a password.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("backend", &self.inner.backend).finish_non_exhaustive()
    }
}

/// Waits for the database, but not for ever.
pub(crate) async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let done = tokio::time::timeout(STATEMENT, work).await;
    done.map_err(|_| StoreError::failed(format!("it did not answer within {} seconds", STATEMENT.as_secs())))?
}

/// All organisations, by name.
pub(crate) async fn organisations(connection: &mut sqlx::AnyConnection) -> Result<Vec<OrganisationRecord>, StoreError> {
    let rows = sqlx::query("SELECT name, generation, created FROM organisations ORDER BY name");
    let rows = rows.fetch_all(connection).await?;
    let read = |row| {
        let mut values = Values::new(row, "organisations");
        Ok(OrganisationRecord { name: values.next()?, generation: values.next()?, created: values.next()? })
    };
    rows.iter().map(read).collect()
}

macro_rules! record {
    ($($type:ident $what:literal),*) => {
        $(impl Record for crate::records::$type { const WHAT: &'static str = $what; })*
    }
}
record!(Server "server", Policy "policy", PolicyVersion "version", Grant "grant", Member "member", Credential "credential");
record!(Webhook "webhook", Definition "definition");
