//! `callgate wrap`: a policy between one stdio client and one server, without a daemon.

mod asking;
mod books;
mod lone;
mod pins;
mod published;

use super::{Ending, check_program, children, runtime, start_logging};
use crate::cli::WrapArgs;
use crate::data::{self, DataDir};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output;
use crate::policy_file::PolicyFile;
use crate::settings::{self, SettingsArgs};
use crate::target::{self, Typed};
use crate::watch::Watcher;
use books::Books;
use callgate_control::{Target, names};
use callgate_decision::SystemClock;
use callgate_policy::{Grant, GrantId, Organisation, ServerName};
use callgate_proxy::{Gate, GateParts, Options, Pinning, Quarantine, SealKey, ServerConfig, StdioEnd, TokenKey};
use pins::FilePins;
use published::Published;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;

/// The one grant of a wrapped server: its id and its label.
const GRANT: &str = "local";

/// The organisation that it belongs to.
const ORGANISATION: &str = "default";

/// Serves standard input until it or the server ends, and passes the server's exit status on.
pub(in crate::commands) fn wrap(args: WrapArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    start_logging(environment);
    let wrapped = Wrapped::prepare(&args, environment)?;
    let accept = args.accept_definitions;
    let path = data::resolve(args.data.data.as_deref(), environment)?;
    let data = DataDir::open(&path)?;
    let runtime = runtime()?;
    let served = runtime.block_on(serve(wrapped, accept, data, environment));
    // A thread that still waits for standard input must not hold up the end.
    runtime.shutdown_background();
    served
}

/// What stands between client and server.
struct Wrapped {
    file: PolicyFile,
    server: Arc<ServerConfig>,
    grant: Grant,
    /// What its pins are kept under.
    pins: String,
}

impl Wrapped {
    fn prepare(args: &WrapArgs, environment: &Environment) -> Result<Self, Failure> {
        let (url, headers, command) = (args.url.clone(), args.header.clone(), args.command.clone());
        let target = Typed { url, headers, command, ..Typed::default() }.target()?;
        if let Target::Command { command, cwd, .. } = &target {
            check_program(command, cwd.as_deref(), environment)?;
        }
        let unnamed = |_| Failure::cannot_run("CG3040", "the fixed names can't be used", "");
        let (file, notice) = PolicyFile::open(args.policy.clone())?;
        if let Some(notice) = notice {
            output::note(&notice);
        }
        let summary = target::summary(&target);
        let name = match &args.name {
            Some(name) => names::server_name(name)?,
            None => name_of(file.document_name(), &summary).map_err(unnamed)?,
        };
        // Many commands have one name (`npx`), and their tools must not be taken for each other's.
        let is_named = args.name.is_some() || file.document_name().is_some();
        let pins = match is_named {
            true => name.as_str().to_owned(),
            false => format!("{}-{:.16}", name.as_str(), blake3::hash(summary.as_bytes()).to_hex().as_str()),
        };
        let settings = SettingsArgs { era: args.era.clone(), ..SettingsArgs::default() }.read()?.complete();
        let server = ServerConfig {
            organisation: Organisation::parse(ORGANISATION).map_err(unnamed)?,
            uuid: names::declared_uuid(name.as_str()).into(),
            name,
            upstream: target::upstream(&target, environment)?,
            timeouts: settings::timeouts(&settings),
            era: settings::era(&settings),
            sharing: settings::sharing(&settings),
            limits: settings::limits(&settings),
            pinning: Pinning::default(),
            quarantine: Quarantine::default(),
        };
        let grant =
            Grant { id: GrantId::parse(GRANT).map_err(unnamed)?, label: GRANT.to_owned(), tags: BTreeMap::new() };
        Ok(Self { file, server: Arc::new(server), grant, pins })
    }
}

