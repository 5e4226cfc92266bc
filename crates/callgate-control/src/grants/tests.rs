use crate::configuration::PublishedGrant;
use crate::grants::{GrantEdit, Wish};
use crate::listing::Part;
use crate::policies::PolicyAt;
use crate::policies::tests::{at, part, put, register, wish};
use crate::precondition::Precondition;
use crate::trial::{NOW, Trial, caller, member, member_of, root};
use crate::{Caller, Error, Kind, Permission, Scope};
use callgate_store::{Grant, Origin, Role, Roles};
use std::sync::Arc;

const DENY: &str = "{ \"version\": \"1\", \"default\": \"deny\" }";
const HOUR: i64 = 3_600_000;

fn why<T>(result: Result<T, Error>) -> (Kind, &'static str) {
    result.map(drop).map_err(|error| (error.kind, error.code)).unwrap_err()
}

/// What the data plane knows of the only grant.
fn published(trial: &Trial) -> Option<Arc<PublishedGrant>> {
    let configuration = trial.control.configuration().borrow().clone();
    assert!(configuration.grants.len() < 2);
    configuration.grants.first().cloned()
}

async fn kernel() -> (Trial, Caller) {
    let trial = Trial::new().await;
    register(&trial, "kernel").await;
    (trial, member(Role::Admin))
}

#[tokio::test]
async fn a_minted_grant_opens_its_server_with_the_policy_that_a_newcomer_expects() {
    let (trial, admin) = kernel().await;
    let (control, admin) = (&trial.control, &admin);
    let policy = |id: String| async move { control.show_grant(admin, &id).await.unwrap().policy };
    let bare = control.mint_grant(admin, wish("bare")).await.unwrap();
    assert!(bare.notes[0].contains("has no policy yet, so this grant is denied everything"), "{:?}", bare.notes);
    assert_eq!(policy(bare.id).await, None);
    assert_eq!(bare.url, "http://127.0.0.1:7070/mcp/kernel");

    put(&trial, admin, at("kernel", "strict"), DENY).await.unwrap();
    let only = control.mint_grant(admin, wish("only")).await.unwrap();
    assert_eq!((policy(only.id).await.as_deref(), only.notes.len()), (Some("strict"), 0));
    put(&trial, admin, at("kernel", "loose"), DENY).await.unwrap();
    let error = control.mint_grant(admin, wish("several")).await.unwrap_err();
    assert_eq!(error.message, "the server `kernel` has 2 policies and none is called `default`");
    assert_eq!(error.remedy, "name one (`policy`, `--policy`): loose, strict");
    put(&trial, admin, at("kernel", "default"), DENY).await.unwrap();
    let default = control.mint_grant(admin, wish("default")).await.unwrap();
    assert_eq!(policy(default.id).await.as_deref(), Some("default"));
    let named = |policy: &str| Wish { policy: Some(policy.to_owned()), ..wish("named") };
    assert_eq!(why(control.mint_grant(admin, named("none")).await), (Kind::Invalid, "CG3043"));
    let minted = control.mint_grant(admin, named("loose")).await.unwrap();
    assert_eq!(policy(minted.id).await.as_deref(), Some("loose"));

    // Only the keyed hash is kept, and nothing shows the token again.
    assert!(minted.token.reveal().starts_with("cg_"));
    let token = minted.token.reveal().as_bytes();
    assert!(!trial.database().windows(token.len()).any(|window| window == token));
    assert!(trial.journal.bodies().iter().all(|body| !body.to_string().contains(minted.token.reveal())));
    assert_eq!(format!("{:?}", minted.token), "(secret)");
}

#[tokio::test]
async fn what_can_not_be_minted() {
    let (trial, admin) = kernel().await;
    let control = &trial.control;
    control.mint_grant(&admin, wish("laptop")).await.unwrap();
    let tags = |key: &str, value: &str| Wish { tags: [(key.to_owned(), value.to_owned())].into(), ..wish("x") };
    let many = (0..33).map(|number| (number.to_string(), String::new())).collect();
    for (wish, expected) in [
        (wish("laptop"), (Kind::Conflict, "CG3042")),
        (wish(""), (Kind::Invalid, "CG3040")),
        (wish("a\nb"), (Kind::Invalid, "CG3040")),
        (Wish { server: "other".to_owned(), ..wish("x") }, (Kind::NotFound, "CG3041")),
        (Wish { expires: Some(NOW), ..wish("x") }, (Kind::Invalid, "CG3131")),
        (tags("", "x"), (Kind::Invalid, "CG3040")),
        (tags("k", "a\u{7}"), (Kind::Invalid, "CG3040")),
        (Wish { tags: many, ..wish("x") }, (Kind::Invalid, "CG3040")),
    ] {
        let words = format!("{wish:?}");
        assert_eq!(why(control.mint_grant(&admin, wish).await), expected, "{words}");
    }
    assert_eq!(trial.journal.words().len(), 1);
}

