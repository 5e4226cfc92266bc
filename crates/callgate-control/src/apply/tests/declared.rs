//! What the configuration file declares.

use super::*;

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
    let error = trial.control.apply(&member(Role::Admin), fleet(), REAL).await.unwrap_err();
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
