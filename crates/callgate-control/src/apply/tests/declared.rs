//! What the configuration file declares.

use super::*;
use crate::catalogue::ChangeTerms;
use crate::definitions::Listed;
use crate::listing::Part;

fn declared(policy: Result<&str, &str>, grants: &[&str]) -> Declaration {
    let text = policy.map(Into::into).map_err(str::to_owned);
    let grant = |label: &&str| DeclaredGrant {
        label: (*label).to_owned(),
        server: "web".into(),
        token: Secret::new(format!("{TOKEN}{label}")),
        policy: None,
        tags: BTreeMap::new(),
    };
    let policy = Some(DesiredDocument { text, file: "policy.json".into() });
    let server = DeclaredServer { name: "web".into(), target: web("a"), settings: Settings::default(), policy };
    Declaration { servers: vec![server], grants: grants.iter().map(grant).collect() }
}

async fn declare(trial: &Trial, declaration: Declaration) -> Vec<String> {
    trial.control.declare("default", "callgate.toml", declaration).await.unwrap()
}

#[tokio::test]
async fn the_configuration_file_keeps_what_it_declares() {
    let trial = Trial::new().await;
    assert_eq!(declare(&trial, declared(Ok(ALLOW), &["a", "b"])).await, Vec::<String>::new());
    assert_eq!(published(&trial), ["web/a default 1", "web/b default 1"]);
    let ids = |trial: &Trial| {
        let mut ids: Vec<String> =
            trial.control.configuration().borrow().grants.iter().map(|grant| grant.id.clone()).collect();
        ids.sort();
        ids
    };
    let before = ids(&trial);
    assert!(before.iter().all(|id| id.starts_with("c_")), "the same identities at every start: {before:?}");
    let trial = trial.restart().await;
    declare(&trial, declared(Ok(ALLOW), &["a", "b"])).await;
    assert_eq!(ids(&trial), before);
    let error = trial.control.apply(&member(Role::Admin), fleet(), REAL, None).await.unwrap_err();
    assert!(error.message.contains("[CG3046]"), "{error}");
    assert_eq!(
        declare(&trial, declared(Ok(DENY), &["a"])).await,
        ["policy `policy.json`: version 2 applies from the next call"]
    );
    assert_eq!(published(&trial), ["web/a default 2"]);
    declare(&trial, declared(Ok(DENY), &["a", "b"])).await;
    assert_eq!(published(&trial), ["web/a default 2", "web/b default 2"], "the same token again");
    declare(&trial, Declaration::default()).await;
    assert_eq!(published(&trial), Vec::<String>::new());
    declare(&trial, declared(Ok(DENY), &["a"])).await;
    assert_eq!(published(&trial), ["web/a default 1"]);
    let bodies = trial.journal.bodies();
    assert!(bodies.iter().all(|body| body["who"] == "configuration file"));
    let reads = trial.control.inner.store.reads("default");
    assert_eq!(reads.changed_since::<Grant>(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_policy_file_that_cannot_be_used_keeps_its_last_good_version_or_refuses() {
    let trial = Trial::new().await;
    let refusal = |trial: &Trial| {
        let configuration = trial.control.configuration().borrow().clone();
        format!("{:?}", configuration.grants[0].policy.as_ref().unwrap().policy)
    };
    let notes = declare(&trial, declared(Ok("{"), &["a"])).await;
    assert!(
        notes[0].starts_with("policy.json:1:") && notes[0].ends_with("every call is refused [CG3061]"),
        "{notes:?}"
    );
    assert_eq!(published(&trial), ["web/a default 0"]);
    assert!(refusal(&trial).contains("policy.json:1:"), "{}", refusal(&trial));
    let trial = trial.restart().await;
    assert_eq!(declare(&trial, declared(Err("can't read `policy.json`"), &["a"])).await.len(), 1);
    assert!(refusal(&trial).contains("can't read"), "{}", refusal(&trial));
    declare(&trial, declared(Ok(ALLOW), &["a"])).await;
    assert_eq!(published(&trial), ["web/a default 1"]);
    let notes = declare(&trial, declared(Ok("{"), &["a"])).await;
    assert!(notes[0].ends_with("version 1 stays in force [CG3060]"), "{notes:?}");
    assert_eq!(published(&trial), ["web/a default 1"]);
    let mut broken = declared(Ok(DENY), &["a"]);
    broken.grants[0].server = "nowhere".into();
    let error = trial.control.declare("default", "callgate.toml", broken).await.unwrap_err();
    assert!(error.message.contains("callgate.toml: the grant `a`: there is no server `nowhere`"), "{error}");
    assert_eq!(published(&trial), ["web/a default 1"], "what was declared before stays");
}

#[tokio::test]
async fn what_the_file_declares_now_is_taken_over_from_people() {
    let trial = Trial::new().await;
    apply(&trial, fleet(), REAL).await;
    declare(&trial, declared(Ok(DENY), &["laptop"])).await;
    assert_eq!(published(&trial), ["files/laptop -", "web/laptop default 2"]);
    let origins = trial.control.inner.store.reads("default").changed_since::<Grant>(None).await.unwrap();
    let origins: Vec<_> = origins.into_iter().map(|stored| stored.record.origin).collect();
    assert!(origins.contains(&Origin::File) && origins.contains(&Origin::Apply));
}

/// Lets a server show a tool, and gives the server's identity.
async fn listed(trial: &Trial, name: &str) -> Arc<str> {
    let id = trial.control.show_server(&member(Role::Admin), name).await.unwrap().uuid.into();
    let definition = json!({ "name": "echo", "description": "Echoes.", "inputSchema": { "type": "object" } });
    let tool = Listed { tool: "echo".into(), fingerprint: "sha256:1".into(), definition: definition.to_string() };
    trial.control.saw_tools("default", &id, vec![tool]).await.unwrap();
    trial.control.note_tools("default", &id, name, &json!([definition]).to_string()).await;
    id
}

/// What is pinned of a server, and what the feed of the catalogue says last.
async fn remains(trial: &Trial, server: &str) -> (usize, String) {
    let reads = trial.control.inner.store.reads("default");
    let pinned = reads.changed_since::<callgate_store::Definition>(Some(-1)).await.unwrap();
    let part = Part { limit: 1, after: None };
    let told = trial.control.catalogue_changes(&member(Role::Admin), &ChangeTerms::default(), &part).await.unwrap();
    let told = told.items.first().map(|told| format!("{} {}", told.what, told.server)).unwrap_or_default();
    (pinned.iter().filter(|stored| stored.record.server == server).count(), told)
}

#[tokio::test]
async fn a_server_that_is_pruned_takes_its_definitions_and_its_place_in_the_catalogue_with_it() {
    let trial = Trial::new().await;
    apply(&trial, fleet(), REAL).await;
    let web = listed(&trial, "web").await;
    assert_eq!(remains(&trial, &web).await, (1, "new web".to_owned()));
    apply(&trial, Desired::default(), PRUNE).await;
    assert_eq!(remains(&trial, &web).await, (0, "removed web".to_owned()));
}

#[tokio::test]
async fn a_server_that_is_not_declared_any_more_goes_as_whole() {
    let trial = Trial::new().await;
    let declared = DeclaredServer {
        name: "kernel".into(),
        target: web("Bearer hush"),
        settings: Settings::default(),
        policy: None,
    };
    let declaration = Declaration { servers: vec![declared], grants: Vec::new() };
    trial.control.declare("default", "callgate.toml", declaration).await.unwrap();
    let kernel = listed(&trial, "kernel").await;
    assert_eq!(remains(&trial, &kernel).await, (1, "new kernel".to_owned()));
    trial.control.declare("default", "callgate.toml", Declaration::default()).await.unwrap();
    assert_eq!(remains(&trial, &kernel).await, (0, "removed kernel".to_owned()));
}

#[tokio::test]
async fn only_the_plan_that_was_seen_is_applied() {
    let trial = Trial::new().await;
    let admin = member(Role::Admin);
    apply(&trial, fleet(), REAL).await;
    let mut desired = fleet();
    desired.servers[0].target = web("Bearer hush-9");
    let seen = apply(&trial, desired.clone(), DRY).await.plan_id;
    let only = async |id: &str| trial.control.apply(&admin, desired.clone(), REAL, Some(id.to_owned())).await;
    // What the plan is not about may change meanwhile.
    let (server, label, tags) = ("files".to_owned(), "desktop".to_owned(), BTreeMap::new());
    trial.control.mint_grant(&admin, Wish { server, label, policy: None, expires: None, tags }).await.unwrap();
    assert_eq!(apply(&trial, desired.clone(), DRY).await.plan_id, seen);
    // Somebody else gives the server another credential: no plan shows it, and it would be taken back.
    let credentials = serde_json::from_value(json!({ "headers": { "Authorization": "Bearer theirs" } })).unwrap();
    trial.control.set_credentials(&admin, "web", Precondition::Present, credentials).await.unwrap();
    let refused = only(&seen).await.unwrap_err();
    assert_eq!((refused.code, refused.kind), ("CG3118", Kind::Changed));
    assert_eq!(secrets_of(&trial, "web"), "Bearer theirs");
    let now = apply(&trial, desired.clone(), DRY).await.plan_id;
    assert_ne!(now, seen);
    assert!(only(&now).await.unwrap().applied);
    assert_eq!(secrets_of(&trial, "web"), "Bearer hush-9");
}
