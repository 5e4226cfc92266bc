//! What is left when a process ends, of several processes on one database, and when the journal or the keys change.

use super::*;
use crate::trial::{Notes, process};
use callgate_store::Store;
use std::sync::Arc;
use tempfile::TempDir;
use testkit::Postgres;

#[tokio::test]
async fn questions_and_answers_survive_the_process() {
    let trial = trial().await;
    let question = Asking::default().question();
    let id = Asking::default().ask(&trial.control).await;
    let trial = trial.restart().await;
    assert_eq!(Asking::default().ask(&trial.control).await, id);
    let shown = trial.control.show_approval(&ada(), &id).await.unwrap();
    assert_eq!(shown.arguments.unwrap().get(), question.arguments);
    trial.control.answer_approval(&ada(), &id, yes()).await.unwrap();
    let trial = trial.restart().await;
    assert_eq!(standing(&trial.control, &question).await, "approved");
    assert!(consumed(&trial.control, &id, &question, 2).await);
    let trial = trial.restart().await;
    assert_eq!(standing(&trial.control, &question).await, "open");
    assert!(!consumed(&trial.control, &id, &question, 2).await);
}

#[tokio::test]
async fn a_yes_that_the_journal_does_not_have_is_none() {
    let trial = trial().await;
    let control = &trial.control;
    let question = Asking::default().question();
    let id = Asking::default().ask(control).await;
    let awaited = ApprovalId(id.as_str().into());
    let approvals = control.approvals();
    let mut wait = approvals.answered(&awaited);
    trial.journal.set_broken(true);
    assert_eq!(code(control.answer_approval(&ada(), &id, yes()).await), "CG3115");
    assert_eq!(standing(control, &question).await, "pending");
    assert!(!consumed(control, &id, &question, 2).await);
    assert!(is_pending(&mut wait).await);
    assert_eq!(code(control.answer_approval(&ada(), &id, no("")).await), "CG3211", "it is answered all the same");
    trial.journal.set_broken(false);
    // As soon as the journal takes it, by itself.
    assert_eq!(wait.await, Ok(Answer::Approved));
    assert!(consumed(control, &id, &question, 2).await);
}

#[tokio::test]
async fn open_questions_are_sealed_with_the_newest_key() {
    let trial = trial().await;
    let control = &trial.control;
    let id = Asking::default().ask(control).await;
    let answered = Asking { arguments: "{}".to_owned(), ..Asking::default() }.ask(control).await;
    control.answer_approval(&ada(), &answered, yes()).await.unwrap();
    let rotated = control.rotate_keys(&root()).await.unwrap();
    assert_eq!((rotated.version, rotated.resealed, &rotated.no_longer_needed[..]), (2, 1, &[1][..]));
    let row = control.inner.store.approval(&id).await.unwrap().unwrap().1;
    assert_eq!(row.key_version, 2);
    let shown = control.show_approval(&ada(), &id).await.unwrap();
    assert!(shown.arguments.unwrap().get().contains("hush-value"));
}

#[tokio::test]
async fn arguments_that_cannot_be_opened_are_not_made_up() {
    let trial = trial().await;
    let id = Asking::default().ask(&trial.control).await;
    let other = Asking { arguments: "{}".to_owned(), ..Asking::default() }.ask(&trial.control).await;
    let store = &trial.control.inner.store;
    let mut change = store.begin("default").await.unwrap();
    let sealed = store.approval(&other).await.unwrap().unwrap().1.sealed;
    change.reseal_approval(&id, (1, sealed)).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(code(trial.control.show_approval(&ada(), &id).await), "CG3114", "another question's arguments");
}

/// Two processes on one PostgreSQL, with one journal between them.
async fn two() -> (Control, Control, TempDir) {
    let url = Postgres::shared().unwrap().database().unwrap();
    let store = Store::open(&url).await.unwrap();
    store.add_organisation("default", 1, None).await.unwrap();
    store.close().await;
    let keys = tempfile::tempdir().unwrap();
    let journal = Arc::<Notes>::default();
    let one = process(&url, keys.path(), &journal).await.unwrap();
    let other = process(&url, keys.path(), &journal).await.unwrap();
    furnish(&one).await;
    (one, other, keys)
}

#[tokio::test]
async fn of_two_processes_one_asks_one_answers_and_one_uses() {
    let (one, other, _keys) = two().await;
    let question = Asking::default().question();
    for number in 0..5 {
        let asking = Asking { arguments: format!(r#"{{"n":{number}}}"#), ..Asking::default() };
        let (first, second) = tokio::join!(asking.ask(&one), asking.ask(&other));
        assert_eq!(first, second);
        let (ada, bob) = (ada(), somebody("bob", "m_2"));
        let (first, second) =
            tokio::join!(one.answer_approval(&ada, &first, yes()), other.answer_approval(&bob, &second, yes()));
        let answers = [first, second];
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        let view = answers.into_iter().find_map(Result::ok).unwrap();
        let question = Question { arguments: asking.arguments.clone(), ..question.clone() };
        // The answer is in the journal of the process that gave it; the other one may see that a moment later.
        while standing(&other, &question).await != "approved" {
            tokio::task::yield_now().await;
        }
        let (first, second) =
            tokio::join!(consumed(&one, &view.id, &question, 2), consumed(&other, &view.id, &question, 3));
        assert_ne!(first, second);
    }
    for control in [one, other] {
        control.inner.store.close().await;
    }
}

#[tokio::test]
async fn who_waits_in_one_process_is_told_what_was_answered_in_another() {
    let (one, other, _keys) = two().await;
    let id = Asking::default().ask(&one).await;
    let awaited = ApprovalId(id.as_str().into());
    let approvals = one.approvals();
    let wait = approvals.answered(&awaited);
    let mut watch = one.watch_approvals(&ada()).await.unwrap();
    assert_eq!(watch.next().await.unwrap().state, "pending");
    let ada = ada();
    let (answer, answered) = tokio::join!(wait, other.answer_approval(&ada, &id, no("elsewhere")));
    answered.unwrap();
    assert_eq!(answer, Ok(Answer::Refused("elsewhere".to_owned())));
    loop {
        let told = watch.next().await.unwrap();
        if told.state != "pending" {
            assert_eq!((told.id.as_str(), told.state), (id.as_str(), "refused"));
            break;
        }
    }
    for control in [one, other] {
        control.inner.store.close().await;
    }
}
