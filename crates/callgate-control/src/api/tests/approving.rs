//! Questions over the API and on their page.

use super::*;
use crate::approvals::trial::Asking;
use serde_json::json;

impl Site {
    async fn ask_a_person(&self, asking: &Asking) -> String {
        asking.ask(&self.trial.control).await
    }

    /// A member with this role, signed in: the cookie.
    async fn signed_in(&self, login: &str, role: &str) -> String {
        let body = json!({ "login": login, "roles": { "organisation": role } });
        let added = self.root(Method::POST, "/api/v1/members", Some(body)).await;
        assert_eq!(added.status, 201, "{added:?}");
        let link = self.root(Method::POST, &format!("/api/v1/members/{login}/link"), Some(json!({}))).await;
        let form = format!("link={}", link.json()["secret"].as_str().unwrap());
        self.send(Ask::post("/sign-in").form(&form)).await.cookie()
    }

    async fn state(&self, id: &str) -> String {
        let shown = self.root(Method::GET, &format!("/api/v1/approvals/{id}"), None).await.json();
        shown["state"].as_str().unwrap().to_owned()
    }
}

fn page(id: &str) -> Ask {
    Ask::get(&format!("/approvals/{id}")).header("host", "gate.example")
}

fn post(id: &str, cookie: &str, fields: &[(&str, &str)]) -> Ask {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let ask = Ask::post(&format!("/approvals/{id}")).header("host", "gate.example").header("cookie", cookie);
    ask.form(&body)
}

