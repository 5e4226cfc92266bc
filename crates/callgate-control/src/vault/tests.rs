use super::*;
use crate::precondition::Precondition;
use crate::secret::Secret;
use crate::trial::{ALLOW, Trial, grant, member, policy, root, version};
use callgate_store::{Role, Server};
use serde_json::json;
use std::os::unix::fs::MetadataExt;

const ONE: &str = "1:0101010101010101010101010101010101010101010101010101010101010101";
const TWO: &str = "2:0202020202020202020202020202020202020202020202020202020202020202";

const PLACE: Place<'_> = Place { organisation: "o", table: "server", record: "r", field: "f" };

async fn vault(text: &str) -> Result<Vault, Error> {
    Vault::load(KeySource::Environment(Secret::new(text.to_owned()))).await
}

#[tokio::test]
async fn a_secret_opens_in_its_own_place_only() {
    let vault = vault(ONE).await.unwrap();
    let sealed = vault.seal(PLACE, b"hush").unwrap();
    assert_eq!(&**vault.open(PLACE, sealed.version, &sealed.bytes).unwrap(), b"hush");
    assert_ne!(vault.seal(PLACE, b"hush").unwrap().bytes, sealed.bytes);
    for elsewhere in [
        Place { organisation: "p", ..PLACE },
        Place { table: "member", ..PLACE },
        Place { record: "s", ..PLACE },
        Place { field: "g", ..PLACE },
        Place { organisation: "oserve", table: "r", ..PLACE },
    ] {
        assert_eq!(vault.open(elsewhere, 1, &sealed.bytes).unwrap_err().code, "CG3114", "{elsewhere:?}");
    }
    for at in 0..sealed.bytes.len() {
        let mut changed = sealed.bytes.clone();
        changed[at] ^= 1;
        assert_eq!(vault.open(PLACE, 1, &changed).unwrap_err().code, "CG3114");
        assert_eq!(vault.open(PLACE, 1, &sealed.bytes[..at]).unwrap_err().code, "CG3114");
    }
    assert_eq!(vault.open(PLACE, 2, &sealed.bytes).unwrap_err().code, "CG3113");
    assert_eq!(Sealed::from_bytes(&sealed.to_bytes()), Some(sealed));
}

#[tokio::test]
async fn the_highest_version_seals_and_all_of_them_open() {
    let before = vault(ONE).await.unwrap().seal(PLACE, b"hush").unwrap();
    let vault = vault(&format!("# kept in the safe\n\n{TWO}\n  {ONE}  \n")).await.unwrap();
    assert_eq!((before.version, vault.version(), vault.seal(PLACE, b"").unwrap().version), (1, 2, 2));
    assert_eq!(&**vault.open(PLACE, 1, &before.bytes).unwrap(), b"hush");
}

#[tokio::test]
async fn text_that_is_no_key_is_refused_without_being_quoted() {
    for (text, part) in [
        ("", "there is no key in it"),
        ("4711", "line 1 is not `VERSION:KEY`"),
        ("x:4711", "line 1 begins with no version"),
        ("0:4711", "line 1 begins with no version"),
        ("1:4711", "line 1 has no key"),
        (&format!("{ONE}\n{ONE}"), "line 2 repeats a version"),
    ] {
        let error = vault(text).await.unwrap_err();
        assert_eq!(error.code, "CG3111");
        assert!(error.message.contains(part) && !error.message.contains("4711"), "{error}");
    }
}

#[tokio::test]
async fn a_command_prints_the_keys() {
    let run = async |script: &str| {
        let words = ["sh", "-c", script].map(str::to_owned).to_vec();
        Vault::load(KeySource::Command(words)).await.map(|vault| vault.version()).map_err(|error| error.message)
    };
    assert_eq!(run(&format!("echo '{ONE}'; echo '{TWO}'")).await, Ok(2));
    let failed = run(&format!("echo '{ONE}'; exit 3")).await.unwrap_err();
    assert!(failed.contains("`sh`") && failed.contains("exit status: 3") && !failed.contains("0101"), "{failed}");
    let missing = Vault::load(KeySource::Command(vec!["/nowhere/at/all".to_owned()])).await.unwrap_err();
    assert!(missing.message.contains("can't be run"), "{missing}");
}

