//! From what is configured to what the data plane sees: one immutable snapshot for every change.

use crate::config::{Config, DeclaredGrant, DeclaredServer};
use crate::data::DataDir;
use crate::document;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::state::{self, Grant, ORGANISATION, Published, State, Target};
use callgate_policy::{GrantId, Organisation, Policy, ServerName, Timestamp};
use callgate_proxy::{
    AttachedPolicy, GrantEntry, HttpUpstream, ServerConfig, Snapshot, Snapshots, StdioUpstream, TokenDigest, TokenKey,
    UpstreamConfig,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// Makes snapshots and hands them to the data plane.
pub(crate) struct Publisher {
    sender: watch::Sender<Arc<Snapshot>>,
    key: TokenKey,
    servers: Vec<DeclaredServer>,
    grants: Vec<DeclaredGrant>,
    files: Vec<PolicyFile>,
    compiled: HashMap<(String, String, u32), Arc<Policy>>,
    configs: HashMap<ServerName, Arc<ServerConfig>>,
}

/// A policy that is a file: the version in force is the last one that was good.
pub(crate) struct PolicyFile {
    server: ServerName,
    path: PathBuf,
    policy: Arc<Policy>,
    version: u64,
    /// What was read last, good or not, so that a touch without a change says nothing.
    seen: Option<Vec<u8>>,
}

impl PolicyFile {
    /// Reads the file for the first time. A file that can't be used refuses every call, and the text says why.
    pub(crate) fn open(server: ServerName, path: PathBuf) -> (Self, Option<String>) {
        let refuse = Arc::new(Policy::refuse_all("the policy file was not read yet"));
        let mut file = Self { server, path, policy: refuse, version: 0, seen: None };
        let notice = file.reload();
        let broken = (file.version == 0).then_some(notice).flatten();
        if let Some(why) = &broken {
            file.policy = Arc::new(Policy::refuse_all(why));
        }
        (file, broken.map(|why| format!("{why}; until it is corrected every call is refused [CG3061]")))
    }

    /// Reads the file again; what to tell the operator, where something changed.
    pub(crate) fn reload(&mut self) -> Option<String> {
        let name = self.path.display().to_string();
        let read = std::fs::read(&self.path);
        let same = match (&read, &self.seen) {
            (Ok(now), Some(before)) => now == before,
            (Err(_), None) => self.version > 0,
            _ => false,
        };
        if same {
            return None;
        }
        let usable = match &read {
            Ok(bytes) => document::usable(bytes, &name),
            Err(error) => Err(format!("can't read `{name}`: {error}")),
        };
        self.seen = read.ok();
        match usable {
            Ok(policy) => {
                self.policy = Arc::new(policy);
                self.version += 1;
                Some(format!("policy `{name}`: version {} applies from the next call", self.version))
            }
            Err(why) if self.version == 0 => {
                self.policy = Arc::new(Policy::refuse_all(&why));
                Some(why)
            }
            Err(why) => Some(format!("{why}; version {} stays in force [CG3060]", self.version)),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// The version in force, as grants carry it.
    pub(crate) fn attached(&self) -> AttachedPolicy {
        attached(Arc::clone(&self.policy), "default", self.version)
    }

    /// The `name` that the document gives itself.
    pub(crate) fn document_name(&self) -> Option<&str> {
        self.policy.name.as_deref()
    }
}

impl Publisher {
    /// A publisher of what the configuration declares beside the state, and where its snapshots arrive. The texts are
    /// what the operator should know.
    pub(crate) fn new(key: TokenKey, config: &Config) -> (Self, Snapshots, Vec<String>) {
        let (sender, snapshots) = watch::channel(Arc::new(Snapshot::new(key.clone(), [], [])));
        let mut publisher = Self {
            sender,
            key,
            servers: Vec::new(),
            grants: Vec::new(),
            files: Vec::new(),
            compiled: HashMap::new(),
            configs: HashMap::new(),
        };
        let notices = publisher.declare(config);
        (publisher, snapshots, notices)
    }

    /// Takes what a configuration declares in place of what the one before did.
    pub(crate) fn declare(&mut self, config: &Config) -> Vec<String> {
        let mut notices = Vec::new();
        let mut files = Vec::new();
        for server in &config.servers {
            let Some(path) = &server.policy else { continue };
            let known = self.files.iter().position(|file| file.server == server.name && file.path == *path);
            if let Some(known) = known {
                let mut file = self.files.swap_remove(known);
                notices.extend(file.reload());
                files.push(file);
                continue;
            }
            let (file, notice) = PolicyFile::open(server.name.clone(), path.clone());
            notices.extend(notice);
            files.push(file);
        }
        self.files = files;
        self.servers = config.servers.clone();
        self.grants = config.grants.clone();
        notices
    }

    /// Reads the policy files again; what to tell the operator.
    pub(crate) fn reload_files(&mut self) -> Vec<String> {
        self.files.iter_mut().filter_map(PolicyFile::reload).collect()
    }

    /// The policy files.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.path.clone()).collect()
    }

    /// The servers that the configuration declares.
    pub(crate) fn declared_servers(&self) -> &[DeclaredServer] {
        &self.servers
    }

    /// The server of this name, where the configuration declares it.
    pub(crate) fn declared(&self, name: &str) -> Option<&DeclaredServer> {
        self.servers.iter().find(|server| server.name.as_str() == name)
    }

    /// The grants that the configuration declares, as lists show them.
    pub(crate) fn declared_grants(&self) -> Vec<Value> {
        let row = |grant: &DeclaredGrant| {
            json!({
                "id": declared_id(grant), "server": grant.server.as_str(), "label": grant.label,
                "policy": self.declared_policy(grant), "tags": grant.tags, "declared": true,
                "created": null, "expires": null, "revoked": null,
            })
        };
        self.grants.iter().map(row).collect()
    }

    /// Makes the snapshot of this moment and publishes it: the next call sees it.
    pub(crate) fn publish(&mut self, state: &State, data: &DataDir, environment: &Environment) {
        let Ok(organisation) = Organisation::parse(ORGANISATION) else { return };
        let mut configs = HashMap::new();
        let mut grants = Vec::new();
        for (name, target, settings, uuid) in self.targets(state) {
            let Ok(server) = ServerName::parse(&name) else { continue };
            let upstream = match upstream(&target, environment) {
                Ok(upstream) => upstream,
                Err(failure) => {
                    tracing::error!(server = %name, "the server can't be served: {failure}");
                    continue;
                }
            };
            let config = ServerConfig {
                organisation: organisation.clone(),
                name: server.clone(),
                uuid: uuid.into(),
                upstream,
                timeouts: settings.timeouts(),
                era: settings.era(),
                sharing: settings.sharing(),
                limits: settings.limits(),
            };
            // The same server keeps the same identity, and with it its connections.
            let config = match self.configs.get(&server) {
                Some(before) if **before == config => Arc::clone(before),
                _ => Arc::new(config),
            };
            if let Some(entry) = state.servers.get(&name) {
                for (id, grant) in entry.grants.iter().filter(|(_, grant)| grant.revoked.is_none()) {
                    let policy = grant
                        .policy
                        .as_deref()
                        .map(|policy| self.policy(data, &server, policy, entry.policies.get(policy)));
                    grants.extend(entries(id, grant, &config, policy));
                }
            }
            configs.insert(server, config);
        }
        grants.extend(self.declared_entries(state, data, &configs));
        let snapshot = Snapshot::new(self.key.clone(), configs.values().cloned(), grants);
        self.configs = configs;
        self.sender.send_replace(Arc::new(snapshot));
    }

    fn targets(&self, state: &State) -> Vec<(String, Target, Settings, String)> {
        let declared = self.servers.iter().map(|server| {
            let name = server.name.as_str();
            let uuid = state.servers.get(name).map_or_else(|| state::declared_uuid(name), |entry| entry.uuid.clone());
            (name.to_owned(), server.target.clone(), server.settings.clone(), uuid)
        });
        let registered = state.servers.iter().filter_map(|(name, entry)| {
            let target = entry.target.clone().filter(|_| self.declared(name).is_none())?;
            Some((name.clone(), target, entry.settings.clone(), entry.uuid.clone()))
        });
        declared.chain(registered).collect()
    }

    fn declared_entries(
        &mut self,
        state: &State,
        data: &DataDir,
        configs: &HashMap<ServerName, Arc<ServerConfig>>,
    ) -> Vec<GrantEntry> {
        let mut entries = Vec::new();
        for grant in self.grants.clone() {
            let Some(config) = configs.get(&grant.server) else {
                tracing::error!(grant = %grant.label, server = %grant.server, "the grant's server is not registered");
                continue;
            };
            let policy = self.declared_policy(&grant).map(|name| {
                let published = state.servers.get(grant.server.as_str()).and_then(|entry| entry.policies.get(&name));
                self.policy(data, &grant.server, &name, published)
            });
            let Ok(id) = GrantId::parse(&declared_id(&grant)) else { continue };
            entries.push(GrantEntry {
                token: self.key.digest(grant.token.0.as_bytes()),
                grant: callgate_policy::Grant { id, label: grant.label, tags: grant.tags },
                server: Arc::clone(config),
                policy,
                baseline: None,
                expires: None,
            });
        }
        entries
    }

    /// The policy that a declared grant names, else its server's file.
    fn declared_policy(&self, grant: &DeclaredGrant) -> Option<String> {
        let file = || self.files.iter().any(|file| file.server == grant.server).then(|| "default".to_owned());
        grant.policy.clone().or_else(file)
    }

    /// The policy of this name; one that refuses everything where it can't be had.
    fn policy(
        &mut self,
        data: &DataDir,
        server: &ServerName,
        name: &str,
        published: Option<&Published>,
    ) -> AttachedPolicy {
        let file = self.files.iter().find(|file| file.server == *server && name == "default");
        if let Some(file) = file {
            return file.attached();
        }
        let Some(version) = published.and_then(Published::current) else {
            let why = format!("the policy `{name}` of `{server}` is not published");
            return attached(Arc::new(Policy::refuse_all(&why)), name, 0);
        };
        let key = (server.as_str().to_owned(), name.to_owned(), version.version);
        let compiled = match self.compiled.get(&key) {
            // The same number with another document: the server was removed and added again.
            Some(compiled) if **compiled.version() == *version.digest => Arc::clone(compiled),
            _ => {
                let compiled = Arc::new(load(data, &key, &version.digest));
                self.compiled.insert(key, Arc::clone(&compiled));
                compiled
            }
        };
        attached(compiled, name, u64::from(version.version))
    }
}

/// What the data plane needs to know of a target.
pub(crate) fn upstream(target: &Target, environment: &Environment) -> Result<UpstreamConfig, Failure> {
    match target {
        Target::Url { url, headers } => {
            let headers: Vec<(String, String)> =
                headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            let remedy = "correct the URL or the headers";
            let http = HttpUpstream::parse(url, &headers)
                .map_err(|error| Failure::cannot_run("CG3040", error.to_string(), remedy))?;
            Ok(UpstreamConfig::Http(http))
        }
        Target::Command { command, args, env, env_from, cwd } => {
            let mut variables: Vec<(OsString, OsString)> = Vec::new();
            for name in env_from {
                match environment.raw(name) {
                    Some(value) => variables.push((name.into(), value.clone())),
                    None => tracing::warn!("the variable `{name}` that `{command}` should get is not set here"),
                }
            }
            variables.extend(env.iter().map(|(name, value)| (name.into(), value.into())));
            Ok(UpstreamConfig::Stdio(StdioUpstream {
                command: command.into(),
                args: args.iter().map(OsString::from).collect(),
                env: variables,
                cwd: cwd.clone(),
            }))
        }
    }
}

fn attached(policy: Arc<Policy>, name: &str, version: u64) -> AttachedPolicy {
    let digest = Arc::clone(policy.version());
    AttachedPolicy { policy, name: name.into(), version, digest }
}

/// A grant's entries: one for its token, and one for the token before while that still works.
fn entries(id: &str, grant: &Grant, server: &Arc<ServerConfig>, policy: Option<AttachedPolicy>) -> Vec<GrantEntry> {
    let Ok(id) = GrantId::parse(id) else { return Vec::new() };
    let entry = |token: &str, expires: Option<i64>| {
        let mut digest = [0; 32];
        hex::decode_to_slice(token, &mut digest).ok()?;
        Some(GrantEntry {
            token: TokenDigest(digest),
            grant: callgate_policy::Grant { id: id.clone(), label: grant.label.clone(), tags: grant.tags.clone() },
            server: Arc::clone(server),
            policy: policy.clone(),
            baseline: None,
            expires: expires.map(Timestamp),
        })
    };
    let previous = grant.previous.as_ref().and_then(|previous| {
        let end = grant.expires.map_or(previous.until, |expires| expires.min(previous.until));
        entry(&previous.token, Some(end))
    });
    // The current one last: of two entries with one id, the later is found by it.
    previous.into_iter().chain(entry(&grant.token, grant.expires)).collect()
}

fn load(data: &DataDir, (server, name, version): &(String, String, u32), digest: &str) -> Policy {
    let path = state::policy_path(data, server, name, *version);
    let label = path.display().to_string();
    let loaded = match std::fs::read(&path) {
        Err(error) => Err(format!("can't read `{label}`: {error}")),
        Ok(bytes) if document::digest(&bytes) != digest => Err(format!("`{label}` is not what was published")),
        Ok(bytes) => document::parsed(&bytes, &label),
    };
    loaded.unwrap_or_else(|why| {
        tracing::error!("{why}; every call under version {version} of `{name}` is refused [CG3061]");
        Policy::refuse_all(&format!("{why} [CG3061]"))
    })
}

/// The id of a declared grant: the same at every start, so that its counters are.
fn declared_id(grant: &DeclaredGrant) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("callgate 2026-11 declared grant id");
    hasher.update(grant.server.as_str().as_bytes()).update(b"\n").update(grant.label.as_bytes());
    format!("c_{}", hex::encode(hasher.finalize().as_bytes().first_chunk::<8>().copied().unwrap_or_default()))
}
