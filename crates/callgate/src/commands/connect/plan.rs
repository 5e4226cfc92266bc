//! What connecting a client's file would do, entry by entry.

use super::{Gateway, base_urls};
use crate::cli::ConnectArgs;
use crate::clients::{
    ClientFile, Connected, Connections, Fields, Found, Link, Reading, Surroundings, read, through_callgate,
    usable_name, written,
};
use crate::commands::import::same_place;
use crate::failure::Failure;
use serde_json::Value;

/// What would be done.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
}

/// What would be done with one entry.
pub(super) struct Step {
    pub(super) place: Vec<String>,
    /// Its name in the file.
    pub(super) name: String,
    /// The server's name here.
    pub(super) server: String,
    /// The server's endpoint.
    pub(super) url: String,
    /// What the entry says now; empty where it is added.
    pub(super) before: Fields,
    pub(super) what: What,
}

pub(super) enum What {
    /// The file doesn't have it.
    Add,
    /// It goes to the server by itself.
    Replace,
    /// It goes through Callgate with a grant that has ended.
    Renew,
    /// It goes through Callgate.
    Keep,
    /// It stays as it is; why.
    Leave(String),
}

/// The members of an entry whose values are often secret.
const SECRET: &[&str] = &["env", "headers", "http_headers", "bearer_token"];

impl Plan {
    /// Looks at every entry of the file, or those of the servers that were named.
    pub(super) fn make(
        file: &ClientFile,
        gateway: &Gateway<'_>,
        connections: &Connections,
        around: &Surroundings<'_>,
        wanted: &[String],
    ) -> Result<Self, Failure> {
        let servers = gateway.servers()?;
        let name = |row: &Value| row.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(unknown) = wanted.iter().find(|wanted| !servers.iter().any(|row| name(row) == **wanted)) {
            let known: Vec<String> = servers.iter().map(name).collect();
            let remedy = match known.as_slice() {
                [] => "register it with `callgate server add` or `callgate server import`".to_owned(),
                known => format!("known are: {}", known.join(", ")),
            };
            return Err(Failure::cannot_run("CG3041", format!("there is no server `{unknown}`"), remedy));
        }
        let bases = base_urls(&servers);
        let mut steps = Vec::new();
        for found in file.entries()? {
            let server = match connections.entry(file.path(), &found.place, &found.name) {
                Some(entry) => entry.server.clone(),
                None => usable_name(&found.name),
            };
            let asked = wanted.contains(&server);
            if !wanted.is_empty() && !asked {
                continue;
            }
            let registered = servers.iter().find(|row| name(row) == server);
            let connected = connections.entry(file.path(), &found.place, &found.name);
            let what = judge(&found, registered, connected, gateway, (around, &bases, asked))?;
            steps.push(Step {
                place: found.place,
                name: found.name,
                url: registered.and_then(|row| row.get("url")?.as_str()).unwrap_or_default().to_owned(),
                server,
                before: found.fields,
                what,
            });
        }
        for row in servers.iter().filter(|row| wanted.contains(&name(row))) {
            if !steps.iter().any(|step| step.server == name(row)) {
                let url = row.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
                let (name, place) = (name(row), Vec::new());
                steps.push(Step { place, name: name.clone(), server: name, url, before: Vec::new(), what: What::Add });
            }
        }
        if steps.is_empty() {
            let message = format!("`{}` has no servers", file.path().display());
            return Err(Failure::no(
                "CG3175",
                message,
                "name servers to add with `--server`, or another file with `--path`",
            ));
        }
        Ok(Self { steps })
    }
}

