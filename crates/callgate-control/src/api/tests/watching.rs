//! What pages watch: sums, the stream of decisions, the health of servers.

use super::seed::Seed;
use super::*;
use crate::servers::{Breaker, Observations, Observed};
use axum::body::Bytes;
use serde_json::json;

/// A stream that is being read.
struct Stream {
    status: StatusCode,
    body: Body,
    /// What came and was not looked at yet.
    rest: String,
}

impl Site {
    async fn stream(&self, path: &str, token: &str, last: Option<&str>) -> Stream {
        let mut request = Request::builder().uri(path).header("authorization", format!("Bearer {token}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(LOOPBACK);
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        Stream { status: parts.status, body, rest: String::new() }
    }

    /// Opens a stream, and reads its first words.
    async fn open(&self, query: &str, token: &str, last: Option<&str>) -> Stream {
        let mut stream = self.stream(&format!("/api/v1/decisions/events{query}"), token, last).await;
        assert_eq!(stream.status, 200);
        assert!(stream.next().await.unwrap().starts_with(": new decisions follow\n"));
        stream
    }

    /// What the indexer does after it has written.
    fn indexed(&self) {
        self.trial.control.inner.news.send_modify(|news| news.indexed += 1);
    }

    /// A decision about a call of a new grant of a server, indexed and told.
    async fn decided(&self, seed: &Seed, label: &str) -> String {
        let body = json!({ "server": seed.server, "label": label });
        let grant = self.root(Method::POST, "/api/v1/grants", Some(body)).await.json();
        let id = self.decision("default", grant["id"].as_str().unwrap(), label).await;
        self.indexed();
        id
    }
}

impl Stream {
    /// The next piece, `None` at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((piece, rest)) = self.rest.split_once("\n\n") {
                let piece = piece.to_owned();
                self.rest = rest.to_owned();
                return Some(piece);
            }
            let frame: Bytes = self.body.frame().await?.unwrap().into_data().unwrap();
            self.rest.push_str(std::str::from_utf8(&frame).unwrap());
        }
    }

    /// The identity and the data of the next event.
    async fn event(&mut self) -> (String, Value) {
        let text = self.next().await.unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let [id, "event: decision", data] = lines[..] else { panic!("{text}") };
        let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        (id.strip_prefix("id: ").unwrap().to_owned(), data)
    }
}

#[tokio::test]
async fn new_decisions_are_told_as_in_the_list_to_who_may_see_them() {
    let site = Site::new().await;
    let admin = site.first.credential.reveal().to_owned();
    let seed = site.seed(admin.clone(), "first").await;
    let body = json!({ "name": "second-server", "target": { "url": "https://second.example/mcp" } });
    site.root(Method::POST, "/api/v1/servers", Some(body)).await;
    let of_first = site.token("of first", json!({ "servers": { "first-server": "viewer" } })).await;
    let of_second = site.token("of second", json!({ "servers": { "second-server": "viewer" } })).await;
    let mut all = site.open("", &admin, None).await;
    let mut some = site.open("?tool=two-tool", &admin, None).await;
    let mut first = site.open("?q=outcome:allow", &of_first, None).await;
    let mut second = site.open("", &of_second, None).await;
    let one = site.decided(&seed, "one").await;
    let told = all.event().await;
    assert_eq!((told.0.as_str(), told.1["tool"].as_str()), (one.as_str(), Some("one-tool")));
    let listed = site.root(Method::GET, &format!("/api/v1/decisions/{one}"), None).await.json();
    assert_eq!(told.1, listed);
    let two = site.decided(&seed, "two").await;
    assert_eq!(all.event().await.0, two);
    assert_eq!(some.event().await.0, two);
    assert_eq!((first.event().await.0, first.event().await.0), (one.clone(), two.clone()));
    // Where somebody stopped, the same goes on.
    let mut again = site.open("", &admin, Some(&one)).await;
    // What another chain has of the same moment may come twice.
    let came = [again.event().await.0, again.event().await.0];
    assert!(came.contains(&two) && came.contains(&seed.decision), "{came:?}");
    let three = site.decided(&seed, "three").await;
    assert_eq!(again.event().await.0, three);
    // Nothing of another server, to its end.
    site.trial.control.wind_up();
    assert_eq!(second.next().await, None);
    assert_eq!(site.stream("/api/v1/decisions/events?tool=", &admin, None).await.status, 400);
}

