//! What a data directory knows: servers, published policies, grants; one file, replaced as a whole.

mod names;

use crate::data::{self, DataDir};
use crate::failure::Failure;
use crate::settings::Settings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

pub(crate) use names::{check_token, check_url, declared_uuid, mint_token, new_uuid, policy_name, server_name};

/// The one organisation of this version.
pub(crate) const ORGANISATION: &str = "default";

/// What this version writes and reads.
const FORMAT: u32 = 1;

/// Everything that is configured through the command line, as `state.json` holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// The format of the file.
    pub format: u32,
    /// Counts the changes.
    pub generation: u64,
    /// The keyed hash of the admin credential, in hexadecimal.
    pub admin: Option<String>,
    /// The servers by name.
    pub servers: BTreeMap<String, Server>,
    /// A change that is in this file and may not be in the journal yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox: Option<Change>,
}

/// One registered server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    /// Its stable identity.
    pub uuid: String,
    /// Where it is; `None` for a server that the configuration file declares: only its grants stand here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// How it is treated.
    #[serde(default, skip_serializing_if = "Settings::is_default")]
    pub settings: Settings,
    /// Its published policies by name.
    #[serde(default)]
    pub policies: BTreeMap<String, Published>,
    /// Its grants by id.
    #[serde(default)]
    pub grants: BTreeMap<String, Grant>,
}

/// Where a server is.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Target {
    /// Streamable HTTP.
    Url {
        /// Its URL.
        url: String,
        /// Headers of every request: often secret.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// A command that speaks MCP on its standard streams.
    Command {
        /// The program.
        command: String,
        /// Its arguments.
        #[serde(default)]
        args: Vec<String>,
        /// Its variables: often secret.
        #[serde(default)]
        env: BTreeMap<String, String>,
        /// Variables that it gets from the gateway's environment.
        #[serde(default)]
        env_from: Vec<String>,
        /// Its working directory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cwd: Option<PathBuf>,
    },
}

/// A policy that was published: the versions, oldest first; the last one applies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Published {
    /// The versions, oldest first.
    pub versions: Vec<Version>,
}

/// One immutable version of a policy; its document is `policies/SERVER/NAME/VERSION.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Version {
    /// Counted from 1.
    pub version: u32,
    /// When it was published, milliseconds since the Unix epoch.
    pub at: i64,
    /// The BLAKE3 hash of the document, in hexadecimal.
    pub digest: String,
    /// The version that it repeats, after a roll-back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<u32>,
}

/// A grant: a labelled bearer token for one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    /// Its label.
    pub label: String,
    /// The name of its policy; without one every call is denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Tags that rules can look at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The keyed hash of its token, in hexadecimal.
    pub token: String,
    /// The token before, while it still works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
    /// When it was minted, milliseconds since the Unix epoch.
    pub created: i64,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<i64>,
}

/// The token that a rotation replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Previous {
    /// Its keyed hash, in hexadecimal.
    pub token: String,
    /// When it stops working, milliseconds since the Unix epoch.
    pub until: i64,
}

/// One change, as the journal gets it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// The generation that it made; a change that was interrupted may be journalled twice, with the same number.
    pub generation: u64,
    /// When, milliseconds since the Unix epoch.
    pub at: i64,
    /// Who.
    pub who: String,
    /// What: `server add`, `policy publish`, …
    pub what: String,
    /// What it is about: `server/kernel`, `server/kernel/policy/default`, `server/kernel/grant/g_…`.
    pub object: String,
    /// What was there before, without secrets; null where nothing was.
    pub before: serde_json::Value,
    /// What is there now, without secrets; null where nothing is.
    pub after: serde_json::Value,
}

impl Default for State {
    fn default() -> Self {
        Self { format: FORMAT, generation: 0, admin: None, servers: BTreeMap::new(), outbox: None }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.public())
    }
}

impl State {
    /// Reads `state.json`; a directory without one knows nothing yet.
    pub(crate) fn read(data: &DataDir) -> Result<Self, Failure> {
        let path = data.root().join("state.json");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(broken(&path, &error.to_string())),
        };
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        // The format first, so that a newer file is called newer and not broken.
        let format: Format = serde_json::from_slice(&text).map_err(|error| broken(&path, &position(&error)))?;
        if format.format != FORMAT {
            let message = format!("`{}` has format {}, this version reads {FORMAT}", path.display(), format.format);
            return Err(Failure::cannot_run(
                "CG3012",
                message,
                "start the version of callgate that wrote it, or a newer one",
            ));
        }
        serde_json::from_slice(&text).map_err(|error| broken(&path, &position(&error)))
    }

    /// Puts `state.json` in place, in one step.
    pub(crate) fn write(&self, data: &DataDir) -> Result<(), Failure> {
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| {
            Failure::cannot_run("CG3014", format!("can't write the state: {error}"), "nothing was changed")
        })?;
        text.push(b'\n');
        data::replace(&data.root().join("state.json"), &text)
    }

    /// The one live grant with this id or label, with its server's name.
    pub(crate) fn grant(&self, wanted: &str) -> Result<(String, String), Failure> {
        let all = self
            .servers
            .iter()
            .flat_map(|(server, entry)| entry.grants.iter().map(move |(id, grant)| (server, id, grant)));
        let matching: Vec<_> =
            all.filter(|(_, id, grant)| *id == wanted || (grant.label == wanted && grant.revoked.is_none())).collect();
        match matching.as_slice() {
            [(server, id, _)] => Ok(((*server).clone(), (*id).clone())),
            [] => {
                let message = format!("there is no grant `{wanted}`");
                Err(Failure::cannot_run("CG3044", message, "`callgate grant list` shows them"))
            }
            several => {
                let ids: Vec<String> = several.iter().map(|(server, id, _)| format!("{id} ({server})")).collect();
                let message = format!("{} grants are called `{wanted}`", several.len());
                Err(Failure::cannot_run("CG3044", message, format!("name one by its id: {}", ids.join(", "))))
            }
        }
    }
}

