//! Texts to copy: complete pieces of each client's own configuration.

use super::{Client, Fields, Link};
use serde_json::{Value, json};

/// A text to copy, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// What this is, in a few words: `In its file`.
    pub title: &'static str,
    /// Where the text goes.
    pub goes: &'static str,
    /// The text.
    pub text: String,
    /// What it is written in.
    pub syntax: Syntax,
    /// Where the token is kept then.
    pub token: String,
}

/// What a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// JSON.
    Json,
    /// TOML.
    Toml,
    /// Lines for a shell.
    Shell,
}

/// The texts for a client, the one that works without anything else first. `server` is the name of the server, `url` its
/// endpoint, `token` the grant's token, or what stands for it.
pub fn ready(client: Client, server: &str, url: &str, token: &str) -> Vec<Ready> {
    let variable = variable(server);
    let http = |token: &str| client.entry(&Link::Http { url, token });
    let file = |title, fields: &Fields, token: String| Ready {
        title,
        goes: goes(client),
        text: document(client, server, fields, None),
        syntax: if client.is_toml() { Syntax::Toml } else { Syntax::Json },
        token,
    };
    let in_file = || file("In its file", &http(token), in_the_file());
    let of_variable = |fields: &Fields| file("From a variable", fields, in_variable(client, &variable, token));
    match client {
        Client::ClaudeDesktop => bridged(client, server, url, token),
        Client::ClaudeCode => vec![claude_mcp_add(server, url, token), of_variable(&http(&format!("${{{variable}}}")))],
        Client::Cursor | Client::Windsurf => {
            vec![in_file(), of_variable(&http(&format!("${{env:{variable}}}")))]
        }
        Client::Gemini => vec![in_file(), of_variable(&http(&format!("${variable}")))],
        Client::Codex => {
            let fields = vec![("url".to_owned(), json!(url)), ("bearer_token_env_var".to_owned(), json!(variable))];
            vec![in_file(), of_variable(&fields)]
        }
        Client::Vscode => vec![asked_once(server, url), in_file()],
    }
}

/// The texts for a client that is none of these: a request that shows whether it works.
pub fn ready_http(url: &str, token: &str) -> Vec<Ready> {
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "curl", "version": "1" } },
    });
    let headers =
        [format!("Authorization: Bearer {token}"), "Content-Type: application/json".to_owned(), ACCEPT.to_owned()];
    let headers: String = headers.iter().map(|header| format!(" \\\n  -H {}", quoted(header))).collect();
    vec![Ready {
        title: "A first request",
        goes: "Streamable HTTP: the URL, and the header Authorization on every request",
        text: format!("curl -sS {}{headers} \\\n  -d {}\n", quoted(url), quoted(&body.to_string())),
        syntax: Syntax::Shell,
        token: "The shell keeps this line, with the token in it, in its history.".to_owned(),
    }]
}

/// What a Streamable HTTP client takes.
const ACCEPT: &str = "Accept: application/json, text/event-stream";

/// Where the servers of a client stand.
fn goes(client: Client) -> &'static str {
    match client {
        Client::ClaudeDesktop => "claude_desktop_config.json: Settings → Developer → Edit Config opens it",
        Client::ClaudeCode => ".mcp.json in the project's directory",
        Client::Cursor => "~/.cursor/mcp.json, or .cursor/mcp.json of a project",
        Client::Vscode => ".vscode/mcp.json of a workspace, or “MCP: Open User Configuration”",
        Client::Windsurf => "~/.codeium/windsurf/mcp_config.json",
        Client::Codex => "~/.codex/config.toml, at its end",
        Client::Gemini => "~/.gemini/settings.json, or .gemini/settings.json of a project",
    }
}

fn in_the_file() -> String {
    "The token stands in this file: keep the file out of version control.".to_owned()
}

fn in_variable(client: Client, variable: &str, token: &str) -> String {
    let from = match client {
        Client::Cursor | Client::Windsurf => "the environment that the application was started from",
        _ => "the shell's environment",
    };
    format!("The token comes from {from}, and the file can be shared. Set it by: export {variable}={token}")
}

/// A variable for the token of one server: a token opens one server only, so each needs its own.
fn variable(server: &str) -> String {
    let sign = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("CALLGATE_{}_TOKEN", server.chars().map(sign).collect::<String>())
}

fn claude_mcp_add(server: &str, url: &str, token: &str) -> Ready {
    let header = quoted(&format!("Authorization: Bearer {token}"));
    Ready {
        title: "By a command",
        goes: "A shell; with `--scope user` it holds for all projects",
        text: format!("claude mcp add --transport http {} {} --header {header}\n", quoted(server), quoted(url)),
        syntax: Syntax::Shell,
        token: "Claude Code keeps the token in ~/.claude.json.".to_owned(),
    }
}

/// The token in a file, and the entry that starts the bridge.
fn bridged(client: Client, server: &str, url: &str, token: &str) -> Vec<Ready> {
    let path = format!("$HOME/.config/callgate/{server}.token");
    let save = format!(
        "(umask 077; mkdir -p \"$HOME/.config/callgate\"; printf '%s\\n' {} > \"{path}\")\necho \"{path}\"\n",
        quoted(token)
    );
    let token_file = format!("/home/me/.config/callgate/{server}.token");
    let fields = client.entry(&Link::Bridge { url, program: "callgate", token_file: &token_file });
    vec![
        Ready {
            title: "First the token, in a file",
            goes: "A shell; it says the path of the file",
            text: save,
            syntax: Syntax::Shell,
            token: "The token stands in this file, which only you can read.".to_owned(),
        },
        Ready {
            title: "Then its file",
            goes: goes(client),
            text: document(client, server, &fields, None),
            syntax: Syntax::Json,
            token: "No token stands in it. Write the full paths of callgate and of the token's file, then quit the \
                    application and start it again."
                .to_owned(),
        },
    ]
}

