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
