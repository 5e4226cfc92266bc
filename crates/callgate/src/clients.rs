//! The configuration files of MCP clients: where they are, what stands in them, and edits that leave the rest alone.

mod connections;
mod entry;
mod file;
mod jsonc;
mod placeholder;
mod sections;

use crate::environment::Environment;
use callgate_control::connect;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

pub(crate) use connect::{Fields, Link};
pub(crate) use connections::{Connected, Connection, Connections};
pub(crate) use entry::{Reading, read, through_callgate, usable_name, written};
pub(crate) use file::{ClientFile, source_in};
pub(crate) use placeholder::Surroundings;

/// A client whose configuration can be read and edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Client {
    /// Claude Desktop: `claude_desktop_config.json`
    ClaudeDesktop,
    /// Claude Code: `.mcp.json` of a project, `~/.claude.json`
    ClaudeCode,
    /// Cursor: `.cursor/mcp.json` of a project or in the home directory
    Cursor,
    /// VS Code: `.vscode/mcp.json` of a workspace, `mcp.json` of the user's profile
    Vscode,
    /// Windsurf: `~/.codeium/windsurf/mcp_config.json`
    Windsurf,
    /// Codex: `~/.codex/config.toml`
    Codex,
    /// Gemini CLI: `.gemini/settings.json` of a project or in the home directory
    Gemini,
}

/// One server in a client's file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// The keys that lead to the object that it is in.
    pub(crate) place: Vec<String>,
    /// Its name there.
    pub(crate) name: String,
    /// What it says.
    pub(crate) fields: Fields,
    /// Its text, byte for byte.
    pub(crate) source: String,
}

/// Why a file can't be read or edited, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) line: u32,
    pub(crate) column: u32,
    /// Without its values: they can be secret.
    pub(crate) why: String,
}

impl Client {
    /// What is known of its configuration.
    pub(crate) fn form(self) -> connect::Client {
        match self {
            Self::ClaudeDesktop => connect::Client::ClaudeDesktop,
            Self::ClaudeCode => connect::Client::ClaudeCode,
            Self::Cursor => connect::Client::Cursor,
            Self::Vscode => connect::Client::Vscode,
            Self::Windsurf => connect::Client::Windsurf,
            Self::Codex => connect::Client::Codex,
            Self::Gemini => connect::Client::Gemini,
        }
    }

    /// Its word on the command line, and the label of its grants.
    pub(crate) fn word(self) -> &'static str {
        self.form().word()
    }

    /// The client of this word.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Self::value_variants().iter().copied().find(|client| client.word() == word)
    }

    /// The client that a file belongs to, by its name and where it is.
    pub(crate) fn of_file(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let parent = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
        match (name, parent) {
            ("claude_desktop_config.json", _) => Some(Self::ClaudeDesktop),
            (".mcp.json" | ".claude.json", _) => Some(Self::ClaudeCode),
            ("mcp.json", ".cursor") => Some(Self::Cursor),
            ("mcp.json", ".vscode" | "User") => Some(Self::Vscode),
            ("mcp_config.json", _) => Some(Self::Windsurf),
            ("settings.json", ".gemini") => Some(Self::Gemini),
            (name, _) if Path::new(name).extension().is_some_and(|extension| extension == "toml") => Some(Self::Codex),
            _ => None,
        }
    }

    /// Its files: the one of the project in this directory, and the user's own. The first that exists counts.
    pub(crate) fn files(self, project: &Path, environment: &Environment) -> Vec<PathBuf> {
        let home = environment.path("HOME");
        let of_home = |rest: &str| home.as_ref().map(|home| home.join(rest));
        let settings = match cfg!(target_os = "macos") {
            true => of_home("Library/Application Support"),
            false => environment.path("XDG_CONFIG_HOME").or_else(|| of_home(".config")),
        };
        let (in_project, of_user) = match self {
            Self::ClaudeDesktop => (None, settings.map(|path| path.join("Claude/claude_desktop_config.json"))),
            Self::ClaudeCode => (Some(".mcp.json"), of_home(".claude.json")),
            Self::Cursor => (Some(".cursor/mcp.json"), of_home(".cursor/mcp.json")),
            Self::Vscode => (Some(".vscode/mcp.json"), settings.map(|path| path.join("Code/User/mcp.json"))),
            Self::Windsurf => (None, of_home(".codeium/windsurf/mcp_config.json")),
            Self::Codex => {
                let own = environment.path("CODEX_HOME").or_else(|| of_home(".codex"));
                (Some(".codex/config.toml"), own.map(|path| path.join("config.toml")))
            }
            Self::Gemini => (Some(".gemini/settings.json"), of_home(".gemini/settings.json")),
        };
        let mut files: Vec<PathBuf> = in_project.map(|rest| project.join(rest)).into_iter().chain(of_user).collect();
        files.dedup();
        files
    }

    /// Where the servers are in its file: the keys that lead to each object of them.
    fn places(self, project: &Path) -> Vec<Vec<String>> {
        let place = self.form().place();
        let mut places = vec![vec![place.to_owned()]];
        // What `claude mcp add` writes without a scope is for one project, and stands in the user's file.
        if self == Self::ClaudeCode {
            places.push(vec!["projects".to_owned(), project.display().to_string(), place.to_owned()]);
        }
        places
    }

    /// Whether its file is TOML.
    fn is_toml(self) -> bool {
        self.form().is_toml()
    }

    /// Whether it sends a header to a URL; else it has to start a bridge.
    pub(crate) fn speaks_http(self) -> bool {
        self.form().speaks_http()
    }
}

/// The project directory that a file belongs to, where it belongs to one and not to the user.
pub(crate) fn project_of(path: &Path, environment: &Environment) -> Option<PathBuf> {
    let parent = path.parent()?;
    let project = match parent.file_name().and_then(|name| name.to_str()) {
        Some(".cursor" | ".vscode" | ".gemini" | ".codex") => parent.parent()?,
        _ if path.file_name().is_some_and(|name| name == ".mcp.json") => parent,
        _ => return None,
    };
    (environment.path("HOME").as_deref() != Some(project)).then(|| project.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_its_word_and_its_file() {
        let environment = Environment::with(&[("HOME", "/home/me")]);
        for client in Client::value_variants() {
            assert_eq!(Client::of_word(client.word()), Some(*client));
            assert_eq!(client.to_possible_value().unwrap().get_name(), client.word());
            assert_eq!(client.form().is_toml(), client.places(Path::new("/p")) == [[sections::PLACE]]);
            for file in client.files(Path::new("/project"), &environment) {
                assert_eq!(Client::of_file(&file), Some(*client), "{}", file.display());
                let of_project = file.starts_with("/project").then(|| PathBuf::from("/project"));
                assert_eq!(project_of(&file, &environment), of_project);
            }
        }
        assert_eq!(Client::of_file(Path::new("/x/servers.json")), None);
    }
}
