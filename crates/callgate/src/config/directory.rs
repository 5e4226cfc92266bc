//! A directory that `callgate apply` makes true: one file for each object, read with every problem at once.

use super::raw::{self, RawSecret, RawServer};
use super::{DeclaredServer, Reader};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::target;
use callgate_control::{Secret, Target, moment, names};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a directory says, as the API takes it.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Its servers, with their secrets.
    pub(crate) servers: Vec<Value>,
    /// Its policies.
    pub(crate) policies: Vec<Value>,
    /// The organisation's baseline policy.
    pub(crate) baseline: Option<Value>,
    /// Its grants, with their tokens where they have one.
    pub(crate) grants: Vec<Value>,
}

/// `grants.toml`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGrants {
    #[serde(default)]
    grants: Vec<RawGrant>,
}

/// `[[grants]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGrant {
    label: String,
    server: String,
    policy: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    expires: Option<RawMoment>,
    token_env: Option<String>,
    token_file: Option<PathBuf>,
}

/// A moment: with quotes or without.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a moment is written as `2026-12-31T00:00:00Z`")]
enum RawMoment {
    Text(String),
    Moment(toml::value::Datetime),
}

/// Reads a directory while it notes everything that is wrong.
struct Walk<'e> {
    environment: &'e Environment,
    directory: Directory,
    problems: Vec<String>,
}

impl Directory {
    /// Reads `servers/NAME.toml`, `policies/SERVER/NAME.json`, `baseline.json` and `grants.toml`. CG3177.
    pub(crate) fn read(root: &Path, environment: &Environment) -> Result<Self, Failure> {
        if !root.is_dir() {
            let message = format!("`{}` is no directory", root.display());
            return Err(Failure::cannot_run("CG3177", message, "name a directory with `-f`"));
        }
        let mut walk = Walk { environment, directory: Self::default(), problems: Vec::new() };
        for path in walk.entries(root) {
            match (name(&path), path.is_dir()) {
                ("servers", true) => walk.servers(&path),
                ("policies", true) => walk.policies(&path),
                ("baseline.json", false) => walk.directory.baseline = walk.document(&path),
                ("grants.toml", false) => walk.grants(&path),
                ("README.md", false) => {}
                _ => walk.unknown(&path, "`servers/`, `policies/`, `baseline.json` or `grants.toml`"),
            }
        }
        if walk.problems.is_empty() {
            return Ok(walk.directory);
        }
        let message = format!("the directory can't be applied:\n{}", walk.problems.join("\n"));
        Err(Failure::cannot_run("CG3177", message, "correct all of it; nothing was applied"))
    }
}

