//! The official Rust SDK as a client: takes the same jobs as the other clients (see `clients/steps.mjs`) and prints the
//! same answers.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{RunningService, ServiceError};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Value, json};

type Client = RunningService<RoleClient, ()>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let work: Value = serde_json::from_str(&std::env::args().nth(1).context("no job")?)?;
    let Some(jobs) = work["jobs"].as_array() else {
        println!("{}", run(&work).await?);
        return Ok(());
    };
    let limit = Duration::from_millis(work["limit"].as_u64().context("no limit")?);
    let mut answers = Vec::new();
    for job in jobs {
        answers.push(match tokio::time::timeout(limit, run(job)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => json!({ "failed": format!("{error:#}") }),
            Err(_) => json!({ "failed": "no answer in time" }),
        });
    }
    println!("{}", Value::from(answers));
    Ok(())
}

async fn run(job: &Value) -> Result<Value> {
    let client = connect(job).await?;
    let mut answers = Vec::new();
    for wanted in job["steps"].as_array().context("no steps")? {
        answers.push(step(&client, wanted).await?);
    }
    client.cancel().await?;
    Ok(Value::from(answers))
}

async fn connect(job: &Value) -> Result<Client> {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    let lifecycle = match job["era"].as_str() {
        Some("legacy") => ClientLifecycleMode::Initialize,
        _ => ClientLifecycleMode::Auto { preferred_versions, legacy_version: None },
    };
    if let Some(url) = job["url"].as_str() {
        let mut config = StreamableHttpClientTransportConfig::with_uri(url);
        if let Some(token) = job["token"].as_str() {
            config = config.auth_header(token);
        }
        return Ok(().serve_with_lifecycle(StreamableHttpClientTransport::from_config(config), lifecycle).await?);
    }
    let words: Vec<&str> = job["command"].as_array().context("no command")?.iter().filter_map(Value::as_str).collect();
    let (program, arguments) = words.split_first().context("a command has a program")?;
    let mut command = tokio::process::Command::new(program);
    command.args(arguments);
    if let Some(variables) = job["env"].as_object() {
        command.envs(variables.iter().filter_map(|(name, value)| Some((name, value.as_str()?))));
    }
    Ok(().serve_with_lifecycle(TokioChildProcess::new(command)?, lifecycle).await?)
}

async fn step(client: &Client, wanted: &Value) -> Result<Value> {
    if wanted["revision"] == true {
        let info = client.peer_info().context("not connected")?;
        return Ok(json!({ "revision": info.protocol_version.as_str() }));
    }
    if wanted["list"] == true {
        return Ok(match client.list_all_tools().await {
            Ok(tools) => json!({ "tools": tools }),
            Err(error) => refused(error)?,
        });
    }
    let Some(name) = wanted["call"].as_str() else { bail!("unknown step: {wanted}") };
    let mut params = CallToolRequestParams::new(name.to_owned());
    params.arguments = wanted["arguments"].as_object().cloned();
    Ok(match client.call_tool(params).await {
        Ok(result) => {
            let plain = serde_json::to_value(&result)?;
            let decision = plain["_meta"]["dev.callgate/decision"].clone();
            let is_error = plain["isError"] == true;
            let structured = plain["structuredContent"].clone();
            json!({ "isError": is_error, "content": plain["content"], "structured": structured, "decision": decision })
        }
        Err(error) => refused(error)?,
    })
}

/// What the server refused, as an answer; anything else breaks the job off.
fn refused(error: ServiceError) -> Result<Value> {
    match error {
        ServiceError::McpError(error) => Ok(json!({ "error": { "code": error.code.0, "message": error.message } })),
        other => Err(other.into()),
    }
}
