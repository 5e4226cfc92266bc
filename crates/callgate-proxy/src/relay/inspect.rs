//! Answers, and what comes before them, under rules over results: refused, changed, or as they came.

use super::{Relay, Seen};
use crate::reach::{Carrier, Judged};
use crate::results::{Inspected, Origin, Ruled};
use bytes::Bytes;
use callgate_json::{Kind, Span, Value};
use callgate_mcp::{Batches, Incoming, Message, Method, ResponseOutcome, Rewrite, outcome, parse_server};
use callgate_policy::Returned;
use std::sync::Arc;

/// What a response without a result and without an error says.
static NOTHING: Value<'static> = Value { kind: Kind::Null, span: Span { start: 0, end: 0 } };

/// A message after the rules have looked at it.
struct Inspection {
    /// What is to be recorded; none where nothing happened.
    ruled: Option<Ruled>,
    /// What goes on in its place.
    changed: Option<Bytes>,
}

impl Relay {
    /// Whether rules have to look at the answer.
    pub(super) fn inspects(&self) -> bool {
        match &self.origin {
            Some(origin) => origin.is_ruled(&self.entry),
            // Of a stream that is taken up again nobody knows what it brings.
            None => self.method.is_none() && self.entry.has_result_rules(),
        }
    }

    /// What a task is remembered with.
    pub(super) fn task_origin(&self) -> Option<Arc<Origin>> {
        // A task's own state says nothing new.
        let origin = self.origin.as_ref().filter(|_| self.method == Some(Method::ToolsCall));
        origin.and_then(Inspected::origin).map(Origin::remembered)
    }

    /// Looks at a response that is on its way.
    pub(super) fn inspect_response(&self, message: &Message<'_>, seen: Seen) -> Result<Seen, String> {
        let Some(origin) = self.origin_of(message).filter(|origin| origin.is_ruled(&self.entry)) else {
            return Ok(seen);
        };
        let inspect = |message: &Message<'_>| self.inspect(message, &origin, self.response_parts(message));
        self.inspected(message, seen, Carrier::Response, inspect)
    }

    /// Looks at what a server says before its answer, or by itself.
    pub(super) fn inspect_aside(&self, message: &Message<'_>, seen: Seen) -> Seen {
        if !self.entry.has_result_rules() {
            return seen;
        }
        let Some(params) = message.params() else { return seen };
        let origin = self.origin_of_aside(message);
        if !origin.is_ruled(&self.entry) {
            return seen;
        }
        let result = params.get("result").filter(|result| is_of_task(message) && result.is_object());
        let returned = |message: &Message<'_>| match message.params() {
            Some(params) => {
                let result = result.and_then(|_| params.get("result"));
                self.inspect(message, &origin, Returned { value: params, result })
            }
            None => Inspection { ruled: None, changed: None },
        };
        let read = self.inspected(message, seen, Carrier::Notification, returned);
        read.unwrap_or(Seen::Drop("it can't be read again"))
    }

    /// What a message that was seen becomes.
    fn inspected(
        &self,
        message: &Message<'_>,
        seen: Seen,
        carrier: Carrier,
        inspect: impl Fn(&Message<'_>) -> Inspection,
    ) -> Result<Seen, String> {
        let (judged, before) = match seen {
            Seen::Pass => (None, None),
            Seen::Changed(bytes) => (None, Some(bytes)),
            Seen::Judged { judged, changed } => (Some(judged), changed),
            other @ (Seen::Drop(_) | Seen::Unpinned(_)) => return Ok(other),
        };
        let Inspection { ruled, changed } = match &before {
            None => inspect(message),
            Some(bytes) => {
                let mut limits = self.limits();
                limits.json.max_bytes = bytes.len();
                match parse_server(bytes, &limits, Batches::Refused) {
                    Ok(Incoming::One(message)) => inspect(&message),
                    _ => return Err("it can't be read again".to_owned()),
                }
            }
        };
        let changed = changed.or(before);
        Ok(match (judged, ruled) {
            (None, None) => changed.map_or(Seen::Pass, Seen::Changed),
            (Some(judged), None) => Seen::Judged { judged, changed },
            (judged, ruled) => {
                let entry = Arc::clone(&self.entry);
                let new = || Box::new(Judged { questions: Vec::new(), entry, carrier, ruled: None });
                let mut judged = judged.unwrap_or_else(new);
                judged.ruled = ruled;
                Seen::Judged { judged, changed }
            }
        })
    }

    fn inspect(&self, message: &Message<'_>, inspected: &Inspected, returned: Returned<'_>) -> Inspection {
        let session = self.session.as_ref();
        let who = (session.map(|session| &*session.id), session.and_then(|session| session.client.as_ref()));
        let ruling = inspected.decide(&self.gate, &self.entry, who, returned);
        if ruling.is_silent() {
            return Inspection { ruled: None, changed: None };
        }
        let rewrite = ruling
            .edits
            .iter()
            .fold(Rewrite::new(message), |rewrite, edit| rewrite.at_span(edit.span, edit.json.as_bytes()));
        let changed = (!ruling.edits.is_empty()).then(|| Bytes::from(rewrite.into_bytes().into_owned()));
        let origin = match inspected {
            Inspected::Of(origin) => Arc::clone(origin),
            Inspected::Unknown => Arc::new(Origin::unknown()),
        };
        Inspection { ruled: Some(Ruled { origin, decision: ruling.decision, found: ruling.found }), changed }
    }

    /// All of a response, and the result in it that conditions look at.
    fn response_parts<'m>(&self, message: &'m Message<'m>) -> Returned<'m> {
        let Some(result) = message.result() else {
            return Returned { value: message.error().unwrap_or(&NOTHING), result: None };
        };
        let is_final = matches!(outcome(message), Some(ResponseOutcome::Result | ResponseOutcome::ToolError));
        let inner = match self.method {
            // The state of a task, with its result once there is one.
            Some(Method::TasksGet) => result.get("result").filter(|result| result.is_object()),
            _ => Some(result).filter(|_| is_final),
        };
        Returned { value: result, result: inner }
    }

    /// Of what a response is. A stream that is taken up again brings those of requests that were asked on another one.
    fn origin_of(&self, message: &Message<'_>) -> Option<Inspected> {
        if self.method.is_some() || !self.entry.has_result_rules() {
            return self.origin.clone();
        }
        match (&self.session, message.id()) {
            (Some(session), Some(id)) => session.awaited(&id),
            _ => Some(Inspected::Unknown),
        }
    }

    /// Of what a notification or a question is: of a task, of the request on whose stream it comes, or the server's own.
    fn origin_of_aside(&self, message: &Message<'_>) -> Inspected {
        if is_of_task(message) {
            let id = message.params().and_then(|params| params.get("taskId")).and_then(Value::as_str);
            return Inspected::of_task(&self.gate, &self.entry, id.unwrap_or_default(), message.method());
        }
        let by_itself = || Inspected::by_itself(message.method_name().unwrap_or_default());
        self.origin.clone().unwrap_or_else(by_itself)
    }
}

fn is_of_task(message: &Message<'_>) -> bool {
    matches!(message.method_name(), Some("notifications/tasks/status" | "notifications/tasks"))
}
