//! Records: written, found, listed, removed.

use crate::place::{Place, credential, definition, grant, member, policy, server, version, webhook};
use callgate_store::{
    Candidate, Credential, CredentialKind, Definition, DefinitionState, Grant, Member, Page, Policy, PolicyVersion,
    Record, Server, Store, StoreError, Stored, Template, Webhook,
};

fn page(limit: u32) -> Page {
    Page { limit, ..Page::default() }
}

/// Two servers with a policy each, grants and a member.
async fn furnished(place: &Place) -> Store {
    let store = place.store().await;
    let mut change = store.begin("acme").await.unwrap();
    for (server_id, policy_id) in [("s1", "p_1"), ("s2", "p_2")] {
        change.insert(&server(server_id, &format!("server {server_id}"))).await.unwrap();
        change.insert(&policy(policy_id, Some(server_id), "default")).await.unwrap();
        change.insert(&version(policy_id, 1)).await.unwrap();
    }
    change.insert(&Grant { policy: Some("p_1".to_owned()), ..grant("g_1", "s1", "ada") }).await.unwrap();
    change.insert(&grant("g_2", "s1", "bob")).await.unwrap();
    change.insert(&grant("g_3", "s2", "ada")).await.unwrap();
    change.insert(&member("m_1", "ada")).await.unwrap();
    change.insert(&credential("c_1", CredentialKind::Session, Some("m_1"))).await.unwrap();
    change.insert(&credential("c_2", CredentialKind::Token, None)).await.unwrap();
    change.commit().await.unwrap();
    store
}

async fn comes_back<R: Record + PartialEq + Clone>(store: &Store, id: &str, record: &R, edited: &R) {
    let expected = |record: &R, changed| Some(Stored { record: record.clone(), changed, removed: None });
    let mut change = store.begin("acme").await.unwrap();
    let made = change.generation();
    change.insert(record).await.unwrap();
    assert!(change.get::<R>(id).await.unwrap() == expected(record, made), "a change sees what it wrote");
    assert!(store.reads("acme").get::<R>(id).await.unwrap().is_none(), "others don't");
    change.commit().await.unwrap();
    assert!(store.reads("acme").get::<R>(id).await.unwrap() == expected(record, made), "{} {id}", R::WHAT);
    if edited == record {
        return;
    }
    let mut change = store.begin("acme").await.unwrap();
    change.update(edited).await.unwrap();
    change.commit().await.unwrap();
    assert!(store.reads("acme").get::<R>(id).await.unwrap() == expected(edited, made + 1), "{} {id} edited", R::WHAT);
}

pub async fn every_record_comes_back_as_it_was(place: Place) {
    let store = place.store().await;
    let made = server("s1", "kernel");
    comes_back(&store, "s1", &made, &Server { sealed: Vec::new(), name: "other".to_owned(), ..made.clone() }).await;
    let made = policy("p_1", Some("s1"), "default");
    comes_back(&store, "p_1", &made, &Policy { current: 1, ..made.clone() }).await;
    let made = policy("p_2", None, "baseline");
    comes_back(&store, "p_2", &made, &Policy { name: "renamed".to_owned(), ..made.clone() }).await;
    let made = webhook("w_1", "chat");
    let edited = Webhook {
        template: Template::Slack,
        kinds: vec!["approval.asked".to_owned()],
        servers: vec!["s1".to_owned(), "s2".to_owned()],
        include_arguments: false,
        disabled: Some(11),
        ..made.clone()
    };
    comes_back(&store, "w_1", &made, &edited).await;
    let made = definition("s1", "a/b");
    let candidate = Candidate { definition: "{}".to_owned(), fingerprint: "sha256:1".to_owned() };
    let edited = Definition {
        state: DefinitionState::Pinned,
        candidate: Some(candidate),
        approved_by: Some("member:ada".to_owned()),
        category: Some("read".to_owned()),
        labels: Some(vec!["egress".to_owned()]),
        ..made.clone()
    };
    comes_back(&store, "s1/a/b", &made, &edited).await;
    for number in [1, 3] {
        let made = version("p_1", number);
        comes_back(&store, &format!("p_1/{number}"), &made, &made).await;
    }
    let made = grant("g_1", "s1", "ada");
    let edited = Grant { policy: Some("p_1".to_owned()), previous: None, revoked: Some(4), ..made.clone() };
    comes_back(&store, "g_1", &made, &edited).await;
    let made = member("m_1", "ada@example.com");
    comes_back(&store, "m_1", &made, &Member { password: None, disabled: Some(5), ..made.clone() }).await;
    for (kind, id) in [(CredentialKind::Link, "c_1"), (CredentialKind::Session, "c_2"), (CredentialKind::Token, "c_3")]
    {
        let made = credential(id, kind, Some("m_1"));
        comes_back(&store, id, &made, &Credential { expires: None, used: Some(3), ..made.clone() }).await;
    }
    for id in ["p_1", "p_1/", "p_1/x", "p_1/2", "p_9/1", "/1"] {
        assert!(store.reads("acme").get::<PolicyVersion>(id).await.unwrap().is_none(), "{id}");
    }
}

