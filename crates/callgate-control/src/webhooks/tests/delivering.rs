//! Deliveries over simulated time.

use super::*;
use crate::approvals::trial::Asking;
use crate::secret::Secret;
use crate::trial::{NOW, grant, server};
use crate::webhooks::{Outgoing, Post, Posted};
use callgate_store::Event;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex};

const MINUTE: i64 = 60_000;

/// A receiver that answers what it is told to, and keeps what it got.
#[derive(Default)]
pub(crate) struct Receiver {
    got: Mutex<Vec<Post>>,
    answer: Mutex<Option<Posted>>,
}

impl Receiver {
    /// From now on it answers this; nothing for `None`.
    fn answers(&self, status: Option<u16>) {
        *self.answer.lock().unwrap() = status.map(|status| Posted { status, retry_after: None });
    }

    fn header(&self, name: &str) -> Vec<String> {
        let got = self.got.lock().unwrap();
        let value = |post: &Post| post.headers.iter().find(|header| header.0 == name).unwrap().1.clone();
        got.iter().map(value).collect()
    }

    fn ids(&self) -> Vec<String> {
        self.header("webhook-id")
    }

    fn clear(&self) {
        self.got.lock().unwrap().clear();
    }

    fn last(&self) -> Value {
        serde_json::from_slice(&self.got.lock().unwrap().last().unwrap().body).unwrap()
    }
}

impl Outgoing for Receiver {
    fn post<'a>(&'a self, post: &'a Post) -> BoxFuture<'a, Result<Posted, String>> {
        let Post { url, headers, body } = post;
        let post = Post { url: url.clone(), headers: headers.clone(), body: body.clone() };
        self.got.lock().unwrap().push(post);
        let answer = *self.answer.lock().unwrap();
        std::future::ready(answer.ok_or_else(|| "nobody is there".to_owned())).boxed()
    }
}

/// Announces an event in a change of its own.
async fn announce(trial: &Trial, happening: Happening, at: i64, body: Value) -> Event {
    let body: Map<String, Value> = serde_json::from_value(body).unwrap();
    let event = event("default", happening, None, at, body).unwrap();
    let mut change = trial.control.inner.store.begin("default").await.unwrap();
    change.announce(&event).await.unwrap();
    change.commit().await.unwrap();
    event
}

async fn trial() -> (Trial, Arc<Receiver>) {
    let receiver = Arc::new(Receiver::default());
    (Trial::with_outgoing(Arc::clone(&receiver) as Arc<dyn Outgoing>).await, receiver)
}

async fn add(trial: &Trial, body: Value) -> WebhookRow {
    trial.control.add_webhook(&root(), new(body)).await.unwrap()
}

/// Lets time pass from one due moment to the next, up to an end.
async fn pass(trial: &Trial, from: i64, to: i64) {
    let mut now = from;
    while let Some(next) = trial.control.deliver_due(now).await.unwrap().filter(|next| *next <= to) {
        now = next.max(now);
    }
}

async fn states(trial: &Trial) -> Vec<(String, &'static str, i64)> {
    let part = crate::listing::Part { limit: 50, after: None };
    let rows = trial.control.webhook_deliveries(&root(), "chat", &part).await.unwrap().items;
    rows.into_iter().rev().map(|row| (row.event, row.state, row.attempts)).collect()
}

#[tokio::test]
async fn a_receiver_that_was_down_gets_everything_in_order_and_once() {
    let (trial, receiver) = trial().await;
    add(&trial, json!({ "name": "chat", "url": "https://hooks.example/x" })).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(announce(&trial, Happening::ApprovalAsked, NOW + number, json!({ "id": number })).await.id);
    }
    receiver.answers(None);
    pass(&trial, NOW + 5, NOW + 10 * MINUTE).await;
    let tries = receiver.ids();
    assert!((5..10).contains(&tries.len()) && tries.iter().all(|id| *id == ids[0]), "{tries:?}");
    assert!(states(&trial).await[1..].iter().all(|row| row.2 == 0), "those behind it wait");
    receiver.clear();
    receiver.answers(Some(200));
    // It is back, and so is the gateway, which was stopped meanwhile.
    let trial = trial.restart_with(Arc::clone(&receiver) as Arc<dyn Outgoing>).await;
    pass(&trial, NOW + 10 * MINUTE, NOW + 30 * MINUTE).await;
    assert_eq!(receiver.ids(), ids);
    assert!(states(&trial).await.iter().all(|row| row.1 == "delivered"));
    pass(&trial, NOW + 31 * MINUTE, NOW + 600 * MINUTE).await;
    assert_eq!(receiver.ids().len(), ids.len(), "once");
}

