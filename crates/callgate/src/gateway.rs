//! What a process that owns a data directory is made of: journal, store, control plane, counters, local socket.

use crate::backup::Archiver;
use crate::config::Config;
use crate::counters::Counting;
use crate::data::{self, DataDir, Lock};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::outgoing::Sending;
use crate::records::{self, JournalRecords};
use crate::snapshots::{InForce, Maker};
use crate::socket::Socket;
use crate::upstreams::Asking;
use crate::{database, legacy, moment, output};
use axum::{Extension, Router};
use callgate_control::FirstUse;
use callgate_control::vault::Vault;
use callgate_control::{Archives, Control, Parts, Secret, TokenKey, api};
use callgate_decision::{Clock, Decider, DigestKey, Rebuild, SystemClock};
use callgate_journal::{Journal, Options, Record, Sync};
use callgate_policy::State;
use callgate_proxy::{SealKey, Snapshots};
use callgate_store::Store;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

/// The control plane of a data directory that this process owns, whether or not it serves calls.
pub(crate) struct Standby {
    /// The services.
    pub control: Control,
    /// The API, for requests of this process's own and of the local socket.
    pub router: Router,
    /// Where it is.
    pub data: DataDir,
    /// What signs the first admin in, below the root of the gateway; only at the first use of the database.
    pub first_link: Option<Secret>,
    lock: Mutex<Lock>,
}

/// All that a process needs to serve.
pub(crate) struct Owner {
    /// The control plane.
    pub standby: Standby,
    /// Charges and records.
    pub decider: Decider,
    /// The journal.
    pub records: JournalRecords,
    /// What the data plane sees.
    pub snapshots: Snapshots,
    /// Makes it.
    pub maker: Maker,
    /// Tells when it is what is published.
    pub in_force: InForce,
    /// Seals what clients keep.
    pub seal: SealKey,
    /// The local socket, bound and not served yet.
    pub socket: Socket,
}

impl Standby {
    /// Takes a data directory over for a command.
    pub(crate) async fn take(data: DataDir, lock: Lock, environment: &Environment) -> Result<Self, Failure> {
        let journal = Journal::open(&data.journal(), Options::default(), &mut |_| Ok(()));
        let records = JournalRecords::new(Arc::new(journal.map_err(|error| records::failure(&error))?));
        let config = Config::of_directory(&data, environment)?;
        Self::with(data, lock, records, &config, environment).await
    }

    async fn with(
        data: DataDir,
        lock: Lock,
        records: JournalRecords,
        config: &Config,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let url = database::url(&data, config)?;
        let store =
            Store::open(url.reveal()).await.map_err(|error| Failure::from(callgate_control::Error::from(error)))?;
        database::remember(&data, config)?;
        let vault = Vault::load(config.keys(&data)).await?;
        let tokens = TokenKey::new(data.key("token")?);
        let parts = Parts {
            store,
            vault,
            changes: Arc::new(records.clone()),
            upstreams: Arc::new(Asking::new(environment.clone())),
            outgoing: Arc::new(Sending::new(config.webhooks_link_local)),
            tokens,
            clock: moment::now,
            anyway: callgate_control::ANYWAY,
        };
        let store = parts.store.clone();
        let control = Control::open(parts).await?;
        control.keep(records.journal());
        control.announce(&data.last_url());
        let first_link = first_use(&control, &data).await?;
        let archiver = Archiver::new(data.clone(), store);
        let router = api::router(control.clone()).layer(Extension(Archives(Arc::new(archiver))));
        Ok(Self { control, router, data, first_link, lock: Mutex::new(lock) })
    }

    /// Says where this process serves HTTP: for URLs in answers, and for the message that a second process gets.
    pub(crate) fn announce(&self, url: &str) {
        self.control.announce(url);
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        // Only a message would be poorer for it.
        drop(lock.announce(Some(url)));
    }
}

impl Owner {
    /// Takes over a data directory: rebuilds the counters from the journal, and publishes the first snapshot.
    pub(crate) async fn take(
        data: DataDir,
        lock: Lock,
        config: &Config,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let sync = if config.journal_on_disk { Sync::Disk } else { Sync::Process };
        let mut rebuild = Rebuild::new();
        let mut replay = |record: &Record<'_>| replay(&mut rebuild, record);
        let journal = Journal::open(&data.journal(), Options { sync, ..Options::default() }, &mut replay);
        let records = JournalRecords::new(Arc::new(journal.map_err(|error| records::failure(&error))?));
        let counters: State = rebuild.finish(SystemClock.now());
        let digest = DigestKey::new(data.key("arguments")?);
        let decider = Decider::local(Arc::new(records.clone()), Arc::new(SystemClock), digest, counters);
        let key = callgate_proxy::TokenKey::new(data.key("token")?);
        let seal = SealKey::derive(&key);
        let socket = Socket::bind(&data)?;
        let mut standby = Standby::with(data, lock, records.clone(), config, environment).await?;
        standby.control.count_with(Arc::new(Counting(decider.clone())));
        let (maker, snapshots, in_force) = Maker::new(key, standby.control.configuration(), environment.clone());
        standby.router = in_force.clone().before_answers(standby.router);
        Ok(Self { standby, decider, records, snapshots, maker, in_force, seal, socket })
    }
}

/// Makes what a fresh database needs, and takes over what an earlier version left; gives the first admin's link.
async fn first_use(control: &Control, data: &DataDir) -> Result<Option<Secret>, Failure> {
    let Some(FirstUse { credential, link }) = control.first_use().await? else { return Ok(None) };
    match legacy::find(data) {
        None => data::replace(&data.admin_token(), format!("{}\n", credential.reveal()).as_bytes())?,
        Some(path) => {
            let mut notes = legacy::take_over(data, &path, control).await?;
            // Before the files are put aside: a start that was cut off in between would make another credential.
            control.first_use_done().await?;
            notes.extend(legacy::put_aside(data, &path));
            notes.iter().for_each(|note| output::note(note));
        }
    }
    control.first_use_done().await?;
    Ok(Some(link.path()))
}

fn replay(rebuild: &mut Rebuild, record: &Record<'_>) -> Result<(), Box<dyn Error + Send + std::marker::Sync>> {
    match record.kind.as_ref() {
        "checkpoint" => rebuild.checkpoint(record.state().unwrap_or("null"))?,
        "decision" => rebuild.decision(record.body())?,
        "reset" => rebuild.reset(record.body())?,
        "outcome" => rebuild.outcome(record.body(), callgate_policy::Timestamp(record.ts))?,
        _ => {}
    }
    Ok(())
}
