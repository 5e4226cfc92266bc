//! Credentials: found by their hash, whichever organisation they are for.

use crate::place::{Place, credential, member};
use callgate_store::{Claim, Credential, CredentialKind, Store};

async fn with(place: &Place, credentials: &[Credential]) -> Store {
    let store = place.store().await;
    let mut change = store.begin("acme").await.unwrap();
    change.insert(&member("m_1", "ada")).await.unwrap();
    for credential in credentials {
        change.insert(credential).await.unwrap();
    }
    change.commit().await.unwrap();
    store
}

pub async fn credentials_are_found_by_their_hash(place: Place) {
    let session = credential("c_1", CredentialKind::Session, Some("m_1"));
    let store = with(&place, std::slice::from_ref(&session)).await;
    let (organisation, found) = store.credential("hash of c_1").await.unwrap().unwrap();
    assert_eq!((organisation.as_str(), found.changed), ("acme", 1));
    assert!(found.record == session);
    assert!(store.credential("hash of c_2").await.unwrap().is_none());
    let mut change = store.begin("acme").await.unwrap();
    change.remove::<Credential>("c_1", 9).await.unwrap();
    change.commit().await.unwrap();
    assert!(store.credential("hash of c_1").await.unwrap().is_none());
}

pub async fn one_of_many_takes_a_link(place: Place) {
    let link = credential("c_1", CredentialKind::Link, Some("m_1"));
    let session = credential("c_2", CredentialKind::Session, Some("m_1"));
    let store = with(&place, &[link.clone(), session]).await;
    let mut change = store.begin("acme").await.unwrap();
    assert!(!change.take_link("hash of c_2").await.unwrap(), "no link");
    assert!(change.take_link("hash of c_1").await.unwrap());
    drop(change);
    let mut change = store.begin("other").await.unwrap();
    assert!(!change.take_link("hash of c_1").await.unwrap(), "of another organisation");
    drop(change);
    assert!(store.credential("hash of c_1").await.unwrap().is_some(), "it goes with the change, or not at all");
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut change = store.begin("acme").await.unwrap();
                let taken = change.take_link("hash of c_1").await.unwrap();
                change.commit().await.unwrap();
                taken
            })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        taken += u32::from(task.await.unwrap());
    }
    assert_eq!(taken, 1);
    assert!(store.credential("hash of c_1").await.unwrap().is_none());
    assert!(store.credential("hash of c_2").await.unwrap().is_some());
}

pub async fn use_is_noted_without_a_change(place: Place) {
    let store = with(&place, &[credential("c_1", CredentialKind::Session, Some("m_1"))]).await;
    for (at, expected) in [(500, 500), (400, 500), (900, 900)] {
        store.credential_used("hash of c_1", at).await.unwrap();
        let (_, found) = store.credential("hash of c_1").await.unwrap().unwrap();
        assert_eq!((found.record.used, found.changed), (Some(expected), 1));
    }
    store.credential_used("nobody's", 1).await.unwrap();
    assert_eq!(store.reads("acme").generation().await.unwrap(), 1);
}

pub async fn what_ended_is_purged(place: Place) {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let ends = |id: &str, expires| Credential { expires, ..credential(id, CredentialKind::Token, None) };
    let store = with(&place, &[ends("c_1", Some(1_000)), ends("c_2", Some(2_000)), ends("c_3", None)]).await;
    let mut change = store.begin("acme").await.unwrap();
    change.insert(&ends("c_4", None)).await.unwrap();
    change.remove::<Credential>("c_4", 1_500).await.unwrap();
    change.commit().await.unwrap();
    for (key, at) in [("old", 1_000), ("new", 1_600)] {
        assert_eq!(store.claim(key, "digest", at).await.unwrap(), Claim::Taken);
    }

    let left = async |at: i64| {
        store.purge(at).await.unwrap();
        let found = store.reads("acme").changed_since::<Credential>(Some(0)).await.unwrap();
        let mut ids: Vec<String> = found.into_iter().map(|found| found.record.id).collect();
        ids.sort();
        for key in ["old", "new"] {
            // Claiming and giving back leaves what is claimed as it is.
            match store.claim(key, "asked", 1_600).await.unwrap() {
                Claim::Taken => store.unclaim(key, "asked").await.unwrap(),
                Claim::There { .. } => ids.push(key.to_owned()),
            }
        }
        ids
    };
    assert_eq!(left(1_000).await, ["c_1", "c_2", "c_3", "c_4", "old", "new"]);
    assert_eq!(left(1_001).await, ["c_2", "c_3", "c_4", "old", "new"]);
    assert_eq!(left(DAY + 1_400).await, ["c_3", "c_4", "new"]);
    assert_eq!(left(DAY + 1_700).await, ["c_3"]);
}
