//! The steps of a plan, written: records and their copies for the journal.

use super::compare::{Act, PlannedStep, policy_object};
use super::present::Present;
use super::{DesiredGrant, DesiredServer, MintedGrant, PlanRow};
use crate::change::{Editing, Step};
use crate::control::Control;
use crate::error::Error;
use crate::secret::Secret;
use crate::{document, grants, names, servers};
use callgate_store::{Grant, Origin, Policy, PolicyVersion, Server};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A change under way, step by step.
pub(super) struct Execution<'e> {
    control: &'e Control,
    pub(super) editing: Editing<'e>,
    present: &'e Present,
    origin: Origin,
    /// The identities of servers by their names.
    servers: BTreeMap<String, String>,
    /// The identities of policies by their server's identity and their name.
    policies: BTreeMap<(Option<String>, String), String>,
    /// The identities that grants have or had; read where one is needed.
    used: Option<BTreeSet<String>>,
    /// The grants that were minted.
    pub(super) minted: Vec<MintedGrant>,
    /// The identities of policies that never were good, and why.
    pub(super) broken: Vec<(String, String)>,
    /// The identities and names of servers that were removed.
    pub(super) removed: Vec<(String, String)>,
}

impl<'e> Execution<'e> {
    /// Begins with what is there.
    pub(super) fn new(control: &'e Control, editing: Editing<'e>, present: &'e Present, origin: Origin) -> Self {
        let servers = present.servers.iter().map(|(name, server)| (name.clone(), server.record.id.clone())).collect();
        let policies = present.policies.iter().map(|(place, policy)| (place.clone(), policy.record.id.clone()));
        let policies = policies.collect();
        let (used, minted, broken, removed) = (None, Vec::new(), Vec::new(), Vec::new());
        Self { control, editing, present, origin, servers, policies, used, minted, broken, removed }
    }

    /// Makes one step.
    pub(super) async fn carry_out(&mut self, step: PlannedStep) -> Result<(), Error> {
        let at = self.editing.at();
        match step.act {
            Act::Nothing => Ok(()),
            Act::RemoveGrant(grant) => {
                self.editing.change.remove::<Grant>(&grant.id, at).await?;
                let before = self.shown(&grant);
                self.step("grant remove", self.grant_object(&grant), before, Value::Null).await
            }
            Act::RemovePolicy(policy) => {
                self.editing.change.remove::<Policy>(&policy.id, at).await?;
                self.policies.remove(&(policy.server.clone(), policy.name.clone()));
                let what = if policy.server.is_some() { "policy delete" } else { "baseline delete" };
                let before = json!({ "name": policy.name, "version": policy.current });
                self.step(what, step.row.object, before, Value::Null).await
            }
            Act::RemoveServer(server) => {
                self.editing.change.remove::<Server>(&server.id, at).await?;
                self.editing.change.forget_definitions(&server.id).await?;
                self.servers.remove(&server.name);
                self.removed.push((server.id.clone(), server.name.clone()));
                self.step("server remove", step.row.object, server_shown(&server), Value::Null).await
            }
            Act::AdoptPolicy(policy) => {
                let record = Policy { origin: self.origin.clone(), ..policy.clone() };
                self.editing.change.update(&record).await?;
                let shown = |policy: &Policy| json!({ "name": policy.name, "origin": policy.origin });
                self.step("policy adopt", step.row.object, shown(&policy), shown(&record)).await
            }
            Act::AddServer(desired) => self.add_server(desired, step.row.object).await,
            Act::ChangeServer(before, desired) => self.change_server(&before, &desired, step.row).await,
            Act::Publish { server, name, document } => self.publish(server.as_deref(), name, &document).await,
            Act::AddBroken { server, name, why } => self.add_broken(server.as_deref(), name, why).await,
            Act::AddGrant(desired) => self.add_grant(desired).await,
            Act::ChangeGrant(before, desired) => self.change_grant(&before, desired).await,
        }
    }

