//! One of everything in an organisation, made over the API, and requests for every operation of the document.

use super::*;
use serde_json::json;

/// An organisation with one of everything. Its marks stand in what it says about itself and in no path.
pub(super) struct Seed {
    pub(super) admin: String,
    pub(super) server: String,
    pub(super) grant: String,
    pub(super) member: String,
    pub(super) token: String,
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
        Seed {
            grant: text(&grant, "id"),
            member: text(&member, "id"),
            token: text(&token, "id"),
            mark: mark.to_owned(),
            admin,
            server,
        }
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name}: {value}")).to_owned()
}