#[tokio::test]
async fn what_nobody_takes_for_three_days_is_given_up_on_record() {
    let (trial, receiver) = trial().await;
    add(&trial, json!({ "name": "chat", "url": "https://hooks.example/x" })).await;
    let old = announce(&trial, Happening::ApprovalAsked, NOW, json!({ "id": "a_1" })).await;
    let young = announce(&trial, Happening::ApprovalDenied, NOW + 71 * 60 * MINUTE, json!({ "id": "a_1" })).await;
    receiver.answers(Some(503));
    pass(&trial, NOW, NOW + 74 * 60 * MINUTE).await;
    let found = states(&trial).await;
    assert_eq!((&found[0].0, found[0].1), (&old.id, "given_up"));
    assert_eq!((&found[1].0, found[1].1), (&young.id, "waiting"));
    let bodies = trial.journal.bodies();
    let recorded = bodies.last().unwrap();
    assert_eq!((&recorded["what"], &recorded["who"]), (&json!("webhook give_up"), &json!("gateway")));
    assert_eq!(recorded["after"]["event"], old.id);
    assert_eq!(recorded["after"]["status"], 503);
    receiver.answers(Some(204));
    pass(&trial, NOW + 75 * 60 * MINUTE, NOW + 80 * 60 * MINUTE).await;
    assert_eq!(states(&trial).await[1].1, "delivered");
}

#[tokio::test]
async fn a_message_that_is_refused_as_wrong_lets_the_next_one_pass() {
    let (trial, receiver) = trial().await;
    add(&trial, json!({ "name": "chat", "url": "https://hooks.example/x" })).await;
    announce(&trial, Happening::ApprovalAsked, NOW, json!({})).await;
    announce(&trial, Happening::ApprovalAsked, NOW, json!({})).await;
    receiver.answers(Some(400));
    pass(&trial, NOW, NOW + 60 * MINUTE).await;
    let states: Vec<_> = states(&trial).await.into_iter().map(|row| (row.1, row.2)).collect();
    assert_eq!(states, [("given_up", 5), ("given_up", 5)]);
}

