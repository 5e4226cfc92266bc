mod reach;

use super::*;
use crate::precondition::Precondition;
use crate::trial::{Trial, caller, member, member_of, root};
use crate::{Caller, Error, Kind};
use callgate_store::{Role, Roles, Server};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const ANY: Precondition = Precondition::Present;

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn new(name: &str) -> NewServer {
    read(
        json!({ "name": name, "target": { "url": "https://x.example/mcp", "headers": { "Authorization": "hush-1" } } }),
    )
}

fn part() -> crate::listing::Part {
    crate::listing::Part { limit: 50, after: None }
}

fn refused<T>(result: Result<T, Error>) -> (&'static str, Kind) {
    result.map_err(|error| (error.code, error.kind)).err().unwrap()
}

/// The target of a server as the data plane gets it.
fn published(trial: &Trial, name: &str) -> crate::Target {
    let configuration = trial.control.configuration();
    let servers = &configuration.borrow().servers;
    servers.iter().find(|server| server.name == name).unwrap().target.clone()
}

#[tokio::test]
async fn a_server_is_added_changed_and_removed() {
    let trial = Trial::new().await;
    let (control, admin) = (&trial.control, member(Role::Admin));
    control.announce("https://gate.example/");
    let added = control.add_server(&admin, new("kernel")).await.unwrap();
    let shown = serde_json::to_value(&added).unwrap();
    assert_eq!(
        (&shown["url"], &shown["target"], &shown["revision"], &shown["declared"]),
        (
            &json!("https://gate.example/mcp/kernel"),
            &json!({ "url": "https://x.example/mcp", "headers": ["Authorization"] }),
            &json!(1),
            &json!(false)
        )
    );
    assert_eq!(published(&trial, "kernel").secrets()["Authorization"].reveal(), "hush-1");

    let at = Precondition::Revision(1);
    let patch = json!({ "target": { "url": "https://x.example/v2" }, "settings": { "idle": "5m" } });
    let edited = control.edit_server(&admin, "kernel", at, read(patch.clone())).await.unwrap();
    assert_eq!((edited.revision, String::from(edited.settings.idle).as_str()), (2, "5m"));
    let target = published(&trial, "kernel");
    assert_eq!(target.secrets()["Authorization"].reveal(), "hush-1");
    assert!(matches!(target, crate::Target::Url { url, .. } if url == "https://x.example/v2"));
    let late = control.edit_server(&admin, "kernel", at, ServerPatch::default()).await;
    assert_eq!(refused(late), ("CG3118", Kind::Changed));
    // The same again is no change.
    assert_eq!(control.edit_server(&admin, &edited.uuid, ANY, read(patch)).await.unwrap().revision, 2);

    let credentials: Credentials = read(json!({ "headers": { "X-Key": "hush-2" } }));
    let set = control.set_credentials(&admin, "kernel", ANY, credentials).await.unwrap();
    assert_eq!(set.revision, 3);
    let target = published(&trial, "kernel");
    assert_eq!(target.secrets().keys().collect::<Vec<_>>(), ["X-Key"]);

    assert_eq!(control.remove_server(&admin, "kernel", ANY).await.unwrap().removed, "kernel");
    assert!(control.configuration().borrow().servers.is_empty());
    assert_eq!(refused(control.show_server(&admin, "kernel").await), ("CG3041", Kind::NotFound));
    assert_eq!(
        trial.journal.words(),
        [
            "server add server/kernel",
            "server edit server/kernel",
            "server credentials server/kernel/credentials",
            "server remove server/kernel"
        ]
    );
    let journal = format!("{:?}", trial.journal.bodies());
    assert!(!journal.contains("hush"), "{journal}");
    assert!(journal.contains("Authorization") && journal.contains("X-Key") && journal.contains("member:ada"));
}

#[tokio::test]
async fn what_cannot_be_a_server_is_refused_with_its_place() {
    let trial = Trial::new().await;
    let (control, admin) = (&trial.control, member(Role::Admin));
    for (new, part) in [
        (json!({ "name": "callgate", "target": { "url": "http://x/" } }), "is reserved"),
        (json!({ "name": "a b", "target": { "url": "http://x/" } }), "`a b`"),
        (json!({ "name": "a", "target": { "url": "x" } }), "`target.url`"),
        (json!({ "name": "a", "target": { "url": "http://x/", "headers": { "Host": "y" } } }), "`Host`"),
        (
            json!({ "name": "a", "target": { "url": "http://x/" }, "settings": { "share": "grant" } }),
            "`settings.share`",
        ),
        (json!({ "name": "a", "target": { "command": "x" }, "settings": { "max_in_flight": 0 } }), "max_in_flight"),
    ] {
        let error = control.add_server(&admin, read(new)).await.unwrap_err();
        assert_eq!((error.code, error.kind), ("CG3040", Kind::Invalid));
        assert!(error.message.contains(part), "{error}");
    }
    control.add_server(&admin, new("kernel")).await.unwrap();
    assert_eq!(refused(control.add_server(&admin, new("kernel")).await), ("CG3042", Kind::Conflict));
    let env: Credentials = read(json!({ "env": { "A": "b" } }));
    assert_eq!(refused(control.set_credentials(&admin, "kernel", ANY, env).await), ("CG3040", Kind::Invalid));
    assert_eq!(trial.journal.words(), ["server add server/kernel"]);
}

