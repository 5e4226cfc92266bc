//! Who may do what: every operation of the document with every role, against the table that the product promises.

use super::seed::{Operation, Seed, operations};
use super::*;
use serde_json::json;

/// How much somebody may, as the tests say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Nobody,
    Known,
    Viewer,
    PolicyManager,
    Admin,
    Instance,
}

/// Viewers read servers, policies, grant labels and decisions; policy managers also create, edit, delete, attach and
/// detach policies, and decide approvals; admins also handle servers, upstream credentials, grants, members and read
/// the change log. What is of the whole instance needs its credential.
const TABLE: [(&str, Rank); 13] = [
    ("none", Rank::Nobody),
    ("signed_in", Rank::Known),
    ("read_servers", Rank::Viewer),
    ("read_policies", Rank::Viewer),
    ("read_grants", Rank::Viewer),
    ("read_decisions", Rank::Viewer),
    ("edit_policies", Rank::PolicyManager),
    ("decide_approvals", Rank::PolicyManager),
    ("manage_servers", Rank::Admin),
    ("manage_grants", Rank::Admin),
    ("manage_members", Rank::Admin),
    ("read_changes", Rank::Admin),
    ("manage_instance", Rank::Instance),
];

/// The words that an operation has to have, by what it is about.
fn words(operation: &Operation) -> &'static str {
    let path = operation.path.strip_prefix("/api/v1/").unwrap();
    let area = path.split('/').next().unwrap();
    let reads = operation.method == Method::GET;
    match area {
        "openapi.json" | "sessions" => "none",
        "session" => "signed_in",
        "grants" if path.ends_with("/policy") => "edit_policies",
        "baseline" | "policies" if reads => "read_policies",
        "baseline" => "edit_policies",
        "servers" if path.contains("/policies") && reads => "read_policies",
        "servers" if path.contains("/policies") => "edit_policies",
        "servers" if reads => "read_servers",
        "servers" => "manage_servers",
        "grants" if reads => "read_grants",
        "grants" => "manage_grants",
        "members" | "tokens" | "webhooks" => "manage_members",
        "limits" if reads => "read_decisions",
        "limits" => "edit_policies",
        "approvals" if reads => "read_decisions",
        "approvals" => "decide_approvals",
        "decisions" | "refusals" | "export" | "withheld" | "summary" => "read_decisions",
        "changes" => "read_changes",
        "apply" => "manage_servers+manage_grants+edit_policies",
        "catalogue" if reads => "read_servers",
        "catalogue" => "manage_servers",
        "organisations" | "keys" | "backup" | "journal" => "manage_instance",
        _ => panic!("{} is about something new: say here who may do it", operation.path),
    }
}

fn least(operation: &Operation) -> Rank {
    let rank = |word: &str| TABLE.iter().find(|(known, _)| *known == word).unwrap_or_else(|| panic!("{word}")).1;
    operation.word.split('+').map(rank).max().unwrap()
}

/// Whether an operation is about one server, so that a role for that server is enough.
fn is_about_a_server(operation: &Operation) -> bool {
    ["{server}", "{grant}", "{approval}", "{id}"].iter().any(|part| operation.path.contains(part))
}

/// Whether it is about the organisation as a whole, so that a role for a server is never enough.
fn is_about_all(operation: &Operation) -> bool {
    ["baseline", "members", "tokens", "organisations", "keys", "backup", "journal", "apply", "changes", "webhooks"]
        .iter()
        .any(|area| operation.path.starts_with(&format!("/api/v1/{area}")))
        || ["server_add", "catalogue_import"].contains(&operation.id.as_str())
}

fn denied(answered: &Answered) -> bool {
    matches!(answered.status.as_u16(), 401 | 403 | 404)
}