#[tokio::test]
async fn a_policy_is_attached_and_detached_live() {
    let (trial, admin) = kernel().await;
    let (control, editor) = (&trial.control, &member(Role::PolicyManager));
    put(&trial, editor, at("kernel", "default"), DENY).await.unwrap();
    put(&trial, editor, at("kernel", "strict"), DENY).await.unwrap();
    let minted = control.mint_grant(&admin, wish("laptop")).await.unwrap();
    let name = || published(&trial).unwrap().policy.as_ref().map(|policy| policy.name.to_string());
    assert_eq!(name().as_deref(), Some("default"));
    let seen = Precondition::Revision(minted.revision);
    let row = control.attach_policy(editor, &minted.id, Some("strict"), seen).await.unwrap();
    assert_eq!((row.policy.as_deref(), name().as_deref()), (Some("strict"), Some("strict")));
    assert_eq!(why(control.attach_policy(editor, &minted.id, None, seen).await), (Kind::Changed, "CG3118"));
    let unknown = control.attach_policy(editor, "laptop", Some("none"), Precondition::Present).await.unwrap_err();
    assert_eq!((unknown.code, unknown.remedy.as_str()), ("CG3043", "known are: default, strict"));
    let row = control.attach_policy(editor, "laptop", None, Precondition::Revision(row.revision)).await.unwrap();
    assert_eq!((row.policy, name()), (None, None));
    // Detached already: nothing happens, and nothing is recorded.
    let again = control.attach_policy(editor, "laptop", None, Precondition::Present).await.unwrap();
    assert_eq!(again.revision, row.revision);
    let grants: Vec<_> = trial.journal.words().into_iter().filter(|word| word.starts_with("grant")).collect();
    let words = ["grant mint", "grant attach", "grant detach"];
    assert_eq!(grants, words.map(|word| format!("{word} server/kernel/grant/{}", minted.id)));
    let bodies = trial.journal.bodies();
    assert_eq!((&bodies[3]["before"]["policy"], &bodies[3]["after"]["policy"]), (&"default".into(), &"strict".into()));
}

#[tokio::test]
async fn after_a_rotation_both_tokens_work_until_the_overlap_ends() {
    let (trial, admin) = kernel().await;
    let control = &trial.control;
    let first = control.mint_grant(&admin, wish("laptop")).await.unwrap();
    let digest = |token: &crate::Secret| control.inner.tokens.digest(token.reveal());
    assert_eq!(published(&trial).unwrap().token, digest(&first.token));
    let second = control.rotate_grant(&admin, "laptop", 3_600, Precondition::Revision(first.revision)).await.unwrap();
    let grant = published(&trial).unwrap();
    assert_eq!((grant.token, grant.previous), (digest(&second.token), Some((digest(&first.token), NOW + HOUR))));
    let row = control.show_grant(&admin, "laptop").await.unwrap();
    assert_eq!(row.previous_until.as_deref(), Some("2023-11-14T23:13:20.000Z"));
    assert_eq!((second.id, row.revision), (first.id, second.revision));
    let third = control.rotate_grant(&admin, "laptop", 0, Precondition::Present).await.unwrap();
    let grant = published(&trial).unwrap();
    assert_eq!((grant.token, grant.previous), (digest(&third.token), None));
    let long = control.rotate_grant(&admin, "laptop", 400 * 86_400, Precondition::Present).await;
    assert_eq!(why(long), (Kind::Invalid, "CG3131"));
    assert_eq!(published(&trial).unwrap().token, digest(&third.token));
}