#[tokio::test]
async fn credentials_do_not_follow_a_server_to_another_origin() {
    let trial = Trial::new().await;
    let (control, admin) = (&trial.control, member(Role::Admin));
    control.add_server(&admin, new("kernel")).await.unwrap();
    for place in [
        json!({ "url": "https://evil.example/mcp" }),
        json!({ "url": "http://x.example/mcp" }),
        json!({ "url": "https://x.example:8443/mcp" }),
        json!({ "command": "sh" }),
    ] {
        let patch: ServerPatch = read(json!({ "target": place }));
        assert_eq!(
            refused(control.edit_server(&admin, "kernel", ANY, patch).await),
            ("CG3117", Kind::Conflict),
            "{place}"
        );
    }
    control.set_credentials(&admin, "kernel", ANY, Credentials::default()).await.unwrap();
    let patch: ServerPatch = read(json!({ "target": { "url": "https://other.example/mcp" } }));
    control.edit_server(&admin, "kernel", ANY, patch).await.unwrap();
    let with_secret = serde_json::from_value::<ServerPatch>(json!({ "target": { "url": "http://x/", "headers": {} } }));
    assert!(with_secret.unwrap_err().to_string().contains("credentials are set by themselves"));
}

#[tokio::test]
async fn roles_reach_as_far_as_they_say() {
    let trial = Trial::new().await;
    let control = &trial.control;
    let mine = control.add_server(&member(Role::Admin), new("mine")).await.unwrap();
    control.add_server(&member(Role::Admin), new("other")).await.unwrap();
    let forbidden = Err(("CG3110", Kind::Forbidden));
    let hidden = Err(("CG3041", Kind::NotFound));
    let nobody = caller("default", Roles::default());
    let all = member(Role::Viewer);
    let manager = member(Role::PolicyManager);
    let one_viewer = member_of(Role::Viewer, &[&mine.uuid]);
    let one_admin = member_of(Role::Admin, &[&mine.uuid]);
    // Who, how many it sees, and what becomes of reading and changing `mine` and `other`, and of adding.
    type Verdict = Result<(), (&'static str, Kind)>;
    let cases: [(&Caller, Option<usize>, [Verdict; 5]); 5] = [
        (&nobody, None, [forbidden, forbidden, forbidden, forbidden, forbidden]),
        (&all, Some(2), [Ok(()), Ok(()), forbidden, forbidden, forbidden]),
        (&manager, Some(2), [Ok(()), Ok(()), forbidden, forbidden, forbidden]),
        (&one_viewer, Some(1), [Ok(()), hidden, forbidden, hidden, forbidden]),
        (&one_admin, Some(1), [Ok(()), hidden, Ok(()), hidden, forbidden]),
    ];
    for (caller, sees, [read_mine, read_other, change_mine, change_other, add]) in cases {
        let listed = control.list_servers(caller, &part()).await.map(|listed| listed.items.len()).ok();
        assert_eq!(listed, sees, "{caller:?}");
        let outcome = |result: Result<(), Error>| result.map_err(|error| (error.code, error.kind));
        for (name, reading, changing) in [("mine", read_mine, change_mine), ("other", read_other, change_other)] {
            assert_eq!(outcome(control.show_server(caller, name).await.map(drop)), reading, "{caller:?} {name}");
            assert_eq!(outcome(control.server_tools(caller, name).await.map(drop)), reading, "{caller:?} {name}");
            let patch = || read::<ServerPatch>(json!({ "settings": { "idle": "1m" } }));
            let edited = control.edit_server(caller, name, ANY, patch()).await.map(drop);
            assert_eq!(outcome(edited), changing, "{caller:?} {name}");
            let set = control.set_credentials(caller, name, ANY, Credentials::default()).await.map(drop);
            assert_eq!(outcome(set), changing, "{caller:?} {name}");
            let stale = control.remove_server(caller, name, Precondition::Revision(0)).await.map(drop);
            assert_eq!(outcome(stale), changing.and(Err(("CG3118", Kind::Changed))), "{caller:?} {name}");
        }
        assert_eq!(outcome(control.add_server(caller, new("mine")).await.map(drop)), add, "{caller:?}");
    }
    control.remove_server(&one_admin, "mine", ANY).await.unwrap();
}

#[tokio::test]
async fn organisations_do_not_see_each_other() {
    let trial = Trial::new().await;
    let control = &trial.control;
    control.inner.store.add_organisation("other", crate::trial::NOW, None).await.unwrap();
    let row = control.add_server(&member(Role::Admin), new("kernel")).await.unwrap();
    let stranger = caller("other", Roles { organisation: Some(Role::Admin), ..Roles::default() });
    assert!(control.list_servers(&stranger, &part()).await.unwrap().items.is_empty());
    for wanted in ["kernel", &row.uuid] {
        assert_eq!(refused(control.show_server(&stranger, wanted).await), ("CG3041", Kind::NotFound));
        assert_eq!(refused(control.server_tools(&stranger, wanted).await), ("CG3041", Kind::NotFound));
        let edited = control.edit_server(&stranger, wanted, ANY, ServerPatch::default()).await;
        assert_eq!(refused(edited), ("CG3041", Kind::NotFound));
        let set = control.set_credentials(&stranger, wanted, ANY, Credentials::default()).await;
        assert_eq!(refused(set), ("CG3041", Kind::NotFound));
        assert_eq!(refused(control.remove_server(&stranger, wanted, ANY).await), ("CG3041", Kind::NotFound));
    }
    // The same name is free there.
    control.add_server(&stranger, new("kernel")).await.unwrap();
}

#[tokio::test]
async fn what_the_configuration_file_declares_is_edited_there() {
    let trial = Trial::new().await;
    let control = &trial.control;
    let root = root();
    let cleared = root.clear(crate::Permission::ManageServers, crate::Scope::Organisation).unwrap();
    let mut editing = control.edit(&cleared).await.unwrap();
    let id = crate::names::declared_uuid("kernel");
    control.add_in(&mut editing, new("kernel"), id, callgate_store::Origin::File).await.unwrap();
    editing.finish(control).await.unwrap();
    let admin = member(Role::Admin);
    assert!(control.show_server(&admin, "kernel").await.unwrap().declared);
    let declared = ("CG3046", Kind::Conflict);
    assert_eq!(refused(control.edit_server(&admin, "kernel", ANY, ServerPatch::default()).await), declared);
    assert_eq!(refused(control.set_credentials(&admin, "kernel", ANY, Credentials::default()).await), declared);
    assert_eq!(refused(control.remove_server(&admin, "kernel", ANY).await), declared);
}

#[tokio::test]
async fn a_server_is_asked_for_its_tools() {
    let trial = Trial::new().await;
    let (control, admin) = (&trial.control, member(Role::Admin));
    control.add_server(&admin, new("up")).await.unwrap();
    let down = json!({ "name": "down", "target": { "url": "http://down/" } });
    control.add_server(&admin, read(down)).await.unwrap();
    let tools = control.server_tools(&member(Role::Viewer), "up").await.unwrap();
    assert_eq!(serde_json::to_string(&tools).unwrap(), r#"{"tools":[{"name":"echo"}]}"#);
    assert_eq!(refused(control.server_tools(&admin, "down").await), ("CG3116", Kind::Unavailable));
}

#[tokio::test]
async fn credentials_are_nowhere_in_the_clear() {
    let trial = Trial::new().await;
    let admin = member(Role::Admin);
    trial.control.add_server(&admin, new("kernel")).await.unwrap();
    let stdio = json!({ "name": "files", "target": { "command": "x", "env": { "API_KEY": "hush-2" } } });
    trial.control.add_server(&admin, read(stdio)).await.unwrap();
    let shown = serde_json::to_string(&trial.control.list_servers(&admin, &part()).await.unwrap().items).unwrap();
    assert!(shown.contains("API_KEY") && !shown.contains("hush"), "{shown}");
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    // After the last connection the log is in the database file itself.
    let trial = trial.restart().await;
    let database = trial.database();
    assert!(has(&database, "API_KEY") && has(&database, "x.example") && !has(&database, "hush"));
    assert_eq!(published(&trial, "files").secrets()["API_KEY"].reveal(), "hush-2");
    let store = &trial.control.inner.store;
    let sealed = store.reads("default").named::<Server>(None, "files").await.unwrap().unwrap().record;
    assert_eq!((sealed.key_version, sealed.sealed.is_empty()), (1, false));
}
