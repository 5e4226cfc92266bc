//! The configuration: `callgate.toml` and `CALLGATE_…` as typed, and what they mean.

mod directory;
mod raw;

use crate::data::DataDir;
use crate::database;
use crate::environment::Environment;
use crate::failure::Failure;
use callgate_control::vault::KeySource;
use raw::{RawConfig, RawGrant, RawSecret, RawSecrets, RawServer};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use callgate_control::settings::Settings;
use callgate_control::{Secret, Target, names};
use callgate_policy::ServerName;

pub(crate) use directory::Directory;

/// Where `up` listens unless told otherwise.
pub(crate) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7070);

/// Everything that `up` is told, parsed.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The file that it was read from, where there is one.
    pub file: Option<PathBuf>,
    /// The data directory, where the configuration names one.
    pub data: Option<PathBuf>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The URL under which clients reach the gateway, without a trailing slash.
    pub public_url: Option<String>,
    /// Whether it may listen beyond loopback without TLS.
    pub insecure: bool,
    /// Whether a proxy that ends TLS stands in front.
    pub trusted_proxy: bool,
    /// Certificate chain and private key, PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The database of its objects; `None` for a file in the data directory.
    pub database_url: Option<Secret>,
    /// Where the keys of secrets come from; `None` for a file in the data directory.
    keys: Option<KeySource>,
    /// Whether a record is on the disk, and not only with the operating system, before its call leaves.
    pub journal_on_disk: bool,
    /// How long records are kept, in milliseconds; without it, for ever.
    pub journal_retention: Option<i64>,
    /// Whether messages to webhooks may go to link-local addresses.
    pub webhooks_link_local: bool,
    /// The servers that it declares.
    pub servers: Vec<DeclaredServer>,
    /// The grants that it declares.
    pub grants: Vec<DeclaredGrant>,
}

/// A server that the configuration declares.
#[derive(Clone, Debug)]
pub(crate) struct DeclaredServer {
    /// Its name.
    pub name: ServerName,
    /// Where it is.
    pub target: Target,
    /// How it is treated.
    pub settings: Settings,
    /// The policy file of all its grants that name no other policy; live.
    pub policy: Option<PathBuf>,
}

/// A grant that the configuration declares.
#[derive(Clone, Debug)]
pub(crate) struct DeclaredGrant {
    /// Its label.
    pub label: String,
    /// The server that it opens.
    pub server: ServerName,
    /// Its token.
    pub token: Secret,
    /// A published policy of the server; `None` for the server's policy file.
    pub policy: Option<String>,
    /// Tags that rules can look at.
    pub tags: BTreeMap<String, String>,
}

impl Config {
    /// What counts where nothing is configured.
    pub(crate) fn bare() -> Self {
        Self {
            file: None,
            data: None,
            listen: DEFAULT_LISTEN,
            public_url: None,
            insecure: false,
            trusted_proxy: false,
            tls: None,
            database_url: None,
            keys: None,
            journal_on_disk: false,
            journal_retention: None,
            webhooks_link_local: false,
            servers: Vec::new(),
            grants: Vec::new(),
        }
    }

    /// Reads the configuration: the file that was typed, else `CALLGATE_CONFIG`, else `callgate.toml` in the working
    /// directory, else none; and over it the environment.
    pub(crate) fn load(typed: Option<&Path>, environment: &Environment) -> Result<Self, Failure> {
        let file = file(typed, environment);
        let raw = file.as_deref().map_or_else(|| Ok(RawConfig::default()), raw::read)?;
        let raw = raw.overlaid(environment)?;
        Reader { file: file.as_deref(), environment }.config(raw)
    }

    /// What a command that does not serve has to know: where the objects of a data directory are, and their keys.
    /// `DATABASE_URL` counts only on a directory whose objects are elsewhere: it may be set for another program.
    pub(crate) fn of_directory(data: &DataDir, environment: &Environment) -> Result<Self, Failure> {
        let elsewhere = database::remembered(data)?.is_some_and(|place| !place.starts_with("sqlite:"));
        let file = file(None, environment);
        let mut raw = file.as_deref().map_or_else(|| Ok(RawConfig::default()), raw::read)?;
        let named = environment.text("DATABASE_URL").filter(|_| elsewhere);
        raw.database_url = named.map(str::to_owned).or(raw.database_url);
        raw.secrets = raw::secrets(environment).or(raw.secrets);
        let reader = Reader { file: file.as_deref(), environment };
        let database_url = raw.database_url.map(|url| reader.database_url(url)).transpose()?;
        let webhooks_link_local = raw.webhooks.and_then(|webhooks| webhooks.allow_link_local).unwrap_or(false);
        Ok(Self { database_url, keys: reader.keys(raw.secrets)?, webhooks_link_local, ..Self::bare() })
    }

    /// Where the keys of secrets come from.
    pub(crate) fn keys(&self, data: &DataDir) -> KeySource {
        self.keys.clone().unwrap_or_else(|| KeySource::File(data.root().join("keys/secrets.key")))
    }
}

