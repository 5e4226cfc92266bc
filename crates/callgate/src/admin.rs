//! The operations on a data directory: the same code in a running gateway and on the directory itself.

mod grants;
mod policies;
mod servers;

use crate::data::{DataDir, Lock};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::publish::Publisher;
use crate::settings::Settings;
use crate::state::{self, Change, State, Target};
use callgate_proxy::TokenKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

/// One operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Op {
    /// Register a server.
    ServerAdd {
        name: String,
        target: Target,
        #[serde(default)]
        settings: Settings,
    },
    /// Remove a server, its policies and its grants.
    ServerRemove { name: String },
    /// List the servers.
    ServerList {},
    /// Show one server.
    ServerShow { name: String },
    /// Ask a server for its tools.
    ServerTools { name: String },
    /// Publish a policy. `file` is how messages call the document.
    PolicyPublish { server: String, name: String, document: String, file: String },
    /// Publish an earlier version again.
    PolicyRollback { server: String, name: String, to: Option<u32> },
    /// List the published policies.
    PolicyList { server: Option<String> },
    /// List the versions of a policy.
    PolicyHistory { server: String, name: String },
    /// Mint a grant.
    GrantMint {
        server: String,
        label: String,
        policy: Option<String>,
        /// How long it lasts, in milliseconds.
        expires_in: Option<i64>,
        tags: BTreeMap<String, String>,
    },
    /// List the grants.
    GrantList { server: Option<String> },
    /// Attach another policy to a grant, or none.
    GrantAttach { grant: String, policy: Option<String> },
    /// Give a grant a new token; the old one works on for `overlap` milliseconds.
    GrantRotate { grant: String, overlap: i64 },
    /// Revoke a grant.
    GrantRevoke { grant: String },
}

/// What an operation answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reply {
    /// The answer, as `--json` prints it.
    pub value: Box<RawValue>,
    /// What the operator should know beside it.
    pub notes: Vec<String>,
}

/// Where changes are recorded before they apply.
pub(crate) trait ChangeLog: Send + Sync {
    /// Appends a change and returns when it is written.
    fn append_change(&self, change: &Change) -> Result<(), Failure>;
}

/// The operations on one data directory. Holds the directory's lock.
pub(crate) struct Admin {
    data: DataDir,
    key: TokenKey,
    environment: Environment,
    log: Arc<dyn ChangeLog>,
    inner: Mutex<Inner>,
    lock: std::sync::Mutex<Lock>,
}

/// What the mutex guards: one writer at a time, from reading the state to publishing its snapshot.
struct Inner {
    state: State,
    publisher: Option<Publisher>,
    url: Option<String>,
}

/// A change that is prepared: the state after it, and what the journal says about it.
struct Prepared {
    state: State,
    what: &'static str,
    object: String,
    before: Value,
    after: Value,
}

impl Op {
    /// Whether it changes anything, and so needs a credential.
    pub(crate) fn changes(&self) -> bool {
        match self {
            Self::ServerList {}
            | Self::ServerShow { .. }
            | Self::ServerTools { .. }
            | Self::PolicyList { .. }
            | Self::PolicyHistory { .. }
            | Self::GrantList { .. } => false,
            Self::ServerAdd { .. }
            | Self::ServerRemove { .. }
            | Self::PolicyPublish { .. }
            | Self::PolicyRollback { .. }
            | Self::GrantMint { .. }
            | Self::GrantAttach { .. }
            | Self::GrantRotate { .. }
            | Self::GrantRevoke { .. } => true,
        }
    }
}

impl Reply {
    fn of(value: Value) -> Self {
        Self::with(value, Vec::new())
    }

    fn with(value: Value, notes: Vec<String>) -> Self {
        // What a `Value` prints is always JSON.
        let value = RawValue::from_string(value.to_string()).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self { value, notes }
    }

    /// The answer as a tree.
    pub(crate) fn tree(&self) -> Value {
        serde_json::from_str(self.value.get()).unwrap_or_default()
    }
}

