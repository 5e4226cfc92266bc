//! One message of a client, judged: a permit to forward it, or the refusal that is answered instead.

mod approve;

pub(crate) use approve::Asked;

use crate::errors::Cause;
use crate::gate::Gate;
use crate::reach::{self, Denied};
use crate::results::Ruled;
use crate::snapshot::GrantEntry;
use crate::translate;
use callgate_decision::{About, Cover, Ending, Permit, PolicyVersion, Refused, ResultKind};
use callgate_json::Value;
use callgate_mcp::{FrameError, Message, MessageKind, Method, Subject, reached};
use callgate_policy::{Client, Decision, Facts, Outcome, Reason, RulePath, Settlement, Timestamp, decide};
use std::sync::LazyLock;

static NO_RULE: LazyLock<RulePath> = LazyLock::new(|| RulePath::new(""));

/// Who sends a message, and over what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller<'a> {
    pub(crate) entry: &'a GrantEntry,
    pub(crate) session: Option<&'a str>,
    pub(crate) client: Option<&'a Client>,
    /// The id of the trace that the message's HTTP headers name.
    pub(crate) trace: Option<&'a str>,
}

/// Why a message is not forwarded.
#[derive(Debug)]
pub(crate) enum Denial {
    /// A `tools/call` that the policy denies.
    Call(Box<Refused>),
    /// A `tools/call` that needs a person's yes and does not have it.
    Asked(Box<Asked>),
    /// A resource, prompt or other thing that the policy keeps out of reach.
    Reach(Box<Refused>),
    /// A message whose parameters can't be judged.
    Frame(Box<FrameError>),
    /// Any other method.
    Method(Cause),
}

impl Gate {
    /// Decides about a message, charges and records it. What may be forwarded comes back as a permit.
    pub(crate) async fn judge(&self, caller: Caller<'_>, message: &Message<'_>) -> Result<Permit, Denial> {
        self.judge_under(caller, message, None).await
    }

    /// The same for a message that a person's yes covers already: it is decided again, or continues a call.
    pub(crate) async fn judge_under(
        &self,
        caller: Caller<'_>,
        message: &Message<'_>,
        cover: Option<Cover>,
    ) -> Result<Permit, Denial> {
        let now = self.clock.now();
        let about = about(caller, message);
        let continued = match reach::check_state(self, caller.entry, message) {
            Ok(continued) => continued,
            Err(cause) => {
                self.refuse_cause(caller, about.method, &cause).await;
                return Err(Denial::Method(cause));
            }
        };
        let definition = message.tool_call().and_then(|call| self.definition(&caller.entry.server, call.name));
        if let Some(call) = translate::call(&caller.entry.server.name, message, definition.as_deref()) {
            // What a flow asks of the history may need a person, too.
            let decision = self.decider.weigh(self.decide_call(caller, &call, now, about.trace)).await;
            if decision.outcome == Outcome::Approve {
                // Boxed: it is rare, and every call's future would have room for it.
                return Box::pin(self.approve(caller, &call, decision, &about, cover.or(continued))).await;
            }
            return self.charge(decision, &about).await.map_err(Denial::Call);
        }
        let Some(refused) = refused_method(caller.entry, message) else {
            self.judge_reach(caller, message, &about).await?;
            return self
                .charge(allowed(), &about)
                .await
                .map_err(|refused| Denial::Method(Cause::NotRecorded(refused.decision.message.to_string())));
        };
        let decision = denied(Reason::NoPolicy, "(no policy)", refused.to_string());
        // A denial never becomes a permit; if it did, the permit is dropped unused here, and gives everything back.
        let _ = self.charge(decision, &about).await;
        Err(Denial::Method(refused))
    }

    /// Decides about what a request names beside tools.
    async fn judge_reach(&self, caller: Caller<'_>, message: &Message<'_>, about: &About<'_>) -> Result<(), Denial> {
        let subjects = match reached(message) {
            Ok(subjects) => subjects,
            Err(error) => {
                self.refuse_frame(caller, about.method, &error).await;
                return Err(Denial::Frame(Box::new(error)));
            }
        };
        // To end a subscription that the policy no longer allows is no way to reach anything.
        if subjects.is_empty() || message.method() == Method::ResourcesUnsubscribe {
            return Ok(());
        }
        if let Some(decision) = reach::barred(caller.entry, &subjects)
            && let Err(refused) = self.charge(decision, about).await
        {
            return Err(Denial::Reach(refused));
        }
        let tasks =
            subjects.iter().filter_map(|subject| if let Subject::Task(id) = subject { Some(*id) } else { None });
        let standing = self.standings.of(&caller.entry.server);
        if tasks.into_iter().all(|task| standing.tasks.is_of(&caller.entry.grant.id, task, self.clock.now())) {
            return Ok(());
        }
        self.refuse_cause(caller, about.method, &Cause::TaskUnknown).await;
        Err(Denial::Method(Cause::TaskUnknown))
    }

    /// Records a decision about a question of the server to the client.
    pub(crate) async fn record_question(
        &self,
        caller: Caller<'_>,
        method: &str,
        decision: Decision,
    ) -> Result<(), Denied> {
        let about = About { method, ..about_nothing(caller) };
        let permit = self.charge(decision, &about).await.map_err(Denied::question)?;
        // Nothing leaves for the server: the question itself is what is permitted.
        permit.depart().settle(Ending::new(Settlement::Keep, ResultKind::Accepted));
        Ok(())
    }