pub async fn names_are_taken_once(place: Place) {
    let store = furnished(&place).await;
    async fn taken<R: Record>(store: &Store, record: R, expected: Result<(), &str>) {
        let mut change = store.begin("acme").await.unwrap();
        let got = change.insert(&record).await;
        match expected {
            Ok(()) => got.unwrap(),
            Err(text) => assert_eq!(got.unwrap_err().to_string(), text),
        }
    }
    let is_there = |what: &str| format!("CG3102: {what} is there already; choose another name");
    taken(&store, server("s3", "server s1"), Err(&is_there("server `server s1`"))).await;
    taken(&store, server("s3", "Server s1"), Ok(())).await;
    taken(&store, policy("p_3", Some("s1"), "default"), Err(&is_there("policy `default`"))).await;
    taken(&store, policy("p_3", None, "default"), Ok(())).await;
    taken(&store, version("p_1", 1), Err(&is_there("version `1`"))).await;
    taken(&store, version("p_2", 2), Ok(())).await;
    taken(&store, grant("g_4", "s1", "ada"), Err(&is_there("grant `ada`"))).await;
    taken(&store, grant("g_4", "s2", "bob"), Ok(())).await;
    taken(&store, member("m_2", "ada"), Err(&is_there("member `ada`"))).await;
    let in_use = "CG3105: the token of grant `new` is in use already; choose another token";
    taken(&store, Grant { token: "token of g_1".to_owned(), ..grant("g_4", "s2", "new") }, Err(in_use)).await;

    let mut change = store.begin("acme").await.unwrap();
    change.insert(&policy("p_3", None, "default")).await.unwrap();
    let twice = change.insert(&policy("p_4", None, "default")).await.unwrap_err();
    assert!(matches!(twice, StoreError::Taken { what: "policy", .. }), "{twice}");
    drop(change);
    let mut change = store.begin("acme").await.unwrap();
    let renamed = change.update(&server("s2", "server s1")).await.unwrap_err();
    assert!(matches!(renamed, StoreError::Taken { what: "server", .. }), "{renamed}");
    drop(change);

    // Over all organisations: a token says which one it is for.
    let mut change = store.begin("other").await.unwrap();
    change.insert(&server("s1", "server s1")).await.unwrap();
    let shared = change.insert(&Grant { token: "token of g_1".to_owned(), ..grant("g_9", "s1", "ada") }).await;
    assert!(matches!(shared, Err(StoreError::SecretTaken { what: "grant", .. })));
    drop(change);
    let mut change = store.begin("other").await.unwrap();
    let shared = Credential { hash: "hash of c_2".to_owned(), ..credential("c_9", CredentialKind::Token, None) };
    assert!(matches!(change.insert(&shared).await, Err(StoreError::SecretTaken { what: "credential", .. })));
}

