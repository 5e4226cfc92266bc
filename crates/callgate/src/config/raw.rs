//! The configuration as typed by the user.

use crate::environment::Environment;
use crate::failure::Failure;
use callgate_control::settings::RawSettings;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `callgate.toml`, every key optional, unknown keys refused.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) data: Option<PathBuf>,
    pub(super) listen: Option<String>,
    pub(super) public_url: Option<String>,
    pub(super) insecure: Option<bool>,
    pub(super) trusted_proxy: Option<bool>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) database_url: Option<String>,
    pub(super) secrets: Option<RawSecrets>,
    pub(super) journal: Option<RawJournal>,
    pub(super) webhooks: Option<RawWebhooks>,
    #[serde(default)]
    pub(super) servers: BTreeMap<String, RawServer>,
    #[serde(default)]
    pub(super) grants: Vec<RawGrant>,
}

/// `[journal]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawJournal {
    pub(super) sync: Option<String>,
    pub(super) retention: Option<String>,
}

/// `[webhooks]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWebhooks {
    pub(super) allow_link_local: Option<bool>,
}

/// `[secrets]`: one of them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSecrets {
    pub(super) key_file: Option<PathBuf>,
    pub(super) key_env: Option<String>,
    pub(super) key_command: Option<RawCommand>,
}

/// `[servers.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServer {
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, RawSecret>,
    pub(super) command: Option<RawCommand>,
    #[serde(default)]
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, RawSecret>,
    #[serde(default)]
    pub(super) env_from: Vec<String>,
    pub(super) cwd: Option<PathBuf>,
    pub(super) policy: Option<PathBuf>,
    pub(super) era: Option<String>,
    pub(super) share: Option<String>,
    pub(super) idle: Option<String>,
    pub(super) connect_timeout: Option<String>,
    pub(super) silence_timeout: Option<String>,
    pub(super) call_timeout: Option<String>,
    pub(super) max_in_flight: Option<u32>,
    pub(super) max_processes: Option<u32>,
    pub(super) pinning: Option<String>,
    pub(super) quarantine: Option<String>,
}

/// `[[grants]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGrant {
    pub(super) label: String,
    pub(super) server: String,
    pub(super) token_env: Option<String>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) policy: Option<String>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

/// A command: one program, or a list that begins with it.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a command is a string (the program) or a list of strings (program and arguments)")]
pub(super) enum RawCommand {
    Program(String),
    Words(Vec<String>),
}

/// A value that may be secret: as text, from a variable, or from a file.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a value is a string, `{ env = \"NAME\" }` or `{ file = \"PATH\" }`")]
pub(super) enum RawSecret {
    Text(String),
    Env { env: String },
    File { file: PathBuf },
}

impl std::fmt::Debug for RawSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

impl RawServer {
    /// The settings, taken out.
    pub(super) fn take_settings(&mut self) -> RawSettings {
        RawSettings {
            era: self.era.take(),
            share: self.share.take(),
            idle: self.idle.take(),
            connect_timeout: self.connect_timeout.take(),
            silence_timeout: self.silence_timeout.take(),
            call_timeout: self.call_timeout.take(),
            max_in_flight: self.max_in_flight.take(),
            max_processes: self.max_processes.take(),
            pinning: self.pinning.take(),
            quarantine: self.quarantine.take(),
        }
    }
}

impl RawCommand {
    pub(super) fn into_words(self) -> Vec<String> {
        match self {
            Self::Program(program) => vec![program],
            Self::Words(words) => words,
        }
    }
}

/// Variables that are not keys of the file.
const OTHER_VARIABLES: &[&str] =
    &["CALLGATE_CONFIG", "CALLGATE_TOKEN", "CALLGATE_LOG", "CALLGATE_URL", "CALLGATE_ORGANISATION"];

const VARIABLES: &[&str] = &[
    "CALLGATE_DATA",
    "CALLGATE_LISTEN",
    "CALLGATE_PUBLIC_URL",
    "CALLGATE_INSECURE",
    "CALLGATE_TRUSTED_PROXY",
    "CALLGATE_TLS_CERT",
    "CALLGATE_TLS_KEY",
    "CALLGATE_JOURNAL_RETENTION",
    "CALLGATE_JOURNAL_SYNC",
    SECRETS_KEY,
    "CALLGATE_SECRETS_KEY_FILE",
];

/// Holds the keys themselves.
const SECRETS_KEY: &str = "CALLGATE_SECRETS_KEY";