    /// Records a decision about what came back.
    pub(crate) async fn record_result(&self, caller: Caller<'_>, ruled: Ruled) -> Result<(), Denied> {
        let Ruled { origin, decision, found } = ruled;
        let about = About { redacted: &found, ..origin.about(about_nothing(caller)) };
        let of_tool = origin.is_of_tool();
        let permit = self.charge(decision, &about).await.map_err(|refused| Denied::result(refused, of_tool))?;
        // The call has left long ago.
        permit.depart().settle(Ending::new(Settlement::Keep, ResultKind::Accepted));
        Ok(())
    }

    /// Records what is asked of a whole stream or session (GET, DELETE), and permits it.
    pub(crate) async fn judge_stream(&self, caller: Caller<'_>, what: &'static str) -> Result<Permit, Cause> {
        let about = About { method: what, ..about_nothing(caller) };
        self.charge(allowed(), &about).await.map_err(|refused| Cause::NotRecorded(refused.decision.message.to_string()))
    }

    /// Records that a message was refused before any policy looked at it.
    pub(crate) async fn refuse_frame(&self, caller: Caller<'_>, method: &str, error: &FrameError) {
        let rule = format!("(message: {})", error.kind().as_str());
        self.refuse(caller, method, &rule, error.to_string()).await;
    }

    /// Records that a request was refused for this cause.
    pub(crate) async fn refuse_cause(&self, caller: Caller<'_>, method: &str, cause: &Cause) {
        self.refuse(caller, method, &format!("(request: {})", cause.row().word), cause.to_string()).await;
    }

    async fn refuse(&self, caller: Caller<'_>, method: &str, rule: &str, message: String) {
        let about = About { method, ..about_nothing(caller) };
        let _ = self.charge(denied(Reason::InvalidArguments, rule, message), &about).await;
    }

    fn decide_call(
        &self,
        caller: Caller<'_>,
        call: &callgate_policy::Call<'_>,
        now: Timestamp,
        trace: Option<&str>,
    ) -> Decision {
        let entry = caller.entry;
        let facts = Facts {
            now,
            organisation: &entry.server.organisation,
            grant: &entry.grant,
            identity: None,
            session: caller.session,
            client: caller.client,
            trace,
        };
        let policy = entry.policy.as_ref().map(|attached| &*attached.policy);
        let baseline = entry.baseline.as_ref().map(|attached| &*attached.policy);
        decide(policy, baseline, call, &facts)
    }

    async fn charge(&self, decision: Decision, about: &About<'_>) -> Result<Permit, Box<Refused>> {
        self.counted(self.decider.charge(decision, about).await)
    }
}

/// Why a method other than `tools/call` is refused. A grant without a policy may only be told what it needs to be told:
/// enough for a client to connect and to show why nothing works.
fn refused_method(entry: &GrantEntry, message: &Message<'_>) -> Option<Cause> {
    if entry.policy.is_some() || message.kind() != MessageKind::Request {
        return None;
    }
    match message.method() {
        Method::Initialize | Method::Ping | Method::Discover | Method::ToolsList => None,
        _ => Some(Cause::NoPolicy(message.method_name().unwrap_or_default().to_owned())),
    }
}

fn about<'a>(caller: Caller<'a>, message: &'a Message<'_>) -> About<'a> {
    let call = message.tool_call();
    About {
        method: message.method_name().unwrap_or("(response)"),
        tool: call.map(|call| call.name),
        request_id: message.id_bytes().and_then(|id| std::str::from_utf8(id).ok()),
        trace: translate::trace(message, caller.trace),
        arguments: call.and_then(|call| call.arguments).filter(|arguments: &&Value<'_>| arguments.is_object()),
        ..about_nothing(caller)
    }
}

pub(crate) fn about_nothing(caller: Caller<'_>) -> About<'_> {
    let entry = caller.entry;
    About {
        organisation: &entry.server.organisation,
        grant: &entry.grant,
        identity: None,
        server: &entry.server.name,
        method: "",
        tool: None,
        policy: entry.policy.as_ref().map(|attached| PolicyVersion {
            name: &attached.name,
            version: attached.version,
            digest: &attached.digest,
        }),
        session: caller.session,
        client: caller.client,
        request_id: None,
        trace: None,
        arguments: None,
        approval: None,
        result_of: None,
        redacted: &[],
    }
}

pub(crate) fn allowed() -> Decision {
    decision(Outcome::Allow, None, NO_RULE.clone(), String::new())
}

pub(crate) fn denied(reason: Reason, rule: &str, message: String) -> Decision {
    decision(Outcome::Deny, Some(reason), RulePath::new(rule), message)
}

fn decision(outcome: Outcome, reason: Option<Reason>, rule: RulePath, message: String) -> Decision {
    Decision {
        outcome,
        reason,
        rule,
        place: None,
        message: message.into(),
        charges: Vec::new(),
        history: None,
        shadow: Vec::new(),
        ask: None,
        retry_after_ms: None,
    }
}
