//! What is answered to each method.

use crate::call::{LATEST_LEGACY, LEGACY, MODERN};
use crate::example::example;
use crate::exchange::{Ending, Exchange, Outcome};
use crate::options::{Behaviour, Eras};
use crate::{listen, misbehave, probe, prompts, resources, tasks};
use serde_json::{Value, json};

/// Answers a request; a fault may have its way before.
pub(crate) async fn answer(exchange: &mut Exchange) -> Ending {
    let eras = exchange.fixture.options().eras;
    exchange.modern = match exchange.call.is_modern(eras) {
        Ok(modern) => modern,
        Err((code, message)) => {
            let data = json!({"supported": versions(eras), "requested": requested(exchange)});
            return Ending::refused(code, message, &data);
        }
    };
    let method = exchange.call.method().to_owned();
    if let Some(fault) = exchange.fixture.fault(&method)
        && let Some(ending) = misbehave::misbehave(exchange, fault).await
    {
        return ending;
    }
    match dispatch(exchange, &method).await {
        Ok(result) => complete(exchange, result),
        Err(ending) => ending,
    }
}

/// A result as it is sent: the modern era wants its type, and the probe says who it is.
pub(crate) fn complete(exchange: &Exchange, mut result: Value) -> Ending {
    if exchange.modern {
        if result.get("resultType").is_none() {
            insert(&mut result, "resultType", json!("complete"));
        }
        if exchange.fixture.options().probe {
            let meta = result.as_object_mut().map(|members| members.entry("_meta").or_insert_with(|| json!({})));
            if let Some(meta) = meta {
                insert(meta, "io.modelcontextprotocol/serverInfo", server_info(exchange));
            }
        }
    }
    Ending::Result(result.to_string())
}

async fn dispatch(exchange: &mut Exchange, method: &str) -> Outcome {
    let modern = exchange.modern;
    match method {
        "initialize" if !modern => Ok(initialize(exchange)),
        "server/discover" if modern => Ok(discover(exchange)),
        "ping" => Ok(json!({})),
        "tools/list" => list(exchange),
        "tools/call" => call(exchange).await,
        "subscriptions/listen" if modern => listen::listen(exchange).await,
        _ if !exchange.fixture.options().probe => Err(unknown(exchange, method)),
        "logging/setLevel" if !modern => {
            let level = exchange.call.param("level").and_then(Value::as_str).unwrap_or_default();
            let is_level = exchange.peer.set_level(level);
            if is_level { Ok(json!({})) } else { Err(Ending::fail(-32602, format!("`{level}` is no level"))) }
        }
        "resources/list" | "resources/templates/list" | "resources/read" => resources::serve(exchange, method).await,
        "resources/subscribe" | "resources/unsubscribe" if !modern => resources::serve(exchange, method).await,
        "prompts/list" | "prompts/get" | "completion/complete" => prompts::serve(exchange, method).await,
        "tasks/get" | "tasks/cancel" => tasks::serve(exchange, method).await,
        "tasks/result" | "tasks/list" if !modern => tasks::serve(exchange, method).await,
        "tasks/update" if modern => tasks::serve(exchange, method).await,
        _ => Err(unknown(exchange, method)),
    }
}

fn unknown(exchange: &Exchange, method: &str) -> Ending {
    let error = json!({"code": -32601, "message": format!("unknown method `{method}`")});
    Ending::Fail { status: if exchange.modern { 404 } else { 200 }, error }
}

fn versions(eras: Eras) -> Vec<&'static str> {
    match eras {
        Eras::Modern => vec![MODERN],
        Eras::Legacy => LEGACY.to_vec(),
        Eras::Both => [MODERN].into_iter().chain(LEGACY).collect(),
    }
}

fn requested(exchange: &Exchange) -> Option<&str> {
    exchange.call.version().or_else(|| exchange.call.param("protocolVersion")?.as_str())
}

fn server_info(exchange: &Exchange) -> Value {
    json!({"name": exchange.fixture.options().name, "version": env!("CARGO_PKG_VERSION")})
}

fn initialize(exchange: &Exchange) -> Value {
    let requested = exchange.call.param("protocolVersion").and_then(Value::as_str);
    let version = LEGACY.iter().find(|version| Some(**version) == requested).unwrap_or(&LATEST_LEGACY);
    let capabilities = exchange.call.param("capabilities").cloned().unwrap_or_default();
    exchange.peer.introduce(version, capabilities);
    let mut result = json!({
        "protocolVersion": version,
        "capabilities": capabilities_of(exchange),
        "serverInfo": server_info(exchange),
    });
    if exchange.fixture.options().probe {
        insert(&mut result, "instructions", json!("Every tool does what its name says."));
        insert(&mut result, "x-fixture", json!("kept"));
    }
    result
}

