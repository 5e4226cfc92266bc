//! Questions to people: what a call that needs a yes asks, who may answer, and what a yes is good for.
//!
//! ```text
//! port        the data plane's side: look, ask, wait, use, give back
//! question    a question as a row: its binding, its digests, its sealed arguments
//! answer      yes, no, and taking a yes back: by people, and by the caller's own user
//! read, rows  lists and single questions, as answers show them
//! attend      one task per process: what is over ends, and who waits is told
//! waiting     who waits
//! told        what happens, for those who watch and for webhooks
//! readable    arguments as people read them
//! ```

mod answer;
mod attend;
mod port;
mod question;
mod read;
pub mod readable;
mod rows;
mod told;
mod waiting;

pub use answer::{Remember, Verdict};
pub(crate) use attend::attend;
pub(crate) use question::{Sealed, parse, reseal};
pub(crate) use read::ApprovalFacts;
pub use rows::ApprovalView;
pub(crate) use told::Watch;
pub(crate) use waiting::Desk;

pub use callgate_json::visible;

use crate::caller::{Caller, Who};
use crate::control::Control;
use callgate_decision::Approvals;
use callgate_store::{ApprovalRow, Role, Roles};
use std::sync::Arc;

/// How long a question stands where its rule does not say, in milliseconds: half an hour.
const TIMEOUT: i64 = 30 * 60_000;

/// How many questions of one grant stand at once, at most.
const PER_GRANT: usize = 20;

/// How long the arguments of a question, and what its rule says, may be together, in bytes: they are kept until
/// somebody answers, and somebody has to read them.
const LONGEST: usize = 256 * 1024;

/// How long questions that are over stay to be looked up, in milliseconds: 30 days. The journal keeps its records as
/// long as its own retention says.
const KEPT: i64 = 30 * 86_400_000;

impl Control {
    /// Questions to people, for the data plane. What it is asked is worked on in the runtime that the control plane was
    /// opened in, whoever asks.
    pub fn approvals(&self) -> Arc<dyn Approvals> {
        Arc::new(port::Keeper::new(self.clone()))
    }

    /// The page on which a question is answered.
    pub(crate) fn approval_url(&self, id: &str) -> String {
        format!("{}/approvals/{id}", self.base())
    }
}

/// What records of changes call a question.
fn object(row: &ApprovalRow) -> String {
    format!("server/{}/approval/{}", row.server_name, row.id)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod trial;

/// The gateway itself, which ends questions that nobody answers.
fn gateway(organisation: &str) -> Caller {
    let roles = Roles { organisation: Some(Role::PolicyManager), ..Roles::default() };
    Caller::new(organisation, Who::Gateway, roles, false)
}