pub async fn names_are_free_again_after_removal(place: Place) {
    let store = furnished(&place).await;
    let mut change = store.begin("acme").await.unwrap();
    change.remove::<Server>("s1", 50).await.unwrap();
    change.insert(&server("s9", "server s1")).await.unwrap();
    change.insert(&policy("p_9", Some("s9"), "default")).await.unwrap();
    // The same token, declared again.
    change.insert(&Grant { token: "token of g_1".to_owned(), ..grant("g_9", "s9", "ada") }).await.unwrap();
    change.remove::<Member>("m_1", 50).await.unwrap();
    change.insert(&member("m_9", "ada")).await.unwrap();
    // A revoked grant keeps its token for itself, and leaves its label.
    change.update(&Grant { revoked: Some(50), ..grant("g_3", "s2", "ada") }).await.unwrap();
    change.insert(&grant("g_8", "s2", "ada")).await.unwrap();
    change.commit().await.unwrap();

    let reads = store.reads("acme");
    assert_eq!(reads.named::<Server>(None, "server s1").await.unwrap().unwrap().record.id, "s9");
    assert_eq!(reads.named::<Grant>(Some("s2"), "ada").await.unwrap().unwrap().record.id, "g_8");
    assert_eq!(reads.named::<Member>(None, "ada").await.unwrap().unwrap().record.id, "m_9");
    assert!(reads.get::<Grant>("g_3").await.unwrap().is_some(), "revoked, not removed");
    assert!(reads.get::<Grant>("g_1").await.unwrap().is_none());
    assert!(reads.named::<Policy>(Some("s1"), "default").await.unwrap().is_none());
}

pub async fn lists_go_by_pages(place: Place) {
    let store = furnished(&place).await;
    let mut change = store.begin("acme").await.unwrap();
    for number in 0..25 {
        // A second identity that sorts differently where a database compares by language rather than by bytes.
        let id = if number % 2 == 0 { format!("g_Z{number:02}") } else { format!("g_a{number:02}") };
        change.insert(&grant(&id, "s2", &format!("label {number}"))).await.unwrap();
    }
    change.remove::<Grant>("g_Z04", 9).await.unwrap();
    let within: Vec<Stored<Grant>> = change.list(&page(100)).await.unwrap();
    assert_eq!(within.len(), 27);
    change.commit().await.unwrap();

    let reads = store.reads("acme");
    let mut seen = Vec::new();
    let mut next = Page { parent: Some("s2".to_owned()), after: None, limit: 10 };
    loop {
        let some: Vec<Stored<Grant>> = reads.list(&next).await.unwrap();
        seen.extend(some.iter().map(|grant| grant.record.id.clone()));
        let Some(last) = some.last().filter(|_| some.len() == 10) else { break };
        next.after = Some(last.record.id.clone());
    }
    assert_eq!(seen.len(), 25, "g_3 and all that were added but one");
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(reads.list::<Grant>(&page(100)).await.unwrap().len(), 27);
    assert_eq!(reads.list::<Grant>(&page(3)).await.unwrap().len(), 3);
    let of_member = Page { parent: Some("m_1".to_owned()), ..page(9) };
    let credentials: Vec<Stored<Credential>> = reads.list(&of_member).await.unwrap();
    assert_eq!(credentials.iter().map(|found| found.record.id.as_str()).collect::<Vec<_>>(), ["c_1"]);
}

pub async fn versions_are_listed_newest_first_and_never_change(place: Place) {
    let store = furnished(&place).await;
    let mut change = store.begin("acme").await.unwrap();
    for number in 2..=12 {
        change.insert(&version("p_1", number)).await.unwrap();
    }
    change.commit().await.unwrap();
    let reads = store.reads("acme");
    let of = |after: Option<&str>| Page { parent: Some("p_1".to_owned()), after: after.map(str::to_owned), limit: 3 };
    for (after, expected) in [(None, vec![12, 11, 10]), (Some("10"), vec![9, 8, 7]), (Some("2"), vec![1])] {
        let found: Vec<Stored<PolicyVersion>> = reads.list(&of(after)).await.unwrap();
        assert_eq!(found.iter().map(|found| found.record.version).collect::<Vec<_>>(), expected);
    }
    let found = reads.named::<PolicyVersion>(Some("p_1"), "10").await.unwrap().unwrap();
    assert_eq!(found.record, version("p_1", 10));
    assert!(reads.named::<PolicyVersion>(Some("p_1"), "ten").await.unwrap().is_none());

    let mut change = store.begin("acme").await.unwrap();
    let error = change.update(&version("p_1", 10)).await.unwrap_err();
    assert_eq!(error.to_string(), "CG3104: the database failed: a version never changes; nothing was changed");
    let error = change.remove::<PolicyVersion>("p_1/10", 1).await.unwrap_err();
    assert_eq!(error.to_string(), "CG3104: the database failed: a version is never removed; nothing was changed");
}

