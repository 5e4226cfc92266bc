//! Where a wrap charges, records and asks: through the process that owns the data directory, or as its owner.

use super::asking::{Asked, SwitchedApprovals};
use super::lone::Lone;
use crate::config::Config;
use crate::data::{Claim, DataDir};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::gateway::Owner;
use crate::socket::Address;
use crate::{output, records::JournalRecords};
use callgate_decision::remote::RemoteApprovals;
use callgate_decision::{Approvals, Decider, Switch};
use callgate_proxy::{Early, Refusals};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

/// How long a starting or ending owner may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two attempts to take over or to reach the new owner.
const PAUSE: Duration = Duration::from_millis(50);

/// Counters and journal of a wrap, wherever they are.
pub(super) struct Books {
    decider: Decider,
    switch: Switch,
    approvals: Arc<SwitchedApprovals>,
    refusals: Arc<LocalRefusals>,
    seat: Seat,
}

/// This process's part on the data directory.
enum Seat {
    /// It owns the directory, and serves the socket for others.
    Owner(Box<Owner>),
    /// Another process does; the connection ends when that process does.
    Guest(UnixStream),
}

/// What charges and records, what asks, and the part on the data directory.
type Found = (Decider, Asked, Seat);

/// Refusals are noted by whoever has the journal.
#[derive(Default)]
struct LocalRefusals {
    journal: Mutex<Option<JournalRecords>>,
}

impl Refusals for LocalRefusals {
    fn refused(&self, early: &Early<'_>) {
        match &*self.journal.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(journal) => journal.refused(early),
            None => tracing::warn!(page = early.page, "refused: {}", early.reason),
        }
    }
}

impl LocalRefusals {
    fn note_in(&self, seat: &Seat) {
        let journal = match seat {
            Seat::Owner(owner) => Some(owner.records.clone()),
            Seat::Guest(_) => None,
        };
        *self.journal.lock().unwrap_or_else(PoisonError::into_inner) = journal;
    }
}

impl Books {
    /// Takes the data directory, or joins the process that owns it.
    pub(super) async fn open(data: &DataDir, environment: &Environment) -> Result<Self, Failure> {
        let begin = Instant::now();
        let (decider, approvals, seat) = loop {
            match attempt(data, environment).await {
                Ok(Some(found)) => break found,
                Ok(None) if begin.elapsed() < PATIENCE => {}
                Ok(None) => {
                    let message = format!("the process that holds `{}` does not answer", data.root().display());
                    return Err(Failure::cannot_run("CG3032", message, "look at its output, or end it"));
                }
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(PAUSE).await;
        };
        let (decider, switch) = decider.switched();
        let refusals = Arc::new(LocalRefusals::default());
        refusals.note_in(&seat);
        let approvals = Arc::new(SwitchedApprovals::new(approvals));
        Ok(Self { decider, switch, approvals, refusals, seat })
    }

    /// Charges and records, also after the owner has changed.
    pub(super) fn decider(&self) -> Decider {
        self.decider.clone()
    }

    /// Asks people, also after the owner has changed.
    pub(super) fn approvals(&self) -> Arc<dyn Approvals> {
        Arc::clone(&self.approvals) as Arc<dyn Approvals>
    }

    /// Hears of what is refused early.
    pub(super) fn refusals(&self) -> Arc<dyn Refusals> {
        Arc::clone(&self.refusals) as Arc<dyn Refusals>
    }

    /// Serves others while this process owns the directory, and takes over when the owner goes away. Until somebody
    /// owns it again, every call is refused. Runs until it is dropped.
    pub(super) async fn keep(self, data: DataDir, environment: Environment) {
        let Self { switch, approvals, refusals, mut seat, .. } = self;
        loop {
            match seat {
                Seat::Owner(owner) => {
                    let Owner { standby, decider, socket, maker, .. } = *owner;
                    tokio::select! {
                        () = socket.serve(decider, Lone::over(standby.control.approvals(), &data), standby.router.clone()) => {}
                        () = maker.follow() => {}
                        () = standby.control.indexer(&data.journal()).run() => {}
                    }
                    return;
                }
                Seat::Guest(mut stream) => {
                    // Nothing is ever said on it: any end of the wait is the end of the owner.
                    drop(stream.read_u8().await);
                }
            }
            let (decider, asked, found) = succeed(&data, &environment).await;
            switch.to(&decider);
            approvals.to(asked);
            refusals.note_in(&found);
            seat = found;
        }
    }
}

/// Tries until this process owns the directory, or has found who does.
async fn succeed(data: &DataDir, environment: &Environment) -> Found {
    let begin = Instant::now();
    let mut told = false;
    loop {
        match attempt(data, environment).await {
            Ok(Some(found)) => return found,
            Ok(None) => {}
            // Another process may be about to take over: that takes a moment, and is no failure.
            Err(failure) if !told && begin.elapsed() > PATIENCE => {
                output::note(&format!("error: {failure}\n  calls are refused until the data directory can be used"));
                told = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Takes the directory where it is free, else joins its owner; `None` where the owner doesn't answer now.
async fn attempt(data: &DataDir, environment: &Environment) -> Result<Option<Found>, Failure> {
    match data.claim()? {
        Claim::Ours(lock) => {
            let owner = {
                let config = Config::of_directory(data, environment)?;
                Owner::take(data.clone(), lock, &config, environment).await?
            };
            let approvals = Lone::over(owner.standby.control.approvals(), data);
            Ok(Some((owner.decider.clone(), approvals, Seat::Owner(Box::new(owner)))))
        }
        Claim::Theirs(_) => {
            let address = Address::of(data)?;
            let Ok(stream) = UnixStream::connect(address.path()).await else { return Ok(None) };
            let Ok(decider) = Decider::connect(address.path()).await else { return Ok(None) };
            let Ok(approvals) = RemoteApprovals::connect(address.path()).await else { return Ok(None) };
            Ok(Some((decider, Arc::new(approvals), Seat::Guest(stream))))
        }
    }
}
