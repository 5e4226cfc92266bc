//! Questions over a store, as the data plane and those who answer see them.

mod answers;
mod durable;
mod watch;

use super::trial::{Asking, decision};
use super::{Remember, Verdict};
use crate::caller::{Caller, Who};
use crate::control::Control;
use crate::error::Error;
use crate::trial::{NOW, Trial, grant, later, root, server};
use crate::{Permission, Scope};
use callgate_decision::{Answer, ApprovalError, ApprovalId, Question, Standing};
use callgate_store::{Role, Roles};

/// A control plane with a server, and a grant that somebody else minted.
async fn trial() -> Trial {
    let trial = Trial::new().await;
    furnish(&trial.control).await;
    trial
}

async fn furnish(control: &Control) {
    let root = root();
    let cleared = root.clear(Permission::ManageInstance, Scope::Organisation).unwrap();
    let mut editing = control.edit(&cleared).await.unwrap();
    editing.change.insert(&server("kernel")).await.unwrap();
    editing.change.insert(&grant("g_1", "id-kernel", None)).await.unwrap();
    editing.finish(control).await.unwrap();
}

/// A member who decides approvals.
fn ada() -> Caller {
    somebody("ada", "m_0000000000000001")
}

fn somebody(login: &str, id: &str) -> Caller {
    let roles = Roles { organisation: Some(Role::PolicyManager), ..Roles::default() };
    Caller::new("default", Who::Member { id: id.to_owned(), login: login.to_owned() }, roles, false)
}

fn yes() -> Verdict {
    Verdict { yes: true, reason: String::new(), remember: None }
}

fn no(reason: &str) -> Verdict {
    Verdict { yes: false, reason: reason.to_owned(), remember: None }
}

fn stays(milliseconds: i64, arguments: Option<&[&str]>) -> Verdict {
    let arguments = arguments.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    Verdict { remember: Some(Remember { milliseconds, arguments }), ..yes() }
}

async fn look(control: &Control, question: &Question) -> Standing {
    control.approvals().look(question).await.unwrap()
}

/// How it stands, in a word, with the reason of a no.
async fn standing(control: &Control, question: &Question) -> String {
    match look(control, question).await {
        Standing::Open => "open".to_owned(),
        Standing::Pending(_) => "pending".to_owned(),
        Standing::Approved(_) => "approved".to_owned(),
        Standing::Refused(_, reason) => format!("refused {reason}"),
    }
}

async fn consumed(control: &Control, id: &str, question: &Question, number: u32) -> bool {
    let id = ApprovalId(id.into());
    control.approvals().consume(&id, question, decision(number)).await.unwrap()
}

/// Looks once.
async fn is_pending(wait: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *wait).poll(cx).is_pending())).await
}

fn code<T>(result: Result<T, Error>) -> &'static str {
    result.err().map_or("", |error| error.code)
}

