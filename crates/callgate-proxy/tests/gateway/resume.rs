//! Streams that are taken up again, where the gateway is the HTTP server and where the upstream is.

use crate::child::{SERVER, call};
use crate::http::{Answer, Open};
use crate::upstream::{Upstream, decent, events};
use crate::world::{SECOND_TOKEN, TOKEN, World, http_upstream, post, script};
use std::process::Command;
use tokio::net::TcpStream;

const LIST: &str = r#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#;
const PING: &str = r#"{"jsonrpc":"2.0","id":4,"method":"ping"}"#;
const POKE: &str = r#"{"jsonrpc":"2.0","method":"notifications/poke"}"#;
const ROOTS: &str = r#"{"jsonrpc":"2.0","id":"q1","result":{"roots":[]}}"#;

fn get(token: &str, session: &str, last: Option<&str>) -> Vec<u8> {
    let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
    format!(
        "GET /mcp/one HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n\
         Mcp-Session-Id: {session}\r\n{last}Connection: close\r\n\r\n"
    )
    .into_bytes()
}

async fn come_back(world: &World, session: &str, last: &str) -> Answer {
    world.raw(&get(TOKEN, session, Some(last))).await
}

/// The id of the last event in what was read so far.
fn last_id(text: &str) -> String {
    text.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap_or_else(|| panic!("no id: {text}")).to_owned()
}

#[tokio::test]
async fn a_client_that_lost_its_call_comes_back_for_the_answer() {
    let world = World::new(script(SERVER)).await;
    let session = world.session().await;
    let headers = [("Mcp-Session-Id", session.as_str())];
    let mut lost = Open::new(world.address, &post(TOKEN, &headers, call("ask").as_bytes())).await;
    let primed = lost.until("data: \n\n").await;
    assert!(primed.contains("retry: 1000\n") && primed.contains("text/event-stream"), "{primed}");
    let asked = last_id(&lost.until("roots/list").await);
    assert_ne!(asked, last_id(&primed));
    drop(lost);
    // The call goes on without its client, and takes its answers from elsewhere.
    assert_eq!(world.post(&headers, ROOTS).await.status, 202);
    let rest = come_back(&world, &session, &asked).await;
    assert_eq!(rest.events().len(), 1, "the response, and once: {rest:?}");
    assert_eq!((rest.response()["id"].as_str(), &rest.response()["result"]["asked"]), (Some("mine"), &true.into()));
    // From the start, all of it comes again; behind the end, nothing does.
    let all = come_back(&world, &session, &last_id(&primed)).await;
    assert_eq!(all.events().iter().map(|event| event["method"].is_string()).collect::<Vec<_>>(), [true, false]);
    assert_eq!(all.ids(), [asked, rest.ids()[0].clone()]);
    let nothing = come_back(&world, &session, &rest.ids()[0]).await;
    assert_eq!((nothing.status, nothing.text().as_str()), (200, ""));
    let memory = world.stop().await;
    let calls = memory.decisions().iter().filter(|decision| decision["tool"] == "safe").count();
    assert_eq!(calls, 1, "to come back is no call");
}

#[tokio::test]
async fn who_comes_back_early_takes_the_live_stream_over() {
    let world = World::new(script(SERVER)).await;
    let session = world.session().await;
    let headers = [("Mcp-Session-Id", session.as_str())];
    let mut first = Open::new(world.address, &post(TOKEN, &headers, call("ask").as_bytes())).await;
    let asked = last_id(&first.until("roots/list").await);
    // The client gave the connection up, and the gateway has not heard of it.
    let mut second = Open::new(world.address, &get(TOKEN, &session, Some(&asked))).await;
    second.until("200 OK").await;
    let cut = first.rest().await;
    assert_eq!(cut.events().len(), 1, "{cut:?}");
    assert_eq!(world.post(&headers, ROOTS).await.status, 202);
    assert_eq!(second.rest().await.response()["result"]["asked"], true);
    world.stop().await;
}

