//! `POST /journal/prune` over the router.

use super::*;
use crate::records::tests_of_the_journal::{first_and_who, old};
use serde_json::json;

const PATH: &str = "/api/v1/journal/prune";

#[tokio::test]
async fn what_is_old_is_deleted_and_the_record_says_by_whom() {
    let site = Site::new().await;
    let before = json!({ "before": "90d" });
    let missing = site.root(Method::POST, PATH, Some(before.clone())).await;
    assert_eq!(outcome(&missing), "503 CG3193");
    let dir = site.trial.directory.path().join("journal");
    site.trial.control.keep(old(&dir));
    let planned = site.root(Method::POST, PATH, Some(json!({ "before": "90d", "dry_run": true }))).await.json();
    assert!(planned["segments"].as_u64().unwrap() > 2 && planned["first"] == 1, "{planned}");
    assert_eq!(first_and_who(&dir), (1, None), "a plan deletes nothing");
    let deleted = site.root(Method::POST, PATH, Some(before.clone())).await.json();
    assert_eq!(deleted, planned);
    let last = planned["last"].as_u64().unwrap();
    assert_eq!(first_and_who(&dir), (last + 1, Some("token:admin".to_owned())));
    let none = json!({ "segments": 0, "bytes": 0, "first": null, "last": null });
    assert_eq!(site.root(Method::POST, PATH, Some(before.clone())).await.json(), none);
    let wrong = site.root(Method::POST, PATH, Some(json!({ "before": "soon" }))).await;
    assert_eq!(outcome(&wrong), "422 CG3192");
    // It is everybody's: an admin of one organisation may not.
    let admin = site.token("admin of one", json!({ "organisation": "admin" })).await;
    let refused = site.send(Ask::post(PATH).bearer(&admin).json(&before)).await;
    assert_eq!(outcome(&refused), "403 CG3110");
}
