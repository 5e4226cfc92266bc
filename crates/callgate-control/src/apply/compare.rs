//! What is there against what should be: one step for each object, in the order in which they can be made.

mod differ;

use super::check::{Checked, CheckedPolicy, Problems};
use super::present::{Present, PresentPolicy, PresentServer};
use super::{Action, DesiredGrant, DesiredServer, FieldDifference, PlanRow, Round};
use crate::control::Control;
use crate::document;
use crate::error::Error;
use crate::policies::Difference;
use callgate_store::{Grant, Origin, Policy, Server};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What would be done.
pub(super) struct Plan {
    pub(super) steps: Vec<PlannedStep>,
    /// The identities of policies that are there and never were good, and why.
    pub(super) broken: Vec<(String, String)>,
}

/// What would be done with one object.
pub(super) struct PlannedStep {
    pub(super) row: PlanRow,
    pub(super) act: Act,
}

/// The act itself. A server is known by its name: a new one has no identity yet.
pub(super) enum Act {
    /// It is as it should be.
    Nothing,
    RemoveGrant(Grant),
    RemovePolicy(Policy),
    RemoveServer(Server),
    AddServer(DesiredServer),
    ChangeServer(Server, DesiredServer),
    /// A new version; the policy itself where there is none.
    Publish {
        server: Option<String>,
        name: String,
        document: Arc<str>,
    },
    /// A policy without a version, because its document never was good; and why.
    AddBroken {
        server: Option<String>,
        name: String,
        why: String,
    },
    /// Another one keeps it now.
    AdoptPolicy(Policy),
    AddGrant(DesiredGrant),
    ChangeGrant(Grant, DesiredGrant),
}

/// What the comparison goes by.
struct Comparison<'c> {
    control: &'c Control,
    present: &'c Present,
    round: &'c Round,
    /// The names of the servers that go.
    gone: BTreeSet<String>,
    problems: Problems,
    steps: Vec<PlannedStep>,
    broken: Vec<(String, String)>,
}

/// Compares. CG3176 where what is desired does not fit what is there.
pub(super) fn plan(control: &Control, present: &Present, checked: Checked, round: &Round) -> Result<Plan, Error> {
    let gone = present.servers.values().filter(|server| round.prunes(&server.record.origin));
    let desired: BTreeSet<&str> = checked.servers.iter().map(|server| server.name.as_str()).collect();
    let gone = gone.map(|server| server.record.name.clone()).filter(|name| !desired.contains(name.as_str())).collect();
    let (problems, steps, broken) = (Problems::default(), Vec::new(), Vec::new());
    let mut comparison = Comparison { control, present, round, gone, problems, steps, broken };
    comparison.references(&checked);
    comparison.removals(&checked);
    for server in checked.servers {
        comparison.server(server);
    }
    for policy in checked.policies {
        comparison.policy(policy);
    }
    for grant in checked.grants {
        comparison.grant(grant);
    }
    comparison.problems.refuse()?;
    Ok(Plan { steps: comparison.steps, broken: comparison.broken })
}

impl Plan {
    /// Which plan it is: what would be done, and at which revision is what it would be done to. Documents and settings
    /// are in the rows; what changed in a secret way shows in the revision.
    pub(super) fn id(&self, present: &Present) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("callgate 2026-11 plan");
        for PlannedStep { row, act } in &self.steps {
            let row = serde_json::to_vec(row).unwrap_or_default();
            let revision = act.about().and_then(|id| present.changed.get(id)).copied().unwrap_or_default();
            hasher.update(&u64::try_from(row.len()).unwrap_or_default().to_be_bytes()).update(&row);
            hasher.update(&revision.to_be_bytes());
        }
        hex::encode(hasher.finalize().as_bytes().first_chunk::<16>().copied().unwrap_or_default())
    }

    /// The steps in the order in which they can be made: what goes first, then what others need.
    pub(super) fn in_order(self) -> Vec<PlannedStep> {
        let mut steps = self.steps;
        steps.sort_by_key(|step| match &step.act {
            Act::Nothing => 0,
            Act::RemoveGrant(_) => 1,
            Act::RemovePolicy(_) => 2,
            Act::RemoveServer(_) => 3,
            Act::AddServer(_) | Act::ChangeServer(..) => 4,
            Act::Publish { .. } | Act::AddBroken { .. } | Act::AdoptPolicy(_) => 5,
            Act::AddGrant(_) | Act::ChangeGrant(..) => 6,
        });
        steps
    }
}