    async fn add_server(&mut self, desired: DesiredServer, object: String) -> Result<(), Error> {
        let id = self.server_id(&desired.name)?;
        let mut record = Server {
            id: id.clone(),
            name: desired.name.clone(),
            target: String::new(),
            sealed: Vec::new(),
            key_version: 0,
            settings: text(&desired.settings),
            origin: self.origin.clone(),
            created: self.editing.at(),
        };
        self.keep(&mut record, &desired.target)?;
        self.editing.change.insert(&record).await?;
        self.servers.insert(desired.name, id);
        self.step("server add", object, Value::Null, server_shown(&record)).await
    }

    async fn change_server(&mut self, before: &Server, desired: &DesiredServer, row: PlanRow) -> Result<(), Error> {
        let mut record = before.clone();
        record.settings = text(&desired.settings);
        record.origin = self.origin.clone();
        self.keep(&mut record, &desired.target)?;
        self.editing.change.update(&record).await?;
        let mut after = server_shown(&record);
        let secrets = row.differences.iter().filter(|difference| difference.secret);
        let secrets: Vec<&str> = secrets.map(|difference| difference.field.as_str()).collect();
        if !secrets.is_empty()
            && let Some(after) = after.as_object_mut()
        {
            // Their values stand nowhere; that they changed is on record.
            after.insert("changed".to_owned(), json!(secrets));
        }
        self.step("server edit", row.object, server_shown(before), after).await
    }

    async fn change_grant(&mut self, before: &Grant, desired: DesiredGrant) -> Result<(), Error> {
        let mut record = before.clone();
        record.policy = self.policy_id(&desired.server, desired.policy.as_deref());
        record.tags = desired.tags;
        record.expires = desired.expires;
        record.origin = self.origin.clone();
        let hash = desired.token.map(|token| self.control.inner.tokens.hash(token.reveal()));
        let mut after = Map::new();
        if let Some(hash) = hash.filter(|hash| *hash != record.token) {
            record.token = hash;
            record.previous = None;
            // Whoever gives it a token has that token.
            record.rotated_by = Some(self.editing.identity());
            after.insert("token".to_owned(), json!("changed"));
        }
        self.editing.change.update(&record).await?;
        if let Value::Object(recorded) = grants::recorded(&record, &desired.server, desired.policy.as_deref()) {
            after.extend(recorded);
        }
        let after = Value::Object(after);
        self.step("grant edit", self.grant_object(&record), self.shown(before), after).await
    }

    async fn publish(&mut self, server: Option<&str>, name: String, document: &str) -> Result<(), Error> {
        let id = server.and_then(|server| self.servers.get(server)).cloned();
        let place = (id.clone(), name.clone());
        let known = self.present.policies.get(&place).filter(|_| server.is_none() || id.is_some());
        let object = policy_object(server, &name);
        let policy = match known {
            Some(known) => {
                let current = known.record.current.saturating_add(1);
                let record = Policy { current, origin: self.origin.clone(), ..known.record.clone() };
                self.editing.change.update(&record).await?;
                record
            }
            None => self.new_policy(id, name, 1).await?,
        };
        let version = PolicyVersion {
            policy: policy.id,
            version: policy.current,
            document: document.to_owned(),
            digest: document::digest(document.as_bytes()),
            repeats: None,
            by: self.editing.who(),
            at: self.editing.at(),
        };
        self.editing.change.insert(&version).await?;
        let shown = |version: &PolicyVersion| json!({ "version": version.version, "digest": version.digest });
        let before = known.and_then(|known| known.version.as_ref()).map_or(Value::Null, shown);
        let what = if server.is_some() { "policy publish" } else { "baseline publish" };
        self.step(what, object, before, shown(&version)).await
    }

    async fn add_broken(&mut self, server: Option<&str>, name: String, why: String) -> Result<(), Error> {
        let id = server.and_then(|server| self.servers.get(server)).cloned();
        let object = policy_object(server, &name);
        let policy = self.new_policy(id, name, 0).await?;
        let after = json!({ "version": 0, "digest": null });
        self.broken.push((policy.id, why));
        self.step("policy publish", object, Value::Null, after).await
    }

    async fn new_policy(&mut self, server: Option<String>, name: String, current: i64) -> Result<Policy, Error> {
        let (id, origin, created) = (names::new_id("p_")?, self.origin.clone(), self.editing.at());
        let policy = Policy { id, server, name, current, origin, created };
        self.editing.change.insert(&policy).await?;
        self.policies.insert((policy.server.clone(), policy.name.clone()), policy.id.clone());
        Ok(policy)
    }

