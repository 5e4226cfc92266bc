//! What those who watch are told.

use super::*;
use crate::trial::member_of;

#[tokio::test]
async fn who_watches_is_told_what_stands_and_what_happens_to_its_own() {
    let trial = trial().await;
    let control = &trial.control;
    let first = Asking::default().ask(control).await;
    let elsewhere = Asking { server: "id-other".to_owned(), ..Asking::default() }.ask(control).await;
    let mut all = control.watch_approvals(&ada()).await.unwrap();
    let mut own = control.watch_approvals(&member_of(Role::Viewer, &["id-kernel"])).await.unwrap();
    assert_eq!(code(control.watch_approvals(&member_of(Role::Viewer, &[])).await), "CG3110");
    let mut standing = [all.next().await.unwrap().id.clone(), all.next().await.unwrap().id.clone()];
    let mut expected = [first.clone(), elsewhere.clone()];
    standing.sort();
    expected.sort();
    assert_eq!(standing, expected);
    assert_eq!(own.next().await.unwrap().id, first);
    control.answer_approval(&ada(), &elsewhere, no("")).await.unwrap();
    control.answer_approval(&ada(), &first, yes()).await.unwrap();
    assert!(consumed(control, &first, &Asking::default().question(), 2).await);
    let second = Asking { arguments: "{}".to_owned(), ..Asking::default() }.ask(control).await;
    // What happened in between may be told as one.
    let mut told = Vec::new();
    while told.last() != Some(&(second.clone(), "pending")) {
        let next = own.next().await.unwrap();
        assert_ne!(next.id, elsewhere, "another server's");
        told.push((next.id.clone(), next.state));
    }
    assert!(told.iter().any(|(id, state)| *id == first && *state != "pending"), "{told:?}");
    let data = serde_json::to_value(all.next().await.unwrap()).unwrap();
    assert_eq!(data.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "state"]);
}

#[tokio::test]
async fn nobody_opens_streams_without_end() {
    let trial = trial().await;
    let control = &trial.control;
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(control.watch_approvals(&ada()).await.unwrap());
    }
    assert_eq!(code(control.watch_approvals(&ada()).await), "CG3216");
    let other = somebody("eve", "m_0000000000000002");
    open.push(control.watch_approvals(&other).await.unwrap());
    drop(open.remove(0));
    open.push(control.watch_approvals(&ada()).await.unwrap());
    assert_eq!(code(control.watch_approvals(&ada()).await), "CG3216");
    // However many they are: each of the others has one.
    for number in 0..240 {
        let caller = somebody(&format!("m{number}"), &format!("m_{number}"));
        match control.watch_approvals(&caller).await {
            Ok(watch) => open.push(watch),
            Err(error) => assert_eq!((error.code, open.len()), ("CG3216", 256)),
        }
    }
    assert_eq!(open.len(), 256);
}
