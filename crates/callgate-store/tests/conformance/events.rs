//! What happens and who is told of it: with the change or not at all, in order, by one process.

use crate::place::{Place, webhook};
use callgate_store::{Claimed, DeliveryState, Event, Store, StoreError, Told, Waiting, Webhook};
use std::time::Duration;
use testkit::PATIENCE;

fn event(id: &str, kind: &str, server: Option<&str>) -> Event {
    Event {
        organisation: "acme".to_owned(),
        id: id.to_owned(),
        kind: kind.to_owned(),
        server: server.map(str::to_owned),
        at: 100,
        body: format!("{{\"id\":\"{id}\",\"ü\":\"\\u0000\"}}"),
    }
}

async fn listens(store: &Store, webhooks: &[Webhook]) {
    let mut change = store.begin("acme").await.unwrap();
    for webhook in webhooks {
        change.insert(webhook).await.unwrap();
    }
    change.commit().await.unwrap();
}

async fn announce(store: &Store, events: &[Event]) {
    let mut change = store.begin("acme").await.unwrap();
    for event in events {
        change.announce(event).await.unwrap();
    }
    change.commit().await.unwrap();
}

async fn claim(store: &Store, waiting: &Waiting, now: i64) -> Option<Claimed> {
    store.claim_delivery(waiting, "lease", now, now + 60).await.unwrap()
}

/// What an endpoint has, the oldest first.
async fn had(store: &Store, webhook: &str) -> Vec<(String, DeliveryState, i64)> {
    let mut rows = store.reads("acme").deliveries(webhook, None, 100).await.unwrap();
    rows.reverse();
    rows.into_iter().map(|row| (row.event, row.state, row.attempts)).collect()
}

pub async fn events_go_with_their_change(place: Place) {
    let store = place.store().await;
    announce(&store, &[event("ev_0", "approval.asked", None)]).await;
    listens(&store, &[webhook("w_1", "chat")]).await;
    let mut change = store.begin("acme").await.unwrap();
    change.announce(&event("ev_1", "approval.asked", None)).await.unwrap();
    drop(change);
    assert_eq!(store.next_deliveries(10).await.unwrap(), []);
    announce(&store, &[event("ev_2", "approval.asked", None)]).await;
    tokio::time::timeout(PATIENCE, store.news()).await.expect("whoever waits is woken");
    assert!(tokio::time::timeout(Duration::from_millis(20), store.news()).await.is_err(), "once");
    let waiting = store.next_deliveries(10).await.unwrap();
    let claimed = claim(&store, &waiting[0], 100).await.unwrap();
    assert_eq!(claimed.event, event("ev_2", "approval.asked", None), "nothing of before, nothing that never was");
    let mut change = store.begin("acme").await.unwrap();
    let foreign = Event { organisation: "other".to_owned(), ..event("ev_3", "x", None) };
    change.announce(&foreign).await.unwrap_err();
    assert!(matches!(change.commit().await, Err(StoreError::Failed { .. })));
    // The same one twice is a mistake of the caller, and spoils its change.
    let mut change = store.begin("acme").await.unwrap();
    change.announce(&event("ev_2", "approval.asked", None)).await.unwrap_err();
    assert!(change.commit().await.is_err());
}