/// Reads a configuration file.
pub(super) fn read(path: &Path) -> Result<RawConfig, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("can't read the configuration `{}`: {error}", path.display());
        Failure::cannot_run("CG3001", message, "name a file that this user can read with `--config FILE`")
    })?;
    toml::from_str(&text).map_err(|error| broken(path, &text, &error))
}

impl RawConfig {
    /// The same with what the environment says on top.
    pub(super) fn overlaid(mut self, environment: &Environment) -> Result<Self, Failure> {
        for name in environment.names_with_prefix("CALLGATE_") {
            let known = VARIABLES.iter().chain(OTHER_VARIABLES).any(|known| *known == name);
            // A cluster that has a service called `callgate` sets these by itself.
            let from_cluster = name.starts_with("CALLGATE_SERVICE_") || name.starts_with("CALLGATE_PORT");
            if !known && !from_cluster {
                let hint = nearest(name, VARIABLES.iter().chain(OTHER_VARIABLES).copied());
                let message = format!("the environment variable `{name}` is unknown");
                return Err(Failure::cannot_run("CG3004", message, hint.unwrap_or_else(|| "unset it".to_owned())));
            }
        }
        let text = |name: &str| environment.text(name).map(str::to_owned);
        self.data = environment.path("CALLGATE_DATA").or(self.data);
        self.listen = text("CALLGATE_LISTEN").or(self.listen);
        self.public_url = text("CALLGATE_PUBLIC_URL").or(self.public_url);
        self.insecure = flag(environment, "CALLGATE_INSECURE")?.or(self.insecure);
        self.trusted_proxy = flag(environment, "CALLGATE_TRUSTED_PROXY")?.or(self.trusted_proxy);
        self.tls_cert = environment.path("CALLGATE_TLS_CERT").or(self.tls_cert);
        self.tls_key = environment.path("CALLGATE_TLS_KEY").or(self.tls_key);
        self.database_url = text("DATABASE_URL").or(self.database_url);
        self.secrets = secrets(environment).or(self.secrets);
        let journal = self.journal.unwrap_or_default();
        let sync = text("CALLGATE_JOURNAL_SYNC").or(journal.sync);
        let retention = text("CALLGATE_JOURNAL_RETENTION").or(journal.retention);
        self.journal = Some(RawJournal { sync, retention });
        Ok(self)
    }
}

/// Where the environment says that keys come from.
pub(super) fn secrets(environment: &Environment) -> Option<RawSecrets> {
    if environment.text(SECRETS_KEY).is_some() {
        return Some(RawSecrets { key_env: Some(SECRETS_KEY.to_owned()), ..RawSecrets::default() });
    }
    let key_file = environment.path("CALLGATE_SECRETS_KEY_FILE")?;
    Some(RawSecrets { key_file: Some(key_file), ..RawSecrets::default() })
}

/// The closest of the known names, as a sentence; `None` where none is close.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let scored = known.map(|known| (strsim::damerau_levenshtein(name, known), known));
    let (distance, best) = scored.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + name.len() / 3).then(|| format!("did you mean `{best}`?"))
}

fn flag(environment: &Environment, name: &str) -> Result<Option<bool>, Failure> {
    match environment.text(name) {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(other) => {
            let message = format!("the environment variable `{name}` is `{other}`");
            Err(Failure::cannot_run("CG3004", message, "set it to `true` or `false`"))
        }
    }
}

/// One message with line and column. The message of the parser names a wrong key and lists the right ones; that list
/// becomes a suggestion.
pub(super) fn broken(path: &Path, text: &str, error: &toml::de::Error) -> Failure {
    let place = error.span().map_or_else(String::new, |span| {
        let (line, column) = callgate_json::line_column(text.as_bytes(), span.start);
        format!(":{line}:{column}")
    });
    let quoted: Vec<&str> = error.message().split('`').skip(1).step_by(2).collect();
    let path = path.display();
    match (error.message().starts_with("unknown field"), quoted.split_first()) {
        (true, Some((unknown, known))) => {
            let all = || format!("known here: {}", known.join(", "));
            let hint = nearest(unknown, known.iter().copied()).unwrap_or_else(all);
            Failure::cannot_run("CG3002", format!("{path}{place}: unknown key `{unknown}`"), hint)
        }
        // The parser's message can quote a value, and a value can be a secret: only its first line, which names types.
        _ => {
            let message = format!("{path}{place}: {}", error.message().lines().next().unwrap_or("no TOML"));
            Failure::cannot_run("CG3003", message, "correct the file and start again")
        }
    }
}
