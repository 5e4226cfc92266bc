mod declared;

use super::*;
use crate::error::Kind;
use crate::grants::Wish;
use crate::policies::{PolicyAt, Publication};
use crate::precondition::Precondition;
use crate::trial::{NOW, Trial, caller, member};
use callgate_store::{Grant, Role, Roles};
use serde_json::{Value, json};

const ALLOW: &str = r#"{"version":"1","default":"allow"}"#;
const DENY: &str = "{\"version\":\"1\",\n\"default\":\"deny\"}";
const TOKEN: &str = "cg_declared-token-0123456789abcdefghijklmnopq";

fn target(json: Value) -> Target {
    serde_json::from_value(json).unwrap()
}

fn web(secret: &str) -> Target {
    target(json!({ "url": "https://web.example.com/mcp", "headers": { "Authorization": secret } }))
}

fn server(name: &str, target: Target) -> DesiredServer {
    DesiredServer { name: name.into(), target, settings: Settings::default(), file: format!("servers/{name}.toml") }
}

fn policy(server: &str, name: &str, text: &str) -> DesiredPolicy {
    DesiredPolicy {
        server: server.into(),
        name: name.into(),
        document: document(&format!("policies/{server}/{name}.json"), text),
    }
}

fn document(file: &str, text: &str) -> DesiredDocument {
    DesiredDocument { text: Ok(text.into()), file: file.into() }
}

fn grant(server: &str, label: &str, policy: Option<&str>) -> DesiredGrant {
    DesiredGrant {
        label: label.into(),
        server: server.into(),
        policy: policy.map(str::to_owned),
        tags: BTreeMap::new(),
        expires: None,
        token: None,
        file: "grants.toml".into(),
    }
}

/// A small fleet.
fn fleet() -> Desired {
    Desired {
        servers: vec![
            server("web", web("Bearer hush-1")),
            server("files", target(json!({ "command": "files", "env": { "KEY": "hush-2" } }))),
        ],
        policies: vec![policy("web", "default", ALLOW), policy("files", "default", DENY)],
        baseline: Some(document("baseline.json", ALLOW)),
        grants: vec![grant("web", "laptop", Some("default")), grant("files", "laptop", None)],
    }
}

const DRY: Applying = Applying { dry_run: true, prune: false };
const REAL: Applying = Applying { dry_run: false, prune: false };
const PRUNE: Applying = Applying { dry_run: false, prune: true };

/// `ACTION OBJECT` of everything that is not as it should be.
fn words(applied: &Applied) -> Vec<String> {
    let row = |row: &PlanRow| format!("{} {}", serde_json::to_value(row.action).unwrap().as_str().unwrap(), row.object);
    applied.plan.iter().filter(|row| row.action != Action::Unchanged).map(row).collect()
}

fn fields(applied: &Applied) -> Vec<String> {
    applied.plan.iter().flat_map(|row| &row.differences).map(|difference| difference.field.clone()).collect()
}

async fn apply(trial: &Trial, desired: Desired, applying: Applying) -> Applied {
    trial.control.apply(&member(Role::Admin), desired, applying, None).await.unwrap()
}

/// What the data plane has: grants as `SERVER/LABEL POLICY VERSION`.
fn published(trial: &Trial) -> Vec<String> {
    let configuration = trial.control.configuration().borrow().clone();
    let server =
        |id: &str| configuration.servers.iter().find(|server| &*server.id == id).map_or("?", |server| &server.name);
    let policy = |policy: &crate::PublishedPolicy| format!("{} {}", policy.name, policy.version);
    let line = |grant: &crate::PublishedGrant| {
        format!("{}/{} {}", server(&grant.server), grant.label, grant.policy.as_ref().map_or("-".into(), policy))
    };
    let mut lines: Vec<String> = configuration.grants.iter().map(|grant| line(grant)).collect();
    lines.sort();
    lines
}

