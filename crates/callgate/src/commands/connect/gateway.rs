//! What connecting needs of the gateway: its servers, and grants for them.

use crate::api::{Place, Request, path};
use crate::cli::DataArgs;
use crate::commands::fleet::{Fleet, cell};
use crate::environment::Environment;
use crate::failure::Failure;
use serde_json::{Value, json};
use std::cell::OnceCell;

/// The gateway, as a caller of these commands.
pub(crate) struct Gateway<'e> {
    data: &'e DataArgs,
    environment: &'e Environment,
    fleet: OnceCell<Fleet>,
}

/// A grant that was just minted.
pub(super) struct Minted {
    pub(super) id: String,
    pub(super) token: String,
}

impl<'e> Gateway<'e> {
    /// The gateway of a data directory.
    pub(crate) fn new(data: &'e DataArgs, environment: &'e Environment) -> Self {
        Self { data, environment, fleet: OnceCell::new() }
    }

    /// All servers, as lists show them.
    pub(crate) fn servers(&self) -> Result<Vec<Value>, Failure> {
        // Before the first use there are none, and only looking is no use.
        match Place::of(self.data, self.environment, false) {
            Err(failure) if failure.code == "CG3010" => return Ok(Vec::new()),
            place => place.map(drop)?,
        }
        self.fleet()?.list(Request::get(path(&["servers"], &[])))
    }

    /// Registers a server.
    pub(crate) fn add(&self, name: &str, target: &Value) -> Result<(), Failure> {
        let body = json!({ "name": name, "target": target });
        self.fleet()?.send(Request::post(path(&["servers"], &[]), &body)).map(drop)
    }

    /// The grants of a server that are not revoked.
    pub(super) fn grants(&self, server: &str) -> Result<Vec<Value>, Failure> {
        let rows = self.fleet()?.list(Request::get(path(&["grants"], &[("server", server)])))?;
        Ok(rows.into_iter().filter(|grant| grant.get("revoked").is_none_or(Value::is_null)).collect())
    }

    /// Mints a grant.
    pub(super) fn mint(&self, server: &str, label: &str, policy: Option<&str>) -> Result<Minted, Failure> {
        let mut body = json!({ "server": server, "label": label });
        if let (Some(policy), Some(body)) = (policy, body.as_object_mut()) {
            body.insert("policy".to_owned(), policy.into());
        }
        let grant = self.fleet()?.send(Request::post(path(&["grants"], &[]), &body))?.tree();
        Ok(Minted { id: cell(&grant, "id"), token: cell(&grant, "token") })
    }

    /// Revokes a grant.
    pub(super) fn revoke(&self, grant: &str) -> Result<(), Failure> {
        self.fleet()?.send(Request::delete(path(&["grants", grant], &[]))).map(drop)
    }

    /// Reached once, for as long as the command runs.
    fn fleet(&self) -> Result<&Fleet, Failure> {
        if let Some(fleet) = self.fleet.get() {
            return Ok(fleet);
        }
        let fleet = Fleet::changing(self.data, self.environment)?;
        Ok(self.fleet.get_or_init(|| fleet))
    }
}
