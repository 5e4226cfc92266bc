//! One of everything in an organisation, made over the API, and requests for every operation of the document.

use super::*;
use callgate_store::{Batch, DecisionRow, Watermark};
use serde_json::json;

/// An organisation with one of everything. Its marks stand in what it says about itself and in no path.
pub(super) struct Seed {
    pub(super) admin: String,
    pub(super) server: String,
    pub(super) grant: String,
    pub(super) member: String,
    pub(super) token: String,
    pub(super) webhook: String,
    pub(super) approval: String,
    pub(super) decision: String,
    pub(super) mark: String,
}

/// One operation of the OpenAPI document.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) id: String,
    pub(super) word: String,
    pub(super) body: bool,
}

/// Every operation.
pub(super) fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push(Operation {
                method: Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap(),
                path: path.clone(),
                id: operation["operationId"].as_str().unwrap().to_owned(),
                word: operation[gate::EXTENSION].as_str().unwrap().to_owned(),
                body: operation.get("requestBody").is_some(),
            });
        }
    }
    assert!(operations.len() > 40, "{}", operations.len());
    operations
}

impl Operation {
    /// The path with the things of a seed in it; `None` where the seed has no such thing.
    pub(super) fn path(&self, seed: &Seed) -> Option<String> {
        let mut path = self.path.clone();
        for (name, value) in [
            ("{server}", seed.server.as_str()),
            ("{policy}", "default"),
            ("{version}", "1"),
            ("{grant}", &seed.grant),
            ("{member}", &seed.member),
            ("{token}", &seed.token),
            ("{webhook}", &seed.webhook),
            ("{approval}", &seed.approval),
            ("{id}", &seed.decision),
        ] {
            path = path.replace(name, value);
        }
        (!path.contains('{')).then_some(path)
    }

    /// A request that changes nothing even where it is allowed: it is about a revision that never was, and its body has
    /// another shape.
    pub(super) fn harmless(&self, path: &str) -> Ask {
        let ask = Ask::new(self.method.clone(), path).header("if-match", "\"999999999\"");
        if self.body { ask.json(&json!("x")) } else { ask }
    }
}

impl Site {
    /// One of everything, by an admin of an organisation.
    pub(super) async fn seed(&self, admin: String, mark: &str) -> Seed {
        let send = async |method: Method, path: &str, body: Value| {
            let made = self.send(Ask::new(method, path).bearer(&admin).json(&body)).await;
            assert!(made.status.is_success(), "{path}: {made:?}");
            made.json()
        };
        let target =
            json!({ "url": format!("https://{mark}.example/mcp"), "headers": { "X-Key": format!("{mark}-key") } });
        let server =
            send(Method::POST, "/api/v1/servers", json!({ "name": format!("{mark}-server"), "target": target }));
        let server = text(&server.await, "uuid");
        let document = format!(r#"{{"version":"1","description":"{mark}-policy","default":"deny"}}"#);
        let policy = format!("/api/v1/servers/{server}/policies/default");
        for path in [policy.as_str(), "/api/v1/baseline"] {
            send(Method::PUT, path, json!({ "document": document })).await;
            // A second version, so that there is a difference.
            let next = json!({ "document": document.replace("deny", "allow") });
            let ask = Ask::new(Method::PUT, path).bearer(&admin).header("if-match", "*").json(&next);
            let published = self.send(ask).await;
            assert!(published.status.is_success(), "{path}: {published:?}");
        }
        let grant = json!({ "server": server, "label": format!("{mark}-grant"), "policy": "default" });
        let grant = send(Method::POST, "/api/v1/grants", grant).await;
        let member = json!({ "login": format!("{mark}-login"), "name": format!("{mark}-name") });
        let member = send(Method::POST, "/api/v1/members", member).await;
        let token = send(Method::POST, "/api/v1/tokens", json!({ "label": format!("{mark}-token") })).await;
        let webhook = json!({ "name": format!("{mark}-webhook"), "url": format!("https://{mark}.example/secret") });
        let webhook = send(Method::POST, "/api/v1/webhooks", webhook).await;
        let me = send(Method::GET, "/api/v1/session", Value::Null).await;
        let approval = self.question_of(&text(&me, "organisation"), (&server, &text(&grant, "id")), mark).await;
        Seed {
            grant: text(&grant, "id"),
            member: text(&member, "id"),
            token: text(&token, "id"),
            webhook: text(&webhook, "id"),
            decision: self.decision(&text(&me, "organisation"), &text(&grant, "id"), mark).await,
            approval,
            mark: mark.to_owned(),
            admin,
            server,
        }
    }
}

impl Site {
    /// A decision about a call of a grant, indexed.
    pub(super) async fn decision(&self, organisation: &str, grant: &str, mark: &str) -> String {
        let store = &self.trial.control.inner.store;
        let id = format!("decision-{grant}");
        let row = DecisionRow {
            seq: 1,
            organisation: organisation.to_owned(),
            ts: crate::trial::NOW,
            id: id.clone(),
            grant: grant.to_owned(),
            grant_label: format!("{mark}-grant"),
            server: format!("{mark}-server"),
            method: "tools/call".to_owned(),
            tool: format!("{mark}-tool"),
            outcome: "allow".to_owned(),
            details: "{}".to_owned(),
            ..DecisionRow::default()
        };
        let from = store.watermark(grant).await.unwrap();
        let to = Watermark { seq: 1, hash: "1".to_owned(), ..from.clone() };
        store.index(&from, &to, Batch { decisions: vec![row], ..Batch::default() }).await.unwrap();
        id
    }

    /// A question about a call of a grant of the first organisation.
    pub(super) async fn question(&self, server: &str, grant: &str, mark: &str) -> String {
        self.question_of("default", (server, grant), mark).await
    }

    /// The same in any organisation.
    pub(super) async fn question_of(&self, organisation: &str, (server, grant): (&str, &str), mark: &str) -> String {
        let asked = crate::approvals::trial::Asking {
            organisation: organisation.to_owned(),
            server: server.to_owned(),
            server_name: format!("{mark}-server"),
            grant: grant.to_owned(),
            tool: format!("{mark}-tool"),
            arguments: format!(r#"{{"key":"{mark}-argument"}}"#),
            ..Default::default()
        };
        asked.ask(&self.trial.control).await
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name}: {value}")).to_owned()
}
