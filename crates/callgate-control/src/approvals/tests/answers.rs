//! Who may answer, what an answer may say, and which of several counts.

use super::*;
use crate::trial::{member, member_of};
use serde_json::json;

#[tokio::test]
async fn who_may_see_and_who_may_answer() {
    let trial = trial().await;
    let control = &trial.control;
    let id = Asking::default().ask(control).await;
    let (here, elsewhere) = (&["id-kernel"][..], &["id-other"][..]);
    let local =
        Caller::new("default", Who::Local, Roles { organisation: Some(Role::Viewer), ..Roles::default() }, false);
    let stranger =
        Caller::new("other", Who::Local, Roles { organisation: Some(Role::Admin), ..Roles::default() }, true);
    for (name, caller, seen, arguments, answer) in [
        ("viewer", member(Role::Viewer), "", false, "CG3110"),
        ("viewer of the server", member_of(Role::Viewer, here), "", false, "CG3110"),
        ("manager of another server", member_of(Role::PolicyManager, elsewhere), "CG3210", false, "CG3210"),
        ("nobody", member_of(Role::Admin, &[]), "CG3110", false, "CG3110"),
        ("local", local, "", false, "CG3110"),
        ("another organisation", stranger, "CG3210", false, "CG3210"),
        ("manager of the server", member_of(Role::PolicyManager, here), "", true, ""),
    ] {
        let found = control.show_approval(&caller, &id).await;
        let shown = found.as_ref().is_ok_and(|view| view.arguments.is_some() || view.message.is_some());
        assert_eq!(shown, arguments, "{name}");
        assert_eq!(code(found), seen, "{name}");
        assert_eq!(
            code(control.revoke_approval(&caller, &id).await),
            if answer.is_empty() { "CG3211" } else { answer }
        );
        assert_eq!(code(control.answer_approval(&caller, &id, yes()).await), answer, "{name}");
        let part = crate::listing::Part { limit: 10, after: None };
        let listed = control.list_approvals(&caller, (None, None), &part).await;
        let count = listed.map_or(0, |listed| listed.items.len());
        assert_eq!(count, usize::from(seen.is_empty()), "{name}");
    }
}

