mod delivering;

use super::*;
use crate::precondition::Precondition;
use crate::trial::{Trial, member, root};
use callgate_store::Role;
use serde_json::json;

fn new(body: serde_json::Value) -> NewWebhook {
    serde_json::from_value(body).unwrap()
}

#[tokio::test]
async fn an_address_and_its_secret_are_sealed_and_never_shown_again() {
    let trial = Trial::new().await;
    let url = "https://hooks.slack.com/services/T0/B0/hush-hush";
    let made = trial.control.add_webhook(&root(), new(json!({ "name": "chat", "url": url }))).await.unwrap();
    let secret = made.secret.clone().unwrap();
    assert!(secret.starts_with("whsec_") && made.origin == "https://hooks.slack.com", "{made:?}");
    let shown = trial.control.show_webhook(&root(), "chat").await.unwrap();
    assert_eq!(shown, WebhookRow { secret: None, ..made.clone() });
    assert_eq!(trial.control.show_webhook(&root(), &made.id).await.unwrap(), shown);
    let other = new(json!({ "name": "other", "url": format!("{url}!") }));
    let other = trial.control.add_webhook(&root(), other).await.unwrap();
    assert_ne!(other.digest, made.digest);
    let rotated = trial.control.rotate_webhook(&root(), "chat", Precondition::Present).await.unwrap();
    let everything = format!("{:?} {shown:?}", trial.journal.bodies());
    let kept = String::from_utf8_lossy(&trial.database()).into_owned();
    for hidden in ["hush-hush", &secret["whsec_".len()..], &rotated.secret["whsec_".len()..]] {
        assert!(!everything.contains(hidden) && !kept.contains(hidden), "{hidden}");
    }
    trial.control.remove_webhook(&root(), "chat", Precondition::Present).await.unwrap();
    let gone = trial.control.show_webhook(&root(), "chat").await.unwrap_err();
    assert_eq!(gone.code, "CG3231");
    let words = ["webhook add webhook/chat", "webhook add webhook/other", "webhook secret webhook/chat"];
    assert_eq!(trial.journal.words(), [words.as_slice(), &["webhook remove webhook/chat"]].concat());
}

#[tokio::test]
async fn what_cannot_be_one_is_refused() {
    let trial = Trial::new().await;
    let add = async |body| trial.control.add_webhook(&root(), new(body)).await.map(drop).map_err(|error| error.code);
    let good = json!({ "name": "chat", "url": "https://hooks.example/x" });
    let with = |name: &str, value: serde_json::Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    assert_eq!(add(with("url", json!("http://hooks.example/x"))).await, Err("CG3230"));
    assert_eq!(add(with("events", json!(["approval.asked", "approval.answered"]))).await, Err("CG3232"));
    assert_eq!(add(with("servers", json!(["kernel"]))).await, Err("CG3041"));
    assert_eq!(add(with("name", json!(""))).await, Err("CG3040"));
    assert_eq!(add(good.clone()).await, Ok(()));
    assert_eq!(add(good.clone()).await, Err("CG3102"));
    for number in 1..100 {
        assert_eq!(add(with("name", json!(format!("chat {number}")))).await, Ok(()), "{number}");
    }
    assert_eq!(add(with("name", json!("one more"))).await, Err("CG3233"));
    for role in [Role::Viewer, Role::PolicyManager] {
        let refused = trial.control.list_webhooks(&member(role), &crate::listing::Part { limit: 9, after: None }).await;
        assert_eq!(refused.unwrap_err().code, "CG3110");
    }
}

#[tokio::test]
async fn endpoints_are_changed_in_parts() {
    let trial = Trial::new().await;
    let body = json!({ "name": "chat", "url": "https://hooks.example/x", "events": ["approval.asked"] });
    let made = trial.control.add_webhook(&root(), new(body)).await.unwrap();
    let edit = async |patch| {
        let patch = serde_json::from_value(patch).unwrap();
        trial.control.edit_webhook(&root(), &made.id, Precondition::Present, patch).await.unwrap()
    };
    let same = edit(json!({})).await;
    assert_eq!(same, WebhookRow { revision: same.revision, secret: None, ..made.clone() });
    let off = edit(json!({ "enabled": false, "name": "talk", "template": "slack", "include_arguments": true })).await;
    assert_eq!((off.enabled, &*off.name, off.include_arguments, &off.digest), (false, "talk", true, &made.digest));
    let moved = edit(json!({ "enabled": true, "url": "https://elsewhere.example/x", "events": [] })).await;
    assert_eq!((moved.enabled, &*moved.origin, moved.events.len()), (true, "https://elsewhere.example", 0));
    assert_ne!(moved.digest, made.digest);
    let stale = trial.control.edit_webhook(&root(), "talk", Precondition::Revision(1), WebhookPatch::default()).await;
    assert_eq!(stale.unwrap_err().code, "CG3118");
}