#[tokio::test]
async fn streams_do_not_mix_and_ids_are_one_sessions_own() {
    let world = World::new(script(SERVER)).await;
    let (session, other) = (world.session().await, world.session().await);
    let foreign = world.raw(&post(SECOND_TOKEN, &[], crate::world::initialize("2025-11-25").as_bytes())).await;
    let foreign = foreign.header("mcp-session-id").unwrap().to_owned();
    let send = async |session: &str| world.post(&[("Mcp-Session-Id", session)], call("progress")).await;
    let (one, two) = (send(&session).await, send(&session).await);
    assert_eq!(one.ids().len(), 3, "primed, progress, response: {one:?}");
    for answer in [&one, &two] {
        let again = come_back(&world, &session, &answer.ids()[0]).await;
        assert_eq!((again.ids().as_slice(), again.events()), (&answer.ids()[1..], answer.events()));
    }
    let mut ids: Vec<_> = one.ids().into_iter().chain(two.ids()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    // The same places in another session have other ids.
    let theirs = send(&other).await.ids();
    for (token, session, id) in [
        (TOKEN, &session, theirs[1].as_str()),
        (TOKEN, &other, ids[1].as_str()),
        (SECOND_TOKEN, &foreign, ids[1].as_str()),
        (TOKEN, &session, "7"),
        (TOKEN, &session, "../../etc/passwd"),
        (TOKEN, &session, &format!("{}9", ids[2])),
    ] {
        let refused = world.raw(&get(token, session, Some(id))).await;
        assert_eq!((refused.status, &refused.json()["error"]["data"]["code"]), (400, &"CG2038".into()), "{id}");
    }
    let twice = String::from_utf8(get(TOKEN, &session, Some(&ids[1]))).unwrap();
    let twice = twice.replace("Connection:", &format!("Last-Event-ID: {}\r\nConnection:", ids[0]));
    assert_eq!(world.raw(twice.as_bytes()).await.status, 400);
    // Another grant's session is not there at all.
    assert_eq!(world.raw(&get(SECOND_TOKEN, &session, Some(&ids[1]))).await.status, 404);
    world.stop().await;
}

#[tokio::test]
async fn a_ping_is_answered_with_json_and_older_clients_are_not_primed() {
    for (version, kind) in [("2025-11-25", "text/event-stream"), ("2025-06-18", "application/json")] {
        let world = World::new(script(&SERVER.replace("2025-11-25", version))).await;
        let session = world.session_of(TOKEN, version).await;
        let headers = [("Mcp-Session-Id", session.as_str())];
        for (body, kind) in [(PING, "application/json"), (LIST, kind), (call("plain").as_str(), kind)] {
            assert_eq!(world.post(&headers, body).await.header("content-type"), Some(kind), "{version} {body}");
        }
        // Empty data is for those who know what it means.
        let progress = world.post(&headers, call("progress")).await;
        let primed = version == "2025-11-25";
        assert_eq!(progress.text().contains("data: \n"), primed, "{progress:?}");
        let ids = progress.ids();
        assert_eq!(ids.len(), if primed { 3 } else { 2 });
        let rest = come_back(&world, &session, &ids[ids.len() - 2]).await;
        assert_eq!(rest.events().as_slice(), &progress.events()[1..]);
        world.stop().await;
    }
}

#[tokio::test]
async fn batches_are_answered_whole() {
    let world = World::new(script(&SERVER.replace("\"2025-11-25\"", "\"2025-03-26\""))).await;
    let session = world.session_of(TOKEN, "2025-03-26").await;
    let body = format!("[{LIST},{},{POKE}]", call("progress"));
    let answer = world.post(&[("Mcp-Session-Id", &session)], &body).await.json();
    let ids: Vec<_> = answer.as_array().unwrap().iter().map(|message| message["id"].clone()).collect();
    assert_eq!(ids, [serde_json::json!(3), serde_json::Value::Null, "mine".into()]);
    world.stop().await;
}

#[tokio::test]
async fn the_standalone_stream_goes_on_where_it_broke_off() {
    let world = World::new(script(SERVER)).await;
    let session = world.session().await;
    let headers = [("Mcp-Session-Id", session.as_str())];
    let mut first = Open::new(world.address, &get(TOKEN, &session, None)).await;
    let primed = last_id(&first.until("data: \n\n").await);
    world.post(&headers, POKE).await;
    let changed = last_id(&first.until("list_changed").await);
    // Another one takes its place, and so ends it.
    let mut second = Open::new(world.address, &get(TOKEN, &session, None)).await;
    let again = last_id(&second.until("data: \n\n").await);
    assert_eq!(first.rest().await.events().len(), 1);
    drop(second);
    world.post(&headers, POKE).await;
    let mut back = Open::new(world.address, &get(TOKEN, &session, Some(&again))).await;
    let text = back.until("list_changed").await;
    assert!(!text.contains("data: \n"), "primed twice: {text}");
    world.post(&headers, POKE).await;
    // Both of the time since, and nothing of the stream before.
    let ids: Vec<String> = loop {
        let seen = String::from_utf8(back.seen.clone()).unwrap();
        let ids: Vec<_> = seen.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned).collect();
        if ids.len() == 2 {
            break ids;
        }
        back.until(&format!("id: {}", next_id(ids.last().unwrap()))).await;
    };
    assert!(!ids.contains(&changed));
    // What the first stream said is still there, and ends where it ended.
    let before = come_back(&world, &session, &primed).await;
    assert_eq!((before.ids(), before.events().len()), (vec![changed], 1));
    world.stop().await;
}

