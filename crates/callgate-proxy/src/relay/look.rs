//! What of a response goes on: lists without what is hidden, questions that are allowed, tasks whose owner is known.

use super::{Relay, Seen};
use crate::forward::Flight;
use crate::judge::Caller;
use crate::pinned::{Survey, Surveyed};
use crate::reach::{Asked, Carrier, Judged, speaks_modern};
use crate::sessions::FarEnd;
use crate::snapshot::Quarantine;
use crate::standing::Standing;
use crate::states::About;
use crate::upstream::UpstreamConfig;
use crate::withheld::Taken;
use callgate_json::Value;
use callgate_mcp::{
    Batches, CacheScope, Era, Filtered, Incoming, ListEntry, ListKind, Message, Method, Question, Rewrite, Subject,
    asked, filter_lists, input_requests, parse_client, parse_server, request_state, required_elicitations,
};
use callgate_policy::Timestamp;
use std::sync::Arc;

impl Relay {
    /// Looks at the response to a request, or at one that a resumed stream brings. An error where it may not go on.
    pub(super) fn look(&self, message: &Message<'_>) -> Result<Seen, String> {
        let seen = self.look_at(message)?;
        self.inspect_response(message, seen)
    }

    fn look_at(&self, message: &Message<'_>) -> Result<Seen, String> {
        let questions = match (message.result(), message.error()) {
            (Some(result), _) => {
                self.learn_task(result);
                input_requests(result).map_err(|error| error.to_string())?
            }
            (None, Some(error)) => required_elicitations(error).map_err(|error| error.to_string())?,
            (None, None) => Vec::new(),
        };
        let survey = self.survey(message)?;
        if !self.told && !survey.news.is_empty() {
            return Ok(Seen::Unpinned(survey.news));
        }
        let sealed = self.seal_state(message)?;
        let filtered = match &sealed {
            None => self.filter(message, &survey)?,
            Some(bytes) => self.filter_again(bytes, &survey)?,
        };
        if questions.is_empty() {
            return Ok(match filtered {
                Filtered::Unchanged => Seen::Pass,
                Filtered::Changed(bytes) => Seen::Changed(bytes.into()),
            });
        }
        let changed = match filtered {
            Filtered::Unchanged => None,
            Filtered::Changed(bytes) => Some(bytes.into()),
        };
        Ok(Seen::Judged { judged: self.judge(&questions, Carrier::Response), changed })
    }

    /// Seals the state that a modern client is to bring back. A session that the gateway synthesizes keeps it here.
    fn seal_state(&self, message: &Message<'_>) -> Result<Option<Vec<u8>>, String> {
        let Some(result) = message.result() else { return Ok(None) };
        let Some(request) = &self.request else { return Ok(None) };
        let kept_here = self.session.as_ref().is_some_and(|one| matches!(one.far, FarEnd::Synthesized(_)));
        if kept_here || !speaks_modern(&self.gate, &self.entry) {
            return Ok(None);
        }
        let Some((place, state)) = request_state(result).map_err(|error| error.to_string())? else { return Ok(None) };
        let mut limits = self.gate.limits;
        limits.json.max_bytes = request.len();
        let Ok(Incoming::One(request)) = parse_client(request, &limits, Batches::Refused) else {
            return Err("its `requestState` belongs to no request".to_owned());
        };
        let about = About::of(&self.entry, &request);
        let cover = self.flight.as_ref().and_then(Flight::cover);
        let text = about.and_then(|about| self.gate.states.seal(&about, state, cover, self.gate.clock.now()));
        let text = text.ok_or("its `requestState` can't be sealed")?;
        // What is sealed needs no escapes.
        Ok(Some(Rewrite::new(message).part(place, format!("\"{text}\"").into_bytes()).into_bytes().into_owned()))
    }

    /// The tools that a response lists, as they are pinned.
    fn survey(&self, message: &Message<'_>) -> Result<Survey, String> {
        let lists_tools = message.result().is_some_and(|result| self.lists_in(result).contains(&ListKind::Tools));
        if lists_tools { self.gate.survey(&self.entry.server, message) } else { Ok(Survey::default()) }
    }

