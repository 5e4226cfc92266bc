//! From what is configured to what the data plane sees: one immutable snapshot for every change.

use crate::definitions::Known;
use crate::environment::Environment;
use crate::{settings, target};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use callgate_control::settings::Settings;
use callgate_control::{Configuration, PublishedGrant, PublishedPolicy, PublishedServer};
use callgate_policy::{GrantId, Organisation, ServerName, Timestamp};
use callgate_proxy::{AttachedPolicy, GrantEntry, ServerConfig, Snapshot, Snapshots, TokenDigest, TokenKey};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Makes a snapshot of everything that is published.
pub(crate) struct Maker {
    key: TokenKey,
    environment: Environment,
    configurations: watch::Receiver<Arc<Configuration>>,
    sender: watch::Sender<Arc<Snapshot>>,
    made: watch::Sender<Arc<Configuration>>,
    servers: HashMap<Arc<str>, Made>,
    /// By where what is published stands in memory: what a value holds can't stand elsewhere, nor anything else there.
    grants: HashMap<usize, MadeGrant>,
    definitions: Known,
}

/// Tells when what is published is what calls are decided by.
#[derive(Clone)]
pub(crate) struct InForce {
    published: watch::Receiver<Arc<Configuration>>,
    made: watch::Receiver<Arc<Configuration>>,
}

/// What was made of a server.
struct Made {
    published: Arc<PublishedServer>,
    /// Nothing where the data plane can't serve it.
    config: Option<Arc<ServerConfig>>,
}

/// What was made of a grant: an entry for its token, and one for the token before while that still works.
struct MadeGrant {
    _published: Arc<PublishedGrant>,
    server: Option<Arc<ServerConfig>>,
    entries: [Option<Arc<GrantEntry>>; 2],
}

impl Maker {
    /// Makes the first snapshot; the others are made as long as [`Maker::follow`] runs.
    pub(crate) fn new(
        key: TokenKey,
        configurations: watch::Receiver<Arc<Configuration>>,
        environment: Environment,
    ) -> (Self, Snapshots, InForce) {
        let (sender, snapshots) = watch::channel(Arc::new(Snapshot::new(key.clone(), [], None::<GrantEntry>)));
        let made = watch::Sender::new(Arc::new(Configuration::default()));
        let in_force = InForce { published: configurations.clone(), made: made.subscribe() };
        let mut maker = Self {
            key,
            environment,
            configurations,
            sender,
            made,
            servers: HashMap::new(),
            grants: HashMap::new(),
            definitions: Known::default(),
        };
        maker.make();
        (maker, snapshots, in_force)
    }

    /// Follows what is published, until nobody publishes any more.
    pub(crate) async fn follow(mut self) {
        while self.configurations.changed().await.is_ok() {
            self.make();
        }
        // What is there stays in force.
        std::future::pending().await
    }

    fn make(&mut self) {
        let configuration = Arc::clone(&self.configurations.borrow_and_update());
        let mut servers = HashMap::with_capacity(configuration.servers.len());
        for published in &configuration.servers {
            let made = self.server(published);
            servers.insert(Arc::clone(&published.id), made);
        }
        self.servers = servers;
        let mut grants = HashMap::with_capacity(configuration.grants.len());
        for published in &configuration.grants {
            let key = Arc::as_ptr(published).addr();
            let made = self.grant(key, published);
            grants.insert(key, made);
        }
        self.grants = grants;
        let configs = configuration.servers.iter().filter_map(|server| self.servers.get(&server.id)?.config.clone());
        let entries = self.grants.values().flat_map(|made| made.entries.iter().flatten().cloned());
        let snapshot = Snapshot::new(self.key.clone(), configs, entries);
        let snapshot = snapshot.with_definitions(self.definitions.make(&configuration.definitions));
        self.sender.send_replace(Arc::new(snapshot));
        self.made.send_replace(configuration);
    }

