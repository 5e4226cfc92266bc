//! Signing in and out: links, passwords, cookies, forged requests, too many attempts.

use super::*;
use crate::members::Link;
use serde_json::json;

const HTTPS: Via = Via::Tcp { peer: std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), tls: true };
const PLAIN: Via = Via::Tcp { peer: std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), tls: false };
const PASSWORD: &str = "correct horse battery staple";

fn with_link(link: &Link) -> Ask {
    Ask::post("/api/v1/sessions").json(&json!({ "link": link.secret.reveal() }))
}

fn with_password(login: &str, password: &str) -> Ask {
    Ask::post("/api/v1/sessions").json(&json!({ "login": login, "password": password, "as": "token" }))
}

impl Site {
    async fn add(&self, login: &str, password: Option<&str>) -> Value {
        let body = json!({ "login": login, "password": password, "roles": { "organisation": "viewer" } });
        let added = self.root(Method::POST, "/api/v1/members", Some(body)).await;
        assert_eq!(added.status, 201, "{added:?}");
        added.json()
    }

    async fn session(&self, login: &str) -> String {
        let session = self.send(with_password(login, PASSWORD)).await;
        assert_eq!(session.status, 201, "{session:?}");
        session.json()["token"].as_str().unwrap().to_owned()
    }

    async fn is_signed_in(&self, token: &str) -> bool {
        self.send(Ask::get("/api/v1/session").bearer(token)).await.status == 200
    }
}

#[tokio::test]
async fn a_link_signs_in_once_and_looking_at_it_does_not_use_it() {
    let site = Site::new().await;
    let path = site.first.link.path();
    for _ in 0..3 {
        let page = site.send(Ask::get(path.reveal())).await;
        assert_eq!(page.status, 200);
        assert!(page.text.contains(site.first.link.secret.reveal()) && page.text.contains("method=\"post\""));
        assert!(!page.text.contains("<script"), "pages need no script");
    }
    let tries = futures_util::future::join_all((0..6).map(|_| site.send(with_link(&site.first.link)))).await;
    let opened: Vec<_> = tries.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(opened.len(), 1, "{tries:?}");
    assert!(tries.iter().all(|answer| answer.status == 201 || answer.code() == "CG3151"), "{tries:?}");
    let me = site.send(Ask::get("/api/v1/session").header("cookie", &opened[0].cookie())).await.json();
    assert_eq!((&me["who"], &me["roles"]["organisation"]), (&json!("member:admin"), &json!("admin")));
    assert_eq!(outcome(&site.send(with_link(&site.first.link)).await), "401 CG3151");
}

#[tokio::test]
async fn a_link_that_begins_no_session_can_be_used_again() {
    let site = Site::new().await;
    let store = &site.trial.control.inner.store;
    for (disabled, expected) in [(Some(1), "401 CG3151"), (None, "201")] {
        let mut change = store.begin("default").await.unwrap();
        let admin = change.named::<callgate_store::Member>(None, "admin").await.unwrap().unwrap().record;
        change.update(&callgate_store::Member { disabled, ..admin }).await.unwrap();
        change.commit().await.unwrap();
        assert_eq!(outcome(&site.send(with_link(&site.first.link)).await), expected);
    }
}

#[tokio::test]
async fn a_new_link_ends_the_one_before_and_is_no_bearer_token() {
    let site = Site::new().await;
    let made = site.root(Method::POST, "/api/v1/members/admin/link", Some(json!({ "expires_in": 900 }))).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(outcome(&site.send(with_link(&site.first.link)).await), "401 CG3151");
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    assert!(!site.is_signed_in(&secret).await);
    let page = site.send(Ask::post("/sign-in").form(&format!("link={secret}"))).await;
    assert_eq!((page.status.as_u16(), page.header("location")), (303, "/"));
    assert!(page.cookie().starts_with("callgate=cgs_"));
    for seconds in [0, 899, 86_401] {
        let body = json!({ "expires_in": seconds });
        let refused = site.root(Method::POST, "/api/v1/members/admin/link", Some(body)).await;
        assert_eq!(outcome(&refused), "422 CG3158", "{seconds}");
    }
}

