//! Sessions that outlive the process that opened them, and their upstream's memory; and those that don't.

use crate::child::{SERVER, call};
use crate::http::Open;
use crate::upstream::{Say, Seen, Upstream, decent, json_answer, json_type};
use crate::world::{Plan, SECOND_TOKEN, TOKEN, World, http_upstream, initialize, post, script};
use callgate_proxy::Timeouts;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","arguments":{}}}"#;
const TWICE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"twice"}}"#;
const SUBSCRIBE: &str = r#"{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"file:///a"}}"#;

fn head(method: &str, token: &str, session: &str) -> Vec<u8> {
    format!(
        "{method} /mcp/one HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n\
         Mcp-Session-Id: {session}\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

/// An upstream that knows only the session of its present life; each `forget` begins another one.
struct Forgetful {
    upstream: Upstream,
    life: Arc<AtomicUsize>,
}

impl Forgetful {
    async fn new() -> Self {
        Self::agreeing_to(|_| "2025-11-25").await
    }

    async fn agreeing_to(version: fn(usize) -> &'static str) -> Self {
        let life = Arc::new(AtomicUsize::new(1));
        let now = Arc::clone(&life);
        let upstream = Upstream::new(move |seen| {
            let life = now.load(Ordering::SeqCst);
            if seen.json()["method"] == "initialize" {
                let result = json!({ "protocolVersion": version(life), "capabilities": {} });
                let body = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "result": result });
                let id = ("mcp-session-id", format!("life-{life}"));
                return Say::Plain(200, vec![id, json_type()], body.to_string().into());
            }
            if seen.header("mcp-session-id") != Some(&format!("life-{life}")) {
                return Say::Plain(404, vec![], vec![]);
            }
            alive(seen)
        })
        .await;
        Self { upstream, life }
    }

    fn forget(&self) {
        self.life.fetch_add(1, Ordering::SeqCst);
    }

    fn initializes(&self) -> usize {
        self.upstream.seen().iter().filter(|seen| seen.json()["method"] == "initialize").count()
    }
}