#[tokio::test]
async fn a_yes_covers_exactly_its_call_and_once() {
    let trial = trial().await;
    let control = &trial.control;
    let question = Asking::default().question();
    assert_eq!(standing(control, &question).await, "open");
    let id = Asking::default().ask(control).await;
    let Standing::Pending(pending) = look(control, &question).await else { panic!() };
    assert_eq!((pending.id.to_string(), pending.expires.0), (id.clone(), NOW + 30 * 60_000));
    assert_eq!(pending.at.to_string(), format!("http://127.0.0.1:7070/approvals/{id}"));
    assert_eq!(Asking::default().ask(control).await, id, "identical questions are one");
    assert!(!consumed(control, &id, &question, 2).await);
    later(60_000);
    control.answer_approval(&ada(), &id, yes()).await.unwrap();
    let Standing::Approved(approved) = look(control, &question).await else { panic!() };
    assert_eq!(approved.expires.0, NOW + 31 * 60_000, "as long again, from the answer on");

    let change = |change: fn(&mut Question)| {
        let mut other = question.clone();
        change(&mut other);
        other
    };
    for other in [
        change(|q| q.arguments = q.arguments.replace("hush-value", "hush-valuf")),
        change(|q| q.arguments = r#"{"command":"hush-value"}"#.to_owned()),
        change(|q| q.tool.push('2')),
        change(|q| q.server = "id-other".into()),
        change(|q| q.upstream.push('2')),
        change(|q| q.definition = None),
        change(|q| q.grant = callgate_policy::GrantId::parse("g_2").unwrap()),
        change(|q| q.identity = Some("eve".to_owned())),
        change(|q| q.policy.push('2')),
        change(|q| q.baseline.push('2')),
    ] {
        assert_eq!(standing(control, &other).await, "open", "{other:?}");
        assert!(!consumed(control, &id, &other, 2).await, "{other:?}");
    }
    // What is only for people does not bind.
    let told = change(|q| (q.message, q.grant_label) = ("x".to_owned(), "y".to_owned()));
    assert_eq!(standing(control, &told).await, "approved");

    assert!(consumed(control, &id, &question, 2).await);
    assert!(!consumed(control, &id, &question, 2).await);
    assert_eq!(standing(control, &question).await, "open");
    assert_ne!(Asking::default().ask(control).await, id, "the next call is another question");
}

#[tokio::test]
async fn a_call_that_did_not_run_gives_its_yes_back() {
    let trial = trial().await;
    let control = &trial.control;
    let (question, approvals) = (Asking::default().question(), control.approvals());
    let id = Asking::default().ask(control).await;
    control.answer_approval(&ada(), &id, yes()).await.unwrap();
    assert!(consumed(control, &id, &question, 2).await);
    approvals.restore(&ApprovalId(id.as_str().into()), decision(3));
    approvals.restore(&ApprovalId(id.as_str().into()), decision(2));
    // Nobody waits for it; the store is asked until it is done.
    while standing(control, &question).await != "approved" {
        tokio::task::yield_now().await;
    }
    assert!(consumed(control, &id, &question, 4).await);
    assert!(!consumed(control, &id, &question, 5).await);
}

#[tokio::test]
async fn a_no_holds_until_the_question_is_over() {
    let trial = trial().await;
    let control = &trial.control;
    let asking = Asking { terms: r#""timeout":"10m""#, ..Asking::default() };
    let id = asking.ask(control).await;
    control.answer_approval(&ada(), &id, no("not today")).await.unwrap();
    assert_eq!(standing(control, &asking.question()).await, "refused not today");
    let again = control.approvals().ask(&asking.question(), decision(2)).await.unwrap();
    assert!(matches!(again, Standing::Refused(..)), "{again:?}");
    later(10 * 60_000 - 1);
    assert_eq!(standing(control, &asking.question()).await, "refused not today");
    later(10 * 60_000);
    assert_eq!(standing(control, &asking.question()).await, "open");
    assert_ne!(asking.ask(control).await, id);
}

#[tokio::test]
async fn nobody_is_asked_more_than_a_person_can_answer() {
    let trial = trial().await;
    let control = &trial.control;
    let asking = |number: u32| Asking { arguments: format!(r#"{{"n":{number}}}"#), ..Asking::default() };
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(asking(number).ask(control).await);
    }
    let refused = control.approvals().ask(&asking(20).question(), decision(1)).await;
    assert_eq!(refused, Err(ApprovalError::TooMany(20)));
    assert_eq!(asking(0).ask(control).await, ids[0], "one that was asked already is no more");
    let other = Asking { grant: "g_2".to_owned(), ..asking(20) };
    other.ask(control).await;
    control.answer_approval(&ada(), &ids[3], no("")).await.unwrap();
    asking(20).ask(control).await;
}

#[tokio::test]
async fn nobody_is_asked_about_more_than_is_kept() {
    let trial = trial().await;
    let control = &trial.control;
    let of_length = |length: usize| Asking {
        arguments: format!(r#"{{"a":"{}"}}"#, "x".repeat(length - 8)),
        message: String::new(),
        ..Asking::default()
    };
    let most = 256 * 1024;
    let refused = control.approvals().ask(&of_length(most + 1).question(), decision(1)).await;
    assert_eq!(refused, Err(ApprovalError::TooLong(most)));
    let beside = Asking { message: "m".to_owned(), ..of_length(most) };
    assert_eq!(control.approvals().ask(&beside.question(), decision(1)).await, refused);
    of_length(most).ask(control).await;
}

#[tokio::test]
async fn no_value_of_an_argument_is_anywhere_but_sealed() {
    let trial = trial().await;
    let control = &trial.control;
    let allowed = Asking { terms: r#""remember_for":"1h""#, ..Asking::default() };
    let other = Asking { arguments: r#"{"command":"hush-other"}"#.to_owned(), ..Asking::default() };
    let (first, second) = (allowed.ask(control).await, other.ask(control).await);
    let shown = control.show_approval(&ada(), &first).await.unwrap();
    assert_eq!(shown.arguments.unwrap().get(), r#"{"command":"hush-value","mode":1}"#);
    assert_eq!(shown.message.as_deref(), Some(allowed.message.as_str()));
    control.answer_approval(&ada(), &first, stays(60_000, Some(&["mode"]))).await.unwrap();
    control.answer_approval(&ada(), &second, no("")).await.unwrap();
    let shown = control.show_approval(&ada(), &first).await.unwrap();
    assert!(shown.arguments.is_none() && shown.message.is_none(), "{shown:?}");
    for row in [&first, &second] {
        let row = control.inner.store.approval(row).await.unwrap().unwrap().1;
        assert!(row.sealed.is_empty());
    }
    let journal = serde_json::to_string(&trial.journal.bodies()).unwrap();
    assert!(journal.contains("\"command\""), "names are recorded");
    let database = String::from_utf8_lossy(&trial.database()).into_owned();
    for text in [&journal, &database] {
        assert!(!text.contains("hush"), "a value of an argument");
    }
    let words: Vec<String> = trial.journal.words().into_iter().filter(|word| word.starts_with("approval")).collect();
    let object = |id: &str| format!("server/kernel/approval/{id}");
    let expected = [format!("approval approve {}", object(&first)), format!("approval deny {}", object(&second))];
    assert_eq!(words, expected);
}

#[tokio::test]
async fn who_waits_is_told_whatever_ends_the_question() {
    let trial = trial().await;
    let control = &trial.control;
    let approvals = control.approvals();
    let mut questions = Vec::new();
    for number in 0..5 {
        let arguments = format!(r#"{{"n":{number}}}"#);
        questions.push(Asking { arguments, ..Asking::default() }.ask(control).await);
    }
    let ids: Vec<ApprovalId> = questions.iter().map(|id| ApprovalId(id.as_str().into())).collect();
    let unknown = ApprovalId("a_unknown".into());
    let first = approvals.answered(&ids[0]);
    let second = approvals.answered(&ids[1]);
    let third = approvals.answered(&ids[2]);
    let fourth = approvals.answered(&ids[3]);
    let nobody = approvals.answered(&unknown);
    control.answer_approval(&ada(), &questions[0], yes()).await.unwrap();
    control.answer_approval(&ada(), &questions[1], no("never")).await.unwrap();
    approvals.withdraw(&ids[2]);
    let (first, second, third, nobody) = tokio::join!(first, second, third, nobody);
    assert_eq!(first, Ok(Answer::Approved));
    assert_eq!(second, Ok(Answer::Refused("never".to_owned())));
    assert_eq!(third, Ok(Answer::Expired));
    assert!(matches!(nobody, Err(ApprovalError::Failed(_))), "{nobody:?}");
    later(30 * 60_000);
    control.inner.desk.ring();
    assert_eq!(fourth.await, Ok(Answer::Expired));
    // Who comes late is told at once.
    assert_eq!(approvals.answered(&ids[1]).await, Ok(Answer::Refused("never".to_owned())));
    assert_eq!(approvals.answered(&ids[4]).await, Ok(Answer::Expired));
    let expired = trial.journal.bodies().into_iter().filter(|body| body["what"] == "approval expire");
    let expired: Vec<_> = expired.map(|body| (body["who"].clone(), body["after"]["state"].clone())).collect();
    assert_eq!(expired, [("gateway".into(), "expired".into()), ("gateway".into(), "expired".into())]);
}

#[tokio::test]
async fn who_goes_away_ends_nobody_elses_wait() {
    let trial = trial().await;
    let control = &trial.control;
    let asking = Asking::default();
    // Two gateways hold the same call.
    let (one, other) = (control.approvals(), control.approvals());
    let id = ApprovalId(asking.ask(control).await.as_str().into());
    assert_eq!(asking.ask(control).await, &*id.0);
    let mut waits = other.answered(&id);
    assert!(is_pending(&mut waits).await);
    one.withdraw(&id);
    // It is done in the background: this comes after it.
    control.withdraw(&id.0).await.unwrap();
    assert!(is_pending(&mut waits).await);
    control.answer_approval(&ada(), &id.0, yes()).await.unwrap();
    assert_eq!(waits.await, Ok(Answer::Approved));
}

#[tokio::test]
async fn a_thousand_who_wait_cost_no_task() {
    let trial = trial().await;
    let control = &trial.control;
    let approvals = control.approvals();
    let id = ApprovalId(Asking::default().ask(control).await.as_str().into());
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut waits: Vec<_> = (0..1_000).map(|_| approvals.answered(&id)).collect();
    for wait in &mut waits {
        assert!(is_pending(wait).await);
    }
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), tasks);
    waits.truncate(900);
    control.answer_approval(&ada(), &id.0, yes()).await.unwrap();
    let answers = futures_util::future::join_all(waits).await;
    assert!(answers.iter().all(|answer| *answer == Ok(Answer::Approved)) && answers.len() == 900);
}
