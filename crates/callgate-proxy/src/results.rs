//! Rules over what comes back: of which request an answer is, and whether any rule looks at it.

use crate::gate::Gate;
use crate::snapshot::GrantEntry;
use callgate_decision::{About, DecisionId};
use callgate_json::{Error, ErrorKind, Limits, Value};
use callgate_mcp::{Message, Method};
use callgate_policy::{
    Arguments, Call, Client, Decision, Definition, Facts, Policy, ResultDecision, ResultOf, Returned, decide_result,
    rules_results,
};
use std::sync::Arc;

/// Arguments above this are not remembered beyond their call, in bytes.
const MAX_REMEMBERED: usize = 4 << 10;

/// What rules over results have to know of a request.
#[derive(Debug)]
pub(crate) struct Origin {
    method: Box<str>,
    /// The tool; none for a resource, a prompt, and what a server says by itself.
    tool: Option<Box<str>>,
    arguments: Kept,
    definition: Option<Arc<Definition>>,
    decision: Option<DecisionId>,
    /// Whether a refusal may be a result that a model reads.
    of_tool: bool,
}

#[derive(Debug)]
enum Kept {
    None,
    /// As JSON.
    Json(Box<[u8]>),
    /// There were some, and they are no longer there.
    Forgotten,
}

/// Of what an answer is, where there are rules over results.
#[derive(Clone, Debug)]
pub(crate) enum Inspected {
    /// Of this request.
    Of(Arc<Origin>),
    /// Nobody knows: it was asked before the gateway started, or too long ago.
    Unknown,
}

/// What became of an answer, to be recorded.
#[derive(Debug)]
pub(crate) struct Ruled {
    pub(crate) origin: Arc<Origin>,
    pub(crate) decision: Decision,
    pub(crate) found: Vec<(Arc<str>, u64)>,
}

impl GrantEntry {
    /// Whether there are rules over results anywhere in the grant's policies.
    pub(crate) fn has_result_rules(&self) -> bool {
        let (policy, baseline) = self.documents();
        [policy, baseline].into_iter().flatten().any(Policy::has_result_rules)
    }
}

impl Inspected {
    /// Of what the answer to this request will be; `None` where no rule could ever look at it.
    pub(crate) fn of(gate: &Gate, entry: &GrantEntry, message: &Message<'_>, decision: DecisionId) -> Option<Self> {
        if !entry.has_result_rules() {
            return None;
        }
        match message.method() {
            Method::ToolsCall | Method::ResourcesRead | Method::PromptsGet => {
                Some(Self::Of(Arc::new(Origin::of(gate, entry, message, Some(decision)))))
            }
            Method::TasksResult | Method::TasksGet => {
                let id = message.params().and_then(|params| params.get("taskId")).and_then(Value::as_str);
                Some(Self::of_task(gate, entry, id.unwrap_or_default(), message.method()))
            }
            _ => None,
        }
    }

    /// Of what a task is.
    pub(crate) fn of_task(gate: &Gate, entry: &GrantEntry, id: &str, method: Method) -> Self {
        let origin = gate.standings.of(&entry.server).tasks.origin(&entry.grant.id, id);
        // Only `tasks/result` is answered with the very result.
        let as_asked = |origin: Arc<Origin>| match method {
            Method::TasksResult => origin,
            _ => Arc::new(origin.with(method.name().unwrap_or_default(), false)),
        };
        origin.map_or(Self::Unknown, |origin| Self::Of(as_asked(origin)))
    }

    /// Of what something is that a server says by itself.
    pub(crate) fn by_itself(method: &str) -> Self {
        let (tool, arguments, definition, decision) = (None, Kept::None, None, None);
        Self::Of(Arc::new(Origin { method: method.into(), tool, arguments, definition, decision, of_tool: false }))
    }

    /// Whether rules have to look at the answer to this request.
    pub(crate) fn looks_at(gate: &Gate, entry: &GrantEntry, message: &Message<'_>) -> bool {
        entry.has_result_rules() && Origin::of(gate, entry, message, None).is_ruled(entry)
    }

    /// Whether rules have to look at it.
    pub(crate) fn is_ruled(&self, entry: &GrantEntry) -> bool {
        match self {
            Self::Of(origin) => origin.is_ruled(entry),
            Self::Unknown => true,
        }
    }

    /// The same without what is too much to be remembered.
    pub(crate) fn remembered(&self) -> Self {
        match self {
            Self::Of(origin) => Self::Of(origin.remembered()),
            Self::Unknown => Self::Unknown,
        }
    }

    /// The request, where it is known.
    pub(crate) fn origin(&self) -> Option<&Arc<Origin>> {
        match self {
            Self::Of(origin) => Some(origin),
            Self::Unknown => None,
        }
    }