fn alive(seen: &Seen) -> Say {
    match seen.json()["method"].as_str() {
        Some("tools/call") => json_answer(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#),
        _ => decent(seen),
    }
}

#[tokio::test]
async fn another_process_with_the_key_serves_the_session() {
    let upstream = Upstream::decent().await;
    let first = World::new(http_upstream(&upstream)).await;
    let session = first.session().await;
    assert!(session.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')), "{session}");
    first.stop().await;
    assert!(upstream.seen().iter().all(|seen| seen.method != http::Method::DELETE), "the upstream keeps its half");

    let next = World::new(http_upstream(&upstream)).await;
    let call = async |token: &str| next.raw(&post(token, &[("Mcp-Session-Id", &session)], CALL.as_bytes())).await;
    assert_eq!(call(SECOND_TOKEN).await.status, 404, "it is another grant's");
    assert_eq!(call(TOKEN).await.status, 200);
    assert_eq!(upstream.seen().pop().unwrap().header("mcp-session-id"), Some("upstream-session"));
    assert_eq!((next.gate.open_sessions(), next.figure("callgate_sessions_adopted_total").await), (1, 1));
    let sessions: Vec<_> =
        next.memory.decisions().iter().filter_map(|one| one["session"].as_str().map(str::to_owned)).collect();
    assert!(sessions.iter().all(|one| one.len() == 32 && !session.contains(one)), "records do not hold the id");

    assert_eq!(next.raw(&head("DELETE", TOKEN, &session)).await.status, 204);
    assert_eq!(upstream.seen().pop().unwrap().method, http::Method::DELETE);
    let reached = upstream.seen().len();
    assert_eq!(call(TOKEN).await.json()["error"]["data"]["code"], "CG2031", "what ended stays ended");
    assert_eq!(upstream.seen().len(), reached);
    next.stop().await;
}

#[tokio::test]
async fn a_sealed_id_is_nothing_without_its_key_its_place_and_every_byte() {
    let (upstream, elsewhere) = (Upstream::decent().await, Upstream::decent().await);
    let first = World::new(http_upstream(&upstream)).await;
    let session = first.session().await;
    first.stop().await;
    let reached = upstream.seen().len();
    let mut changed = session.clone().into_bytes();
    changed[40] = if changed[40] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    let plans = [
        (9, http_upstream(&upstream), &changed),
        (8, http_upstream(&upstream), &session),
        (9, http_upstream(&elsewhere), &session),
    ];
    for (seal, place, id) in plans {
        let world = World::planned(place, Plan { seal, ..Plan::default() }).await;
        assert_eq!(world.post(&[("Mcp-Session-Id", id)], CALL).await.json()["error"]["data"]["code"], "CG2031");
        assert_eq!(world.raw(&head("GET", TOKEN, id)).await.status, 404);
        assert_eq!(world.gate.open_sessions(), 0);
        world.stop().await;
    }
    assert_eq!((upstream.seen().len(), elsewhere.seen().len()), (reached, 0));
}

#[tokio::test]
async fn a_session_on_a_process_lives_with_it() {
    let first = World::new(script(SERVER)).await;
    let session = first.session().await;
    first.stop().await;
    let next = World::new(script(SERVER)).await;
    assert_eq!(next.post(&[("Mcp-Session-Id", &session)], call("plain")).await.status, 404);
    next.stop().await;
}

#[tokio::test]
async fn adopted_sessions_count_like_others() {
    let upstream = Upstream::decent().await;
    let first = World::new(http_upstream(&upstream)).await;
    let (one, two) = (first.session().await, first.session().await);
    first.stop().await;
    let options = callgate_proxy::Options { max_sessions_per_grant: 1, workers: 1, ..Plan::default().options };
    let next = World::planned(http_upstream(&upstream), Plan { options, ..Plan::default() }).await;
    assert_eq!(next.post(&[("Mcp-Session-Id", &one)], CALL).await.status, 200);
    assert_eq!(next.post(&[("Mcp-Session-Id", &two)], CALL).await.json()["error"]["data"]["code"], "CG2032");
    next.stop().await;
}

#[tokio::test]
async fn a_forgotten_session_is_opened_again_and_nobody_notices() {
    let server = Forgetful::new().await;
    let world = World::new(http_upstream(&server.upstream)).await;
    let session = world.session().await;
    let ask = async || world.post(&[("Mcp-Session-Id", &session)], TWICE).await;
    assert_eq!(ask().await.status, 200);
    server.forget();
    let answer = ask().await;
    assert_eq!((answer.status, answer.json()["result"]["isError"].as_bool()), (200, None), "{answer:?}");
    assert_eq!(ask().await.json()["result"]["isError"], true, "two calls ran, so the third is too many");
    assert_eq!((server.initializes(), world.figure("callgate_sessions_reopened_total").await), (2, 1));
    let again = server.upstream.seen().into_iter().rfind(|seen| seen.json()["method"] == "initialize").unwrap();
    assert_eq!(String::from_utf8(again.body).unwrap(), initialize("2025-11-25"), "the client's own words");
    let notes: Vec<_> = server
        .upstream
        .seen()
        .iter()
        .filter(|seen| seen.json()["method"] == "notifications/initialized")
        .cloned()
        .collect();
    assert_eq!(notes[0].header("mcp-session-id"), Some("life-2"));
    assert_eq!(notes[0].header("mcp-protocol-version"), Some("2025-11-25"));

    // Whatever left has its own record, and the call that did not run is not charged.
    let memory = world.stop().await;
    let methods: Vec<String> =
        memory.decisions().iter().map(|one| one["method"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        methods,
        [
            "initialize",
            "tools/call",
            "tools/call",
            "(initialize again)",
            "(initialized again)",
            "tools/call",
            "tools/call"
        ]
    );
    let given_back = memory.outcomes().iter().filter(|outcome| outcome["kept"] == false).count();
    assert_eq!(given_back, 1, "{:?}", memory.outcomes());
}

#[tokio::test]
async fn many_who_notice_at_once_open_it_once() {
    let server = Forgetful::new().await;
    let world = World::new(http_upstream(&server.upstream)).await;
    let session = world.session().await;
    server.forget();
    let headers = [("Mcp-Session-Id", session.as_str())];
    let answers = tokio::join!(
        world.post(&headers, CALL),
        world.post(&headers, CALL),
        world.post(&headers, CALL),
        world.post(&headers, CALL),
        world.post(&headers, r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#),
    );
    assert_eq!(
        (answers.0.status, answers.1.status, answers.2.status, answers.3.status, answers.4.status),
        (200, 200, 200, 200, 202)
    );
    assert_eq!(server.initializes(), 2);
    world.stop().await;
}

#[tokio::test]
async fn a_stream_that_begins_opens_it_again_too() {
    let server = Forgetful::new().await;
    let world = World::new(http_upstream(&server.upstream)).await;
    let session = world.session().await;
    server.forget();
    // The upstream has no streams, and says so in the session of its new life.
    assert_eq!(world.raw(&head("GET", TOKEN, &session)).await.status, 405);
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], CALL).await.status, 200);
    server.forget();
    let resuming = String::from_utf8(head("GET", TOKEN, &session)).unwrap();
    let resuming = resuming.replace("Connection: close", "Last-Event-ID: 7\r\nConnection: close");
    assert_eq!(world.raw(resuming.as_bytes()).await.status, 404, "what it would go on with is lost");
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], CALL).await.status, 404);
    world.stop().await;
}

