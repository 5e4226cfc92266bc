//! Questions to people: of many at once one asks, one answers, one uses, whichever process it is in.

use crate::place::Place;
use callgate_store::{
    Answering, ApprovalNow, ApprovalRow, ApprovalSearch, ApprovalState, Asking, Event, LiveApproval, Store,
};
use std::collections::BTreeMap;

/// A question that was asked at 100 and is over at 1,000, with the binding `b ID`.
pub fn question(id: &str, grant: &str) -> ApprovalRow {
    ApprovalRow {
        id: id.to_owned(),
        server: "s1".to_owned(),
        server_name: "kernel".to_owned(),
        tool: "exec \"ü\"".to_owned(),
        grant: grant.to_owned(),
        grant_label: "laptop".to_owned(),
        identity: Some("ada".to_owned()),
        client: None,
        asker: Some("m_1".to_owned()),
        policy_name: "default".to_owned(),
        policy_version: 3,
        policy_digest: "d".to_owned(),
        rule: "/tools/exec/approve_if/always".to_owned(),
        ask: "retry".to_owned(),
        four_eyes: true,
        remember_for: Some(10_000),
        decision: "d_1".to_owned(),
        asked_at: 100,
        binding: format!("b {id}"),
        alike: "alike".to_owned(),
        argument_keys: vec!["a".to_owned(), "b".to_owned()],
        digests: BTreeMap::from([("a".to_owned(), "00".to_owned())]),
        sealed: vec![0, 255, 3],
        key_version: 7,
        state: ApprovalState::Pending,
        expires: 1_000,
        answered_by: None,
        answered_at: None,
        reason: String::new(),
        remembered: None,
        used_by: None,
        used_at: None,
        changed: 0,
    }
}

/// What is told of a question.
pub fn told(organisation: &str) -> Event {
    Event {
        organisation: organisation.to_owned(),
        id: "ev_1".to_owned(),
        kind: "approval.asked".to_owned(),
        server: Some("s1".to_owned()),
        at: 100,
        body: "{}".to_owned(),
    }
}

/// A yes at 200 that is good until `expires`.
pub fn yes(id: &str, expires: i64) -> Answering {
    let (by, reason) = ("member:ada".to_owned(), "fine".to_owned());
    Answering { id: id.to_owned(), yes: true, by, reason, at: 200, expires, remembered: None }
}

async fn asked(store: &Store, row: &ApprovalRow) {
    assert!(store.ask(row, &told("acme"), 20).await.unwrap() == Asking::Asked);
}

/// Answers, with a copy for the journal; whether that was the first answer.
async fn answered(store: &Store, answer: &Answering) -> bool {
    let mut change = store.begin("acme").await.unwrap();
    if !change.answer_approval(answer).await.unwrap() {
        return false;
    }
    change.record("{}".to_owned()).await.unwrap();
    change.commit().await.unwrap();
    true
}

/// Takes the question back, with a copy for the journal; whether nobody else waits for it.
async fn withdrawn(store: &Store, id: &str, at: i64) -> bool {
    let mut change = store.begin("acme").await.unwrap();
    if change.withdraw_approval(id, at).await.unwrap().is_none() {
        return false;
    }
    change.record("{}".to_owned()).await.unwrap();
    change.commit().await.unwrap();
    true
}

/// The journal gets what waits for it.
async fn recorded(store: &Store) {
    store.outbox_done(&store.outbox().await.unwrap()).await.unwrap();
}

async fn live(store: &Store, id: &str, now: i64) -> Vec<LiveApproval> {
    store.live_approvals("acme", (&format!("b {id}"), ""), now).await.unwrap()
}

async fn get(store: &Store, id: &str) -> ApprovalRow {
    store.reads("acme").approval(id).await.unwrap().unwrap()
}

async fn used(store: &Store, id: &str, decision: &str, now: i64) -> bool {
    store.use_approval("acme", (id, &format!("b {id}")), decision, now).await.unwrap()
}

pub async fn a_question_comes_back_as_it_was_and_is_asked_once(place: Place) {
    let (store, elsewhere) = (place.store().await, place.open().await);
    let row = question("a_1", "g_1");
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let store = if number % 2 == 0 { store.clone() } else { elsewhere.clone() };
            let row = ApprovalRow { id: format!("a_{number}"), ..row.clone() };
            tokio::spawn(async move { store.ask(&row, &told("acme"), 20).await.unwrap() })
        })
        .collect();
    let mut asked = 0;
    for task in tasks {
        match task.await.unwrap() {
            Asking::Asked => asked += 1,
            Asking::There(live) => assert_eq!((live.len(), live[0].recorded), (1, true)),
            _ => panic!("neither asked nor there"),
        }
    }
    assert_eq!(asked, 1);
    let [there] = &live(&store, "a_1", 100).await[..] else { panic!("one") };
    assert!(there.row == ApprovalRow { id: there.row.id.clone(), ..row });
    assert_eq!(store.reads("acme").generation().await.unwrap(), 0, "asking is no change");
    let (organisation, found) = store.approval(&there.row.id).await.unwrap().unwrap();
    assert!(organisation == "acme" && found == there.row);
    assert!(store.approval("a_none").await.unwrap().is_none());
}

