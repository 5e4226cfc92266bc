//! `callgate up`: the MCP endpoints of every registered server, and the admin API beside them.

mod beside;
mod declared;

use super::{Ending, children, runtime, start_logging};
use crate::api::admin_token_remains;
use crate::cli::UpArgs;
use crate::config::Config;
use crate::counters::Observing;
use crate::data::{self, DataDir, Lock};
use crate::definitions::ControlPins;
use crate::demo::Demo;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::gateway::{Owner, Standby};
use crate::output;
use crate::own_server;
use beside::Beside;
use callgate_control::Control;
use callgate_decision::SystemClock;
use callgate_proxy::{Gate, GateParts, Listening, Options, ServerTls};
use declared::{Declared, Sources};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Serves until SIGINT or SIGTERM.
pub(in crate::commands) fn up(args: UpArgs, environment: &Environment) -> Result<Exit, Failure> {
    start_logging(environment);
    let demo = args.demo.then(|| Demo::prepare(args.data.data.as_deref())).transpose()?;
    let config = configuration(&args, environment, demo.is_some())?;
    check_exposure(&config)?;
    let tls = certificate(&config)?;
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
    let up = Up { args, config, tls, environment: environment.clone() };
    let served = runtime.block_on(up.serve(data, lock, listener, demo));
    // What is blocked in the background must not hold up the end.
    runtime.shutdown_background();
    served
}

/// What was asked for.
struct Up {
    args: UpArgs,
    config: Config,
    tls: Option<ServerTls>,
    environment: Environment,
}

impl Up {
    async fn serve(
        self,
        data: DataDir,
        lock: Lock,
        listener: TcpListener,
        demo: Option<Demo>,
    ) -> Result<Exit, Failure> {
        let Self { args, config, tls, environment } = self;
        let ending = Ending::new()?;
        let address = listener.local_addr().unwrap_or(config.listen);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = config.public_url.clone().unwrap_or_else(|| format!("{scheme}://{}", reachable(address)));
        let owner = Owner::take(data, lock, &config, &environment).await?;
        let Owner { standby, decider, records, snapshots, maker, in_force, seal, socket } = owner;
        let journal = records.journal();
        standby.announce(&url);
        let maker = tokio::spawn(maker.follow());
        let pins = ControlPins { control: standby.control.clone(), in_force: in_force.clone() };
        let mut declared = Declared::new(standby.control.clone(), in_force, config.clone());
        declared.declare().await?;
        let gate = Gate::new(GateParts {
            snapshots,
            decider: decider.clone(),
            clock: Arc::new(SystemClock),
            refusals: Arc::new(records),
            approvals: standby.control.approvals(),
            pins: Arc::new(pins),
            seal,
            options: options(&config, &environment),
        });
        standby.control.observe_with(Arc::new(Observing::new(&gate)));
        let listening = listening(listener, tls.as_ref(), &standby, config.trusted_proxy);
        let operations = tokio::spawn(socket.serve(decider, standby.control.approvals(), standby.router.clone()));
        let configuration = (!args.demo).then_some((args.config, environment));
        let indexing = tokio::spawn(standby.control.indexer(&standby.data.journal()).run());
        let retention = tokio::spawn(standby.control.clone().retain(config.journal_retention));
        let telling = tokio::spawn(standby.control.clone().deliver());
        let upkeep = tokio::spawn(declared.keep(Sources { configuration, tls }));
        if demo.is_none() {
            welcome(&standby, &url);
        }
        // The listener has a queue already: from here on a connection waits at most for the accept.
        output::announce(&format!("listening on {scheme}://{address}"));
        let link = standby.first_link.as_ref().map(|link| link.reveal().to_owned());
        let show = demo.map(|demo| tokio::spawn(demo.show(standby.router.clone(), url, link)));
        let served = callgate_proxy::serve(listening, gate, wound_up(ending, standby.control.clone())).await;
        journal.write_refused();
        upkeep.abort();
        [maker, indexing, telling, retention].iter().for_each(JoinHandle::abort);
        if let Some(show) = show {
            // Its servers and its directory end with it.
            end(show).await;
        }
        // The socket's file goes with its task.
        end(operations).await;
        served.map_err(|error| {
            Failure::cannot_run("CG3021", error.to_string(), "choose another address with `--listen`")
        })?;
        Ok(Exit::Yes)
    }
}

/// The listener, with the API and the gateway's own server beside MCP.
fn listening(listener: TcpListener, tls: Option<&ServerTls>, standby: &Standby, proxied: bool) -> Listening {
    let api = standby.router.clone();
    let router = api.clone().merge(callgate_console::router(api)).merge(own_server::router(standby.control.clone()));
    let listening = Listening::from(listener).with_elsewhere(Arc::new(Beside::new(router, proxied)));
    match tls {
        Some(tls) => listening.with_tls(tls.clone()),
        None => listening,
    }
}

/// Waits for the end, and tells those who wait for news.
async fn wound_up(mut ending: Ending, control: Control) {
    ending.wait().await;
    control.wind_up();
}

/// Ends a task, and waits until what it holds is gone.
async fn end(task: JoinHandle<()>) {
    task.abort();
    drop(task.await);
}

/// What the operator has to do next, and what stays to be done.
fn welcome(standby: &Standby, url: &str) {
    if let Some(link) = &standby.first_link {
        let message = format!("open the console, and sign in as `admin`, once, within a day: {url}{}", link.reveal());
        output::note(&format!("{message}\n  for a new link: `callgate member link admin`"));
    }
    let left = standby.data.admin_token();
    if left.exists() {
        output::note(&admin_token_remains(&left));
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

fn certificate(config: &Config) -> Result<Option<ServerTls>, Failure> {
    let Some((chain, key)) = &config.tls else { return Ok(None) };
    let opened = ServerTls::open(chain, key);
    opened
        .map(Some)
        .map_err(|error| Failure::cannot_run(error.code(), error.to_string(), "put the matching pair in place"))
}

/// Tokens must not travel where others can read them, unless the operator says so.
fn check_exposure(config: &Config) -> Result<(), Failure> {
    if config.listen.ip().is_loopback() || config.tls.is_some() || config.insecure || config.trusted_proxy {
        return Ok(());
    }
    let message = format!("{} is beyond loopback, and tokens would travel in the clear", config.listen);
    let remedy = "listen on 127.0.0.1; or set `tls_cert` and `tls_key`; or set `trusted_proxy = true` where a proxy in \
                  front ends TLS; or pass `--insecure`";
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
