//! `callgate fixture`: serves a tool list and echoes every call.

use crate::cli::FixtureArgs;
use crate::failure::{Exit, Failure};
use crate::{output, tool_list};
use callgate_fixture::{Fixture, FixtureOptions, KERNEL, PARE_DOCKER, ToolList};
use std::path::Path;

/// Serves until its input ends, or, over HTTP, until it is ended.
pub(super) fn run(args: &FixtureArgs) -> Result<Exit, Failure> {
    let text = match args.tools.as_str() {
        "kernel" => KERNEL.to_owned(),
        "pare-docker" => PARE_DOCKER.to_owned(),
        file => String::from_utf8_lossy(&tool_list::read_file(Path::new(file))?).into_owned(),
    };
    let failed = |error: String| Failure::cannot_run("CG3053", error, "give a tools/list answer");
    let tools = ToolList::from_json(&text).map_err(|error| failed(error.to_string()))?;
    let options = FixtureOptions { log: args.log.clone(), ..FixtureOptions::new(tools) };
    let fixture = Fixture::new(options).map_err(|error| failed(error.to_string()))?;
    let served = super::runtime()?.block_on(async {
        let Some(address) = args.http else { return callgate_fixture::serve_stdio(fixture).await };
        let listener = tokio::net::TcpListener::bind(address).await?;
        output::note(&format!("listening on http://{}", listener.local_addr()?));
        callgate_fixture::serve_http(listener, fixture).await
    });
    served.map_err(|error| Failure::cannot_run("CG3021", format!("the fixture can't serve: {error}"), ""))?;
    Ok(Exit::Yes)
}
