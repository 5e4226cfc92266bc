//! Records as events of the Open Cybersecurity Schema Framework (OCSF) 1.5.0, <https://schema.ocsf.io/1.5.0>.
//!
//! | record | class | |
//! |---|---|---|
//! | `decision`, `outcome`, `refused`, `withheld`, early refusals | API Activity | 6003, profile Security Control |
//! | `change` | Entity Management | 3004 |
//! | what happened to the journal | Base Event | 0 |
//!
//! A decision and what became of its call are two events with one `metadata.correlation_uid`. What has no attribute there
//! stands in `unmapped`.

use super::known::About;
use super::text;
use crate::moment;
use callgate_journal::{Entry, Kind, RefusedEntry};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// The version of the schema.
pub(super) const VERSION: &str = "1.5.0";

const API_ACTIVITY: u64 = 6003;
const ENTITY_MANAGEMENT: u64 = 3004;
const BASE_EVENT: u64 = 0;

const CREATE: u64 = 1;
const READ: u64 = 2;
const UPDATE: u64 = 3;
const DELETE: u64 = 4;
const OTHER: u64 = 99;

/// An event under construction.
struct Event(Map<String, Value>);

/// The event of a record of the chain.
pub(super) fn event(entry: &Entry, body: &Map<String, Value>, about: Option<&About>) -> Value {
    let kind = entry.kind.as_str();
    let unknown = About::default();
    let event = match kind {
        _ if kind == Kind::Decision.as_str() || kind == Kind::Refused.as_str() => {
            decision(body, about.unwrap_or(&unknown))
        }
        _ if kind == Kind::Outcome.as_str() => outcome(body, about.unwrap_or(&unknown)),
        _ if kind == Kind::Withheld.as_str() => withheld(body, about.unwrap_or(&unknown)),
        _ if kind == Kind::Change.as_str() => change(body),
        _ => journal(kind, body),
    };
    let correlation = body.get("id").filter(|_| kind != Kind::Change.as_str());
    let organisation = body.get("organisation").and_then(Value::as_str).or(about.map(|about| &*about.organisation));
    let mut metadata = metadata(kind, entry.ts);
    metadata.insert("uid".to_owned(), format!("{}", entry.seq).into());
    metadata.insert("sequence".to_owned(), entry.seq.into());
    metadata.extend(correlation.map(|id| ("correlation_uid".to_owned(), id.clone())));
    let tenant = organisation.filter(|organisation| !organisation.is_empty());
    metadata.extend(tenant.map(|organisation| ("tenant_uid".to_owned(), organisation.into())));
    event.finish(entry.ts, metadata)
}

/// The event of what was refused before a grant was known.
pub(super) fn early(entry: &RefusedEntry) -> Value {
    let source = match entry.source.parse::<IpAddr>() {
        Ok(ip) => json!({ "ip": ip.to_string() }),
        Err(_) => json!({ "name": entry.source }),
    };
    let event = Event::new(API_ACTIVITY, OTHER, "authenticate")
        .with("actor", json!({ "app_name": "unknown" }))
        .with("api", json!({ "operation": "authenticate", "service": { "name": "callgate" } }))
        .with("src_endpoint", source)
        .control(false, 26, "Unauthorized")
        .status(false, &entry.reason, "")
        .with("count", entry.count.into())
        .with("start_time", entry.since.into());
    event.finish(entry.ts, metadata("early", entry.ts))
}

fn decision(body: &Map<String, Value>, about: &About) -> Event {
    let allowed = text(body, "outcome") == "allow";
    let disposition = if allowed { (1, "Allowed") } else { (2, "Blocked") };
    let mut event = call(about).control(allowed, disposition.0, disposition.1);
    event = event.status(allowed, text(body, "reason"), text(body, "message"));
    let rule = text(body, "rule");
    if !rule.is_empty() {
        let place = body.get("place").and_then(|place| place.get("pointer")).cloned();
        event = event.with("firewall_rule", json!({ "name": rule, "uid": place.unwrap_or_else(|| rule.into()) }));
    }
    event.unmapped(
        body,
        &[
            "outcome",
            "place",
            "retry_after_ms",
            "argument_keys",
            "arguments_digest",
            "result_of",
            "redacted",
            "shadow",
            "client_version",
        ],
    )
}