pub async fn the_versions_in_force_are_found_in_one_go(place: Place) {
    let store = furnished(&place).await;
    let mut change = store.begin("acme").await.unwrap();
    change.insert(&version("p_1", 2)).await.unwrap();
    change.update(&Policy { current: 2, ..policy("p_1", Some("s1"), "default") }).await.unwrap();
    change.update(&Policy { current: 1, ..policy("p_2", Some("s2"), "default") }).await.unwrap();
    change.commit().await.unwrap();
    let before = store.reads("acme").generation().await.unwrap();
    let mut change = store.begin("acme").await.unwrap();
    change.insert(&version("p_1", 3)).await.unwrap();
    change.update(&Policy { current: 3, ..policy("p_1", Some("s1"), "default") }).await.unwrap();
    change.insert(&policy("p_3", None, "never published")).await.unwrap();
    change.commit().await.unwrap();

    let reads = store.reads("acme");
    assert_eq!(reads.named::<Policy>(None, "never published").await.unwrap().unwrap().record.id, "p_3");
    assert_eq!(reads.named::<Policy>(Some("s2"), "default").await.unwrap().unwrap().record.id, "p_2");
    assert!(reads.named::<Policy>(None, "default").await.unwrap().is_none());
    let mut all: Vec<PolicyVersion> =
        reads.in_force(None).await.unwrap().into_iter().map(|found| found.record).collect();
    all.sort_by(|a, b| a.policy.cmp(&b.policy));
    assert_eq!(all, [version("p_1", 3), version("p_2", 1)]);
    let since = reads.in_force(Some(before)).await.unwrap();
    assert_eq!(since.iter().map(|found| found.record.policy.as_str()).collect::<Vec<_>>(), ["p_1"]);
    assert!(reads.in_force(Some(before + 1)).await.unwrap().is_empty());
}

pub async fn what_hangs_on_a_server_goes_with_it(place: Place) {
    let store = furnished(&place).await;
    let mut change = store.begin("acme").await.unwrap();
    let generation = change.generation();
    change.remove::<Server>("s1", 50).await.unwrap();
    change.commit().await.unwrap();
    let reads = store.reads("acme");
    assert!(reads.get::<Server>("s1").await.unwrap().is_none());
    for (grant, there) in [("g_1", false), ("g_2", false), ("g_3", true)] {
        assert_eq!(reads.get::<Grant>(grant).await.unwrap().is_some(), there, "{grant}");
    }
    for (policy, there) in [("p_1", false), ("p_2", true)] {
        assert_eq!(reads.get::<Policy>(policy).await.unwrap().is_some(), there, "{policy}");
    }
    assert!(reads.get::<PolicyVersion>("p_1/1").await.unwrap().is_some(), "decisions were made with it");
    let gone: Vec<Stored<Server>> = reads.changed_since(Some(generation - 1)).await.unwrap();
    assert_eq!(gone.len(), 1);
    assert_eq!((gone[0].removed, gone[0].changed), (Some(50), generation));
    assert!(gone[0].record.sealed.is_empty(), "secrets don't outlive their server");
}

pub async fn a_removed_policy_leaves_its_grants_without(place: Place) {
    let store = furnished(&place).await;
    let mut change = store.begin("acme").await.unwrap();
    let generation = change.generation();
    change.remove::<Policy>("p_1", 50).await.unwrap();
    change.commit().await.unwrap();
    let reads = store.reads("acme");
    let left = reads.get::<Grant>("g_1").await.unwrap().unwrap();
    assert_eq!((left.record.policy, left.changed), (None, generation));
    let other = reads.get::<Grant>("g_2").await.unwrap().unwrap();
    assert_eq!(other.changed, generation - 1, "not one of the policy's");
}

pub async fn a_removed_member_loses_its_credentials(place: Place) {
    let store = furnished(&place).await;
    let mut change = store.begin("acme").await.unwrap();
    change.remove::<Member>("m_1", 50).await.unwrap();
    change.commit().await.unwrap();
    assert!(store.credential("hash of c_1").await.unwrap().is_none());
    assert!(store.credential("hash of c_2").await.unwrap().is_some(), "nobody's");
    let gone: Vec<Stored<Member>> = store.reads("acme").changed_since(Some(1)).await.unwrap();
    assert_eq!(gone[0].record.password, None);
}