#[tokio::test]
async fn label_tags_and_end_are_edited_and_what_is_not_named_stays() {
    let (trial, admin) = kernel().await;
    let control = &trial.control;
    control.mint_grant(&admin, wish("desktop")).await.unwrap();
    control.revoke_grant(&admin, "desktop", Precondition::Present).await.unwrap();
    let minted = control.mint_grant(&admin, wish("laptop")).await.unwrap();
    let edit = |edit: GrantEdit| async { control.edit_grant(&admin, &minted.id, edit, Precondition::Present).await };
    let expires = |expires| GrantEdit { expires: Some(expires), ..GrantEdit::default() };
    let label = |label: &str| GrantEdit { label: Some(label.to_owned()), ..GrantEdit::default() };
    let row = edit(expires(Some(NOW + HOUR))).await.unwrap();
    assert_eq!(row.expires.as_deref(), Some("2023-11-14T23:13:20.000Z"));
    assert_eq!(published(&trial).unwrap().expires, Some(NOW + HOUR));
    // The label of a revoked grant is free.
    let row = edit(label("desktop")).await.unwrap();
    assert_eq!((row.label.as_str(), row.expires.is_some(), row.tags.len()), ("desktop", true, 1));
    assert_eq!(why(edit(expires(Some(NOW - 1))).await), (Kind::Invalid, "CG3131"));
    assert_eq!(why(edit(label("")).await), (Kind::Invalid, "CG3040"));
    let row = edit(GrantEdit { tags: Some([].into()), ..expires(None) }).await.unwrap();
    assert_eq!((row.expires, row.tags.len()), (None, 0));
    let same = edit(GrantEdit::default()).await.unwrap();
    assert_eq!(same.revision, row.revision);
    let other = control.mint_grant(&admin, wish("laptop")).await.unwrap();
    assert_eq!(why(edit(label("laptop")).await), (Kind::Conflict, "CG3042"));
    let stale = control.edit_grant(&admin, &other.id, label("x"), Precondition::Revision(row.revision)).await;
    assert_eq!(why(stale), (Kind::Changed, "CG3118"));
}

#[tokio::test]
async fn a_revoked_grant_is_gone_for_callers_and_stays_in_the_list() {
    let (trial, admin) = kernel().await;
    let control = &trial.control;
    let minted = control.mint_grant(&admin, wish("laptop")).await.unwrap();
    control.rotate_grant(&admin, "laptop", 3_600, Precondition::Present).await.unwrap();
    let row = control.revoke_grant(&admin, "laptop", Precondition::Present).await.unwrap();
    assert_eq!((row.revoked.is_some(), row.previous_until), (true, None));
    assert!(published(&trial).is_none());
    assert_eq!(control.list_grants(&admin, (None, None), &part(9)).await.unwrap().items.len(), 1);
    assert_eq!(why(control.show_grant(&admin, "laptop").await), (Kind::NotFound, "CG3044"));
    let id = minted.id.as_str();
    assert_eq!(why(control.rotate_grant(&admin, id, 0, Precondition::Present).await), (Kind::Conflict, "CG3044"));
    assert_eq!(why(control.revoke_grant(&admin, id, Precondition::Present).await), (Kind::Conflict, "CG3044"));
    assert_eq!(why(control.attach_policy(&admin, id, None, Precondition::Present).await), (Kind::Conflict, "CG3044"));
}

#[tokio::test]
async fn lists_are_filtered_and_say_when_grants_were_used() {
    let (trial, admin) = kernel().await;
    let control = &trial.control;
    register(&trial, "other").await;
    let on = |server: &str, label: &str| Wish { server: server.to_owned(), ..wish(label) };
    let mut ids = Vec::new();
    for (server, label) in [("kernel", "a"), ("kernel", "b"), ("other", "a"), ("other", "c")] {
        ids.push(control.mint_grant(&admin, on(server, label)).await.unwrap().id);
    }
    control.grants_used(&[(ids[0].clone(), NOW + HOUR), (ids[3].clone(), NOW)]).await.unwrap();
    control.grants_used(&[(ids[0].clone(), NOW)]).await.unwrap();
    let some = member_of(Role::Viewer, &["id-other"]);
    for (caller, filter, expected) in [
        (&admin, (None, None), &["kernel a", "kernel b", "other a", "other c"][..]),
        (&admin, (Some("kernel"), None), &["kernel a", "kernel b"]),
        (&admin, (None, Some("a")), &["kernel a", "other a"]),
        (&admin, (Some("other"), Some("a")), &["other a"]),
        (&admin, (None, Some("none")), &[]),
        (&some, (None, None), &["other a", "other c"]),
        (&some, (None, Some("a")), &["other a"]),
    ] {
        for limit in [1, 3, 200] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let listed = control.list_grants(caller, filter, &Part { limit, after }).await.unwrap();
                found.extend(listed.items.into_iter().map(|row| format!("{} {}", row.server, row.label)));
                after = listed.next;
                if after.is_none() {
                    break;
                }
            }
            found.sort_unstable();
            assert_eq!(found, expected, "{filter:?}");
        }
    }
    let rows = control.list_grants(&admin, (None, None), &part(9)).await.unwrap().items;
    let used = |id: &String| rows.iter().find(|row| row.id == *id).unwrap().last_used.clone();
    assert_eq!(used(&ids[0]).as_deref(), Some("2023-11-14T23:13:20.000Z"));
    assert_eq!((used(&ids[1]), used(&ids[3])), (None, Some("2023-11-14T22:13:20.000Z".to_owned())));
    // A label that two servers have is no name.
    let error = control.show_grant(&admin, "a").await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (Kind::Conflict, "2 grants are called `a`"));
    assert_eq!(control.show_grant(&some, "a").await.unwrap().id, ids[2]);
}