    async fn add_grant(&mut self, desired: DesiredGrant) -> Result<(), Error> {
        let server = self.servers.get(&desired.server).cloned().unwrap_or_default();
        let id = self.grant_id(&desired.server, &desired.label).await?;
        let (minted, hash) = match desired.token {
            Some(token) => (None, self.control.inner.tokens.hash(token.reveal())),
            None => {
                let (token, hash) = names::mint_token("cg_", &self.control.inner.tokens)?;
                (Some(token), hash)
            }
        };
        let record = Grant {
            id,
            server,
            policy: self.policy_id(&desired.server, desired.policy.as_deref()),
            label: desired.label,
            tags: desired.tags,
            token: hash,
            previous: None,
            origin: self.origin.clone(),
            created: self.editing.at(),
            expires: desired.expires,
            revoked: None,
            minted_by: Some(self.editing.identity()),
            rotated_by: None,
        };
        self.editing.change.insert(&record).await?;
        if let Some(token) = minted {
            self.minted.push(self.mint(&record, desired.server.clone(), token));
        }
        let after = grants::recorded(&record, &desired.server, desired.policy.as_deref());
        let object = grants::object(&record, &desired.server);
        self.step("grant mint", object, Value::Null, after).await
    }

    fn mint(&self, record: &Grant, server: String, token: Secret) -> MintedGrant {
        let url = self.control.endpoint(&server);
        MintedGrant { id: record.id.clone(), server, label: record.label.clone(), token, url }
    }

    fn keep(&self, record: &mut Server, target: &crate::target::Target) -> Result<(), Error> {
        let organisation = self.editing.organisation().to_owned();
        servers::keep(record, target, &organisation, &self.control.inner.vault)
    }

    /// What the configuration file declares has the same identity at every start, also in another data directory.
    fn server_id(&self, name: &str) -> Result<String, Error> {
        let declared = names::declared_uuid(name);
        if self.origin == Origin::File && !self.present.used.contains(&declared) {
            return Ok(declared);
        }
        names::new_uuid()
    }

    async fn grant_id(&mut self, server: &str, label: &str) -> Result<String, Error> {
        if self.origin != Origin::File {
            return names::new_id("g_");
        }
        if self.used.is_none() {
            let all = self.editing.change.changed_since::<Grant>(Some(-1)).await?;
            self.used = Some(all.into_iter().map(|stored| stored.record.id).collect());
        }
        let mut hasher = blake3::Hasher::new_derive_key("callgate 2026-11 declared grant id");
        hasher.update(server.as_bytes()).update(b"\n").update(label.as_bytes());
        let digits = hasher.finalize().as_bytes().first_chunk::<8>().copied().unwrap_or_default();
        let declared = format!("c_{}", hex::encode(digits));
        let free = self.used.as_mut().is_none_or(|used| used.insert(declared.clone()));
        if free { Ok(declared) } else { names::new_id("g_") }
    }

    fn policy_id(&self, server: &str, policy: Option<&str>) -> Option<String> {
        let server = self.servers.get(server)?;
        self.policies.get(&(Some(server.clone()), policy?.to_owned())).cloned()
    }

    fn shown(&self, grant: &Grant) -> Value {
        let policy = grant.policy.as_deref().and_then(|policy| self.present.policy_name(policy));
        grants::recorded(grant, self.present.server_name(&grant.server), policy)
    }

    fn grant_object(&self, grant: &Grant) -> String {
        grants::object(grant, self.present.server_name(&grant.server))
    }

    async fn step(&mut self, what: &'static str, object: String, before: Value, after: Value) -> Result<(), Error> {
        self.editing.step(Step { what, object, before, after }).await
    }
}

/// A server as records of changes show it.
fn server_shown(server: &Server) -> Value {
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    json!({ "uuid": server.id, "target": json(&server.target), "settings": json(&server.settings), "origin": server.origin })
}

fn text(settings: &crate::settings::Settings) -> String {
    serde_json::to_string(settings).unwrap_or_default()
}
