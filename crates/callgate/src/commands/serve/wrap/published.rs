//! What a wrap publishes: one server, one grant, the policy of the moment, and what the server's tools are pinned as.

use callgate_policy::Grant;
use callgate_proxy::{
    AttachedPolicy, Definitions, GrantEntry, ServerConfig, Snapshot, Snapshots, TokenDigest, TokenKey,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The configuration of a wrap, published anew whenever a part of it changes.
pub(super) struct Published {
    server: Arc<ServerConfig>,
    grant: Grant,
    parts: Mutex<(AttachedPolicy, Arc<Definitions>)>,
    sender: watch::Sender<Arc<Snapshot>>,
}

impl Published {
    /// Publishes with nothing pinned.
    pub(super) fn new(server: Arc<ServerConfig>, grant: Grant, policy: AttachedPolicy) -> (Self, Snapshots) {
        let parts = (policy, Arc::default());
        let (sender, snapshots) = watch::channel(snapshot(&server, &grant, &parts));
        (Self { server, grant, parts: Mutex::new(parts), sender }, snapshots)
    }

    /// Another policy is in force.
    pub(super) fn follow_policy(&self, policy: AttachedPolicy) {
        self.change(|parts| parts.0 = policy);
    }

    /// Other definitions are.
    pub(super) fn follow_definitions(&self, definitions: Definitions) {
        self.change(|parts| parts.1 = Arc::new(definitions));
    }

    fn change(&self, change: impl FnOnce(&mut (AttachedPolicy, Arc<Definitions>))) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut parts);
        // Under the lock: what is published last is what was changed last.
        self.sender.send_replace(snapshot(&self.server, &self.grant, &parts));
    }
}

/// The configuration of this moment. Its grant has no token that anybody could present.
fn snapshot(
    server: &Arc<ServerConfig>,
    grant: &Grant,
    (policy, definitions): &(AttachedPolicy, Arc<Definitions>),
) -> Arc<Snapshot> {
    let entry = GrantEntry {
        token: TokenDigest([0; 32]),
        grant: grant.clone(),
        server: Arc::clone(server),
        policy: Some(policy.clone()),
        baseline: None,
        expires: None,
    };
    let snapshot = Snapshot::new(TokenKey::new([0; 32]), [Arc::clone(server)], [entry]);
    let definitions = HashMap::from([(Arc::clone(&server.uuid), Arc::clone(definitions))]);
    Arc::new(snapshot.with_definitions(definitions))
}