#[tokio::test]
async fn who_may_see_and_who_may_change_a_grant() {
    let (trial, admin) = kernel().await;
    let control = &trial.control;
    register(&trial, "other").await;
    put(&trial, &admin, at("kernel", "default"), DENY).await.unwrap();
    let id = control.mint_grant(&admin, wish("laptop")).await.unwrap().id;
    let elsewhere = caller("elsewhere", Roles { organisation: Some(Role::Admin), ..Roles::default() });
    let (no, hidden) = (Some(Kind::Forbidden), Some(Kind::NotFound));
    for (caller, see, attach, manage) in [
        (member(Role::Viewer), None, no, no),
        (member(Role::PolicyManager), None, None, no),
        (member_of(Role::Viewer, &["id-kernel"]), None, no, no),
        (member_of(Role::PolicyManager, &["id-kernel"]), None, None, no),
        (member_of(Role::Admin, &["id-kernel"]), None, None, None),
        (member_of(Role::Admin, &["id-other"]), hidden, hidden, hidden),
        (elsewhere, hidden, hidden, hidden),
    ] {
        let kind = |result: Result<(), Error>| result.err().map(|error| error.kind);
        let there = Precondition::Present;
        let found = [
            kind(control.show_grant(&caller, &id).await.map(drop)),
            kind(control.attach_policy(&caller, &id, Some("default"), there).await.map(drop)),
            kind(control.edit_grant(&caller, &id, GrantEdit::default(), there).await.map(drop)),
            kind(control.rotate_grant(&caller, &id, 0, there).await.map(drop)),
        ];
        assert_eq!(found, [see, attach, manage, manage], "{caller:?}");
    }
    let blind = member_of(Role::Admin, &["id-other"]);
    for wanted in [id.as_str(), "laptop", "g_nothing"] {
        let error = control.revoke_grant(&blind, wanted, Precondition::Present).await.unwrap_err();
        assert_eq!(error.message, format!("there is no grant `{wanted}`"));
    }
    let minted = control.mint_grant(&member_of(Role::PolicyManager, &["id-kernel"]), wish("x")).await;
    assert_eq!(why(minted).0, Kind::Forbidden);
}

#[tokio::test]
async fn what_the_configuration_file_keeps_is_not_changed_here() {
    let (trial, admin) = kernel().await;
    let control = &trial.control;
    let root = root();
    let cleared = root.clear(Permission::ManageGrants, Scope::Organisation).unwrap();
    put(&trial, &root, at("kernel", "default"), DENY).await.unwrap();
    let mut editing = control.edit(&cleared).await.unwrap();
    let policy = editing.change.named::<callgate_store::Policy>(Some("id-kernel"), "default").await.unwrap().unwrap();
    let grant = Grant {
        id: "g_file".to_owned(),
        server: "id-kernel".to_owned(),
        label: "file".to_owned(),
        policy: Some(policy.record.id),
        tags: [].into(),
        token: "aa".repeat(32),
        previous: None,
        origin: Origin::File,
        created: NOW,
        expires: None,
        revoked: None,
        minted_by: None,
        rotated_by: None,
    };
    editing.change.insert(&grant).await.unwrap();
    editing.finish(control).await.unwrap();
    assert!(control.show_grant(&admin, "file").await.unwrap().declared);
    let there = Precondition::Present;
    let kept = (Kind::Conflict, "CG3046");
    assert_eq!(why(control.edit_grant(&admin, "file", GrantEdit::default(), there).await), kept);
    assert_eq!(why(control.attach_policy(&admin, "file", None, there).await), kept);
    assert_eq!(why(control.rotate_grant(&admin, "file", 0, there).await), kept);
    assert_eq!(why(control.revoke_grant(&admin, "file", there).await), kept);
    let default = PolicyAt::Server { server: "kernel", name: "default" };
    assert_eq!(why(control.delete_policy(&admin, default, true, there).await), kept);
}
