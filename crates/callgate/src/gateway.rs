//! What every process that owns a data directory is made of: journal, counters, operations, local socket.

use crate::admin::{Admin, ChangeLog};
use crate::config::Config;
use crate::data::{DataDir, Lock};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::publish::Publisher;
use crate::records::{self, JournalRecords};
use crate::socket::Socket;
use callgate_decision::{Clock, Decider, DigestKey, Rebuild, SystemClock};
use callgate_journal::{Journal, Options, Record, Sync};
use callgate_policy::State;
use callgate_proxy::{SealKey, Snapshots, TokenKey};
use std::error::Error;
use std::sync::Arc;

/// The owner's parts, ready to be served.
pub(crate) struct Owner {
    /// The operations, also those that arrive over the socket.
    pub admin: Arc<Admin>,
    /// Charges and records.
    pub decider: Decider,
    /// The journal.
    pub records: JournalRecords,
    /// What the data plane sees.
    pub snapshots: Snapshots,
    /// Seals what clients keep.
    pub seal: SealKey,
    /// The local socket, bound and not served yet.
    pub socket: Socket,
    /// What the operator should know.
    pub notices: Vec<String>,
}

impl Owner {
    /// Takes over a data directory: rebuilds the counters from the journal, and publishes the first snapshot.
    pub(crate) async fn take(
        data: DataDir,
        lock: Lock,
        config: &Config,
        environment: Environment,
    ) -> Result<Self, Failure> {
        let sync = if config.journal_on_disk { Sync::Disk } else { Sync::Process };
        let mut rebuild = Rebuild::new();
        let mut replay = |record: &Record<'_>| replay(&mut rebuild, record);
        let journal = Journal::open(&data.journal(), Options { sync, ..Options::default() }, &mut replay);
        let records = JournalRecords::new(Arc::new(journal.map_err(|error| records::failure(&error))?));
        let counters: State = rebuild.finish(SystemClock.now());
        let digest = DigestKey::new(data.key("arguments")?);
        let decider = Decider::local(Arc::new(records.clone()), Arc::new(SystemClock), digest, counters);
        let key = TokenKey::new(data.key("token")?);
        let seal = SealKey::derive(&key);
        let (publisher, snapshots, notices) = Publisher::new(key, config);
        let socket = Socket::bind(&data)?;
        let log = Arc::new(records.clone());
        let admin = Arc::new(Admin::open(data, lock, environment, log, Some(publisher))?);
        admin.publish().await;
        Ok(Self { admin, decider, records, snapshots, seal, socket, notices })
    }
}

/// The record of changes for a command that works on the data directory itself.
pub(crate) fn change_log(data: &DataDir) -> Result<Arc<dyn ChangeLog>, Failure> {
    let journal = Journal::open(&data.journal(), Options::default(), &mut |_| Ok(()));
    Ok(Arc::new(JournalRecords::new(Arc::new(journal.map_err(|error| records::failure(&error))?))))
}

fn replay(rebuild: &mut Rebuild, record: &Record<'_>) -> Result<(), Box<dyn Error + Send + std::marker::Sync>> {
    match record.kind.as_ref() {
        "checkpoint" => rebuild.checkpoint(record.state().unwrap_or("null"))?,
        "decision" => rebuild.decision(record.body())?,
        "outcome" => rebuild.outcome(record.body(), callgate_policy::Timestamp(record.ts))?,
        _ => {}
    }
    Ok(())
}
