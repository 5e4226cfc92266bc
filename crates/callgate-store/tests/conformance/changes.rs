//! Changes: one at a time, whole or not at all.

use crate::place::{Place, member, server};
use callgate_store::{Grant, Member, Notice, OutboxRow, Server, StoreError};
use std::time::Duration;
use testkit::{PATIENCE, Postgres};

pub async fn dropped_changes_never_were(place: Place) {
    let store = place.store().await;
    let mut change = store.begin("acme").await.unwrap();
    assert_eq!(change.generation(), 1);
    change.insert(&server("s1", "kernel")).await.unwrap();
    change.record("{}".to_owned()).await.unwrap();
    drop(change);
    assert!(store.reads("acme").get::<Server>("s1").await.unwrap().is_none());
    assert_eq!(store.reads("acme").generation().await.unwrap(), 0);
    assert!(store.outbox().await.unwrap().is_empty());
    let change = store.begin("acme").await.unwrap();
    assert_eq!(change.generation(), 1);
    change.commit().await.unwrap();
    assert_eq!(store.reads("acme").generation().await.unwrap(), 1);
}

pub async fn concurrent_changes_wait_for_each_other(place: Place) {
    let store = place.store().await;
    let mut change = store.begin("acme").await.unwrap();
    change.insert(&Member { name: "0".to_owned(), ..member("m_1", "counter") }).await.unwrap();
    change.commit().await.unwrap();
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut change = store.begin("acme").await.unwrap();
                let mut found = change.get::<Member>("m_1").await.unwrap().unwrap().record;
                let count: i64 = found.name.parse().unwrap();
                tokio::task::yield_now().await;
                // What reads first and writes then loses an update unless changes come one after another.
                found.name = (count + 1).to_string();
                change.update(&found).await.unwrap();
                let generation = change.generation();
                if number % 5 == 0 {
                    drop(change);
                    return None;
                }
                change.commit().await.unwrap();
                Some(generation)
            })
        })
        .collect();
    let mut generations = Vec::new();
    for task in tasks {
        generations.extend(task.await.unwrap());
    }
    generations.sort_unstable();
    assert_eq!(generations, (2..=41).collect::<Vec<i64>>(), "no generation twice, none left out");
    let found = store.reads("acme").get::<Member>("m_1").await.unwrap().unwrap();
    assert_eq!((found.record.name.as_str(), found.changed), ("40", 41));
}

pub async fn organisations_count_by_themselves(place: Place) {
    let store = place.store().await;
    for _ in 0..3 {
        store.begin("acme").await.unwrap().commit().await.unwrap();
    }
    store.begin("other").await.unwrap().commit().await.unwrap();
    let found = store.organisations().await.unwrap();
    let found: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.generation, it.created)).collect();
    assert_eq!(found, [("acme", 3, 1), ("other", 1, 2)]);
    let twice = store.add_organisation("acme", 5, None).await.unwrap_err();
    assert_eq!(twice.to_string(), "CG3102: organisation `acme` is there already; choose another name");
}

pub async fn a_failed_step_spoils_the_change(place: Place) {
    let store = place.store().await;
    let mut change = store.begin("acme").await.unwrap();
    change.insert(&server("s1", "kernel")).await.unwrap();
    change.insert(&server("s2", "kernel")).await.unwrap_err();
    assert!(matches!(change.commit().await, Err(StoreError::Failed { .. })));
    assert!(store.reads("acme").get::<Server>("s1").await.unwrap().is_none());
}

pub async fn what_is_missing_is_said(place: Place) {
    let store = place.store().await;
    let nowhere = "CG3106: organisation `nobody` is not there; look at what is";
    assert_eq!(store.begin("nobody").await.unwrap_err().to_string(), nowhere);
    assert_eq!(store.reads("nobody").generation().await.unwrap_err().to_string(), nowhere);
    assert!(store.reads("nobody").list::<Server>(&Default::default()).await.unwrap().is_empty());
    let mut change = store.begin("acme").await.unwrap();
    let error = change.update(&server("s9", "kernel")).await.unwrap_err();
    assert_eq!(error.to_string(), "CG3106: server `s9` is not there; look at what is");
    drop(change);
    let mut change = store.begin("acme").await.unwrap();
    let error = change.remove::<Grant>("g_9", 1).await.unwrap_err();
    assert_eq!(error.to_string(), "CG3106: grant `g_9` is not there; look at what is");
}

pub async fn readers_go_on_while_somebody_writes(place: Place) {
    let store = place.store().await;
    let mut change = store.begin("acme").await.unwrap();
    change.insert(&server("s1", "kernel")).await.unwrap();
    // More than there are connections: those that wait for their turn to write hold none.
    let (sender, mut waiting) = tokio::sync::mpsc::channel(20);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (store, sender) = (store.clone(), sender.clone());
            tokio::spawn(async move {
                sender.send(()).await.unwrap();
                store.begin("acme").await.unwrap().commit().await.unwrap();
            })
        })
        .collect();
    for _ in 0..20 {
        waiting.recv().await.unwrap();
        assert!(store.reads("acme").get::<Server>("s1").await.unwrap().is_none());
    }
    assert!(store.reads("acme").get::<Server>("s1").await.unwrap().is_none());
    change.commit().await.unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.reads("acme").generation().await.unwrap(), 21);
}

pub async fn the_outbox_keeps_order_and_goes_with_the_change(place: Place) {
    let store = place.store().await;
    for (organisation, bodies) in [("acme", ["1", "2"]), ("other", ["3", "4"]), ("acme", ["5", "6"])] {
        let mut change = store.begin(organisation).await.unwrap();
        for body in bodies {
            change.record(body.to_owned()).await.unwrap();
        }
        change.commit().await.unwrap();
    }
    let row = |organisation: &str, generation, position, body: &str| OutboxRow {
        organisation: organisation.to_owned(),
        generation,
        position,
        body: body.to_owned(),
    };
    let rows = store.outbox().await.unwrap();
    let acme = [row("acme", 1, 0, "1"), row("acme", 1, 1, "2"), row("acme", 2, 0, "5"), row("acme", 2, 1, "6")];
    let other = [row("other", 1, 0, "3"), row("other", 1, 1, "4")];
    assert_eq!(rows, [acme.as_slice(), &other].concat());
    store.outbox_done(&acme[..3]).await.unwrap();
    store.outbox_done(&[]).await.unwrap();
    assert_eq!(store.outbox().await.unwrap(), [&acme[3..], &other].concat());
}

pub async fn other_processes_are_told(place: Place) {
    let store = place.store().await;
    let elsewhere = place.open().await;
    let mut notifications = elsewhere.notifications(Duration::MAX);
    if !place.is_postgres() {
        store.notify("acme").await.unwrap();
        let nothing = tokio::time::timeout(Duration::from_millis(50), notifications.next()).await;
        assert!(nothing.is_err(), "no other process writes");
        return;
    }
    let mut next = async || tokio::time::timeout(PATIENCE, notifications.next()).await.unwrap();
    assert_eq!(next().await, Notice::LookAgain);
    store.notify("acme").await.unwrap();
    assert_eq!(next().await, Notice::Changed("acme".to_owned()));
    // Its connection is lost: it comes back, and says that something may have been missed.
    let server = Postgres::shared().unwrap();
    let lost = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE datname = current_database() AND query LIKE 'LISTEN%' AND pid <> pg_backend_pid()";
    assert_eq!(server.sql(&place.url, lost).unwrap(), "1");
    assert_eq!(next().await, Notice::LookAgain);
    store.notify("other").await.unwrap();
    assert_eq!(next().await, Notice::Changed("other".to_owned()));
}