    /// What the grant's policies make of an answer.
    pub(crate) fn decide(
        &self,
        gate: &Gate,
        entry: &GrantEntry,
        (session, client): (Option<&str>, Option<&Client>),
        returned: Returned<'_>,
    ) -> ResultDecision {
        let (policy, baseline) = entry.documents();
        let origin = match self {
            Self::Of(origin) => Arc::clone(origin),
            // Rules of single tools could be meant, and nobody can tell.
            Self::Unknown if [policy, baseline].into_iter().flatten().any(Policy::has_tool_result_rules) => {
                return ResultDecision::unreadable("it is no longer known of which call it is");
            }
            Self::Unknown => Arc::new(Origin::unknown()),
        };
        let facts = Facts {
            now: gate.clock.now(),
            organisation: &entry.server.organisation,
            grant: &entry.grant,
            identity: None,
            session,
            client,
            trace: None,
        };
        let bytes = returned.value.span.end.saturating_sub(returned.value.span.start);
        origin.with_call(entry, |of| decide_result(policy, baseline, of, &facts, returned, bytes))
    }
}

impl Origin {
    fn of(gate: &Gate, entry: &GrantEntry, message: &Message<'_>, decision: Option<DecisionId>) -> Self {
        let call = message.tool_call();
        let arguments = call.and_then(|call| call.arguments).map(|arguments| message.bytes_of(arguments).into());
        Self {
            method: message.method_name().unwrap_or_default().into(),
            tool: call.map(|call| call.name.into()),
            arguments: arguments.map_or(Kept::None, Kept::Json),
            definition: call.and_then(|call| gate.definition(&entry.server, call.name)),
            decision,
            of_tool: call.is_some(),
        }
    }

    /// A request that nobody knows any more.
    pub(crate) fn unknown() -> Self {
        let (tool, arguments, definition, decision) = (None, Kept::None, None, None);
        Self { method: "(response)".into(), tool, arguments, definition, decision, of_tool: false }
    }

    /// The same request, as another method asks for its result.
    fn with(&self, method: &str, of_tool: bool) -> Self {
        let arguments = match &self.arguments {
            Kept::None => Kept::None,
            Kept::Json(json) => Kept::Json(json.clone()),
            Kept::Forgotten => Kept::Forgotten,
        };
        let (tool, definition) = (self.tool.clone(), self.definition.clone());
        Self { method: method.into(), tool, arguments, definition, decision: self.decision, of_tool }
    }

    /// The same without what is too much to be remembered.
    pub(crate) fn remembered(self: &Arc<Self>) -> Arc<Self> {
        match &self.arguments {
            Kept::Json(json) if json.len() > MAX_REMEMBERED => {
                Arc::new(Self { arguments: Kept::Forgotten, ..self.with(&self.method, self.of_tool) })
            }
            _ => Arc::clone(self),
        }
    }

    /// Whether a refusal may be a result that a model reads.
    pub(crate) fn is_of_tool(&self) -> bool {
        self.of_tool
    }

    /// What is recorded.
    pub(crate) fn about<'a>(&'a self, about: About<'a>) -> About<'a> {
        About { method: &self.method, tool: self.tool.as_deref(), result_of: self.decision, ..about }
    }

    fn is_ruled(&self, entry: &GrantEntry) -> bool {
        let (policy, baseline) = entry.documents();
        let call = self.call(entry, Arguments::Absent);
        rules_results(policy, baseline, self.result_of(&call))
    }

    fn result_of<'a>(&self, call: &'a Call<'a>) -> ResultOf<'a> {
        if self.tool.is_some() { ResultOf::Call(call) } else { ResultOf::Other(call) }
    }

    fn call<'a>(&'a self, entry: &'a GrantEntry, arguments: Arguments<'a>) -> Call<'a> {
        let tool = self.tool.as_deref().unwrap_or_default();
        Call { server: &entry.server.name, tool, arguments, definition: self.definition.as_deref() }
    }

    fn with_call<R>(&self, entry: &GrantEntry, judge: impl FnOnce(ResultOf<'_>) -> R) -> R {
        let limits = Limits { max_bytes: usize::MAX, max_depth: 128, max_values: usize::MAX, exact_numbers: false };
        let forgotten = Error { kind: ErrorKind::TooLarge(MAX_REMEMBERED), offset: 0 };
        // They were read when the call came, so they can be read again.
        let parsed = match &self.arguments {
            Kept::None => None,
            Kept::Json(json) => Some(callgate_json::parse(json, &limits)),
            Kept::Forgotten => Some(Err(forgotten)),
        };
        let arguments = match &parsed {
            None => Arguments::Absent,
            Some(Ok(value)) => Arguments::Value(value),
            Some(Err(error)) => Arguments::Unreadable(error.clone()),
        };
        let call = self.call(entry, arguments);
        judge(self.result_of(&call))
    }
}