pub async fn everyone_is_told_what_it_wants(place: Place) {
    let store = place.store().await;
    let of = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect::<Vec<String>>();
    let all = Webhook { kinds: Vec::new(), servers: Vec::new(), ..webhook("w_all", "all") };
    let asked = Webhook { kinds: of(&["approval.asked"]), servers: Vec::new(), ..webhook("w_asked", "asked") };
    let one = Webhook { kinds: Vec::new(), servers: of(&["s1", "s2"]), ..webhook("w_one", "one") };
    let off = Webhook { disabled: Some(5), ..webhook("w_off", "off") };
    listens(&store, &[all, asked, one, off, webhook("w_gone", "gone")]).await;
    let mut change = store.begin("other").await.unwrap();
    change.insert(&webhook("w_other", "all")).await.unwrap();
    change.commit().await.unwrap();
    let mut change = store.begin("acme").await.unwrap();
    change.remove_webhook("w_gone", 6).await.unwrap();
    change.commit().await.unwrap();
    let events = [
        event("ev_1", "approval.asked", Some("s1")),
        event("ev_2", "approval.asked", Some("s3")),
        event("ev_3", "approval.denied", Some("s2")),
        event("ev_4", "approval.denied", None),
    ];
    announce(&store, &events).await;
    for (webhook, expected) in [
        ("w_all", &["ev_1", "ev_2", "ev_3", "ev_4"][..]),
        ("w_asked", &["ev_1", "ev_2"]),
        ("w_one", &["ev_1", "ev_3", "ev_4"]),
        ("w_off", &[]),
        ("w_gone", &[]),
        ("w_other", &[]),
    ] {
        let found: Vec<String> = had(&store, webhook).await.into_iter().map(|row| row.0).collect();
        assert_eq!(found, expected, "{webhook}");
    }
    assert!(store.reads("other").deliveries("w_all", None, 10).await.unwrap().is_empty(), "of another organisation");
    let two = store.reads("acme").deliveries("w_all", None, 2).await.unwrap();
    let rest = store.reads("acme").deliveries("w_all", Some(two[1].seq), 9).await.unwrap();
    let ids: Vec<_> = two.iter().chain(&rest).map(|row| &*row.event).collect();
    assert_eq!(ids, ["ev_4", "ev_3", "ev_2", "ev_1"]);
}

pub async fn deliveries_come_in_order(place: Place) {
    let store = place.store().await;
    listens(&store, &[webhook("w_1", "one"), webhook("w_2", "two")]).await;
    announce(&store, &[event("ev_1", "a", None), event("ev_2", "b", None)]).await;
    let waiting = store.next_deliveries(10).await.unwrap();
    assert_eq!(waiting.iter().map(|it| (&*it.webhook, it.ready)).collect::<Vec<_>>(), [("w_1", 100), ("w_2", 100)]);
    let (one, two) = (&waiting[0], &waiting[1]);
    assert_eq!(claim(&store, one, 99).await, None, "too early");
    let first = claim(&store, one, 100).await.unwrap();
    assert_eq!((&*first.event.id, first.attempt), ("ev_1", 1));
    assert_eq!(claim(&store, one, 101).await, None, "somebody is at it");
    let behind = Waiting { seq: one.seq + 1, ..one.clone() };
    assert_eq!(claim(&store, &behind, 500).await, None, "the one before is open");
    assert_eq!(store.next_deliveries(10).await.unwrap()[1].ready, 160, "when the claim has run out");
    let again = Told::Again { at: 200, status: Some(503), why: "it is tired".to_owned() };
    assert!(store.told(&first, &again, 105).await.unwrap());
    assert!(!store.told(&first, &Told::Delivered { status: 200 }, 106).await.unwrap(), "it was let go");
    assert_eq!(claim(&store, one, 199).await, None, "not yet");
    // The process that claims it ends; another one goes on, and what the first one says later counts for nothing.
    let lost = claim(&store, one, 200).await.unwrap();
    assert_eq!(claim(&store, one, 259).await, None);
    let third = store.claim_delivery(one, "another", 260, 300).await.unwrap().unwrap();
    assert_eq!((third.attempt, &third.event), (3, &first.event));
    assert!(!store.told(&lost, &Told::Delivered { status: 200 }, 261).await.unwrap());
    assert!(store.told(&third, &Told::Delivered { status: 204 }, 262).await.unwrap());
    let next = claim(&store, &behind, 263).await.unwrap();
    let up = Told::GivenUp { status: None, why: "nobody is there".to_owned() };
    assert!(store.told(&next, &up, 264).await.unwrap());
    let states = [("ev_1".to_owned(), DeliveryState::Delivered, 3), ("ev_2".to_owned(), DeliveryState::GivenUp, 1)];
    assert_eq!(had(&store, "w_1").await, states);
    let rows = store.reads("acme").deliveries("w_1", None, 2).await.unwrap();
    assert_eq!((rows[0].why.as_str(), rows[0].status, rows[0].ended), ("nobody is there", None, Some(264)));
    assert_eq!((rows[1].why.as_str(), rows[1].status, rows[1].tried), ("", Some(204), Some(260)));
    assert_eq!(store.next_deliveries(10).await.unwrap(), std::slice::from_ref(two));
}

