//! How MCP clients are told of a server: the form of the entry in each client's own configuration, and ready texts to copy.
//!
//! `callgate connect` writes these entries into clients' files, and the console shows them.

mod ready;

pub use ready::{Ready, Syntax, ready, ready_http};

use serde_json::{Value, json};

/// A client whose configuration is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// Claude Desktop.
    ClaudeDesktop,
    /// Claude Code.
    ClaudeCode,
    /// Cursor.
    Cursor,
    /// VS Code.
    Vscode,
    /// Windsurf.
    Windsurf,
    /// Codex.
    Codex,
    /// Gemini CLI.
    Gemini,
}

/// How a client reaches the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link<'a> {
    /// Over HTTP, with a token in a header.
    Http {
        /// The endpoint.
        url: &'a str,
        /// The token, or what stands for it in this client's files.
        token: &'a str,
    },
    /// Through `callgate bridge`, with a token in a file.
    Bridge {
        /// The endpoint.
        url: &'a str,
        /// Where `callgate` is.
        program: &'a str,
        /// The file with the token.
        token_file: &'a str,
    },
}

/// The members of an entry, in order.
pub type Fields = Vec<(String, Value)>;

impl Client {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::ClaudeDesktop, Self::ClaudeCode, Self::Cursor, Self::Vscode, Self::Windsurf, Self::Codex, Self::Gemini];

    /// Its word on the command line, and the label of its grants.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "claude-desktop",
            Self::ClaudeCode => "claude-code",
            Self::Cursor => "cursor",
            Self::Vscode => "vscode",
            Self::Windsurf => "windsurf",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
        }
    }

    /// Its name, as people write it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
            Self::Cursor => "Cursor",
            Self::Vscode => "VS Code",
            Self::Windsurf => "Windsurf",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini CLI",
        }
    }

    /// The client of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|client| client.word() == word)
    }

    /// The top-level key of the servers in its file: of an object in JSON, of tables in TOML.
    pub const fn place(self) -> &'static str {
        match self {
            Self::Vscode => "servers",
            Self::Codex => "mcp_servers",
            _ => "mcpServers",
        }
    }

    /// Whether its file is TOML; else it is JSON.
    pub const fn is_toml(self) -> bool {
        matches!(self, Self::Codex)
    }

    /// Whether it sends a header to a URL; else it has to start a bridge.
    pub const fn speaks_http(self) -> bool {
        !matches!(self, Self::ClaudeDesktop)
    }

    /// The entry that leads to the gateway.
    pub fn entry(self, link: &Link<'_>) -> Fields {
        let field = |name: &str, value: Value| (name.to_owned(), value);
        match link {
            Link::Bridge { url, program, token_file } => {
                let kind = matches!(self, Self::Vscode).then(|| field("type", json!("stdio")));
                let args = json!(["bridge", url, "--token-file", token_file]);
                kind.into_iter().chain([field("command", json!(program)), field("args", args)]).collect()
            }
            Link::Http { url, token } => {
                let (kind, at, of) = match self {
                    Self::ClaudeCode | Self::Vscode => (Some("http"), "url", "headers"),
                    Self::Windsurf => (None, "serverUrl", "headers"),
                    Self::Codex => (None, "url", "http_headers"),
                    Self::Gemini => (None, "httpUrl", "headers"),
                    Self::Cursor | Self::ClaudeDesktop => (None, "url", "headers"),
                };
                let kind = kind.map(|kind| field("type", json!(kind)));
                let headers = json!({ "Authorization": format!("Bearer {token}") });
                kind.into_iter().chain([field(at, json!(url)), field(of, headers)]).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_a_word_of_its_own() {
        for client in Client::ALL {
            assert_eq!(Client::of_word(client.word()), Some(client));
        }
        assert_eq!(Client::of_word("emacs"), None);
    }

    #[test]
    fn entries_have_the_form_of_their_client() {
        let keys = |client: Client, link: &Link<'_>| {
            client.entry(link).into_iter().map(|(key, _)| key).collect::<Vec<_>>().join(" ")
        };
        let http = Link::Http { url: "http://g/mcp/a", token: "cg_x" };
        let bridge = Link::Bridge { url: "http://g/mcp/a", program: "callgate", token_file: "/t" };
        for (client, over_http, bridged) in [
            (Client::ClaudeCode, "type url headers", "command args"),
            (Client::Cursor, "url headers", "command args"),
            (Client::Vscode, "type url headers", "type command args"),
            (Client::Windsurf, "serverUrl headers", "command args"),
            (Client::Codex, "url http_headers", "command args"),
            (Client::Gemini, "httpUrl headers", "command args"),
        ] {
            assert_eq!(keys(client, &http), over_http);
            assert_eq!(keys(client, &bridge), bridged);
        }
    }
}
