//! A control plane in a directory of its own, for tests: SQLite, a journal that can fail, servers that are asked nothing.

mod api;

pub(crate) use api::{Answered, Api};

use crate::caller::{Caller, Who};
use crate::control::{ChangeLog, Control, Parts, Upstreams};
use crate::secret::TokenKey;
use crate::target::Target;
use crate::vault::{KeySource, Vault};
use crate::webhooks::{Outgoing, Post, Posted};
use callgate_store::{Grant, Origin, Policy, PolicyVersion, Role, Roles, Server, Store};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// The moment that it is in a trial, unless the test says otherwise.
pub(crate) const NOW: i64 = 1_700_000_000_000;

thread_local! {
    static CLOCK: std::cell::Cell<i64> = const { std::cell::Cell::new(NOW) };
}

/// From now on it is so many milliseconds later than [`NOW`], for everything that runs on this thread.
pub(crate) fn later(milliseconds: i64) {
    CLOCK.with(|clock| clock.set(NOW + milliseconds));
}

/// A policy that allows everything.
pub(crate) const ALLOW: &str = r#"{ "version": "1", "default": "allow" }"#;

/// A control plane, and what it talks to.
pub(crate) struct Trial {
    pub(crate) control: Control,
    pub(crate) journal: Arc<Notes>,
    pub(crate) directory: TempDir,
}

/// A journal in memory.
#[derive(Default)]
pub(crate) struct Notes {
    bodies: Mutex<Vec<String>>,
    broken: AtomicBool,
}

/// Servers that have one tool each.
struct Anything;

impl Trial {
    /// A control plane with the organisation `default`, and nothing in it.
    pub(crate) async fn new() -> Self {
        Self::with_outgoing(Arc::new(Anything)).await
    }

    /// The same, with webhooks that are sent this way.
    pub(crate) async fn with_outgoing(outgoing: Arc<dyn Outgoing>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&url(&directory)).await.unwrap();
        if store.organisations().await.unwrap().is_empty() {
            store.add_organisation("default", NOW, None).await.unwrap();
        }
        store.close().await;
        let journal = Arc::new(Notes::default());
        let control = sending(&url(&directory), directory.path(), &journal, outgoing).await.unwrap();
        Self { control, journal, directory }
    }

    /// Ends the process, as it were, and starts another one on the same directory.
    pub(crate) async fn restart(self) -> Self {
        self.try_restart().await.map_err(|(_, error)| error).unwrap()
    }

    /// The same, with webhooks that are sent this way.
    pub(crate) async fn restart_with(self, outgoing: Arc<dyn Outgoing>) -> Self {
        let Self { control, journal, directory } = self;
        control.inner.store.close().await;
        drop(control);
        let control = sending(&url(&directory), directory.path(), &journal, outgoing).await.unwrap();
        Self { control, journal, directory }
    }

    /// The same where it may not start.
    pub(crate) async fn try_restart(self) -> Result<Self, (TempDir, crate::Error)> {
        let Self { control, journal, directory } = self;
        control.inner.store.close().await;
        drop(control);
        Self::on(directory, journal).await
    }

    /// A control plane on a directory that had one.
    pub(crate) async fn on(directory: TempDir, journal: Arc<Notes>) -> Result<Self, (TempDir, crate::Error)> {
        match open(&directory, &journal).await {
            Ok(control) => Ok(Self { control, journal, directory }),
            Err(error) => Err((directory, error)),
        }
    }

    /// The key file of the vault.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.directory.path().join("keys/secrets.key")
    }

    /// Everything that the files of the database hold.
    pub(crate) fn database(&self) -> Vec<u8> {
        let files = ["callgate.db", "callgate.db-wal"];
        files.iter().flat_map(|file| std::fs::read(self.directory.path().join(file)).unwrap_or_default()).collect()
    }
}

impl Notes {
    /// Every change that was recorded.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().iter().map(|body| serde_json::from_str(body).unwrap()).collect()
    }

    /// The recorded changes, `WHAT OBJECT`.
    pub(crate) fn words(&self) -> Vec<String> {
        let word = |body: &Value| format!("{} {}", body["what"].as_str().unwrap(), body["object"].as_str().unwrap());
        self.bodies().iter().map(word).collect()
    }

    /// From now on nothing can be recorded, or everything again.
    pub(crate) fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }
}

impl ChangeLog for Notes {
    fn append_change(&self, _at: i64, body: &[u8]) -> Result<(), String> {
        if self.broken.load(Ordering::SeqCst) {
            return Err("CG4001: the disk is full".to_owned());
        }
        self.bodies.lock().unwrap().push(String::from_utf8(body.to_vec()).unwrap());
        Ok(())
    }
}

impl Upstreams for Anything {
    fn check(&self, target: &Target) -> Result<(), String> {
        match target.secrets().keys().find(|name| *name == "Host") {
            Some(_) => Err("the header `Host` can't be sent: the gateway sets it itself".to_owned()),
            None => Ok(()),
        }
    }