fn outcome(body: &Map<String, Value>, about: &About) -> Event {
    let result = text(body, "result");
    let success = matches!(result, "result" | "accepted" | "input_required" | "task");
    let mut response = Map::new();
    response.extend(body.get("error_code").map(|code| ("code".to_owned(), code.clone())));
    if !success {
        response.insert("error".to_owned(), result.into());
    }
    let mut event = call(about).control(true, 1, "Allowed").status(success, result, "");
    if let Some(Value::Object(api)) = event.0.get_mut("api") {
        api.insert("response".to_owned(), response.into());
    }
    if let Some(status) = body.get("upstream_status") {
        event = event.with("http_response", json!({ "code": status }));
    }
    let duration = body.get("latency_us").and_then(Value::as_u64).unwrap_or_default();
    event.with("duration", (duration / 1_000).into()).unmapped(body, &["result", "kept", "latency_us", "bytes"])
}

fn withheld(body: &Map<String, Value>, about: &About) -> Event {
    let names = body.get("names").and_then(Value::as_array).into_iter().flatten();
    let resources: Vec<Value> = names.map(|name| json!({ "name": name, "type": "withheld" })).collect();
    let event = call(about).control(false, 2, "Blocked").status(true, "withheld", "");
    event.with("resources", resources.into()).unmapped(body, &["count"])
}

/// What events about calls have in common: who, what, of which server, under which policy.
fn call(about: &About) -> Event {
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let method = or(&about.method, "unknown");
    let reads = ["/list", "/read", "/get"].iter().any(|end| method.ends_with(end));
    let label = or(&about.grant_label, "unknown");
    let mut user = json!({ "name": label, "uid": or(&about.grant, "unknown"), "type_id": OTHER, "type": "Grant" });
    if let (false, Some(user)) = (about.identity.is_empty(), user.as_object_mut()) {
        user.insert("uid_alt".to_owned(), about.identity.as_str().into());
    }
    let mut actor = json!({ "user": user });
    let mut endpoint = json!({ "name": or(&about.client, &label) });
    if let (Some(actor), Some(endpoint)) = (actor.as_object_mut(), endpoint.as_object_mut()) {
        if !about.client.is_empty() {
            actor.insert("app_name".to_owned(), about.client.as_str().into());
        }
        if !about.session.is_empty() {
            actor.insert("session".to_owned(), json!({ "uid": about.session }));
            endpoint.insert("uid".to_owned(), about.session.as_str().into());
        }
    }
    let server = or(&about.server, "unknown");
    let mut api = json!({ "operation": or(&about.tool, &method), "service": { "name": server } });
    if let (false, Some(api)) = (about.request_id.is_empty(), api.as_object_mut()) {
        api.insert("request".to_owned(), json!({ "uid": about.request_id }));
    }
    let mut resources = vec![json!({ "name": server, "type": "mcp_server" })];
    if !about.tool.is_empty() {
        resources.push(json!({ "name": about.tool, "type": "mcp_tool" }));
    }
    let activity = if reads { READ } else { OTHER };
    let mut event = Event::new(API_ACTIVITY, activity, &method).with("actor", actor).with("api", api);
    event = event.with("src_endpoint", endpoint).with("resources", resources.into());
    if !about.policy.is_empty() {
        let mut policy = json!({ "name": about.policy });
        if let Some(policy) = policy.as_object_mut() {
            let version = about.policy_version.map(|version| ("version".to_owned(), version.to_string().into()));
            policy.extend(version);
            if !about.policy_digest.is_empty() {
                policy.insert("uid".to_owned(), about.policy_digest.as_str().into());
            }
        }
        event = event.with("policy", policy);
    }
    event
}

