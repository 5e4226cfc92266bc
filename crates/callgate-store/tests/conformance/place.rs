//! A fresh database of one kind, and records to put into it.

use callgate_store::{
    Credential, CredentialKind, Definition, DefinitionState, Grant, Member, Origin, Policy, PolicyVersion,
    PreviousToken, Role, Roles, Server, Store, Template, Webhook,
};
use std::collections::BTreeMap;
use tempfile::TempDir;
use testkit::Postgres;

/// An empty database.
pub struct Place {
    pub url: String,
    folder: Option<TempDir>,
}

impl Place {
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("call gate%20?".replace('?', "")).display());
        Self { url, folder: Some(folder) }
    }

    pub fn postgres() -> Self {
        Self { url: Postgres::shared().unwrap().database().unwrap(), folder: None }
    }

    pub fn is_postgres(&self) -> bool {
        self.folder.is_none()
    }

    /// Another database of the same kind.
    pub fn another(&self) -> Self {
        if self.is_postgres() { Self::postgres() } else { Self::sqlite() }
    }

    pub async fn open(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }

    /// A store with the organisations `acme` and `other`.
    pub async fn store(&self) -> Store {
        let store = self.open().await;
        store.add_organisation("acme", 1, None).await.unwrap();
        store.add_organisation("other", 2, None).await.unwrap();
        store
    }

    /// Runs SQL beside the store, and returns the text that it gives in its first column, if any.
    pub async fn sql(&self, sql: &str) -> Vec<String> {
        sqlx::any::install_default_drivers();
        let url = match &self.folder {
            Some(_) => self.url.replace('%', "%25"),
            None => self.url.clone(),
        };
        let mut connection = <sqlx::AnyConnection as sqlx::Connection>::connect(&url).await.unwrap();
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap();
        sqlx::Connection::close(connection).await.unwrap();
        rows.iter().map(|row| sqlx::Row::get(row, 0)).collect()
    }
}

pub fn server(id: &str, name: &str) -> Server {
    Server {
        id: id.to_owned(),
        name: name.to_owned(),
        target: r#"{"url":"https://mcp.example/ü"}"#.to_owned(),
        sealed: vec![0, 255, 1, 39],
        key_version: 3,
        settings: "{}".to_owned(),
        origin: Origin::Manual,
        created: 1_700_000_000_000,
    }
}

pub fn policy(id: &str, server: Option<&str>, name: &str) -> Policy {
    Policy {
        id: id.to_owned(),
        server: server.map(str::to_owned),
        name: name.to_owned(),
        current: 0,
        origin: Origin::File,
        created: 5,
    }
}

pub fn version(policy: &str, version: i64) -> PolicyVersion {
    PolicyVersion {
        policy: policy.to_owned(),
        version,
        document: format!("{{ // version {version}\n  'quoted': \"\\u0000 ☃\" }}\n"),
        digest: format!("{version:064x}"),
        repeats: (version > 2).then_some(1),
        by: "member:ada@example.com".to_owned(),
        at: 1_000 + version,
    }
}

pub fn grant(id: &str, server: &str, label: &str) -> Grant {
    Grant {
        id: id.to_owned(),
        server: server.to_owned(),
        label: label.to_owned(),
        policy: None,
        tags: BTreeMap::from([("team".to_owned(), "grün \"quoted\"".to_owned())]),
        token: format!("token of {id}"),
        previous: Some(PreviousToken {
            token: format!("token before of {id}"),
            until: 77,
            holder: Some("m_7".to_owned()),
        }),
        origin: Origin::Apply,
        created: 6,
        expires: Some(i64::MAX),
        revoked: None,
        minted_by: Some("m_1".to_owned()),
        rotated_by: Some("c_2".to_owned()),
    }
}

pub fn member(id: &str, login: &str) -> Member {
    Member {
        id: id.to_owned(),
        login: login.to_owned(),
        name: "Ada".to_owned(),
        roles: Roles {
            organisation: Some(Role::Viewer),
            servers: BTreeMap::from([("s1".to_owned(), Role::PolicyManager)]),
        },
        password: Some("$argon2id$…".to_owned()),
        created: 8,
        disabled: None,
    }
}

pub fn webhook(id: &str, name: &str) -> Webhook {
    Webhook {
        id: id.to_owned(),
        name: name.to_owned(),
        origin: "https://hooks.example".to_owned(),
        digest: "0123".to_owned(),
        sealed: vec![0, 255, 2],
        key_version: 4,
        template: Template::Teams,
        kinds: Vec::new(),
        servers: Vec::new(),
        include_arguments: true,
        created: 10,
        disabled: None,
    }
}

pub fn credential(id: &str, kind: CredentialKind, member: Option<&str>) -> Credential {
    Credential {
        id: id.to_owned(),
        hash: format!("hash of {id}"),
        kind,
        member: member.map(str::to_owned),
        label: if kind == CredentialKind::Token { id.to_owned() } else { String::new() },
        roles: Roles::default(),
        instance: kind == CredentialKind::Token,
        csrf: String::new(),
        created: 9,
        expires: Some(1_000),
        used: None,
    }
}

pub fn definition(server: &str, tool: &str) -> Definition {
    Definition {
        id: Definition::id_of(server, tool),
        server: server.to_owned(),
        tool: tool.to_owned(),
        definition: format!(r#"{{"name":"{tool}","description":"\\u0000 ☃"}}"#),
        fingerprint: "sha256:0".to_owned(),
        state: DefinitionState::Pending,
        candidate: None,
        first_seen: 10,
        approved_by: None,
        category: None,
        labels: None,
    }
}
