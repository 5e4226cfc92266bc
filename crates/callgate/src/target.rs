//! Where a server is: as it was typed, as the API takes it, and as the data plane reaches it.

use crate::environment::Environment;
use crate::failure::Failure;
use callgate_control::names::check_url;
use callgate_control::{Secret, Target};
use callgate_proxy::{HttpUpstream, StdioUpstream, UpstreamConfig};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use zeroize::Zeroize;

/// Options that name a server: a URL with headers, or a command with variables.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    pub(crate) url: Option<String>,
    pub(crate) headers: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) env_from: Vec<String>,
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) command: Vec<String>,
}

impl Typed {
    /// The server that the options name.
    pub(crate) fn target(self) -> Result<Target, Failure> {
        if let Some(url) = self.url {
            if let Err(why) = check_url(&url) {
                let message = format!("`--url`: `{url}` {why}");
                return Err(Failure::cannot_run("CG3040", message, "for example `https://mcp.example.com/mcp`"));
            }
            return Ok(Target::Url { url, headers: headers(&self.headers)? });
        }
        let mut words = self.command.into_iter();
        let command = words.next().unwrap_or_default();
        // The gateway may run elsewhere: what was typed here is meant from here.
        let cwd = match self.cwd {
            None => None,
            Some(path) => Some(std::path::absolute(&path).map_err(|error| {
                let message = format!("`--cwd`: `{}`: {error}", path.display());
                Failure::cannot_run("CG3051", message, "name a directory")
            })?),
        };
        let env = variables(&self.env)?;
        Ok(Target::Command { command, args: words.collect(), env, env_from: self.env_from, cwd })
    }
}

/// The headers of options such as `Name: value`. The value is never repeated: it is often secret.
pub(crate) fn headers(typed: &[String]) -> Result<BTreeMap<String, Secret>, Failure> {
    let header = |text: &String| match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), Secret::new(value.trim().to_owned())))
        }
        _ => {
            let message = "`--header`: it should be `Name: value`";
            Err(Failure::cannot_run("CG3051", message, "for example `--header 'Authorization: Bearer …'`"))
        }
    };
    typed.iter().map(header).collect()
}

/// The variables of options such as `K=V`.
pub(crate) fn variables(typed: &[String]) -> Result<BTreeMap<String, Secret>, Failure> {
    let variable = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), Secret::new(value.to_owned()))),
        _ => {
            let message = "`--env`: it should be `KEY=VALUE`";
            Err(Failure::cannot_run("CG3051", message, "for example `--env MODE=quiet`"))
        }
    };
    typed.iter().map(variable).collect()
}

/// A target as the API takes it, secrets and all.
pub(crate) fn body(target: &Target) -> Value {
    match target {
        Target::Url { url, headers } => json!({ "url": url, "headers": revealed(headers) }),
        Target::Command { command, args, env, env_from, cwd } => json!({
            "command": command, "args": args, "env": revealed(env), "env_from": env_from, "cwd": cwd,
        }),
    }
}

/// Secret values by name, as the API takes them.
pub(crate) fn revealed(secrets: &BTreeMap<String, Secret>) -> Value {
    let pairs = secrets.iter().map(|(name, value)| (name.clone(), Value::from(value.reveal())));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// One line about where a server is.
pub(crate) fn summary(target: &Target) -> String {
    match target {
        Target::Url { url, .. } => url.clone(),
        Target::Command { command, args, .. } => {
            std::iter::once(command).chain(args).map(String::as_str).collect::<Vec<_>>().join(" ")
        }
    }
}

/// What the data plane needs to know of a target.
pub(crate) fn upstream(target: &Target, environment: &Environment) -> Result<UpstreamConfig, Failure> {
    match target {
        Target::Url { url, headers } => {
            let mut headers: Vec<(String, String)> =
                headers.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect();
            let http = HttpUpstream::parse(url, &headers)
                .map_err(|error| Failure::cannot_run("CG3040", error.to_string(), "correct the URL or the headers"));
            // What was read is a copy of its own.
            headers.iter_mut().for_each(|(_, value)| value.zeroize());
            Ok(UpstreamConfig::Http(http?))
        }
        Target::Command { command, args, env, env_from, cwd } => {
            let mut variables: Vec<(OsString, OsString)> = Vec::new();
            for name in env_from {
                match environment.raw(name) {
                    Some(value) => variables.push((name.into(), value.clone())),
                    None => tracing::warn!("the variable `{name}` that `{command}` should get is not set here"),
                }
            }
            variables.extend(env.iter().map(|(name, value)| (name.into(), value.reveal().into())));
            Ok(UpstreamConfig::Stdio(StdioUpstream {
                command: command.into(),
                args: args.iter().map(OsString::from).collect(),
                env: variables.into_iter().collect(),
                cwd: cwd.clone(),
            }))
        }
    }
}
