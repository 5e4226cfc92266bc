//! What a message reaches for beside tools: resources, prompts and tasks by a client, models, forms, URLs and
//! directories by a server.

use crate::envelope::refuse_case_twins;
use crate::frame_error::{FrameError, FrameErrorKind};
use crate::message::{Message, MessageKind};
use crate::method::Method;
use callgate_json::Value;

const URL_ELICITATION_REQUIRED: i64 = -32042;

/// One thing that is reached for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject<'m> {
    /// A resource, by its URI.
    Resource(&'m str),
    /// A resource template, by the text of its `uriTemplate`.
    Template(&'m str),
    /// A prompt, by its name.
    Prompt(&'m str),
    /// A task, by its id.
    Task(&'m str),
    /// A completion by the client's model, by the name of one hint; empty where there is none.
    Model(&'m str),
    /// A form that the user is shown.
    Form,
    /// A URL that the user is sent to.
    Url(&'m str),
    /// The client's directories.
    Roots,
}

/// What a client's request names, in the order in which it does; nothing for methods that name nothing.
///
/// Fails where a name is missing, is no string, or could be read in two ways: what can't be read can't be judged.
pub fn reached<'m>(message: &'m Message<'_>) -> Result<Vec<Subject<'m>>, FrameError> {
    if message.kind() != MessageKind::Request {
        return Ok(Vec::new());
    }
    let named = |key| named(message, key);
    let subjects = match message.method() {
        Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
            named("uri").map(|uri| vec![Subject::Resource(uri)])
        }
        Method::PromptsGet => named("name").map(|name| vec![Subject::Prompt(name)]),
        Method::Complete => completed(message),
        Method::SubscriptionsListen => listened_to(message),
        Method::TasksGet | Method::TasksResult | Method::TasksUpdate | Method::TasksCancel => {
            named("taskId").map(|task| vec![Subject::Task(task)])
        }
        _ => Ok(Vec::new()),
    };
    subjects.map_err(|error| error.about(message.id_bytes()))
}

/// What a server's question to the client reaches for, in the order in which it does. `ping` and methods that nobody
/// knows reach for nothing that has a name.
///
/// Fails where that can't be read, or could be read in two ways.
pub fn asked<'m>(method: &str, params: Option<&'m Value<'_>>) -> Result<Vec<Subject<'m>>, FrameError> {
    match Method::of(method) {
        Method::CreateMessage => models(params),
        Method::Elicit => elicited(params).map(|subject| vec![subject]),
        Method::RootsList => Ok(vec![Subject::Roots]),
        _ => Ok(Vec::new()),
    }
}

/// Where the parameters of an elicitation lead the user.
fn elicited<'m>(params: Option<&'m Value<'_>>) -> Result<Subject<'m>, FrameError> {
    let members = params.map(Value::members).unwrap_or_default();
    for key in ["mode", "url"] {
        refuse_case_twins(members, key)?;
    }
    match text(params, "mode")? {
        None | Some("form") => Ok(Subject::Form),
        Some("url") => match text(params, "url")? {
            Some(url) => Ok(Subject::Url(url)),
            None => Err(wrong("an elicitation in URL mode needs a `url`")),
        },
        Some(_) => Err(wrong("an elicitation has the `mode` `form` or `url`")),
    }
}

/// A question of a server to the client, as it stands in a message.
#[derive(Clone, Copy, Debug)]
pub struct Question<'m, 'a> {
    /// The method.
    pub method: &'m str,
    /// Its parameters.
    pub params: Option<&'m Value<'a>>,
}

/// The questions in `inputRequests` of a result, or of a task that is told about (MCP 2026-07-28 "Multi Round-Trip
/// Requests"); none where there is no such member.
///
/// Fails where one can't be read, or could be read in two ways.
pub fn input_requests<'m, 'a>(holder: &'m Value<'a>) -> Result<Vec<Question<'m, 'a>>, FrameError> {
    refuse_case_twins(holder.members(), "inputRequests")?;
    let Some(requests) = holder.get("inputRequests").filter(|requests| !requests.is_null()) else {
        return Ok(Vec::new());
    };
    if !requests.is_object() {
        return Err(wrong("`inputRequests` must be an object"));
    }
    let question = |request: &'m Value<'a>| {
        for key in ["method", "params"] {
            refuse_case_twins(request.members(), key)?;
        }
        let method = request.get("method").and_then(Value::as_str);
        let method = method.ok_or_else(|| wrong("each of `inputRequests` needs a string `method`"))?;
        Ok(Question { method, params: request.get("params") })
    };
    requests.members().iter().map(|member| question(&member.value)).collect()
}

/// The state that a server has its client bring back (`requestState`, MCP 2026-07-28), in a result or in parameters.
///
/// Fails where it is no string, or could be read in two ways.
pub fn request_state<'m, 'a>(holder: &'m Value<'a>) -> Result<Option<(&'m Value<'a>, &'m str)>, FrameError> {
    refuse_case_twins(holder.members(), "requestState")?;
    match holder.get("requestState").filter(|state| !state.is_null()) {
        None => Ok(None),
        Some(state) => match state.as_str() {
            Some(text) => Ok(Some((state, text))),
            None => Err(wrong("`requestState` must be a string")),
        },
    }
}

/// The elicitations that an error with code -32042 wants first (MCP 2025-11-25 "URL Elicitation Required Error").
///
/// Fails where they can't be read, or could be read in two ways.
pub fn required_elicitations<'m, 'a>(error: &'m Value<'a>) -> Result<Vec<Question<'m, 'a>>, FrameError> {
    let code = error.get("code").and_then(Value::as_number).and_then(|code| code.exact().ok()?.as_i64());
    if code != Some(URL_ELICITATION_REQUIRED) {
        return Ok(Vec::new());
    }
    refuse_case_twins(error.members(), "data")?;
    let Some(data) = error.get("data") else { return Ok(Vec::new()) };
    refuse_case_twins(data.members(), "elicitations")?;
    let Some(list) = data.get("elicitations") else { return Ok(Vec::new()) };
    let list = list.as_array().ok_or_else(|| wrong("`elicitations` must be an array"))?;
    Ok(list.iter().map(|params| Question { method: "elicitation/create", params: Some(params) }).collect())
}

fn models<'m>(params: Option<&'m Value<'_>>) -> Result<Vec<Subject<'m>>, FrameError> {
    let members = params.map(Value::members).unwrap_or_default();
    refuse_case_twins(members, "modelPreferences")?;
    let preferences = params.and_then(|params| params.get("modelPreferences")).filter(|value| !value.is_null());
    refuse_case_twins(preferences.map(Value::members).unwrap_or_default(), "hints")?;
    let hints = preferences.and_then(|preferences| preferences.get("hints")).filter(|hints| !hints.is_null());
    let Some(hints) = hints else { return Ok(vec![Subject::Model("")]) };
    let hints = hints.as_array().ok_or_else(|| wrong("`modelPreferences.hints` must be an array"))?;
    let mut models = Vec::with_capacity(hints.len().max(1));
    for hint in hints {
        refuse_case_twins(hint.members(), "name")?;
        models.push(Subject::Model(text(Some(hint), "name")?.unwrap_or_default()));
    }
    if models.is_empty() {
        models.push(Subject::Model(""));
    }
    Ok(models)
}

fn completed<'m>(message: &'m Message<'_>) -> Result<Vec<Subject<'m>>, FrameError> {
    let reference = params_member(message, "ref")?.ok_or_else(|| missing(message, "ref"))?;
    for key in ["type", "name", "uri"] {
        refuse_case_twins(reference.members(), key)?;
    }
    let subject = match text(Some(reference), "type")? {
        Some("ref/prompt") => text(Some(reference), "name")?.map(Subject::Prompt),
        Some("ref/resource") => text(Some(reference), "uri")?.map(|uri| match uri.contains('{') {
            true => Subject::Template(uri),
            false => Subject::Resource(uri),
        }),
        _ => return Err(wrong("`params.ref` must be a `ref/prompt` or a `ref/resource`")),
    };
    subject.map(|subject| vec![subject]).ok_or_else(|| wrong("`params.ref` must name a prompt or a resource"))
}

fn listened_to<'m>(message: &'m Message<'_>) -> Result<Vec<Subject<'m>>, FrameError> {
    let filter = params_member(message, "notifications")?;
    let mut subjects = Vec::new();
    for (key, subject) in
        [("resourceSubscriptions", Subject::Resource as fn(&'m str) -> Subject<'m>), ("taskIds", Subject::Task)]
    {
        refuse_case_twins(filter.map(Value::members).unwrap_or_default(), key)?;
        let Some(list) = filter.and_then(|filter| filter.get(key)).filter(|list| !list.is_null()) else { continue };
        let names = list.as_array().ok_or_else(|| wrong(format!("`params.notifications.{key}` must be an array")))?;
        for name in names {
            let name = name.as_str();
            subjects.push(subject(name.ok_or_else(|| wrong(format!("`{key}` must be an array of strings")))?));
        }
    }
    Ok(subjects)
}

fn named<'m>(message: &'m Message<'_>, key: &str) -> Result<&'m str, FrameError> {
    params_member(message, key)?.and_then(Value::as_str).ok_or_else(|| missing(message, key))
}

fn params_member<'m, 'a>(message: &'m Message<'a>, key: &str) -> Result<Option<&'m Value<'a>>, FrameError> {
    let Some(params) = message.params() else { return Ok(None) };
    refuse_case_twins(params.members(), key)?;
    Ok(params.get(key))
}

fn text<'m>(object: Option<&'m Value<'_>>, key: &str) -> Result<Option<&'m str>, FrameError> {
    match object.and_then(|object| object.get(key)).filter(|value| !value.is_null()) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or_else(|| wrong(format!("`{key}` must be a string"))),
    }
}

fn missing(message: &Message<'_>, key: &str) -> FrameError {
    let method = message.method_name().unwrap_or_default();
    wrong(format!("`{method}` needs a string `{key}` in `params`"))
}

fn wrong(reason: impl Into<String>) -> FrameError {
    FrameError::new(FrameErrorKind::Params, reason)
}
