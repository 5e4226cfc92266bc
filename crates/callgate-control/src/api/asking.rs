//! For tests: the routes of a control plane of its own, and several who ask.

use crate::tokens::NewToken;
use crate::trial::{Answered, Api, Trial, root};
use callgate_store::{Role, Roles};
use serde_json::Value;

/// A control plane and its routes.
pub(super) struct Asking {
    pub(super) trial: Trial,
    api: Api,
}

impl Asking {
    pub(super) async fn new() -> Self {
        let trial = Trial::new().await;
        let api = trial.api();
        Self { trial, api }
    }

    /// The token of somebody with this role in the organisation.
    pub(super) async fn token(&self, role: Role) -> String {
        self.token_of(&format!("{role:?}"), Roles { organisation: Some(role), ..Roles::default() }).await
    }

    /// The token of somebody with these roles, who is called so in records.
    pub(super) async fn token_of(&self, label: &str, roles: Roles) -> String {
        let new = NewToken { label: label.to_owned(), roles, expires: None, instance: false };
        let (_, secret) = self.trial.control.add_token(&root(), new).await.unwrap();
        secret.reveal().to_owned()
    }

    /// Sends `METHOD PATH` (below `/api/v1`) with these headers, and a body unless it is null.
    pub(super) async fn ask(&self, token: &str, line: &str, headers: &[(&str, &str)], body: Value) -> Answered {
        let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        self.api.send(line, token, &headers, body).await
    }
}
