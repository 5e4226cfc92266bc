//! The wait of one call for a person's answer, and what follows when it is over.

use super::{Owner, Place, Stop};
use crate::answer;
use crate::errors::Cause;
use crate::gate::{Gate, Phase, until};
use crate::judge::{Asked, Caller, Denial};
use crate::sessions::Session;
use crate::snapshot::{GrantEntry, Snapshots};
use crate::translate;
use callgate_decision::{Answer, ApprovalError};
use callgate_mcp::{Era, Message, RequestId};
use callgate_policy::Timestamp;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, Sleep};

/// Between two signs of life, unless the configuration wants them closer.
const BEAT: Duration = Duration::from_secs(15);

/// How long a call may be held.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// Not at all: its answer can't be open.
    None,
    /// As long as its rule says.
    Fresh,
    /// It was held before, and may be held until then.
    Until(Instant),
}

/// A call that waits. One timer serves both its signs of life and its end.
pub(crate) struct Wait {
    gate: Arc<Gate>,
    entry: Arc<GrantEntry>,
    session: Option<Arc<Session>>,
    asked: Box<Asked>,
    answered: Pin<Box<dyn Future<Output = Result<Answer, ApprovalError>> + Send>>,
    stopped: Option<oneshot::Receiver<Stop>>,
    confirmed: Option<oneshot::Receiver<Option<bool>>>,
    ended: Option<watch::Receiver<bool>>,
    snapshots: Option<Snapshots>,
    phase: watch::Receiver<Phase>,
    until: Instant,
    timer: Pin<Box<Sleep>>,
    /// Given up last: whoever keeps the question must not count this call among those who wait.
    place: Place,
}

/// What happens to a call that waits.
pub(crate) enum Turn {
    /// Nothing, for so long that its client should hear something.
    Beat,
    /// It waits no more.
    Over(Woken),
}

/// Why a call waits no more.
#[derive(Debug)]
pub(crate) enum Woken {
    /// The question is answered, or over.
    Answered(Result<Answer, ApprovalError>),
    /// The caller's own user answered; `None` where it could not be asked.
    Confirmed(Option<bool>),
    /// What decides about it is no longer what it was.
    Changed,
    /// It was held for as long as it may, or the gateway stops.
    Late,
    /// Its client cancelled it, or has left.
    Stopped(Stop),
    /// Its grant or its session has ended.
    Ended(Cause),
}

/// What becomes of a call that waited.
pub(crate) enum After {
    /// It is judged again, from the start. Its place is kept until that is done.
    Again(Patience, Place),
    /// This is the answer.
    Told(Vec<u8>),
    /// Nobody wants an answer.
    Nothing,
}

/// A call, and the way on which it came.
pub(crate) struct Held<'a> {
    pub(crate) gate: &'a Arc<Gate>,
    pub(crate) entry: &'a Arc<GrantEntry>,
    pub(crate) session: Option<&'a Arc<Session>>,
    pub(crate) owner: Option<&'a Owner>,
    pub(crate) patience: Patience,
}

impl Wait {
    /// Begins to wait, where the call may and there is a place.
    pub(crate) fn begin(held: &Held<'_>, asked: Box<Asked>, message: &Message<'_>) -> Result<Box<Self>, Box<Asked>> {
        let Held { gate, entry, session, owner, patience } = held;
        let now = Instant::now();
        let longest = match patience {
            Patience::None => return Err(asked),
            Patience::Fresh => now + asked.hold(),
            Patience::Until(end) => *end,
        };
        let left = |end: Timestamp| {
            let left = end.0.saturating_sub(gate.clock.now().0);
            now + Duration::from_millis(u64::try_from(left).unwrap_or(0))
        };
        let until = longest.min(left(asked.approval.expires));
        let until = entry.expires.map_or(until, |end| until.min(left(end)));
        let name = owner.cloned().zip(message.id());
        let Some((place, stopped)) = Place::take(gate, entry, &asked, name) else { return Err(asked) };
        let (approvals, id) = (Arc::clone(&gate.approvals), asked.approval.id.clone());
        Ok(Box::new(Self {
            gate: Arc::clone(gate),
            entry: Arc::clone(entry),
            session: session.cloned(),
            asked,
            place,
            answered: Box::pin(async move { approvals.answered(&id).await }),
            stopped,
            confirmed: None,
            ended: session.map(|session| session.ended()),
            snapshots: Some(gate.snapshots.clone()),
            phase: gate.phase(),
            until,
            timer: Box::pin(tokio::time::sleep_until(until.min(now + beat(gate)))),
        }))
    }