fn secrets_of(trial: &Trial, name: &str) -> String {
    let configuration = trial.control.configuration().borrow().clone();
    let server = configuration.servers.iter().find(|server| server.name == name).unwrap();
    server.target.secrets().values().map(|secret| secret.reveal().to_owned()).collect()
}

#[tokio::test]
async fn what_is_desired_comes_in_one_change_and_again_changes_nothing() {
    let trial = Trial::new().await;
    let planned = apply(&trial, fleet(), DRY).await;
    let expected = [
        "add server/web",
        "add server/files",
        "add server/web/policy/default",
        "add server/files/policy/default",
        "add baseline",
        "add server/web/grant/laptop",
        "add server/files/grant/laptop",
    ];
    assert_eq!(words(&planned), expected);
    assert!(planned.changed && !planned.applied && planned.minted.is_empty());
    assert_eq!((published(&trial), trial.journal.bodies().len()), (Vec::<String>::new(), 0));

    let applied = apply(&trial, fleet(), REAL).await;
    assert_eq!(words(&applied), expected);
    assert_eq!(published(&trial), ["files/laptop -", "web/laptop default 1"]);
    assert_eq!(secrets_of(&trial, "web"), "Bearer hush-1");
    let minted: Vec<_> = applied.minted.iter().map(|minted| (&*minted.server, minted.token.reveal().len())).collect();
    assert_eq!(minted, [("web", 46), ("files", 46)]);
    let bodies = trial.journal.bodies();
    assert!(bodies.iter().all(|body| body["generation"] == bodies[0]["generation"] && body["who"] == "member:ada"));
    assert_eq!(bodies.len(), expected.len());

    let again = apply(&trial, fleet(), PRUNE).await;
    assert!(!again.changed && !again.applied && words(&again).is_empty());
    assert_eq!(trial.journal.bodies().len(), expected.len());
    let said = format!("{applied:?}{again:?}{}{}", serde_json::to_string(&again).unwrap(), json!(bodies));
    assert!(!said.contains("hush"), "{said}");
    assert!(!said.contains(applied.minted[0].token.reveal()), "{said}");
    assert!(!String::from_utf8_lossy(&trial.database()).contains("hush"));
}

#[tokio::test]
async fn every_difference_is_named_and_no_secret_is_shown() {
    let trial = Trial::new().await;
    apply(&trial, fleet(), REAL).await;
    let mut desired = fleet();
    desired.servers[0].target = target(
        json!({ "url": "https://eu.example.com/mcp", "headers": { "Authorization": "Bearer hush-9", "X": "y" } }),
    );
    desired.servers[0].settings = serde_json::from_value(json!({ "idle": "2m" })).unwrap();
    desired.policies[0] = policy("web", "default", DENY);
    desired.grants[0].tags.insert("team".into(), "a".into());
    desired.grants[0].expires = Some(NOW + 1000);
    desired.grants[0].token = Some(Secret::new(TOKEN.into()));
    desired.grants[1].policy = Some("default".into());
    let applied = apply(&trial, desired.clone(), REAL).await;
    assert_eq!(
        words(&applied),
        [
            "change server/web",
            "change server/web/policy/default",
            "change server/web/grant/laptop",
            "change server/files/grant/laptop"
        ]
    );
    assert_eq!(
        fields(&applied),
        [
            "target.url",
            "target.headers.Authorization",
            "target.headers.X",
            "settings.idle",
            "version",
            "tags",
            "expires",
            "token",
            "policy"
        ]
    );
    let rows = serde_json::to_value(&applied.plan).unwrap();
    assert_eq!(rows[0]["differences"][0]["after"], "https://eu.example.com/mcp");
    assert_eq!(
        rows[0]["differences"][1],
        json!({ "field": "target.headers.Authorization", "before": null, "after": null, "secret": true })
    );
    assert!(rows[2]["diff"].as_str().unwrap().contains("+\"default\":\"deny\"}"), "{rows}");
    assert!(applied.minted.is_empty() && !rows.to_string().contains("hush"));
    assert_eq!(published(&trial), ["files/laptop default 1", "web/laptop default 2"]);
    assert_eq!(secrets_of(&trial, "web"), "Bearer hush-9y");
    assert!(!apply(&trial, desired, REAL).await.changed);
    assert!(!json!(trial.journal.bodies()).to_string().contains("hush"));
}

