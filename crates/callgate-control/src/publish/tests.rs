mod many;

use crate::change::Step;
use crate::configuration::{Configuration, PublishedGrant};
use crate::control::Control;
use crate::trial::{ALLOW, NOW, Trial, grant, policy, root, server, version};
use crate::{Error, Kind, Permission, Scope};
use callgate_store::{Policy, Server};
use serde_json::Value;
use std::sync::Arc;

/// Does something to the store's records as a change of its own, with a step called `what`.
macro_rules! change {
    ($control:expr, $what:literal, |$change:ident| $($step:tt)+) => {{
        let root = root();
        let cleared = root.clear(Permission::ManageInstance, Scope::Organisation).unwrap();
        let mut editing = $control.edit(&cleared).await.unwrap();
        {
            let $change = &mut editing.change;
            $($step)+
        }
        let step = Step { what: $what, object: "x".to_owned(), before: Value::Null, after: Value::Null };
        editing.step(step).await.unwrap();
        editing.finish(&$control).await
    }};
}

fn now(control: &Control) -> Arc<Configuration> {
    Arc::clone(&control.configuration().borrow())
}

fn the_grant(control: &Control, id: &str) -> Arc<PublishedGrant> {
    Arc::clone(now(control).grants.iter().find(|grant| grant.id == id).unwrap())
}

