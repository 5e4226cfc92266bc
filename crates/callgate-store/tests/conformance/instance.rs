//! What belongs to no organisation's configuration.

use crate::place::{Place, grant, server};
use callgate_store::Claim;

pub async fn values_of_the_instance_are_kept(place: Place) {
    let store = place.store().await;
    assert_eq!(store.meta("key").await.unwrap(), None);
    for value in [vec![0_u8, 255, 7], Vec::new(), vec![1; 100_000]] {
        store.put_meta("key", &value).await.unwrap();
        assert_eq!(store.meta("key").await.unwrap(), Some(value));
    }
    assert_eq!(store.meta("other").await.unwrap(), None);
}

pub async fn a_value_is_replaced_only_where_it_still_stands(place: Place) {
    let store = place.store().await;
    for (before, value, expected) in [
        (Some(&b"a"[..]), b"x", false),
        (None, b"a", true),
        (None, b"x", false),
        (Some(&b"b"[..]), b"x", false),
        (Some(&b"a"[..]), b"b", true),
    ] {
        assert_eq!(store.replace_meta("key", before, value).await.unwrap(), expected, "{before:?} {value:?}");
    }
    let tasks: Vec<_> = (0..20_u8)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.replace_meta("key", Some(b"b"), &[number]).await.unwrap() })
        })
        .collect();
    let mut replaced = 0;
    for task in tasks {
        replaced += u32::from(task.await.unwrap());
    }
    assert_eq!(replaced, 1);
}

pub async fn answers_are_remembered_once(place: Place) {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let (store, elsewhere) = (place.store().await, place.open().await);
    let there = |digest: &str, answer: Option<&[u8]>| Claim::There {
        digest: digest.to_owned(),
        answer: answer.map(<[u8]>::to_vec),
    };
    assert_eq!(store.claim("key", "digest", 1_000).await.unwrap(), Claim::Taken);
    // What was begun and has no answer is known, also to a process that never saw the request.
    assert_eq!(elsewhere.claim("key", "digest", 1_000).await.unwrap(), there("digest", None));
    store.remember("key", "digest", b"answer").await.unwrap();
    assert_eq!(elsewhere.claim("key", "another", 2_000).await.unwrap(), there("digest", Some(b"answer")));
    store.remember("key", "digest", b"other").await.unwrap();
    store.unclaim("key", "digest").await.unwrap();
    assert_eq!(store.claim("key", "digest", 2_000).await.unwrap(), there("digest", Some(b"answer")), "it stays");
    // After a day it is forgotten, whether it was purged or not.
    assert_eq!(store.claim("key", "another", DAY + 1_000).await.unwrap(), Claim::Taken);
    store.unclaim("key", "digest").await.unwrap();
    assert_eq!(store.claim("key", "third", DAY + 1_000).await.unwrap(), there("another", None), "another's claim");
    store.unclaim("key", "another").await.unwrap();
    assert_eq!(store.claim("key", "third", DAY + 1_000).await.unwrap(), Claim::Taken, "given back");

    let tasks: Vec<_> = (0..20_u8)
        .map(|number| {
            let store = if number % 2 == 0 { store.clone() } else { elsewhere.clone() };
            tokio::spawn(async move { store.claim("raced", &number.to_string(), 5).await.unwrap() })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        taken += usize::from(task.await.unwrap() == Claim::Taken);
    }
    assert_eq!(taken, 1);
}

pub async fn the_last_use_of_grants_stays(place: Place) {
    let store = place.store().await;
    let mut change = store.begin("acme").await.unwrap();
    change.insert(&server("s1", "kernel")).await.unwrap();
    let ids: Vec<String> = (0..1_200).map(|number| format!("g_{number:04}")).collect();
    for id in &ids {
        change.insert(&grant(id, "s1", id)).await.unwrap();
    }
    change.commit().await.unwrap();
    let used = |at| ids.iter().map(|id| (id.clone(), at)).collect::<Vec<_>>();
    assert!(store.last_used(&ids).await.unwrap().is_empty());
    store.grants_used(&used(500)).await.unwrap();
    assert_eq!(store.last_used(&ids).await.unwrap(), used(500));
    store.grants_used(&used(400)).await.unwrap();
    assert_eq!(store.last_used(&ids).await.unwrap(), used(500), "the later time stays");
    let one = |at| ("g_0007".to_owned(), at);
    store.grants_used(&[one(700), one(800), one(600), ("g_unknown".to_owned(), 1)]).await.unwrap();
    assert_eq!(store.last_used(&["g_0007".to_owned(), "g_unknown".to_owned()]).await.unwrap(), [one(800)]);
    assert_eq!(store.reads("acme").generation().await.unwrap(), 1, "use is no change");
    store.grants_used(&[]).await.unwrap();
    assert!(store.last_used(&[]).await.unwrap().is_empty());

    // Two processes tell of the same grants in opposite orders.
    let reversed: Vec<_> = used(900).into_iter().rev().collect();
    let (forth, back) = (used(901), reversed);
    let (first, second) = tokio::join!(store.grants_used(&forth), store.grants_used(&back));
    first.and(second).unwrap();
    assert_eq!(store.last_used(&ids).await.unwrap(), used(901));
}
