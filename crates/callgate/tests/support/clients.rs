//! The files of every client, and a home directory to put them in.

use super::callgate::{Ended, command, ended};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A client's file as people have it, with two servers: `files`, a command, and `web`.
pub struct Fixture {
    pub client: &'static str,
    /// Below the home directory.
    pub path: &'static str,
    pub text: &'static str,
    /// What the entry `web` has to have afterwards.
    pub after: &'static str,
}

pub const FIXTURES: &[Fixture] = &[
    Fixture {
        client: "claude-desktop",
        path: DESKTOP,
        text: "{\n  \"globalShortcut\": \"Ctrl+Space\",\n  \"mcpServers\": {\n    \"files\": {\n      \"command\": \"npx\",\n      \"args\": [\"-y\", \"server-filesystem\", \"/srv\"],\n      \"env\": { \"KEY\": \"upstream-secret\" }\n    },\n    \"web\": {\n      \"command\": \"npx\",\n      \"args\": [\"mcp-remote\", \"https://mcp.example.com/mcp\"]\n    }\n  }\n}\n",
        after: "\"args\": [\"bridge\", \"http://127.0.0.1:7070/mcp/web\", \"--token-file\"",
    },
    Fixture {
        client: "claude-code",
        path: ".claude.json",
        text: "{\n  \"numStartups\": 12345678901234567890,\n  \"projects\": {},\n  \"mcpServers\": {\n    \"files\": {\"type\":\"stdio\",\"command\":\"npx\",\"args\":[\"-y\",\"server-filesystem\",\"/srv\"],\"env\":{\"KEY\":\"upstream-secret\"}},\n    \"web\": {\n      \"type\": \"http\",\n      \"url\": \"https://mcp.example.com/mcp\"\n    }\n  },\n  \"tipsHistory\": {\"a\": 1e2}\n}",
        after: "\"type\": \"http\",\n      \"url\": \"http://127.0.0.1:7070/mcp/web\"",
    },
    Fixture {
        client: "claude-code",
        path: "project/.mcp.json",
        text: "{\n  \"mcpServers\": {\n    \"files\": {\n      \"command\": \"npx\",\n      \"args\": [\"-y\", \"server-filesystem\", \"/srv\"],\n      \"env\": { \"KEY\": \"upstream-secret\" }\n    },\n    \"web\": {\n      \"type\": \"http\",\n      \"url\": \"https://mcp.example.com/mcp\",\n      \"headers\": { \"X-Key\": \"upstream-secret\" }\n    }\n  }\n}\n",
        after: "\"type\": \"http\",\n      \"url\": \"http://127.0.0.1:7070/mcp/web\"",
    },
    Fixture {
        client: "cursor",
        path: ".cursor/mcp.json",
        text: "{\r\n\t\"mcpServers\": {\r\n\t\t\"files\": { \"command\": \"npx\", \"args\": [\"-y\", \"server-filesystem\", \"/srv\"], \"env\": { \"KEY\": \"upstream-secret\" } },\r\n\t\t\"web\": {\r\n\t\t\t\"url\": \"https://mcp.example.com/mcp\",\r\n\t\t\t\"headers\": { \"X-Key\": \"upstream-secret\" }\r\n\t\t}\r\n\t}\r\n}\r\n",
        after: "\"url\": \"http://127.0.0.1:7070/mcp/web\",\r\n\t\t\t\"headers\": { \"Authorization\": \"Bearer cg_",
    },
    Fixture {
        client: "vscode",
        path: "project/.vscode/mcp.json",
        text: "{\n    // tokens are asked for\n    \"inputs\": [\n        { \"type\": \"promptString\", \"id\": \"t\", \"password\": true },\n    ],\n    \"servers\": {\n        /* the disk */\n        \"files\": {\n            \"type\": \"stdio\",\n            \"command\": \"npx\", // node\n            \"args\": [\"-y\", \"server-filesystem\", \"/srv\"],\n            \"env\": { \"KEY\": \"upstream-secret\" },\n        },\n        \"web\": { \"type\": \"http\", \"url\": \"https://mcp.example.com/mcp\" }, // the web\n    },\n}\n",
        after: "{\n            \"type\": \"http\",\n            \"url\": \"http://127.0.0.1:7070/mcp/web\",\n            \"headers\": { \"Authorization\": \"Bearer cg_",
    },
    Fixture {
        client: "windsurf",
        path: ".codeium/windsurf/mcp_config.json",
        text: "{\"mcpServers\":{\"files\":{\"command\":\"npx\",\"args\":[\"-y\",\"server-filesystem\",\"/srv\"],\"env\":{\"KEY\":\"upstream-secret\"}},\"web\":{\"serverUrl\":\"https://mcp.example.com/mcp\",\"disabled\":false}}}",
        after: "\"serverUrl\": \"http://127.0.0.1:7070/mcp/web\"",
    },
    Fixture {
        client: "codex",
        path: ".codex/config.toml",
        text: "model = \"gpt-5\"\napproval_policy = \"on-request\"\n\n# the disk\n[mcp_servers.files]\ncommand = \"npx\"   # node\nargs = [\n  \"-y\", \"server-filesystem\",\n  \"/srv\",\n]\n\n[mcp_servers.files.env]\nKEY = \"upstream-secret\"\n\n# the web\n[mcp_servers.web]\nurl = \"https://mcp.example.com/mcp\"\nstartup_timeout_sec = 20\n\n[projects.\"/home/me\"]\ntrust_level = \"trusted\"\n",
        after: "[mcp_servers.web]\nurl = \"http://127.0.0.1:7070/mcp/web\"\nhttp_headers = { Authorization = \"Bearer cg_",
    },
    Fixture {
        client: "gemini",
        path: ".gemini/settings.json",
        text: "{\n  \"theme\": \"GitHub\",\n  \"mcpServers\": {\n    \"files\": {\n      \"command\": \"npx\",\n      \"args\": [\"-y\", \"server-filesystem\", \"/srv\"],\n      \"env\": { \"KEY\": \"upstream-secret\" },\n      \"trust\": true\n    },\n    \"web\": {\n      \"httpUrl\": \"https://mcp.example.com/mcp\",\n      \"timeout\": 5000\n    }\n  }\n}\n",
        after: "\"httpUrl\": \"http://127.0.0.1:7070/mcp/web\"",
    },
];

