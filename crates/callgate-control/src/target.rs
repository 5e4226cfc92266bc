//! Where a server is: as requests say it, as it is kept, and as anybody may see it.

use crate::error::{Error, Kind};
use crate::names;
use crate::secret::Secret;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// Where a server is, with its secrets. Read from requests; never written as it is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "RawTarget")]
pub enum Target {
    /// Streamable HTTP, or HTTP+SSE.
    Url {
        /// Its URL.
        url: String,
        /// Headers of every request.
        headers: BTreeMap<String, Secret>,
    },
    /// A command that speaks MCP on its standard streams.
    Command {
        /// The program.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Its variables.
        env: BTreeMap<String, Secret>,
        /// Variables that it gets from the gateway's environment.
        env_from: Vec<String>,
        /// Its working directory.
        cwd: Option<PathBuf>,
    },
}

/// Where a server is, without its secrets: names of headers and variables only. As it is kept, and in every answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum PublicTarget {
    /// Streamable HTTP, or HTTP+SSE.
    Url {
        /// Its URL.
        url: String,
        /// The names of its headers.
        headers: Vec<String>,
    },
    /// A command that speaks MCP on its standard streams.
    Command {
        /// The program.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// The names of its variables.
        env: Vec<String>,
        /// Variables that it gets from the gateway's environment.
        env_from: Vec<String>,
        /// Its working directory.
        #[schema(value_type = Option<String>)]
        cwd: Option<PathBuf>,
    },
}

/// Where a server is: a URL or a command, with its credentials.
#[derive(ToSchema)]
#[schema(as = Target)]
#[expect(dead_code, reason = "only its schema is used: requests are read as `RawTarget`, whose messages are better")]
#[serde(untagged)]
pub(crate) enum TargetSchema {
    /// Streamable HTTP, or HTTP+SSE.
    Url(UrlSchema),
    /// A command that speaks MCP on its standard streams.
    Command(CommandSchema),
}

/// A server with a URL.
#[derive(ToSchema)]
#[schema(as = UrlTarget)]
#[expect(dead_code, reason = "only its schema is used")]
#[serde(deny_unknown_fields)]
pub(crate) struct UrlSchema {
    /// Its URL.
    #[schema(example = "https://mcp.example.com/mcp", pattern = "^https?://")]
    url: String,
    /// Headers of every request, kept secret.
    headers: Option<BTreeMap<String, String>>,
}

/// A server that is a command.
#[derive(ToSchema)]
#[schema(as = CommandTarget)]
#[expect(dead_code, reason = "only its schema is used")]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandSchema {
    /// The program.
    #[schema(min_length = 1)]
    command: String,
    /// Its arguments.
    args: Option<Vec<String>>,
    /// Its variables, kept secret.
    env: Option<BTreeMap<String, String>>,
    /// Variables that it gets from the gateway's environment.
    env_from: Option<Vec<String>>,
    /// Its working directory, an absolute path.
    cwd: Option<String>,
}

/// A target as typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTarget {
    url: Option<String>,
    #[serde(default, deserialize_with = "values")]
    headers: Option<BTreeMap<String, Secret>>,
    command: Option<String>,
    args: Option<Vec<String>>,
    #[serde(default, deserialize_with = "values")]
    env: Option<BTreeMap<String, Secret>>,
    env_from: Option<Vec<String>>,
    cwd: Option<PathBuf>,
}

impl Target {
    /// The same without its secrets.
    pub fn public(&self) -> PublicTarget {
        match self {
            Self::Url { url, headers } => {
                PublicTarget::Url { url: url.clone(), headers: headers.keys().cloned().collect() }
            }
            Self::Command { command, args, env, env_from, cwd } => PublicTarget::Command {
                command: command.clone(),
                args: args.clone(),
                env: env.keys().cloned().collect(),
                env_from: env_from.clone(),
                cwd: cwd.clone(),
            },
        }
    }

    /// The values of its headers or variables.
    pub fn secrets(&self) -> &BTreeMap<String, Secret> {
        match self {
            Self::Url { headers, .. } => headers,
            Self::Command { env, .. } => env,
        }
    }