/// The token that the page's form carries.
fn csrf(text: &str) -> String {
    let (_, rest) = text.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn whoever_is_not_signed_in_gets_the_way_to_sign_in_and_nothing_else() {
    let site = Site::new().await;
    let id = site.ask_a_person(&Asking::default()).await;
    let unknown = format!("a_{}", "0".repeat(26));
    for id in [&id, &unknown] {
        let next = format!("/sign-in?next=/approvals/{id}");
        for ask in [
            page(id),
            page(id).header("cookie", "callgate=cgs_nobodys"),
            page(id).bearer(site.first.credential.reveal()),
            Ask::new(Method::HEAD, &format!("/approvals/{id}")),
        ] {
            let answered = site.send(ask).await;
            assert_eq!(
                (answered.status.as_u16(), answered.header("location"), answered.text.as_str()),
                (303, &*next, "")
            );
        }
        // A browser that comes from elsewhere keeps a strict cookie back, and sends it when the page leads on.
        let passing = site.send(page(id).header("sec-fetch-site", "cross-site")).await;
        assert_eq!(passing.status, 200);
        assert!(passing.text.contains(&format!("content=\"0; url=/approvals/{id}\"")), "{}", passing.text);
        assert!(!passing.text.contains("exec") && !passing.text.contains("<form"), "{}", passing.text);
        assert_eq!(passing.header("x-frame-options"), "DENY");
    }
    let form = site.send(Ask::get(&format!("/sign-in?next=/approvals/{id}"))).await;
    assert!(form.text.contains(&format!("name=\"next\" value=\"/approvals/{id}\"")), "{}", form.text);
    assert_eq!(site.state(&id).await, "pending");
}

#[tokio::test]
async fn signing_in_leads_to_pages_of_the_gateway_and_nowhere_else() {
    let site = Site::new().await;
    let id = format!("a_{}", "0".repeat(26));
    let cases = [
        (format!("/approvals/{id}"), format!("/approvals/{id}")),
        ("//evil.example/approvals/a_".to_owned(), "/".to_owned()),
        ("https://evil.example/".to_owned(), "/".to_owned()),
        (format!("/approvals/{id}/../../x"), "/".to_owned()),
        (
            "/decisions?q=tool:exec_command%20outcome:deny".to_owned(),
            "/decisions?q=tool:exec_command%20outcome:deny".to_owned(),
        ),
        ("/\\evil.example/".to_owned(), "/".to_owned()),
        ("/a\r\nset-cookie: x=y".to_owned(), "/".to_owned()),
        ("/sign-out".to_owned(), "/".to_owned()),
        (format!("/{}", "x".repeat(2_000)), "/".to_owned()),
    ];
    for (number, (next, expected)) in cases.iter().enumerate() {
        let login = format!("m{number}");
        site.root(Method::POST, "/api/v1/members", Some(json!({ "login": login }))).await;
        let link = site.root(Method::POST, &format!("/api/v1/members/{login}/link"), Some(json!({}))).await.json();
        let fields = [("link", link["secret"].as_str().unwrap()), ("next", next)];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let answered = site.send(Ask::post("/sign-in").form(&body)).await;
        assert_eq!((answered.status.as_u16(), answered.header("location")), (303, expected.as_str()), "{next}");
    }
}

#[tokio::test]
async fn looking_answers_nothing_and_a_forged_form_neither() {
    let site = Site::new().await;
    let cookie = site.signed_in("ada", "policy_manager").await;
    let id = site.ask_a_person(&Asking::default()).await;
    let shown = site.send(page(&id).header("cookie", &cookie)).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    assert!(!shown.text.contains("<script"), "the page needs no script");
    assert_eq!(shown.header("x-frame-options"), "DENY");
    assert!(shown.header("content-security-policy").contains("frame-ancestors 'none'"));
    let token = csrf(&shown.text);
    let yes = ("answer", "approve");
    let forged: [(&str, Ask); 6] = [
        ("a query", Ask::get(&format!("/approvals/{id}?answer=approve&csrf={token}")).header("cookie", &cookie)),
        ("no token", post(&id, &cookie, &[yes])),
        ("another token", post(&id, &cookie, &[yes, ("csrf", "x")])),
        ("another origin", post(&id, &cookie, &[yes, ("csrf", &token)]).header("origin", "http://evil.example")),
        ("another site", post(&id, &cookie, &[yes, ("csrf", &token)]).header("sec-fetch-site", "cross-site")),
        ("no cookie", post(&id, "x=y", &[yes, ("csrf", &token)])),
    ];
    for (name, ask) in forged {
        let answered = site.send(ask).await;
        assert!(matches!(answered.status.as_u16(), 200 | 303 | 403), "{name}: {answered:?}");
        assert_eq!(site.state(&id).await, "pending", "{name}");
    }
    let neither = site.send(post(&id, &cookie, &[("csrf", &token), ("answer", "maybe")])).await;
    assert!(neither.status == 422 && neither.text.contains("CG3214"), "{neither:?}");
    let own = [yes, ("csrf", &token), ("reason", "fine")];
    let answered = site.send(post(&id, &cookie, &own).header("origin", "http://gate.example")).await;
    assert_eq!((answered.status.as_u16(), answered.header("location")), (303, &*format!("/approvals/{id}")));
    assert_eq!(site.state(&id).await, "approved");
    let after = site.send(page(&id).header("cookie", &cookie)).await;
    assert!(after.text.contains("member:ada") && !after.text.contains("<form"), "{}", after.text);
    let twice = site.send(post(&id, &cookie, &[("answer", "deny"), ("csrf", &token)])).await;
    assert!(twice.status == 409 && twice.text.contains("CG3211") && twice.text.contains("member:ada"), "{twice:?}");
}

#[tokio::test]
async fn the_page_shows_everything_and_nothing_hides_in_it() {
    let site = Site::new().await;
    let cookie = site.signed_in("ada", "policy_manager").await;
    let long = format!("{}the end", "long ".repeat(1_000));
    let arguments =
        json!({ "<b>key</b>": "</pre><script>x</script>", "hidden": "rm\u{200b} \u{202e}fr-", "long": long });
    let asking = Asking {
        arguments: callgate_json::canonical(
            &callgate_json::parse(arguments.to_string().as_bytes(), &callgate_json::Limits::default()).unwrap(),
        ),
        message: "say \"yes\" <i>now</i>".to_owned(),
        terms: r#""remember_for":"2h""#,
        identity: Some("eve\u{202e}".to_owned()),
        ..Asking::default()
    };
    let id = site.ask_a_person(&asking).await;
    let text = site.send(page(&id).header("cookie", &cookie)).await.text;
    for there in [
        "&lt;b&gt;key&lt;/b&gt;",
        "&lt;/pre&gt;&lt;script&gt;x&lt;/script&gt;",
        "rm⟨U+200B⟩ ⟨U+202E⟩fr-",
        "eve⟨U+202E⟩",
        "say &quot;yes&quot; &lt;i&gt;now&lt;/i&gt;",
        "Cut here: 3009 more characters",
        "the end",
        "value=\"1h\"",
        "value=\"7200s\"",
        "in 30 min",
    ] {
        assert!(text.contains(there), "{there}: {text}");
    }
    assert!(!text.contains("<script") && !text.contains('\u{202e}') && !text.contains("value=\"8h\""), "{text}");
    let fields = [("csrf", csrf(&text)), ("answer", "approve".to_owned()), ("remember", "15m".to_owned())];
    let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.extend([("same", "hidden"), ("same", "long")]);
    assert_eq!(site.send(post(&id, &cookie, &fields)).await.status, 303);
    let shown = site.root(Method::GET, &format!("/api/v1/approvals/{id}"), None).await.json();
    assert_eq!((&shown["remembered"], &shown["arguments"]), (&json!(["hidden", "long"]), &Value::Null));
}

#[tokio::test]
async fn who_may_only_look_sees_names_and_no_form() {
    let site = Site::new().await;
    let cookie = site.signed_in("eve", "viewer").await;
    let id = site.ask_a_person(&Asking::default()).await;
    let shown = site.send(page(&id).header("cookie", &cookie)).await;
    assert!(shown.status == 200 && shown.text.contains("command, mode"), "{shown:?}");
    assert!(!shown.text.contains("hush") && !shown.text.contains("<form"), "{shown:?}");
    let signed = site.send(Ask::get("/api/v1/session").header("cookie", &cookie)).await.json();
    let fields = [("csrf", signed["csrf"].as_str().unwrap()), ("answer", "approve")];
    let refused = site.send(post(&id, &cookie, &fields)).await;
    assert!(refused.status == 403 && refused.text.contains("CG3110"), "{refused:?}");
    let eyes = Asking { terms: r#""four_eyes":true"#, identity: Some("bob".to_owned()), ..Asking::default() };
    let eyes = site.ask_a_person(&eyes).await;
    let cookie = site.signed_in("bob", "policy_manager").await;
    let shown = site.send(page(&eyes).header("cookie", &cookie)).await;
    assert!(shown.text.contains("disabled>Approve") && shown.text.contains("CG3212"), "{shown:?}");
    assert_eq!(site.state(&id).await, "pending");
}

#[tokio::test]
async fn questions_are_answered_over_the_api() {
    let site = Site::new().await;
    let token = site.token("manager", json!({ "organisation": "policy_manager" })).await;
    let id = site.ask_a_person(&Asking { terms: r#""remember_for":"1h""#, ..Asking::default() }).await;
    let path = format!("/api/v1/approvals/{id}");
    let shown = site.send(Ask::get(&path).bearer(&token)).await;
    // Exact, as the call had them.
    assert!(shown.text.contains(r#""arguments":{"command":"hush-value","mode":1}"#), "{shown:?}");
    let to = |word: &str, body: Value| Ask::post(&format!("{path}/{word}")).bearer(&token).json(&body);
    for (ask, expected) in [
        (to("approve", json!({ "remember": { "for": "soon" } })), "422 CG3051"),
        (to("approve", json!({ "remember": { "for": "2h" } })), "422 CG3213"),
        (to("approve", json!({ "remember": {} })), "422 CG3145"),
        (to("deny", json!({ "remember": { "for": "1m" } })), "422 CG3145"),
        (Ask::post(&format!("{path}/revoke")).bearer(&token), "409 CG3211"),
        (to("approve", json!({ "remember": { "for": "10m", "arguments": ["mode"] }, "reason": "ok" })), "200"),
        (Ask::post(&format!("{path}/deny")).bearer(&token), "409 CG3211"),
        (Ask::post(&format!("{path}/revoke")).bearer(&token), "200"),
        (Ask::get("/api/v1/approvals?state=none").bearer(&token), "400 CG3214"),
        (Ask::get("/api/v1/approvals/a_unknown").bearer(&token), "404 CG3210"),
    ] {
        assert_eq!(outcome(&site.send(ask).await), expected);
    }
    let listed = site.send(Ask::get("/api/v1/approvals?limit=1").bearer(&token)).await.json();
    assert_eq!((&listed["items"][0]["state"], &listed["next"]), (&json!("withdrawn"), &Value::Null));
    let local = Ask::get(&path).via(Via::LocalSocket);
    assert_eq!(site.send(local).await.json()["arguments"], Value::Null);
    let local = Ask::post(&format!("{path}/approve")).via(Via::LocalSocket);
    assert_eq!(outcome(&site.send(local).await), "403 CG3110");
}

#[tokio::test]
async fn events_come_as_they_happen() {
    let site = Site::new().await;
    let id = site.ask_a_person(&Asking::default()).await;
    let mut request = Request::builder()
        .uri("/api/v1/approvals/events")
        .header("authorization", format!("Bearer {}", site.first.credential.reveal()))
        .body(Body::empty())
        .unwrap();
    request.extensions_mut().insert(LOOPBACK);
    let response = site.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut next = async || {
        let frame = body.frame().await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    };
    assert!(next().await.starts_with(": "));
    assert_eq!(next().await, format!("event: approval\ndata: {{\"id\":\"{id}\",\"state\":\"pending\"}}\n\n"));
    site.root(Method::POST, &format!("/api/v1/approvals/{id}/deny"), None).await;
    let mut told = next().await;
    while told.contains("pending") {
        told = next().await;
    }
    assert!(told.contains(&id) && told.contains("refused"), "{told}");
}