/// VS Code asks for the token, and keeps it itself.
fn asked_once(server: &str, url: &str) -> Ready {
    let id = format!("callgate-{server}");
    let fields = Client::Vscode.entry(&Link::Http { url, token: &format!("${{input:{id}}}") });
    let inputs = json!([
        { "type": "promptString", "id": id, "description": format!("Callgate token for {server}"), "password": true }
    ]);
    Ready {
        title: "Asked for once",
        goes: goes(Client::Vscode),
        text: document(Client::Vscode, server, &fields, Some(&inputs)),
        syntax: Syntax::Json,
        token: "VS Code asks for the token once and keeps it; the file can be shared.".to_owned(),
    }
}

/// A whole file with this one server.
fn document(client: Client, server: &str, fields: &Fields, inputs: Option<&Value>) -> String {
    if client.is_toml() {
        let lines: String = fields.iter().map(|(key, value)| format!("{key} = {}\n", toml(value))).collect();
        return format!("[{}.{}]\n{lines}", client.place(), key(server));
    }
    let inputs = inputs.map(|inputs| format!("  \"inputs\": {},\n", spaced(inputs))).unwrap_or_default();
    let members = fields.iter().map(|(key, value)| format!("      {}: {}", Value::from(key.as_str()), spaced(value)));
    let (place, name) = (Value::from(client.place()), Value::from(server));
    let members = members.collect::<Vec<_>>().join(",\n");
    format!("{{\n{inputs}  {place}: {{\n    {name}: {{\n{members}\n    }}\n  }}\n}}\n")
}

/// A value on one line, as people write it.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members =
                members.iter().map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), spaced(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A value of an entry. JSON's strings are TOML's basic strings; DEL, which has to be escaped there, is in none of ours.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{} = {}", key(name), toml(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if bare { name.to_owned() } else { Value::from(name).to_string() }
}

/// A word of a shell's line, for POSIX shells.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./:@".contains(&byte));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::Map;

    const URL: &str = "https://gate.example.com/mcp/my.files";

    #[test]
    fn what_is_shown_has_the_entry_that_connect_writes() {
        for client in Client::ALL.into_iter().filter(|client| client.speaks_http() && !client.is_toml()) {
            let texts = ready(client, "my.files", URL, "cg_x");
            let entry: Map<String, Value> = client.entry(&Link::Http { url: URL, token: "cg_x" }).into_iter().collect();
            for shown in texts.iter().filter(|shown| shown.syntax == Syntax::Json) {
                let read: Value = serde_json::from_str(&shown.text).unwrap();
                let found = &read[client.place()]["my.files"];
                let mut without: Value = found.clone();
                let header = &mut without["headers"]["Authorization"];
                assert!(header.as_str().unwrap().starts_with("Bearer "), "{}", shown.text);
                *header = json!("Bearer cg_x");
                assert_eq!(without, Value::Object(entry.clone()), "{}", client.word());
                // What can be shared has no token.
                assert_eq!(shown.text.contains("cg_x"), shown.title == "In its file", "{}", shown.title);
            }
        }
    }

    #[test]
    fn texts_can_be_read() {
        let all = |client| {
            let texts = ready(client, "my.files", URL, "cg_x").into_iter();
            texts.map(|shown| format!("# {}\n{}# {}\n", shown.goes, shown.text, shown.token)).collect::<String>()
        };
        expect![[r##"
            # ~/.codex/config.toml, at its end
            [mcp_servers."my.files"]
            url = "https://gate.example.com/mcp/my.files"
            http_headers = { Authorization = "Bearer cg_x" }
            # The token stands in this file: keep the file out of version control.
            # ~/.codex/config.toml, at its end
            [mcp_servers."my.files"]
            url = "https://gate.example.com/mcp/my.files"
            bearer_token_env_var = "CALLGATE_MY_FILES_TOKEN"
            # The token comes from the shell's environment, and the file can be shared. Set it by: export CALLGATE_MY_FILES_TOKEN=cg_x
        "##]]
        .assert_eq(&all(Client::Codex));
        expect![[r#"
            curl -sS https://gate.example.com/mcp/my.files \
              -H 'Authorization: Bearer cg_x' \
              -H 'Content-Type: application/json' \
              -H 'Accept: application/json, text/event-stream' \
              -d '{"id":1,"jsonrpc":"2.0","method":"initialize","params":{"capabilities":{},"clientInfo":{"name":"curl","version":"1"},"protocolVersion":"2025-11-25"}}'
        "#]]
        .assert_eq(&ready_http(URL, "cg_x").first().unwrap().text);
        assert!(all(Client::ClaudeDesktop).contains("printf '%s\\n' cg_x > \"$HOME/.config/callgate/my.files.token\""));
        assert!(all(Client::Vscode).contains("${input:callgate-my.files}"));
        expect![[r#"
            {
              "mcpServers": {
                "my.files": {
                  "type": "http",
                  "url": "https://gate.example.com/mcp/my.files",
                  "headers": { "Authorization": "Bearer ${CALLGATE_MY_FILES_TOKEN}" }
                }
              }
            }
        "#]]
        .assert_eq(&ready(Client::ClaudeCode, "my.files", URL, "cg_x").last().unwrap().text);
    }

    #[test]
    fn words_of_a_shell_are_quoted() {
        for (text, expected) in [("files", "files"), ("a b", "'a b'"), ("it's; rm", "'it'\\''s; rm'"), ("", "''")] {
            assert_eq!(quoted(text), expected);
        }
    }
}
