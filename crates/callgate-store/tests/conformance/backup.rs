//! Backups: the same from either database into either, of one moment, whole or refused.

use crate::approvals::{question, told, yes};
use crate::place::{Place, credential, definition, grant, member, policy, server, version, webhook};
use callgate_store::{ApprovalState, Claim, Credential, CredentialKind, Grant, Policy, Server, Store, StoreError};

/// What a backup holds.
pub const TABLES: [&str; 13] = [
    "organisations",
    "meta",
    "servers",
    "policies",
    "policy_versions",
    "grants",
    "grant_use",
    "definitions",
    "members",
    "credentials",
    "webhooks",
    "approvals",
    "outbox",
];

/// A store with something in every table.
async fn furnished(place: &Place) -> Store {
    let store = place.store().await;
    for organisation in ["acme", "other"] {
        let own = |id: &str| format!("{id}_{organisation}");
        let mut change = store.begin(organisation).await.unwrap();
        change.insert(&server("s1", "kernel")).await.unwrap();
        change
            .insert(&Server { sealed: (0..=255).collect(), ..server("s2", "user \"land\" \u{1F980}\n") })
            .await
            .unwrap();
        change.insert(&policy("p_1", Some("s1"), "default")).await.unwrap();
        change.insert(&policy("p_2", None, "baseline")).await.unwrap();
        for number in 1..=3 {
            change.insert(&version("p_1", number)).await.unwrap();
        }
        change.update(&Policy { current: 3, ..policy("p_1", Some("s1"), "default") }).await.unwrap();
        let attached = Grant { policy: Some("p_1".to_owned()), previous: None, ..grant(&own("g_1"), "s1", "ada") };
        change.insert(&attached).await.unwrap();
        change.insert(&grant(&own("g_2"), "s2", "bob")).await.unwrap();
        change.insert(&member("m_1", "ada")).await.unwrap();
        change.insert(&webhook("w_1", "chat")).await.unwrap();
        change.insert(&definition("s1", "exec")).await.unwrap();
        change.insert(&credential(&own("c_1"), CredentialKind::Token, None)).await.unwrap();
        change.record(r#"{"what":"server add"}"#.to_owned()).await.unwrap();
        change.commit().await.unwrap();
        store.ask(&question(&own("a_1"), "g_1"), &told(organisation), 20).await.unwrap();
        let mut change = store.begin(organisation).await.unwrap();
        change.remove::<Server>("s2", 70).await.unwrap();
        change.commit().await.unwrap();
    }
    store.put_meta("keys", &[0, 159, 146, 150]).await.unwrap();
    store.put_meta("empty", &[]).await.unwrap();
    store.grants_used(&[("g_1_acme".to_owned(), 123)]).await.unwrap();
    store.claim("key", "digest", 1).await.unwrap();
    store.remember("key", "digest", b"not in a backup").await.unwrap();
    store
}

async fn dump(store: &Store) -> String {
    let mut text = Vec::new();
    let rows = store.dump(&mut text, |_| ()).await.unwrap();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.lines().count() as u64, rows + 2);
    text
}

async fn restore(place: &Place, backup: &str) -> Result<Store, StoreError> {
    Store::restore(&place.url, &mut backup.as_bytes(), |_| ()).await
}

pub async fn a_backup_is_the_same_in_both_databases(place: Place) {
    let backup = dump(&furnished(&place).await).await;
    for table in TABLES {
        assert!(backup.contains(&format!("\n{{\"{table}\":{{")), "nothing of `{table}`");
    }
    for target in [Place::sqlite(), Place::postgres()] {
        let mut told = Vec::new();
        let restored = Store::restore(&target.url, &mut backup.as_bytes(), |rows| told.push(rows)).await.unwrap();
        assert_eq!(told, [backup.lines().count() as u64 - 2]);
        assert_eq!(dump(&restored).await, backup);
        let found = restored.reads("acme").get::<Grant>("g_1_acme").await.unwrap().unwrap();
        assert_eq!((found.record.policy.as_deref(), found.changed), (Some("p_1"), 1));
        assert_eq!(restored.last_used(&["g_1_acme".to_owned()]).await.unwrap(), [("g_1_acme".to_owned(), 123)]);
        assert_eq!(restored.meta("empty").await.unwrap(), Some(Vec::new()));
        assert_eq!(restored.claim("key", "digest", 1).await.unwrap(), Claim::Taken);
        assert_eq!(restored.begin("acme").await.unwrap().generation(), 3, "it goes on where it was");
    }
}

