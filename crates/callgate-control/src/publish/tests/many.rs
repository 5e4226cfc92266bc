//! Two processes on one PostgreSQL.

use crate::control::Control;
use crate::precondition::Precondition;
use crate::trial::{Notes, process, root};
use callgate_store::Store;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use testkit::Postgres;

/// Far longer than it takes: only what never comes is waited for so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until a process has published these credentials of the server `kernel`. It looks for them only where it is told
/// to.
async fn published(control: &Control, value: &str) {
    let mut configuration = control.configuration();
    let has = |configuration: &Arc<crate::Configuration>| {
        let found = configuration.servers.iter().find(|server| server.name == "kernel");
        found.is_some_and(|server| server.target.secrets().get("X").is_some_and(|secret| secret.reveal() == value))
    };
    let published = tokio::time::timeout(PATIENCE, configuration.wait_for(has)).await;
    assert!(published.expect("nobody told of it").is_ok());
}

/// The first look is made when another process begins to listen: what comes after the first change was told.
#[tokio::test]
async fn what_one_process_changes_another_one_publishes() {
    let url = Postgres::shared().unwrap().database().unwrap();
    let store = Store::open(&url).await.unwrap();
    store.add_organisation("default", 1, None).await.unwrap();
    store.close().await;
    let keys = tempfile::tempdir().unwrap();
    let journals = [Arc::<Notes>::default(), Arc::<Notes>::default()];
    let one = process(&url, keys.path(), &journals[0]).await.unwrap();
    let other = process(&url, keys.path(), &journals[1]).await.unwrap();

    let new = json!({ "name": "kernel", "target": { "url": "http://x/", "headers": { "X": "one" } } });
    one.add_server(&root(), serde_json::from_value(new).unwrap()).await.unwrap();
    published(&other, "one").await;
    assert_eq!(one.rotate_keys(&root()).await.unwrap().version, 2);
    let credentials = serde_json::from_value(json!({ "headers": { "X": "two" } })).unwrap();
    one.set_credentials(&root(), "kernel", Precondition::Present, credentials).await.unwrap();
    published(&other, "two").await;
    assert_eq!(other.inner.vault.version(), 2);

    // Each change is in the journal of one of them at least, and named the same in both.
    let mut recorded: Vec<(i64, String)> = journals
        .iter()
        .flat_map(|journal| journal.bodies())
        .map(|body| (body["generation"].as_i64().unwrap(), body["what"].as_str().unwrap().to_owned()))
        .collect();
    recorded.sort();
    recorded.dedup();
    let expected = [(1, "server add"), (2, "keys rotate"), (3, "server credentials")];
    assert_eq!(recorded, expected.map(|(generation, what)| (generation, what.to_owned())));
    for control in [one, other] {
        control.inner.store.close().await;
    }
}

#[tokio::test]
async fn of_two_who_change_the_same_one_is_told_and_nothing_is_lost() {
    let url = Postgres::shared().unwrap().database().unwrap();
    let store = Store::open(&url).await.unwrap();
    store.add_organisation("default", 1, None).await.unwrap();
    store.close().await;
    let keys = tempfile::tempdir().unwrap();
    let journal = Arc::<Notes>::default();
    let one = process(&url, keys.path(), &journal).await.unwrap();
    let other = process(&url, keys.path(), &journal).await.unwrap();
    let new = json!({ "name": "kernel", "target": { "url": "http://x/" } });
    let revision = one.add_server(&root(), serde_json::from_value(new).unwrap()).await.unwrap().revision;
    let at = Precondition::Revision(revision);
    let patch = |idle: &str| serde_json::from_value(json!({ "settings": { "idle": idle } })).unwrap();
    let root = root();
    let (first, second) = tokio::join!(
        one.edit_server(&root, "kernel", at, patch("1m")),
        other.edit_server(&root, "kernel", at, patch("2m")),
    );
    let refused: Vec<&str> =
        [&first, &second].into_iter().filter_map(|result| Some(result.as_ref().err()?.code)).collect();
    assert_eq!(refused, ["CG3118"]);
    let won = first.or(second).unwrap();
    assert_eq!(one.show_server(&root, "kernel").await.unwrap().settings, won.settings);
    for control in [one, other] {
        control.inner.store.close().await;
    }
}