    /// The same place with other values.
    pub fn with_secrets(mut self, values: BTreeMap<String, Secret>) -> Self {
        match &mut self {
            Self::Url { headers, .. } => *headers = values,
            Self::Command { env, .. } => *env = values,
        }
        self
    }

    /// Whether it is for a command, which has settings of its own.
    pub fn is_command(&self) -> bool {
        matches!(self, Self::Command { .. })
    }

    /// Whether it can be a server, as far as that can be told without the data plane. CG3040.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Self::Url { url, headers } => {
                if let Err(why) = names::check_url(url) {
                    return Err(unusable(
                        format!("`target.url`: `{}` {why}", short(url)),
                        "for example `https://mcp.example.com/mcp`",
                    ));
                }
                let mut seen = BTreeSet::new();
                match headers.keys().find(|name| !seen.insert(name.to_ascii_lowercase())) {
                    Some(name) => {
                        Err(unusable(format!("`target.headers`: `{}` is there twice", short(name)), "keep one of them"))
                    }
                    None => Ok(()),
                }
            }
            Self::Command { command, args, env, env_from, cwd } => {
                check_command(command, args)?;
                if let Some(name) = env.keys().chain(env_from).find(|name| !is_variable(name)) {
                    return Err(unusable(
                        format!("`target.env`: `{}` is no name of a variable", short(name)),
                        "a name is not empty and has no `=`",
                    ));
                }
                if let Some((name, _)) = env.iter().find(|(_, value)| value.reveal().contains('\0')) {
                    return Err(unusable(
                        format!("`target.env`: the value of `{}` has a zero byte", short(name)),
                        "remove it",
                    ));
                }
                match cwd {
                    Some(path) if !path.is_absolute() => Err(unusable(
                        format!("`target.cwd`: `{}` is no absolute path", path.display()),
                        "name it from the root",
                    )),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Its secret values as they are sealed; `None` where it has none.
    pub(crate) fn values(&self) -> Option<Zeroizing<Vec<u8>>> {
        let values = self.secrets();
        if values.is_empty() {
            return None;
        }
        // Room for all of it at once: a buffer that grows leaves copies behind. A byte becomes at most six.
        let room = values.iter().map(|(name, value)| 6 * (name.len() + value.reveal().len()) + 8).sum::<usize>() + 2;
        let mut text = Zeroizing::new(Vec::with_capacity(room));
        let plain: BTreeMap<&str, &str> = values.iter().map(|(name, value)| (&**name, value.reveal())).collect();
        // A map of texts can always be written into memory.
        serde_json::to_writer(&mut *text, &plain).ok()?;
        Some(text)
    }
}

impl PublicTarget {
    /// The same without any secrets, and with the place for them.
    pub(crate) fn bare(self) -> Target {
        match self {
            Self::Url { url, .. } => Target::Url { url, headers: BTreeMap::new() },
            Self::Command { command, args, env_from, cwd, .. } => {
                Target::Command { command, args, env: BTreeMap::new(), env_from, cwd }
            }
        }
    }

    /// The names of its headers or variables.
    pub(crate) fn names(&self) -> &[String] {
        match self {
            Self::Url { headers, .. } => headers,
            Self::Command { env, .. } => env,
        }
    }
}

impl TryFrom<RawTarget> for Target {
    type Error = &'static str;

    fn try_from(raw: RawTarget) -> Result<Self, &'static str> {
        let RawTarget { url, headers, command, args, env, env_from, cwd } = raw;
        match (url, command) {
            (Some(url), None) if args.is_none() && env.is_none() && env_from.is_none() && cwd.is_none() => {
                Ok(Self::Url { url, headers: headers.unwrap_or_default() })
            }
            (Some(_), None) => Err("`args`, `env`, `env_from` and `cwd` are for commands, and the target has a `url`"),
            (None, Some(_)) if headers.is_some() => Err("`headers` are for URLs, and the target has a `command`"),
            (None, Some(command)) => Ok(Self::Command {
                command,
                args: args.unwrap_or_default(),
                env: env.unwrap_or_default(),
                env_from: env_from.unwrap_or_default(),
                cwd,
            }),
            (Some(_), Some(_)) => Err("the target has both `url` and `command`"),
            (None, None) => Err("the target has neither `url` nor `command`"),
        }
    }
}