pub async fn changes_since_a_generation_include_removals(place: Place) {
    let store = furnished(&place).await;
    let start = store.reads("acme").generation().await.unwrap();
    let mut change = store.begin("acme").await.unwrap();
    change.update(&grant("g_1", "s1", "renamed")).await.unwrap();
    change.commit().await.unwrap();
    let mut change = store.begin("acme").await.unwrap();
    change.remove::<Grant>("g_2", 60).await.unwrap();
    change.commit().await.unwrap();

    let reads = store.reads("acme");
    for (since, expected) in [
        (None, vec![("g_1", start + 1, None), ("g_3", start, None)]),
        (Some(0), vec![("g_1", start + 1, None), ("g_2", start + 2, Some(60)), ("g_3", start, None)]),
        (Some(start), vec![("g_1", start + 1, None), ("g_2", start + 2, Some(60))]),
        (Some(start + 1), vec![("g_2", start + 2, Some(60))]),
        (Some(start + 2), vec![]),
    ] {
        let mut found: Vec<Stored<Grant>> = reads.changed_since(since).await.unwrap();
        found.sort_by(|a, b| a.record.id.cmp(&b.record.id));
        let found: Vec<_> = found.iter().map(|it| (it.record.id.as_str(), it.changed, it.removed)).collect();
        assert_eq!(found, expected, "since {since:?}");
    }
}

pub async fn all_of_many_grants_are_found(place: Place) {
    let store = place.store().await;
    let mut change = store.begin("acme").await.unwrap();
    change.insert(&server("s1", "kernel")).await.unwrap();
    // More than two groups, and the last one full.
    let grants: Vec<Grant> = (0..3_000).map(|at| grant(&format!("g_{at:04}"), "s1", &format!("label {at}"))).collect();
    for one in &grants {
        change.insert(one).await.unwrap();
    }
    change.commit().await.unwrap();
    let mut change = store.begin("acme").await.unwrap();
    change.remove::<Grant>("g_0999", 60).await.unwrap();
    change.commit().await.unwrap();
    let found: Vec<Stored<Grant>> = store.reads("acme").changed_since(None).await.unwrap();
    let found: Vec<&Grant> = found.iter().map(|stored| &stored.record).collect();
    let expected: Vec<&Grant> = grants.iter().filter(|grant| grant.id != "g_0999").collect();
    assert!(found == expected, "{} of {}", found.len(), expected.len());
}

pub async fn organisations_never_see_each_other(place: Place) {
    let store = furnished(&place).await;
    async fn nothing<R: Record>(store: &Store, parent: Option<&str>, id: &str, name: &str) {
        let reads = store.reads("other");
        assert!(reads.get::<R>(id).await.unwrap().is_none(), "{} {id}", R::WHAT);
        assert!(reads.named::<R>(parent, name).await.unwrap().is_none(), "{} {name}", R::WHAT);
        for parent in [None, parent] {
            let page = Page { parent: parent.map(str::to_owned), ..page(100) };
            assert!(reads.list::<R>(&page).await.unwrap().is_empty(), "{}", R::WHAT);
        }
        assert!(reads.changed_since::<R>(None).await.unwrap().is_empty(), "{}", R::WHAT);
        assert!(reads.changed_since::<R>(Some(0)).await.unwrap().is_empty(), "{}", R::WHAT);
        let mut change = store.begin("other").await.unwrap();
        assert!(change.get::<R>(id).await.unwrap().is_none(), "{} {id}", R::WHAT);
        assert!(change.named::<R>(parent, name).await.unwrap().is_none(), "{} {name}", R::WHAT);
        assert!(change.list::<R>(&page(100)).await.unwrap().is_empty(), "{}", R::WHAT);
        if R::WHAT != "version" {
            let error = change.remove::<R>(id, 1).await.unwrap_err();
            assert!(matches!(error, StoreError::Missing { .. }), "{error}");
        }
    }
    nothing::<Server>(&store, None, "s1", "server s1").await;
    nothing::<Policy>(&store, Some("s1"), "p_1", "default").await;
    nothing::<PolicyVersion>(&store, Some("p_1"), "p_1/1", "1").await;
    nothing::<Grant>(&store, Some("s1"), "g_1", "ada").await;
    nothing::<Member>(&store, None, "m_1", "ada").await;
    nothing::<Credential>(&store, Some("m_1"), "c_1", "").await;
    assert!(store.reads("other").in_force(None).await.unwrap().is_empty());
    let mut change = store.begin("other").await.unwrap();
    let error = change.update(&server("s1", "mine")).await.unwrap_err();
    assert_eq!(error.to_string(), "CG3106: server `s1` is not there; look at what is");
}

