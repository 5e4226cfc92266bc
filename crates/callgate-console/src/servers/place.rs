//! Where a server is, as a form says it.

use crate::api::Problem;
use crate::form::Form;
use serde_json::{Map, Value, json};

/// A server to register, as it was typed. Secrets are not kept: no page shows them again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NewServer {
    pub(crate) by: By,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) command: String,
    pub(crate) args: String,
    pub(crate) env_from: String,
    pub(crate) cwd: String,
    /// The names of the headers or variables that are asked for.
    pub(crate) asked_for: Vec<String>,
}

/// How a server is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum By {
    #[default]
    Url,
    Command,
}

impl NewServer {
    /// Nothing typed yet, to be reached in the way of this word.
    pub(crate) fn by(word: &str) -> Self {
        Self { by: if word == "command" { By::Command } else { By::Url }, ..Self::default() }
    }

    /// What a form says, without its secrets.
    pub(crate) fn of(form: &Form) -> Self {
        let text = |name: &str| form.text(name).to_owned();
        let by = if form.text("by") == "command" { By::Command } else { By::Url };
        Self {
            by,
            name: text("name"),
            url: text("url"),
            command: text("command"),
            args: text("args"),
            env_from: text("env_from"),
            cwd: text("cwd"),
            asked_for: Vec::new(),
        }
    }

    /// What the API takes to register it, with the secrets of the form.
    pub(crate) fn body(&self, form: &Form) -> Result<Value, Problem> {
        let target = match self.by {
            By::Url => json!({ "url": self.url.trim(), "headers": headers(form.text("headers"))? }),
            By::Command => {
                let mut target = self.command_place();
                target.insert("env".to_owned(), Value::Object(pairs(form.text("env"), '=', "the variables")?));
                Value::Object(target)
            }
        };
        Ok(json!({ "name": self.name.trim(), "target": target }))
    }

    /// Where it is, without the secrets.
    pub(crate) fn place(&self) -> Value {
        match self.by {
            By::Url => json!({ "url": self.url.trim() }),
            By::Command => Value::Object(self.command_place()),
        }
    }

    fn command_place(&self) -> Map<String, Value> {
        let cwd = self.cwd.trim();
        let mut place = Map::new();
        place.insert("command".to_owned(), json!(self.command.trim()));
        place.insert("args".to_owned(), json!(lines(&self.args)));
        place.insert("env_from".to_owned(), json!(words(&self.env_from)));
        place.insert("cwd".to_owned(), if cwd.is_empty() { Value::Null } else { json!(cwd) });
        place
    }

    pub(crate) fn is_command(&self) -> bool {
        self.by == By::Command
    }
}

/// Headers: `Name: value`, one a line.
pub(crate) fn headers(text: &str) -> Result<Map<String, Value>, Problem> {
    pairs(text, ':', "the headers")
}

/// Names and values, one pair a line. Messages never have the values: they are secrets.
pub(crate) fn pairs(text: &str, separator: char, what: &str) -> Result<Map<String, Value>, Problem> {
    let mut pairs = Map::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = index + 1;
        let remedy =
            if separator == ':' { "write `Name: value`, one a line" } else { "write `NAME=value`, one a line" };
        let pair = line.split_once(separator).filter(|(name, _)| !name.trim().is_empty());
        let Some((name, value)) = pair else {
            return Err(Problem::unusable(
                format!("line {number} of {what} has no name with `{separator}` behind it"),
                remedy,
            ));
        };
        // The space behind the colon is no part of a header; behind `=` everything counts.
        let value = if separator == ':' { value.trim() } else { value };
        if pairs.insert(name.trim().to_owned(), Value::from(value)).is_some() {
            return Err(Problem::unusable(format!("line {number} of {what} has the name of a line before it"), remedy));
        }
    }
    Ok(pairs)
}

/// One argument a line, as it is: only the end of the line is cut off.
fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_become_servers() {
        for (form, expected) in [
            (
                "by=url&name=+web+&url=https%3A%2F%2Fh%2Fmcp&headers=Authorization%3A+Bearer+a%3Ab%0D%0AX-Key%3Ak",
                json!({ "name": "web", "target": { "url": "https://h/mcp", "headers": { "Authorization": "Bearer a:b", "X-Key": "k" } } }),
            ),
            (
                "by=command&name=files&command=npx&args=-y%0D%0A+x+%0D%0A%0D%0A&env=A%3D+b%3Dc&env_from=HOME%2C+PATH&cwd=",
                json!({ "name": "files", "target": {
                    "command": "npx", "args": ["-y", " x "], "env": { "A": " b=c" }, "env_from": ["HOME", "PATH"], "cwd": null
                } }),
            ),
        ] {
            let form = Form::parse(form.as_bytes());
            assert_eq!(NewServer::of(&form).body(&form).unwrap(), expected);
        }
    }

    #[test]
    fn a_line_that_is_no_pair_is_named_without_its_secret() {
        for (text, separator, said) in [
            ("A: b\nsecret", ':', "line 2 of x has no name"),
            (": secret", ':', "line 1"),
            ("A=1\n\nA=secret", '=', "line 3 of x has the name of a line before"),
        ] {
            let problem = pairs(text, separator, "x").unwrap_err();
            assert!(problem.detail.contains(said) && !problem.detail.contains("secret"), "{}", problem.detail);
        }
    }
}