pub async fn one_process_of_many_delivers(place: Place) {
    let store = place.store().await;
    let elsewhere = place.open().await;
    listens(&store, &[webhook("w_1", "one")]).await;
    let ids: Vec<String> = (0..5).map(|number| format!("ev_{number}")).collect();
    announce(&store, &ids.iter().map(|id| event(id, "a", None)).collect::<Vec<_>>()).await;
    let mut seen = Vec::new();
    for _ in &ids {
        let waiting = store.next_deliveries(1).await.unwrap().remove(0);
        let tries = (0..10).map(|number| {
            let store = if number % 2 == 0 { store.clone() } else { elsewhere.clone() };
            let waiting = waiting.clone();
            tokio::spawn(async move { store.claim_delivery(&waiting, &number.to_string(), 100, 160).await.unwrap() })
        });
        let mut won = Vec::new();
        for claimed in tries.collect::<Vec<_>>() {
            won.extend(claimed.await.unwrap());
        }
        assert_eq!(won.len(), 1);
        assert!(elsewhere.told(&won[0], &Told::Delivered { status: 200 }, 101).await.unwrap());
        seen.push(won.remove(0).event.id);
    }
    assert_eq!(seen, ids);
}

pub async fn what_is_off_or_gone_is_not_told(place: Place) {
    let store = place.store().await;
    listens(&store, &[webhook("w_1", "one"), webhook("w_2", "two")]).await;
    announce(&store, &[event("ev_1", "a", None)]).await;
    let mut change = store.begin("acme").await.unwrap();
    change.update(&Webhook { disabled: Some(7), ..webhook("w_1", "one") }).await.unwrap();
    change.remove_webhook("w_2", 8).await.unwrap();
    change.commit().await.unwrap();
    let sealed = "SELECT CAST(length(sealed) AS TEXT) FROM webhooks WHERE id = 'w_2' AND removed IS NOT NULL";
    assert_eq!(place.sql(sealed).await, ["0"], "wiped");
    assert_eq!(store.next_deliveries(10).await.unwrap(), []);
    assert_eq!(had(&store, "w_1").await, [("ev_1".to_owned(), DeliveryState::Waiting, 0)], "kept");
    assert_eq!(had(&store, "w_2").await, [("ev_1".to_owned(), DeliveryState::Dropped, 0)]);
    let mut change = store.begin("acme").await.unwrap();
    change.update(&webhook("w_1", "one")).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(store.next_deliveries(10).await.unwrap().len(), 1);
    // What ended is forgotten after a while, what waits is not.
    store.purge_deliveries(1_000).await.unwrap();
    assert_eq!((had(&store, "w_1").await.len(), had(&store, "w_2").await.len()), (1, 0));
    let waiting = store.next_deliveries(1).await.unwrap().remove(0);
    let claimed = claim(&store, &waiting, 2_000).await.unwrap();
    assert!(store.told(&claimed, &Told::Delivered { status: 200 }, 2_001).await.unwrap());
    store.purge_deliveries(2_002).await.unwrap();
    assert!(had(&store, "w_1").await.is_empty());
    assert_eq!(place.sql("SELECT id FROM events").await, Vec::<String>::new());
}