    fn filter_again(&self, bytes: &[u8], survey: &Survey) -> Result<Filtered, String> {
        let mut limits = self.limits();
        limits.json.max_bytes = bytes.len();
        match parse_server(bytes, &limits, Batches::Refused) {
            Ok(Incoming::One(message)) => match self.filter(&message, survey)? {
                Filtered::Unchanged => Ok(Filtered::Changed(bytes.to_vec())),
                changed => Ok(changed),
            },
            _ => Err("it can't be read again".to_owned()),
        }
    }

    /// Decides about questions of the server, by what is in force now: the call in which they are asked may have begun
    /// long ago. Those that may be put are remembered, where something follows of them.
    pub(super) fn judge(&self, questions: &[Question<'_, '_>], carrier: Carrier) -> Box<Judged> {
        // A grant that has ended ends the stream.
        let entry = self.gate.renewed(&self.entry).unwrap_or_else(|_| Arc::clone(&self.entry));
        let decide = |question: &Question<'_, '_>| {
            let asked = Asked::decide(&entry, *question);
            if asked.is_allowed() {
                self.remember_visit(question);
            }
            asked
        };
        let questions = questions.iter().map(decide).collect();
        Box::new(Judged { questions, entry, carrier, ruled: None })
    }

    /// A user who is sent to a URL is told when the visit is over, if it was this grant's.
    fn remember_visit(&self, question: &Question<'_, '_>) {
        let leads_away = asked(question.method, question.params)
            .is_ok_and(|subjects| subjects.iter().any(|subject| matches!(subject, Subject::Url(_))));
        let id = question.params.and_then(|params| params.get("elicitationId")).and_then(Value::as_str);
        if let (true, Some(id)) = (leads_away, id) {
            self.standing().elicitations.learn(&self.entry.grant.id, id, None, None);
        }
    }