/// Values that are secret. A message of the reader would quote what it stumbles over.
pub(crate) fn values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, Secret>>, D::Error> {
    let read = Option::<BTreeMap<String, Secret>>::deserialize(deserializer);
    read.map_err(|_| serde::de::Error::custom("an object whose values are texts is expected"))
}

fn check_command(command: &str, args: &[String]) -> Result<(), Error> {
    if command.is_empty() {
        return Err(unusable("`target.command` is empty", "name a program"));
    }
    if std::iter::once(command).chain(args.iter().map(String::as_str)).any(|word| word.contains('\0')) {
        return Err(unusable("`target.command` or an argument has a zero byte", "remove it"));
    }
    Ok(())
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

fn unusable(message: impl Into<String>, remedy: &'static str) -> Error {
    Error::new(Kind::Invalid, "CG3040", message, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_target_is_read_with_one_clear_message() {
        for (text, expected) in [
            (json!({ "url": "http://x/" }), Ok(())),
            (json!({ "url": "http://x/", "headers": { "A": "b" } }), Ok(())),
            (json!({ "command": "x", "args": ["y"], "env": { "A": "b" }, "env_from": [], "cwd": "/" }), Ok(())),
            (json!({ "command": "x", "cwd": null }), Ok(())),
            (json!({}), Err("neither `url` nor `command`")),
            (json!({ "url": "http://x/", "command": "x" }), Err("both `url` and `command`")),
            (json!({ "url": "http://x/", "env": {} }), Err("are for commands")),
            (json!({ "command": "x", "headers": {} }), Err("are for URLs")),
            (json!({ "command": "x", "lazy": 1 }), Err("unknown field `lazy`")),
            (json!({ "url": "http://x/", "headers": "hush" }), Err("values are texts")),
            (json!({ "url": "http://x/", "headers": { "A": 4711 } }), Err("values are texts")),
        ] {
            let read = serde_json::from_value::<Target>(text.clone()).map_err(|error| error.to_string());
            match (read, expected) {
                (Ok(_), Ok(())) => {}
                (Err(message), Err(part)) => {
                    assert!(message.contains(part), "{text}: {message}");
                    assert!(!message.contains("hush") && !message.contains("4711"), "{message}");
                }
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }

    #[test]
    fn nothing_secret_is_shown_and_nothing_else_is_lost() {
        let target: Target = serde_json::from_value(json!({
            "command": "npx", "args": ["-y"], "env": { "KEY": "hush" }, "env_from": ["HOME"], "cwd": "/srv",
        }))
        .unwrap();
        let public = serde_json::to_value(target.public()).unwrap();
        assert_eq!(
            public,
            json!({ "command": "npx", "args": ["-y"], "env": ["KEY"], "env_from": ["HOME"], "cwd": "/srv" })
        );
        assert!(!format!("{target:?}").contains("hush"));
        let kept: PublicTarget = serde_json::from_value(public).unwrap();
        assert_eq!(kept.names(), ["KEY"]);
        let values: BTreeMap<String, Secret> = serde_json::from_slice(&target.values().unwrap()).unwrap();
        assert_eq!(kept.bare().with_secrets(values), target);
    }

    #[test]
    fn targets_that_cannot_be_servers() {
        for (text, part) in [
            (json!({ "url": "ftp://x/" }), "has to begin with"),
            (json!({ "url": "http://x/", "headers": { "A": "1", "a": "2" } }), "is there twice"),
            (json!({ "command": "" }), "is empty"),
            (json!({ "command": "x", "args": ["a\u{0}"] }), "zero byte"),
            (json!({ "command": "x", "env": { "A=B": "" } }), "no name of a variable"),
            (json!({ "command": "x", "env": { "A": "\u{0}" } }), "zero byte"),
            (json!({ "command": "x", "cwd": "here" }), "no absolute path"),
        ] {
            let error = serde_json::from_value::<Target>(text).unwrap().check().unwrap_err();
            assert!(error.message.contains(part), "{error}");
        }
    }
}