    /// The same server keeps the same identity, and with it its connections.
    fn server(&self, published: &Arc<PublishedServer>) -> Made {
        let before = self.servers.get(&published.id);
        if let Some(before) = before.filter(|before| before.published == *published) {
            return Made { published: Arc::clone(published), config: before.config.clone() };
        }
        let config = match config(published, &self.environment) {
            Ok(config) => Some(config),
            Err(why) => {
                tracing::error!(server = %published.name, "the server can't be served: {why}");
                None
            }
        };
        let before = before.and_then(|before| before.config.as_ref());
        let config = config.map(|config| match before {
            Some(before) if **before == config => Arc::clone(before),
            _ => Arc::new(config),
        });
        Made { published: Arc::clone(published), config }
    }

    /// The same grant keeps the same entries: of most, nothing has to be made again.
    fn grant(&mut self, key: usize, published: &Arc<PublishedGrant>) -> MadeGrant {
        let server = self.servers.get(&published.server).and_then(|made| made.config.clone());
        let same = |one: &Option<Arc<ServerConfig>>| one.as_ref().map(Arc::as_ptr) == server.as_ref().map(Arc::as_ptr);
        if let Some(made) = self.grants.remove(&key).filter(|made| same(&made.server)) {
            return made;
        }
        MadeGrant { _published: Arc::clone(published), entries: entries(published, server.as_ref()), server }
    }
}

fn entries(grant: &PublishedGrant, server: Option<&Arc<ServerConfig>>) -> [Option<Arc<GrantEntry>>; 2] {
    let entry = |token: [u8; 32], expires: Option<i64>| {
        Some(Arc::new(GrantEntry {
            token: TokenDigest(token),
            grant: callgate_policy::Grant {
                id: GrantId::parse(&grant.id).ok()?,
                label: grant.label.clone(),
                tags: grant.tags.clone(),
            },
            server: Arc::clone(server?),
            policy: grant.policy.as_ref().map(attached),
            baseline: grant.baseline.as_ref().map(attached),
            expires: expires.map(Timestamp),
        }))
    };
    let previous = grant
        .previous
        .and_then(|(token, until)| entry(token, Some(grant.expires.map_or(until, |expires| expires.min(until)))));
    [previous, entry(grant.token, grant.expires)]
}

impl InForce {
    /// The same routes, whose answers to changes come once the changes are in force.
    pub(crate) fn before_answers(self, router: Router) -> Router {
        router.layer(from_fn_with_state(self, answered))
    }

    /// Waits until what is published now is what calls are decided by.
    pub(crate) async fn wait(&mut self) {
        let published = &self.published;
        // Nobody makes snapshots any more: the process ends.
        drop(self.made.wait_for(|made| Arc::ptr_eq(made, &published.borrow())).await);
    }
}

async fn answered(State(mut in_force): State<InForce>, request: Request, next: Next) -> Response {
    let reads = request.method().is_safe();
    let response = next.run(request).await;
    if !reads {
        in_force.wait().await;
    }
    response
}

fn config(published: &PublishedServer, environment: &Environment) -> Result<ServerConfig, String> {
    let settings: Settings = serde_json::from_str(&published.settings).map_err(|error| error.to_string())?;
    let settings = settings.complete();
    Ok(ServerConfig {
        organisation: Organisation::parse(&published.organisation).map_err(|error| error.to_string())?,
        name: ServerName::parse(&published.name).map_err(|error| error.to_string())?,
        uuid: Arc::clone(&published.id),
        upstream: target::upstream(&published.target, environment).map_err(|failure| failure.to_string())?,
        timeouts: settings::timeouts(&settings),
        era: settings::era(&settings),
        sharing: settings::sharing(&settings),
        limits: settings::limits(&settings),
        pinning: settings::pinning(&settings),
        quarantine: settings::quarantine(&settings),
    })
}

fn attached(published: &PublishedPolicy) -> AttachedPolicy {
    AttachedPolicy {
        policy: Arc::clone(&published.policy),
        name: Arc::clone(&published.name),
        version: published.version,
        digest: Arc::clone(published.policy.version()),
    }
}
