//! What a server wants to know first, as requests to the client, and the client's answers for the next leg
//! (MCP 2026-07-28 "Multi Round-Trip Requests").

use super::client::Need;
use crate::bridge::members::Members;
use crate::message::Message;
use crate::write;
use callgate_json::{Value, write_string};

/// A result that is none yet: the server wants input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRequired {
    /// What it asks, in its order.
    pub requests: Vec<InputRequest>,
    /// The server's own state, as JSON: to be given back as it is.
    state: Option<Box<[u8]>>,
    asks: bool,
}

/// One question to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRequest {
    key: Box<str>,
    /// The method that asks it.
    pub method: &'static str,
    /// What the client must have declared to be asked.
    pub need: Need,
    params: Option<Box<[u8]>>,
    /// A URL without the id that 2025-11-25 wants with it.
    nameless: bool,
}

/// The client's answers, as the next leg brings them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    responses: Option<Vec<u8>>,
    state: Option<Box<[u8]>>,
}

/// The client answered with an error, which has no place in `inputResponses`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

impl InputRequired {
    /// Reads a result with `resultType: "input_required"`. An error says which part of it is malformed.
    pub(super) fn read(response: &Message<'_>, result: &Value<'_>) -> Result<Self, &'static str> {
        let state = match result.get("requestState") {
            None => None,
            Some(state) if state.as_str().is_some() => Some(response.bytes_of(state).into()),
            Some(_) => return Err("requestState"),
        };
        let Some(asked) = result.get("inputRequests") else {
            return if state.is_some() {
                Ok(Self { requests: Vec::new(), state, asks: false })
            } else {
                Err("inputRequests")
            };
        };
        if !asked.is_object() {
            return Err("inputRequests");
        }
        let requests = asked.members().iter().map(|member| InputRequest::read(response, &member.key, &member.value));
        Ok(Self { requests: requests.collect::<Option<_>>().ok_or("inputRequests")?, state, asks: true })
    }

    /// The answers, given in the order of the requests, as JSON objects.
    pub fn answers(&self, results: &[Vec<u8>]) -> Answers {
        let members = self.requests.iter().zip(results);
        let responses = members.fold(Members::new(), |all, (request, result)| all.add(&request.key, result));
        Answers { responses: self.asks.then(|| responses.finish()), state: self.state.clone() }
    }
}

impl InputRequest {
    fn read(response: &Message<'_>, key: &str, asked: &Value<'_>) -> Option<Self> {
        let params = asked.get("params").filter(|params| !params.is_null());
        if params.is_some_and(|params| !params.is_object()) {
            return None;
        }
        let param = |key| params.and_then(|params| params.get(key));
        let (method, need) = match asked.get("method").and_then(Value::as_str)? {
            "roots/list" => ("roots/list", Need::Roots),
            "sampling/createMessage" if param("tools").is_some() || param("toolChoice").is_some() => {
                ("sampling/createMessage", Need::SamplingTools)
            }
            "sampling/createMessage" => ("sampling/createMessage", Need::Sampling),
            "elicitation/create" => match param("mode").map(Value::as_str) {
                None | Some(Some("form")) => ("elicitation/create", Need::Form),
                Some(Some("url")) => ("elicitation/create", Need::Url),
                Some(_) => return None,
            },
            _ => return None,
        };
        Some(Self {
            key: key.into(),
            method,
            need,
            params: params.map(|params| response.bytes_of(params).into()),
            nameless: need == Need::Url && param("elicitationId").is_none(),
        })
    }

    /// The request to the client, with this id.
    pub fn question(&self, id: &str) -> Vec<u8> {
        let mut id_json = String::with_capacity(id.len() + 2);
        write_string(id, &mut id_json);
        let Some(params) = self.params.as_deref().filter(|_| self.nameless) else {
            return write::request(id_json.as_bytes(), self.method, self.params.as_deref());
        };
        // 2025-11-25 requires it; the notification that would name it has gone, so any id will do.
        let named = [b"{\"elicitationId\":", id_json.as_bytes(), b",", params.get(1..).unwrap_or_default()].concat();
        write::request(id_json.as_bytes(), self.method, Some(&named))
    }
}

impl Answers {
    /// Whether anything was asked, and answered. Where nothing was, the server only wants to be asked again.
    pub fn has_responses(&self) -> bool {
        self.responses.as_deref().is_some_and(|responses| responses != b"{}")
    }

    /// `params.inputResponses`, where something was asked.
    pub(super) fn responses(&self) -> Option<&[u8]> {
        self.responses.as_deref()
    }

    /// `params.requestState`, where there is one.
    pub(super) fn state(&self) -> Option<&[u8]> {
        self.state.as_deref()
    }
}

/// The client's answer to a question, as JSON.
pub fn answer(response: &Message<'_>) -> Result<Vec<u8>, NoAnswer> {
    match (response.result(), response.error()) {
        (Some(result), _) if result.is_object() => Ok(response.bytes_of(result).to_vec()),
        (Some(_), _) => Err(NoAnswer("its result is not an object".to_owned())),
        (None, error) => {
            let message = error.and_then(|error| error.get("message")).and_then(Value::as_str);
            Err(NoAnswer(message.unwrap_or("an error").chars().take(200).collect()))
        }
    }
}
