//! One change: records and the journal's copy in one transaction, then the journal, then the published configuration.

use crate::caller::{Cleared, Who};
use crate::control::Control;
use crate::error::{Error, Kind};
use callgate_store::Change;
use serde_json::Value;
use tokio::sync::Notify;

/// A change under way. Dropped before [`Editing::finish`], it never was.
pub(crate) struct Editing<'c> {
    /// Reads and writes within the change.
    pub(crate) change: Change<'c>,
    organisation: String,
    who: Who,
    at: i64,
    position: u64,
}

/// What the journal says about one step of a change.
pub(crate) struct Step {
    /// What: `server add`, `policy publish`, …
    pub(crate) what: &'static str,
    /// What it is about: `server/kernel`, `server/kernel/policy/default`, `server/kernel/grant/g_…`.
    pub(crate) object: String,
    /// What was there before, without secrets; null where nothing was.
    pub(crate) before: Value,
    /// What is there now, without secrets; null where nothing is.
    pub(crate) after: Value,
}

/// Which change of which organisation, and which of its steps.
pub(crate) struct Place<'p> {
    pub(crate) organisation: &'p str,
    pub(crate) generation: i64,
    pub(crate) position: u64,
}

/// Wakes the task that publishes what nobody published, unless somebody did.
struct Unpublished<'c>(Option<&'c Notify>);

impl Control {
    /// Begins a change in the caller's organisation; waits for others.
    pub(crate) async fn edit(&self, cleared: &Cleared<'_>) -> Result<Editing<'_>, Error> {
        self.edit_in(cleared, cleared.caller().organisation()).await
    }

    /// The same in any organisation, for what is of the whole instance.
    pub(crate) async fn edit_in(&self, cleared: &Cleared<'_>, organisation: &str) -> Result<Editing<'_>, Error> {
        let change = self.inner.store.begin(organisation).await?;
        let who = cleared.caller().who().clone();
        Ok(Editing { change, organisation: organisation.to_owned(), who, at: self.now(), position: 0 })
    }
}

impl Editing<'_> {
    /// The revision that the records of this change get.
    pub(crate) fn revision(&self) -> i64 {
        self.change.generation()
    }

    /// The organisation that is changed.
    pub(crate) fn organisation(&self) -> &str {
        &self.organisation
    }

    /// Who changes it, as the journal has it.
    pub(crate) fn who(&self) -> String {
        self.who.word()
    }

    /// Who changes it, for a record that has to know it again.
    pub(crate) fn identity(&self) -> String {
        self.who.identity()
    }

    /// The moment of the change, milliseconds since the Unix epoch.
    pub(crate) fn at(&self) -> i64 {
        self.at
    }

    /// How many steps were left: a change without any changes nothing.
    pub(crate) fn steps(&self) -> u64 {
        self.position
    }

    /// Leaves a step for the journal. Organisation, generation and position together name it: one that was interrupted
    /// may be journalled twice.
    pub(crate) async fn step(&mut self, step: Step) -> Result<(), Error> {
        let generation = self.change.generation();
        let place = Place { organisation: &self.organisation, generation, position: self.position };
        let body = step.body(&place, self.at, &self.who);
        self.position += 1;
        Ok(self.change.record(body).await?)
    }

    /// Commits, records in the journal, and publishes: when this returns, the next call sees it. CG3115 where it is
    /// saved and the rest has to wait.
    pub(crate) async fn finish(self, control: &Control) -> Result<(), Error> {
        // A caller that goes away in the middle leaves the rest to the task.
        let mut unpublished = Unpublished(Some(&control.inner.retry));
        if let Err(error) = self.change.commit().await {
            return Err(error.into());
        }
        control.publish().await.map_err(|error| waiting(&error))?;
        unpublished.0 = None;
        Ok(())
    }
}

impl Step {
    /// The body of its record in the journal.
    pub(crate) fn body(self, place: &Place<'_>, at: i64, who: &Who) -> String {
        let Self { what, object, before, after } = self;
        let Place { organisation, generation, position } = place;
        let body = serde_json::json!({
            "organisation": organisation, "generation": generation, "position": position,
            "at": at, "who": who.word(), "what": what, "object": object, "before": before, "after": after,
        });
        body.to_string()
    }
}

impl Drop for Unpublished<'_> {
    fn drop(&mut self) {
        if let Some(retry) = self.0 {
            retry.notify_one();
        }
    }
}

fn waiting(error: &Error) -> Error {
    let message = format!("the change is saved, and not in force until it can be recorded: {}", error.message);
    let remedy = "it is recorded and comes into force by itself as soon as that is possible; correct what is named";
    Error::new(Kind::Unavailable, "CG3115", message, remedy)
}
