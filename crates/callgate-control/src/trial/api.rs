//! Requests to the admin API, without a socket.

use super::{NOW, Trial};
use crate::api::{Via, router};
use crate::names;
use axum::Router;
use axum::body::Body;
use callgate_store::{Credential, CredentialKind, Roles};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// The API of a trial.
pub(crate) struct Api {
    router: Router,
}

/// What the API answered.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Null where there is no body.
    pub(crate) body: Value,
}

impl Trial {
    /// The API.
    pub(crate) fn api(&self) -> Api {
        Api { router: router(self.control.clone()) }
    }

    /// A new API token with these roles.
    pub(crate) async fn token(&self, organisation: &str, roles: Roles, instance: bool) -> String {
        let inner = &self.control.inner;
        let (secret, hash) = names::mint_token("cga_", &inner.tokens).unwrap();
        let credential = Credential {
            id: names::new_id("c_").unwrap(),
            hash,
            kind: CredentialKind::Token,
            member: None,
            label: "test".to_owned(),
            roles,
            instance,
            csrf: String::new(),
            created: NOW,
            expires: None,
            used: None,
        };
        let mut change = inner.store.begin(organisation).await.unwrap();
        change.insert(&credential).await.unwrap();
        change.commit().await.unwrap();
        secret.reveal().to_owned()
    }
}

impl Api {
    /// Sends a request; `headers` are `NAME: VALUE`, a null body is none.
    pub(crate) async fn send(&self, line: &str, token: &str, headers: &[&str], body: Value) -> Answered {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for header in headers {
            let (name, value) = header.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        let body = match body {
            Value::Null => Body::empty(),
            body => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
        };
        let mut request = request.body(body).unwrap();
        request.extensions_mut().insert(Via::Tcp { peer: [127, 0, 0, 1].into(), tls: false });
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answered { status: parts.status, headers: parts.headers, body }
    }
}

impl Answered {
    /// The status and the code of a problem.
    pub(crate) fn problem(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or_default())
    }

    /// The revision of what was answered.
    pub(crate) fn tag(&self) -> &str {
        self.headers.get("etag").map(|tag| tag.to_str().unwrap()).unwrap_or_default()
    }
}
