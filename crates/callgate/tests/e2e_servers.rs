//! Real servers behind the gateway: where nothing is hidden, nobody can tell that it is there, byte for byte.
#![allow(clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Callgate, Gateway, Session, StdioServer, npm_server, python_server, result_bytes};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");
const ALLOW_ALL: &str = r#"{ "version": "1", "default": "allow" }"#;

/// A real server: how it is started, with which variables, and calls whose answers depend on nothing but the server.
struct Case {
    command: Vec<String>,
    variables: Vec<(&'static str, String)>,
    calls: Vec<(&'static str, Value)>,
}

#[test]
fn everything() -> Result<()> {
    compare(|_| {
        Ok(Case {
            command: npm_server("@modelcontextprotocol/server-everything", &[])?,
            variables: vec![],
            calls: vec![
                ("echo", json!({ "message": "grüße, 世界 \u{1f600} \"quoted\" \\ / \n" })),
                ("get-sum", json!({ "a": 1.5, "b": 2 })),
                ("get-annotated-message", json!({ "messageType": "error", "includeImage": true })),
                ("get-structured-content", json!({ "location": "New York" })),
                ("get-tiny-image", json!({})),
                ("no-such-tool", json!({})),
                ("get-sum", json!({ "a": "not a number" })),
            ],
        })
    })
}

#[test]
fn filesystem() -> Result<()> {
    compare(|folder| {
        // Shared by both instances, and written by neither.
        let files = folder.parent().unwrap_or(folder).join("files");
        std::fs::create_dir_all(&files)?;
        std::fs::write(files.join("a.txt"), "line one\nline two — ü\n")?;
        let at = |name: &str| files.join(name).to_string_lossy().into_owned();
        Ok(Case {
            command: npm_server("@modelcontextprotocol/server-filesystem", &[&files.to_string_lossy()])?,
            variables: vec![],
            calls: vec![
                ("read_text_file", json!({ "path": at("a.txt") })),
                ("list_directory", json!({ "path": at("") })),
                ("directory_tree", json!({ "path": at("") })),
                ("read_text_file", json!({ "path": at("missing.txt") })),
                ("read_text_file", json!({ "path": "/etc/hostname" })),
            ],
        })
    })
}

#[test]
fn memory() -> Result<()> {
    compare(|folder| {
        let entity = json!({ "name": "Ada", "entityType": "person", "observations": ["writes programs"] });
        let relation = json!({ "from": "Ada", "to": "Ada", "relationType": "knows" });
        let file = folder.join("memory.json").to_string_lossy().into_owned();
        Ok(Case {
            command: npm_server("@modelcontextprotocol/server-memory", &[])?,
            variables: vec![("MEMORY_FILE_PATH", file)],
            calls: vec![
                ("create_entities", json!({ "entities": [entity] })),
                ("create_relations", json!({ "relations": [relation] })),
                ("read_graph", json!({})),
                ("search_nodes", json!({ "query": "ada" })),
            ],
        })
    })
}

#[test]
fn git() -> Result<()> {
    compare(|folder| {
        let repository = folder.parent().unwrap_or(folder).join("repository");
        if !repository.exists() {
            std::fs::create_dir_all(&repository)?;
            std::fs::write(repository.join("readme.md"), "# One\n")?;
            run(&repository, &["init", "--quiet", "--initial-branch=main"])?;
            run(&repository, &["add", "readme.md"])?;
            run(&repository, &["commit", "--quiet", "--message", "first"])?;
            std::fs::write(repository.join("readme.md"), "# Two\n")?;
        }
        let path = repository.to_string_lossy().into_owned();
        Ok(Case {
            command: python_server("mcp-server-git", &["--repository", &path])?,
            variables: vec![],
            calls: vec![
                ("git_status", json!({ "repo_path": path })),
                ("git_diff_unstaged", json!({ "repo_path": path })),
                ("git_log", json!({ "repo_path": path, "max_count": 1 })),
                ("git_show", json!({ "repo_path": path, "revision": "no-such-revision" })),
            ],
        })
    })
}

#[test]
fn time() -> Result<()> {
    compare(|_| {
        Ok(Case {
            command: python_server("mcp-server-time", &["--local-timezone", "UTC"])?,
            variables: vec![],
            calls: vec![
                (
                    "convert_time",
                    json!({ "source_timezone": "Europe/Berlin", "time": "12:30", "target_timezone": "Asia/Tokyo" }),
                ),
                ("get_current_time", json!({ "timezone": "Nowhere/Never" })),
            ],
        })
    })
}

/// Runs one instance directly and one behind the gateway, each in a folder of its own, and compares what they answer.
fn compare(case: impl Fn(&Path) -> Result<Case>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let own = |name: &str| -> Result<Case> {
        let folder = folder.path().join(name);
        std::fs::create_dir_all(&folder)?;
        case(&folder)
    };
    let direct = answers_directly(&own("before")?)?;
    let through = answers_through(&own("through")?, &folder.path().join("data"))?;
    // A server may look at the clock: what it says is compared with what it said before or says after.
    let after = answers_directly(&own("after")?)?;
    assert_eq!(direct.len(), through.len());
    for (index, found) in through.iter().enumerate() {
        let is_same = *found == direct[index] || *found == after[index];
        assert!(is_same, "answer {index}\nthrough the gateway: {found}\ndirectly:            {}", direct[index]);
    }
    Ok(())
}

fn answers_directly(case: &Case) -> Result<Vec<String>> {
    let (program, arguments) = case.command.split_first().context("a command has a program")?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(case.variables.iter().map(|(name, value)| (name, value)));
    command.envs(["PATH", "HOME"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    let mut server = StdioServer::open(&mut command)?;
    collect(case, |method, params| server.ask(method, params))
}

fn answers_through(case: &Case, data: &Path) -> Result<Vec<String>> {
    let callgate = Callgate::new(BINARY, data);
    let mut add: Vec<String> = ["server", "add", "real"].map(str::to_owned).to_vec();
    for name in ["PATH", "HOME"] {
        add.extend(["--env-from".to_owned(), name.to_owned()]);
    }
    for (name, value) in &case.variables {
        add.extend(["--env".to_owned(), format!("{name}={value}")]);
    }
    add.push("--".to_owned());
    add.extend(case.command.iter().cloned());
    callgate.run(&add)?;
    callgate.publish("real", ALLOW_ALL)?;
    let grant = callgate.mint("real", "test")?;
    let gateway = callgate.up()?;
    let mut session = Session::open(gateway.address, &Gateway::path("real"), Some(&grant.token))?;
    collect(case, |method, params| session.ask(method, params))
}

/// The list and the answers to the calls: the bytes of each `result`, or of the error where there is one.
fn collect(case: &Case, mut ask: impl FnMut(&str, &Value) -> Result<Vec<u8>>) -> Result<Vec<String>> {
    let mut answers = vec![result_bytes(&ask("tools/list", &json!({}))?)?];
    for (tool, arguments) in &case.calls {
        let answer = ask("tools/call", &json!({ "name": tool, "arguments": arguments }))?;
        let parsed: Value = serde_json::from_slice(&answer)?;
        match parsed.get("error") {
            Some(error) => answers.push(error.to_string()),
            None => answers.push(result_bytes(&answer)?),
        }
    }
    Ok(answers)
}

fn run(repository: &Path, arguments: &[&str]) -> Result<()> {
    let identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
    let status = Command::new("git").current_dir(repository).args(identity).args(arguments).status()?;
    ensure!(status.success(), "git {arguments:?}: {status}");
    Ok(())
}