#[tokio::test]
async fn whoever_gives_a_grant_its_token_holds_it() {
    let trial = Trial::new().await;
    apply(&trial, fleet(), REAL).await;
    let rotator = crate::trial::root();
    let grants = async || {
        let stored = trial.control.inner.store.reads("default").changed_since::<callgate_store::Grant>(None).await;
        stored.unwrap().into_iter().map(|stored| stored.record).collect::<Vec<_>>()
    };
    for grant in grants().await {
        trial.control.rotate_grant(&rotator, &grant.id, 60, Precondition::Present).await.unwrap();
    }
    let mut desired = fleet();
    desired.grants[0].token = Some(Secret::new(TOKEN.into()));
    apply(&trial, desired, REAL).await;
    let mut holders: Vec<_> =
        grants().await.iter().map(|grant| (grant.holder().unwrap().to_owned(), grant.previous.is_some())).collect();
    holders.sort();
    // The token before ended; who minted the other, and rotated it, is nobody new.
    assert_eq!(holders, [("c_0000000000000001".to_owned(), true), ("m_0000000000000001".to_owned(), false)]);
    let edits: Vec<_> = trial.journal.bodies().into_iter().filter(|body| body["what"] == "grant edit").collect();
    assert_eq!((edits.len(), &edits[0]["after"]["token"]), (1, &json!("changed")));
    assert!(edits[0]["before"]["token"].is_null());
}

#[tokio::test]
async fn only_what_was_applied_is_pruned() {
    let trial = Trial::new().await;
    apply(&trial, fleet(), REAL).await;
    let admin = member(Role::Admin);
    let publication = Publication { document: DENY.into(), file: "p.json".into(), dry_run: false };
    let mine = PolicyAt::Server { server: "web", name: "mine" };
    trial.control.publish_policy(&admin, mine, &publication, Precondition::Unsaid).await.unwrap();
    let mut less = fleet();
    less.servers.remove(1);
    less.policies.clear();
    less.baseline = None;
    less.grants.truncate(1);
    less.grants[0].policy = Some("mine".into());
    assert!(words(&apply(&trial, less.clone(), REAL).await).iter().all(|word| !word.starts_with("remove")));
    let pruned = apply(&trial, less.clone(), PRUNE).await;
    assert_eq!(
        words(&pruned),
        [
            "remove baseline",
            "remove server/files",
            "remove server/files/grant/laptop",
            "remove server/files/policy/default",
            "remove server/web/policy/default",
        ]
    );
    assert_eq!(published(&trial), ["web/laptop mine 1"]);
    assert!(!apply(&trial, less, PRUNE).await.changed);
    assert_eq!(words(&apply(&trial, fleet(), REAL).await).len(), 6, "and back");
}

#[tokio::test]
async fn what_was_edited_by_hand_is_drift() {
    let trial = Trial::new().await;
    apply(&trial, fleet(), REAL).await;
    let admin = member(Role::Admin);
    let publication = Publication { document: DENY.into(), file: "p.json".into(), dry_run: false };
    let at = PolicyAt::Server { server: "web", name: "default" };
    trial.control.publish_policy(&admin, at, &publication, Precondition::Present).await.unwrap();
    let drift = apply(&trial, fleet(), DRY).await;
    assert_eq!(words(&drift), ["change server/web/policy/default"]);
    apply(&trial, fleet(), REAL).await;
    assert_eq!(published(&trial), ["files/laptop -", "web/laptop default 3"]);
}