/// The file that was typed, else named, else the one of the working directory.
fn file(typed: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
    let named = typed.map(Path::to_owned).or_else(|| environment.path("CALLGATE_CONFIG"));
    named.or_else(|| Some(PathBuf::from("callgate.toml")).filter(|path| path.exists()))
}

/// Gives raw values their meaning; knows the place for messages.
struct Reader<'a> {
    file: Option<&'a Path>,
    environment: &'a Environment,
}

impl Reader<'_> {
    fn config(&self, raw: RawConfig) -> Result<Config, Failure> {
        let listen = match raw.listen {
            None => DEFAULT_LISTEN,
            Some(text) => text.parse().map_err(|_| {
                self.invalid("listen", &format!("`{text}` is no address with a port"), "for example `127.0.0.1:7070`")
            })?,
        };
        let tls = match (raw.tls_cert, raw.tls_key) {
            (Some(cert), Some(key)) => Some((self.relative(cert), self.relative(key))),
            (None, None) => None,
            (Some(_), None) => return Err(self.invalid("tls_cert", "it stands alone", "add `tls_key`")),
            (None, Some(_)) => return Err(self.invalid("tls_key", "it stands alone", "add `tls_cert`")),
        };
        let public_url = raw.public_url.map(|url| self.http_url("public_url", url)).transpose()?;
        let journal = raw.journal.unwrap_or_default();
        let journal_retention = journal.retention.map(|text| self.retention(&text)).transpose()?;
        let journal_on_disk = match journal.sync.as_deref() {
            None | Some("process") => false,
            Some("disk") => true,
            Some(other) => {
                return Err(self.invalid("journal.sync", &format!("`{other}` is unknown"), "`process` or `disk`"));
            }
        };
        let database_url = raw.database_url.map(|url| self.database_url(url)).transpose()?;
        let keys = self.keys(raw.secrets)?;
        let servers =
            raw.servers.into_iter().map(|(name, server)| self.server(&name, server)).collect::<Result<Vec<_>, _>>()?;
        let grants = raw.grants.into_iter().enumerate().map(|(index, grant)| self.grant(index, grant));
        Ok(Config {
            file: self.file.map(Path::to_owned),
            data: raw.data.map(|path| self.relative(path)),
            listen,
            public_url: public_url.map(|url| url.trim_end_matches('/').to_owned()),
            insecure: raw.insecure.unwrap_or(false),
            trusted_proxy: raw.trusted_proxy.unwrap_or(false),
            tls,
            database_url,
            keys,
            journal_on_disk,
            journal_retention,
            webhooks_link_local: raw.webhooks.and_then(|webhooks| webhooks.allow_link_local).unwrap_or(false),
            servers,
            grants: grants.collect::<Result<Vec<_>, _>>()?,
        })
    }

    fn database_url(&self, url: String) -> Result<Secret, Failure> {
        let known = ["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| url.starts_with(scheme));
        if known {
            return Ok(Secret::new(url));
        }
        // Without the value: it may hold a password.
        self.invalid_err(
            "database_url",
            "it is none of `sqlite:PATH` and `postgres://…`",
            "for example `postgres://callgate@db/callgate`",
        )
    }

    fn keys(&self, raw: Option<RawSecrets>) -> Result<Option<KeySource>, Failure> {
        let Some(RawSecrets { key_file, key_env, key_command }) = raw else { return Ok(None) };
        match (key_file, key_env, key_command) {
            (None, None, None) => Ok(None),
            (Some(file), None, None) => Ok(Some(KeySource::File(self.relative(file)))),
            (None, Some(env), None) => {
                Ok(Some(KeySource::Environment(self.secret("secrets.key_env", RawSecret::Env { env })?)))
            }
            (None, None, Some(command)) => {
                let words = command.into_words();
                match words.first().is_some_and(|word| !word.is_empty()) {
                    true => Ok(Some(KeySource::Command(words))),
                    false => {
                        self.invalid_err("secrets.key_command", "it is empty", "name a program that prints the keys")
                    }
                }
            }
            _ => self.invalid_err(
                "secrets",
                "it has more than one of `key_file`, `key_env` and `key_command`",
                "keep one of them",
            ),
        }
    }

    fn server(&self, name: &str, mut raw: RawServer) -> Result<DeclaredServer, Failure> {
        let place = format!("servers.{name}");
        let server = names::server_name(name).map_err(|error| self.invalid(&place, &error.message, &error.remedy))?;
        let settings = Settings::read(raw.take_settings())
            .map_err(|wrong| self.invalid(&format!("{place}.{}", wrong.key), &wrong.why, wrong.remedy))?;
        let target = match (raw.url, raw.command) {
            (Some(url), None) => {
                let stdio =
                    [("env", raw.env.is_empty()), ("env_from", raw.env_from.is_empty()), ("cwd", raw.cwd.is_none())];
                let stdio = stdio.into_iter().find(|(_, absent)| !absent).map(|(key, _)| key);
                if let Some(key) = stdio.or_else(|| settings.of_commands()) {
                    return Err(self.invalid(&format!("{place}.{key}"), "it is for commands", "remove it, or `url`"));
                }
                let headers = raw.headers.into_iter().map(|(header, value)| {
                    let place = format!("{place}.headers.{header}");
                    Ok((header, self.secret(&place, value)?))
                });
                Target::Url {
                    url: self.http_url(&format!("{place}.url"), url)?,
                    headers: headers.collect::<Result<_, Failure>>()?,
                }
            }
            (None, Some(command)) => {
                if !raw.headers.is_empty() {
                    return Err(self.invalid(&format!("{place}.headers"), "it is for URLs", "remove it"));
                }
                let mut words = command.into_words().into_iter();
                let program = words.next().filter(|word| !word.is_empty()).ok_or_else(|| {
                    self.invalid(
                        &format!("{place}.command"),
                        "it is empty",
                        "for example `[\"npx\", \"-y\", \"some-server\"]`",
                    )
                })?;
                let env = raw.env.into_iter().map(|(key, value)| {
                    let place = format!("{place}.env.{key}");
                    Ok((key, self.secret(&place, value)?))
                });
                Target::Command {
                    command: program,
                    args: words.chain(raw.args).collect(),
                    env: env.collect::<Result<_, Failure>>()?,
                    env_from: raw.env_from,
                    cwd: raw.cwd.map(|path| self.relative(path)),
                }
            }
            (Some(_), Some(_)) => {
                return Err(self.invalid(&place, "it has both `url` and `command`", "keep one of them"));
            }
            (None, None) => return Err(self.invalid(&place, "it has neither `url` nor `command`", "add one of them")),
        };
        Ok(DeclaredServer { name: server, target, settings, policy: raw.policy.map(|path| self.relative(path)) })
    }

    fn grant(&self, index: usize, raw: RawGrant) -> Result<DeclaredGrant, Failure> {
        let place = format!("grants[{index}]");
        let server = names::server_name(&raw.server)
            .map_err(|error| self.invalid(&format!("{place}.server"), &error.message, &error.remedy))?;
        let source = match (raw.token_env, raw.token_file) {
            (Some(env), None) => RawSecret::Env { env },
            (None, Some(file)) => RawSecret::File { file },
            _ => {
                return Err(self.invalid(
                    &place,
                    "it needs one of `token_env` and `token_file`",
                    "tokens don't stand in the file itself",
                ));
            }
        };
        let token = self.secret(&place, source)?;
        if let Err(why) = names::check_token(token.reveal()) {
            let remedy = "for example `cg_` and the output of `openssl rand -hex 32`";
            return Err(self.invalid(&place, why, remedy));
        }
        Ok(DeclaredGrant { label: raw.label, server, token, policy: raw.policy, tags: raw.tags })
    }

    fn secret(&self, place: &str, raw: RawSecret) -> Result<Secret, Failure> {
        match raw {
            RawSecret::Text(text) => Ok(Secret::new(text)),
            RawSecret::Env { env } => {
                self.environment.text(&env).map(|text| Secret::new(text.to_owned())).ok_or_else(|| {
                    self.invalid(
                        place,
                        &format!("the environment variable `{env}` is unset or empty"),
                        "set it and start again",
                    )
                })
            }
            RawSecret::File { file } => {
                let path = self.relative(file);
                let text = std::fs::read_to_string(&path).map_err(|error| {
                    self.invalid(
                        place,
                        &format!("can't read `{}`: {error}", path.display()),
                        "name a file that this user can read",
                    )
                })?;
                match text.trim() {
                    "" => {
                        Err(self.invalid(place, &format!("`{}` is empty", path.display()), "write the secret into it"))
                    }
                    text => Ok(Secret::new(text.to_owned())),
                }
            }
        }
    }

    fn http_url(&self, place: &str, text: String) -> Result<String, Failure> {
        match names::check_url(&text) {
            Ok(()) => Ok(text),
            Err(why) => {
                Err(self.invalid(place, &format!("`{text}` {why}"), "for example `https://mcp.example.com/mcp`"))
            }
        }
    }

    /// Paths in a configuration file are relative to that file.
    fn relative(&self, path: PathBuf) -> PathBuf {
        match self.file.and_then(Path::parent) {
            Some(directory) if path.is_relative() => directory.join(path),
            _ => path,
        }
    }

    /// How long records are kept.
    fn retention(&self, text: &str) -> Result<i64, Failure> {
        let days = "a duration of an hour or more: `90d`, `12w`";
        let kept = crate::moment::milliseconds(text).filter(|kept| *kept >= 3_600_000);
        kept.ok_or_else(|| self.invalid("journal.retention", &format!("`{text}` can't be kept to"), days))
    }

    fn invalid_err<T>(&self, key: &str, why: &str, remedy: &str) -> Result<T, Failure> {
        Err(self.invalid(key, why, remedy))
    }

    fn invalid(&self, key: &str, why: &str, remedy: &str) -> Failure {
        let file = self.file.map_or_else(|| "the environment".to_owned(), |path| format!("`{}`", path.display()));
        Failure::cannot_run("CG3003", format!("{file}: `{key}`: {why}"), remedy)
    }
}

#[cfg(test)]
mod tests;
