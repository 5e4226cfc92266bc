//! What the configuration file declares: the same engine, and what it does not declare any more goes.

use super::check::{self, Problems};
use super::{Applying, Desired, DesiredDocument, DesiredGrant, DesiredPolicy, DesiredServer, Round};
use crate::caller::{Caller, Permission, Scope, Who};
use crate::control::Control;
use crate::error::Error;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::target::Target;
use callgate_store::{Origin, Role, Roles};
use std::collections::BTreeMap;

/// Everything that a configuration file declares.
#[derive(Clone, Debug, Default)]
pub struct Declaration {
    /// Its servers.
    pub servers: Vec<DeclaredServer>,
    /// Its grants.
    pub grants: Vec<DeclaredGrant>,
}

/// A server that is declared.
#[derive(Clone, Debug)]
pub struct DeclaredServer {
    /// Its name.
    pub name: String,
    /// Where it is, with its secrets.
    pub target: Target,
    /// How it is treated.
    pub settings: Settings,
    /// Its policy file: the policy `default`.
    pub policy: Option<DesiredDocument>,
}

/// A grant that is declared.
#[derive(Clone, Debug)]
pub struct DeclaredGrant {
    /// Its label.
    pub label: String,
    /// The name of its server.
    pub server: String,
    /// Its token.
    pub token: Secret,
    /// The name of its policy; without one the server's policy file, where it has one.
    pub policy: Option<String>,
    /// Tags that rules can look at.
    pub tags: BTreeMap<String, String>,
}

/// What a policy file's policy is called.
const POLICY: &str = "default";

impl Control {
    /// Takes over what the configuration file `file` declares, in place of what it declared before: at start, after
    /// SIGHUP, and whenever one of its policy files was edited. A policy file that can't be used leaves its last good
    /// version in force; one that never was good refuses every call. The texts are what the operator should know.
    ///
    /// # Errors
    /// CG3176 with everything that can't be; then what was declared before stays.
    pub async fn declare(
        &self,
        organisation: &str,
        file: &str,
        declaration: Declaration,
    ) -> Result<Vec<String>, Error> {
        let roles = Roles { organisation: Some(Role::Admin), ..Roles::default() };
        let caller = Caller::new(organisation, Who::Configuration, roles, false);
        let cleared = caller.clear(Permission::ManageServers, Scope::Organisation)?;
        let mut problems = Problems::default();
        let checked = check::read(self, organisation, declaration.desired(file), &mut problems).await;
        problems.refuse()?;
        let applying = Applying { dry_run: false, prune: true };
        let round = Round { origin: Origin::File, applying, only: None };
        let (applied, broken) = self.carry_out(&cleared, checked, round).await?;
        for (policy, why) in broken {
            self.note_broken(&policy, &why).await?;
        }
        Ok(applied.plan.into_iter().flat_map(|row| row.notes).collect())
    }
}

impl Declaration {
    fn desired(self, file: &str) -> Desired {
        let mut desired = Desired::default();
        for DeclaredServer { name, target, settings, policy } in self.servers {
            if let Some(document) = policy {
                desired.policies.push(DesiredPolicy { server: name.clone(), name: POLICY.to_owned(), document });
            }
            desired.servers.push(DesiredServer { name, target, settings, file: file.to_owned() });
        }
        for DeclaredGrant { label, server, token, policy, tags } in self.grants {
            let of_file = || desired.policies.iter().any(|policy| policy.server == server).then(|| POLICY.to_owned());
            let policy = policy.or_else(of_file);
            let file = file.to_owned();
            let token = Some(token);
            desired.grants.push(DesiredGrant { label, server, policy, tags, expires: None, token, file });
        }
        desired
    }
}
