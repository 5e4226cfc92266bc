//! What a legacy server asks of its client, as the input requests of a modern result, and the answers the way back
//! (MCP 2026-07-28 "Multi Round-Trip Requests").

use super::rebuilt;
use crate::frame_error::codes;
use crate::message::Message;
use crate::method::Method;
use crate::revision::META_CLIENT_CAPABILITIES;
use crate::write::{error_response, result_response};
use callgate_json::{Kind, Value, write_string};

/// `URL elicitation required`, 2025-11-25; retired in the modern era.
const URL_ELICITATION_REQUIRED: i64 = -32042;

/// What a client that declared these capabilities may be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Askable {
    /// `elicitation/create`, a form.
    pub form: bool,
    /// `elicitation/create`, a URL.
    pub url: bool,
    /// `sampling/createMessage`
    pub sampling: bool,
    /// The same with tools.
    pub sampling_tools: bool,
    /// `roots/list`
    pub roots: bool,
}

/// One question of a server that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    id: Vec<u8>,
    kind: Asked,
    method: &'static str,
    params: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Form,
    Url,
    Sampling,
    Roots,
}

impl Askable {
    /// What the client of this modern request declared.
    pub fn of(request: &Message<'_>) -> Self {
        let Some(declared) = request.meta(META_CLIENT_CAPABILITIES) else { return Self::default() };
        let has = |key: &str| declared.get(key).filter(|value| value.is_object());
        let elicitation = has("elicitation");
        let part = |part: &str| elicitation.is_some_and(|all| all.get(part).is_some_and(Value::is_object));
        Self {
            // An empty object means forms (MCP 2025-11-25 "Elicitation").
            form: part("form") || elicitation.is_some_and(|all| all.members().is_empty()),
            url: part("url"),
            sampling: has("sampling").is_some(),
            sampling_tools: has("sampling").is_some_and(|all| all.get("tools").is_some_and(Value::is_object)),
            roots: has("roots").is_some(),
        }
    }

    /// Whether the client may be asked anything.
    pub fn any(self) -> bool {
        self.form || self.url || self.sampling || self.roots
    }
}

impl Question {
    /// Reads a request of a server to its client; an error says why this client can't be asked.
    pub fn read(message: &Message<'_>, client: Askable) -> Result<Self, &'static str> {
        let id = message.id_bytes().ok_or("a question needs an id")?.to_vec();
        let params = message.params();
        if params.is_some_and(|params| params.get("task").is_some()) {
            return Err("the client does not support tasks");
        }
        let (kind, method, may) = match message.method() {
            Method::Elicit => match params.and_then(|params| params.get("mode")).map(Value::as_str) {
                None | Some(Some("form")) => (Asked::Form, "elicitation/create", client.form),
                Some(Some("url")) => (Asked::Url, "elicitation/create", client.url),
                Some(_) => return Err("elicitation of this mode is not supported by the client"),
            },
            Method::CreateMessage => {
                let tools = params.is_some_and(|params| params.get("tools").is_some());
                (Asked::Sampling, "sampling/createMessage", client.sampling && (!tools || client.sampling_tools))
            }
            Method::RootsList => (Asked::Roots, "roots/list", client.roots),
            _ => return Err("the client knows no such method"),
        };
        if !may {
            return Err("the client did not declare this capability");
        }
        let body = message.body();
        let params = params.map(|params| {
            rebuilt(params, body, |key, value| match key {
                // Progress could not be told, and the id of an elicitation is of the legacy era.
                "_meta" | "elicitationId" => None,
                _ => Some(value.bytes(body).into()),
            })
        });
        Ok(Self { id, kind, method, params })
    }

    /// The question as one of `inputRequests`.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"method\":\"");
        out.extend_from_slice(self.method.as_bytes());
        out.push(b'"');
        if let Some(params) = &self.params {
            out.extend_from_slice(b",\"params\":");
            out.extend_from_slice(params);
        }
        out.push(b'}');
    }

    /// The response that gives the server the client's answer. An error says what is wrong with the answer.
    pub fn answer(&self, answer: &Value<'_>, body: &[u8]) -> Result<Vec<u8>, String> {
        self.check(answer)?;
        Ok(result_response(&self.id, answer.bytes(body)))
    }

    /// The error that tells the server that nobody will answer.
    pub fn unanswered(&self, why: &str) -> Vec<u8> {
        error_response(Some(&self.id), codes::INTERNAL_ERROR, why, None)
    }