impl Admin {
    /// Opens the operations on a data directory that this process owns: writes the admin credential at first use, and
    /// finishes a change that was interrupted. A `publisher` gets every change as a snapshot.
    pub(crate) fn open(
        data: DataDir,
        lock: Lock,
        environment: Environment,
        log: Arc<dyn ChangeLog>,
        publisher: Option<Publisher>,
    ) -> Result<Self, Failure> {
        let key = TokenKey::new(data.key("token")?);
        let mut state = State::read(&data)?;
        if state.admin.is_none() {
            let (token, hash) = state::mint_token("cga_", &key)?;
            crate::data::replace(&data.admin_token(), format!("{token}\n").as_bytes())?;
            state.admin = Some(hash);
            state.write(&data)?;
        }
        if let Some(change) = state.outbox.take() {
            log.append_change(&change)?;
            state.write(&data)?;
        }
        let url = lock.last_url();
        let inner = Mutex::new(Inner { state, publisher, url });
        Ok(Self { data, key, environment, log, inner, lock: std::sync::Mutex::new(lock) })
    }

    /// Says where this process serves HTTP: for URLs in answers, and for the message that a second process gets.
    pub(crate) async fn announce(&self, url: String) {
        let announced = self.lock.lock().map(|mut lock| lock.announce(Some(&url)));
        // Only a message would be poorer for it.
        drop(announced);
        self.inner.lock().await.url = Some(url);
    }

    /// Publishes what the state and the configuration say now.
    pub(crate) async fn publish(&self) {
        let inner = &mut *self.inner.lock().await;
        if let Some(publisher) = &mut inner.publisher {
            publisher.publish(&inner.state, &self.data, &self.environment);
        }
    }

    /// Hands the publisher to `with`, and publishes afterwards.
    pub(crate) async fn with_publisher(&self, with: impl FnOnce(&mut Publisher)) {
        let inner = &mut *self.inner.lock().await;
        if let Some(publisher) = &mut inner.publisher {
            with(publisher);
            publisher.publish(&inner.state, &self.data, &self.environment);
        }
    }

    /// Does one operation. Whatever changes something needs the admin credential, has its record in the journal, and
    /// is live when this returns.
    pub(crate) async fn execute(&self, op: Op, credential: Option<&str>) -> Result<Reply, Failure> {
        let mut inner = self.inner.lock().await;
        if op.changes() {
            self.authenticate(&inner.state, credential)?;
        }
        match op {
            Op::ServerAdd { name, target, settings } => servers::add(self, &mut inner, &name, target, settings),
            Op::ServerRemove { name } => servers::remove(self, &mut inner, &name),
            Op::ServerList {} => Ok(servers::list(&inner)),
            Op::ServerShow { name } => servers::show(&inner, &name),
            Op::ServerTools { name } => {
                let target = servers::target(&inner, &name)?;
                // An upstream may be slow: nobody else waits for it.
                drop(inner);
                let value = crate::client::tools(&target, &self.environment).await?;
                Ok(Reply { value, notes: Vec::new() })
            }
            Op::PolicyPublish { server, name, document, file } => {
                policies::publish(self, &mut inner, &server, &name, &document, &file)
            }
            Op::PolicyRollback { server, name, to } => policies::rollback(self, &mut inner, &server, &name, to),
            Op::PolicyList { server } => policies::list(&inner, server.as_deref()),
            Op::PolicyHistory { server, name } => policies::history(&inner, &server, &name),
            Op::GrantMint { server, label, policy, expires_in, tags } => {
                let wish = grants::Wish { server, label, policy, expires_in, tags };
                grants::mint(self, &mut inner, wish)
            }
            Op::GrantList { server } => grants::list(&inner, server.as_deref()),
            Op::GrantAttach { grant, policy } => grants::attach(self, &mut inner, &grant, policy),
            Op::GrantRotate { grant, overlap } => grants::rotate(self, &mut inner, &grant, overlap),
            Op::GrantRevoke { grant } => grants::revoke(self, &mut inner, &grant),
        }
    }

