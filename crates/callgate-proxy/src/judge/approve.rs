//! A call that needs a person's yes: whether it has one, and else who is asked.

use super::{Caller, Denial};
use crate::asking::words;
use crate::gate::{Figures, Gate};
use crate::snapshot::AttachedPolicy;
use crate::upstream::UpstreamConfig;
use callgate_decision::{About, Approval, ApprovalError, Cover, Permit, Question, Refused, Standing, Uncovered};
use callgate_json::canonical;
use callgate_policy::{Arguments, Ask, AskTerms, Call, Decision, Outcome, Reason};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// How often a yes is looked for that others take at the same time.
const ATTEMPTS: u32 = 4;
/// How long a call is held where its rule does not say it.
const HOLD: Duration = Duration::from_secs(5 * 60);

/// A call that needs a person's yes, and does not have it.
#[derive(Debug)]
pub(crate) struct Asked {
    /// As recorded: `approve` where the answer is open, else a denial.
    pub(crate) refused: Box<Refused>,
    /// The question.
    pub(crate) approval: Approval,
    /// How the rule wants a person to be asked.
    pub(crate) terms: AskTerms,
    /// Whether nobody had been asked the same before.
    pub(crate) is_new: bool,
    /// Whether the caller's own user can be shown all that a yes covers.
    pub(crate) fits_form: bool,
}

impl Asked {
    /// Whether the answer is still to come.
    pub(crate) fn is_open(&self) -> bool {
        self.refused.decision.outcome == Outcome::Approve
    }

    /// What the caller does meanwhile. Where the asker may not answer, its own user may not either; and who can't be shown
    /// all of the arguments is led to the page that shows them.
    pub(crate) fn ask(&self) -> Ask {
        match self.terms.ask() {
            Ask::Client if self.terms.four_eyes() || !self.fits_form => Ask::Retry,
            ask => ask,
        }
    }

    /// How long the call may be held.
    pub(crate) fn hold(&self) -> Duration {
        self.terms.hold_for_ms().map_or(HOLD, Duration::from_millis)
    }
}

impl Gate {
    /// Lets a call leave that a person said yes to, or asks. A `cover` is a yes that this very call has already.
    pub(super) async fn approve(
        &self,
        caller: Caller<'_>,
        call: &Call<'_>,
        mut decision: Decision,
        about: &About<'_>,
        cover: Option<Cover>,
    ) -> Result<Permit, Denial> {
        let mut question = self.question(caller, call, &decision);
        if let Some(cover) = cover {
            match self.decider.charge_covered(decision, about, cover, &question).await {
                Ok(Err(refused)) if asks_more(&refused) => {
                    decision = refused.decision;
                    question = self.question(caller, call, &decision);
                }
                Ok(charged) => return self.counted(charged).map_err(Denial::Call),
                // It is no longer what was asked about: a new call.
                Err(new) => decision = new,
            }
        }
        for _ in 0..ATTEMPTS {
            let before = match self.approvals.look(&question).await {
                Ok(Standing::Approved(approval)) => {
                    match self.take(&decision, about, &approval, &question).await {
                        Err(Uncovered::Gone) => continue,
                        Err(Uncovered::Refused(refused)) if asks_more(&refused) => {
                            decision = refused.decision;
                            question = self.question(caller, call, &decision);
                            continue;
                        }
                        Ok(permit) => return self.counted(Ok(permit)).map_err(Denial::Call),
                        Err(Uncovered::Refused(refused)) => return self.counted(Err(refused)).map_err(Denial::Call),
                        Err(Uncovered::Failed(error)) => return Err(self.unasked(decision, about, error).await),
                    };
                }
                Ok(Standing::Refused(approval, why)) => {
                    return Err(self.answered_no(decision, about, approval, &why).await);
                }
                Ok(Standing::Pending(approval)) => Some(approval),
                Ok(Standing::Open) => None,
                Err(error) => return Err(self.unasked(decision, about, error).await),
            };
            if let Some(asked) = self.ask(&decision, about, &question, before).await? {
                return Err(Denial::Asked(Box::new(asked)));
            }
        }
        let error = ApprovalError::Failed("its answer changes while it is looked at".to_owned());
        Err(self.unasked(decision, about, error).await)
    }