    /// Takes out of lists what the grant may not see, and forbids caches to share what depends on the grant.
    fn filter(&self, message: &Message<'_>, survey: &Survey) -> Result<Filtered, String> {
        let Some(result) = message.result() else { return Ok(Filtered::Unchanged) };
        let mut kinds = self.lists_in(result);
        let scope = match self.era {
            Era::Modern if !kinds.is_empty() || self.method == Some(Method::ResourcesRead) => CacheScope::Private,
            _ => CacheScope::AsIs,
        };
        kinds.retain(|kind| self.entry.filters(*kind));
        if kinds.is_empty() && scope == CacheScope::AsIs {
            return Ok(Filtered::Unchanged);
        }
        let standing = self.standing();
        let mut taken = Taken::new(&self.gate);
        let mut surveyed = survey.tools.iter();
        let keep = |entry: &ListEntry<'_>| {
            let tool = if entry.kind() == ListKind::Tools { surveyed.next() } else { None };
            self.shows(&standing, &mut taken, entry, tool)
        };
        let filtered = filter_lists(message, &kinds, scope, keep).map_err(|error| error.to_string())?;
        let session = self.session.as_ref().map(|session| &*session.id);
        taken.record(Caller { entry: &self.entry, session, client: None, trace: None });
        Ok(filtered)
    }

    /// The lists that a result holds: the one that was asked for, and, where it is not known what was, whatever looks
    /// like one. The result of a tool is data, also where a task brings it.
    fn lists_in(&self, result: &Value<'_>) -> Vec<ListKind> {
        if let Some(kind) = self.method.and_then(ListKind::of) {
            return vec![kind];
        }
        if matches!(self.method, Some(Method::ToolsCall | Method::TasksResult | Method::TasksGet)) {
            return Vec::new();
        }
        ListKind::ALL.into_iter().filter(|kind| result.get(kind.key()).is_some()).collect()
    }

    /// Whether an entry stays. What the policy takes out is noted.
    fn shows(
        &self,
        standing: &Standing,
        taken: &mut Taken<'_>,
        entry: &ListEntry<'_>,
        tool: Option<&Surveyed>,
    ) -> bool {
        let (kind, name) = (entry.kind(), entry.name());
        if kind == ListKind::Tasks {
            return standing.tasks.is_of(&self.entry.grant.id, name, self.gate.clock.now());
        }
        let learned = if kind == ListKind::Tools { standing.headers.learn(entry) } else { Ok(()) };
        let is_shown = match tool {
            None => self.entry.shows(kind, name),
            Some(tool) => {
                let is_set_aside = !tool.is_as_pinned && self.entry.server.quarantine == Quarantine::Hide;
                !is_set_aside && self.entry.shows_tool(name, tool.definition.as_deref())
            }
        };
        if !is_shown {
            taken.note(kind, name);
            return false;
        }
        match learned {
            // Nobody can call it as the revision wants: clients leave it out, and so does who calls for them.
            Err(why) if self.era == Era::Modern && matches!(self.entry.server.upstream, UpstreamConfig::Http(_)) => {
                let server = self.server();
                tracing::warn!(server, "the tool `{name}` is left out of the list: {why}");
                false
            }
            _ => true,
        }
    }

    /// A task is the grant's that it was begun for (2025-11-25: `result.task`; the tasks extension: `resultType`).
    fn learn_task(&self, result: &Value<'_>) {
        let begun = match self.method {
            Some(Method::ToolsCall) | None => {
                let is_task = result.get("resultType").and_then(Value::as_str) == Some("task");
                result.get("task").or_else(|| is_task.then_some(result))
            }
            // Its time to live may change.
            Some(Method::TasksGet) => Some(result),
            _ => None,
        };
        let Some(task) = begun else { return };
        let Some(id) = task.get("taskId").and_then(Value::as_str) else { return };
        let ttl = ["ttl", "ttlMs"].into_iter().find_map(|key| task.get(key)?.as_number()?.exact().ok()?.as_i64());
        let end = ttl.map(|ttl| Timestamp(self.gate.clock.now().0.saturating_add(ttl.max(0))));
        self.standing().tasks.learn(&self.entry.grant.id, id, end, self.task_origin());
    }

    /// Looks at a notification. Nothing of what the grant can't reach is told about.
    pub(super) fn notice(&self, message: &Message<'_>) -> Seen {
        let seen = self.notice_as_is(message);
        self.inspect_aside(message, seen)
    }

    fn notice_as_is(&self, message: &Message<'_>) -> Seen {
        let param = |key| message.params().and_then(|params| params.get(key)).and_then(Value::as_str);
        let (grant, now) = (&self.entry.grant.id, self.gate.clock.now());
        match message.method_name().unwrap_or_default() {
            "notifications/resources/updated" => {
                match param("uri").is_some_and(|uri| self.entry.shows(ListKind::Resources, uri)) {
                    true => Seen::Pass,
                    false => Seen::Drop("it is about a resource that is out of reach"),
                }
            }
            "notifications/tasks/status" | "notifications/tasks" => {
                if !param("taskId").is_some_and(|task| self.standing().tasks.is_of(grant, task, now)) {
                    return Seen::Drop("it is about somebody else's task");
                }
                match message.params().map(input_requests) {
                    Some(Ok(questions)) if !questions.is_empty() => {
                        Seen::Judged { judged: self.judge(&questions, Carrier::Notification), changed: None }
                    }
                    Some(Err(_)) => Seen::Drop("it asks something that can't be read"),
                    _ => Seen::Pass,
                }
            }
            "notifications/elicitation/complete" => {
                let known = param("elicitationId").is_some_and(|id| self.standing().elicitations.is_of(grant, id, now));
                if known { Seen::Pass } else { Seen::Drop("it is about a visit that nobody was asked for") }
            }
            "notifications/tools/list_changed" => {
                self.standing().list_changed();
                Seen::Pass
            }
            _ => Seen::Pass,
        }
    }

    /// Looks at a request of the server. What may be asked is recorded before it is passed on.
    pub(super) fn question(&self, message: &Message<'_>) -> Seen {
        let method = message.method();
        let id = message.id_bytes().unwrap_or(b"null").to_vec();
        if method == Method::Ping {
            return Seen::Pass;
        }
        let question = Question { method: message.method_name().unwrap_or_default(), params: message.params() };
        let judged = self.judge(&[question], Carrier::Request { id, method });
        self.inspect_aside(message, Seen::Judged { judged, changed: None })
    }
}
