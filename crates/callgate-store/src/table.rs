//! How records are rows: what each table is called, and which column holds what.

mod definition;
mod webhook;

use crate::cell::{Cell, Source};
use crate::error::StoreError;
use crate::records::{Credential, CredentialKind, Grant, Member, Origin, Policy, PolicyVersion, PreviousToken, Server};
use sqlx::any::{Any, AnyArguments, AnyRow};
use sqlx::query::Query;
use std::collections::BTreeMap;

/// A statement that takes values.
pub(crate) type Statement<'q> = Query<'q, Any, AnyArguments>;

/// A structure that has a table.
pub trait Table: Sized {
    /// The table.
    const TABLE: &'static str;
    /// The columns after `organisation`, `changed` and `removed`, in the order of [`Table::bind`] and [`Table::read`].
    const COLUMNS: &'static [&'static str];
    /// The column that tells records of one parent (or all) apart and orders them.
    const ID: &'static str = "id";
    /// The column of the parent, where there is one.
    const PARENT: Option<&'static str> = None;
    /// What the name is unique within, as the index has it, where that is not simply the parent.
    const WITHIN: Option<&'static str> = None;
    /// The column that [`Table::name`] is about.
    const NAME: &'static str;
    /// What a record has to be besides not removed to be found by its name.
    const LIVE: &'static str = "";
    /// Whether the identity is the parent's and a number, which orders the newest first. Such records never change.
    const NUMBERED: bool = false;
    /// Whether there are so many that all of them are read in groups. Such records hold no bytes.
    const MANY: bool = false;

    /// The name, for messages.
    fn name(&self) -> String;
    /// The identity.
    fn id(&self) -> String;
    /// Adds the values of all columns.
    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q>;
    /// Takes the values of all columns.
    fn read(values: &mut Values<'_>) -> Result<Self, StoreError>;
}

/// The values of a row, from left to right.
pub struct Values<'r> {
    source: Source<'r>,
    table: &'static str,
    at: usize,
}

impl<'r> Values<'r> {
    pub(crate) fn new(row: &'r AnyRow, table: &'static str) -> Self {
        Self { source: Source::Row(row), table, at: 0 }
    }

    /// The values of a row that came as a JSON array.
    pub(crate) fn of_array(array: &'r [serde_json::Value], table: &'static str) -> Self {
        Self { source: Source::Array(array), table, at: 0 }
    }

    /// The values behind these.
    pub(crate) fn skip(self, values: usize) -> Self {
        Self { at: self.at + values, ..self }
    }

    pub(crate) fn next<T: Cell<'r>>(&mut self) -> Result<T, StoreError> {
        let at = self.at;
        self.at += 1;
        T::of(self.source, at).ok_or_else(|| self.broken("has another type"))
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        let text: &str = self.next()?;
        serde_json::from_str(text).map_err(|_| self.broken("is not the JSON that it has to be"))
    }

    fn some_json<T: serde::de::DeserializeOwned>(&mut self) -> Result<Option<T>, StoreError> {
        let text: Option<String> = self.next()?;
        let read = text.map(|text| serde_json::from_str(&text));
        read.transpose().map_err(|_| self.broken("is not the JSON that it has to be"))
    }

    pub(crate) fn word<T: Clone>(&mut self, words: &[(&'static str, T)]) -> Result<T, StoreError> {
        let text: &str = self.next()?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| value.clone()).ok_or_else(|| self.broken("holds an unknown word"))
    }

    /// What is wrong with the value that was read last.
    pub(crate) fn broken(&self, what: &str) -> StoreError {
        StoreError::Broken { table: self.table, why: format!("its value {} {what}", self.at) }
    }
}

const ORIGINS: [(&str, Origin); 3] = [("manual", Origin::Manual), ("file", Origin::File), ("apply", Origin::Apply)];

const KINDS: [(&str, CredentialKind); 3] =
    [("link", CredentialKind::Link), ("session", CredentialKind::Session), ("token", CredentialKind::Token)];

fn word<T: PartialEq>(value: &T, words: &[(&'static str, T)]) -> &'static str {
    words.iter().find(|(_, found)| found == value).map_or("", |(word, _)| word)
}

/// Compact JSON. Maps of text can't fail; if one did, the row would be refused when it is read.
fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl Table for Server {
    const TABLE: &'static str = "servers";
    const COLUMNS: &'static [&'static str] =
        &["id", "name", "target", "sealed", "key_version", "settings", "origin", "created"];
    const NAME: &'static str = "name";

    fn name(&self) -> String {
        self.name.clone()
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        let statement = statement.bind(self.id.clone()).bind(self.name.clone()).bind(self.target.clone());
        let statement = statement.bind(self.sealed.clone()).bind(self.key_version).bind(self.settings.clone());
        statement.bind(word(&self.origin, &ORIGINS)).bind(self.created)
    }

    fn read(values: &mut Values<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: values.next()?,
            name: values.next()?,
            target: values.next()?,
            sealed: values.next()?,
            key_version: values.next()?,
            settings: values.next()?,
            origin: values.word(&ORIGINS)?,
            created: values.next()?,
        })
    }
}

