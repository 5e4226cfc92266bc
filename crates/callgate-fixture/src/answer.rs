//! The server behind both transports: a message in, an answer out.

use crate::call::{Call, LATEST_LEGACY, LEGACY, MODERN};
use crate::example::example;
use crate::listen::Listeners;
use crate::log::MessageLog;
use crate::options::{Behaviour, Eras, FixtureError, FixtureOptions, ToolList};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A running fixture. Clones are the same fixture.
#[derive(Clone, Debug)]
pub struct Fixture {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: FixtureOptions,
    log: MessageLog,
    tools: Mutex<ToolList>,
    calls: AtomicU64,
    sessions: Mutex<HashSet<String>>,
    session_count: AtomicU64,
    listeners: Listeners,
}

/// An answer and the HTTP status that goes with it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) json: String,
}

impl Fixture {
    /// Makes a fixture and opens its log.
    pub fn new(options: FixtureOptions) -> Result<Self, FixtureError> {
        let inner = Inner {
            log: MessageLog::open(options.log.as_deref())?,
            tools: Mutex::new(options.tools.clone()),
            calls: AtomicU64::new(0),
            sessions: Mutex::default(),
            session_count: AtomicU64::new(0),
            listeners: Listeners::default(),
            options,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Serves other tools from now on and tells everyone who listens.
    pub fn replace_tools(&self, tools: ToolList) {
        *self.inner.tools.lock().unwrap_or_else(PoisonError::into_inner) = tools;
        self.inner.listeners.tools_changed();
    }

    /// How many `tools/call` requests have arrived.
    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::SeqCst)
    }

    /// How many sessions are open.
    pub fn sessions(&self) -> usize {
        self.lock_sessions().len()
    }

    /// Forgets every session, as a restart would.
    pub fn forget_sessions(&self) {
        self.lock_sessions().clear();
    }

    pub(crate) fn options(&self) -> &FixtureOptions {
        &self.inner.options
    }

    pub(crate) fn log(&self) -> &MessageLog {
        &self.inner.log
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.inner.listeners
    }

    pub(crate) fn open_session(&self) -> String {
        let number = self.inner.session_count.fetch_add(1, Ordering::SeqCst) + 1;
        let id = format!("fixture-{}-{number}", std::process::id());
        self.lock_sessions().insert(id.clone());
        id
    }

    pub(crate) fn has_session(&self, id: &str) -> bool {
        self.lock_sessions().contains(id)
    }

    pub(crate) fn end_session(&self, id: &str) -> bool {
        self.lock_sessions().remove(id)
    }

    fn lock_sessions(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.inner.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, call: &Call) -> Answer {
        let modern = match call.is_modern(self.inner.options.eras) {
            Ok(modern) => modern,
            Err((code, message)) => {
                let supported: Vec<&str> = self.versions();
                let data = json!({"supported": supported, "requested": call.version()});
                let error = json!({"code": code, "message": message, "data": data});
                return failure(call, 400, &error);
            }
        };
        match call.method() {
            "initialize" => success(call, false, self.initialize(call)),
            "server/discover" if modern => success(call, true, self.discover()),
            "ping" => success(call, modern, json!({})),
            "tools/list" => self.list(call, modern),
            "tools/call" => self.run(call, modern).await,
            unknown => {
                let error = json!({"code": -32601, "message": format!("unknown method `{unknown}`")});
                failure(call, if modern { 404 } else { 200 }, &error)
            }
        }
    }

