//! Counters that are set by hand.

use super::Counters;
use callgate_decision::ResetOrder;
use callgate_policy::{CounterKey, Organisation, Standing};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Counters that are set by hand.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) standing: Mutex<Vec<Standing>>,
    /// What was reset: the counters, who, and why.
    pub(crate) resets: Mutex<Vec<(Vec<CounterKey>, String, String)>>,
    pub(crate) failing: AtomicBool,
}

impl Counters for Fake {
    fn standing(&self, organisation: &Organisation) -> Result<Vec<Standing>, String> {
        let mut standing = self.standing.lock().unwrap().clone();
        standing.retain(|standing| standing.key.organisation == *organisation);
        Ok(standing)
    }

    fn reset<'a>(&'a self, order: ResetOrder<'a>) -> BoxFuture<'a, Result<(), String>> {
        if self.failing.load(Ordering::SeqCst) {
            return std::future::ready(Err("CG4003: the disk is full".to_owned())).boxed();
        }
        self.standing.lock().unwrap().retain(|standing| !order.keys.contains(&standing.key));
        self.resets.lock().unwrap().push((order.keys.to_vec(), order.who.to_owned(), order.reason.to_owned()));
        std::future::ready(Ok(())).boxed()
    }
}
