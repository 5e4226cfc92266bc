//! What is desired, checked by itself: every problem at once, before anything is read or written.

use super::{Desired, DesiredDocument, DesiredGrant, DesiredServer};
use crate::configuration::PublishedDefinitions;
use crate::control::Control;
use crate::document::{self, ProblemRow};
use crate::error::{Error, Kind};
use crate::names;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is desired and can be.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) servers: Vec<DesiredServer>,
    pub(super) policies: Vec<CheckedPolicy>,
    pub(super) grants: Vec<DesiredGrant>,
}

/// A policy that is desired; of the organisation where it names no server.
#[derive(Debug)]
pub(super) struct CheckedPolicy {
    pub(super) server: Option<String>,
    pub(super) name: String,
    /// The document; else why it can't be in force, which only the configuration file may bring.
    pub(super) document: Result<Arc<str>, String>,
    pub(super) file: String,
}

/// Everything that is wrong.
#[derive(Debug, Default)]
pub(super) struct Problems {
    lines: Vec<String>,
    rows: Vec<ProblemRow>,
}

/// The longest list in a message; all of them are in the problems beside it.
const SHOWN: usize = 20;

/// Checks everything; documents that can't be used are problems.
pub(super) async fn check(control: &Control, organisation: &str, desired: Desired) -> Result<Checked, Error> {
    let mut problems = Problems::default();
    let checked = read(control, organisation, desired, &mut problems).await;
    for policy in &checked.policies {
        if let Err(why) = &policy.document {
            problems.document(&policy.file, why);
        }
    }
    problems.refuse()?;
    Ok(checked)
}

/// Checks everything but what documents say.
pub(super) async fn read(control: &Control, organisation: &str, desired: Desired, problems: &mut Problems) -> Checked {
    let Desired { servers, policies, baseline, grants } = desired;
    let mut checked = Checked::default();
    let mut seen = BTreeSet::new();
    for server in servers {
        problems.check(&server.file, check_server(control, &server));
        problems.once(&mut seen, &server.file, format!("the server `{}`", server.name));
        checked.servers.push(server);
    }
    let of_organisation = baseline.map(|document| (None, super::present::BASELINE.to_owned(), document));
    let of_servers = policies.into_iter().map(|policy| (Some(policy.server), policy.name, policy.document));
    for (server, name, DesiredDocument { text, file }) in of_servers.chain(of_organisation) {
        problems.check(&file, names::policy_name(&name));
        let of = server.as_deref().map_or_else(String::new, |server| format!(" of `{server}`"));
        problems.once(&mut seen, &file, format!("the policy `{name}`{of}"));
        let document = match text {
            Ok(text) => {
                let pinned = server.as_deref().and_then(|server| pinned(control, organisation, server));
                match document::publishable_aside(&text, pinned).await {
                    Ok(_) => Ok(text),
                    Err(unusable) => {
                        problems.remember(&file, unusable.0.iter());
                        Err(unusable.lines(&file))
                    }
                }
            }
            Err(why) => Err(why),
        };
        checked.policies.push(CheckedPolicy { server, name, document, file });
    }
    let mut tokens = BTreeSet::new();
    for grant in grants {
        problems.check(&grant.file, check_grant(&grant));
        problems.once(&mut seen, &grant.file, format!("the grant `{}` of `{}`", grant.label, grant.server));
        let hash = grant.token.as_ref().map(|token| control.inner.tokens.hash(token.reveal()));
        if hash.is_some_and(|hash| !tokens.insert(hash)) {
            problems.line(&grant.file, &format!("the grant `{}` has the token of another one", grant.label));
        }
        checked.grants.push(grant);
    }
    checked
}

/// What the tools of a server are pinned as; nothing of one that is not there yet.
fn pinned(control: &Control, organisation: &str, server: &str) -> Option<Arc<PublishedDefinitions>> {
    let published = control.inner.published.borrow();
    let of = published.servers.iter().find(|one| &*one.organisation == organisation && one.name == server)?;
    published.definitions.get(&of.id).cloned()
}

fn check_server(control: &Control, server: &DesiredServer) -> Result<(), Error> {
    names::server_name(&server.name)?;
    server.target.check()?;
    let unusable = |message: String, remedy: &str| Err(Error::new(Kind::Invalid, "CG3040", message, remedy));
    if let Err(wrong) = server.settings.check() {
        return unusable(format!("`{}`: {}", wrong.key, wrong.why), wrong.remedy);
    }
    if let Some(key) = server.settings.of_commands().filter(|_| !server.target.is_command()) {
        return unusable(format!("`{key}` is for commands, and the server has a URL"), "remove it");
    }
    match control.inner.upstreams.check(&server.target) {
        Ok(()) => Ok(()),
        Err(why) => unusable(why, "correct the URL or the headers"),
    }
}

fn check_grant(grant: &DesiredGrant) -> Result<(), Error> {
    names::label(&grant.label)?;
    crate::grants::check_tags(&grant.tags)?;
    let why = grant.token.as_ref().and_then(|token| names::check_token(token.reveal()).err());
    match why {
        None => Ok(()),
        Some(why) => {
            let remedy = "for example `cg_` and the output of `openssl rand -hex 32`";
            Err(Error::new(Kind::Invalid, "CG3040", why, remedy))
        }
    }
}

impl Problems {
    /// Notes what a check says.
    pub(super) fn check(&mut self, file: &str, checked: Result<(), Error>) {
        if let Err(error) = checked {
            let remedy = if error.remedy.is_empty() { String::new() } else { format!("\n    {}", error.remedy) };
            self.line(file, &format!("{} [{}]{remedy}", error.message, error.code));
        }
    }

    /// Notes one problem.
    pub(super) fn line(&mut self, file: &str, message: &str) {
        self.lines.push(format!("{file}: {message}"));
        self.rows.push(ProblemRow {
            code: "CG3176".to_owned(),
            severity: "error",
            line: 0,
            column: 0,
            pointer: String::new(),
            message: format!("{file}: {message}"),
            hint: String::new(),
        });
    }

    /// Notes why a document can't be used; its lines name the file themselves.
    fn document(&mut self, file: &str, why: &str) {
        match self.rows.iter().any(|row| row.message.starts_with(&format!("{file}: "))) {
            true => self.lines.push(why.to_owned()),
            false => self.line(file, why),
        }
    }

    fn remember<'r>(&mut self, file: &str, rows: impl Iterator<Item = &'r ProblemRow>) {
        self.rows.extend(rows.map(|row| ProblemRow { message: format!("{file}: {}", row.message), ..row.clone() }));
    }

    fn once(&mut self, seen: &mut BTreeSet<String>, file: &str, what: String) {
        if !seen.insert(what.clone()) {
            self.line(file, &format!("{what} is desired twice"));
        }
    }

    /// Refuses, where there is anything. CG3176.
    pub(super) fn refuse(self) -> Result<(), Error> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let more = self.lines.len().saturating_sub(SHOWN);
        let mut lines: Vec<String> = self.lines.into_iter().take(SHOWN).collect();
        lines.extend((more > 0).then(|| format!("and {more} more")));
        let message = format!("nothing was applied:\n{}", lines.join("\n"));
        let remedy = "correct all of it, and apply again";
        Err(Error { problems: self.rows, ..Error::new(Kind::Invalid, "CG3176", message, remedy) })
    }
}
