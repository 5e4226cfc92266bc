//! The history of one process: what calls left behind, and what is found there.

use super::{Settlement, message};
use crate::call::Timestamp;
use crate::history::{Check, FlowVerdict, Imprint, Mark, MarkKey, Marked};
use crate::ledger::Refusal;
use crate::model::Mode;
use crate::names::{GrantId, Organisation};
use std::collections::HashMap;

/// Most marks that one organisation may have. Forgetting one would let calls through that it stops, so beyond it calls
/// that would leave a new one are refused.
const MAX_MARKS: usize = 100_000;
/// Most of them that calls of one grant may have left, so that no single one fills the history of all.
const MAX_OF_GRANT: usize = 25_000;

/// The marks of one process, by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    marks: HashMap<MarkKey, Standing>,
    counts: HashMap<Organisation, Count>,
}

/// How many marks one organisation has.
#[derive(Clone, Debug, Default)]
struct Count {
    all: usize,
    of_grants: HashMap<GrantId, usize>,
}

/// What [`Mark`] shows of one key. Moments are milliseconds since the Unix epoch.
#[derive(Clone, Debug, Default)]
struct Standing {
    /// Whose share of the history it is.
    grant: Option<GrantId>,
    keep_ms: i64,
    ended: Option<i64>,
    completed: Option<i64>,
    open: Vec<i64>,
}

impl Marks {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether the check finds what it needs, or what it must not find; the refusal says when that is over.
    pub(super) fn pass(&self, check: &Check, now: i64) -> Result<(), Refusal> {
        let standing = self.marks.get(&check.key);
        let within = check.within_ms.map_or(i64::MAX, |span| i64::try_from(span).unwrap_or(i64::MAX));
        let recent = |at: i64| now.saturating_sub(at) < within;
        if check.verdict == FlowVerdict::Require {
            let is_completed = standing.and_then(|standing| standing.completed).is_some_and(recent);
            return if is_completed { Ok(()) } else { Err(message::not_yet(check)) };
        }
        let Some(standing) = standing else { return Ok(()) };
        if !standing.open.is_empty() {
            return Err(message::not_after(check, None));
        }
        match standing.ended.filter(|at| recent(*at)) {
            None => Ok(()),
            Some(at) => {
                let left = check.within_ms.map(|_| at.saturating_add(within).saturating_sub(now));
                Err(message::not_after(check, left.map(|left| u64::try_from(left).unwrap_or(0))))
            }
        }
    }

    /// Whether there is room for the mark.
    pub(super) fn has_room(&self, imprint: &Imprint) -> Result<(), Refusal> {
        if self.marks.contains_key(&imprint.key) {
            return Ok(());
        }
        let Some(count) = self.counts.get(&imprint.key.organisation) else { return Ok(()) };
        if count.all >= MAX_MARKS {
            return Err(message::no_room(imprint, "the history is full", MAX_MARKS));
        }
        if count.of_grants.get(&imprint.grant).is_some_and(|of_grant| *of_grant >= MAX_OF_GRANT) {
            return Err(message::no_room(imprint, "this grant's share of the history is full", MAX_OF_GRANT));
        }
        Ok(())
    }

    /// A call begins that leaves the mark. A mark of a flow in shadow mode is only left where there is room.
    pub(super) fn leave(&mut self, imprint: &Imprint, now: i64) -> Option<Marked> {
        if imprint.mode == Mode::Shadow && self.has_room(imprint).is_err() {
            return None;
        }
        let grant = Some(imprint.grant.clone());
        let marked = Marked { key: imprint.key.clone(), grant, keep_ms: imprint.keep_ms, at: Timestamp(now) };
        self.begin(&marked);
        Some(marked)
    }

    /// A call began that left the mark.
    pub(super) fn begin(&mut self, marked: &Marked) {
        // What is of no use any longer is gone, whether it was swept or not: a checkpoint leaves it out.
        if let Some(over) = self.marks.get_mut(&marked.key).filter(|standing| standing.is_over(marked.at.0)) {
            (over.ended, over.completed) = (None, None);
        }
        let standing = self.standing(&marked.key, marked.grant.as_ref(), marked.keep_ms);
        let at = standing.open.partition_point(|open| *open <= marked.at.0);
        standing.open.insert(at, marked.at.0);
    }