/// One that would be good if it came from somebody else.
fn well_formed(operation: &Operation, path: &str) -> Ask {
    let ask = Ask::new(operation.method.clone(), path).header("if-match", "\"999999999\"");
    let document = json!({ "document": r#"{"version":"1","default":"deny"}"# });
    match operation.id.as_str() {
        "server_add" => ask.json(&json!({ "name": "x", "target": { "url": "https://x.example/" } })),
        "baseline_publish" => ask.json(&document),
        "baseline_rollback" | "apply" => ask.json(&json!({})),
        _ => operation.harmless(path),
    }
}

#[test]
fn every_operation_asks_for_what_it_is_about() {
    for operation in operations() {
        assert_eq!(operation.word, words(&operation), "{} {}", operation.method, operation.path);
    }
}

#[tokio::test]
async fn roles_in_the_organisation_open_what_the_table_says() {
    let site = Site::new().await;
    let seed = site.seed(site.first.credential.reveal().to_owned(), "first").await;
    let callers = [
        (Rank::Nobody, None),
        (Rank::Known, Some(site.token("nothing", json!({})).await)),
        (Rank::Viewer, Some(site.token("viewer", json!({ "organisation": "viewer" })).await)),
        (Rank::PolicyManager, Some(site.token("manager", json!({ "organisation": "policy_manager" })).await)),
        (Rank::Admin, Some(site.token("admin2", json!({ "organisation": "admin" })).await)),
        (Rank::Instance, Some(seed.admin.clone())),
    ];
    for operation in operations() {
        let path = operation.path(&seed);
        for (rank, token) in &callers {
            let ask = operation.harmless(path.as_deref().unwrap_or(&operation.path.replace(['{', '}'], "")));
            let ask = match token {
                Some(token) => ask.bearer(token),
                None => ask,
            };
            let answered = site.send(ask).await;
            let may = *rank >= least(&operation);
            let name = format!("{rank:?}: {} {}: {answered:?}", operation.method, operation.path);
            assert!(!answered.status.is_server_error(), "{name}");
            // What the seed has nothing of is a 404 for who may.
            assert!(denied(&answered) != may || (may && path.is_none()), "{name}");
            assert_eq!(answered.status == 401, *rank == Rank::Nobody && !may, "{name}");
        }
    }
}

#[tokio::test]
async fn roles_for_one_server_open_that_server_and_no_other() {
    let site = Site::new().await;
    let seed = site.seed(site.first.credential.reveal().to_owned(), "first").await;
    let other = Seed { mark: "second".to_owned(), ..second(&site, &seed).await };
    for (rank, role) in [(Rank::Viewer, "viewer"), (Rank::PolicyManager, "policy_manager"), (Rank::Admin, "admin")] {
        let roles = json!({ "servers": { "first-server": role } });
        let token = site.token(&format!("{role} of one"), roles).await;
        for operation in operations() {
            let may = rank >= least(&operation);
            let name = format!("{role} of one server: {} {}", operation.method, operation.path);
            if let Some(path) = operation.path(&seed) {
                let answered = site.send(well_formed(&operation, &path).bearer(&token)).await;
                let open = may && !is_about_all(&operation);
                assert_eq!(denied(&answered), !open, "{name}: {answered:?}");
            }
            if let Some(path) = operation.path(&other).filter(|_| is_about_a_server(&operation)) {
                let answered = site.send(operation.harmless(&path).bearer(&token)).await;
                let expected = if may { 404 } else { 403 };
                assert!(answered.status == expected || operation.body, "{name}: {answered:?}");
                assert!(!answered.status.is_success(), "{name}: {answered:?}");
            }
            // Nothing of the other server in any list.
            if let Some(path) = operation.path(&seed).filter(|_| operation.method == Method::GET) {
                let answered = site.send(Ask::get(&path).bearer(&token)).await;
                assert!(!answered.text.contains("second-"), "{name}: {answered:?}");
            }
        }
    }
}

/// Another server of the same organisation, with a policy and a grant.
async fn second(site: &Site, seed: &Seed) -> Seed {
    let body = json!({ "name": "second-server", "target": { "url": "https://second-server.example/mcp" } });
    let server = site.root(Method::POST, "/api/v1/servers", Some(body)).await.json();
    let server = server["uuid"].as_str().unwrap().to_owned();
    let ask = Ask::new(Method::PUT, &format!("/api/v1/servers/{server}/policies/default")).bearer(&seed.admin);
    let document = r#"{"version":"1","description":"second-policy","default":"deny"}"#;
    let published = site.send(ask.json(&json!({ "document": document }))).await;
    assert!(published.status.is_success(), "{published:?}");
    let body = json!({ "server": server, "label": "second-grant" });
    let grant = site.root(Method::POST, "/api/v1/grants", Some(body)).await.json();
    Seed {
        grant: grant["id"].as_str().unwrap().to_owned(),
        member: seed.member.clone(),
        token: seed.token.clone(),
        webhook: seed.webhook.clone(),
        decision: site.decision("default", grant["id"].as_str().unwrap(), "second").await,
        approval: site.question(&server, grant["id"].as_str().unwrap(), "second").await,
        admin: seed.admin.clone(),
        mark: seed.mark.clone(),
        server,
    }
}
