//! Counters as people see them, and setting them to zero.

use crate::decider::Decider;
use crate::record::ResetRecord;
use crate::records::RecordError;
use crate::wire::KeyRecord;
use callgate_policy::{CounterKey, Organisation, Standing, Timestamp};

/// Why counters can't be shown or set to zero.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CountersError {
    /// Another process keeps them.
    #[error("the counters are kept by the gateway at the other end of the local socket")]
    Elsewhere,
    /// It can't be recorded; they stay as they are.
    #[error(transparent)]
    Unrecorded(#[from] RecordError),
}

/// Counters that somebody sets to zero, and why.
#[derive(Clone, Copy, Debug)]
pub struct ResetOrder<'a> {
    /// The organisation.
    pub organisation: &'a Organisation,
    /// Who does it, as records of changes have it.
    pub who: &'a str,
    /// Why.
    pub reason: &'a str,
    /// The counters, of this organisation.
    pub keys: &'a [CounterKey],
}

impl Decider {
    /// What the counters of an organisation hold now, without those that hold nothing. In no order. Looks at every counter
    /// while calls wait: some 20 milliseconds for a million.
    pub fn counters(&self, organisation: &Organisation) -> Result<Vec<Standing>, CountersError> {
        Ok(self.here().ok_or(CountersError::Elsewhere)?.standings(organisation))
    }

    /// Sets counters to zero from now on, and returns when that is recorded: the moment from which they count anew. Calls
    /// in flight give nothing back to them. Limits on calls in flight can't be reset, and stay as they are.
    pub async fn reset(&self, order: &ResetOrder<'_>) -> Result<Timestamp, CountersError> {
        Ok(self.here().ok_or(CountersError::Elsewhere)?.reset(order).await?)
    }
}

impl<'a> ResetOrder<'a> {
    /// Its record: they count anew from `from` on.
    pub(crate) fn record(&self, from: Timestamp) -> ResetRecord<'a> {
        ResetRecord {
            organisation: self.organisation.as_str().into(),
            who: self.who.into(),
            reason: self.reason.into(),
            from: from.0,
            counters: self.keys.iter().map(KeyRecord::from).collect(),
        }
    }
}