impl Table for Policy {
    const TABLE: &'static str = "policies";
    const COLUMNS: &'static [&'static str] = &["id", "server", "name", "current", "origin", "created"];
    const PARENT: Option<&'static str> = Some("server");
    const WITHIN: Option<&'static str> = Some("COALESCE(server, '')");
    const NAME: &'static str = "name";

    fn name(&self) -> String {
        self.name.clone()
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        let statement = statement.bind(self.id.clone()).bind(self.server.clone()).bind(self.name.clone());
        statement.bind(self.current).bind(word(&self.origin, &ORIGINS)).bind(self.created)
    }

    fn read(values: &mut Values<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: values.next()?,
            server: values.next()?,
            name: values.next()?,
            current: values.next()?,
            origin: values.word(&ORIGINS)?,
            created: values.next()?,
        })
    }
}

impl Table for PolicyVersion {
    const TABLE: &'static str = "policy_versions";
    const COLUMNS: &'static [&'static str] =
        &["policy", "version", "document", "digest", "repeats", "published_by", "published_at"];
    const ID: &'static str = "version";
    const PARENT: Option<&'static str> = Some("policy");
    const NAME: &'static str = "version";
    const NUMBERED: bool = true;

    fn name(&self) -> String {
        self.version.to_string()
    }

    fn id(&self) -> String {
        format!("{}/{}", self.policy, self.version)
    }

    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        let statement = statement.bind(self.policy.clone()).bind(self.version).bind(self.document.clone());
        statement.bind(self.digest.clone()).bind(self.repeats).bind(self.by.clone()).bind(self.at)
    }

    fn read(values: &mut Values<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            policy: values.next()?,
            version: values.next()?,
            document: values.next()?,
            digest: values.next()?,
            repeats: values.next()?,
            by: values.next()?,
            at: values.next()?,
        })
    }
}

impl Table for Grant {
    const TABLE: &'static str = "grants";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "server",
        "label",
        "policy",
        "tags",
        "token",
        "previous_token",
        "previous_until",
        "origin",
        "created",
        "expires",
        "revoked",
        "minted_by",
        "rotated_by",
        "previous_holder",
    ];
    const PARENT: Option<&'static str> = Some("server");
    const NAME: &'static str = "label";
    const LIVE: &'static str = " AND revoked IS NULL";
    const MANY: bool = true;

    fn name(&self) -> String {
        self.label.clone()
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        let previous = self.previous.as_ref();
        let statement = statement.bind(self.id.clone()).bind(self.server.clone()).bind(self.label.clone());
        let statement = statement.bind(self.policy.clone()).bind(json(&self.tags)).bind(self.token.clone());
        let statement = statement.bind(previous.map(|previous| previous.token.clone()));
        let statement = statement.bind(previous.map(|previous| previous.until)).bind(word(&self.origin, &ORIGINS));
        let statement = statement.bind(self.created).bind(self.expires).bind(self.revoked);
        let statement = statement.bind(self.minted_by.clone()).bind(self.rotated_by.clone());
        statement.bind(previous.and_then(|previous| previous.holder.clone()))
    }

    fn read(values: &mut Values<'_>) -> Result<Self, StoreError> {
        let mut grant = Self {
            id: values.next()?,
            server: values.next()?,
            label: values.next()?,
            policy: values.next()?,
            tags: values.json::<BTreeMap<String, String>>()?,
            token: values.next()?,
            previous: {
                let token: Option<String> = values.next()?;
                let until: Option<i64> = values.next()?;
                token.zip(until).map(|(token, until)| PreviousToken { token, until, holder: None })
            },
            origin: values.word(&ORIGINS)?,
            created: values.next()?,
            expires: values.next()?,
            revoked: values.next()?,
            minted_by: values.next()?,
            rotated_by: values.next()?,
        };
        let holder = values.next()?;
        if let Some(previous) = &mut grant.previous {
            previous.holder = holder;
        }
        Ok(grant)
    }
}

impl Table for Member {
    const TABLE: &'static str = "members";
    const COLUMNS: &'static [&'static str] = &["id", "login", "name", "roles", "password", "created", "disabled"];
    const NAME: &'static str = "login";

    fn name(&self) -> String {
        self.login.clone()
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        let statement = statement.bind(self.id.clone()).bind(self.login.clone()).bind(self.name.clone());
        let statement = statement.bind(json(&self.roles)).bind(self.password.clone());
        statement.bind(self.created).bind(self.disabled)
    }

    fn read(values: &mut Values<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: values.next()?,
            login: values.next()?,
            name: values.next()?,
            roles: values.json()?,
            password: values.next()?,
            created: values.next()?,
            disabled: values.next()?,
        })
    }
}

impl Table for Credential {
    const TABLE: &'static str = "credentials";
    const COLUMNS: &'static [&'static str] =
        &["id", "hash", "kind", "member", "label", "roles", "instance", "csrf", "created", "expires", "used"];
    const PARENT: Option<&'static str> = Some("member");
    const NAME: &'static str = "label";

    fn name(&self) -> String {
        if self.label.is_empty() { self.id.clone() } else { self.label.clone() }
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        let statement = statement.bind(self.id.clone()).bind(self.hash.clone()).bind(word(&self.kind, &KINDS));
        let statement = statement.bind(self.member.clone()).bind(self.label.clone()).bind(json(&self.roles));
        let statement = statement.bind(i64::from(self.instance)).bind(self.csrf.clone());
        statement.bind(self.created).bind(self.expires).bind(self.used)
    }

    fn read(values: &mut Values<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: values.next()?,
            hash: values.next()?,
            kind: values.word(&KINDS)?,
            member: values.next()?,
            label: values.next()?,
            roles: values.json()?,
            instance: values.next::<i64>()? != 0,
            csrf: values.next()?,
            created: values.next()?,
            expires: values.next()?,
            used: values.next()?,
        })
    }
}