async fn serve(wrapped: Wrapped, accept: bool, data: DataDir, environment: &Environment) -> Result<ExitCode, Failure> {
    let mut ending = Ending::new()?;
    // Watched before it is published: an edit in between is seen.
    let watcher = Watcher::new(std::slice::from_ref(wrapped.file.path()));
    let books = Books::open(&data, environment).await?;
    let Wrapped { file, server, grant, pins } = wrapped;
    let id = grant.id.clone();
    let (published, snapshots) = Published::new(server, grant, file.attached());
    let published = Arc::new(published);
    let pins = FilePins::open(&data, &pins, accept, Arc::clone(&published))?;
    let (launcher, child_environment) = children(environment);
    let options = Options { workers: 1, launcher, child_environment, ..Options::default() };
    let gate = Gate::new(GateParts {
        snapshots,
        decider: books.decider(),
        clock: Arc::new(SystemClock),
        refusals: books.refusals(),
        approvals: books.approvals(),
        pins: Arc::new(pins),
        seal: SealKey::derive(&TokenKey::new(data.key("token")?)),
        options,
    });
    let edits = tokio::spawn(follow_edits(file, watcher, published));
    let keeper = tokio::spawn(books.keep(data, environment.clone()));
    let ended = tokio::select! {
        ended = callgate_proxy::run_stdio(gate, &id, tokio::io::stdin(), tokio::io::stdout()) => Some(ended),
        () = ending.wait() => None,
    };
    edits.abort();
    keeper.abort();
    // What it still holds, the socket's file and the lock, goes with it.
    drop(keeper.await);
    match ended {
        None | Some(Ok(StdioEnd::ClientLeft | StdioEnd::ServerEnded(None))) => Ok(ExitCode::SUCCESS),
        Some(Ok(StdioEnd::ServerEnded(Some(status)))) => Ok(passed_on(status)),
        Some(Err(error)) => {
            let remedy = "check the command or URL, and the credentials that it needs";
            Err(Failure::cannot_run("CG3052", format!("the server can't be served: {error}"), remedy))
        }
    }
}

/// Publishes every good edit of the policy file; keeps the last good one, and says so, on a bad one.
async fn follow_edits(mut file: PolicyFile, watcher: std::io::Result<Watcher>, published: Arc<Published>) {
    let mut watcher = match watcher {
        Ok(watcher) => watcher,
        Err(error) => {
            output::note(&format!("warning: the policy file can't be watched: {error}; edits apply at the next start"));
            // The snapshot stays in force as long as somebody holds its sender.
            std::future::pending().await
        }
    };
    loop {
        if let Some(notice) = file.reload() {
            // Published before it is said: who reads the notice can rely on it.
            published.follow_policy(file.attached());
            output::note(&notice);
        }
        if let Err(error) = watcher.changed().await {
            output::note(&format!(
                "warning: the policy file is no longer watched: {error}; edits apply at the next start"
            ));
            std::future::pending().await
        }
    }
}

/// The name that the document gives, else the last word of the command or the host of the URL, made usable.
fn name_of(document: Option<&str>, place: &str) -> Result<ServerName, callgate_policy::NameError> {
    if let Some(name) = document.and_then(|name| names::server_name(name).ok()) {
        return Ok(name);
    }
    let host = place.split_once("://").and_then(|(_, rest)| rest.split(['/', ':', '?']).next());
    let program = place.split(' ').next().and_then(|program| program.rsplit('/').next());
    let name: String = document
        .or(host)
        .or(program)
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' })
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(64)
        .collect();
    ServerName::parse(&name).or_else(|_| ServerName::parse("wrapped"))
}

/// A status as shells pass it on: the code, or 128 and the signal.
fn passed_on(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_after_its_policy_its_host_or_its_program() {
        for (document, place, expected) in [
            (Some("kernel"), "npx -y x", "kernel"),
            (Some("Kernel exec: strict"), "npx -y x", "Kernel-exec--strict"),
            (None, "/usr/local/bin/mcp-server-git --repository .", "mcp-server-git"),
            (None, "https://mcp.example.com:8443/mcp", "mcp.example.com"),
            (None, "…", "wrapped"),
            (Some("callgate"), "npx", "callgate"),
        ] {
            assert_eq!(name_of(document, place).unwrap().as_str(), expected, "{document:?} {place}");
        }
    }

    #[test]
    fn exit_statuses_are_passed_on_as_shells_do() {
        assert_eq!(passed_on(ExitStatus::from_raw(3 << 8)), ExitCode::from(3));
        assert_eq!(passed_on(ExitStatus::from_raw(9)), ExitCode::from(137));
    }
}
