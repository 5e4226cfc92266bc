//! One request being answered, and the ways to the client while that lasts.

use crate::call::Call;
use crate::fixture::Fixture;
use crate::outlet::{Head, Outlet};
use crate::peer::{LEVELS, Peer};
use crate::round::Round;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;

/// A request, who sent it, and where its messages go.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) fixture: Fixture,
    pub(crate) peer: Arc<Peer>,
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) call: Call,
    /// Whether the request is of 2026-07-28.
    pub(crate) modern: bool,
    /// What the client has answered in earlier rounds; modern only.
    round: Option<Round>,
}

/// What comes of a request.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The JSON of a result.
    Result(String),
    /// An error, and the HTTP status that goes with it.
    Fail { status: u16, error: Value },
    /// A response that is no JSON-RPC, over HTTP.
    Whole(Head, Bytes),
    /// Everything was sent already, or nothing ever will be.
    Nothing,
    /// The connection breaks.
    Abort,
}

/// A result, or what else comes of the request.
pub(crate) type Outcome = Result<Value, Ending>;

impl Ending {
    pub(crate) fn fail(code: i64, message: impl Into<String>) -> Self {
        Self::Fail { status: 200, error: json!({"code": code, "message": message.into()}) }
    }

    /// An error with data that has a status of its own in the modern era.
    pub(crate) fn refused(code: i64, message: &str, data: &Value) -> Self {
        Self::Fail { status: 400, error: json!({"code": code, "message": message, "data": data}) }
    }

    /// The whole message, and its HTTP status; `None` where there is none.
    pub(crate) fn message(&self, id: &Value) -> Option<(u16, String)> {
        match self {
            // Put together as text: a list stays as it was given, byte for byte.
            Self::Result(result) => Some((200, format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}"))),
            Self::Fail { status, error } => {
                Some((*status, json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string()))
            }
            Self::Whole(..) | Self::Nothing | Self::Abort => None,
        }
    }
}

impl Exchange {
    pub(crate) fn new(fixture: &Fixture, peer: &Arc<Peer>, outlet: Arc<Outlet>, call: Call, modern: bool) -> Self {
        Self { fixture: fixture.clone(), peer: Arc::clone(peer), outlet, call, modern, round: None }
    }

    /// Answers the request, and sends what comes of it.
    pub(crate) async fn run(mut self) {
        let ending = crate::answer::answer(&mut self).await;
        self.finish(ending);
    }

    fn finish(&self, ending: Ending) {
        if let Some((status, json)) = ending.message(&self.call.id()) {
            let may_stream = status == 200 && self.fixture.options().sse && self.call.takes_events;
            if self.outlet.has_head() && !self.outlet.is_open() && !may_stream {
                let headers = vec![("content-type", "application/json".to_owned())];
                self.outlet.whole(Head { status, headers }, json.into());
                return;
            }
            self.outlet.send(&json);
        }
        match ending {
            Ending::Whole(head, body) if self.outlet.has_head() => self.outlet.whole(head, body),
            Ending::Abort => self.outlet.abort(),
            _ => {}
        }
        if self.outlet.has_head() {
            self.outlet.end();
        }
    }

    /// Sends a notification that belongs to this request.
    pub(crate) fn notify(&self, method: &str, params: &Value) {
        self.outlet.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
    }

    /// Says how far the request is, where the client wants to know.
    pub(crate) fn progress(&self, done: u64, total: u64) {
        if let Some(token) = self.call.progress_token() {
            let params = json!({"progressToken": token, "progress": done, "total": total,
                "message": format!("step {done} of {total}"), "x-fixture": "kept"});
            self.notify("notifications/progress", &params);
        }
    }

    /// Sends a log message, where the client wants one of that level; whether it does.
    pub(crate) fn log(&self, level: &str, data: &Value) -> bool {
        let rank = |name: &str| LEVELS.iter().position(|level| *level == name);
        let least = if self.modern { self.call.log_level().and_then(rank) } else { Some(self.peer.level()) };
        let wanted = least.is_some_and(|least| rank(level) >= Some(least));
        if wanted {
            let params = json!({"level": level, "logger": "fixture", "data": data, "x-fixture": "kept"});
            self.notify("notifications/message", &params);
        }
        wanted
    }

    /// Asks the client for something: by a request in the legacy era, by an interim result in the modern one.
    pub(crate) async fn ask(&mut self, key: &str, method: &str, params: &Value) -> Outcome {
        self.check_capability(method, params)?;
        if !self.modern {
            let (request, answer) = self.peer.ask(method, params);
            self.outlet.send(&request);
            let gone = || Ending::fail(-32603, "the client is gone");
            let answer = tokio::select! {
                answer = answer => answer.map_err(|_| gone())?,
                () = self.forever() => return Err(gone()),
            };
            if let Some(result) = answer.get("result") {
                return Ok(result.clone());
            }
            let error = answer.get("error").unwrap_or(&Value::Null);
            return Err(Ending::fail(-32603, format!("the client refused `{method}`: {error}")));
        }
        let round = match self.round.take() {
            Some(round) => round,
            None => Round::read(&self.call, self.fixture.secret())?,
        };
        let answer = round.answer(key);
        let ending = round.ask(self.fixture.secret(), key, method, params);
        self.round = Some(round);
        answer.ok_or(ending)
    }

    /// What the client says that it can do.
    pub(crate) fn capabilities(&self) -> Value {
        if self.modern { self.call.capabilities().cloned().unwrap_or_default() } else { self.peer.capabilities() }
    }

    fn check_capability(&self, method: &str, params: &Value) -> Result<(), Ending> {
        let capabilities = self.capabilities();
        let needed = method.split('/').next().unwrap_or_default();
        let mode = params.get("mode").and_then(Value::as_str).filter(|mode| *mode == "url");
        let has = match mode {
            Some(mode) => capabilities.pointer(&format!("/{needed}/{mode}")).is_some(),
            None => capabilities.get(needed).is_some(),
        };
        if has {
            return Ok(());
        }
        let required = mode.map_or(json!({needed: {}}), |mode| json!({needed: {mode: {}}}));
        if self.modern {
            let data = json!({"requiredCapabilities": required});
            return Err(Ending::refused(-32021, "Missing required client capability", &data));
        }
        Err(Ending::fail(-32600, format!("the client has no capability {required}")))
    }

    /// Waits until the client is gone.
    pub(crate) async fn forever(&self) {
        self.peer.gone().await;
    }

    /// An argument of the tool that is called.
    pub(crate) fn argument(&self, name: &str) -> Option<&Value> {
        self.call.param("arguments")?.get(name)
    }

    pub(crate) fn text_argument(&self, name: &str) -> Option<&str> {
        self.argument(name)?.as_str()
    }

    pub(crate) fn count_argument(&self, name: &str) -> Option<u64> {
        self.argument(name)?.as_u64()
    }

    pub(crate) fn flag_argument(&self, name: &str) -> bool {
        self.argument(name) == Some(&Value::Bool(true))
    }
}

/// A tool's result with one text.
pub(crate) fn text(text: impl Into<String>) -> Value {
    json!({"content": [{"type": "text", "text": text.into()}]})
}
