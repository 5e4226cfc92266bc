//! Rounds of a modern request: what the client was asked, what it answered, and the state that travels in between.

use crate::call::Call;
use crate::exchange::Ending;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use std::hash::{BuildHasher, RandomState};

/// The answers of all rounds so far, and what they belong to.
#[derive(Debug)]
pub(crate) struct Round {
    /// Method, name and arguments: state of one request is refused on another.
    subject: Value,
    answers: Map<String, Value>,
}

impl Round {
    /// Reads what a request carries; a first request carries nothing.
    pub(crate) fn read(call: &Call, secret: &RandomState) -> Result<Self, Ending> {
        let subject = json!([
            call.method(),
            call.param("name").or_else(|| call.param("uri")),
            call.param("arguments").unwrap_or(&json!({})),
        ]);
        let mut answers = Map::new();
        if let Some(state) = call.param("requestState") {
            let wrong = || Ending::fail(-32602, "the request state was not issued for this request");
            let state = state.as_str().and_then(|state| unseal(state, secret)).ok_or_else(wrong)?;
            if state.get("subject") != Some(&subject) {
                return Err(wrong());
            }
            answers = state.get("answers").and_then(Value::as_object).cloned().unwrap_or_default();
        } else if call.param("inputResponses").is_some() {
            return Err(Ending::fail(-32602, "answers without the request state that asked for them"));
        }
        if let Some(given) = call.param("inputResponses").and_then(Value::as_object) {
            answers.extend(given.clone());
        }
        Ok(Self { subject, answers })
    }

    pub(crate) fn answer(&self, key: &str) -> Option<Value> {
        self.answers.get(key).cloned()
    }

    /// The interim result that asks for one more thing.
    pub(crate) fn ask(&self, secret: &RandomState, key: &str, method: &str, params: &Value) -> Ending {
        let state = seal(&json!({"subject": self.subject, "answers": self.answers}), secret);
        let result = json!({
            "resultType": "input_required",
            "inputRequests": {key: {"method": method, "params": params}},
            "requestState": state,
            "x-fixture": "kept",
        });
        Ending::Result(result.to_string())
    }
}

/// Not a secret, but nobody else's either: the digest is keyed per process.
fn seal(state: &Value, secret: &RandomState) -> String {
    let text = state.to_string();
    format!("{}.{:016x}", URL_SAFE_NO_PAD.encode(&text), secret.hash_one(&text))
}

fn unseal(sealed: &str, secret: &RandomState) -> Option<Value> {
    let (text, digest) = sealed.split_once('.')?;
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    if format!("{:016x}", secret.hash_one(&text)) != digest {
        return None;
    }
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(arguments: &Value, state: Option<&str>, responses: Option<&Value>) -> Call {
        let mut params = json!({"name": "ask", "arguments": arguments});
        if let Some(state) = state {
            params["requestState"] = json!(state);
        }
        if let Some(responses) = responses {
            params["inputResponses"] = responses.clone();
        }
        Call::new(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}))
    }

    #[test]
    fn state_holds_for_the_request_that_it_was_issued_for() {
        let secret = RandomState::new();
        let first = Round::read(&call(&json!({"a": 1}), None, None), &secret).unwrap();
        assert_eq!(first.answer("k"), None);
        let Ending::Result(result) = first.ask(&secret, "k", "roots/list", &json!({})) else { panic!() };
        let result: Value = serde_json::from_str(&result).unwrap();
        let state = result["requestState"].as_str().unwrap();
        let given = json!({"k": {"action": "accept"}});

        let second = Round::read(&call(&json!({"a": 1}), Some(state), Some(&given)), &secret).unwrap();
        assert_eq!(second.answer("k"), Some(json!({"action": "accept"})));
        let tampered = format!("{state}0");
        for (arguments, state, secret) in [
            (json!({"a": 2}), Some(state), secret.clone()),
            (json!({"a": 1}), Some(tampered.as_str()), secret.clone()),
            (json!({"a": 1}), Some(state), RandomState::new()),
            (json!({"a": 1}), None, secret.clone()),
        ] {
            assert!(Round::read(&call(&arguments, state, Some(&given)), &secret).is_err(), "{arguments} {state:?}");
        }
    }
}