#[tokio::test]
async fn four_eyes_are_two_people() {
    let trial = trial().await;
    let control = &trial.control;
    let eyes = r#""four_eyes":true"#;
    let token = Caller::new(
        "default",
        Who::Token { id: "c_1".to_owned(), label: "ci".to_owned() },
        Roles { organisation: Some(Role::Admin), ..Roles::default() },
        false,
    );
    let minter = somebody("minter", "m_0000000000000009");
    let unknown = {
        let root = root();
        let cleared = root.clear(Permission::ManageInstance, Scope::Organisation).unwrap();
        let mut editing = control.edit(&cleared).await.unwrap();
        let old = callgate_store::Grant { minted_by: None, ..grant("g_old", "id-kernel", None) };
        editing.change.insert(&old).await.unwrap();
        editing.finish(control).await.unwrap();
        "g_old"
    };
    for (number, (caller, terms, grant, identity, expected)) in [
        (&ada(), eyes, "g_1", None, ""),
        (&minter, eyes, "g_1", None, "CG3212"),
        (&minter, "", "g_1", None, ""),
        (&token, eyes, "g_1", None, "CG3212"),
        (&token, "", "g_1", None, ""),
        (&ada(), eyes, "g_1", Some("ADA"), "CG3212"),
        (&ada(), eyes, "g_1", Some("eve"), ""),
        (&ada(), eyes, unknown, None, "CG3212"),
        (&ada(), eyes, "local", None, ""),
    ]
    .into_iter()
    .enumerate()
    {
        let asking = Asking {
            arguments: format!(r#"{{"n":{number}}}"#),
            terms,
            grant: grant.to_owned(),
            identity: identity.map(str::to_owned),
            ..Asking::default()
        };
        let id = asking.ask(control).await;
        assert_eq!(code(control.answer_approval(caller, &id, yes()).await), expected, "{number}");
        if !expected.is_empty() {
            // Whoever asks may take it back.
            assert_eq!(code(control.answer_approval(caller, &id, no("")).await), "", "{number}");
        }
    }
}

#[tokio::test]
async fn whoever_has_a_token_of_a_grant_answers_nothing_that_it_asks() {
    let trial = trial().await;
    let control = &trial.control;
    let admin = |login: &str, id: &str| {
        let who = Who::Member { id: id.to_owned(), login: login.to_owned() };
        Caller::new("default", who, Roles { organisation: Some(Role::Admin), ..Roles::default() }, false)
    };
    let [minter, ada, eve, bob] =
        [("minter", "m_0000000000000009"), ("ada", "m_1"), ("eve", "m_2"), ("bob", "m_3")].map(|(l, i)| admin(l, i));
    let barred = async |number: u32| {
        let id =
            Asking { terms: r#""four_eyes":true"#, arguments: format!(r#"{{"n":{number}}}"#), ..Asking::default() };
        let id = id.ask(control).await;
        let mut barred = Vec::new();
        for (name, caller) in [("minter", &minter), ("ada", &ada), ("eve", &eve), ("bob", &bob)] {
            let facts = control.approval_facts(caller, &id).await.unwrap();
            if facts.barred.is_some() {
                assert_eq!(code(control.answer_approval(caller, &id, yes()).await), "CG3212", "{name}");
                barred.push(name);
            }
        }
        assert_eq!(code(control.answer_approval(&bob, &id, yes()).await), "");
        barred
    };
    let rotate = async |caller: &Caller, overlap: u64| {
        control.rotate_grant(caller, "g_1", overlap, crate::Precondition::Present).await.unwrap();
    };
    assert_eq!(barred(0).await, ["minter"]);
    rotate(&ada, 3_600).await;
    assert_eq!(barred(1).await, ["minter", "ada"], "both tokens work");
    rotate(&eve, 3_600).await;
    assert_eq!(barred(2).await, ["minter", "ada", "eve"], "the token before is ada's");
    later(3_600_000);
    assert_eq!(barred(3).await, ["minter", "eve"], "ada's works no more");
    // Between question and answer: the yes would be for whoever has a token now.
    let open = Asking { terms: r#""four_eyes":true"#, ..Asking::default() }.ask(control).await;
    rotate(&ada, 0).await;
    for caller in [&minter, &eve, &ada] {
        assert_eq!(code(control.answer_approval(caller, &open, yes()).await), "CG3212");
    }
    assert_eq!(code(control.answer_approval(&bob, &open, yes()).await), "");
}

#[tokio::test]
async fn a_token_of_before_that_nobody_is_known_to_hold_bars_everybody() {
    let trial = trial().await;
    let control = &trial.control;
    let root = root();
    let cleared = root.clear(Permission::ManageInstance, Scope::Organisation).unwrap();
    let mut editing = control.edit(&cleared).await.unwrap();
    let old = callgate_store::Grant { minted_by: None, ..grant("g_old", "id-kernel", None) };
    editing.change.insert(&old).await.unwrap();
    editing.finish(control).await.unwrap();
    for (number, (overlap, expected)) in [(60, "CG3212"), (0, "")].into_iter().enumerate() {
        control.rotate_grant(&root, "g_old", overlap, crate::Precondition::Present).await.unwrap();
        let asking = Asking {
            grant: "g_old".to_owned(),
            terms: r#""four_eyes":true"#,
            arguments: format!(r#"{{"n":{number}}}"#),
            ..Asking::default()
        };
        let id = asking.ask(control).await;
        assert_eq!(code(control.answer_approval(&ada(), &id, yes()).await), expected, "{overlap}");
    }
}

#[tokio::test]
async fn the_first_answer_counts_and_the_others_are_told_who_was_faster() {
    let trial = trial().await;
    let control = &trial.control;
    let id = Asking::default().ask(control).await;
    let callers: Vec<Caller> = (0..8).map(|number| somebody(&format!("m{number}"), &format!("m_{number}"))).collect();
    let answers = callers.iter().enumerate().map(|(number, caller)| {
        let verdict = if number % 2 == 0 { yes() } else { no("no") };
        control.answer_approval(caller, &id, verdict)
    });
    let answers = futures_util::future::join_all(answers).await;
    let winners: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    assert_eq!(winners.len(), 1);
    let by = winners[0].answered_by.clone().unwrap();
    for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert!(error.code == "CG3211" && error.message.contains(&by), "{error}");
    }
    let steps = trial.journal.words().into_iter().filter(|word| word.starts_with("approval")).count();
    assert_eq!(steps, 1);
    later(30 * 60_000);
    let late = Asking { arguments: "{}".to_owned(), ..Asking::default() };
    let id = late.ask(control).await;
    later(60 * 60_000);
    let error = control.answer_approval(&ada(), &id, yes()).await.unwrap_err();
    assert!(error.code == "CG3211" && error.message.contains("over"), "{error}");
}

#[tokio::test]
async fn a_yes_that_stays_covers_what_was_agreed_and_ends() {
    let trial = trial().await;
    let control = &trial.control;
    let asking = |arguments: &str| Asking {
        arguments: arguments.to_owned(),
        terms: r#""remember_for":"1h""#,
        ..Asking::default()
    };
    let first = asking(r#"{"mode":1,"path":"/a","text":"x"}"#);
    let id = first.ask(control).await;
    for (verdict, expected) in [
        (stays(3_600_001, None), "CG3213"),
        (stays(0, None), "CG3213"),
        (stays(1_000, Some(&["other"])), "CG3213"),
        (Verdict { reason: "a\u{202e}b".to_owned(), ..yes() }, "CG3214"),
        (Verdict { reason: "x".repeat(501), ..yes() }, "CG3214"),
        (stays(600_000, Some(&["path", "mode", "path"])), ""),
    ] {
        assert_eq!(code(control.answer_approval(&ada(), &id, verdict).await), expected);
    }
    let view = control.show_approval(&ada(), &id).await.unwrap();
    assert_eq!(view.remembered, Some(vec!["mode".to_owned(), "path".to_owned()]));
    for (arguments, expected) in [
        (r#"{"mode":1,"path":"/a","text":"x"}"#, "approved"),
        (r#"{"mode":1,"path":"/a","text":"y"}"#, "approved"),
        (r#"{"mode":1,"path":"/a"}"#, "approved"),
        (r#"{"mode":1,"path":"/a","text":{"deep":[1]}}"#, "approved"),
        (r#"{"mode":2,"path":"/a","text":"x"}"#, "open"),
        (r#"{"mode":"1","path":"/a","text":"x"}"#, "open"),
        (r#"{"path":"/a","text":"x"}"#, "open"),
        (r#"{"force":true,"mode":1,"path":"/a","text":"x"}"#, "open"),
    ] {
        let question = asking(arguments).question();
        assert_eq!(standing(control, &question).await, expected, "{arguments}");
        for number in 2..4 {
            assert_eq!(consumed(control, &id, &question, number).await, expected == "approved", "{arguments}");
        }
    }
    // Another rule, other terms, another policy, another grant.
    let alike = asking(r#"{"mode":1,"path":"/a","text":"z"}"#);
    for other in [
        Asking { terms: "", ..alike.clone() }.question(),
        Asking { terms: r#""remember_for":"2h""#, ..alike.clone() }.question(),
        Asking { grant: "g_2".to_owned(), ..alike.clone() }.question(),
        Question { rule: callgate_policy::RulePath::new("/tools/exec/approve_if/other"), ..alike.question() },
        Question { policy: "policy2".to_owned(), ..alike.question() },
        Question { definition: None, ..alike.question() },
        Question { upstream: "elsewhere".to_owned(), ..alike.question() },
    ] {
        assert_eq!(standing(control, &other).await, "open", "{other:?}");
    }
    later(599_999);
    assert_eq!(standing(control, &alike.question()).await, "approved");
    later(600_000);
    assert_eq!(standing(control, &alike.question()).await, "open");
    assert!(!consumed(control, &id, &alike.question(), 9).await);

    let once = Asking { arguments: "{}".to_owned(), ..Asking::default() }.ask(control).await;
    assert_eq!(code(control.answer_approval(&ada(), &once, stays(1_000, None)).await), "CG3213", "no `remember_for`");
}

#[tokio::test]
async fn a_yes_can_be_taken_back() {
    let trial = trial().await;
    let control = &trial.control;
    let asking = Asking { terms: r#""remember_for":"1h""#, ..Asking::default() };
    let id = asking.ask(control).await;
    control.answer_approval(&ada(), &id, stays(600_000, None)).await.unwrap();
    assert!(consumed(control, &id, &asking.question(), 2).await);
    control.revoke_approval(&ada(), &id).await.unwrap();
    assert_eq!(standing(control, &asking.question()).await, "open");
    assert!(!consumed(control, &id, &asking.question(), 3).await);
    assert_eq!(code(control.revoke_approval(&ada(), &id).await), "CG3211");
    assert!(trial.journal.words().iter().any(|word| word.starts_with("approval revoke")));
}

#[tokio::test]
async fn the_callers_own_user_answers_only_where_the_rule_says_so() {
    let trial = trial().await;
    let control = &trial.control;
    for (number, (terms, yes, expected)) in [
        (r#""ask":"client""#, true, "approved"),
        (r#""ask":"client""#, false, "refused "),
        (r#""ask":"retry""#, true, "pending"),
        (r#""ask":"hold""#, true, "pending"),
        (r#""ask":"client","four_eyes":true"#, true, "pending"),
        (r#""ask":"client","four_eyes":true"#, false, "refused "),
    ]
    .into_iter()
    .enumerate()
    {
        let asking = Asking { arguments: format!(r#"{{"n":{number}}}"#), terms, ..Asking::default() };
        let id = ApprovalId(asking.ask(control).await.as_str().into());
        let approvals = control.approvals();
        let answered = approvals.answer_by_client(&id, yes).await.unwrap();
        assert_eq!(answered, expected != "pending", "{terms}");
        assert_eq!(standing(control, &asking.question()).await, expected, "{terms}");
        assert!(!approvals.answer_by_client(&id, yes).await.unwrap(), "{terms}: once");
    }
    let unknown = ApprovalId("a_unknown".into());
    assert!(!control.approvals().answer_by_client(&unknown, true).await.unwrap());
    let by: Vec<_> = trial.journal.bodies().into_iter().filter(|body| body["object"] != "x").collect();
    assert!(by.iter().filter(|body| body["what"] == "approval approve").all(|body| body["who"] == "grant:laptop"));
}

#[tokio::test]
async fn a_list_shows_names_and_states_and_goes_by_pages() {
    let trial = trial().await;
    let control = &trial.control;
    let mut ids = Vec::new();
    for number in 0..5 {
        later(number * 1_000);
        let arguments = format!(r#"{{"n":"hush-{number}"}}"#);
        ids.push(Asking { arguments, ..Asking::default() }.ask(control).await);
    }
    control.answer_approval(&ada(), &ids[2], yes()).await.unwrap();
    let list = async |state: Option<&str>, after: Option<String>| {
        let part = crate::listing::Part { limit: 2, after };
        control.list_approvals(&ada(), (state, Some("kernel")), &part).await
    };
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let listed = list(Some("pending"), after).await.unwrap();
        assert!(!serde_json::to_string(&listed.items).unwrap().contains("hush"), "names only");
        found.extend(listed.items.into_iter().map(|view| view.id));
        after = listed.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, [&ids[4], &ids[3], &ids[1], &ids[0]].map(String::clone));
    assert_eq!(list(Some("approved"), None).await.unwrap().items.len(), 1);
    assert_eq!(code(list(Some("open"), None).await), "CG3214");
    later(40 * 60_000);
    let shown = control.show_approval(&ada(), &ids[2]).await.unwrap();
    assert_eq!(json!(shown)["state"], "expired", "a yes that nobody used in time");
}