#[tokio::test]
async fn the_first_key_is_made_once_and_for_nobody_else() {
    let trial = Trial::new().await;
    let file = std::fs::metadata(trial.key_file()).unwrap();
    assert_eq!(file.mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(trial.key_file()).unwrap();
    let trial = trial.restart().await;
    assert_eq!(std::fs::read_to_string(trial.key_file()).unwrap(), text);
}

#[tokio::test]
async fn a_key_that_is_missing_or_wrong_stops_the_start() {
    let trial = Trial::new().await;
    let path = trial.key_file();
    let text = std::fs::read_to_string(&path).unwrap();
    let journal = Arc::clone(&trial.journal);
    std::fs::remove_file(&path).unwrap();
    let (directory, error) = trial.try_restart().await.err().unwrap();
    assert_eq!(error.code, "CG3113");
    assert!(!path.exists());
    std::fs::write(&path, ONE).unwrap();
    let restart = Trial::on(directory, Arc::clone(&journal)).await;
    let (directory, error) = restart.err().unwrap();
    assert_eq!(error.code, "CG3112");
    assert!(error.remedy.contains("backup"), "{error:?}");
    std::fs::write(&path, text).unwrap();
    Trial::on(directory, journal).await.map_err(|(_, error)| error).unwrap();
}

#[tokio::test]
async fn of_two_that_start_at_once_with_other_keys_one_starts() {
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("callgate.db").display());
        let store = callgate_store::Store::open(&url).await.unwrap();
        let other_one = ONE.replace("01", "03");
        let (one, other) = (vault(ONE).await.unwrap(), vault(&other_one).await.unwrap());
        let (first, second) = tokio::join!(one.prove(&store), other.prove(&store));
        let loser = match (first, second) {
            (Ok(()), Err(error)) | (Err(error), Ok(())) => error,
            both => panic!("{both:?}"),
        };
        assert_eq!(loser.code, "CG3112");
    }
}

/// A trial with two servers that have credentials, and one that has none.
async fn three_servers() -> Trial {
    let trial = Trial::new().await;
    for (name, target) in [
        ("a", json!({ "url": "http://a/", "headers": { "X": "hush-a" } })),
        ("b", json!({ "command": "b", "env": { "X": "hush-b" } })),
        ("c", json!({ "url": "http://c/" })),
    ] {
        let new = serde_json::from_value(json!({ "name": name, "target": target })).unwrap();
        trial.control.add_server(&root(), new).await.unwrap();
    }
    trial
}

async fn record(trial: &Trial, name: &str) -> Server {
    trial.control.inner.store.reads("default").named::<Server>(None, name).await.unwrap().unwrap().record
}

/// What the data plane gets as the value of `X`.
fn value(trial: &Trial, name: &str) -> Option<String> {
    let configuration = trial.control.configuration();
    let servers = &configuration.borrow().servers;
    let server = servers.iter().find(|server| server.name == name).unwrap();
    server.target.secrets().get("X").map(|secret| secret.reveal().to_owned())
}

#[tokio::test]
async fn keys_are_changed_while_serving() {
    let trial = three_servers().await;
    let refused = trial.control.rotate_keys(&member(Role::Admin)).await.unwrap_err();
    assert_eq!(refused.code, "CG3110");
    let before = trial.control.configuration().borrow().servers.clone();
    let rotated = trial.control.rotate_keys(&root()).await.unwrap();
    assert_eq!(rotated, Rotated { version: 2, resealed: 2, no_longer_needed: vec![1], ..Rotated::default() });
    assert_eq!((record(&trial, "a").await.key_version, record(&trial, "c").await.key_version), (2, 0));
    // Nothing changed for the data plane, so nothing is made anew there.
    let after = trial.control.configuration().borrow().servers.clone();
    assert!(after.iter().all(|server| before.iter().any(|old| Arc::ptr_eq(old, server))));
    assert_eq!(trial.journal.words().last().unwrap(), "keys rotate keys");
    // The old key may go now.
    let text = std::fs::read_to_string(trial.key_file()).unwrap();
    std::fs::write(trial.key_file(), text.lines().find(|line| line.starts_with("2:")).unwrap()).unwrap();
    let trial = trial.restart().await;
    assert_eq!((value(&trial, "a").as_deref(), value(&trial, "b").as_deref()), (Some("hush-a"), Some("hush-b")));
    assert_eq!(trial.control.rotate_keys(&root()).await.unwrap().version, 3);
}

#[tokio::test]
async fn a_new_key_is_on_record_where_nothing_was_sealed_yet() {
    let trial = Trial::new().await;
    let rotated = trial.control.rotate_keys(&root()).await.unwrap();
    assert_eq!((rotated.version, rotated.resealed), (2, 0));
    let bodies = trial.journal.bodies();
    let said: Vec<_> = bodies.iter().map(|body| (&body["what"], &body["after"], &body["who"])).collect();
    let after = serde_json::json!({ "version": 2, "resealed": 0 });
    assert_eq!(said, [(&"keys rotate".into(), &after, &"token:admin".into())]);
}