#[tokio::test]
async fn cookies_fit_the_way_and_plain_http_beyond_this_machine_signs_nobody_in() {
    let site = Site::new().await;
    site.add("ada", Some(PASSWORD)).await;
    let body = json!({ "login": "Ada", "password": PASSWORD });
    for (via, name, secure) in [(LOOPBACK, "callgate=", false), (HTTPS, "__Host-callgate=", true)] {
        let session = site.send(Ask::post("/api/v1/sessions").via(via).json(&body)).await;
        let cookie = session.header("set-cookie");
        assert!(cookie.starts_with(name), "{cookie}");
        for part in ["; Path=/", "; HttpOnly", "; SameSite=Strict"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert_eq!(cookie.ends_with("; Secure"), secure, "{cookie}");
        assert!(!cookie.contains("Domain"), "{cookie}");
        assert!(session.json().get("token").is_none(), "scripts could read it");
        // A cookie counts only on the way that it was set on.
        let other = if via == HTTPS { LOOPBACK } else { HTTPS };
        for (via, status) in [(via, 200), (other, 401), (PLAIN, 401), (Via::LocalSocket, 200)] {
            let me = site.send(Ask::get("/api/v1/session").via(via).header("cookie", &session.cookie())).await;
            assert_eq!(me.status, status, "{via:?}");
            assert!(via != Via::LocalSocket || me.json()["who"] == "local");
        }
    }
    for answered in [
        site.send(Ask::post("/api/v1/sessions").via(PLAIN).json(&body)).await,
        site.send(Ask::post("/api/v1/sessions").via(PLAIN).json(&json!({ "link": "cgl_x" }))).await,
    ] {
        assert_eq!(outcome(&answered), "403 CG3154");
    }
    let page = site.send(Ask::post("/sign-in").via(PLAIN).form(&format!("login=ada&password={PASSWORD}"))).await;
    assert_eq!((page.status.as_u16(), page.header("set-cookie")), (403, ""));
    let local = site.send(Ask::post("/api/v1/sessions").via(Via::LocalSocket).json(&body)).await;
    assert!(local.json()["token"].as_str().unwrap().starts_with("cgs_"));
}

#[tokio::test]
async fn a_forged_request_changes_nothing() {
    let site = Site::new().await;
    let session = site.send(with_link(&site.first.link).header("host", "gate.example")).await;
    let (cookie, csrf) = (session.cookie(), session.json()["csrf"].as_str().unwrap().to_owned());
    let change = || {
        let ask = Ask::post("/api/v1/members").header("cookie", &cookie).header("host", "gate.example");
        ask.json(&json!({ "login": "mallory" }))
    };
    for (name, ask) in [
        ("no token", change()),
        ("another token", change().header("x-csrf-token", "x")),
        ("another origin", change().header("x-csrf-token", &csrf).header("origin", "http://evil.example")),
        ("no origin", change().header("x-csrf-token", &csrf).header("origin", "null")),
        ("another site", change().header("x-csrf-token", &csrf).header("sec-fetch-site", "cross-site")),
    ] {
        assert_eq!(outcome(&site.send(ask).await), "403 CG3152", "{name}");
    }
    let ours = change().header("x-csrf-token", &csrf).header("origin", "http://gate.example");
    assert_eq!(outcome(&site.send(ours).await), "201");
    // A forged sign-in would make somebody work in the forger's name.
    let forged = Ask::post("/sign-in").header("host", "gate.example").header("origin", "http://evil.example");
    assert_eq!(outcome(&site.send(forged.form("login=x&password=y")).await), "403 CG3152");
    let leave = |body: &str| Ask::post("/sign-out").header("cookie", &cookie).form(body);
    assert_eq!(outcome(&site.send(leave("csrf=x")).await), "403 CG3152");
    assert_eq!(site.send(leave(&format!("csrf={csrf}"))).await.header("location"), "/sign-in");
    let me = site.send(Ask::get("/api/v1/session").header("cookie", &cookie)).await;
    assert_eq!(outcome(&me), "401 CG3150");
}

#[tokio::test]
async fn wrong_passwords_unknown_logins_and_shut_out_members_look_the_same() {
    let site = Site::new().await;
    site.add("ada", Some(PASSWORD)).await;
    site.add("bob", None).await;
    site.add("eve", Some(PASSWORD)).await;
    let shut = site.root(Method::PATCH, "/api/v1/members/eve", Some(json!({ "disabled": true }))).await;
    assert_eq!(shut.status, 200, "{shut:?}");
    let mut texts = std::collections::BTreeSet::new();
    for (login, password) in [("ada", "wrong"), ("bob", PASSWORD), ("nobody", PASSWORD), ("eve", PASSWORD), ("", "")] {
        let refused = site.send(with_password(login, password)).await;
        assert_eq!(outcome(&refused), "401 CG3151", "{login}");
        assert!(!refused.text.contains(PASSWORD) && !refused.text.contains("wrong\""));
        texts.insert(refused.text);
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
    for body in [json!({}), json!({ "login": "ada" }), json!({ "login": "ada", "password": "x", "link": "y" })] {
        assert_eq!(outcome(&site.send(Ask::post("/api/v1/sessions").json(&body)).await), "422 CG3158", "{body}");
    }
    let elsewhere = json!({ "organisation": "other", "login": "ada", "password": PASSWORD });
    assert_eq!(outcome(&site.send(Ask::post("/api/v1/sessions").json(&elsewhere)).await), "401 CG3151");
}

#[tokio::test]
async fn too_many_attempts_wait_and_say_how_long() {
    let site = Site::new().await;
    site.add("ada", Some(PASSWORD)).await;
    let mut last = site.send(with_password("ada", "wrong")).await;
    for _ in 0..6 {
        last = site.send(with_password("ada", "wrong")).await;
    }
    assert_eq!(outcome(&last), "429 CG3153");
    assert_eq!(last.header("retry-after"), "1");
    // Also for the right one from there; from elsewhere it works.
    assert_eq!(outcome(&site.send(with_password("ada", PASSWORD)).await), "429 CG3153");
    assert_eq!(outcome(&site.send(with_password("ada", PASSWORD).via(HTTPS)).await), "201");
    let page = site.send(Ask::post("/sign-in").form("login=ada&password=wrong&organisation=default")).await;
    assert_eq!((page.status.as_u16(), page.header("retry-after")), (429, "1"));
}

#[tokio::test]
async fn sessions_end_when_they_should() {
    let site = Site::new().await;
    let added = site.add("ada", Some(PASSWORD)).await;
    let path = format!("/api/v1/members/{}", added["id"].as_str().unwrap());
    let (one, two) = (site.session("ada").await, site.session("ada").await);
    let end = Ask::new(Method::DELETE, "/api/v1/session").bearer(&one);
    assert_eq!(outcome(&site.send(end).await), "204");
    assert_eq!((site.is_signed_in(&one).await, site.is_signed_in(&two).await), (false, true));

    let three = site.session("ada").await;
    let change = |body: Value| Ask::new(Method::PUT, "/api/v1/session/password").bearer(&two).json(&body);
    assert_eq!(outcome(&site.send(change(json!({ "new": "another long password" }))).await), "422 CG3158");
    let wrong = json!({ "old": "wrong", "new": "another long password" });
    assert_eq!(outcome(&site.send(change(wrong)).await), "403 CG3151");
    assert_eq!(outcome(&site.send(change(json!({ "old": PASSWORD, "new": "short" }))).await), "422 CG3158");
    let right = json!({ "old": PASSWORD, "new": "another long password" });
    assert_eq!(outcome(&site.send(change(right)).await), "204");
    assert_eq!((site.is_signed_in(&two).await, site.is_signed_in(&three).await), (true, false));

    site.root(Method::PATCH, &path, Some(json!({ "disabled": true }))).await;
    assert!(!site.is_signed_in(&two).await);
    site.root(Method::PATCH, &path, Some(json!({ "disabled": false, "password": PASSWORD }))).await;
    assert!(!site.is_signed_in(&two).await);
    let four = site.session("ada").await;
    let everywhere = Ask::new(Method::DELETE, "/api/v1/session?everywhere=true").bearer(&site.session("ada").await);
    assert_eq!(outcome(&site.send(everywhere).await), "204");
    assert!(!site.is_signed_in(&four).await);
    let five = site.session("ada").await;
    assert_eq!(outcome(&site.root(Method::DELETE, &path, None).await), "204");
    assert!(!site.is_signed_in(&five).await);
}

#[tokio::test]
async fn sessions_end_by_themselves() {
    let site = Site::new().await;
    let added = site.add("ada", Some(PASSWORD)).await;
    let token = site.session("ada").await;
    let member = added["id"].as_str().unwrap();
    let hours = |hours: i64| crate::trial::NOW - hours * 3_600_000;
    for (created, used, alive) in [
        (hours(0), None, true),
        (hours(11), None, true),
        (hours(12), None, false),
        (hours(100), Some(hours(11)), true),
        (hours(100), Some(hours(12)), false),
        (hours(168), Some(hours(0)), false),
    ] {
        let root = crate::trial::root();
        let cleared = root.clear(crate::Permission::ManageMembers, crate::Scope::Organisation).unwrap();
        let mut edit = site.trial.control.edit(&cleared).await.unwrap();
        let page = callgate_store::Page { parent: Some(member.to_owned()), after: None, limit: 10 };
        let mut stored = edit.change.list::<callgate_store::Credential>(&page).await.unwrap();
        let session = &mut stored[0].record;
        (session.created, session.used) = (created, used);
        session.expires = Some(created + crate::sessions::LONGEST);
        edit.change.update(&*session).await.unwrap();
        edit.finish(&site.trial.control).await.unwrap();
        assert_eq!(site.is_signed_in(&token).await, alive, "{created} {used:?}");
    }
}

#[tokio::test]
async fn the_pages_lead_through_signing_in_and_out() {
    let site = Site::new().await;
    site.add("ada", Some(PASSWORD)).await;
    let form = site.send(Ask::get("/sign-in")).await;
    assert!(form.text.contains("name=\"password\"") && form.text.contains("action=\"/sign-in\""));
    let post = |password: &str| {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("login", "ada"), ("password", password), ("organisation", "default")])
            .finish();
        Ask::post("/sign-in").form(&body)
    };
    let wrong = site.send(post("<b>wrong</b>")).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text.contains("CG3151") && wrong.text.contains("value=\"ada\"") && !wrong.text.contains("wrong</b>"));
    let right = site.send(post(PASSWORD)).await;
    assert_eq!((right.status.as_u16(), right.header("location")), (303, "/"));
    let me = site.send(Ask::get("/api/v1/session").header("cookie", &right.cookie())).await;
    assert_eq!(me.json()["who"], "member:ada");
    assert!(!me.text.contains("cgs_"), "the session's secret stays in its cookie");
}

#[tokio::test]
async fn strangers_take_no_more_memory_than_a_password_needs() {
    let site = Site::new().await;
    let long = "x".repeat(9 << 10);
    let sent = site.send(with_password("admin", &long)).await;
    assert_eq!(outcome(&sent), "413 CG3142");
    let form = site.send(Ask::post("/sign-in").form(&format!("login=admin&password={long}"))).await;
    assert_eq!(outcome(&form), "413 CG3142");
    // The longest password there can be, escaped as long as JSON can.
    let longest = Ask {
        body: format!(r#"{{"login":"a","password":"{}"}}"#, r"\u0078".repeat(1024)).into_bytes(),
        ..with_password("", "")
    };
    assert_eq!(outcome(&site.send(longest).await), "401 CG3151");
}