fn change(body: &Map<String, Value>) -> Event {
    let (what, object) = (text(body, "what"), text(body, "object"));
    let value = |name: &str| body.get(name).filter(|value| !value.is_null());
    let (before, after) = (value("before"), value("after"));
    let activity = match (before, after) {
        (None, Some(_)) => CREATE,
        (Some(_), None) => DELETE,
        _ => UPDATE,
    };
    let caption = match activity {
        CREATE => "Create",
        DELETE => "Delete",
        _ => "Update",
    };
    // `server/kernel/grant/g_…` is a grant, `server/kernel` a server.
    let parts: Vec<&str> = object.split('/').collect();
    let kind = parts.chunks(2).next_back().and_then(<[_]>::first).copied().unwrap_or("object");
    let entity = |data: Option<&Value>| {
        let mut entity = json!({ "name": object, "uid": object, "type": kind });
        if let (Some(data @ Value::Object(_)), Some(entity)) = (data, entity.as_object_mut()) {
            entity.insert("data".to_owned(), data.clone());
        }
        entity
    };
    let mut event = Event::new(ENTITY_MANAGEMENT, activity, caption)
        .with("actor", json!({ "user": { "name": text(body, "who"), "uid": text(body, "who") } }))
        .with("entity", entity(before.or(after)))
        .with("comment", what.into())
        .with("message", format!("{what} {object}").into())
        .status(true, "", "");
    if after.is_some() {
        event = event.with("entity_result", entity(after));
    }
    event.unmapped(body, &["generation", "position"])
}

fn journal(kind: &str, body: &Map<String, Value>) -> Event {
    let names: Vec<&str> =
        body.keys().map(String::as_str).filter(|name| !matches!(*name, "signature" | "key")).collect();
    Event::new(BASE_EVENT, OTHER, kind).with("message", format!("journal: {kind}").into()).unmapped(body, &names)
}

fn metadata(kind: &str, ts: i64) -> Map<String, Value> {
    let mut metadata = Map::new();
    let product = json!({ "name": "Callgate", "vendor_name": "Callgate", "version": env!("CARGO_PKG_VERSION") });
    metadata.insert("version".to_owned(), VERSION.into());
    metadata.insert("product".to_owned(), product);
    metadata.insert("log_name".to_owned(), "journal".into());
    metadata.insert("log_provider".to_owned(), "callgate".into());
    metadata.insert("event_code".to_owned(), kind.into());
    metadata.insert("original_time".to_owned(), moment::rfc3339(ts).into());
    metadata
}

impl Event {
    fn new(class: u64, activity: u64, name: &str) -> Self {
        let mut event = Self(Map::new());
        let category = class / 1_000;
        for (name, value) in [
            ("class_uid", class),
            ("category_uid", category),
            ("activity_id", activity),
            ("type_uid", class * 100 + activity),
            ("severity_id", 1),
        ] {
            event.0.insert(name.to_owned(), value.into());
        }
        event.with("activity_name", name.into())
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// What the gateway did about it (profile Security Control).
    fn control(self, allowed: bool, disposition: u64, caption: &str) -> Self {
        let (action, word) = if allowed { (1, "Allowed") } else { (2, "Denied") };
        self.with("action_id", action.into())
            .with("action", word.into())
            .with("disposition_id", disposition.into())
            .with("disposition", caption.into())
            .with("severity_id", if allowed { 1.into() } else { 2.into() })
    }

    fn status(self, success: bool, code: &str, detail: &str) -> Self {
        let (id, word) = if success { (1, "Success") } else { (2, "Failure") };
        let mut event = self.with("status_id", id.into()).with("status", word.into());
        for (name, text) in [("status_code", code), ("status_detail", detail)] {
            if !text.is_empty() {
                event = event.with(name, text.into());
            }
        }
        event
    }

    /// Keeps these fields of a record, which have no attribute.
    fn unmapped(self, body: &Map<String, Value>, names: &[&str]) -> Self {
        let found = names.iter().filter_map(|name| Some(((*name).to_owned(), body.get(*name)?.clone())));
        let found: Map<String, Value> = found.collect();
        if found.is_empty() { self } else { self.with("unmapped", found.into()) }
    }

    fn finish(self, ts: i64, mut metadata: Map<String, Value>) -> Value {
        if self.0.contains_key("action_id") {
            metadata.insert("profiles".to_owned(), json!(["security_control"]));
        }
        Value::Object(self.with("time", ts.into()).with("metadata", metadata.into()).0)
    }
}