pub async fn a_question_that_several_asked_outlives_the_one_who_goes_away(place: Place) {
    let (store, elsewhere) = (place.store().await, place.open().await);
    for id in ["a_1", "a_2"] {
        asked(&store, &question(id, "g_1")).await;
    }
    let again = ApprovalRow { id: "a_3".to_owned(), ..question("a_1", "g_1") };
    assert!(matches!(elsewhere.ask(&again, &told("acme"), 20).await.unwrap(), Asking::There(_)));
    assert!(!withdrawn(&store, "a_1", 300).await, "somebody waits for it elsewhere");
    assert!(withdrawn(&store, "a_2", 300).await, "nobody else asked it");
    assert_eq!(get(&store, "a_1").await.state, ApprovalState::Pending);
    assert!(answered(&elsewhere, &yes("a_1", 1_000)).await);
}

pub async fn questions_of_a_grant_are_counted_however_many_ask_at_once(place: Place) {
    let (store, elsewhere) = (place.store().await, place.open().await);
    let tasks: Vec<_> = (0..12)
        .map(|number| {
            let store = if number % 2 == 0 { store.clone() } else { elsewhere.clone() };
            let row = question(&format!("a_{number}"), "g_1");
            tokio::spawn(async move { store.ask(&row, &told("acme"), 5).await.unwrap() == Asking::Asked })
        })
        .collect();
    let mut asked = 0;
    for task in tasks {
        asked += u32::from(task.await.unwrap());
    }
    assert_eq!(asked, 5);
    assert!(store.ask(&question("a_x", "g_2"), &told("acme"), 5).await.unwrap() == Asking::Asked, "another grant");
    assert!(
        store.ask(&question("a_y", "g_1"), &told("other"), 5).await.unwrap() == Asking::Asked,
        "another organisation"
    );
    let pending = store.reads("acme").pending_approvals().await.unwrap();
    assert_eq!(pending.len(), 6, "the organisation's own");
    assert!(pending.iter().all(|pending| pending.server == "s1"));
    let one = pending.into_iter().find(|pending| pending.id != "a_x").unwrap();
    withdrawn(&store, &one.id, 300).await;
    assert!(
        store.ask(&question("a_z", "g_1"), &told("acme"), 5).await.unwrap() == Asking::Asked,
        "there is room again"
    );
}

pub async fn the_first_of_many_answers_counts(place: Place) {
    let (store, elsewhere) = (place.store().await, place.open().await);
    asked(&store, &question("a_1", "g_1")).await;
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let store = if number % 2 == 0 { store.clone() } else { elsewhere.clone() };
            let answer = Answering { yes: number % 3 == 0, by: format!("member:{number}"), ..yes("a_1", 500) };
            tokio::spawn(async move { answered(&store, &answer).await.then_some(answer) })
        })
        .collect();
    let mut first = Vec::new();
    for task in tasks {
        first.extend(task.await.unwrap());
    }
    let [first] = &first[..] else { panic!("{first:?}") };
    let row = get(&store, "a_1").await;
    let state = if first.yes { ApprovalState::Approved } else { ApprovalState::Refused };
    assert_eq!((row.state, row.answered_by.as_ref(), row.answered_at), (state, Some(&first.by), Some(200)));
    assert_eq!((row.reason.as_str(), row.expires), ("fine", 500));
    assert!(row.sealed.is_empty() && row.digests.is_empty(), "the arguments are gone");
    assert_eq!(store.outbox().await.unwrap().len(), 1, "one record");
    assert!(!withdrawn(&store, "a_1", 300).await);
}

