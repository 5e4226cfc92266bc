//! The control plane of one process: what its services share.

use crate::approvals::{self, Desk};
use crate::caller::Cleared;
use crate::configuration::Configuration;
use crate::definitions::Seeing;
use crate::error::Error;
use crate::export;
use crate::limits::Counters;
use crate::publish::Publisher;
use crate::records::News;
use crate::secret::TokenKey;
use crate::servers::Observations;
use crate::target::Target;
use crate::vault::Vault;
use crate::webhooks::Outgoing;
use callgate_store::{Reads, Store};
use futures_util::future::BoxFuture;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify, Semaphore, watch};
use tokio::task::AbortHandle;

/// Where clients are told to go while nobody said where the gateway serves.
const UNANNOUNCED: &str = "http://127.0.0.1:7070";

/// Where changes are recorded: the journal, as a port.
pub trait ChangeLog: Send + Sync {
    /// Appends the body of a change record (compact JSON) and returns when it is written. The text begins with a code.
    fn append_change(&self, at: i64, body: &[u8]) -> Result<(), String>;
}

/// Servers, as a port: what the API asks of them itself.
pub trait Upstreams: Send + Sync {
    /// Whether the data plane can use this target: its URL, the names and values of its headers. An error says why not,
    /// without a secret.
    fn check(&self, target: &Target) -> Result<(), String>;

    /// Asks a server for its tools: the `tools` array of its complete list, as JSON text.
    fn tools<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<String, String>>;
}

/// How often it is looked for what others changed in the store, even if nobody tells.
pub const ANYWAY: Duration = Duration::from_secs(30);

/// So many servers are asked for their tools at once.
const ASKED_AT_ONCE: usize = 4;

/// What a control plane is made of.
pub struct Parts {
    /// The store, open.
    pub store: Store,
    /// Where changes are recorded.
    pub changes: Arc<dyn ChangeLog>,
    /// Asks servers for their tools.
    pub upstreams: Arc<dyn Upstreams>,
    /// Sends messages to webhooks.
    pub outgoing: Arc<dyn Outgoing>,
    /// What tokens are hashed with.
    pub tokens: TokenKey,
    /// What secrets are sealed with.
    pub vault: Vault,
    /// The time: milliseconds since the Unix epoch.
    pub clock: fn() -> i64,
    /// How often it is looked for what others changed in the store, even if nobody tells: [`ANYWAY`].
    pub anyway: Duration,
}

/// The control plane. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) changes: Arc<dyn ChangeLog>,
    pub(crate) upstreams: Arc<dyn Upstreams>,
    pub(crate) outgoing: Arc<dyn Outgoing>,
    pub(crate) tokens: TokenKey,
    pub(crate) vault: Vault,
    pub(crate) clock: fn() -> i64,
    pub(crate) published: watch::Sender<Arc<Configuration>>,
    /// The one writer of `published`.
    pub(crate) publisher: Mutex<Publisher>,
    /// Something is committed that may not be published.
    pub(crate) retry: Arc<Notify>,
    /// Held by the one who changes the keys.
    pub(crate) rotating: Mutex<()>,
    /// A place for each server that is asked for its tools: asking starts a process, where the server is one.
    pub(crate) asking: Semaphore,
    /// A place for each export of the journal.
    pub(crate) exporting: Arc<Semaphore>,
    /// What is pinned of what servers list goes through here, one list of a server at a time.
    pub(crate) seeing: Seeing,
    /// Where those wait who asked a person.
    pub(crate) desk: Arc<Desk>,
    /// Where the store's connections live.
    pub(crate) runtime: Handle,
    url: RwLock<String>,
    attendant: std::sync::OnceLock<AbortHandle>,
    keeper: std::sync::OnceLock<AbortHandle>,
    /// The journal, for retention and export.
    pub(crate) journal: std::sync::OnceLock<Arc<callgate_journal::Journal>>,
    /// What counts, where this process serves.
    pub(crate) counters: std::sync::OnceLock<Arc<dyn Counters>>,
    /// What is known of servers, where this process serves.
    pub(crate) observations: std::sync::OnceLock<Arc<dyn Observations>>,
    /// What happened that somebody may wait for.
    pub(crate) news: watch::Sender<News>,
}

impl Control {
    /// Opens the control plane: the keys are the right ones, what waits for the journal is recorded, then everything is
    /// published, and what changes in the store from now on is followed.
    pub async fn open(parts: Parts) -> Result<Self, Error> {
        let Parts { store, changes, upstreams, outgoing, tokens, vault, clock, anyway } = parts;
        vault.prove(&store).await?;
        if !tokens.is_of(&store).await? {
            tracing::error!(
                "`keys/token.key` is not the key that the tokens in this database were hashed with: none of them opens \
                 anything here; put the right file back, or mint grants anew [CG3165]"
            );
        }
        let (published, _) = watch::channel(Arc::new(Configuration::default()));
        let notifications = store.notifications(anyway);
        let inner = Inner {
            store,
            changes,
            upstreams,
            outgoing,
            tokens,
            vault,
            clock,
            published,
            publisher: Mutex::default(),
            retry: Arc::default(),
            rotating: Mutex::default(),
            asking: Semaphore::new(ASKED_AT_ONCE),
            exporting: Arc::new(Semaphore::new(export::AT_ONCE)),
            seeing: Seeing::default(),
            desk: Arc::new(Desk::new()),
            runtime: Handle::current(),
            url: RwLock::new(UNANNOUNCED.to_owned()),
            attendant: std::sync::OnceLock::new(),
            keeper: std::sync::OnceLock::new(),
            journal: std::sync::OnceLock::new(),
            counters: std::sync::OnceLock::new(),
            observations: std::sync::OnceLock::new(),
            news: watch::Sender::default(),
        };
        let control = Self { inner: Arc::new(inner) };
        control.publish().await?;
        let keeper = crate::publish::keep(Arc::downgrade(&control.inner), notifications);
        // It is empty: nobody else has this value yet.
        let _first = control.inner.keeper.set(tokio::spawn(keeper).abort_handle());
        let attendant = approvals::attend(Arc::downgrade(&control.inner));
        let _first = control.inner.attendant.set(tokio::spawn(attendant).abort_handle());
        Ok(control)
    }

    /// What the data plane follows.
    pub fn configuration(&self) -> watch::Receiver<Arc<Configuration>> {
        self.inner.published.subscribe()
    }

    /// Says where the gateway serves (`https://gate.example.com`, without a slash at the end): for URLs in answers.
    pub fn announce(&self, url: &str) {
        url.trim_end_matches('/').clone_into(&mut self.inner.url.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// The URL that clients use for a server.
    pub fn endpoint(&self, server: &str) -> String {
        format!("{}/mcp/{server}", self.base())
    }

    /// Where the gateway serves, without a slash at the end.
    pub(crate) fn base(&self) -> String {
        self.inner.url.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The time, milliseconds since the Unix epoch.
    pub fn now(&self) -> i64 {
        (self.inner.clock)()
    }

    /// Reads what the caller's organisation has.
    pub(crate) fn reads(&self, cleared: &Cleared<'_>) -> Reads<'_> {
        self.inner.store.reads(cleared.caller().organisation())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in [&self.keeper, &self.attendant] {
            task.get().map(AbortHandle::abort);
        }
    }
}
