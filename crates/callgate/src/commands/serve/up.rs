//! `callgate up`: the MCP endpoints of every registered server.

use super::{Ending, children, listen, runtime, start_logging};
use crate::cli::UpArgs;
use crate::commands::fleet::admin_token_remains;
use crate::config::Config;
use crate::data::{self, DataDir, Lock};
use crate::demo::Demo;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::gateway::Owner;
use crate::output;
use crate::watch::Watcher;
use callgate_decision::SystemClock;
use callgate_proxy::{Gate, GateParts, Options};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use tokio::signal::unix::SignalKind;

/// Serves until SIGINT or SIGTERM.
pub(in crate::commands) fn up(args: UpArgs, environment: &Environment) -> Result<Exit, Failure> {
    start_logging(environment);
    let demo = args.demo.then(|| Demo::prepare(args.data.data.as_deref())).transpose()?;
    let config = configuration(&args, environment, demo.is_some())?;
    check_exposure(&config)?;
    let path = match (&demo, args.data.data.as_deref().or(config.data.as_deref())) {
        (Some(demo), _) => demo.directory().to_owned(),
        (None, named) => data::resolve(named, environment)?,
    };
    let data = DataDir::open(&path)?;
    let lock = data.lock()?;
    let listener = TcpListener::bind(config.listen).map_err(|error| {
        let message = format!("can't listen on {}: {error}", config.listen);
        Failure::cannot_run("CG3021", message, "choose another address with `--listen`, or end what uses it")
    })?;
    let runtime = runtime()?;
    let served = runtime.block_on(serve(&args, config, data, lock, listener, environment, demo));
    // What is blocked in the background must not hold up the end.
    runtime.shutdown_background();
    served
}

async fn serve(
    args: &UpArgs,
    config: Config,
    data: DataDir,
    lock: Lock,
    listener: TcpListener,
    environment: &Environment,
    demo: Option<Demo>,
) -> Result<Exit, Failure> {
    let mut ending = Ending::new()?;
    let address = listener.local_addr().unwrap_or(config.listen);
    let url = config.public_url.clone().unwrap_or_else(|| format!("http://{}", reachable(address)));
    let admin_token = data.admin_token();
    let owner = Owner::take(data, lock, &config, environment.clone()).await?;
    let Owner { admin, decider, records, snapshots, seal, socket, notices } = owner;
    admin.announce(url.clone()).await;
    for notice in notices {
        output::note(&notice);
    }
    let options = options(&config, environment);
    let refusals = Arc::new(records);
    let clock = Arc::new(SystemClock);
    let gate = Gate::new(GateParts { snapshots, decider: decider.clone(), clock, refusals, seal, options });
    let operations = tokio::spawn(socket.serve(decider, Arc::clone(&admin)));
    let upkeep = tokio::spawn(upkeep(Arc::clone(&admin), args.config.clone(), environment.clone(), demo.is_some()));
    if admin_token.exists() && demo.is_none() {
        output::note(&admin_token_remains(&admin_token));
    }
    // The listener has a queue already: from here on a connection waits at most for the accept.
    output::announce(&format!("listening on http://{address}"));
    let show = demo.map(|demo| tokio::spawn(demo.show(Arc::clone(&admin), url)));
    let served = callgate_proxy::serve(listener, gate, ending.wait()).await;
    upkeep.abort();
    if let Some(show) = show {
        // Its servers and its directory end with it.
        show.abort();
        drop(show.await);
    }
    operations.abort();
    // The socket's file goes with its task.
    drop(operations.await);
    served
        .map_err(|error| Failure::cannot_run("CG3021", error.to_string(), "choose another address with `--listen`"))?;
    Ok(Exit::Yes)
}