    async fn take(
        &self,
        decision: &Decision,
        about: &About<'_>,
        approval: &Approval,
        question: &Question,
    ) -> Result<Permit, Uncovered> {
        self.decider.charge_approved(decision.clone(), about, &self.approvals, approval, question).await
    }

    /// Asks, once the limits leave room and the call is on record. `None` where the answer is there already.
    async fn ask(
        &self,
        decision: &Decision,
        about: &About<'_>,
        question: &Question,
        before: Option<Approval>,
    ) -> Result<Option<Asked>, Denial> {
        let recorded = About { approval: before.as_ref().map(|approval| &approval.id), ..*about };
        let mut refused = self.on_record(decision.clone(), &recorded).await;
        if refused.decision.outcome != Outcome::Approve {
            return Err(Denial::Call(refused));
        }
        let (Some(id), None) = (refused.id, &refused.unrecorded) else {
            let why = "The call could not be recorded, so nobody was asked.".to_owned();
            refused.decision = denied_like(decision.clone(), Reason::Fault, why);
            return Err(Denial::Call(refused));
        };
        let is_new = before.is_none();
        match self.approvals.ask(question, id).await {
            Ok(Standing::Pending(approval)) => {
                let terms = decision.ask.clone().unwrap_or_default();
                let fits_form = words::fits(&question.arguments);
                Ok(Some(Asked { refused, approval, terms, is_new, fits_form }))
            }
            Ok(_) => Ok(None),
            Err(error) => Err(self.unasked(decision.clone(), about, error).await),
        }
    }

    /// Records that a person said no.
    async fn answered_no(&self, decision: Decision, about: &About<'_>, approval: Approval, why: &str) -> Denial {
        let why = match why.trim() {
            "" => "A person refused this call.".to_owned(),
            why => format!("A person refused this call: {}", why.chars().take(500).collect::<String>()),
        };
        self.refused_by(decision, about, approval, Reason::ApprovalRefused, why).await
    }

    /// Records that nobody answered a call that was held.
    pub(crate) async fn expired(
        &self,
        caller: Caller<'_>,
        message: &callgate_mcp::Message<'_>,
        asked: &Asked,
    ) -> Denial {
        let about = super::about(caller, message);
        let why = "Nobody answered the question about this call in time, or it was withdrawn.".to_owned();
        let (decision, approval) = (asked.refused.decision.clone(), asked.approval.clone());
        self.refused_by(decision, &about, approval, Reason::ApprovalExpired, why).await
    }

    async fn refused_by(
        &self,
        decision: Decision,
        about: &About<'_>,
        approval: Approval,
        reason: Reason,
        why: String,
    ) -> Denial {
        let about = About { approval: Some(&approval.id), ..*about };
        let terms = decision.ask.clone().unwrap_or_default();
        let refused = self.on_record(denied_like(decision, reason, why), &about).await;
        Denial::Asked(Box::new(Asked { refused, approval, terms, is_new: false, fits_form: false }))
    }

    /// Records that a call needs a yes for which nobody can be asked.
    async fn unasked(&self, decision: Decision, about: &About<'_>, error: ApprovalError) -> Denial {
        let why = match error {
            ApprovalError::Nobody => {
                "This call needs the approval of a person, and nobody can be asked: run `callgate up` on the data \
                 directory, and approve with `callgate approvals` (CG2121)."
                    .to_owned()
            }
            ApprovalError::TooMany(count) => format!(
                "This call needs the approval of a person, and {count} questions of this grant are open, which is the \
                 most: wait until some are answered (CG2122)."
            ),
            ApprovalError::TooLong(most) => format!(
                "This call needs the approval of a person, and its arguments are longer than the {most} bytes that a \
                 person is asked about: send less at once (CG2123)."
            ),
            ApprovalError::Failed(error) => {
                tracing::error!("CG2120: approvals can't be had: {error}");
                "This call needs the approval of a person, and approvals can't be kept now: the gateway's operator \
                 has to look (CG2120)."
                    .to_owned()
            }
        };
        Denial::Call(self.on_record(denied_like(decision, Reason::Fault, why), about).await)
    }