#[tokio::test]
async fn a_stream_ends_with_what_opened_it() {
    let site = Site::new().await;
    let admin = site.first.credential.reveal().to_owned();
    let seed = site.seed(admin.clone(), "first").await;
    let made = json!({ "label": "reader", "roles": { "organisation": "viewer" } });
    let made = site.root(Method::POST, "/api/v1/tokens", Some(made)).await.json();
    let token = made["token"].as_str().unwrap();
    let mut revoked = site.open("", token, None).await;
    let id = made["id"].as_str().unwrap();
    let removed = site.root(Method::DELETE, &format!("/api/v1/tokens/{id}"), None).await;
    assert!(removed.status.is_success(), "{removed:?}");
    // Also where something is to be told at that moment.
    site.decided(&seed, "late").await;
    assert_eq!(revoked.next().await, None);
    // A member whose role is taken away, and one who signs out.
    let member = json!({ "login": "grace", "roles": { "organisation": "viewer" } });
    let made = site.root(Method::POST, "/api/v1/members", Some(member)).await.json();
    let session = json!({ "link": made["link"]["secret"], "as": "token" });
    let session = site.send(Ask::post("/api/v1/sessions").json(&session)).await.json();
    let session = session["token"].as_str().unwrap();
    let mut demoted = site.open("", session, None).await;
    let patch = json!({ "roles": { "organisation": "policy_manager" } });
    let path = "/api/v1/members/grace";
    let changed = site.root(Method::PATCH, path, Some(patch)).await;
    assert!(changed.status.is_success(), "{changed:?}");
    assert_eq!(demoted.next().await, None, "what it may is another thing now: it asks again");
    let mut signed_out = site.open("", session, None).await;
    let out = site.send(Ask::new(Method::DELETE, "/api/v1/session").bearer(session)).await;
    assert!(out.status.is_success(), "{out:?}");
    assert_eq!(signed_out.next().await, None);
}

#[tokio::test]
async fn a_stream_of_questions_ends_with_what_opened_it_too() {
    let site = Site::new().await;
    let admin = site.first.credential.reveal().to_owned();
    let open = async |token: &str| {
        let mut stream = site.stream("/api/v1/approvals/events", token, None).await;
        assert!(stream.next().await.unwrap().starts_with(": this is what waits for a yes\n"));
        stream
    };
    let member = json!({ "login": "grace", "roles": { "organisation": "viewer" } });
    let made = site.root(Method::POST, "/api/v1/members", Some(member)).await.json();
    let session = json!({ "link": made["link"]["secret"], "as": "token" });
    let session = site.send(Ask::post("/api/v1/sessions").json(&session)).await.json();
    let session = session["token"].as_str().unwrap();
    let mut demoted = open(session).await;
    let patch = json!({ "roles": { "servers": {} } });
    let changed = site.root(Method::PATCH, "/api/v1/members/grace", Some(patch)).await;
    assert!(changed.status.is_success(), "{changed:?}");
    // Also where something is to be told at that moment.
    let id = crate::approvals::trial::Asking::default().ask(&site.trial.control).await;
    assert_eq!(demoted.next().await, None);
    // Whoever may do the same as before is told.
    let mut kept = open(&admin).await;
    let told = kept.next().await.unwrap();
    assert!(told.starts_with("event: approval\n") && told.contains(&id), "{told}");
    site.trial.control.wind_up();
    assert_eq!(kept.next().await, None);
}