#[cfg(target_os = "macos")]
const DESKTOP: &str = "Library/Application Support/Claude/claude_desktop_config.json";
#[cfg(not(target_os = "macos"))]
const DESKTOP: &str = ".config/Claude/claude_desktop_config.json";

pub struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("project")).unwrap();
        std::fs::write(directory.path().join("allow.json"), r#"{"version":"1","default":"allow"}"#).unwrap();
        Self { directory }
    }

    pub fn with(fixture: &Fixture) -> Self {
        let home = Self::new();
        home.write(fixture.path, fixture.text);
        home
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = command(&self.path("data"));
        for name in ["XDG_CONFIG_HOME", "CODEX_HOME"] {
            command.env_remove(name);
        }
        command.env("HOME", self.path("")).env("SHELL_KEY", "from-the-shell").current_dir(self.path("project"));
        ended(command.args(arguments))
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).expect(0).json()
    }

    /// The live grants.
    pub fn grants(&self) -> Vec<Value> {
        let all = self.json(&["grant", "list"]);
        all.as_array().unwrap().iter().filter(|grant| grant["revoked"].is_null()).cloned().collect()
    }
}

pub fn outcomes(answer: &Value, list: &str, key: &str) -> Vec<(String, String)> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    answer[list].as_array().unwrap().iter().map(|row| (text(row, "entry"), text(row, key))).collect()
}

pub fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(one, two)| ((*one).to_owned(), (*two).to_owned())).collect()
}

/// The grants' tokens: in the client's file, or in the files that it names.
pub fn tokens(home: &Home, after: &str) -> Vec<String> {
    let mut texts = vec![after.to_owned()];
    if let Ok(files) = std::fs::read_dir(home.path("data/tokens")) {
        texts.extend(files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()));
    }
    let of_text = |text: &String| -> Vec<String> {
        text.match_indices("cg_").map(|(at, _)| text[at..at + 46].to_owned()).collect()
    };
    texts.iter().flat_map(of_text).collect()
}

/// Files below a directory that contain this.
pub fn files_with(directory: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(text.len()).any(|window| window == text.as_bytes())
        {
            found.push(path);
        }
    }
    found
}

/// The file of a client that has one only.
pub fn fixture(client: &str) -> &'static Fixture {
    FIXTURES.iter().find(|fixture| fixture.client == client).unwrap()
}