/// Applies edits of policy files to the next call, and reads the configuration again on SIGHUP.
async fn upkeep(
    admin: Arc<crate::admin::Admin>,
    config: Option<std::path::PathBuf>,
    environment: Environment,
    demo: bool,
) -> Result<(), Failure> {
    let mut hangup = listen(SignalKind::hangup())?;
    loop {
        let mut files = Vec::new();
        admin.with_publisher(|publisher| files = publisher.files()).await;
        let mut watcher = watcher(&files);
        // What was edited before the watcher was there.
        reload(&admin).await;
        loop {
            tokio::select! {
                changed = changed(&mut watcher) => {
                    if let Err(error) = changed {
                        output::note(&format!("warning: policy files are no longer watched: {error}; send SIGHUP to read them"));
                        watcher = None;
                    }
                    reload(&admin).await;
                }
                _ = hangup.recv() => break,
            }
        }
        if demo {
            continue;
        }
        match Config::load(config.as_deref(), &environment) {
            Ok(config) => {
                let mut notices = Vec::new();
                admin.with_publisher(|publisher| notices = publisher.declare(&config)).await;
                notices.push("the configuration was read again: servers, grants and policy files apply now, the rest at the next start".to_owned());
                notices.iter().for_each(|notice| output::note(notice));
            }
            Err(failure) => output::note(&format!("error: {failure}\n  what was in force before stays in force")),
        }
    }
}

async fn reload(admin: &crate::admin::Admin) {
    let mut notices = Vec::new();
    admin.with_publisher(|publisher| notices = publisher.reload_files()).await;
    notices.iter().for_each(|notice| output::note(notice));
}

fn watcher(files: &[std::path::PathBuf]) -> Option<Watcher> {
    if files.is_empty() {
        return None;
    }
    match Watcher::new(files) {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            output::note(&format!(
                "warning: the policy files can't be watched: {error}; send SIGHUP to read them again"
            ));
            None
        }
    }
}

async fn changed(watcher: &mut Option<Watcher>) -> std::io::Result<()> {
    match watcher {
        Some(watcher) => watcher.changed().await,
        None => std::future::pending().await,
    }
}

fn configuration(args: &UpArgs, environment: &Environment, demo: bool) -> Result<Config, Failure> {
    let mut config = match demo {
        true => Config::bare(),
        false => Config::load(args.config.as_deref(), environment)?,
    };
    config.listen = args.listen.unwrap_or(config.listen);
    config.insecure |= args.insecure;
    Ok(config)
}

/// Tokens must not travel where others can read them, unless the operator says so.
fn check_exposure(config: &Config) -> Result<(), Failure> {
    if config.tls.is_some() {
        let message = "`tls_cert` and `tls_key` are set, and this version can't end TLS itself";
        let remedy = "put a proxy that ends TLS in front, set `trusted_proxy = true`, and remove the two keys";
        return Err(Failure::cannot_run("CG3022", message, remedy));
    }
    if config.listen.ip().is_loopback() || config.insecure || config.trusted_proxy {
        return Ok(());
    }
    let message = format!("{} is beyond loopback, and tokens would travel in the clear", config.listen);
    let remedy =
        "listen on 127.0.0.1; or set `trusted_proxy = true` where a proxy in front ends TLS; or pass `--insecure`";
    Err(Failure::cannot_run("CG3020", message, remedy))
}

fn options(config: &Config, environment: &Environment) -> Options {
    let (launcher, child_environment) = children(environment);
    let name = config.public_url.as_deref().and_then(|url| url.split("://").nth(1)?.split('/').next());
    let mut public_names: Vec<String> = name.map(str::to_owned).into_iter().collect();
    let ip = config.listen.ip();
    if !ip.is_loopback() && !ip.is_unspecified() {
        public_names.push(SocketAddr::new(ip, config.listen.port()).to_string());
    }
    if ip.is_unspecified() && public_names.is_empty() {
        output::note(
            "warning: set `public_url`: requests that name this machine otherwise than `localhost` are refused",
        );
    }
    Options { public_names, launcher, child_environment, ..Options::default() }
}

/// An address that a client on this machine can use.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        _ => address,
    }
}