    fn versions(&self) -> Vec<&'static str> {
        match self.inner.options.eras {
            Eras::Modern => vec![MODERN],
            Eras::Legacy => LEGACY.to_vec(),
            Eras::Both => [MODERN].into_iter().chain(LEGACY).collect(),
        }
    }

    fn server_info(&self) -> Value {
        json!({"name": self.inner.options.name, "version": env!("CARGO_PKG_VERSION")})
    }

    fn initialize(&self, call: &Call) -> Value {
        let requested = call.param("protocolVersion").and_then(Value::as_str);
        let version = LEGACY.iter().find(|version| Some(**version) == requested).unwrap_or(&LATEST_LEGACY);
        json!({
            "protocolVersion": version,
            "capabilities": {"tools": {"listChanged": true}},
            "serverInfo": self.server_info(),
        })
    }

    fn discover(&self) -> Value {
        json!({
            "supportedVersions": self.versions(),
            "capabilities": {"tools": {"listChanged": true}},
            "_meta": {"io.modelcontextprotocol/serverInfo": self.server_info()},
            "ttlMs": 60_000,
            "cacheScope": "public",
        })
    }

    fn list(&self, call: &Call, modern: bool) -> Answer {
        let tools = self.inner.tools.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let tools = tools.tools();
        let cursor = call.param("cursor").filter(|cursor| !cursor.is_null());
        let start = match cursor.map(|cursor| cursor.as_str()?.strip_prefix("from-")?.parse::<usize>().ok()) {
            None => 0,
            Some(Some(start)) if start <= tools.len() => start,
            Some(_) => return failure(call, 200, &json!({"code": -32602, "message": "unknown cursor"})),
        };
        let end = self.inner.options.page_size.map_or(tools.len(), |size| tools.len().min(start + size.max(1)));
        let page: Vec<&str> = tools.get(start..end).unwrap_or_default().iter().map(|tool| tool.json.as_str()).collect();
        let mut result = format!("{{\"tools\":[{}]", page.join(","));
        if end < tools.len() {
            result.push_str(&format!(",\"nextCursor\":\"from-{end}\""));
        }
        if modern {
            result.push_str(",\"resultType\":\"complete\",\"ttlMs\":60000,\"cacheScope\":\"public\"");
        }
        result.push('}');
        Answer { status: 200, json: format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{result}}}", call.id()) }
    }

    async fn run(&self, call: &Call, modern: bool) -> Answer {
        let options = &self.inner.options;
        let number = self.inner.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if !options.delay.is_zero() {
            tokio::time::sleep(options.delay).await;
        }
        let name = call.param("name").and_then(Value::as_str).unwrap_or_default();
        let tool = {
            let tools = self.inner.tools.lock().unwrap_or_else(PoisonError::into_inner);
            tools.tools().iter().find(|tool| tool.name == name).cloned()
        };
        if let Some(change) = options.list_change.as_ref().filter(|change| change.after_calls == number) {
            self.replace_tools(change.tools.clone());
        }
        let Some(tool) = tool else {
            return failure(call, 200, &json!({"code": -32602, "message": format!("unknown tool `{name}`")}));
        };
        let text = json!({"name": name, "arguments": call.param("arguments").unwrap_or(&json!({}))}).to_string();
        let mut result = json!({"content": [{"type": "text", "text": text}]});
        match options.behaviours.get(name) {
            Some(Behaviour::Error(code)) => {
                return failure(call, 200, &json!({"code": code, "message": "the tool is set to fail"}));
            }
            Some(Behaviour::ToolError) => insert(&mut result, "isError", json!(true)),
            None => {
                if let Some(schema) = &tool.output_schema {
                    insert(&mut result, "structuredContent", example(schema));
                }
            }
        }
        success(call, modern, result)
    }
}

fn insert(result: &mut Value, key: &str, value: Value) {
    if let Some(members) = result.as_object_mut() {
        members.insert(key.into(), value);
    }
}

fn success(call: &Call, modern: bool, mut result: Value) -> Answer {
    if modern {
        insert(&mut result, "resultType", json!("complete"));
    }
    Answer { status: 200, json: json!({"jsonrpc": "2.0", "id": call.id(), "result": result}).to_string() }
}

pub(crate) fn failure(call: &Call, status: u16, error: &Value) -> Answer {
    Answer { status, json: json!({"jsonrpc": "2.0", "id": call.id(), "error": error}).to_string() }
}