pub async fn references_stay_within_a_server_and_an_organisation(place: Place) {
    let store = furnished(&place).await;
    let policy_of = |id: &str| Some(id.to_owned());
    let mut change = store.begin("acme").await.unwrap();
    change
        .update(&Grant { policy: policy_of("p_2"), ..grant("g_1", "s1", "ada") })
        .await
        .expect_err("another server's");
    drop(change);
    let mut change = store.begin("other").await.unwrap();
    change.insert(&grant("g_9", "s1", "ada")).await.expect_err("another organisation's server");
    drop(change);
    let mut change = store.begin("other").await.unwrap();
    change.insert(&policy("p_9", Some("s1"), "default")).await.expect_err("another organisation's server");
    drop(change);
    let mut change = store.begin("other").await.unwrap();
    change.insert(&version("p_1", 7)).await.expect_err("another organisation's policy");
    drop(change);
    let mut change = store.begin("other").await.unwrap();
    change.insert(&credential("c_9", CredentialKind::Link, Some("m_1"))).await.expect_err("another's member");
}

pub async fn a_view_sees_one_moment(place: Place) {
    let store = furnished(&place).await;
    let mut view = store.view().await.unwrap();
    let before = view.organisations().await.unwrap();
    let mut change = store.begin("acme").await.unwrap();
    change.remove::<Server>("s1", 50).await.unwrap();
    change.commit().await.unwrap();
    store.add_organisation("new", 4, None).await.unwrap();
    assert_eq!(view.changed_since::<Server>("acme", None).await.unwrap().len(), 2);
    assert_eq!(view.changed_since::<Grant>("acme", None).await.unwrap().len(), 3);
    assert_eq!(view.in_force("acme", None).await.unwrap().len(), 0);
    assert_eq!(view.organisations().await.unwrap(), before);
    drop(view);
    assert_eq!(store.view().await.unwrap().changed_since::<Grant>("acme", None).await.unwrap().len(), 1);
}

pub async fn forgotten_definitions_can_be_pinned_again(place: Place) {
    let store = furnished(&place).await;
    let mut change = store.begin("acme").await.unwrap();
    for (server, tool) in [("s1", "one"), ("s1", "two"), ("s2", "one")] {
        change.put_definition(&definition(server, tool)).await.unwrap();
    }
    change.commit().await.unwrap();
    let mut change = store.begin("acme").await.unwrap();
    change.remove::<Definition>("s1/one", 50).await.unwrap();
    change.commit().await.unwrap();
    let seen = store.reads("acme").generation().await.unwrap();
    let again = Definition { fingerprint: "sha256:2".to_owned(), ..definition("s1", "one") };
    let mut change = store.begin("acme").await.unwrap();
    assert!(change.get::<Definition>("s1/one").await.unwrap().is_none());
    change.put_definition(&again).await.unwrap();
    change.commit().await.unwrap();
    let reads = store.reads("acme");
    let changed = reads.changed_since::<Definition>(Some(seen)).await.unwrap();
    assert_eq!(changed, [Stored { record: again, changed: seen + 1, removed: None }]);
    let of_one = Page { parent: Some("s1".to_owned()), limit: 9, ..Page::default() };
    let listed = reads.list::<Definition>(&of_one).await.unwrap();
    assert_eq!(listed.iter().map(|stored| stored.record.tool.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    let mut change = store.begin("acme").await.unwrap();
    change.forget_definitions("s1").await.unwrap();
    change.commit().await.unwrap();
    let left = reads.changed_since::<Definition>(None).await.unwrap();
    assert_eq!(left.iter().map(|stored| stored.record.id.as_str()).collect::<Vec<_>>(), ["s2/one"]);
}
