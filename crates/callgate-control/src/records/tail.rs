//! New decisions, as they are indexed.

use super::{Decision, Terms};
use crate::caller::{Caller, Permission, Scope};
use crate::control::Control;
use crate::error::Error;
use callgate_store::{Ends, Search};
use tokio::sync::watch;

/// How many decisions are given at once.
const AT_ONCE: u32 = 200;

/// How far back somebody can go on, in records of a chain.
const BACK: i64 = 10_000;

/// Decisions that come.
pub(crate) struct Tail {
    control: Control,
    caller: Caller,
    terms: Terms,
    from: Ends,
    has_more: bool,
    news: watch::Receiver<News>,
    /// What was known at the last look.
    seen: News,
}

/// What happened in this process that somebody may wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// How often something was indexed.
    pub(crate) indexed: u64,
    /// How often something was changed through the API.
    pub(crate) changed: u64,
    /// Whether the process is about to end.
    pub(crate) ends: bool,
}

/// That something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Who is signed in may have changed, or what they may.
    pub(crate) may_concern_callers: bool,
}

impl Control {
    /// The decisions that come, about the servers that the caller may see; with `last`, those behind this one first.
    pub(crate) async fn tail(&self, caller: &Caller, terms: Terms, last: Option<&str>) -> Result<Tail, Error> {
        let cleared = caller.clear(Permission::ReadDecisions, Scope::Visible)?;
        let news = self.inner.news.subscribe();
        let seen = *news.borrow();
        let reads = self.reads(&cleared);
        let ends = reads.ends().await?;
        let from = match last {
            Some(last) => reads.ends_at(last).await?.map(|from| from.near(&ends, BACK)),
            None => None,
        };
        let has_more = from.is_some();
        let (control, caller, from) = (self.clone(), caller.clone(), from.unwrap_or(ends));
        Ok(Tail { control, caller, terms, from, has_more, news, seen })
    }

    /// Tells those who wait that something was changed.
    pub(crate) fn has_changed(&self) {
        self.inner.news.send_modify(|news| news.changed = news.changed.wrapping_add(1));
    }

    /// Ends what waits for news: the process is about to end.
    pub fn wind_up(&self) {
        self.inner.news.send_modify(|news| news.ends = true);
    }
}

impl Tail {
    /// Waits until something happened that may have to do with decisions or their readers. `None` at the end.
    pub(crate) async fn moved(&mut self) -> Option<Moved> {
        if !self.has_more && !self.news.borrow().ends {
            self.news.changed().await.ok()?;
        }
        let now = *self.news.borrow_and_update();
        let before = std::mem::replace(&mut self.seen, now);
        (!now.ends).then_some(Moved { may_concern_callers: now.changed != before.changed })
    }

    /// What came since the last look, at most 200 decisions at once.
    pub(crate) async fn look(&mut self) -> Result<Vec<Decision>, Error> {
        let cleared = self.caller.clear(Permission::ReadDecisions, Scope::Visible)?;
        let sight = self.control.sight(&cleared).await?;
        let Terms { filters, words, since, until } = self.terms.clone();
        let search = Search { filters, words, since, until, sight, limit: AT_ONCE, ..Search::default() };
        let (rows, has_more) = self.control.reads(&cleared).decisions_behind(&mut self.from, &search).await?;
        self.has_more = has_more;
        Ok(rows.into_iter().map(Decision::from).collect())
    }
}