#[tokio::test]
async fn streams_are_counted() {
    let site = Site::new().await;
    let admin = site.first.credential.reveal().to_owned();
    let mut open = Vec::new();
    for _ in 0..records::STREAMS {
        open.push(site.open("", &admin, None).await);
    }
    let refused = site.root(Method::GET, "/api/v1/decisions/events", None).await;
    assert_eq!(outcome(&refused), "429 CG3251");
    site.trial.control.wind_up();
    for mut stream in open {
        assert_eq!(stream.next().await, None);
    }
}

#[tokio::test]
async fn a_summary_counts_what_its_reader_may_see() {
    let site = Site::new().await;
    let seed = site.seed(site.first.credential.reveal().to_owned(), "first").await;
    site.decided(&seed, "one").await;
    let body = json!({ "name": "second-server", "target": { "url": "https://second.example/mcp" } });
    let server = site.root(Method::POST, "/api/v1/servers", Some(body)).await.json();
    let second = Seed { server: server["uuid"].as_str().unwrap().to_owned(), mark: "second".to_owned(), ..seed };
    site.decided(&second, "two").await;
    let summary = async |token: &str, query: &str| {
        site.send(Ask::get(&format!("/api/v1/summary{query}")).bearer(token)).await.json()
    };
    let all = summary(site.first.credential.reveal(), "").await;
    assert_eq!((all["totals"]["allow"].as_u64(), all["bucket_seconds"].as_u64()), (Some(3), Some(60)));
    let buckets = all["buckets"].as_array().unwrap();
    assert_eq!(buckets.len(), 60);
    assert_eq!(buckets[59]["allow"], 3);
    assert_eq!((&buckets[0]["p50_us"], &buckets[0]["at"]), (&Value::Null, &all["since"]));
    let one = summary(site.first.credential.reveal(), "?server=two-server&since=30d").await;
    assert_eq!((one["totals"]["allow"].as_u64(), one["bucket_seconds"].as_u64()), (Some(1), Some(21_600)));
    let viewer = site.token("of second", json!({ "servers": { "second-server": "viewer" } })).await;
    let theirs = summary(&viewer, "").await;
    assert_eq!(theirs["by_server"], json!([{ "server": "two-server", "allow": 1, "deny": 0, "approve": 0 }]));
    assert_eq!(theirs["totals"]["allow"], 1);
    let wrong = site.root(Method::GET, "/api/v1/summary?since=1h&until=2h", None).await;
    assert_eq!(outcome(&wrong), "400 CG3250");
}

/// Knows one server.
struct Seen(String);

impl Observations for Seen {
    fn of(&self, server: &str) -> Option<Observed> {
        (server == self.0).then(|| Observed {
            reached: Some(false),
            since: Some(1_000),
            breaker: Breaker::HalfOpen,
            last_error: Some((2_000, "it can't be reached: refused".to_owned())),
            sessions: 3,
            ..Observed::default()
        })
    }
}

#[tokio::test]
async fn health_is_what_is_known_and_null_what_is_not() {
    let site = Site::new().await;
    let seed = site.seed(site.first.credential.reveal().to_owned(), "first").await;
    let unknown = json!({
        "state": "unknown", "since": null, "breaker": "closed", "last_ok": null, "last_error": null, "in_flight": 0,
        "sessions": 0, "processes": 0,
    });
    let path = format!("/api/v1/servers/{}/health", seed.server);
    assert_eq!(site.root(Method::GET, &path, None).await.json(), unknown);
    site.trial.control.observe_with(Arc::new(Seen(seed.server.clone())));
    let known = json!({
        "state": "failing", "since": "1970-01-01T00:00:01.000Z", "breaker": "half_open", "last_ok": null,
        "last_error": { "at": "1970-01-01T00:00:02.000Z", "what": "it can't be reached: refused" }, "in_flight": 0,
        "sessions": 3, "processes": 0,
    });
    assert_eq!(site.root(Method::GET, "/api/v1/servers/first-server/health", None).await.json(), known);
    let missing = site.root(Method::GET, "/api/v1/servers/nowhere/health", None).await;
    assert_eq!(outcome(&missing), "404 CG3041");
}
