//! A data directory with a large configuration in it: how long the gateway needs until it serves.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use callgate_policy::Policy as Compiled;
use callgate_store::{Grant, Origin, Page, Policy, PolicyVersion, Server, Store};
use testkit::{Callgate, Gateway};

use crate::compare::POLICY;
use crate::load::{self, Era, Target};
use crate::plane::Size;
use crate::procfs;

/// The start of a gateway with a fleet in its store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// From the start of the program until it listens.
    pub(crate) listening: Duration,
    /// The first call after that, with the session that it needs.
    pub(crate) first: Duration,
    pub(crate) resident: u64,
}

/// Fills a new data directory, and starts the gateway on it.
pub(crate) fn start(binary: &Path, data: &Path, upstream: &str, size: Size) -> Result<Start> {
    let callgate = Callgate::new(binary, data);
    callgate.add_url("bench", upstream)?;
    callgate.publish("bench", POLICY)?;
    let token = callgate.mint("bench", "first")?.token;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(fill(data, size))?;

    let begun = Instant::now();
    let mut gateway = callgate.up()?;
    let listening = begun.elapsed();
    let target = Target { address: gateway.address, path: Gateway::path("bench"), token };
    let begun = Instant::now();
    load::prepare(&target, Era::Legacy)?;
    let first = begun.elapsed();
    let resident = procfs::resident(gateway.process.id())?;
    gateway.process.stop()?;
    Ok(Start { listening, first, resident })
}

/// Writes policies, each a document of its own, and grants straight into the store.
async fn fill(data: &Path, size: Size) -> Result<()> {
    let store = Store::open(&format!("sqlite:{}", data.join("callgate.db").display())).await?;
    let page = Page { parent: None, after: None, limit: 1 };
    let server = store.reads("default").list::<Server>(&page).await?.pop().context("no server")?.record.id;
    let mut change = store.begin("default").await?;
    for number in 0..size.policies {
        let id = format!("p_{number:016x}");
        let document = POLICY.replacen("\"version\"", &format!("\"name\": \"policy-{number}\", \"version\""), 1);
        Compiled::parse(document.as_bytes()).ok().context("the policy can't be read")?;
        let digest = blake3::hash(document.as_bytes()).to_hex().to_string();
        let version = PolicyVersion {
            policy: id.clone(),
            version: 1,
            document,
            digest,
            repeats: None,
            by: "bench".to_owned(),
            at: 1,
        };
        let (server, name) = (Some(server.clone()), format!("policy-{number}"));
        change.insert(&Policy { id, server, name, current: 1, origin: Origin::Manual, created: 1 }).await?;
        change.insert(&version).await?;
    }
    for number in 1..size.grants {
        let tag = |key: &str, value: String| (key.to_owned(), value);
        let grant = Grant {
            id: format!("g_{number:016x}"),
            server: server.clone(),
            label: format!("agent-{number}"),
            policy: Some(format!("p_{:016x}", number % size.policies)),
            tags: BTreeMap::from([tag("team", format!("team-{}", number % 50)), tag("env", "production".to_owned())]),
            token: blake3::hash(&number.to_le_bytes()).to_hex().to_string(),
            previous: None,
            origin: Origin::Manual,
            created: 1,
            expires: None,
            revoked: None,
            rotated_by: None,
            minted_by: None,
        };
        change.insert(&grant).await?;
    }
    change.commit().await?;
    store.close().await;
    Ok(())
}