    fn check(&self, answer: &Value<'_>) -> Result<(), String> {
        if !answer.is_object() {
            return Err(format!("it has to be an object, not {}", answer.type_name()));
        }
        let text = |key: &str| answer.get(key).and_then(Value::as_str);
        match self.kind {
            Asked::Form | Asked::Url => match text("action") {
                Some("accept") if self.kind == Asked::Form => self.check_form(answer),
                Some("accept" | "decline" | "cancel") => Ok(()),
                _ => Err("its `action` has to be `accept`, `decline` or `cancel`".to_owned()),
            },
            Asked::Sampling => {
                let content = answer.get("content").is_some_and(|it| it.is_object() || it.as_array().is_some());
                let whole = content && text("model").is_some() && matches!(text("role"), Some("assistant" | "user"));
                if whole { Ok(()) } else { Err("it needs `role`, `content` and `model`".to_owned()) }
            }
            Asked::Roots => {
                let roots = answer.get("roots").and_then(Value::as_array);
                let named = |root: &Value<'_>| root.get("uri").and_then(Value::as_str).is_some();
                match roots {
                    Some(roots) if roots.iter().all(named) => Ok(()),
                    _ => Err("it needs an array `roots`, each with a `uri`".to_owned()),
                }
            }
        }
    }

    /// The content of a form against the flat schema that was asked for.
    fn check_form(&self, answer: &Value<'_>) -> Result<(), String> {
        let Some(content) = answer.get("content").filter(|content| content.is_object()) else {
            return Err("an accepted form needs an object `content`".to_owned());
        };
        let params = self.params.as_deref().unwrap_or(b"{}");
        let Ok(params) = callgate_json::parse(params, &callgate_json::Limits::default()) else { return Ok(()) };
        let Some(schema) = params.get("requestedSchema") else { return Ok(()) };
        for required in schema.get("required").and_then(Value::as_array).unwrap_or_default() {
            if let Some(name) = required.as_str().filter(|name| content.get(name).is_none()) {
                return Err(format!("its content lacks `{name}`"));
            }
        }
        for member in content.members() {
            let wanted = schema.get("properties").and_then(|all| all.get(&member.key)?.get("type")?.as_str());
            if !is_of_type(&member.value, wanted) {
                return Err(format!("`{}` of its content is not of the type that was asked for", member.key));
            }
        }
        Ok(())
    }
}

fn is_of_type(value: &Value<'_>, wanted: Option<&str>) -> bool {
    match (wanted, &value.kind) {
        (_, Kind::Object(_)) => false,
        (Some("string"), kind) => matches!(kind, Kind::String(_)),
        (Some("number"), kind) => matches!(kind, Kind::Number(_)),
        (Some("integer"), Kind::Number(number)) => number.exact().is_ok_and(|exact| exact.as_i64().is_some()),
        (Some("integer"), _) => false,
        (Some("boolean"), kind) => matches!(kind, Kind::Bool(_)),
        (Some("array"), Kind::Array(items)) => items.iter().all(|item| item.as_str().is_some()),
        (Some("array"), _) => false,
        _ => true,
    }
}

/// The error that a server is told whose question can't be put to a client.
pub fn refusal(question: &Message<'_>, why: &str) -> Vec<u8> {
    error_response(question.id_bytes(), codes::METHOD_NOT_FOUND, why, None)
}

/// The response that asks the client for input first. `id` is the request's, as JSON; the keys are the gateway's own.
pub fn input_required<'q>(
    id: &[u8],
    questions: impl IntoIterator<Item = (&'q str, &'q Question)>,
    state: Option<&str>,
) -> Vec<u8> {
    let mut out = b"{\"resultType\":\"input_required\",\"inputRequests\":{".to_vec();
    for (index, (key, question)) in questions.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let mut name = String::new();
        write_string(key, &mut name);
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        question.write(&mut out);
    }
    out.push(b'}');
    if let Some(state) = state {
        let mut text = String::from(",\"requestState\":");
        write_string(state, &mut text);
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'}');
    result_response(id, &out)
}

/// The URLs that a server wants visited before it runs a call (error -32042 of 2025-11-25), as questions; `None` for
/// every other response. The call is sent again once they are answered.
pub fn url_elicitations(response: &Message<'_>) -> Option<Vec<Question>> {
    let error = response.error()?;
    let code = error.get("code")?.as_number()?.exact().ok()?.as_i64()?;
    if code != URL_ELICITATION_REQUIRED {
        return None;
    }
    let body = response.body();
    let wanted = error.get("data").and_then(|data| data.get("elicitations")).and_then(Value::as_array);
    let questions = wanted.unwrap_or_default().iter().filter(|one| one.is_object()).map(|one| {
        let params = rebuilt(one, body, |key, value| (key != "elicitationId").then(|| value.bytes(body).into()));
        Question { id: Vec::new(), kind: Asked::Url, method: "elicitation/create", params: Some(params) }
    });
    Some(questions.collect())
}

/// The error that tells a client that it lacks what the request needs: elicitation by URL.
pub fn missing_capability(id: &[u8]) -> Vec<u8> {
    let data = "{\"requiredCapabilities\":{\"elicitation\":{\"url\":{}}}}";
    error_response(Some(id), codes::MISSING_CAPABILITY, "this call needs elicitation by URL", Some(data))
}