pub async fn a_yes_counts_once_the_journal_has_it_and_once(place: Place) {
    let (store, elsewhere) = (place.store().await, place.open().await);
    asked(&store, &question("a_1", "g_1")).await;
    assert!(!used(&store, "a_1", "d", 300).await, "nobody said yes");
    assert!(answered(&store, &yes("a_1", 500)).await);
    assert!(!live(&store, "a_1", 300).await[0].recorded);
    assert!(!used(&store, "a_1", "d", 300).await, "the journal does not have it");
    let now = |state| vec![ApprovalNow { id: "a_1".to_owned(), state, reason: "fine".to_owned() }];
    let ids = ["a_1".to_owned(), "a_none".to_owned()];
    assert_eq!(store.approvals_now(&ids).await.unwrap(), now(ApprovalState::Pending));
    recorded(&store).await;
    assert!(live(&store, "a_1", 300).await[0].recorded);
    assert_eq!(store.approvals_now(&ids).await.unwrap(), now(ApprovalState::Approved));
    assert!(!store.use_approval("acme", ("a_1", "b another"), "d", 300).await.unwrap(), "another call");
    assert!(!store.use_approval("other", ("a_1", "b a_1"), "d", 300).await.unwrap(), "another organisation");
    assert!(!used(&store, "a_1", "d", 500).await, "it is over");
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let store = if number % 2 == 0 { store.clone() } else { elsewhere.clone() };
            tokio::spawn(async move { used(&store, "a_1", &format!("d_{number}"), 300).await })
        })
        .collect();
    let mut uses = 0;
    for task in tasks {
        uses += u32::from(task.await.unwrap());
    }
    assert_eq!(uses, 1);
    assert!(live(&store, "a_1", 300).await.is_empty());
    // The process ends without a word, and another one goes on.
    let after = place.open().await;
    assert!(!used(&after, "a_1", "d", 300).await);
    assert_eq!(get(&after, "a_1").await.state, ApprovalState::Used);
}

pub async fn a_yes_that_was_given_back_is_good_again(place: Place) {
    let store = place.store().await;
    asked(&store, &question("a_1", "g_1")).await;
    assert!(answered(&store, &yes("a_1", 500)).await);
    recorded(&store).await;
    assert!(used(&store, "a_1", "d_1", 300).await);
    for (decision, now, good) in [("d_2", 310, false), ("d_1", 500, false), ("d_1", 310, true), ("d_1", 310, false)] {
        assert_eq!(store.unuse_approval("a_1", decision, now).await.unwrap(), good, "{decision} at {now}");
    }
    let row = get(&store, "a_1").await;
    assert_eq!((row.state, row.used_by, row.used_at), (ApprovalState::Approved, None, None));
    assert!(used(&store, "a_1", "d_3", 320).await);
    assert!(!store.unuse_approval("a_1", "d_1", 330).await.unwrap(), "another one's use");
    assert!(!used(&store, "a_1", "d_4", 330).await);
}

pub async fn what_is_over_is_good_for_nothing(place: Place) {
    let store = place.store().await;
    for id in ["a_1", "a_2", "a_3"] {
        asked(&store, &question(id, "g_1")).await;
    }
    assert!(answered(&store, &yes("a_2", 2_000)).await);
    recorded(&store).await;
    assert_eq!(store.next_approval_end().await.unwrap(), Some(1_000));
    assert!(live(&store, "a_1", 1_000).await.is_empty());
    assert!(!answered(&store, &Answering { at: 1_000, ..yes("a_1", 1_500) }).await, "too late");
    let again = ApprovalRow { asked_at: 1_000, binding: "b a_1".to_owned(), expires: 3_000, ..question("a_4", "g_1") };
    assert!(store.ask(&again, &told("acme"), 20).await.unwrap() == Asking::Over);
    assert_eq!(store.organisations_with_ended_approvals(999).await.unwrap(), Vec::<String>::new());
    assert_eq!(store.organisations_with_ended_approvals(1_000).await.unwrap(), ["acme"]);
    let mut change = store.begin("acme").await.unwrap();
    let ended = change.expire_approvals(1_000).await.unwrap();
    assert_eq!(ended.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["a_1", "a_3"]);
    assert!(change.expire_approvals(1_000).await.unwrap().is_empty());
    change.commit().await.unwrap();
    let row = get(&store, "a_1").await;
    assert!(row.state == ApprovalState::Expired && row.sealed.is_empty() && row.digests.is_empty());
    assert!(store.ask(&again, &told("acme"), 20).await.unwrap() == Asking::Asked);
    assert!(withdrawn(&store, "a_4", 1_100).await);
    assert!(!withdrawn(&store, "a_4", 1_100).await);
    let row = get(&store, "a_4").await;
    assert!(row.state == ApprovalState::Withdrawn && row.sealed.is_empty());
    // A yes that nobody used, and what is old.
    store.lapse_approvals(1_999).await.unwrap();
    store.forget_approvals(1_000).await.unwrap();
    assert_eq!(get(&store, "a_2").await.state, ApprovalState::Approved);
    store.lapse_approvals(2_000).await.unwrap();
    store.forget_approvals(1_001).await.unwrap();
    assert_eq!(get(&store, "a_2").await.state, ApprovalState::Expired);
    assert!(store.approval("a_1").await.unwrap().is_none());
    assert!(store.approval("a_4").await.unwrap().is_some());
}

