//! `up --demo`: two example servers with policies and grants, and a burst of calls to look at.

mod traffic;

use crate::api::{Api, Request, path};
use crate::failure::Failure;
use crate::{commands, output};
use axum::Router;
use callgate_fixture::{Fixture, FixtureOptions, KERNEL, PARE_DOCKER, ToolList};
use hyper::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Where the demo lives, and what it needs.
pub(crate) struct Demo {
    directory: PathBuf,
    /// Removes the directory at the end, where nobody named one.
    _temporary: Option<tempfile::TempDir>,
}

/// One server of the demo, ready to be called.
struct Served {
    name: &'static str,
    url: String,
    token: String,
}

impl Demo {
    /// Finds a data directory of the demo's own: the one that was named, if it is empty, else a temporary one.
    pub(crate) fn prepare(typed: Option<&Path>) -> Result<Self, Failure> {
        let Some(directory) = typed else {
            let temporary = tempfile::Builder::new().prefix("callgate-demo-").tempdir().map_err(|error| {
                Failure::cannot_run(
                    "CG3070",
                    format!("can't make a temporary directory: {error}"),
                    "name an empty one with `--data DIR`",
                )
            })?;
            return Ok(Self { directory: temporary.path().to_owned(), _temporary: Some(temporary) });
        };
        let empty = match std::fs::read_dir(directory) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if !empty {
            let message =
                format!("the demo needs a data directory of its own, and `{}` is not empty", directory.display());
            return Err(Failure::cannot_run("CG3070", message, "leave `--data` out, or name an empty directory"));
        }
        Ok(Self { directory: directory.to_owned(), _temporary: None })
    }

    /// Its data directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Sets the demo up through the gateway's own API, calls the servers through its endpoints, and prints what
    /// there is to see. Never returns: the servers and the directory live as long as the future.
    pub(crate) async fn show(self, router: Router, url: String, link: Option<String>) {
        let console = link.map(|link| format!("{url}{link}"));
        let mut kernel = tokio::task::JoinSet::new();
        match self.set_up(router, &url, &mut kernel).await {
            Ok(served) => {
                for server in &served {
                    traffic::burst(server).await;
                }
                self.introduce(&served, console.as_deref());
            }
            Err(failure) => output::note(&format!("error: the demo can't be set up: {failure}")),
        }
        std::future::pending().await
    }

    async fn set_up(
        &self,
        router: Router,
        url: &str,
        kernel: &mut tokio::task::JoinSet<std::io::Result<()>>,
    ) -> Result<[Served; 2], Failure> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(|error| unusable(&error))?;
        let place = listener.local_addr().map_err(|error| unusable(&error))?;
        let tools = ToolList::from_json(KERNEL).map_err(|error| unusable(&error))?;
        let options = FixtureOptions { name: "kernel".to_owned(), ..FixtureOptions::new(tools) };
        kernel.spawn(callgate_fixture::serve_http(listener, Fixture::new(options).map_err(|error| unusable(&error))?));
        let program = std::env::current_exe().map_err(|error| unusable(&error))?;
        let command = json!({ "command": program, "args": ["fixture", "--tools", "pare-docker"] });
        let endpoint = json!({ "url": format!("http://{place}/mcp") });
        let token = std::fs::read_to_string(self.directory.join("admin.token")).map_err(|error| unusable(&error))?;
        let api = Api::here(router, token.trim().to_owned());
        Ok([
            add(&api, url, ("kernel", endpoint, KERNEL)).await?,
            add(&api, url, ("pare-docker", command, PARE_DOCKER)).await?,
        ])
    }

    fn introduce(&self, served: &[Served; 2], console: Option<&str>) {
        let decisions = commands::last(&self.directory.join("journal"), 18).unwrap_or_default();
        let mut text = String::from("\nThe last decisions, newest at the end:\n\n");
        text.push_str(&output::table_text(&commands::HEADINGS, &decisions));
        text.push_str("\n\nThe last one waits for a person's yes. ");
        text.push_str("Two servers stand behind the gateway, each with its recommended policy and one grant:\n\n");
        for Served { name, url, token } in served {
            text.push_str(&format!("  {name:<12} {url}\n  {:<12} Authorization: Bearer {token}\n", ""));
        }
        if let Some(console) = console {
            text.push_str(&format!("\nOpen the console (the link signs in, once):\n\n  {console}\n"));
        }
        let [kernel, _] = served;
        let data = self.directory.display();
        text.push_str(&format!("\nCall a tool yourself:\n\n{}\n", traffic::curl(kernel)));
        text.push_str(&format!(
            "\nSee every decision as it is made:        callgate log --follow --data {data}\n\
             Answer the call that waits for a yes:    callgate approvals watch --data {data}\n\
             Look at a policy:                        callgate policy show --server kernel --data {data}\n\
             Publish your own, live at the next call: callgate policy publish FILE --server kernel --data {data}\n\
             Prove that no record was changed:        callgate journal verify --data {data}\n\nCtrl-C ends the demo.",
        ));
        output::text(&text);
    }
}

async fn add(api: &Api, url: &str, (name, target, list): (&'static str, Value, &str)) -> Result<Served, Failure> {
    api.send(Request::post(path(&["servers"], &[]), &json!({ "name": name, "target": target }))).await?;
    let tools = crate::tool_list::tools(list.as_bytes())?;
    let document = callgate_catalog::recommend(&tools).map_err(|error| unusable(&error))?;
    let document = with_question(name, &document)?;
    let body = json!({ "document": document, "file": format!("the recommended policy of {name}") });
    let place = path(&["servers", name, "policies", "default"], &[]);
    api.send(Request::of(Method::PUT, place, Some(&body))).await?;
    let body = json!({ "server": name, "label": "demo" });
    let minted = api.send(Request::post(path(&["grants"], &[]), &body)).await?.tree();
    let token = minted.get("token").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Served { name, url: format!("{url}/mcp/{name}"), token })
}

/// The policy with a tool that needs a person's yes, so that there is a question to answer.
fn with_question(name: &str, document: &str) -> Result<String, Failure> {
    let Some((tool, why)) = traffic::asking(name) else { return Ok(document.to_owned()) };
    let mut document: Value = serde_json::from_str(document).map_err(|error| unusable(&error))?;
    let entry = document.get_mut("tools").and_then(|tools| tools.get_mut(tool)).and_then(Value::as_object_mut);
    let entry = entry.ok_or_else(|| unusable(&format!("the recommended policy has no `{tool}`")))?;
    let question = json!([{ "conditions": [], "on_deny": why, "timeout": "12h" }]);
    entry.insert("approve_if".to_owned(), question);
    serde_json::to_string_pretty(&document).map_err(|error| unusable(&error))
}

fn unusable(error: &dyn std::fmt::Display) -> Failure {
    Failure::cannot_run(
        "CG3070",
        error.to_string(),
        "start it again; `callgate up` without `--demo` needs none of this",
    )
}