pub async fn a_backup_is_of_one_moment(place: Place) {
    let store = furnished(&place).await;
    let before = dump(&store).await;
    // Holds one line at a time, so that the backup waits in its middle.
    let (mut writer, reader) = tokio::io::duplex(64);
    let writing = {
        let store = store.clone();
        tokio::spawn(async move { store.dump(&mut writer, |_| ()).await })
    };
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(reader));
    let mut text = lines.next_line().await.unwrap().unwrap() + "\n";
    let mut change = store.begin("acme").await.unwrap();
    change.remove::<Server>("s1", 80).await.unwrap();
    change.commit().await.unwrap();
    store.add_organisation("zoo", 9, None).await.unwrap();
    while let Some(line) = lines.next_line().await.unwrap() {
        text.push_str(&line);
        text.push('\n');
    }
    writing.await.unwrap().unwrap();
    assert_eq!(text, before);
    assert_ne!(dump(&store).await, before);
}

pub async fn what_is_no_backup_is_refused(place: Place) {
    let good = dump(&furnished(&place).await).await;
    let target = place.another();
    let schema: i64 = good.split_once("\"schema\":").unwrap().1.split_once('}').unwrap().0.parse().unwrap();
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let without = |line: usize| lines.iter().enumerate().filter(|(at, _)| *at != line).map(|(_, text)| *text).collect();
    let last = lines.len() - 1;
    let with = |line: &str| format!("{}{line}\n", lines[..last].concat());
    let none = "it does not begin as a backup of callgate does; give a file that `callgate backup` made";
    let cut = "it was cut off: its last line is missing; give the whole file";
    let changed = "it was changed: its last line does not fit; give the file as it was written";
    let line = |number: usize, why: &str| format!("line {number}: {why}; give the file as it was written");
    let later = schema + 1;
    let cases: Vec<(String, String)> = vec![
        (String::new(), none.to_owned()),
        ("SQLite format 3\0".to_owned(), line(1, "it was cut off, or is far too long")),
        (without(0), none.to_owned()),
        (
            good.replace("\"callgate_backup\":1", "\"callgate_backup\":2"),
            "it has form 2, this version of callgate knows 1; use a newer version".to_owned(),
        ),
        (
            good.replace(&format!("\"schema\":{schema}"), &format!("\"schema\":{later}")),
            format!(
                "it has schema {later}, this version of callgate knows {schema}; restore it with the newer version"
            ),
        ),
        (without(last), cut.to_owned()),
        (without(last - 1), changed.to_owned()),
        (good.replace("kernel", "colonel"), changed.to_owned()),
        (good.trim_end().to_owned(), line(last + 1, "it was cut off, or is far too long")),
        (format!("{good}{{}}\n"), line(last + 2, "it comes after the end")),
        (with("nonsense"), line(last + 1, "it is no JSON")),
        (with("{}"), line(last + 1, "it is no row")),
        (with("{\"a\":{},\"b\":{}}"), line(last + 1, "it is no row")),
        (with("{\"schema_version\":{\"version\":9}}"), line(last + 1, "it is no row of a table")),
        (with("{\"servers\":[]}"), line(last + 1, "it is no row of a table")),
        (with("{\"meta\":{}}"), line(last + 1, "it has a column that no table has")),
        (with("{\"meta\":{\"name) --\":\"x\"}}"), line(last + 1, "it has a column that no table has")),
        (with("{\"meta\":{\"name\":true}}"), line(last + 1, "a value is of no kind that rows have")),
        (with("{\"meta\":{\"name\":1.5}}"), line(last + 1, "a number is out of range")),
        (with("{\"meta\":{\"value\":{\"base64\":\"!\"}}}"), line(last + 1, "a value is no bytes in Base64")),
    ];
    for (backup, expected) in cases {
        let error = restore(&target, &backup).await.unwrap_err();
        assert_eq!(error.to_string(), format!("CG3107: the backup can't be restored: {expected}"));
    }
    let twice = good.replacen(lines[1], &lines[1].repeat(2), 1);
    let error = restore(&target, &twice).await.unwrap_err().to_string();
    assert!(error.starts_with("CG3107: the backup can't be restored: line 3: "), "{error}");
    assert!(!error.contains("acme"), "no values: {error}");
    // What was refused left nothing behind.
    assert_eq!(dump(&restore(&target, &good).await.unwrap()).await, good);
}

