use crate::grants::Wish;
use crate::listing::Part;
use crate::policies::{PolicyAt, Publication};
use crate::precondition::Precondition;
use crate::trial::{NOW, Trial, caller, member, member_of, root};
use crate::{Caller, Error, Kind, Permission, Scope};
use callgate_policy::{Arguments, Outcome, Question, Stage, Timestamp, explain};
use callgate_store::{Origin, Policy, Role, Roles, Server};

const DENY: &str = "{ \"version\": \"1\",\n  \"default\": \"deny\" }\n";
const ALLOW: &str = "{ \"version\": \"1\",\n  \"default\": \"allow\" }\n";
const READ: &str = "{ \"version\": \"1\",\n  \"default\": \"deny\",\n  \"tools\": { \"read\": {} } }\n";

/// Registers a server; its identity is `id-NAME`.
pub(crate) async fn register(trial: &Trial, name: &str) {
    let root = root();
    let cleared = root.clear(Permission::ManageServers, Scope::Organisation).unwrap();
    let mut editing = trial.control.edit(&cleared).await.unwrap();
    let server = Server {
        id: format!("id-{name}"),
        name: name.to_owned(),
        target: r#"{"url":"http://x/","headers":[]}"#.to_owned(),
        sealed: Vec::new(),
        key_version: 0,
        settings: "{}".to_owned(),
        origin: Origin::Manual,
        created: NOW,
    };
    editing.change.insert(&server).await.unwrap();
    editing.finish(&trial.control).await.unwrap();
}

pub(crate) fn at<'a>(server: &'a str, name: &'a str) -> PolicyAt<'a> {
    PolicyAt::Server { server, name }
}

pub(crate) fn document(text: &str) -> Publication {
    Publication { document: text.into(), file: "policy.json".to_owned(), dry_run: false }
}

/// The first of a list.
pub(crate) fn part(limit: u32) -> Part {
    Part { limit, after: None }
}

/// Publishes a document in whatever state the policy is; its revision.
pub(crate) async fn put(trial: &Trial, caller: &Caller, at: PolicyAt<'_>, text: &str) -> Result<i64, Error> {
    let control = &trial.control;
    let precondition = match control.show_policy(caller, at).await {
        Ok(shown) => Precondition::Revision(shown.policy.revision),
        Err(_) => Precondition::Absent,
    };
    Ok(control.publish_policy(caller, at, &document(text), precondition).await?.policy.revision)
}

fn why<T>(result: Result<T, Error>) -> (Kind, &'static str) {
    result.map(drop).map_err(|error| (error.kind, error.code)).unwrap_err()
}

/// What happens now to a call under the only grant.
fn outcome(trial: &Trial, tool: &str) -> Outcome {
    let configuration = trial.control.configuration().borrow().clone();
    let [grant] = configuration.grants.as_slice() else { panic!("{} grants", configuration.grants.len()) };
    let question = Question {
        policy: grant.policy.as_ref().map(|attached| &*attached.policy),
        baseline: grant.baseline.as_ref().map(|attached| &*attached.policy),
        tool,
        arguments: Arguments::Absent,
        definition: None,
        after: &[],
        calls: 1,
    };
    explain(&question, &Stage::new("laptop", Timestamp(NOW)).unwrap()).outcome
}

