//! `subscriptions/listen` in front of a legacy server: what is asked for, what can be had, and what passes
//! (MCP 2026-07-28 "Subscriptions").

use super::{joined, rebuilt};
use crate::message::Message;
use crate::revision::META_SUBSCRIPTION_ID;
use crate::rewrite::Rewrite;
use crate::write::notification;
use callgate_json::{Value, write_string};

/// Which notifications a client wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `notifications/tools/list_changed`
    pub tools: bool,
    /// `notifications/prompts/list_changed`
    pub prompts: bool,
    /// `notifications/resources/list_changed`
    pub resources: bool,
    /// `notifications/resources/updated` of these URIs, each once.
    pub uris: Vec<String>,
}

impl Filter {
    /// What a `subscriptions/listen` request asks for; an error says what is wrong with it.
    pub fn of(request: &Message<'_>) -> Result<Self, &'static str> {
        let wanted = request.params().and_then(|params| params.get("notifications"));
        let wanted = wanted.filter(|wanted| wanted.is_object()).ok_or("`params.notifications` has to be an object")?;
        let flag = |key: &str| match wanted.get(key) {
            None => Ok(false),
            Some(value) if value.is_null() => Ok(false),
            Some(value) => value.as_bool().ok_or("a member of `params.notifications` has to be true or false"),
        };
        let mut uris: Vec<String> = Vec::new();
        match wanted.get("resourceSubscriptions").filter(|list| !list.is_null()) {
            None => {}
            Some(list) => {
                for uri in list.as_array().ok_or("`resourceSubscriptions` has to be an array")? {
                    let uri = uri.as_str().ok_or("`resourceSubscriptions` has to be an array of URIs")?;
                    if !uris.iter().any(|known| known == uri) {
                        uris.push(uri.to_owned());
                    }
                }
            }
        }
        Ok(Self {
            tools: flag("toolsListChanged")?,
            prompts: flag("promptsListChanged")?,
            resources: flag("resourcesListChanged")?,
            uris,
        })
    }

    /// What of it a server has that answered `initialize` so.
    #[must_use]
    pub fn offered(mut self, initialized: &Message<'_>) -> Self {
        let has = |part: &str, flag: &str| {
            let capabilities = initialized.result().and_then(|result| result.get("capabilities"));
            capabilities.and_then(|all| all.get(part)?.get(flag)?.as_bool()) == Some(true)
        };
        self.tools &= has("tools", "listChanged");
        self.prompts &= has("prompts", "listChanged");
        self.resources &= has("resources", "listChanged");
        if !has("resources", "subscribe") {
            self.uris.clear();
        }
        self
    }

    /// The notification that opens the stream of the request with this id (JSON).
    pub fn acknowledged(&self, id: &[u8]) -> Vec<u8> {
        let mut params = format!("{{\"_meta\":{{\"{META_SUBSCRIPTION_ID}\":{}}},", String::from_utf8_lossy(id));
        params.push_str("\"notifications\":{");
        let mut parts = Vec::new();
        let flags = [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ];
        parts.extend(flags.iter().filter(|(_, on)| *on).map(|(name, _)| format!("\"{name}\":true")));
        if !self.uris.is_empty() {
            let uris: Vec<String> = self.uris.iter().map(|uri| string(uri)).collect();
            parts.push(format!("\"resourceSubscriptions\":[{}]", uris.join(",")));
        }
        params.push_str(&parts.join(","));
        params.push_str("}}");
        notification("notifications/subscriptions/acknowledged", Some(params.as_bytes()))
    }

    /// The server's notification for the stream of the request with this id (JSON); `None` where it was not asked for.
    pub fn event(&self, message: &Message<'_>, id: &[u8]) -> Option<Vec<u8>> {
        let wanted = match message.method_name()? {
            "notifications/tools/list_changed" => self.tools,
            "notifications/prompts/list_changed" => self.prompts,
            "notifications/resources/list_changed" => self.resources,
            "notifications/resources/updated" => {
                let uri = message.params().and_then(|params| params.get("uri")).and_then(Value::as_str)?;
                // What is below a resource may be told in its stead (MCP 2025-11-25 `ResourceUpdatedNotification`).
                let of = |asked: &String| {
                    uri.strip_prefix(asked.as_str()).is_some_and(|it| it.is_empty() || it.starts_with('/'))
                };
                self.uris.iter().any(of)
            }
            _ => false,
        };
        wanted.then(|| marked(message, id))
    }
}

/// The notification with the subscription's id in its `_meta`.
fn marked(message: &Message<'_>, id: &[u8]) -> Vec<u8> {
    let body = message.body();
    let mark = format!("\"{META_SUBSCRIPTION_ID}\":{}", String::from_utf8_lossy(id));
    let Some(params) = message.params() else {
        let params = format!("{{\"_meta\":{{{mark}}}}}");
        return notification(message.method_name().unwrap_or_default(), Some(params.as_bytes()));
    };
    let meta = match params.get("_meta").filter(|meta| meta.is_object()) {
        Some(meta) => rebuilt(meta, body, |key, value| (key != META_SUBSCRIPTION_ID).then(|| value.bytes(body).into())),
        None => b"{}".to_vec(),
    };
    let first = format!("\"_meta\":{}", String::from_utf8_lossy(&joined(&mark, &meta)));
    let rest = rebuilt(params, body, |key, value| (key != "_meta").then(|| value.bytes(body).into()));
    Rewrite::new(message).part(params, joined(&first, &rest)).into_bytes().into_owned()
}

fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_string(text, &mut out);
    out
}