    /// A call ended. What certainly did not run leaves nothing.
    pub(super) fn end(&mut self, marked: &Marked, settlement: Settlement, now: i64) {
        let Some(standing) = self.marks.get_mut(&marked.key) else { return };
        if let Ok(at) = standing.open.binary_search(&marked.at.0) {
            standing.open.remove(at);
        }
        match settlement {
            Settlement::Keep => standing.ended = standing.ended.max(Some(now)),
            Settlement::GiveBack if standing.is_blank() => self.remove(&marked.key),
            Settlement::GiveBack => {}
        }
    }

    /// A call ended with a result that is no error.
    pub(super) fn complete(&mut self, marked: &Marked, now: i64) {
        let standing = self.standing(&marked.key, marked.grant.as_ref(), marked.keep_ms);
        standing.completed = standing.completed.max(Some(now));
    }

    /// Puts a mark back.
    pub(super) fn restore(&mut self, mark: &Mark) {
        let standing = self.standing(&mark.key, mark.grant.as_ref(), mark.keep_ms);
        standing.ended = standing.ended.max(mark.ended.map(|at| at.0));
        standing.completed = standing.completed.max(mark.completed.map(|at| at.0));
        standing.open.extend(mark.open.iter().map(|at| at.0));
        standing.open.sort_unstable();
    }

    /// Whoever held the calls in flight is gone: they may have run until now.
    pub(super) fn abandon(&mut self, now: i64) {
        for standing in self.marks.values_mut().filter(|standing| !standing.open.is_empty()) {
            standing.open.clear();
            standing.ended = standing.ended.max(Some(now));
        }
    }

    /// Every mark that is still of use, in order.
    pub(super) fn snapshot(&self, now: i64) -> Vec<Mark> {
        let alive = self.marks.iter().filter(|(_, standing)| !standing.is_over(now));
        let mut marks: Vec<Mark> = alive.map(|(key, standing)| standing.shown(key)).collect();
        marks.sort_by(|one, other| one.key.cmp(&other.key));
        marks
    }

    /// Forgets what is of no use any longer.
    pub(super) fn sweep(&mut self, now: i64) {
        let counts = &mut self.counts;
        self.marks.retain(|key, standing| {
            let is_over = standing.is_over(now);
            if is_over {
                forget(counts, key, standing);
            }
            !is_over
        });
    }

    fn remove(&mut self, key: &MarkKey) {
        if let Some(standing) = self.marks.remove(key) {
            forget(&mut self.counts, key, &standing);
        }
    }

    /// The standing of a key, made where there is none.
    fn standing(&mut self, key: &MarkKey, grant: Option<&GrantId>, keep_ms: u64) -> &mut Standing {
        if !self.marks.contains_key(key) {
            let count = self.counts.entry(key.organisation.clone()).or_default();
            count.all += 1;
            if let Some(grant) = grant {
                *count.of_grants.entry(grant.clone()).or_default() += 1;
            }
        }
        let made = || Standing { grant: grant.cloned(), ..Standing::default() };
        let standing = self.marks.entry(key.clone()).or_insert_with(made);
        standing.keep_ms = standing.keep_ms.max(i64::try_from(keep_ms).unwrap_or(i64::MAX));
        standing
    }
}

impl Standing {
    fn is_blank(&self) -> bool {
        self.open.is_empty() && self.ended.is_none() && self.completed.is_none()
    }

    fn is_over(&self, now: i64) -> bool {
        let last = self.ended.max(self.completed);
        self.open.is_empty() && last.is_none_or(|at| now.saturating_sub(at) >= self.keep_ms)
    }

    fn shown(&self, key: &MarkKey) -> Mark {
        Mark {
            key: key.clone(),
            grant: self.grant.clone(),
            keep_ms: u64::try_from(self.keep_ms).unwrap_or(0),
            ended: self.ended.map(Timestamp),
            completed: self.completed.map(Timestamp),
            open: self.open.iter().copied().map(Timestamp).collect(),
        }
    }
}

fn forget(counts: &mut HashMap<Organisation, Count>, key: &MarkKey, standing: &Standing) {
    let Some(count) = counts.get_mut(&key.organisation) else { return };
    count.all = count.all.saturating_sub(1);
    if count.all == 0 {
        counts.remove(&key.organisation);
        return;
    }
    let Some(grant) = &standing.grant else { return };
    if let Some(of_grant) = count.of_grants.get_mut(grant) {
        *of_grant = of_grant.saturating_sub(1);
        if *of_grant == 0 {
            count.of_grants.remove(grant);
        }
    }
}
