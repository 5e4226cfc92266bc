//! From an address to a database: what is made, what is refused, and what no message tells.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_store::{Store, StoreError};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use testkit::Postgres;

async fn refused(url: &str) -> String {
    let error = Store::open(url).await.unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
    let text = error.to_string();
    assert!(!format!("{text}{error:?}").contains("hunter2"), "{text}");
    text
}

#[tokio::test]
async fn what_is_no_address_is_refused_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing/callgate.db").display().to_string();
    let socket = folder.path().display().to_string().replace('/', "%2F");
    for (url, shown, why) in [
        ("", "…", "it begins with neither `sqlite:` nor `postgres://`"),
        ("mysql://ada:hunter2@db/callgate", "…", "it begins with neither `sqlite:` nor `postgres://`"),
        ("hunter2", "…", "it begins with neither `sqlite:` nor `postgres://`"),
        ("sqlite:", "sqlite:", "after `sqlite:` stands the path of a file, without options"),
        ("sqlite::memory:", "sqlite::memory:", "after `sqlite:` stands the path of a file, without options"),
        (
            "sqlite:a.db?mode=memory",
            "sqlite:a.db?mode=memory",
            "after `sqlite:` stands the path of a file, without options",
        ),
        (&format!("sqlite:{missing}"), &format!("sqlite:{missing}"), "No such file or directory"),
        ("postgres://ada:hunter2@db:port/x", "postgres://…", "the address can't be understood: invalid port number"),
        ("postgres://ada:hunter2@[::1/x", "postgres://…", "the address can't be understood: invalid IPv6 address"),
        (
            "postgresql://ada:hunter2@db/x?sslmode=maybe",
            "postgresql://…",
            "the address can't be understood: unknown value",
        ),
        (
            &format!("postgres://ada:hunter2@{socket}/x?password=hunter2"),
            &format!("postgres://{socket}/x"),
            "No such file or directory",
        ),
    ] {
        let text = refused(url).await;
        let expected = format!("CG3100: the database `{shown}` can't be opened: {why}");
        assert!(text.starts_with(&expected), "{text}\n{expected}");
    }
}

#[tokio::test]
async fn a_password_that_postgres_refuses_is_not_told() {
    let server = Postgres::shared().unwrap();
    let url = server.database().unwrap();
    assert!(refused(&url.replace("postgres@", "nobody:hunter2@")).await.contains("\"nobody\" does not exist"));
    let no_database = url.replace("postgres@", "postgres:hunter2@") + "_";
    assert!(refused(&no_database).await.contains("does not exist (3D000)"));
}

#[tokio::test]
async fn another_machine_has_to_prove_itself() {
    // The server has no TLS; what asks for it gets nothing, and above all not less.
    let url = Postgres::shared().unwrap().database().unwrap();
    for mode in ["require", "verify-full"] {
        let text = refused(&format!("{url}?sslmode={mode}")).await;
        assert!(text.contains("TLS"), "{text}");
    }
    Store::open(&format!("{url}?sslmode=disable")).await.unwrap();
    Store::open(&url).await.unwrap();
}

#[tokio::test]
async fn files_are_their_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["callgate.db", "with space & 100%41#", "ü🦀.db"] {
        let path = folder.path().join(name);
        if name.contains('#') {
            assert!(refused(&format!("sqlite:{}", path.display())).await.contains("without options"));
            continue;
        }
        let store = Store::open(&format!("sqlite:{}", path.display())).await.unwrap();
        store.add_organisation("acme", 1, None).await.unwrap();
        for end in ["", "-wal", "-shm"] {
            let file = folder.path().join(format!("{name}{end}"));
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
        store.close().await;
        let again = Store::open(&format!("sqlite://{}", path.display())).await.unwrap();
        assert_eq!(again.organisations().await.unwrap().len(), 1);
    }
}

fn mode(file: &Path) -> u32 {
    file.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_store_shows_nothing_of_its_address() {
    let url = Postgres::shared().unwrap().database().unwrap().replace("postgres@", "postgres:hunter2@");
    let store = Store::open(&url).await.unwrap();
    assert_eq!(format!("{store:?}"), "Store { backend: Postgres, .. }");
    assert!(!format!("{:?}", store.reads("acme")).contains("hunter2"));
    assert!(!format!("{:?}", store.view().await.unwrap()).contains("hunter2"));
    assert!(!format!("{:?}", store.notifications(std::time::Duration::MAX)).contains("hunter2"));
}