    fn authenticate(&self, state: &State, credential: Option<&str>) -> Result<(), Failure> {
        let Some(credential) = credential else {
            let message = "this operation needs the admin credential, and there is none";
            let remedy = format!("put it into `CALLGATE_TOKEN`, or back into `{}`", self.data.admin_token().display());
            return Err(Failure::no("CG3030", message, remedy));
        };
        // Compared as keyed hashes: how long it takes tells nothing about the credential.
        let presented = blake3::Hash::from_bytes(self.key.digest(credential.as_bytes()).0);
        let known = state.admin.as_deref().and_then(|hash| blake3::Hash::from_hex(hash).ok());
        if known == Some(presented) {
            return Ok(());
        }
        let message = "the credential is not the admin's of this data directory";
        let remedy = format!("it is the content of `{}` at first use", self.data.admin_token().display());
        Err(Failure::no("CG3031", message, remedy))
    }

    /// Makes a prepared change: state on disk with the change in its outbox, then the journal, then the snapshot.
    fn apply(&self, inner: &mut MutexGuard<'_, Inner>, prepared: Prepared) -> Result<(), Failure> {
        let Prepared { mut state, what, object, before, after } = prepared;
        state.generation += 1;
        let change = Change {
            generation: state.generation,
            at: crate::moment::now(),
            who: "admin".to_owned(),
            what: what.to_owned(),
            object,
            before,
            after,
        };
        state.outbox = Some(change.clone());
        state.write(&self.data)?;
        if let Err(failure) = self.log.append_change(&change) {
            // Not recorded, so it must not apply: back to what was there.
            inner.state.write(&self.data)?;
            return Err(failure);
        }
        state.outbox = None;
        state.write(&self.data)?;
        inner.state = state;
        let inner = &mut **inner;
        if let Some(publisher) = &mut inner.publisher {
            publisher.publish(&inner.state, &self.data, &self.environment);
        }
        Ok(())
    }
}

impl Inner {
    /// The URL that clients use for a server.
    fn endpoint(&self, server: &str) -> String {
        let base = self.url.as_deref().unwrap_or("http://127.0.0.1:7070");
        format!("{base}/mcp/{server}")
    }

    /// The servers that the configuration file declares.
    fn declared(&self, name: &str) -> Option<&crate::config::DeclaredServer> {
        self.publisher.as_ref().and_then(|publisher| publisher.declared(name))
    }

    /// The state with an entry for `server`, also where only the configuration file declares it.
    fn state_with(&self, server: &str) -> Result<State, Failure> {
        let mut state = self.state.clone();
        if !state.servers.contains_key(server) {
            if self.declared(server).is_none() {
                return Err(self.unknown(server));
            }
            let entry = state::Server {
                uuid: state::declared_uuid(server),
                target: None,
                settings: Settings::default(),
                policies: BTreeMap::new(),
                grants: BTreeMap::new(),
            };
            state.servers.insert(server.to_owned(), entry);
        }
        Ok(state)
    }

    /// Refuses a server's name that nothing is known of.
    fn check_known(&self, server: Option<&str>) -> Result<(), Failure> {
        let known = |server: &str| self.state.servers.contains_key(server) || self.declared(server).is_some();
        match server.filter(|server| !known(server)) {
            None => Ok(()),
            Some(server) => Err(self.unknown(server)),
        }
    }

    fn unknown(&self, server: &str) -> Failure {
        let mut known: Vec<&str> = self.state.servers.keys().map(String::as_str).collect();
        let declared = self.publisher.as_ref().map_or(&[][..], |publisher| publisher.declared_servers());
        known.extend(declared.iter().map(|declared| declared.name.as_str()));
        known.sort_unstable();
        known.dedup();
        state::unknown_server(server, &known)
    }
}

fn null() -> Value {
    Value::Null
}