impl Act {
    /// The identity of what is there and would be another one.
    fn about(&self) -> Option<&str> {
        match self {
            Self::RemoveGrant(grant) | Self::ChangeGrant(grant, _) => Some(&grant.id),
            Self::RemoveServer(server) | Self::ChangeServer(server, _) => Some(&server.id),
            Self::RemovePolicy(policy) | Self::AdoptPolicy(policy) => Some(&policy.id),
            // A version says in its row which one it follows.
            Self::Nothing | Self::AddServer(_) | Self::AddGrant(_) | Self::Publish { .. } | Self::AddBroken { .. } => {
                None
            }
        }
    }
}

impl Round {
    /// Whether what this one keeps goes where it isn't desired.
    fn prunes(&self, origin: &Origin) -> bool {
        self.applying.prune && *origin == self.origin
    }
}

impl Comparison<'_> {
    /// Whatever is named has to be there, or to come.
    fn references(&mut self, checked: &Checked) {
        let mut servers: BTreeSet<&str> = self.present.servers.keys().map(String::as_str).collect();
        servers.retain(|server| !self.gone.contains(*server));
        servers.extend(checked.servers.iter().map(|server| server.name.as_str()));
        let mut policies: BTreeSet<(&str, &str)> = BTreeSet::new();
        for policy in &checked.policies {
            let Some(server) = &policy.server else { continue };
            policies.insert((server, &policy.name));
            if !servers.contains(server.as_str()) {
                self.problems.line(&policy.file, &format!("there is no server `{server}` [CG3041]"));
            }
        }
        for policy in self.present.policies.values().filter(|policy| !self.round.prunes(&policy.record.origin)) {
            let server = policy.record.server.as_ref().map(|server| self.present.server_name(server));
            policies.extend(server.map(|server| (server, policy.record.name.as_str())));
        }
        for DesiredGrant { label, server, policy, file, .. } in &checked.grants {
            if !servers.contains(server.as_str()) {
                self.problems.line(file, &format!("the grant `{label}`: there is no server `{server}` [CG3041]"));
            } else if let Some(policy) = policy.as_deref().filter(|policy| !policies.contains(&(server, policy))) {
                let why = format!("the grant `{label}`: the server `{server}` has no policy `{policy}` [CG3043]");
                self.problems.line(file, &why);
            }
        }
    }

    /// What goes: with a server everything that hangs on it.
    fn removals(&mut self, checked: &Checked) {
        let grants: BTreeSet<(&str, &str)> =
            checked.grants.iter().map(|grant| (grant.server.as_str(), grant.label.as_str())).collect();
        let policies: BTreeSet<(Option<&str>, &str)> =
            checked.policies.iter().map(|policy| (policy.server.as_deref(), policy.name.as_str())).collect();
        let present = self.present;
        for name in self.gone.clone() {
            if let Some(server) = present.servers.get(&name) {
                self.step(Action::Remove, format!("server/{name}"), Act::RemoveServer(server.record.clone()));
            }
        }
        for policy in present.policies.values() {
            let server = policy.record.server.as_ref().map(|server| present.server_name(server));
            let with_server = server.is_some_and(|server| self.gone.contains(server));
            let desired = policies.contains(&(server, policy.record.name.as_str()));
            let act = match (with_server, self.round.prunes(&policy.record.origin) && !desired) {
                // The server takes it with it.
                (true, _) => Act::Nothing,
                (false, true) => Act::RemovePolicy(policy.record.clone()),
                (false, false) => continue,
            };
            let bare = self.left_bare(&policy.record, &grants);
            self.step(Action::Remove, policy_object(server, &policy.record.name), act);
            self.note(if with_server { Some("it goes with its server".to_owned()) } else { bare });
        }
        for grant in present.grants.values() {
            let server = present.server_name(&grant.server);
            let with_server = self.gone.contains(server);
            let pruned = self.round.prunes(&grant.origin) && !grants.contains(&(server, grant.label.as_str()));
            let act = match (with_server, pruned) {
                (true, _) => Act::Nothing,
                (false, true) => Act::RemoveGrant(grant.clone()),
                (false, false) => continue,
            };
            self.step(Action::Remove, format!("server/{server}/grant/{}", grant.label), act);
            self.note(with_server.then(|| "it goes with its server".to_owned()));
        }
        // Identities are random; whoever reads two plans compares them.
        self.steps.sort_by(|one, other| one.row.object.cmp(&other.row.object));
    }

    /// What removing a policy does to grants that carry it and are not desired otherwise.
    fn left_bare(&self, policy: &Policy, desired: &BTreeSet<(&str, &str)>) -> Option<String> {
        let carries = |grant: &&Grant| grant.policy.as_ref() == Some(&policy.id);
        let stays = |grant: &&Grant| {
            let place = (self.present.server_name(&grant.server), grant.label.as_str());
            !desired.contains(&place) && !self.round.prunes(&grant.origin)
        };
        let labels: Vec<&str> =
            self.present.grants.values().filter(carries).filter(stays).map(|grant| grant.label.as_str()).collect();
        (!labels.is_empty()).then(|| format!("without it these grants are denied everything: {}", labels.join(", ")))
    }

    fn server(&mut self, desired: DesiredServer) {
        let object = format!("server/{}", desired.name);
        let Some(PresentServer { record, target, settings }) = self.present.servers.get(&desired.name) else {
            return self.step(Action::Add, object, Act::AddServer(desired));
        };
        if !self.may(&record.origin, &desired.file, &format!("the server `{}`", desired.name)) {
            return;
        }
        let mut differences = differ::targets(target.as_ref(), &desired.target);
        differences.extend(differ::settings(settings, &desired.settings));
        differences.extend(self.adoption(&record.origin));
        let act = Act::ChangeServer(record.clone(), desired);
        self.compared(object, differences, act);
    }

    fn policy(&mut self, desired: CheckedPolicy) {
        let CheckedPolicy { server, name, document, file } = desired;
        let object = policy_object(server.as_deref(), &name);
        let id = server.as_ref().and_then(|server| self.present.servers.get(server)).map(|server| &server.record.id);
        let place = (id.cloned(), name.clone());
        // A server that comes has none yet.
        let known = server.is_none() || id.is_some();
        let before = self.present.policies.get(&place).filter(|_| known);
        let words = format!("the policy `{name}`");
        if before.is_some_and(|before| !self.may(&before.record.origin, &file, &words)) {
            return;
        }
        match (before, document) {
            (None, Ok(document)) => self.step(Action::Add, object, Act::Publish { server, name, document }),
            (None, Err(why)) => {
                self.step(Action::Add, object, Act::AddBroken { server, name, why: why.clone() });
                self.note(Some(format!("{why}; until it is corrected every call is refused [CG3061]")));
            }
            (Some(before), Ok(document)) => self.documents(object, before, (server, name, document), &file),
            (Some(PresentPolicy { record, version }), Err(why)) => {
                let differences: Vec<_> = self.adoption(&record.origin).into_iter().collect();
                self.compared(object, differences, Act::AdoptPolicy(record.clone()));
                match version {
                    Some(version) => {
                        self.note(Some(format!("{why}; version {} stays in force [CG3060]", version.version)));
                    }
                    None => {
                        self.note(Some(format!("{why}; until it is corrected every call is refused [CG3061]")));
                        self.broken.push((record.id.clone(), why));
                    }
                }
            }
        }
    }

    fn documents(
        &mut self,
        object: String,
        before: &PresentPolicy,
        (server, name, document): (Option<String>, String, Arc<str>),
        file: &str,
    ) {
        let digest = document::digest(document.as_bytes());
        let mut differences: Vec<_> = self.adoption(&before.record.origin).into_iter().collect();
        if before.version.as_ref().is_some_and(|version| version.digest == digest) {
            return self.compared(object, differences, Act::AdoptPolicy(before.record.clone()));
        }
        let next = before.record.current.saturating_add(1);
        let old = before.version.as_ref().map(|version| version.document.as_str()).unwrap_or_default();
        let labels = (format!("version {}", before.record.current), format!("version {next}"));
        let diff = Difference::between((&labels.0, old), (&labels.1, &document)).text;
        differences.push(FieldDifference {
            field: "version".to_owned(),
            before: before.record.current.into(),
            after: next.into(),
            secret: false,
        });
        self.compared(object, differences, Act::Publish { server, name, document });
        if let Some(step) = self.steps.last_mut() {
            step.row.diff = Some(diff);
        }
        let of_file = self.round.origin == Origin::File;
        self.note(of_file.then(|| format!("policy `{file}`: version {next} applies from the next call")));
    }

    fn grant(&mut self, desired: DesiredGrant) {
        let object = format!("server/{}/grant/{}", desired.server, desired.label);
        let server = self.present.servers.get(&desired.server).map(|server| server.record.id.clone());
        let before = server.and_then(|server| self.present.grants.get(&(server, desired.label.clone())));
        let Some(before) = before else {
            let mints = desired.token.is_none();
            let bare = desired.policy.is_none();
            self.step(Action::Add, object, Act::AddGrant(desired));
            self.note(mints.then(|| "its token is minted".to_owned()));
            return self.note(bare.then(|| "it has no policy: every call is denied".to_owned()));
        };
        if !self.may(&before.origin, &desired.file, &format!("the grant `{}`", desired.label)) {
            return;
        }
        let policy = before.policy.as_deref().and_then(|policy| self.present.policy_name(policy));
        let mut differences = differ::grants(before, policy, &desired, &self.control.inner.tokens);
        differences.extend(self.adoption(&before.origin));
        let act = Act::ChangeGrant(before.clone(), desired);
        self.compared(object, differences, act);
    }

    /// What the configuration file keeps is changed by nothing else.
    fn may(&mut self, origin: &Origin, file: &str, words: &str) -> bool {
        let may = *origin != Origin::File || self.round.origin == Origin::File;
        if !may {
            self.problems.line(file, &format!("{words} is declared in the configuration file [CG3046]"));
        }
        may
    }

    /// What somebody else kept until now is taken over, and the plan says so.
    fn adoption(&self, origin: &Origin) -> Option<FieldDifference> {
        let word = |origin: &Origin| match origin {
            Origin::Manual => "manual",
            Origin::File => "file",
            Origin::Apply => "apply",
        };
        (*origin != self.round.origin).then(|| FieldDifference {
            field: "origin".to_owned(),
            before: word(origin).into(),
            after: word(&self.round.origin).into(),
            secret: false,
        })
    }

    fn compared(&mut self, object: String, differences: Vec<FieldDifference>, act: Act) {
        if differences.is_empty() {
            return self.step(Action::Unchanged, object, Act::Nothing);
        }
        self.step(Action::Change, object, act);
        if let Some(step) = self.steps.last_mut() {
            step.row.differences = differences;
        }
    }

    fn step(&mut self, action: Action, object: String, act: Act) {
        let row = PlanRow { action, object, differences: Vec::new(), diff: None, notes: Vec::new() };
        self.steps.push(PlannedStep { row, act });
    }

    fn note(&mut self, note: Option<String>) {
        if let Some(step) = self.steps.last_mut() {
            step.row.notes.extend(note);
        }
    }
}

/// As plans and records call a policy.
pub(super) fn policy_object(server: Option<&str>, name: &str) -> String {
    match server {
        Some(server) => format!("server/{server}/policy/{name}"),
        None => super::present::BASELINE.to_owned(),
    }
}

/// Tags and the like, for comparing.
type Texts = BTreeMap<String, String>;