fn discover(exchange: &Exchange) -> Value {
    json!({
        "supportedVersions": versions(exchange.fixture.options().eras),
        "capabilities": capabilities_of(exchange),
        "_meta": {"io.modelcontextprotocol/serverInfo": server_info(exchange)},
        "ttlMs": 60_000,
        "cacheScope": "public",
    })
}

fn capabilities_of(exchange: &Exchange) -> Value {
    let mut capabilities = json!({"tools": {"listChanged": true}});
    if !exchange.fixture.options().probe {
        return capabilities;
    }
    let more = [
        ("resources", json!({"subscribe": true, "listChanged": true})),
        ("prompts", json!({"listChanged": true})),
        ("completions", json!({})),
        ("logging", json!({})),
        ("experimental", json!({"fixture": {"kept": true}})),
        match exchange.modern {
            true => ("extensions", json!({tasks::TASKS_EXTENSION: {}})),
            false => ("tasks", json!({"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}})),
        },
    ];
    for (key, value) in more {
        insert(&mut capabilities, key, value);
    }
    capabilities
}

/// The part of a list that a request asks for, and the cursor of the next; `Err` for an unknown cursor.
pub(crate) fn page<'l, T>(exchange: &Exchange, list: &'l [T]) -> Result<(&'l [T], Option<String>), Ending> {
    let cursor = exchange.call.param("cursor").filter(|cursor| !cursor.is_null());
    let start = match cursor.map(|cursor| cursor.as_str()?.strip_prefix("from-")?.parse::<usize>().ok()) {
        None => 0,
        Some(Some(start)) if start <= list.len() => start,
        Some(_) => return Err(Ending::fail(-32602, "unknown cursor")),
    };
    let end = exchange.fixture.options().page_size.map_or(list.len(), |size| list.len().min(start + size.max(1)));
    let next = (end < list.len()).then(|| format!("from-{end}"));
    Ok((list.get(start..end).unwrap_or_default(), next))
}

/// `tools/list`, put together as text, so that the definitions stay as they were given.
fn list(exchange: &Exchange) -> Outcome {
    let mut tools = exchange.fixture.tools().tools().to_vec();
    if exchange.fixture.extra().tools {
        tools.extend(probe::extra());
    }
    let (page, next) = page(exchange, &tools)?;
    let page: Vec<&str> = page.iter().map(|tool| tool.json.as_str()).collect();
    let mut result = format!("{{\"tools\":[{}]", page.join(","));
    if let Some(next) = next {
        result.push_str(&format!(",\"nextCursor\":\"{next}\""));
    }
    if exchange.modern {
        result.push_str(",\"resultType\":\"complete\",\"ttlMs\":60000,\"cacheScope\":\"public\"");
    }
    if exchange.fixture.options().probe {
        result.push_str(",\"x-fixture\":\"kept\"");
    }
    result.push('}');
    Err(Ending::Result(result))
}

async fn call(exchange: &mut Exchange) -> Outcome {
    let fixture = exchange.fixture.clone();
    let options = fixture.options();
    let number = fixture.count_call();
    if !options.delay.is_zero() {
        tokio::time::sleep(options.delay).await;
    }
    let name = exchange.call.param("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if options.announces {
        fixture.announce_changes();
    }
    let mut tool = fixture.tools().tools().iter().find(|tool| tool.name == name).cloned();
    if let Some(change) = options.list_change.as_ref().filter(|change| change.after_calls == number) {
        fixture.replace_tools(change.tools.clone());
    }
    if fixture.extra().tools && tool.is_none() {
        tool = probe::extra().filter(|extra| extra.name == name);
    }
    let Some(tool) = tool else { return Err(Ending::fail(-32602, format!("unknown tool `{name}`"))) };
    if options.probe
        && let Some(outcome) = probe::call(exchange, &name).await
    {
        return outcome;
    }
    if options.sse && exchange.outlet.has_head() && exchange.call.takes_events {
        exchange.progress(1, 1);
    }
    let text = json!({"name": name, "arguments": exchange.call.param("arguments").unwrap_or(&json!({}))}).to_string();
    let mut result = json!({"content": [{"type": "text", "text": text}]});
    match options.behaviours.get(&name) {
        Some(Behaviour::Error(code)) => return Err(Ending::fail(*code, "the tool is set to fail")),
        Some(Behaviour::ToolError) => insert(&mut result, "isError", json!(true)),
        None => {
            if let Some(schema) = &tool.output_schema {
                insert(&mut result, "structuredContent", example(schema));
            }
        }
    }
    Ok(result)
}

pub(crate) fn insert(object: &mut Value, key: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(key.into(), value);
    }
}
