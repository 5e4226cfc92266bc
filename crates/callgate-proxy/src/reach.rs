//! What is no tool: whether a client may reach it, a server may ask for it, and what of an answer goes on.

mod questions;
mod refusal;

pub(crate) use questions::{Asked, Carrier, Judged, Judging};
pub(crate) use refusal::{Denied, ServerEnd, places};

use crate::errors::Cause;
use crate::exchange::Way;
use crate::gate::Gate;
use crate::snapshot::GrantEntry;
use crate::states::{About, has_legs};
use crate::translate;
use callgate_decision::Cover;
use callgate_json::{Value, write_string};
use callgate_mcp::{
    Era, ListKind, META_PROTOCOL_VERSION, Message, Method, Rewrite, Subject, filter_roots, request_state,
};
use callgate_policy::{Decision, Definition, Policy, Reach, ReachKind, decide_reach, reaches};
use std::borrow::Cow;

impl GrantEntry {
    pub(crate) fn documents(&self) -> (Option<&Policy>, Option<&Policy>) {
        let policy = self.policy.as_ref().map(|attached| &*attached.policy);
        (policy, self.baseline.as_ref().map(|attached| &*attached.policy))
    }

    /// What the grant's policies make of one thing.
    pub(crate) fn decide_reach(&self, reach: Reach<'_>) -> Decision {
        let (policy, baseline) = self.documents();
        decide_reach(policy, baseline, reach)
    }

    /// Whether the grant's policies let one thing be reached.
    pub(crate) fn reaches(&self, kind: ReachKind, subject: &str) -> bool {
        let (policy, baseline) = self.documents();
        reaches(policy, baseline, Reach { kind, subject })
    }

    /// Whether there could be something of this kind that the grant's policies deny.
    pub(crate) fn restricts(&self, kind: ReachKind) -> bool {
        let (policy, baseline) = self.documents();
        policy.is_none_or(|policy| policy.restricts(kind)) || baseline.is_some_and(|policy| policy.restricts(kind))
    }

    /// Whether entries could be taken out of this list. Where none can, it passes as it is, however odd.
    pub(crate) fn filters(&self, list: ListKind) -> bool {
        match list {
            ListKind::Tools | ListKind::Tasks => true,
            ListKind::Resources | ListKind::Templates => self.restricts(ReachKind::Resource),
            ListKind::Prompts => self.restricts(ReachKind::Prompt),
        }
    }

    /// Whether there could be something of this kind that the grant's policies allow.
    pub(crate) fn may_reach_some(&self, kind: ReachKind) -> bool {
        let (policy, baseline) = self.documents();
        [policy, baseline].into_iter().flatten().all(|policy| policy.allows_some(kind))
    }

    /// Whether an entry of this list is shown. Tasks are nobody's but their owner's, and judged elsewhere.
    pub(crate) fn shows(&self, list: ListKind, name: &str) -> bool {
        match list {
            ListKind::Tools => self.shows_tool(name, None),
            ListKind::Resources => self.reaches(ReachKind::Resource, name),
            ListKind::Templates => self.reaches(ReachKind::Template, name),
            ListKind::Prompts => self.reaches(ReachKind::Prompt, name),
            ListKind::Tasks => true,
        }
    }

    /// Whether a tool that is pinned as this is shown.
    pub(crate) fn shows_tool(&self, name: &str, definition: Option<&Definition>) -> bool {
        // Without a policy a client may still see what it could ask for.
        let (policy, baseline) = self.documents();
        [policy, baseline].into_iter().flatten().all(|policy| policy.listed(name, definition))
    }
}

/// The first thing that a client's request names and may not reach.
pub(crate) fn barred(entry: &GrantEntry, subjects: &[Subject<'_>]) -> Option<Decision> {
    let reaches = subjects.iter().filter_map(|subject| translate::reach(*subject));
    reaches.map(|reach| entry.decide_reach(reach)).find(|decision| decision.outcome != callgate_policy::Outcome::Allow)
}

/// The result of `roots/list` (`{"roots":[…]}`) as the server may have it: without the directories that it may not be
/// told about. A result that can't be read becomes one without any.
pub(crate) fn roots_answer<'b>(entry: &GrantEntry, result: &'b [u8]) -> Cow<'b, [u8]> {
    if !entry.restricts(ReachKind::Root) {
        return Cow::Borrowed(result);
    }
    filter_roots(result, |uri| entry.reaches(ReachKind::Root, uri))
}

/// The client's response to a question with this method, as the server may have it; `None` where nothing changes.
pub(crate) fn response(entry: &GrantEntry, asked: Method, message: &Message<'_>) -> Option<Vec<u8>> {
    let result = message.result().filter(|_| asked == Method::RootsList)?;
    match roots_answer(entry, message.bytes_of(result)) {
        Cow::Borrowed(_) => None,
        Cow::Owned(kept) => Some(Rewrite::new(message).part(result, kept).into_bytes().into_owned()),
    }
}

