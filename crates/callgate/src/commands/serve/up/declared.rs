//! What the configuration file declares, kept as it says: at the start, when a policy file is saved, and on SIGHUP.

use crate::commands::serve::listen;
use crate::config::Config;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output;
use crate::snapshots::InForce;
use crate::watch::Watcher;
use callgate_control::Control;
use callgate_control::apply::{Declaration, DeclaredGrant, DeclaredServer, DesiredDocument};
use callgate_proxy::ServerTls;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::signal::unix::SignalKind;

/// The organisation that a configuration file is about.
const ORGANISATION: &str = "default";

/// The declarations of one configuration.
pub(super) struct Declared {
    control: Control,
    in_force: InForce,
    config: Config,
    /// What was read of the policy files last, so that a touch without a change says nothing.
    seen: Vec<Option<Vec<u8>>>,
}

/// What can be read again.
pub(super) struct Sources {
    /// The configuration file that was typed, and the environment; nothing where the configuration came from nowhere.
    pub(super) configuration: Option<(Option<PathBuf>, Environment)>,
    /// The certificate.
    pub(super) tls: Option<ServerTls>,
}

impl Declared {
    /// The declarations of this configuration.
    pub(super) fn new(control: Control, in_force: InForce, config: Config) -> Self {
        Self { control, in_force, config, seen: Vec::new() }
    }

    /// Makes the store say what the configuration declares; when this returns, calls are decided by it.
    pub(super) async fn declare(&mut self) -> Result<(), Failure> {
        let files = self.files().into_iter().map(|file| std::fs::read(file).ok());
        self.seen = files.collect();
        let servers = self.config.servers.iter().map(|server| DeclaredServer {
            name: server.name.as_str().to_owned(),
            target: server.target.clone(),
            settings: server.settings.clone(),
            policy: server.policy.as_deref().map(document),
        });
        let grants = self.config.grants.iter().map(|grant| DeclaredGrant {
            label: grant.label.clone(),
            server: grant.server.as_str().to_owned(),
            token: grant.token.clone(),
            policy: grant.policy.clone(),
            tags: grant.tags.clone(),
        });
        let declaration = Declaration { servers: servers.collect(), grants: grants.collect() };
        let file = self
            .config
            .file
            .as_deref()
            .map_or_else(|| "the configuration".to_owned(), |file| file.display().to_string());
        let notes = self.control.declare(ORGANISATION, &file, declaration).await?;
        // Before it is said: who reads the notes can rely on them.
        self.in_force.wait().await;
        notes.iter().for_each(|note| output::note(note));
        Ok(())
    }

    /// Applies edits of policy files to the next call, and reads everything again on SIGHUP.
    pub(super) async fn keep(mut self, sources: Sources) -> Result<(), Failure> {
        let mut hangup = listen(SignalKind::hangup())?;
        loop {
            let mut watcher = watcher(&self.files());
            // What was edited before the watcher was there.
            self.reload().await;
            loop {
                tokio::select! {
                    changed = changed(&mut watcher) => {
                        if let Err(error) = changed {
                            output::note(&format!("warning: policy files are no longer watched: {error}; send SIGHUP to read them"));
                            watcher = None;
                        }
                        self.reload().await;
                    }
                    _ = hangup.recv() => break,
                }
            }
            if let Some(tls) = &sources.tls {
                match tls.reload() {
                    Ok(()) => output::note("the certificate was read again: it applies to new connections"),
                    Err(error) => output::note(&format!(
                        "error: {error} [{}]\n  the certificate before stays in force",
                        error.code()
                    )),
                }
            }
            if let Some((file, environment)) = &sources.configuration {
                self.read_again(file.as_deref(), environment).await;
            }
        }
    }

    async fn read_again(&mut self, file: Option<&Path>, environment: &Environment) {
        let before = self.config.clone();
        let read = Config::load(file, environment).map(|config| self.config = config);
        let declared = match read {
            Ok(()) => self.declare().await,
            Err(failure) => Err(failure),
        };
        match declared {
            Ok(()) => output::note(
                "the configuration was read again: servers, grants and policy files apply now, the rest at the next start",
            ),
            Err(failure) => {
                self.config = before;
                output::note(&format!("error: {failure}\n  what was in force before stays in force"));
            }
        }
    }

    /// Declares again where a policy file is not what was read last.
    async fn reload(&mut self) {
        let now: Vec<Option<Vec<u8>>> = self.files().into_iter().map(|file| std::fs::read(file).ok()).collect();
        if now != self.seen
            && let Err(failure) = self.declare().await
        {
            output::note(&format!("error: {failure}\n  what was in force before stays in force"));
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        self.config.servers.iter().filter_map(|server| server.policy.clone()).collect()
    }
}

fn document(file: &Path) -> DesiredDocument {
    let name = file.display().to_string();
    let text = match std::fs::read(file) {
        Ok(bytes) => String::from_utf8(bytes).map(Arc::from).map_err(|_| format!("`{name}` is no UTF-8 text")),
        Err(error) => Err(format!("can't read `{name}`: {error}")),
    };
    DesiredDocument { text, file: name }
}

fn watcher(files: &[PathBuf]) -> Option<Watcher> {
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