    fn tools<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<String, String>> {
        let text = match target {
            Target::Url { url, headers } if url.contains("down") => {
                let sent: Vec<&str> = headers.values().flat_map(|value| value.reveal().split(' ')).collect();
                Err(format!("not accepted: {}", sent.join(", ")))
            }
            _ => Ok(r#"[{"name":"echo"}]"#.to_owned()),
        };
        std::future::ready(text).boxed()
    }
}

impl Outgoing for Anything {
    fn post<'a>(&'a self, _: &'a Post) -> BoxFuture<'a, Result<Posted, String>> {
        std::future::ready(Ok(Posted { status: 200, retry_after: None })).boxed()
    }
}

/// A member with this role in the whole organisation `default`.
pub(crate) fn member(role: Role) -> Caller {
    caller("default", Roles { organisation: Some(role), ..Roles::default() })
}

/// A member with this role for these servers only.
pub(crate) fn member_of(role: Role, servers: &[&str]) -> Caller {
    let servers = servers.iter().map(|server| ((*server).to_owned(), role)).collect();
    caller("default", Roles { organisation: None, servers })
}

/// A member of any organisation.
pub(crate) fn caller(organisation: &str, roles: Roles) -> Caller {
    let who = Who::Member { id: "m_0000000000000001".to_owned(), login: "ada".to_owned() };
    Caller::new(organisation, who, roles, false)
}

/// Somebody who may do what concerns the whole instance, and everything in `default`.
pub(crate) fn root() -> Caller {
    let who = Who::Token { id: "c_0000000000000001".to_owned(), label: "admin".to_owned() };
    Caller::new("default", who, Roles { organisation: Some(Role::Admin), ..Roles::default() }, true)
}

/// The record of a server with the identity `id-NAME`.
pub(crate) fn server(name: &str) -> Server {
    Server {
        id: format!("id-{name}"),
        name: name.to_owned(),
        target: r#"{"url":"http://x/","headers":[]}"#.to_owned(),
        sealed: Vec::new(),
        key_version: 0,
        settings: "{}".to_owned(),
        origin: Origin::Manual,
        created: NOW,
    }
}

/// The record of a server's policy `default` at version 1.
pub(crate) fn policy(id: &str, server: &str) -> Policy {
    Policy {
        id: id.to_owned(),
        server: Some(server.to_owned()),
        name: "default".to_owned(),
        current: 1,
        origin: Origin::Manual,
        created: NOW,
    }
}

/// The record of a policy's version.
pub(crate) fn version(policy: &str, version: i64, document: &str) -> PolicyVersion {
    PolicyVersion {
        policy: policy.to_owned(),
        version,
        document: document.to_owned(),
        digest: blake3::hash(document.as_bytes()).to_hex().to_string(),
        repeats: None,
        by: "admin".to_owned(),
        at: NOW,
    }
}

/// The record of a grant that is labelled as it is identified.
pub(crate) fn grant(id: &str, server: &str, policy: Option<&str>) -> Grant {
    Grant {
        id: id.to_owned(),
        server: server.to_owned(),
        label: id.to_owned(),
        policy: policy.map(str::to_owned),
        tags: [("team".to_owned(), "a".to_owned())].into(),
        token: blake3::hash(id.as_bytes()).to_hex().to_string(),
        previous: None,
        origin: Origin::Manual,
        created: NOW,
        expires: None,
        revoked: None,
        minted_by: Some("m_0000000000000009".to_owned()),
        rotated_by: None,
    }
}

pub(crate) async fn open(directory: &TempDir, journal: &Arc<Notes>) -> Result<Control, crate::Error> {
    process(&url(directory), directory.path(), journal).await
}

/// A process with this database, and its key file in this directory.
pub(crate) async fn process(url: &str, directory: &Path, journal: &Arc<Notes>) -> Result<Control, crate::Error> {
    sending(url, directory, journal, Arc::new(Anything)).await
}

/// The same, with webhooks that are sent this way.
pub(crate) async fn sending(
    url: &str,
    directory: &Path,
    journal: &Arc<Notes>,
    outgoing: Arc<dyn Outgoing>,
) -> Result<Control, crate::Error> {
    Control::open(Parts {
        // What another process changes is told, or never seen.
        anyway: std::time::Duration::MAX,
        store: Store::open(url).await?,
        changes: Arc::clone(journal) as Arc<dyn ChangeLog>,
        upstreams: Arc::new(Anything),
        outgoing,
        tokens: TokenKey::new([7; 32]),
        vault: Vault::load(KeySource::File(directory.join("keys/secrets.key"))).await?,
        clock: || CLOCK.with(std::cell::Cell::get),
    })
    .await
}

fn url(directory: &TempDir) -> String {
    format!("sqlite:{}", directory.path().join("callgate.db").display())
}