#[tokio::test]
async fn what_was_made_by_hand_is_taken_over_and_the_plan_says_so() {
    let trial = Trial::new().await;
    let admin = member(Role::Admin);
    apply(&trial, Desired { servers: vec![server("web", web("a"))], ..Desired::default() }, REAL).await;
    let wish =
        Wish { server: "web".into(), label: "laptop".into(), policy: None, expires: None, tags: BTreeMap::new() };
    trial.control.mint_grant(&admin, wish).await.unwrap();
    let desired = || Desired {
        servers: vec![server("web", web("a"))],
        grants: vec![grant("web", "laptop", None)],
        ..Desired::default()
    };
    let adopted = apply(&trial, desired(), REAL).await;
    assert_eq!(
        (words(&adopted), fields(&adopted)),
        (vec!["change server/web/grant/laptop".to_owned()], vec!["origin".to_owned()])
    );
    assert!(!apply(&trial, desired(), REAL).await.changed);
}

#[tokio::test]
async fn one_problem_and_nothing_is_applied() {
    let trial = Trial::new().await;
    let mut desired = fleet();
    desired.policies[0] = policy("web", "default", "{\n \"version\": 2\n}");
    desired.policies.push(policy("nowhere", "default", ALLOW));
    desired.servers.push(server("callgate", web("hush")));
    desired.servers.push(server("files", web("hush")));
    desired.servers.push(server("bad", target(json!({ "url": "ftp://x/", "headers": { "K": "hush" } }))));
    desired.grants.push(grant("web", "", Some("none")));
    desired.grants.push(DesiredGrant { token: Some(Secret::new("hush-short".into())), ..grant("web", "short", None) });
    let error = trial.control.apply(&member(Role::Admin), desired, REAL, None).await.unwrap_err();
    assert_eq!((error.code, error.kind), ("CG3176", Kind::Invalid));
    for part in [
        "policies/web/default.json:2:",
        "servers/callgate.toml: the server name `callgate` is reserved",
        "servers/files.toml: the server `files` is desired twice",
        "servers/bad.toml: `target.url`",
        "grants.toml: a label has",
        "grants.toml: the token is shorter",
    ] {
        assert!(error.message.contains(part), "{part}: {}", error.message);
    }
    assert!(error.problems.len() >= 6 && !format!("{error:?}").contains("hush"), "{error:?}");
    let mut desired = fleet();
    desired.policies.push(policy("nowhere", "default", ALLOW));
    desired.grants.push(grant("web", "x", Some("none")));
    let error = trial.control.apply(&member(Role::Admin), desired, REAL, None).await.unwrap_err();
    assert!(error.message.contains("no server `nowhere`") && error.message.contains("no policy `none`"), "{error}");
    assert_eq!((published(&trial), trial.journal.bodies().len()), (Vec::<String>::new(), 0));
    let reads = trial.control.inner.store.reads("default");
    assert_eq!(reads.changed_since::<callgate_store::Server>(None).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_token_that_is_in_use_stops_everything() {
    let trial = Trial::new().await;
    let token = || Some(Secret::new(TOKEN.into()));
    let mut desired = fleet();
    desired.grants[0].token = token();
    apply(&trial, desired.clone(), REAL).await;
    let mut second = Desired { servers: vec![server("new", web("a"))], ..Desired::default() };
    second.grants.push(DesiredGrant { token: token(), ..grant("new", "thief", None) });
    let error = trial.control.apply(&member(Role::Admin), second, REAL, None).await.unwrap_err();
    assert_eq!(error.code, "CG3105");
    assert!(!error.message.contains(TOKEN));
    assert_eq!(published(&trial).len(), 2);
    assert_eq!(trial.control.configuration().borrow().servers.len(), 2);
}

#[tokio::test]
async fn nobody_but_an_admin_applies() {
    let trial = Trial::new().await;
    for role in [Role::Viewer, Role::PolicyManager] {
        let error = trial.control.apply(&member(role), fleet(), DRY, None).await.unwrap_err();
        assert_eq!(error.kind, Kind::Forbidden);
    }
    let scoped = caller("default", Roles { organisation: None, servers: [("x".to_owned(), Role::Admin)].into() });
    assert_eq!(trial.control.apply(&scoped, fleet(), DRY, None).await.unwrap_err().kind, Kind::Forbidden);
}
