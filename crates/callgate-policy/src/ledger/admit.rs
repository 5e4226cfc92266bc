//! From a decision to the final one: what the history says, then the limits; and what the call leaves behind.

use super::{Receipt, Refusal, State, message};
use crate::call::Timestamp;
use crate::decision::{Asking, Decision, Outcome, ShadowVerdict};
use crate::history::{Check, FlowVerdict, History};
use crate::model::Mode;

impl State {
    /// The final decision, and what was reserved where it is an allow (policy language section 1, the history's part of
    /// step 7, and steps 8 and 9). What it is decided by and what it leaves are read and written in one step: of calls at
    /// once, each sees those before it.
    pub fn admit(&mut self, mut decision: Decision, now: Timestamp) -> (Decision, Option<Receipt>) {
        if decision.outcome == Outcome::Deny {
            return (decision, None);
        }
        let mut history = decision.history.take();
        if let Some(history) = &mut history {
            decision.shadow.extend(self.shadows(history, now));
            match self.recall(history, now) {
                Ok(None) => {}
                Ok(Some(asking)) => decision = decision.asked(asking),
                Err(refusal) => return (decision.refused(refusal), None),
            }
        }
        if decision.outcome == Outcome::Approve {
            if let Err(refusal) = self.look(&decision.charges, now) {
                return (decision.refused(refusal), None);
            }
            decision.history = history;
            return (decision, None);
        }
        let reserved = match &history {
            None => self.reserve(&decision.charges, now),
            Some(history) => self.reserve_and_mark(&decision, history, now),
        };
        decision.history = history;
        match reserved {
            Ok(receipt) => (decision, Some(receipt)),
            Err(refusal) => (decision.refused(refusal), None),
        }
    }

    /// The decision with what the history says where a flow asks for a person; what would deny it is left to
    /// [`State::admit`]. Changes nothing.
    pub fn weigh(&self, mut decision: Decision, now: Timestamp) -> Decision {
        match decision.history.as_deref_mut().map(|history| self.recall(history, now)) {
            Some(Ok(Some(asking))) => decision.asked(asking),
            _ => decision,
        }
    }

    /// Reserves as if every person who has to be asked had said yes.
    pub(crate) fn suppose(&mut self, decision: &Decision, now: Timestamp) -> Result<Receipt, Refusal> {
        let Some(history) = &decision.history else {
            return self.reserve(&decision.charges, now);
        };
        self.recall(&mut history.clone(), now)?;
        self.reserve_and_mark(decision, history, now)
    }

    fn reserve_and_mark(&mut self, decision: &Decision, history: &History, now: Timestamp) -> Result<Receipt, Refusal> {
        let enforced = history.imprints.iter().filter(|imprint| imprint.mode == Mode::Enforce);
        enforced.clone().try_for_each(|imprint| self.marks.has_room(imprint))?;
        let mut receipt = self.reserve(&decision.charges, now)?;
        let moment = self.advance(now);
        receipt.marks = history.imprints.iter().filter_map(|imprint| self.marks.leave(imprint, moment)).collect();
        Ok(receipt)
    }

    /// What the flows make of the call: the first denial, else the first that asks, as strictly as any that does. Those
    /// that ask are marked: a yes is good for them, and for no other.
    fn recall(&self, history: &mut History, now: Timestamp) -> Result<Option<Asking>, Refusal> {
        let moment = self.moment(now);
        let mut asking: Option<Asking> = None;
        for check in history.checks.iter_mut().filter(|check| check.mode == Mode::Enforce) {
            check.has_asked = false;
            let Err(refusal) = self.marks.pass(check, moment) else { continue };
            let FlowVerdict::Approve(terms) = &check.verdict else { return Err(refusal) };
            check.has_asked = true;
            asking = Some(match asking {
                Some(first) => Asking { terms: first.terms.strictest(terms), ..first },
                None => asks(check, refusal, terms.clone()),
            });
        }
        Ok(asking)
    }

    /// What flows in shadow mode would have made of the call.
    fn shadows(&self, history: &History, now: Timestamp) -> Vec<ShadowVerdict> {
        let moment = self.moment(now);
        let shadow = history.checks.iter().filter(|check| check.mode == Mode::Shadow);
        let fired = shadow.filter_map(|check| Some((check, self.marks.pass(check, moment).err()?)));
        fired.map(|(check, refusal)| message::shadow(check, refusal)).collect()
    }
}

fn asks(check: &Check, refusal: Refusal, terms: crate::model::AskTerms) -> Asking {
    Asking { rule: refusal.rule, place: check.place.clone(), message: refusal.message.into(), terms }
}
