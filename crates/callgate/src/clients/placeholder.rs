//! What clients write in place of values, `${env:X}` and its like, and what they stand for here.

use super::Client;
use crate::environment::Environment;
use std::path::PathBuf;

/// What placeholders are resolved from.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings<'e> {
    /// Whose file it is: each client has placeholders of its own.
    pub(crate) client: Client,
    /// The variables of this process.
    pub(crate) environment: &'e Environment,
    /// The project that the file belongs to.
    pub(crate) project: Option<PathBuf>,
}

/// A text, in its parts.
enum Part<'t> {
    Text(&'t str),
    Variable { name: &'t str, default: Option<&'t str> },
    Other(&'t str),
}

/// Variables that say where things are and are no secrets.
const PLACES: &[&str] = &["HOME", "USER", "PWD", "TMPDIR"];

impl Surroundings<'_> {
    /// The variable that is all of this text.
    pub(super) fn variable<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self.parts(text).as_slice() {
            [Part::Variable { name, default: None }] => Some(name),
            _ => None,
        }
    }

    /// The text with its placeholders resolved, for a place that keeps secrets. An error completes "… needs".
    pub(super) fn secret(&self, text: &str) -> Result<String, String> {
        self.resolve(text, true)
    }

    /// The same for a place that everyone sees who may look at the server.
    pub(super) fn shown(&self, text: &str) -> Result<String, String> {
        self.resolve(text, false)
    }

    fn resolve(&self, text: &str, secret: bool) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        for part in self.parts(text) {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable { name, default } => out.push_str(&self.of_environment(name, default, secret)?),
                Part::Other(body) => out.push_str(&self.predefined(body)?),
            }
        }
        Ok(out)
    }

    fn of_environment(&self, name: &str, default: Option<&str>, secret: bool) -> Result<String, String> {
        let value = self.environment.text(name);
        match (value, default) {
            (Some(_), _) if !secret && !PLACES.contains(&name) => Err(format!(
                "the variable `{name}` outside of `env` and headers, where everyone who may look at the server sees it"
            )),
            (Some(value), _) => Ok(value.to_owned()),
            (None, Some(default)) => Ok(default.to_owned()),
            (None, None) => Err(format!("the variable `{name}`, which is not set here")),
        }
    }

    fn predefined(&self, body: &str) -> Result<String, String> {
        let project = || self.project.as_ref().ok_or_else(|| format!("`${{{body}}}`, and the file is of no project"));
        match body {
            "userHome" => self.of_environment("HOME", None, true),
            "workspaceFolder" => Ok(project()?.display().to_string()),
            "workspaceFolderBasename" => Ok(project()?.file_name().unwrap_or_default().to_string_lossy().into_owned()),
            "pathSeparator" | "/" => Ok("/".to_owned()),
            _ if body.starts_with("input:") => Err(format!("`${{{body}}}`, which only the client can ask for")),
            _ => Err(format!("`${{{body}}}`, which only the client knows")),
        }
    }

    fn parts<'t>(&self, text: &'t str) -> Vec<Part<'t>> {
        if matches!(self.client, Client::ClaudeDesktop | Client::Codex) {
            return vec![Part::Text(text)];
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            let after = from.get(1..).unwrap_or_default();
            let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let bare = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            let (part, next) = match braced {
                Some((body, next)) => (self.braced(body), next),
                None if self.client == Client::Gemini && bare > 0 => {
                    let (name, next) = after.split_at(bare);
                    (Part::Variable { name, default: None }, next)
                }
                None => (Part::Text("$"), after),
            };
            parts.extend((!before.is_empty()).then_some(Part::Text(before)));
            parts.push(part);
            rest = next;
        }
        parts.extend((!rest.is_empty()).then_some(Part::Text(rest)));
        parts
    }

    fn braced<'t>(&self, body: &'t str) -> Part<'t> {
        if let Some(name) = body.strip_prefix("env:") {
            return Part::Variable { name, default: None };
        }
        let (name, default) = body.split_once(":-").map_or((body, None), |(name, default)| (name, Some(default)));
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match self.client {
            Client::ClaudeCode | Client::Gemini if is_name => Part::Variable { name, default },
            _ => Part::Other(body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_stand_for_what_the_client_means() {
        let environment = Environment::with(&[("HOME", "/home/me"), ("KEY", "k"), ("EMPTY", "")]);
        for (client, text, expected) in [
            (Client::ClaudeCode, "Bearer ${KEY}!", Ok("Bearer k!")),
            (Client::ClaudeCode, "${NONE:-x}${KEY:-y}", Ok("xk")),
            (Client::ClaudeCode, "$KEY ${env:KEY} $", Ok("$KEY k $")),
            (Client::ClaudeCode, "${NONE}", Err("`NONE`, which is not set")),
            (Client::Gemini, "$KEY-${KEY}", Ok("k-k")),
            (Client::Cursor, "${userHome}${/}${workspaceFolder}", Ok("/home/me//p/web")),
            (Client::Vscode, "${workspaceFolderBasename}", Ok("web")),
            (Client::Vscode, "Bearer ${input:token}", Err("`${input:token}`, which only the client can ask for")),
            (Client::Windsurf, "${file:/x}", Err("which only the client knows")),
            (Client::Cursor, "${KEY}", Err("which only the client knows")),
            (Client::ClaudeDesktop, "${KEY}", Ok("${KEY}")),
            (Client::Codex, "$KEY", Ok("$KEY")),
        ] {
            let around = Surroundings { client, environment: &environment, project: Some("/p/web".into()) };
            match (around.secret(text), expected) {
                (Ok(got), Ok(expected)) => assert_eq!(got, expected, "{text}"),
                (Err(got), Err(expected)) => assert!(got.contains(expected), "{text}: {got}"),
                (got, expected) => panic!("{text}: {got:?}, not {expected:?}"),
            }
        }
        let around = Surroundings { client: Client::Gemini, environment: &environment, project: None };
        assert_eq!(around.variable("$KEY"), Some("KEY"));
        assert_eq!((around.variable("x$KEY"), around.variable("KEY")), (None, None));
        assert_eq!(around.shown("$HOME/x"), Ok("/home/me/x".to_owned()));
        assert!(around.shown("--key=$KEY").unwrap_err().contains("everyone who may look"));
        let around = Surroundings { client: Client::Cursor, ..around };
        assert!(around.secret("${workspaceFolder}").unwrap_err().contains("of no project"));
    }
}