pub async fn only_an_empty_database_is_restored_into(place: Place) {
    let store = furnished(&place).await;
    let good = dump(&store).await;
    let expected = "CG3107: the backup can't be restored: the database is not empty; give a new one";
    assert_eq!(restore(&place, &good).await.unwrap_err().to_string(), expected);
    assert_eq!(dump(&store).await, good);
    let target = place.another();
    target.open().await.put_meta("key", b"value").await.unwrap();
    assert_eq!(restore(&target, &good).await.unwrap_err().to_string(), expected);
    // Opened before, and nothing put into it.
    let target = place.another();
    target.open().await;
    assert_eq!(dump(&restore(&target, &good).await.unwrap()).await, good);
    // Of two at once, one restores.
    let target = place.another();
    let (first, second) = tokio::join!(restore(&target, &good), restore(&target, &good));
    assert_ne!(first.is_ok(), second.is_ok());
    assert_eq!(dump(&target.open().await).await, good);
}

pub async fn a_yes_of_before_is_good_for_nothing(place: Place) {
    let store = furnished(&place).await;
    let mut change = store.begin("acme").await.unwrap();
    assert!(change.answer_approval(&yes("a_1_acme", 500)).await.unwrap());
    change.commit().await.unwrap();
    let (target, backup) = (place.another(), dump(&store).await);
    let (mut seen, mut bytes) = (Vec::new(), backup.as_bytes());
    let restored = Store::restore(&target.url, &mut bytes, |_| {
        // The rows are there, and it is killed now, say.
        let states = target.sql("SELECT DISTINCT state FROM approvals");
        seen = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(states));
        seen.sort();
    });
    let restored = restored.await.unwrap();
    assert_eq!(seen, ["expired", "pending"]);
    let state = async |organisation: &str| {
        let id = format!("a_1_{organisation}");
        restored.reads(organisation).approval(&id).await.unwrap().unwrap().state
    };
    // It may have been used since, elsewhere.
    assert_eq!(state("acme").await, ApprovalState::Expired);
    assert_eq!(state("other").await, ApprovalState::Pending);
}

pub async fn links_and_sessions_of_before_let_nobody_in(place: Place) {
    let store = furnished(&place).await;
    for organisation in ["acme", "other"] {
        let mut change = store.begin(organisation).await.unwrap();
        for (id, kind) in [("c_2", CredentialKind::Link), ("c_3", CredentialKind::Session)] {
            change.insert(&credential(&format!("{id}_{organisation}"), kind, Some("m_1"))).await.unwrap();
        }
        change.commit().await.unwrap();
    }
    let (target, backup) = (place.another(), dump(&store).await);
    let (mut seen, mut bytes) = (Vec::new(), backup.as_bytes());
    let restored = Store::restore(&target.url, &mut bytes, |_| {
        // The rows are there, and it is killed now, say.
        let kinds = target.sql("SELECT DISTINCT kind FROM credentials");
        seen = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(kinds));
    });
    let restored = restored.await.unwrap();
    assert_eq!(seen, ["token"]);
    for organisation in ["acme", "other"] {
        // They may have been used or ended since, elsewhere.
        let left = restored.reads(organisation).changed_since::<Credential>(Some(-1)).await.unwrap();
        let kinds: Vec<_> = left.iter().map(|stored| stored.record.kind).collect();
        assert_eq!(kinds, [CredentialKind::Token]);
    }
}

/// A backup that schema 1 made: every later version reads it.
const SCHEMA_1: &str = include_str!("backup-schema-1.jsonl");

pub async fn old_backups_can_be_restored(place: Place) {
    let store = restore(&place, SCHEMA_1).await.unwrap();
    let rows = |text: &str| text.lines().count();
    // But for a session in each organisation, which nobody may come in by.
    assert!(rows(&dump(&store).await) >= rows(SCHEMA_1) - 2);
    let found = store.reads("acme").get::<Grant>("g_1_acme").await.unwrap().unwrap();
    let made = Grant {
        policy: Some("p_1".to_owned()),
        previous: None,
        minted_by: None,
        rotated_by: None,
        ..grant("g_1_acme", "s1", "ada")
    };
    assert!(found.record == made);
    let versions = store.reads("acme").in_force(None).await.unwrap();
    assert_eq!(versions.iter().map(|it| &it.record).collect::<Vec<_>>(), [&version("p_1", 3)]);
}
