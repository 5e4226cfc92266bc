//! `callgate fixture`: serves a tool list and echoes every call, or whatever else a test wants from a server.

use crate::cli::{Era, FixtureArgs, Transport};
use crate::failure::{Exit, Failure};
use crate::{output, tool_list};
use callgate_fixture::{Eras, Fixture, FixtureOptions, KERNEL, PARE_DOCKER, ToolList};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

/// Serves until its input ends, or, over HTTP, until it is ended.
pub(super) fn run(args: &FixtureArgs) -> Result<Exit, Failure> {
    let fixture = Fixture::new(options(args)?).map_err(|error| failed(&error))?;
    let transport = args.transport.unwrap_or(if args.http.is_some() { Transport::Http } else { Transport::Stdio });
    let runtime = super::runtime()?;
    let served = runtime.block_on(async {
        tokio::select! {
            served = serve(transport, args.http, fixture.clone()) => served,
            signalled = listen(&fixture) => signalled,
        }
    });
    // A thread may still wait for input that never comes.
    runtime.shutdown_background();
    served.map_err(|error| Failure::cannot_run("CG3021", format!("the fixture can't serve: {error}"), ""))?;
    Ok(Exit::Yes)
}

fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::cannot_run("CG3053", error.to_string(), "give a tools/list answer")
}

fn options(args: &FixtureArgs) -> Result<FixtureOptions, Failure> {
    let listed = |text: &str| ToolList::from_json(text).map(FixtureOptions::new);
    let options = match args.tools.as_str() {
        "kernel" => listed(KERNEL),
        "pare-docker" => listed(PARE_DOCKER),
        "probe" => FixtureOptions::probe(),
        file => listed(&String::from_utf8_lossy(&tool_list::read_file(Path::new(file))?)),
    };
    let eras = match args.era {
        Era::Legacy => Eras::Legacy,
        Era::Modern => Eras::Modern,
        Era::Both => Eras::Both,
    };
    Ok(FixtureOptions {
        log: args.log.clone(),
        eras,
        live: args.live.then(|| args.tools.clone().into()),
        announces: args.announce,
        sse: args.stream,
        page_size: args.page,
        faults: args.fault.clone(),
        redirect_to: args.redirect_to.clone(),
        ..options.map_err(|error| failed(&error))?
    })
}

async fn serve(transport: Transport, address: Option<SocketAddr>, fixture: Fixture) -> io::Result<()> {
    let Some(address) = address.filter(|_| transport != Transport::Stdio) else {
        return callgate_fixture::serve_stdio(fixture).await;
    };
    let listener = tokio::net::TcpListener::bind(address).await?;
    output::note(&format!("listening on http://{}", listener.local_addr()?));
    match transport {
        Transport::Sse => callgate_fixture::serve_sse(listener, fixture).await,
        Transport::Http | Transport::Stdio => callgate_fixture::serve_http(listener, fixture).await,
    }
}

/// Forgets the sessions at SIGUSR1, and ends at SIGTERM, unless the fixture ignores that.
async fn listen(fixture: &Fixture) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut forget = signal(SignalKind::user_defined1())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => {
                if !fixture.ignores_termination() {
                    return Ok(());
                }
            }
            _ = forget.recv() => fixture.forget_sessions(),
        }
    }
}