#[tokio::test]
async fn a_policy_lives_from_its_first_version_to_its_end() {
    let trial = Trial::new().await;
    let (control, editor) = (&trial.control, &member(Role::PolicyManager));
    register(&trial, "kernel").await;
    let default = at("kernel", "default");
    let first = control.publish_policy(editor, default, &document(DENY), Precondition::Unsaid).await.unwrap();
    assert_eq!((first.policy.version, first.changed), (1, true));
    let second = Precondition::Revision(first.policy.revision);
    let second = control.publish_policy(editor, default, &document(READ), second).await.unwrap();
    let same = control.publish_policy(editor, default, &document(READ), Precondition::Present).await.unwrap();
    assert_eq!((same.changed, same.policy.revision), (false, second.policy.revision));
    assert_eq!(same.notes, ["version 2 is the same document: nothing to do"]);

    let shown = control.show_policy(editor, at("id-kernel", "default")).await.unwrap();
    assert_eq!((shown.policy, shown.document.as_deref()), (second.policy.clone(), Some(READ)));
    let digest = blake3::hash(READ.as_bytes()).to_hex().to_string();
    assert_eq!(second.policy.digest.as_deref(), Some(&*digest));
    assert_eq!(second.policy.by.as_deref(), Some("member:ada"));

    let difference = control.policy_difference(editor, default, (None, None)).await.unwrap();
    assert_eq!((difference.from.version, difference.to.version), (1, 2));
    assert!(difference.text.starts_with("--- default version 1\n+++ default version 2\n@@"), "{}", difference.text);
    let rules: Vec<_> = difference.rules.unwrap().into_iter().map(|row| row.rule).collect();
    assert_eq!(rules, ["/tools/read"]);

    let at_second = Precondition::Revision(second.policy.revision);
    let back = control.roll_back_policy(editor, default, None, at_second).await.unwrap();
    assert_eq!((back.policy.version, back.policy.repeats, back.policy.digest), (3, Some(1), first.policy.digest));
    let versions = control.policy_versions(editor, default, &part(2)).await.unwrap();
    assert_eq!(versions.items.iter().map(|row| row.version).collect::<Vec<_>>(), [3, 2]);
    let rest = control.policy_versions(editor, default, &Part { limit: 2, after: versions.next }).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (1, None));
    assert_eq!(control.policy_version(editor, default, 2).await.unwrap().document, READ);

    control.delete_policy(editor, default, false, Precondition::Revision(back.policy.revision)).await.unwrap();
    assert_eq!(why(control.show_policy(editor, default).await), (Kind::NotFound, "CG3043"));
    let words = ["policy publish", "policy publish", "policy rollback", "policy delete"];
    assert_eq!(trial.journal.words(), words.map(|word| format!("{word} server/kernel/policy/default")));
    let bodies = trial.journal.bodies();
    assert_eq!((&bodies[1]["before"]["version"], &bodies[1]["after"]["version"]), (&1.into(), &2.into()));
    assert!(bodies[3]["after"].is_null());
}

#[tokio::test]
async fn of_two_who_edit_the_same_version_one_is_told_and_nothing_is_lost() {
    let trial = Trial::new().await;
    let (control, editor) = (&trial.control, &member(Role::Admin));
    register(&trial, "kernel").await;
    let default = at("kernel", "default");
    let seen = put(&trial, editor, default, DENY).await.unwrap();
    let edit = |text| async move {
        control.publish_policy(editor, default, &document(text), Precondition::Revision(seen)).await
    };
    let (one, other) = tokio::join!(edit(READ), edit(ALLOW));
    let (won, lost) = if one.is_ok() { (READ, other) } else { (ALLOW, one) };
    assert_eq!(why(lost), (Kind::Changed, "CG3118"));
    assert_eq!(control.show_policy(editor, default).await.unwrap().document.as_deref(), Some(won));
    // Who was told reads what is there now, and publishes on top of it: both are in the history.
    let other = if won == READ { ALLOW } else { READ };
    put(&trial, editor, default, other).await.unwrap();
    for (version, text) in [(1, DENY), (2, won), (3, other)] {
        assert_eq!(control.policy_version(editor, default, version).await.unwrap().document, text);
    }
}

#[tokio::test]
async fn what_a_request_says_about_what_it_finds_decides() {
    let trial = Trial::new().await;
    let (control, editor) = (&trial.control, &member(Role::Admin));
    register(&trial, "kernel").await;
    let default = at("kernel", "default");
    let publish = |text, precondition| async move {
        let done = control.publish_policy(editor, default, &document(text), precondition).await;
        done.map(|done| done.policy.version).map_err(|error| error.kind)
    };
    assert_eq!(publish(DENY, Precondition::Present).await, Err(Kind::Changed));
    assert_eq!(publish(DENY, Precondition::Revision(0)).await, Err(Kind::Changed));
    assert_eq!(publish(DENY, Precondition::Absent).await, Ok(1));
    assert_eq!(publish(READ, Precondition::Absent).await, Err(Kind::Changed));
    assert_eq!(publish(READ, Precondition::Unsaid).await, Err(Kind::NeedsRevision));
    assert_eq!(publish(READ, Precondition::Present).await, Ok(2));
    let stale = control.roll_back_policy(editor, default, Some(1), Precondition::Revision(1)).await;
    assert_eq!(why(stale).0, Kind::Changed);
    let stale = control.delete_policy(editor, default, false, Precondition::Revision(1)).await;
    assert_eq!(why(stale).0, Kind::Changed);
}