    /// Records a decision that lets nothing leave.
    async fn on_record(&self, decision: Decision, about: &About<'_>) -> Box<Refused> {
        match self.charge(decision.clone(), about).await {
            Err(refused) => refused,
            // What is no allow is never charged; the permit, dropped, gives everything back.
            Ok(permit) => Box::new(Refused { decision, id: Some(permit.id()), unrecorded: None }),
        }
    }

    /// Counts what was charged elsewhere than in [`Gate::charge`].
    pub(super) fn counted(&self, charged: Result<Permit, Box<Refused>>) -> Result<Permit, Box<Refused>> {
        match &charged {
            Ok(_) => Figures::count(&self.figures.forwarded),
            Err(refused) => {
                Figures::count(&self.figures.denied);
                if let Some(error) = &refused.unrecorded {
                    tracing::error!("a refusal is not in the journal: {error}");
                }
            }
        }
        charged
    }
}

/// Whether a call was refused because a flow asks by now for which the yes at hand is not good.
fn asks_more(refused: &Refused) -> bool {
    refused.decision.outcome == Outcome::Approve
}

/// A denial that names the same rule.
fn denied_like(decision: Decision, reason: Reason, message: String) -> Decision {
    Decision {
        outcome: Outcome::Deny,
        reason: Some(reason),
        message: message.into(),
        charges: Vec::new(),
        ask: None,
        retry_after_ms: None,
        ..decision
    }
}

impl Gate {
    /// The call, with all that a yes is bound to.
    fn question(&self, caller: Caller<'_>, call: &Call<'_>, decision: &Decision) -> Question {
        let entry = caller.entry;
        let digest = |attached: &Option<AttachedPolicy>| {
            attached.as_ref().map(|attached| attached.digest.to_string()).unwrap_or_default()
        };
        Question {
            organisation: entry.server.organisation.clone(),
            server: entry.server.uuid.clone(),
            server_name: entry.server.name.clone(),
            upstream: self.place_digest(&entry.server.upstream),
            tool: call.tool.to_owned(),
            definition: call.definition.map(|pinned| pinned.fingerprint.clone()).filter(|digest| !digest.is_empty()),
            grant: entry.grant.id.clone(),
            grant_label: entry.grant.label.clone(),
            identity: None,
            client: caller.client.cloned(),
            policy: digest(&entry.policy),
            policy_name: entry.policy.as_ref().map(|attached| attached.name.to_string()).unwrap_or_default(),
            policy_version: entry.policy.as_ref().map_or(0, |attached| attached.version),
            baseline: digest(&entry.baseline),
            arguments: match &call.arguments {
                Arguments::Value(value) => canonical(value),
                // What can't be read is denied before anybody is asked.
                Arguments::Absent | Arguments::Unreadable(_) => "{}".to_owned(),
            },
            rule: decision.rule.clone(),
            message: decision.message.to_string(),
            terms: decision.ask.clone().unwrap_or_default(),
        }
    }

    /// A digest of where a server is, and as whom it is spoken to: under a key, as secrets are part of it.
    fn place_digest(&self, upstream: &UpstreamConfig) -> String {
        let mut digest = blake3::Hasher::new_keyed(&self.place_key);
        let mut add = |part: &[u8]| {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        };
        match upstream {
            UpstreamConfig::Http(http) => {
                add(b"http");
                add(http.url().as_bytes());
                for (name, value) in &http.headers {
                    add(name.as_str().as_bytes());
                    add(value.as_bytes());
                }
            }
            UpstreamConfig::Stdio(command) => {
                add(b"stdio");
                add(command.command.as_bytes());
                add(command.cwd.as_ref().map(|cwd| cwd.as_os_str().as_bytes()).unwrap_or_default());
                command.args.iter().for_each(|argument| add(argument.as_bytes()));
                for (name, value) in &command.env {
                    add(b"env");
                    add(name.as_bytes());
                    add(value.as_bytes());
                }
            }
        }
        digest.finalize().to_hex().to_string()
    }
}