#[tokio::test]
async fn an_end_between_any_two_steps_of_a_rotation_leaves_everything_readable() {
    // After the file has another key, after the store knows of it, and after some records are sealed with it.
    for done in 0..3 {
        let trial = three_servers().await;
        let vault = &trial.control.inner.vault;
        let store = &trial.control.inner.store;
        assert!(vault.source.add(2).unwrap());
        if done > 0 {
            let keys = vault.source.read().await.unwrap().unwrap();
            vault.take(store, keys).await.unwrap();
        }
        if done > 1 {
            let mut server = record(&trial, "a").await;
            let place = Place::of_server("default", &server.id);
            let plain = vault.open(place, 1, &server.sealed).unwrap();
            let sealed = vault.seal(place, &plain).unwrap();
            (server.sealed, server.key_version) = (sealed.bytes, sealed.version);
            let mut change = store.begin("default").await.unwrap();
            change.update(&server).await.unwrap();
            change.commit().await.unwrap();
        }
        let trial = trial.restart().await;
        assert_eq!((value(&trial, "a").as_deref(), value(&trial, "b").as_deref()), (Some("hush-a"), Some("hush-b")));
        let rotated = trial.control.rotate_keys(&root()).await.unwrap();
        assert_eq!((rotated.version, rotated.resealed, rotated.unreadable.len()), (3, 2, 0), "{done}");
    }
}

#[tokio::test]
async fn a_key_that_is_still_needed_cannot_be_taken_away() {
    let trial = three_servers().await;
    std::fs::write(trial.key_file(), TWO).unwrap();
    let error = trial.control.rotate_keys(&root()).await.unwrap_err();
    assert_eq!(error.code, "CG3113");
    // Everything goes on with the keys from before.
    assert_eq!(trial.control.inner.vault.version(), 1);
    let credentials = serde_json::from_value(json!({ "headers": { "X": "hush-2" } })).unwrap();
    trial.control.set_credentials(&root(), "a", Precondition::Present, credentials).await.unwrap();
    assert_eq!(value(&trial, "a").as_deref(), Some("hush-2"));
}

#[tokio::test]
async fn credentials_of_another_record_do_not_open_and_every_call_is_refused() {
    let trial = three_servers().await;
    let (one, other) = (record(&trial, "a").await, record(&trial, "b").await);
    let store = &trial.control.inner.store;
    let mut change = store.begin("default").await.unwrap();
    change.update(&Server { sealed: other.sealed.clone(), ..one.clone() }).await.unwrap();
    change.insert(&policy("p_1", &one.id)).await.unwrap();
    change.insert(&version("p_1", 1, ALLOW)).await.unwrap();
    for (id, policy) in [("g_1", Some("p_1")), ("g_2", None)] {
        change.insert(&grant(id, &one.id, policy)).await.unwrap();
    }
    change.commit().await.unwrap();
    trial.control.publish().await.unwrap();
    assert_eq!(value(&trial, "a"), None);
    let why = |trial: &Trial| {
        let configuration = trial.control.configuration();
        let grants = &configuration.borrow().grants;
        let grant = grants.iter().find(|grant| grant.id == "g_1").unwrap();
        grant.policy.as_ref().unwrap().policy.broken().map(str::to_owned)
    };
    assert!(why(&trial).unwrap().contains("CG3114"), "{:?}", why(&trial));
    assert_eq!(trial.control.server_tools(&root(), "a").await.unwrap_err().code, "CG3114");
    let rotated = trial.control.rotate_keys(&root()).await.unwrap();
    assert_eq!(rotated.unreadable, ["default/a"]);
    // The way out.
    let credentials = serde_json::from_value(json!({ "headers": { "X": "hush-2" } })).unwrap();
    trial.control.set_credentials(&root(), "a", Precondition::Present, credentials).await.unwrap();
    assert_eq!((value(&trial, "a").as_deref(), why(&trial)), (Some("hush-2"), None));
}

#[tokio::test]
async fn another_process_changes_the_key_and_this_one_follows() {
    let trial = three_servers().await;
    // The other process adds a key to the file that both read, and seals a record with it.
    let other = Vault::load(KeySource::File(trial.key_file())).await.unwrap();
    other.source.add(2).unwrap();
    let other = Vault::load(KeySource::File(trial.key_file())).await.unwrap();
    let mut server = record(&trial, "a").await;
    let sealed = other.seal(Place::of_server("default", &server.id), br#"{"X":"hush-2"}"#).unwrap();
    (server.sealed, server.key_version) = (sealed.bytes, sealed.version);
    let mut change = trial.control.inner.store.begin("default").await.unwrap();
    change.update(&server).await.unwrap();
    change.commit().await.unwrap();
    trial.control.publish().await.unwrap();
    assert_eq!((value(&trial, "a").as_deref(), trial.control.inner.vault.version()), (Some("hush-2"), 2));
}