fn judge(
    found: &Found,
    registered: Option<&Value>,
    connected: Option<&Connected>,
    gateway: &Gateway<'_>,
    (around, bases, asked): (&Surroundings<'_>, &[String], bool),
) -> Result<What, Failure> {
    if through_callgate(found, bases) {
        let Some(entry) = connected else { return Ok(What::Keep) };
        let is_live = |grant: &Value| grant.get("id").and_then(Value::as_str) == Some(&entry.grant);
        let live = registered.is_some() && gateway.grants(&entry.server)?.iter().any(is_live);
        return Ok(match (live, registered) {
            (true, _) => What::Keep,
            (false, Some(_)) => What::Renew,
            (false, None) => What::Leave("its server is not registered any more: `callgate disconnect`".to_owned()),
        });
    }
    if connected.is_some() {
        return Ok(What::Leave("it was edited since it was connected: `callgate disconnect` first".to_owned()));
    }
    let Some(row) = registered else {
        let why = "no server of this name is registered: `callgate server import` registers it";
        return Ok(What::Leave(why.to_owned()));
    };
    // Who names a server says which one is meant.
    Ok(match read(found, around, bases, asked) {
        _ if asked => What::Replace,
        Reading::Server { target, .. } if row.get("target").is_some_and(|shown| same_place(shown, &target)) => {
            What::Replace
        }
        Reading::Disabled => What::Leave("it is disabled in the client".to_owned()),
        Reading::Server { .. } | Reading::Unusable(_) | Reading::Ours => What::Leave(format!(
            "the registered server of this name may be another one: `--server {}` takes it",
            row.get("name").and_then(Value::as_str).unwrap_or_default()
        )),
    })
}

impl Step {
    /// Whether the entry changes.
    pub(super) fn changes(&self) -> bool {
        matches!(self.what, What::Add | What::Replace | What::Renew)
    }

    /// Whether the entry should go through Callgate and doesn't.
    pub(super) fn failed(&self) -> bool {
        matches!(self.what, What::Leave(_))
    }

    /// What is or would be done, in a word.
    pub(super) fn word(&self, dry_run: bool) -> &'static str {
        match (&self.what, dry_run) {
            (What::Add, false) => "added",
            (What::Add, true) => "would add",
            (What::Replace, false) => "connected",
            (What::Replace, true) => "would connect",
            (What::Renew, false) => "renewed",
            (What::Renew, true) => "would renew",
            (What::Keep, _) => "unchanged",
            (What::Leave(_), _) => "left",
        }
    }

    /// Why nothing is done.
    pub(super) fn why(&self) -> Option<&str> {
        match &self.what {
            What::Leave(why) => Some(why),
            _ => None,
        }
    }

    /// For people: what is done, and where it is only asked, the difference. Values that can be secret are masked.
    pub(super) fn text(&self, args: &ConnectArgs, done: Option<&Connected>) -> String {
        let mut text = format!("  {}: {}", self.name, self.word(args.dry_run));
        if let Some(why) = self.why() {
            text.push_str(&format!(" ({why})"));
        }
        if let Some(entry) = done {
            text.push_str(&format!(" to {} with the grant {}", entry.url, entry.grant));
        }
        if !(args.dry_run && self.changes()) {
            return text;
        }
        let token_file = "DATA/tokens/….token";
        let link = match super::bridged(args) {
            true => Link::Bridge { url: &self.url, program: "callgate", token_file },
            false => Link::Http { url: &self.url, token: "…" },
        };
        let (before, after) = (lines(&self.before), lines(&written(args.client, &link, &self.before)));
        for line in before.iter().filter(|line| !after.contains(line)) {
            text.push_str(&format!("\n  - {line}"));
        }
        for line in &after {
            let sign = if before.contains(line) { ' ' } else { '+' };
            text.push_str(&format!("\n  {sign} {line}"));
        }
        text
    }
}

fn lines(fields: &Fields) -> Vec<String> {
    let masked = |(key, value): &(String, Value)| match value {
        Value::Object(members) if SECRET.contains(&key.as_str()) => {
            let names: Vec<String> =
                members.keys().map(|name| format!("{}: \"…\"", Value::from(name.as_str()))).collect();
            format!("{key}: {{{}}}", names.join(", "))
        }
        Value::String(_) if SECRET.contains(&key.as_str()) => format!("{key}: \"…\""),
        value => format!("{key}: {value}"),
    };
    fields.iter().map(masked).collect()
}
