//! How far a server's credentials, and whoever may change a server, reach.

use super::*;

fn files(env: Value) -> NewServer {
    read(json!({ "name": "files", "target": { "command": "npx", "args": ["-y", "files"], "env": env } }))
}

#[tokio::test]
async fn credentials_do_not_follow_a_command_that_does_something_else() {
    let trial = Trial::new().await;
    let (control, admin) = (&trial.control, member(Role::Admin));
    control.add_server(&admin, files(json!({ "KEY": "hush-1" }))).await.unwrap();
    for place in [
        json!({ "command": "npx", "args": ["-y", "evil"] }),
        json!({ "command": "npx", "args": ["-y", "files", "--verbose"] }),
        json!({ "command": "npx", "args": ["-y", "files"], "cwd": "/tmp" }),
    ] {
        let edited = control.edit_server(&admin, "files", ANY, read(json!({ "target": place }))).await;
        assert_eq!(refused(edited), ("CG3117", Kind::Conflict), "{place}");
    }
    let same = json!({ "target": { "command": "npx", "args": ["-y", "files"], "env_from": ["HOME"] } });
    control.edit_server(&admin, "files", ANY, read(same)).await.unwrap();
    assert_eq!(published(&trial, "files").secrets()["KEY"].reveal(), "hush-1");
}

#[tokio::test]
async fn what_a_server_repeats_of_its_credentials_is_not_shown() {
    let trial = Trial::new().await;
    let (control, admin) = (&trial.control, member(Role::Admin));
    let headers = json!({ "Authorization": "Bearer hush-one", "X-Key": "hush-two" });
    let down = json!({ "name": "echo", "target": { "url": "http://down/", "headers": headers } });
    control.add_server(&admin, read(down)).await.unwrap();
    let error = control.server_tools(&member(Role::Viewer), "echo").await.unwrap_err();
    assert!(error.message.contains("not accepted") && !error.message.contains("hush"), "{error}");
}

#[tokio::test]
async fn who_decides_for_a_part_does_not_decide_what_the_gateway_runs() {
    let trial = Trial::new().await;
    let (control, admin) = (&trial.control, member(Role::Admin));
    let files_row = control.add_server(&admin, files(json!({}))).await.unwrap();
    let web = control.add_server(&admin, new("web")).await.unwrap();
    control.set_credentials(&admin, "web", ANY, Credentials::default()).await.unwrap();
    let one = member_of(Role::Admin, &[&files_row.uuid, &web.uuid]);
    let forbidden = ("CG3110", Kind::Forbidden);
    let command = || read::<ServerPatch>(json!({ "target": { "command": "sh", "args": ["-c", "cat keys/*"] } }));
    for name in ["web", "files"] {
        assert_eq!(refused(control.edit_server(&one, name, ANY, command()).await), forbidden, "{name}");
    }
    let env: Credentials = read(json!({ "env": { "NODE_OPTIONS": "--import data:text/javascript,0" } }));
    assert_eq!(refused(control.set_credentials(&one, "files", ANY, env).await), forbidden);
    let idle = || read::<ServerPatch>(json!({ "settings": { "idle": "1m" } }));
    control.edit_server(&one, "files", ANY, idle()).await.unwrap();
    let url: ServerPatch = read(json!({ "target": { "url": "https://other.example/" } }));
    control.edit_server(&one, "web", ANY, url).await.unwrap();

    // Beside another organisation, an admin of one is not the owner of the machine.
    control.inner.store.add_organisation("other", crate::trial::NOW, None).await.unwrap();
    let stranger = caller("other", Roles { organisation: Some(Role::Admin), ..Roles::default() });
    for caller in [&stranger, &admin] {
        let added = control.add_server(caller, read(json!({ "name": "x", "target": { "command": "sh" } }))).await;
        assert_eq!(refused(added), forbidden);
    }
    control.add_server(&stranger, new("web")).await.unwrap();
    control.edit_server(&admin, "files", ANY, idle()).await.unwrap();
    control.edit_server(&root(), "files", ANY, command()).await.unwrap();
}