#[tokio::test]
async fn a_broken_document_is_not_published_and_what_is_in_force_stays() {
    let trial = Trial::new().await;
    let (control, editor) = (&trial.control, &member(Role::Admin));
    register(&trial, "kernel").await;
    let default = at("kernel", "default");
    put(&trial, editor, default, DENY).await.unwrap();
    control.mint_grant(editor, wish("laptop")).await.unwrap();
    let failing = r#"{"version":"1","default":"allow","tests":[{"name":"no","tool":"x","expect":"deny"}]}"#;
    for (text, expected) in [
        ("{\"version\":\"1\",\n\"default\":\"maybe\",\n\"hid\":[]}", &[("/default", 2), ("/hid", 3)][..]),
        ("{", &[("", 1)]),
        (failing, &[("/tests/0", 1)]),
    ] {
        for dry_run in [false, true] {
            let publication = Publication { dry_run, ..document(text) };
            let error = control.publish_policy(editor, default, &publication, Precondition::Present).await.unwrap_err();
            assert_eq!((error.kind, error.code), (Kind::Invalid, "CG3045"));
            assert!(error.message.starts_with("the policy is not published: policy.json:"), "{error}");
            let found: Vec<_> = error.problems.iter().map(|row| (row.pointer.as_str(), row.line)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
    let shown = control.show_policy(editor, default).await.unwrap();
    assert_eq!((shown.policy.version, shown.document.as_deref()), (1, Some(DENY)));
    assert_eq!(outcome(&trial, "x"), Outcome::Deny);
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_changes_nothing() {
    let trial = Trial::new().await;
    let (control, editor) = (&trial.control, &member(Role::PolicyManager));
    register(&trial, "kernel").await;
    let dry = |text| Publication { dry_run: true, ..document(text) };
    let default = at("kernel", "default");
    let first = control.publish_policy(editor, default, &dry(DENY), Precondition::Unsaid).await.unwrap();
    assert_eq!((first.policy.version, first.changed, first.policy.published), (1, true, None));
    assert_eq!(why(control.show_policy(editor, default).await).0, Kind::NotFound);
    let revision = put(&trial, editor, default, DENY).await.unwrap();
    let second = control.publish_policy(editor, default, &dry(READ), Precondition::Unsaid).await.unwrap();
    assert_eq!((second.policy.version, second.changed, second.policy.revision), (2, true, revision));
    let same = control.publish_policy(editor, default, &dry(DENY), Precondition::Unsaid).await.unwrap();
    assert_eq!((same.policy.version, same.changed), (1, false));
    assert_eq!(control.show_policy(editor, default).await.unwrap().policy.revision, revision);
    assert_eq!(trial.journal.words().len(), 1);
}

#[tokio::test]
async fn a_policy_that_grants_carry_is_deleted_only_on_request_and_then_they_are_denied() {
    let trial = Trial::new().await;
    let (control, editor) = (&trial.control, &member(Role::Admin));
    register(&trial, "kernel").await;
    let default = at("kernel", "default");
    let revision = put(&trial, editor, default, ALLOW).await.unwrap();
    let minted = control.mint_grant(editor, wish("laptop")).await.unwrap();
    assert_eq!(outcome(&trial, "x"), Outcome::Allow);
    assert_eq!(control.list_policies(editor, None, &part(9)).await.unwrap().items[0].grants, 1);
    let at_revision = Precondition::Revision(revision);
    let error = control.delete_policy(editor, default, false, at_revision).await.unwrap_err();
    assert_eq!((error.kind, error.code), (Kind::Conflict, "CG3130"));
    assert_eq!(error.message, "1 grant carries the policy `default` of `kernel`: laptop");
    assert_eq!(outcome(&trial, "x"), Outcome::Allow);
    control.delete_policy(editor, default, true, at_revision).await.unwrap();
    assert_eq!(outcome(&trial, "x"), Outcome::Deny);
    assert_eq!(control.show_grant(editor, &minted.id).await.unwrap().policy, None);
    let detached = format!("grant detach server/kernel/grant/{}", minted.id);
    assert_eq!(trial.journal.words()[2..], [detached, "policy delete server/kernel/policy/default".to_owned()]);
    // A policy of the same name is another one: nobody carries it by itself.
    put(&trial, editor, default, ALLOW).await.unwrap();
    assert_eq!(outcome(&trial, "x"), Outcome::Deny);
}

#[tokio::test]
async fn the_stricter_of_policy_and_baseline_wins_from_the_next_call_on() {
    let trial = Trial::new().await;
    let (control, editor) = (&trial.control, &member(Role::Admin));
    register(&trial, "kernel").await;
    let ask = r#"{"version":"1","default":"allow",
        "tools":{"a":{"approve_if":[{"conditions":[]}]},"d":{"deny_if":[{"conditions":[]}]}}}"#;
    put(&trial, editor, at("kernel", "default"), ask).await.unwrap();
    control.mint_grant(editor, wish("laptop")).await.unwrap();
    let outcomes = || ["x", "a", "d", "h"].map(|tool| outcome(&trial, tool));
    assert_eq!(outcomes(), [Outcome::Allow, Outcome::Approve, Outcome::Deny, Outcome::Allow]);
    let baseline = r#"{"version":"1","default":"allow","hide":["h"],
        "tools":{"x":{"approve_if":[{"conditions":[]}]},"a":{},"d":{}}}"#;
    put(&trial, editor, PolicyAt::Baseline, baseline).await.unwrap();
    assert_eq!(outcomes(), [Outcome::Approve, Outcome::Approve, Outcome::Deny, Outcome::Deny]);
    let deny =
        control.publish_policy(editor, PolicyAt::Baseline, &document(DENY), Precondition::Present).await.unwrap();
    assert_eq!(outcomes(), [Outcome::Deny; 4]);
    assert!(deny.notes[0].contains("denied on every server"), "{:?}", deny.notes);
    control.roll_back_policy(editor, PolicyAt::Baseline, None, Precondition::Present).await.unwrap();
    assert_eq!(outcomes(), [Outcome::Approve, Outcome::Approve, Outcome::Deny, Outcome::Deny]);
    control.delete_policy(editor, PolicyAt::Baseline, false, Precondition::Present).await.unwrap();
    assert_eq!(outcomes(), [Outcome::Allow, Outcome::Approve, Outcome::Deny, Outcome::Allow]);
    let words = trial.journal.words();
    assert_eq!(
        words[2..],
        ["baseline publish", "baseline publish", "baseline rollback", "baseline delete"]
            .map(|word| format!("{word} baseline"))
    );
    // The baseline is in no server's list.
    assert_eq!(control.list_policies(editor, None, &part(9)).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn lists_go_through_all_that_the_caller_may_see_and_nothing_else() {
    let trial = Trial::new().await;
    let (control, admin) = (&trial.control, &member(Role::Admin));
    for server in ["a", "b", "c"] {
        register(&trial, server).await;
        for name in ["default", "strict"] {
            put(&trial, admin, at(server, name), DENY).await.unwrap();
        }
    }
    let some = &member_of(Role::Viewer, &["id-c", "id-a", "id-gone"]);
    for (caller, server, expected) in [
        (admin, None, &["a", "a", "b", "b", "c", "c"][..]),
        (admin, Some("b"), &["b", "b"]),
        (some, None, &["a", "a", "c", "c"]),
        (some, Some("id-c"), &["c", "c"]),
    ] {
        for limit in [1, 2, 3, 200] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let listed = control.list_policies(caller, server, &Part { limit, after }).await.unwrap();
                assert!(listed.items.len() <= usize::try_from(limit).unwrap());
                found.extend(listed.items.into_iter().filter_map(|row| row.policy.server));
                after = listed.next;
                if after.is_none() {
                    break;
                }
            }
            found.sort_unstable();
            assert_eq!(found, expected);
        }
    }
    assert_eq!(why(control.list_policies(some, Some("b"), &part(1)).await), (Kind::NotFound, "CG3041"));
}

#[tokio::test]
async fn who_may_read_and_who_may_edit() {
    let trial = Trial::new().await;
    let (control, admin) = (&trial.control, &member(Role::Admin));
    register(&trial, "kernel").await;
    register(&trial, "other").await;
    let default = at("kernel", "default");
    put(&trial, admin, default, DENY).await.unwrap();
    put(&trial, admin, PolicyAt::Baseline, ALLOW).await.unwrap();
    let elsewhere = caller("elsewhere", Roles { organisation: Some(Role::Admin), ..Roles::default() });
    let (no, hidden) = (Some(Kind::Forbidden), Some(Kind::NotFound));
    for (caller, read, edit, baseline) in [
        (member(Role::Viewer), None, no, no),
        (member(Role::PolicyManager), None, None, None),
        (member_of(Role::Viewer, &["id-kernel"]), None, no, no),
        (member_of(Role::PolicyManager, &["id-kernel"]), None, None, no),
        (member_of(Role::Admin, &["id-other"]), hidden, hidden, no),
        (elsewhere, hidden, hidden, hidden),
    ] {
        let kind = |result: Result<(), Error>| result.err().map(|error| error.kind);
        let found = [
            kind(control.show_policy(&caller, default).await.map(drop)),
            kind(put(&trial, &caller, default, ALLOW).await.map(drop)),
            kind(control.roll_back_policy(&caller, PolicyAt::Baseline, Some(9), Precondition::Present).await.map(drop)),
        ];
        // Who may edit the baseline is told that there is no version 9.
        let baseline = baseline.or(Some(Kind::Invalid));
        assert_eq!(found, [read, edit, baseline], "{caller:?}");
    }
    // What somebody may not see looks like what is not there.
    let blind = member_of(Role::Admin, &["id-other"]);
    let messages = ["kernel", "id-kernel", "nothing"].map(|server| (server, at(server, "default")));
    for (server, at) in messages {
        let error = control.show_policy(&blind, at).await.unwrap_err();
        assert_eq!(error.message, format!("there is no server `{server}`"));
    }
}

#[tokio::test]
async fn what_the_configuration_file_keeps_is_not_changed_here() {
    let trial = Trial::new().await;
    let (control, admin) = (&trial.control, &member(Role::Admin));
    register(&trial, "kernel").await;
    let root = root();
    let cleared = root.clear(Permission::EditPolicies, Scope::Organisation).unwrap();
    let mut editing = control.edit(&cleared).await.unwrap();
    let policy = Policy {
        id: "p_file".to_owned(),
        server: Some("id-kernel".to_owned()),
        name: "default".to_owned(),
        current: 0,
        origin: Origin::File,
        created: NOW,
    };
    editing.change.insert(&policy).await.unwrap();
    editing.finish(control).await.unwrap();
    let default = at("kernel", "default");
    let shown = control.show_policy(admin, default).await.unwrap();
    assert_eq!((shown.policy.version, shown.policy.declared, shown.document), (0, true, None));
    let publish = control.publish_policy(admin, default, &document(ALLOW), Precondition::Present).await;
    assert_eq!(why(publish), (Kind::Conflict, "CG3046"));
    let delete = control.delete_policy(admin, default, true, Precondition::Present).await;
    assert_eq!(why(delete), (Kind::Conflict, "CG3046"));
    assert_eq!(why(put(&trial, admin, at("kernel", "a b"), ALLOW).await), (Kind::Invalid, "CG3040"));
}

#[tokio::test]
async fn who_publishes_hears_of_grants_without_a_policy() {
    let trial = Trial::new().await;
    let (control, admin) = (&trial.control, &member(Role::Admin));
    register(&trial, "kernel").await;
    control.mint_grant(admin, wish("laptop")).await.unwrap();
    let done = control.publish_policy(admin, at("kernel", "default"), &document(DENY), Precondition::Absent).await;
    assert_eq!(
        done.unwrap().notes,
        ["there is 1 grant of `kernel` without a policy, denied everything (laptop): \
          `callgate grant attach laptop --policy default`"]
    );
}

pub(crate) fn wish(label: &str) -> Wish {
    Wish {
        server: "kernel".to_owned(),
        label: label.to_owned(),
        policy: None,
        expires: None,
        tags: [("team".to_owned(), "a".to_owned())].into(),
    }
}