/// The id of the event behind this one.
fn next_id(id: &str) -> String {
    let (stream, event) = id.rsplit_once('-').unwrap();
    format!("{stream}-{}", event.parse::<u64>().unwrap() + 1)
}

#[tokio::test]
async fn a_grant_that_was_revoked_meanwhile_gets_nothing_more() {
    let world = World::new(script(SERVER)).await;
    let session = world.session().await;
    let headers = [("Mcp-Session-Id", session.as_str())];
    let mut away = Open::new(world.address, &post(TOKEN, &headers, call("ask").as_bytes())).await;
    let asked = last_id(&away.until("roots/list").await);
    drop(away);
    let mut connected = Open::new(world.address, &get(TOKEN, &session, Some(&asked))).await;
    connected.until("200 OK").await;
    world.revoke(&["g1"]);
    assert_eq!(connected.rest().await.response()["error"]["data"]["code"], "CG2036");
    assert_eq!(come_back(&world, &session, &asked).await.status, 401);
    // The grant may be given again; the session is gone.
    while world.gate.open_sessions() > 0 {
        tokio::task::yield_now().await;
    }
    world.revoke(&[]);
    assert_eq!(come_back(&world, &session, &asked).await.status, 404);
    world.stop().await;
}

#[tokio::test]
async fn a_call_in_flight_is_answered_before_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let world = World::new(script(&SERVER.replacen("LOG=\"$1\"", &format!("GATE='{}'", gate.display()), 1))).await;
    let session = world.session().await;
    let headers = [("Mcp-Session-Id", session.as_str())];
    let mut call = Open::new(world.address, &post(TOKEN, &headers, call("wait").as_bytes())).await;
    call.until("data: \n\n").await;
    let address = world.address;
    let stopping = tokio::spawn(world.stop());
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    tokio::task::spawn_blocking(move || std::fs::write(gate, "go\n").unwrap()).await.unwrap();
    assert_eq!(call.rest().await.response()["result"]["waited"], true);
    stopping.await.unwrap();
}

#[tokio::test]
async fn an_upstreams_own_streams_are_taken_up_there() {
    let primed = "id: up-1\nretry: 5\ndata: \n\n";
    let progress = "id: up-2\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":\"tok\",\"progress\":1}}\n\n";
    let answer = "id: up-3\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"mine\",\"result\":{\"content\":[]}}\n\n";
    let upstream = Upstream::new(move |seen| match (seen.method.as_str(), seen.json()["method"].as_str()) {
        (_, Some("tools/call")) => events(&[primed.to_owned(), progress.to_owned()]),
        ("GET", _) if seen.header("last-event-id") == Some("up-2") => events(&[answer.to_owned()]),
        _ => decent(seen),
    })
    .await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    let begun = world.post(&[("Mcp-Session-Id", &session)], call("plain")).await;
    assert_eq!(begun.text(), format!("{primed}{progress}"));
    let rest = come_back(&world, &session, "up-2").await;
    assert_eq!(rest.text(), answer);
    assert_eq!(upstream.seen().pop().unwrap().header("mcp-session-id"), Some("upstream-session"));
    assert_eq!(upstream.calls(), 1);
    // What the upstream refuses is refused.
    assert_eq!(come_back(&world, &session, "up-9").await.status, 405);
    world.stop().await;
}
