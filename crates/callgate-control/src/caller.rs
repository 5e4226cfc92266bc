//! Who asks, and what they may do. Nothing gets at the store without a [`Cleared`], and only a [`Caller`] gives one.

use crate::error::{Error, Kind};
use callgate_store::{Role, Roles};

/// What is asked for. The matrix of roles is [`Permission::least`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Servers without their credentials, their tools.
    ReadServers,
    /// Policies, their versions and differences.
    ReadPolicies,
    /// Grants: labels and what they are good for, never tokens.
    ReadGrants,
    /// Decisions, refusals, withheld tools.
    ReadDecisions,
    /// Create, edit, delete, attach and detach policies.
    EditPolicies,
    /// Say yes or no to what waits for approval.
    DecideApprovals,
    /// Register, edit and remove servers, and their credentials.
    ManageServers,
    /// Mint, edit, rotate and revoke grants.
    ManageGrants,
    /// Add, edit and remove members and API tokens.
    ManageMembers,
    /// Who changed what.
    ReadChanges,
    /// Organisations, keys, backups: of the whole instance.
    ManageInstance,
}

/// What it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// The organisation as a whole.
    Organisation,
    /// One server, by its identity.
    Server(&'a str),
    /// Whatever the caller may see: a list, filtered by [`Cleared::sees`].
    Visible,
}

/// Who asks, for records of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A member: its identity and login.
    Member {
        /// Its identity.
        id: String,
        /// What it signs in with.
        login: String,
    },
    /// An API token: its identity and label.
    Token {
        /// Its identity.
        id: String,
        /// What it is called.
        label: String,
    },
    /// The configuration file of the gateway.
    Configuration,
    /// A program of the same user on the local socket, without a credential.
    Local,
    /// The gateway, by itself.
    Gateway,
    /// The user behind a grant, through its client: the label of the grant.
    Grant(String),
}

/// Somebody who asks: an organisation, and roles in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    organisation: String,
    who: Who,
    roles: Roles,
    instance: bool,
}

/// A caller that may do something. The only key to the store.
#[derive(Clone, Debug)]
pub struct Cleared<'c> {
    caller: &'c Caller,
    permission: Permission,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::ReadServers,
        Self::ReadPolicies,
        Self::ReadGrants,
        Self::ReadDecisions,
        Self::EditPolicies,
        Self::DecideApprovals,
        Self::ManageServers,
        Self::ManageGrants,
        Self::ManageMembers,
        Self::ReadChanges,
        Self::ManageInstance,
    ];

    /// The least role that has it.
    pub fn least(self) -> Role {
        match self {
            Self::ReadServers | Self::ReadPolicies | Self::ReadGrants | Self::ReadDecisions => Role::Viewer,
            Self::EditPolicies | Self::DecideApprovals => Role::PolicyManager,
            Self::ManageServers | Self::ManageGrants | Self::ManageMembers | Self::ReadChanges => Role::Admin,
            Self::ManageInstance => Role::Admin,
        }
    }

    /// Its word, as the OpenAPI document has it (`x-permission`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadServers => "read_servers",
            Self::ReadPolicies => "read_policies",
            Self::ReadGrants => "read_grants",
            Self::ReadDecisions => "read_decisions",
            Self::EditPolicies => "edit_policies",
            Self::DecideApprovals => "decide_approvals",
            Self::ManageServers => "manage_servers",
            Self::ManageGrants => "manage_grants",
            Self::ManageMembers => "manage_members",
            Self::ReadChanges => "read_changes",
            Self::ManageInstance => "manage_instance",
        }
    }
}

impl Caller {
    /// Somebody with these roles. Made by authentication, and by the binary for the configuration file.
    pub fn new(organisation: &str, who: Who, roles: Roles, instance: bool) -> Self {
        Self { organisation: organisation.to_owned(), who, roles, instance }
    }

    /// The organisation.
    pub fn organisation(&self) -> &str {
        &self.organisation
    }

    /// Who it is.
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// The roles.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Whether this is allowed. A server that the caller may not see at all is not there (404); what it may see and
    /// not do is forbidden (403).
    pub fn clear(&self, permission: Permission, scope: Scope<'_>) -> Result<Cleared<'_>, Error> {
        let has = |role: Option<Role>| role.is_some_and(|role| role >= permission.least());
        let organisation = self.roles.organisation;
        let allowed = match scope {
            _ if permission == Permission::ManageInstance => self.instance,
            Scope::Organisation => has(organisation),
            Scope::Server(server) => has(organisation) || has(self.roles.servers.get(server).copied()),
            Scope::Visible => has(organisation) || self.roles.servers.values().any(|role| has(Some(*role))),
        };
        if allowed {
            return Ok(Cleared { caller: self, permission });
        }
        if let Scope::Server(server) = scope
            && organisation.is_none()
            && !self.roles.servers.contains_key(server)
        {
            return Err(Error::new(
                Kind::NotFound,
                "CG3041",
                "there is no such server",
                "`callgate server list` shows them",
            ));
        }
        let message = format!("this needs the permission `{}`, which your role does not have", permission.as_str());
        Err(Error::new(Kind::Forbidden, "CG3110", message, "ask an admin of the organisation"))
    }
}

impl Cleared<'_> {
    /// Who asks.
    pub fn caller(&self) -> &Caller {
        self.caller
    }

    /// Whether the permission reaches this server: what lists are filtered by.
    pub fn sees(&self, server: &str) -> bool {
        self.caller.clear(self.permission, Scope::Server(server)).is_ok()
    }

    /// Whether it reaches every server of the organisation.
    pub fn sees_all(&self) -> bool {
        self.caller.clear(self.permission, Scope::Organisation).is_ok()
    }
}

impl Who {
    /// Its word in records: `member:ada@example.com`, `token:ci`, `configuration file`, `local`, `gateway`.
    pub fn word(&self) -> String {
        match self {
            Self::Member { login, .. } => format!("member:{login}"),
            Self::Token { label, .. } => format!("token:{label}"),
            Self::Configuration => "configuration file".to_owned(),
            Self::Local => "local".to_owned(),
            Self::Gateway => "gateway".to_owned(),
            Self::Grant(label) => format!("grant:{label}"),
        }
    }

    /// Its identity, for a record that has to know it again: the member's or the token's, else its word.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::Member { id, .. } | Self::Token { id, .. } => id.clone(),
            other => other.word(),
        }
    }
}