#[tokio::test]
async fn arguments_are_told_where_endpoint_and_rule_allow_it() {
    let (trial, receiver) = trial().await;
    receiver.answers(Some(200));
    trial.control.announce("https://gate.example/");
    let mut change = trial.control.inner.store.begin("default").await.unwrap();
    change.insert(&server("kernel")).await.unwrap();
    change.insert(&grant("g_1", "id-kernel", None)).await.unwrap();
    change.commit().await.unwrap();
    for (number, (endpoint, terms, expected)) in
        [(true, r#""include_arguments":true"#, true), (true, "", false), (false, r#""include_arguments":true"#, false)]
            .into_iter()
            .enumerate()
    {
        let body = json!({ "name": "chat", "url": "https://hooks.example/x", "include_arguments": endpoint });
        add(&trial, body).await;
        let arguments = format!(r#"{{"command":"hush-value","number":{number}}}"#);
        let asking = Asking { terms, arguments, ..Asking::default() };
        let id = asking.ask(&trial.control).await;
        pass(&trial, NOW, NOW).await;
        let message = receiver.last();
        let data = &message["data"];
        assert_eq!(
            (&message["type"], &data["id"], &data["tool"]),
            (&json!("approval.asked"), &json!(id), &json!("exec"))
        );
        assert_eq!(data["arguments"]["number"], if expected { json!(number) } else { Value::Null });
        assert_eq!(message.to_string().contains("hush-value"), expected, "{message}");
        assert_eq!(data["argument_names"], json!(["command", "number"]));
        assert_eq!(data["url"], format!("https://gate.example/approvals/{id}"));
        trial.control.remove_webhook(&root(), "chat", Precondition::Present).await.unwrap();
    }
}

#[tokio::test]
async fn a_new_secret_signs_beside_the_one_before_for_a_day() {
    let (trial, receiver) = trial().await;
    receiver.answers(Some(200));
    let made = add(&trial, json!({ "name": "chat", "url": "https://hooks.example/x" })).await;
    let first = Secret::new(made.secret.unwrap());
    let rotated = trial.control.rotate_webhook(&root(), "chat", Precondition::Present).await.unwrap();
    let second = Secret::new(rotated.secret);
    for (at, secrets) in [(NOW, vec![&second, &first]), (NOW + 25 * 60 * MINUTE, vec![&second])] {
        receiver.clear();
        announce(&trial, Happening::ApprovalAsked, at, json!({})).await;
        pass(&trial, at, at).await;
        let body = receiver.got.lock().unwrap()[0].body.clone();
        let id = receiver.ids().remove(0);
        let expected = super::super::sign::signature(secrets.into_iter(), &id, at / 1_000, &body).unwrap();
        assert_eq!(receiver.header("webhook-signature"), [expected]);
        assert_eq!(receiver.header("webhook-timestamp"), [(at / 1_000).to_string()]);
    }
}

#[tokio::test]
async fn an_endpoint_can_be_tried_and_says_why_not() {
    let (trial, receiver) = trial().await;
    add(&trial, json!({ "name": "chat", "url": "https://hooks.example/x", "events": ["approval.asked"] })).await;
    for (answer, delivered, why) in [
        (Some(204), true, ""),
        (Some(302), false, "it answered HTTP 302, and redirects are not followed"),
        (Some(500), false, "it answered HTTP 500"),
        (None, false, "nobody is there"),
    ] {
        receiver.answers(answer);
        let tested = trial.control.test_webhook(&root(), "chat").await.unwrap();
        assert_eq!((tested.delivered, tested.status, &*tested.why), (delivered, answer, why));
        assert_eq!(receiver.last()["type"], "webhook.test");
        assert_eq!(receiver.ids().pop(), Some(tested.event));
    }
    assert!(states(&trial).await.is_empty());
}

#[tokio::test]
async fn new_keys_seal_endpoints_anew() {
    let (trial, receiver) = trial().await;
    receiver.answers(Some(200));
    add(&trial, json!({ "name": "chat", "url": "https://hooks.example/x" })).await;
    let before = trial.control.inner.vault.version();
    let rotated = trial.control.rotate_keys(&root()).await.unwrap();
    assert_eq!((rotated.resealed, rotated.no_longer_needed), (1, vec![before]));
    assert!(rotated.unreadable_webhooks.is_empty());
    assert!(trial.control.test_webhook(&root(), "chat").await.unwrap().delivered);
}

#[tokio::test]
async fn of_two_gateways_one_delivers_each_event() {
    let receiver = Arc::new(Receiver::default());
    receiver.answers(Some(200));
    let url = testkit::Postgres::shared().unwrap().database().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let journal = Arc::default();
    let outgoing = || Arc::clone(&receiver) as Arc<dyn Outgoing>;
    let one = crate::trial::sending(&url, directory.path(), &journal, outgoing()).await.unwrap();
    let first = one.first_use().await.unwrap();
    assert!(first.is_some());
    let other = crate::trial::sending(&url, directory.path(), &journal, outgoing()).await.unwrap();
    one.add_webhook(&root(), new(json!({ "name": "chat", "url": "https://hooks.example/x" }))).await.unwrap();
    let delivering = [tokio::spawn(one.clone().deliver()), tokio::spawn(other.clone().deliver())];
    let mut ids = Vec::new();
    for number in 0..20 {
        let event = event("default", Happening::ApprovalAsked, None, NOW, Map::new()).unwrap();
        let control = if number % 2 == 0 { &one } else { &other };
        let mut change = control.inner.store.begin("default").await.unwrap();
        change.announce(&event).await.unwrap();
        change.commit().await.unwrap();
        ids.push(event.id);
    }
    let all = async {
        // Not before it is kept that each was taken: a gateway that ends in between leaves its claim.
        while !one.inner.store.next_deliveries(1).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(testkit::PATIENCE, all).await.expect("everything is delivered");
    delivering.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(receiver.ids(), ids, "in order, each once");
    assert_eq!(one.deliver_due(NOW + MINUTE).await.unwrap(), None);
    assert_eq!(receiver.ids().len(), ids.len());
}