pub async fn yeses_that_stay_are_found_by_what_is_alike(place: Place) {
    let store = place.store().await;
    asked(&store, &question("a_1", "g_1")).await;
    let remembered = Some(vec!["a".to_owned()]);
    assert!(answered(&store, &Answering { remembered: remembered.clone(), ..yes("a_1", 5_000) }).await);
    let found = async |alike: &str, now| store.live_approvals("acme", ("b other", alike), now).await.unwrap();
    let [there] = &found("alike", 4_999).await[..] else { panic!("one") };
    assert_eq!((there.recorded, &there.row.remembered), (false, &remembered));
    assert_eq!(there.row.digests, question("a_1", "g_1").digests, "they are compared");
    assert!(found("alike", 5_000).await.is_empty() && found("another", 300).await.is_empty());
    assert!(found("", 300).await.is_empty());
    recorded(&store).await;
    assert!(!used(&store, "a_1", "d", 300).await, "it stays");
    let mut change = store.begin("acme").await.unwrap();
    assert!(change.revoke_approval("a_1", "member:bob", 400).await.unwrap());
    assert!(!change.revoke_approval("a_1", "member:bob", 400).await.unwrap());
    change.commit().await.unwrap();
    assert!(found("alike", 400).await.is_empty());
    assert_eq!(get(&store, "a_1").await.answered_by.as_deref(), Some("member:bob"));
}

pub async fn questions_are_listed_by_pages_and_for_their_own(place: Place) {
    let store = place.store().await;
    for (id, server, at) in [("a_1", "s1", 100), ("a_2", "s2", 100), ("a_3", "s1", 90), ("a_4", "s1", 120)] {
        asked(&store, &ApprovalRow { server: server.to_owned(), asked_at: at, ..question(id, "g_1") }).await;
    }
    withdrawn(&store, "a_1", 130).await;
    let list = async |search: ApprovalSearch| {
        let rows = store.reads("acme").approvals(&ApprovalSearch { limit: 3, ..search }).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let servers = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let all = ApprovalSearch::default();
    assert_eq!(list(all.clone()).await, ["a_4", "a_2", "a_1"]);
    assert_eq!(list(ApprovalSearch { after: Some((100, "a_1".to_owned())), ..all.clone() }).await, ["a_3"]);
    let state = Some(ApprovalState::Pending);
    assert_eq!(list(ApprovalSearch { state, servers: servers(&["s1", "s9"]), ..all.clone() }).await, ["a_4", "a_3"]);
    assert_eq!(list(ApprovalSearch { servers: servers(&[]), ..all.clone() }).await, Vec::<String>::new());
    assert!(store.reads("other").approvals(&ApprovalSearch { limit: 9, ..all }).await.unwrap().is_empty());
    assert!(store.reads("other").approval("a_2").await.unwrap().is_none());
    let mut change = store.begin("other").await.unwrap();
    assert!(!change.answer_approval(&yes("a_2", 500)).await.unwrap());
    assert!(!change.revoke_approval("a_2", "member:eve", 200).await.unwrap());
    assert!(change.withdraw_approval("a_2", 200).await.unwrap().is_none());
    assert!(!change.reseal_approval("a_2", (9, vec![9])).await.unwrap());
    assert!(change.expire_approvals(9_999).await.unwrap().is_empty());
}

pub async fn arguments_are_sealed_anew_only_while_they_are_there(place: Place) {
    let store = place.store().await;
    for id in ["a_1", "a_2", "a_3"] {
        asked(&store, &question(id, "g_1")).await;
    }
    withdrawn(&store, "a_2", 130).await;
    let mut change = store.begin("acme").await.unwrap();
    let stale = change.approvals_sealed_otherwise(8, "").await.unwrap();
    assert_eq!(stale.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["a_1", "a_3"]);
    assert_eq!(change.approvals_sealed_otherwise(8, "a_1").await.unwrap().len(), 1);
    assert!(change.reseal_approval("a_1", (8, vec![8])).await.unwrap());
    assert!(!change.reseal_approval("a_2", (8, vec![8])).await.unwrap());
    assert_eq!(change.approvals_sealed_otherwise(8, "").await.unwrap().len(), 1);
    change.commit().await.unwrap();
    let row = get(&store, "a_1").await;
    assert_eq!((row.key_version, row.sealed), (8, vec![8]));
}