#[tokio::test]
async fn what_would_be_missed_ends_a_forgotten_session() {
    let task = CALL.replace("\"arguments\":{}", "\"arguments\":{},\"task\":{}");
    let level = r#"{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"info"}}"#;
    for before in [SUBSCRIBE, level, &task] {
        let server = Forgetful::new().await;
        let mut policy = Plan::default().policy;
        policy["resources"] = json!({ "allow": ["*"] });
        let world = World::planned(http_upstream(&server.upstream), Plan { policy, ..Plan::default() }).await;
        let session = world.session().await;
        let headers = [("Mcp-Session-Id", session.as_str())];
        assert_eq!(world.post(&headers, before).await.status, 200);
        server.forget();
        assert_eq!(world.post(&headers, CALL).await.json()["error"]["data"]["code"], "CG2031", "{before}");
        assert_eq!(world.post(&headers, CALL).await.status, 404);
        assert_eq!((server.initializes(), world.gate.open_sessions()), (1, 0));
        assert_eq!(world.figure("callgate_sessions_ended_total{reason=\"lost\"}").await, 1);
        world.stop().await;
    }
}

#[tokio::test]
async fn an_upstream_that_agrees_to_something_else_is_not_gone_on_with() {
    let server = Forgetful::agreeing_to(|life| if life == 1 { "2025-11-25" } else { "2025-06-18" }).await;
    let world = World::new(http_upstream(&server.upstream)).await;
    let session = world.session().await;
    server.forget();
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], CALL).await.status, 404);
    assert_eq!(world.gate.open_sessions(), 0);
    world.stop().await;
}

#[tokio::test]
async fn an_open_stream_keeps_a_session_from_being_opened_again() {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<String>();
    let receiver = std::sync::Mutex::new(Some(receiver));
    let forgotten = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&forgotten);
    let upstream = Upstream::new(move |seen| match seen.method.as_str() {
        "GET" => Say::Events(vec![], receiver.lock().unwrap().take().unwrap()),
        _ if now.load(Ordering::SeqCst) > 0 && seen.json()["method"] != "initialize" => Say::Plain(404, vec![], vec![]),
        _ => decent(seen),
    })
    .await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    let mut stream = Open::new(world.address, &head("GET", TOKEN, &session)).await;
    sender.send(": hello\n\n".to_owned()).unwrap();
    stream.until("hello").await;
    forgotten.store(1, Ordering::SeqCst);
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], CALL).await.status, 404);
    stream.rest().await;
    let initializes = upstream.seen().iter().filter(|seen| seen.json()["method"] == "initialize").count();
    assert_eq!(initializes, 1);
    world.stop().await;
}

#[tokio::test]
async fn an_idle_session_ends_on_both_sides() {
    let upstream = Upstream::decent().await;
    let timeouts = Timeouts { idle: Duration::from_millis(1), ..Timeouts::default() };
    let world = World::planned(http_upstream(&upstream), Plan { timeouts, ..Plan::default() }).await;
    let session = world.session().await;
    while upstream.seen().last().unwrap().method != http::Method::DELETE {
        tokio::task::yield_now().await;
    }
    let goodbye = upstream.seen().pop().unwrap();
    assert_eq!(goodbye.header("mcp-session-id"), Some("upstream-session"));
    assert_eq!(world.gate.open_sessions(), 0);
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], CALL).await.json()["error"]["data"]["code"], "CG2031");
    assert_eq!(world.figure("callgate_sessions_ended_total{reason=\"idle\"}").await, 1);
    world.stop().await;
}