impl Published {
    /// The version that applies.
    pub(crate) fn current(&self) -> Option<&Version> {
        self.versions.last()
    }
}

impl Target {
    /// The same without its secrets: for lists, records and messages.
    pub(crate) fn public(&self) -> serde_json::Value {
        match self {
            Self::Url { url, headers } => {
                serde_json::json!({ "url": url, "headers": headers.keys().collect::<Vec<_>>() })
            }
            Self::Command { command, args, env, env_from, cwd } => serde_json::json!({
                "command": command, "args": args, "env": env.keys().collect::<Vec<_>>(), "env_from": env_from, "cwd": cwd,
            }),
        }
    }

    /// One line about where it is.
    pub(crate) fn summary(&self) -> String {
        match self {
            Self::Url { url, .. } => url.clone(),
            Self::Command { command, args, .. } => {
                std::iter::once(command).chain(args).map(String::as_str).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

impl Grant {
    /// The same without its hashes.
    pub(crate) fn public(&self, id: &str, server: &str) -> serde_json::Value {
        serde_json::json!({
            "id": id, "server": server, "label": self.label, "policy": self.policy, "tags": self.tags,
            "created": crate::moment::rfc3339(self.created), "expires": self.expires.map(crate::moment::rfc3339),
            "revoked": self.revoked.map(crate::moment::rfc3339),
        })
    }
}

/// Where a published version's document is.
pub(crate) fn policy_path(data: &DataDir, server: &str, name: &str, version: u32) -> PathBuf {
    data.root().join("policies").join(server).join(name).join(format!("{version}.json"))
}

/// The error for a server that isn't there.
pub(crate) fn unknown_server(name: &str, known: &[&str]) -> Failure {
    let remedy = match known {
        [] => "register one with `callgate server add`".to_owned(),
        known => format!("known are: {}", known.join(", ")),
    };
    Failure::cannot_run("CG3041", format!("there is no server `{name}`"), remedy)
}

fn position(error: &serde_json::Error) -> String {
    // Without the parser's own words: they can quote a value, and a value can be a secret.
    let what = if error.is_data() { "a value isn't what this version writes" } else { "it is no JSON" };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

fn broken(path: &std::path::Path, why: &str) -> Failure {
    let message = format!("can't read `{}`: {why}", path.display());
    Failure::cannot_run("CG3012", message, "put it back from a backup; nothing was changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_survives_its_file_and_others_cannot_read_it() {
        use std::os::unix::fs::MetadataExt;
        let temporary = tempfile::tempdir().unwrap();
        let data = DataDir::open(temporary.path()).unwrap();
        assert_eq!(State::read(&data).unwrap(), State::default());
        let target = Target::Url { url: "http://x/".into(), headers: [("A".to_owned(), "secret".to_owned())].into() };
        let server = Server {
            uuid: "u".into(),
            target: Some(target),
            settings: Settings::default(),
            policies: BTreeMap::new(),
            grants: BTreeMap::new(),
        };
        let state = State { generation: 3, servers: [("a".to_owned(), server)].into(), ..State::default() };
        state.write(&data).unwrap();
        assert_eq!(State::read(&data).unwrap(), state);
        assert_eq!(std::fs::metadata(data.root().join("state.json")).unwrap().mode() & 0o777, 0o600);
        assert!(!format!("{state:?}").contains("secret"));
    }

    #[test]
    fn a_broken_state_names_its_place_and_no_value() {
        let temporary = tempfile::tempdir().unwrap();
        let data = DataDir::open(temporary.path()).unwrap();
        for (text, expected) in [
            ("{", "no JSON (line 1"),
            ("{\"format\": 2}", "has format 2"),
            ("{\"format\": 1, \"admin\": {\"hush\": 1}}", "line 1, column"),
        ] {
            std::fs::write(data.root().join("state.json"), text).unwrap();
            let failure = State::read(&data).unwrap_err();
            assert_eq!(failure.code, "CG3012");
            assert!(failure.message.contains(expected), "{failure}");
            assert!(!failure.message.contains("hush"), "{failure}");
        }
    }
}