    /// What it waits for.
    pub(crate) fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Asks the caller's own user, too. The id of the request that asks; `None` where the system gives no randomness.
    pub(crate) fn confirm(&mut self, owner: &Owner) -> Option<RequestId> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        let id = RequestId::String(format!("callgate-approval-{}", hex::encode(random)).into());
        let (sender, confirmed) = oneshot::channel();
        self.gate.waiting.table().confirming.insert(id.clone(), (owner.clone(), sender));
        self.place.confirming = Some(id.clone());
        self.confirmed = Some(confirmed);
        Some(id)
    }

    /// The next turn. May be dropped while it waits, and called again.
    pub(crate) async fn next(&mut self) -> Turn {
        loop {
            let turn = tokio::select! {
                biased;
                stop = heard(&mut self.stopped) => Turn::Over(Woken::Stopped(stop)),
                () = becomes(&mut self.ended) => Turn::Over(Woken::Ended(Cause::SessionUnknown)),
                () = published(&mut self.snapshots) => match self.gate.renewed(&self.entry) {
                    Err(cause) => Turn::Over(Woken::Ended(cause)),
                    Ok(now) if now.decides_like(&self.entry) => continue,
                    Ok(_) => Turn::Over(Woken::Changed),
                },
                answer = &mut self.answered => Turn::Over(Woken::Answered(answer)),
                answer = heard(&mut self.confirmed) => Turn::Over(Woken::Confirmed(answer)),
                () = until(&mut self.phase, |phase| *phase >= Phase::Draining) => Turn::Over(Woken::Late),
                () = self.timer.as_mut() => {
                    let now = Instant::now();
                    self.timer.as_mut().reset(self.until.min(now + beat(&self.gate)));
                    if now >= self.until { Turn::Over(Woken::Late) } else { Turn::Beat }
                }
            };
            return turn;
        }
    }

    /// What follows. Only a call that is judged again can leave.
    pub(crate) async fn after(self: Box<Self>, woken: Woken, message: &Message<'_>, era: Era) -> After {
        let patience = Patience::Until(self.until);
        let entry = match self.gate.renewed(&self.entry) {
            Ok(entry) => entry,
            Err(cause) => return After::Told(answer::cause_message(&cause, message.id_bytes())),
        };
        // Whoever keeps the question may not have noticed yet.
        let is_over = self.gate.clock.now() >= self.asked.approval.expires;
        let woken = if is_over && matches!(woken, Woken::Late) { Woken::Answered(Ok(Answer::Expired)) } else { woken };
        match woken {
            Woken::Changed | Woken::Answered(Ok(Answer::Approved | Answer::Refused(_))) => {
                After::Again(patience, self.place)
            }
            Woken::Answered(Ok(Answer::Expired)) => {
                let own = translate::client(message);
                let session = self.session.as_deref();
                let client = own.as_ref().or_else(|| session?.client.as_ref());
                let caller =
                    Caller { entry: &entry, session: session.map(|session| &*session.id), client, trace: None };
                let denial = self.gate.expired(caller, message, &self.asked).await;
                After::Told(answer::denial_message(&denial, message.id_bytes(), era))
            }
            Woken::Answered(Err(error)) => {
                tracing::error!("CG2120: an answer can't be waited for: {error}");
                After::Told(self.told(message, era))
            }
            Woken::Confirmed(Some(yes)) => {
                match self.gate.approvals.answer_by_client(&self.asked.approval.id, yes).await {
                    // Where somebody else was quicker, that answer counts.
                    Ok(_) => After::Again(patience, self.place),
                    Err(error) => {
                        tracing::error!("CG2120: an answer can't be kept: {error}");
                        After::Told(self.told(message, era))
                    }
                }
            }
            Woken::Confirmed(None) | Woken::Late | Woken::Stopped(Stop::Leaving) => {
                After::Told(self.told(message, era))
            }
            Woken::Stopped(Stop::Cancelled) => After::Nothing,
            Woken::Ended(cause) => After::Told(answer::cause_message(&cause, message.id_bytes())),
        }
    }

    /// It is refused for now, and may come again: the question stays.
    fn told(self: Box<Self>, message: &Message<'_>, era: Era) -> Vec<u8> {
        self.gate.waiting.stays(&self.asked.approval.id);
        answer::denial_message(&Denial::Asked(self.asked), message.id_bytes(), era)
    }
}

fn beat(gate: &Gate) -> Duration {
    gate.options.keep_alive.min(BEAT)
}

/// What a channel brings; never, where there is none or nobody speaks any more.
async fn heard<T>(channel: &mut Option<oneshot::Receiver<T>>) -> T {
    if let Some(receiver) = channel {
        if let Ok(heard) = receiver.await {
            *channel = None;
            return heard;
        }
        *channel = None;
    }
    std::future::pending().await
}

async fn becomes(watched: &mut Option<watch::Receiver<bool>>) {
    match watched {
        Some(watched) => until(watched, |is| *is).await,
        None => std::future::pending().await,
    }
}

/// Waits until something is published; never, where nobody publishes any more.
async fn published(snapshots: &mut Option<Snapshots>) {
    if let Some(receiver) = snapshots {
        if receiver.changed().await.is_ok() {
            return;
        }
        *snapshots = None;
    }
    std::future::pending().await
}