impl Walk<'_> {
    /// What is in a directory, in order; names that begin with a dot are not looked at.
    fn entries(&mut self, directory: &Path) -> Vec<PathBuf> {
        let read = std::fs::read_dir(directory)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>());
        let mut paths = match read {
            Ok(paths) => paths,
            Err(error) => {
                self.problem(directory, &error.to_string());
                Vec::new()
            }
        };
        paths.retain(|path| !name(path).starts_with('.'));
        paths.sort();
        paths
    }

    fn servers(&mut self, directory: &Path) {
        for path in self.entries(directory) {
            match path.file_stem().and_then(|stem| stem.to_str()) {
                Some(stem) if is(&path, "toml") => self.server(&path, stem),
                _ => self.unknown(&path, "`NAME.toml`"),
            }
        }
    }

    fn server(&mut self, path: &Path, name: &str) {
        let Some(raw) = self.toml::<RawServer>(path) else { return };
        if raw.policy.is_some() {
            return self
                .problem(path, &format!("`policy`: policies are files of their own, `policies/{name}/default.json`"));
        }
        let reader = Reader { file: Some(path), environment: self.environment };
        match reader.server(name, raw) {
            Ok(DeclaredServer { name, target, settings, .. }) => {
                let target = match target {
                    // The gateway runs elsewhere: what is relative is meant from the file.
                    Target::Command { command, args, env, env_from, cwd } => {
                        let cwd = cwd.map(|path| std::path::absolute(&path).unwrap_or(path));
                        Target::Command { command, args, env, env_from, cwd }
                    }
                    target => target,
                };
                self.directory.servers.push(json!({
                    "name": name.as_str(), "target": target::body(&target), "settings": settings, "file": shown(path),
                }));
            }
            Err(failure) => self.failure(&failure, &format!("`servers.{name}.")),
        }
    }

    fn policies(&mut self, directory: &Path) {
        for server in self.entries(directory) {
            if !server.is_dir() {
                self.unknown(&server, "`policies/SERVER/NAME.json`");
                continue;
            }
            for path in self.entries(&server) {
                match path.file_stem().and_then(|stem| stem.to_str()) {
                    Some(stem) if is(&path, "json") => {
                        if let Some(Value::Object(mut document)) = self.document(&path) {
                            document.insert("server".to_owned(), name(&server).into());
                            document.insert("name".to_owned(), stem.into());
                            self.directory.policies.push(Value::Object(document));
                        }
                    }
                    _ => self.unknown(&path, "`NAME.json`"),
                }
            }
        }
    }

    fn document(&mut self, path: &Path) -> Option<Value> {
        let text = self.text(path)?;
        Some(json!({ "document": text, "file": shown(path) }))
    }

    fn grants(&mut self, path: &Path) {
        let Some(RawGrants { grants }) = self.toml(path) else { return };
        for (index, grant) in grants.into_iter().enumerate() {
            let place = format!("grants[{index}]");
            match self.grant(path, &place, grant) {
                Ok(grant) => self.directory.grants.push(grant),
                Err(failure) => self.failure(&failure, "`"),
            }
        }
    }

    fn grant(&self, path: &Path, place: &str, raw: RawGrant) -> Result<Value, Failure> {
        let reader = Reader { file: Some(path), environment: self.environment };
        let RawGrant { label, server, policy, tags, expires, token_env, token_file } = raw;
        let source = match (token_env, token_file) {
            (None, None) => None,
            (Some(env), None) => Some(RawSecret::Env { env }),
            (None, Some(file)) => Some(RawSecret::File { file }),
            (Some(_), Some(_)) => {
                return reader.invalid_err(place, "it has both `token_env` and `token_file`", "keep one");
            }
        };
        let token = source.map(|source| reader.secret(place, source)).transpose()?;
        if let Some(why) = token.as_ref().and_then(|token| names::check_token(token.reveal()).err()) {
            return reader.invalid_err(place, why, "for example `cg_` and the output of `openssl rand -hex 32`");
        }
        let expires = expires.map(|expires| match expires {
            RawMoment::Text(text) => text,
            RawMoment::Moment(moment) => moment.to_string(),
        });
        if let Some(text) = expires.as_ref().filter(|text| moment::parse(text).is_none()) {
            let why = format!("`expires`: `{text}` is no moment with a time zone");
            return reader.invalid_err(place, &why, "for example `2026-12-31T00:00:00Z`");
        }
        Ok(json!({
            "label": label, "server": server, "policy": policy, "tags": tags, "expires": expires,
            "token": token.as_ref().map(Secret::reveal), "file": format!("{}: {place}", shown(path)),
        }))
    }

    fn toml<T: serde::de::DeserializeOwned>(&mut self, path: &Path) -> Option<T> {
        let text = self.text(path)?;
        match toml::from_str(&text) {
            Ok(read) => Some(read),
            Err(error) => {
                self.failure(&raw::broken(path, &text, &error), "");
                None
            }
        }
    }

    fn text(&mut self, path: &Path) -> Option<String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Some(text),
            Err(error) => {
                self.problem(path, &error.to_string());
                None
            }
        }
    }

    fn unknown(&mut self, path: &Path, expected: &str) {
        self.problem(path, &format!("nothing is known of this file; expected is {expected}"));
    }

    fn problem(&mut self, path: &Path, why: &str) {
        self.problems.push(format!("{}: {why}", shown(path)));
    }

    /// `prefix` is what a file of its own need not say.
    fn failure(&mut self, failure: &Failure, prefix: &str) {
        let message = if prefix.is_empty() { failure.message.clone() } else { failure.message.replace(prefix, "`") };
        let remedy = if failure.remedy.is_empty() { String::new() } else { format!("\n    {}", failure.remedy) };
        self.problems.push(format!("{message} [{}]{remedy}", failure.code));
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn is(path: &Path, extension: &str) -> bool {
    path.is_file() && path.extension().is_some_and(|found| found == extension)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