fn refusal(grant: &PublishedGrant) -> String {
    grant.policy.as_ref().and_then(|policy| policy.policy.broken()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn each_change_is_published_and_nothing_else_is_made_anew() {
    let Trial { control, journal, directory: _directory } = Trial::new().await;
    change!(control, "one", |change|
        change.insert(&server("a")).await.unwrap();
        change.insert(&server("b")).await.unwrap();
        change.insert(&policy("p_1", "id-a")).await.unwrap();
        change.insert(&version("p_1", 1, ALLOW)).await.unwrap();
        change.insert(&grant("g_1", "id-a", Some("p_1"))).await.unwrap();
        change.insert(&grant("g_2", "id-b", None)).await.unwrap();
    )
    .unwrap();
    let before = now(&control);
    assert_eq!((before.servers.len(), before.grants.len()), (2, 2));
    let one = the_grant(&control, "g_1");
    assert_eq!((&*one.server, one.baseline.is_none(), refusal(&one).as_str()), ("id-a", true, ""));
    assert_eq!(one.policy.as_ref().unwrap().version, 1);
    let two = the_grant(&control, "g_2");
    assert!(two.policy.is_none());

    change!(control, "two", |change|
        change.insert(&version("p_1", 2, r#"{ "version": "1" }"#)).await.unwrap();
        change.update(&Policy { current: 2, ..policy("p_1", "id-a") }).await.unwrap();
    )
    .unwrap();
    assert_eq!(the_grant(&control, "g_1").policy.as_ref().unwrap().version, 2);
    assert!(Arc::ptr_eq(&two, &the_grant(&control, "g_2")));
    assert!(now(&control).servers.iter().all(|server| before.servers.iter().any(|old| Arc::ptr_eq(old, server))));

    change!(control, "three", |change|
        let mut revoked = grant("g_1", "id-a", Some("p_1"));
        revoked.revoked = Some(NOW);
        change.update(&revoked).await.unwrap();
        change.remove::<Server>("id-b", NOW).await.unwrap();
    )
    .unwrap();
    let after = now(&control);
    assert_eq!((after.servers.len(), after.grants.len()), (1, 0));
    assert_eq!(journal.words(), ["one x", "two x", "three x"]);
}

#[tokio::test]
async fn a_baseline_reaches_every_grant_of_its_organisation_only() {
    let Trial { control, directory: _directory, .. } = Trial::new().await;
    control.inner.store.add_organisation("other", NOW, None).await.unwrap();
    change!(control, "one", |change|
        change.insert(&server("a")).await.unwrap();
        change.insert(&grant("g_1", "id-a", None)).await.unwrap();
        change.insert(&Policy { server: None, ..policy("p_0", "") }).await.unwrap();
        change.insert(&version("p_0", 1, ALLOW)).await.unwrap();
    )
    .unwrap();
    let mut other = control.inner.store.begin("other").await.unwrap();
    let mut elsewhere = server("a");
    elsewhere.id = "id-other".to_owned();
    other.insert(&elsewhere).await.unwrap();
    other.insert(&grant("g_9", "id-other", None)).await.unwrap();
    other.commit().await.unwrap();
    control.publish().await.unwrap();
    assert_eq!(the_grant(&control, "g_1").baseline.as_ref().unwrap().version, 1);
    assert!(the_grant(&control, "g_9").baseline.is_none());
    change!(control, "two", |change| change.remove::<Policy>("p_0", NOW).await.unwrap();).unwrap();
    assert!(the_grant(&control, "g_1").baseline.is_none());
}

#[tokio::test]
async fn policies_that_cannot_be_used_refuse_everything_and_say_why() {
    let Trial { control, directory: _directory, .. } = Trial::new().await;
    let mut tampered = version("p_2", 1, ALLOW);
    tampered.document.push(' ');
    change!(control, "one", |change|
        change.insert(&server("a")).await.unwrap();
        for (id, current) in [("p_1", 1), ("p_2", 1), ("p_3", 0)] {
            let policy = Policy { name: id.to_owned(), current, ..policy(id, "id-a") };
            change.insert(&policy).await.unwrap();
            change.insert(&grant(&id.replace('p', "g"), "id-a", Some(id))).await.unwrap();
        }
        change.insert(&version("p_1", 1, "{")).await.unwrap();
        change.insert(&tampered).await.unwrap();
    )
    .unwrap();
    for (grant, expected) in [
        ("g_1", "version 1 of the policy `p_1` of `a` can't be used: line 1, column"),
        ("g_2", "version 1 of the policy `p_2` of `a` is not what was published [CG3061]"),
        ("g_3", "the policy `p_3` of `a` is not published [CG3061]"),
    ] {
        let why = refusal(&the_grant(&control, grant));
        assert!(why.starts_with(expected), "{why}");
    }
    control.note_broken("p_3", "policy.json:3:1: error").await.unwrap();
    assert_eq!(refusal(&the_grant(&control, "g_3")), "policy.json:3:1: error");
    change!(control, "two", |change|
        change.insert(&version("p_3", 1, ALLOW)).await.unwrap();
        change.update(&Policy { name: "p_3".to_owned(), ..policy("p_3", "id-a") }).await.unwrap();
    )
    .unwrap();
    assert_eq!(refusal(&the_grant(&control, "g_3")), "");
}

#[tokio::test]
async fn what_the_journal_does_not_take_is_saved_and_not_in_force() {
    let Trial { control, journal, directory: _directory } = Trial::new().await;
    let mut configuration = control.configuration();
    configuration.mark_unchanged();
    journal.set_broken(true);
    let error: Error = change!(control, "one", |change| change.insert(&server("a")).await.unwrap();).unwrap_err();
    assert_eq!((error.code, error.kind), ("CG3115", Kind::Unavailable));
    assert!(error.message.contains("saved, and not in force") && error.message.contains("disk is full"), "{error}");
    assert!(control.inner.store.reads("default").get::<Server>("id-a").await.unwrap().is_some());
    // A second change must not carry the first one into force either.
    change!(control, "two", |change| change.insert(&server("b")).await.unwrap();).unwrap_err();
    assert!(!configuration.has_changed().unwrap());
    journal.set_broken(false);
    // Nobody asks for it: the task does it.
    configuration.changed().await.unwrap();
    assert_eq!(now(&control).servers.len(), 2);
    assert_eq!(journal.words(), ["one x", "two x"]);
    let places: Vec<_> =
        journal.bodies().iter().map(|body| (body["generation"].clone(), body["position"].clone())).collect();
    assert_eq!(places, [(1.into(), 0.into()), (2.into(), 0.into())]);
    assert!(control.inner.store.outbox().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_start_records_first_what_an_end_interrupted() {
    let trial = Trial::new().await;
    // Committed, and the process ends before the journal is asked.
    let mut change = trial.control.inner.store.begin("default").await.unwrap();
    change.insert(&server("a")).await.unwrap();
    change.record(r#"{"at":1,"what":"server add","object":"server/a"}"#.to_owned()).await.unwrap();
    change.commit().await.unwrap();
    trial.journal.set_broken(true);
    let journal = Arc::clone(&trial.journal);
    let (directory, error) = trial.try_restart().await.err().unwrap();
    assert_eq!(error.code, "CG3115");
    journal.set_broken(false);
    let trial = Trial::on(directory, journal).await.map_err(|(_, error)| error).unwrap();
    assert_eq!(trial.journal.words(), ["server add server/a"]);
    assert_eq!(now(&trial.control).servers.len(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_after_the_commit_leaves_the_rest_to_the_task() {
    let Trial { control, journal, directory: _directory } = Trial::new().await;
    let mut configuration = control.configuration();
    configuration.mark_unchanged();
    let root = root();
    let cleared = root.clear(Permission::ManageInstance, Scope::Organisation).unwrap();
    let mut editing = control.edit(&cleared).await.unwrap();
    editing.change.insert(&server("a")).await.unwrap();
    let held = control.inner.publisher.lock().await;
    {
        let mut finish = std::pin::pin!(editing.finish(&control));
        // Until it is committed and waits for the publisher.
        while control.inner.store.reads("default").get::<Server>("id-a").await.unwrap().is_none() {
            tokio::select! {
                biased;
                _ = &mut finish => panic!("the publisher is held"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    drop(held);
    configuration.changed().await.unwrap();
    assert_eq!(now(&control).servers.len(), 1);
    assert!(journal.words().is_empty());
}

#[tokio::test]
async fn a_server_that_waits_for_its_key_is_back_when_the_key_is() {
    let trial = Trial::new().await;
    let other = tempfile::tempdir().unwrap();
    std::fs::create_dir(other.path().join("keys")).unwrap();
    let key = other.path().join("keys/secrets.key");
    std::fs::copy(trial.key_file(), &key).unwrap();
    let target = serde_json::json!({ "url": "http://a/", "headers": { "X": "hush" } });
    let new = serde_json::from_value(serde_json::json!({ "name": "a", "target": target })).unwrap();
    let server = trial.control.add_server(&root(), new).await.unwrap();
    change!(trial.control, "grant", |change|
        change.insert(&policy("p_1", &server.uuid)).await.unwrap();
        change.insert(&version("p_1", 1, ALLOW)).await.unwrap();
        change.insert(&grant("g_1", &server.uuid, Some("p_1"))).await.unwrap();
    )
    .unwrap();
    let url = format!("sqlite:{}", trial.directory.path().join("callgate.db").display());
    let beside = crate::trial::process(&url, other.path(), &trial.journal).await.unwrap();
    assert_eq!(refusal(&the_grant(&beside, "g_1")), "");
    // Another process seals with a key that this one does not have yet.
    trial.control.rotate_keys(&root()).await.unwrap();
    beside.publish().await.unwrap();
    assert!(refusal(&the_grant(&beside, "g_1")).contains("CG3113"), "{}", refusal(&the_grant(&beside, "g_1")));
    beside.publish().await.unwrap();
    assert!(refusal(&the_grant(&beside, "g_1")).contains("CG3113"), "as long as it is not there");
    std::fs::copy(trial.key_file(), &key).unwrap();
    beside.publish().await.unwrap();
    assert_eq!(refusal(&the_grant(&beside, "g_1")), "");
    let secrets = now(&beside).servers.iter().map(|server| server.target.secrets().len()).sum::<usize>();
    assert_eq!(secrets, 1, "with its credentials");
}