/// A request with `inputResponses` (MCP 2026-07-28) as the server may have it; `None` where nothing changes.
pub(crate) fn input_responses(entry: &GrantEntry, message: &Message<'_>) -> Option<Vec<u8>> {
    let kept = kept_responses(entry, message);
    let rewrite = kept.into_iter().fold(None, |rewrite: Option<Rewrite<'_, '_>>, (answer, kept)| {
        Some(rewrite.unwrap_or_else(|| Rewrite::new(message)).part(answer, kept))
    });
    Some(rewrite?.into_bytes().into_owned())
}

/// A modern client's request as a modern server may have it: the same, and with its own `requestState`. A state that is
/// taken back here is used.
pub(crate) fn continued(way: Way<'_>, message: &Message<'_>) -> Result<Option<Vec<u8>>, Cause> {
    let Keeper::Client(state, text) = Keeper::of(way.gate, way.entry, message)? else {
        return Ok(input_responses(way.entry, message));
    };
    let about = About::of(way.entry, message).ok_or(Cause::StateRefused("this method has none"))?;
    let own = way.gate.states.take(&about, text, way.gate.clock.now())?;
    let mut json = String::with_capacity(own.len() + 2);
    write_string(&own, &mut json);
    let rewrite = Rewrite::new(message).part(state, json.into_bytes());
    let kept = kept_responses(way.entry, message);
    let rewrite = kept.into_iter().fold(rewrite, |rewrite, (answer, kept)| rewrite.part(answer, kept));
    Ok(Some(rewrite.into_bytes().into_owned()))
}

/// The answers to `roots/list` among `inputResponses` that lose some. Which question one answers is known by its shape:
/// no other result has `roots`.
fn kept_responses<'m, 'a>(entry: &GrantEntry, message: &'m Message<'a>) -> Vec<(&'m Value<'a>, Vec<u8>)> {
    let responses = message.params().and_then(|params| params.get("inputResponses"));
    let Some(responses) = responses.filter(|_| entry.restricts(ReachKind::Root)) else { return Vec::new() };
    // As a careless reader would look for it: what differs by case alone makes it unreadable, and so a list without any.
    let is_roots = |key: &str| key.replace('\u{17f}', "s").eq_ignore_ascii_case("roots");
    let has_roots = |answer: &Value<'_>| answer.members().iter().any(|member| is_roots(&member.key));
    let answers = responses.members().iter().map(|member| &member.value).filter(|answer| has_roots(answer));
    let kept = answers.map(|answer| (answer, roots_answer(entry, message.bytes_of(answer))));
    kept.filter_map(|(answer, kept)| if let Cow::Owned(kept) = kept { Some((answer, kept)) } else { None }).collect()
}

/// Whether the state that a request brings back could be taken back; the yes under which the request goes on with it.
pub(crate) fn check_state(gate: &Gate, entry: &GrantEntry, message: &Message<'_>) -> Result<Option<Cover>, Cause> {
    match Keeper::of(gate, entry, message)? {
        Keeper::Nobody => Ok(None),
        Keeper::Gate => Ok(gate.held.lend(entry, message)),
        Keeper::Client(_, text) => {
            let about = About::of(entry, message).ok_or(Cause::StateRefused("this method has none"))?;
            gate.states.check(&about, text, gate.clock.now())
        }
    }
}

/// Who keeps the call that a request goes on with.
enum Keeper<'m, 'a> {
    /// Nobody: the request begins anew, whatever it brings.
    Nobody,
    /// The gateway, for a legacy upstream.
    Gate,
    /// The client, in the sealed state of a modern upstream: where it stands, and its text.
    Client(&'m Value<'a>, &'m str),
}

impl<'m, 'a> Keeper<'m, 'a> {
    /// Only a modern request goes on with one; in a legacy message, `requestState` is a word like any other.
    fn of(gate: &Gate, entry: &GrantEntry, message: &'m Message<'a>) -> Result<Self, Cause> {
        let params = message.params().filter(|params| params.get("requestState").is_some());
        let Some(params) = params.filter(|_| has_legs(message.method())) else { return Ok(Self::Nobody) };
        if message.meta(META_PROTOCOL_VERSION).is_none() {
            return Ok(Self::Nobody);
        }
        if !speaks_modern(gate, entry) {
            return Ok(Self::Gate);
        }
        let state = request_state(params).map_err(|_| Cause::StateRefused("it is no string"))?;
        Ok(state.map_or(Self::Nobody, |(state, text)| Self::Client(state, text)))
    }
}

/// Whether the upstream speaks the modern revision, as far as is known.
pub(crate) fn speaks_modern(gate: &Gate, entry: &GrantEntry) -> bool {
    gate.standings.of(&entry.server).speaks().is_none_or(|speaks| speaks.includes(Era::Modern))
}
