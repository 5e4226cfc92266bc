//! Limits as they are listed and reset, over counters that are set by hand.

use super::trial::Fake;
use super::*;
use crate::trial::{Trial, caller, grant, member, member_of, policy, server, version};
use callgate_policy::{CounterKey, Mode, Scope as Shared, ServerName, Strategy, Timestamp, Unit, Window};
use callgate_store::{Role, Roles};

const DOCUMENT: &str = r#"{
  "version": "1", "default": "allow",
  "all_tools": { "limits": [{ "counter": "everyone", "window": "day", "max": 100, "scope": "organisation" }] },
  "tools": {
    "exec": { "limits": [
      { "counter": "hourly", "window": "hour", "max": 10, "scope": "grant" },
      { "counter": "flying", "concurrent": true, "max": 2, "scope": "grant" },
      { "counter": "tried", "window": "minute", "max": 5, "scope": "grant", "mode": "shadow" }
    ] },
    "pay_*": { "limits": [{ "counter": "spent", "window": "month", "max": 99.5, "scope": "server", "increment_from": "args.amount" }] }
  }
}"#;

/// A control plane with two servers of which each has two grants, and one of another organisation.
async fn bench() -> (Trial, Arc<Fake>) {
    let trial = Trial::new().await;
    let store = &trial.control.inner.store;
    store.add_organisation("other", 1, None).await.unwrap();
    for (organisation, server_name) in [("default", "kernel"), ("default", "bank"), ("other", "kernel")] {
        let mut change = store.begin(organisation).await.unwrap();
        let id = format!("{organisation}-{server_name}");
        change.insert(&callgate_store::Server { id: id.clone(), ..server(server_name) }).await.unwrap();
        change.insert(&policy(&format!("p-{id}"), &id)).await.unwrap();
        change.insert(&version(&format!("p-{id}"), 1, DOCUMENT)).await.unwrap();
        for name in ["a", "b"] {
            change.insert(&grant(&format!("{id}-{name}"), &id, Some(&format!("p-{id}")))).await.unwrap();
        }
        change.commit().await.unwrap();
    }
    trial.control.publish().await.unwrap();
    let fake = Arc::new(Fake::default());
    trial.control.count_with(Arc::clone(&fake) as Arc<dyn Counters>);
    *fake.standing.lock().unwrap() = vec![
        standing("default", Shared::Grant, "kernel", "default-kernel-a", ("hourly", Window::Hour), "9"),
        standing("default", Shared::Grant, "kernel", "default-kernel-b", ("hourly", Window::Hour), "3"),
        standing("default", Shared::Grant, "bank", "default-bank-a", ("hourly", Window::Hour), "4"),
        standing("default", Shared::Grant, "kernel", "default-kernel-a", ("flying", Window::Concurrent), "1"),
        standing("default", Shared::Grant, "kernel", "default-kernel-a", ("tried", Window::Minute), "2"),
        standing("default", Shared::Grant, "kernel", "gone", ("hourly", Window::Hour), "10"),
        standing("default", Shared::Grant, "kernel", "default-kernel-a", ("renamed", Window::Hour), "10"),
        standing("default", Shared::Server, "kernel", "", ("spent", Window::Month), "80.25"),
        standing("default", Shared::Organisation, "", "", ("everyone", Window::Day), "17"),
        standing("other", Shared::Grant, "kernel", "other-kernel-a", ("hourly", Window::Hour), "1"),
    ];
    (trial, fake)
}

fn standing(
    organisation: &str,
    scope: Shared,
    server: &str,
    id: &str,
    (name, window): (&str, Window),
    held: &str,
) -> Standing {
    let unit = if name == "spent" { Unit::Path("args.amount".into()) } else { Unit::Calls };
    let key = CounterKey {
        organisation: Organisation::parse(organisation).unwrap(),
        server: ServerName::parse(server).ok(),
        scope,
        scope_id: id.into(),
        name: name.into(),
        window,
        strategy: Strategy::Fixed,
        unit,
    };
    let mode = if name == "tried" { Mode::Shadow } else { Mode::Enforce };
    let eases_at = (window != Window::Concurrent).then_some(Timestamp(3_600_000));
    Standing { key, mode, held: held.parse().unwrap(), eases_at }
}

fn part(limit: u32, after: Option<&str>) -> Part {
    Part { limit, after: after.map(str::to_owned) }
}

/// `SERVER GRANT RULE USED/LIMIT`, as they are listed.
async fn lines(trial: &Trial, caller: &Caller, filter: LimitFilter) -> Vec<String> {
    let listed = trial.control.limits(caller, filter, &part(50, None)).await.unwrap();
    assert_eq!(listed.next, None);
    let line = |limit: Limit| {
        let grant = limit.grant.map(|grant| grant.id).unwrap_or_default();
        format!("{} {grant} {} {}/{}", limit.server, limit.rule, limit.used, limit.limit)
    };
    listed.items.into_iter().map(line).collect()
}

fn only(server: Option<&str>, grant: Option<&str>) -> LimitFilter {
    LimitFilter { server: server.map(str::to_owned), grant: grant.map(str::to_owned) }
}

#[tokio::test]
async fn what_is_nearest_to_its_end_stands_first_and_everybody_sees_their_own() {
    let (trial, _) = bench().await;
    let all = [
        "kernel default-kernel-a /tools/exec/limits/hourly 9/10",
        "kernel  /tools/pay_*/limits/spent 80.25/99.5",
        "kernel default-kernel-a /tools/exec/limits/flying 1/2",
        "bank default-bank-a /tools/exec/limits/hourly 4/10",
        "kernel default-kernel-a /tools/exec/limits/tried 2/5",
        "kernel default-kernel-b /tools/exec/limits/hourly 3/10",
        "bank  /all_tools/limits/everyone 17/100",
        "kernel  /all_tools/limits/everyone 17/100",
    ];
    let viewer = member(Role::Viewer);
    assert_eq!(lines(&trial, &viewer, LimitFilter::default()).await, all);
    let bank = ["bank default-bank-a /tools/exec/limits/hourly 4/10", "bank  /all_tools/limits/everyone 17/100"];
    assert_eq!(lines(&trial, &viewer, only(Some("bank"), None)).await, bank);
    assert_eq!(lines(&trial, &viewer, only(Some("default-bank"), Some("default-bank-a"))).await, bank[..1]);
    // What servers share is not for who sees some of them, and other servers and organisations are not there.
    let one = member_of(Role::Viewer, &["default-bank"]);
    assert_eq!(lines(&trial, &one, LimitFilter::default()).await, bank[..1]);
    assert_eq!(lines(&trial, &one, only(Some("kernel"), None)).await, [""; 0]);
    let other = caller("other", Roles { organisation: Some(Role::Admin), ..Roles::default() });
    let theirs = ["kernel other-kernel-a /tools/exec/limits/hourly 1/10"];
    assert_eq!(lines(&trial, &other, LimitFilter::default()).await, theirs);
    assert!(
        trial
            .control
            .limits(&caller("default", Roles::default()), LimitFilter::default(), &part(1, None))
            .await
            .is_err()
    );
    // In parts.
    let first = trial.control.limits(&viewer, LimitFilter::default(), &part(5, None)).await.unwrap();
    let rest = trial.control.limits(&viewer, LimitFilter::default(), &part(5, first.next.as_deref())).await.unwrap();
    assert_eq!((first.items.len(), rest.items.len(), rest.next), (5, 3, None));
    let shown = serde_json::to_value(&first.items[1]).unwrap();
    let expected = serde_json::json!({
        "server": "kernel", "grant": null, "scope": "server", "rule": "/tools/pay_*/limits/spent", "tool": "pay_*",
        "used": 80.25, "limit": 99.5, "unit": "args.amount", "window_seconds": 2_678_400,
        "resets_at": "1970-01-01T01:00:00.000Z", "near": true, "shadow": false,
    });
    assert_eq!(shown, expected);
    assert_eq!((first.items[2].window_seconds, first.items[2].resets_at.clone()), (None, None));
    assert_eq!(first.items.iter().map(|limit| limit.near).collect::<Vec<_>>(), [true, true, false, false, false]);
    assert!(first.items[4].shadow && first.items[4].tool.as_deref() == Some("exec"));
}

fn request(server: &str, rule: &str, grant: Option<&str>) -> ResetRequest {
    let grant = grant.map(str::to_owned);
    ResetRequest { server: server.to_owned(), rule: rule.to_owned(), grant, reason: "agreed".to_owned() }
}

const HOURLY: &str = "/tools/exec/limits/hourly";

#[tokio::test]
async fn a_reset_is_of_the_right_counters_and_on_record() {
    let (trial, fake) = bench().await;
    let manager = member_of(Role::PolicyManager, &["default-kernel"]);
    let done = trial.control.reset_limit(&manager, &request("kernel", HOURLY, Some("default-kernel-b"))).await.unwrap();
    assert_eq!((done.counters, done.grant.as_deref()), (1, Some("default-kernel-b")));
    let done = trial.control.reset_limit(&manager, &request("default-kernel", HOURLY, None)).await.unwrap();
    assert_eq!((done.server.as_str(), done.counters), ("kernel", 1));
    let resets = fake.resets.lock().unwrap().clone();
    let ids: Vec<_> =
        resets.iter().map(|(keys, ..)| keys.iter().map(|key| &*key.scope_id).collect::<Vec<_>>()).collect();
    assert_eq!(ids, [["default-kernel-b"], ["default-kernel-a"]]);
    assert_eq!((resets[0].1.as_str(), resets[0].2.as_str()), ("member:ada", "agreed"));
    let words = trial.journal.words();
    let word = format!("limit reset server/kernel/limit/{HOURLY}");
    assert_eq!(words.iter().filter(|known| **known == word).count(), 2);
    let body = trial.journal.bodies().into_iter().rfind(|body| body["what"] == "limit reset").unwrap();
    assert_eq!(body["after"], serde_json::json!({ "grant": null, "counters": 1, "reason": "agreed" }));
    assert_eq!(body["before"]["used"], serde_json::json!({ "grant default-kernel-a": "9" }));
    // What counts nothing is no change.
    let before = trial.journal.words().len();
    assert_eq!(trial.control.reset_limit(&manager, &request("kernel", HOURLY, None)).await.unwrap().counters, 0);
    assert_eq!(trial.journal.words().len(), before);
    // A sum is not in the record: it is made of arguments.
    let spent = request("kernel", "/tools/pay_*/limits/spent", None);
    assert_eq!(trial.control.reset_limit(&manager, &spent).await.unwrap().counters, 1);
    let body = trial.journal.bodies().pop().unwrap();
    assert!(body["what"] == "limit reset" && !body.to_string().contains("80.25"), "{body}");
    // What servers share is for who manages all of them.
    let everyone = request("kernel", "/all_tools/limits/everyone", None);
    assert_eq!(trial.control.reset_limit(&member(Role::PolicyManager), &everyone).await.unwrap().counters, 1);
}

#[tokio::test]
async fn what_can_not_be_reset_says_why() {
    let (trial, fake) = bench().await;
    let before = trial.journal.words().len();
    let everyone = "/all_tools/limits/everyone";
    let manager = member(Role::PolicyManager);
    let of_kernel = member_of(Role::PolicyManager, &["default-kernel"]);
    let long = ResetRequest { reason: "x".repeat(501), ..request("kernel", HOURLY, None) };
    let hidden = ResetRequest { reason: "a\u{202e}b".to_owned(), ..request("kernel", HOURLY, None) };
    let blank = ResetRequest { reason: " ".to_owned(), ..request("kernel", HOURLY, None) };
    let cases = [
        (&manager, request("kernel", "/tools/exec/limits/daily", None), "CG3253"),
        (&manager, request("nowhere", HOURLY, None), "CG3041"),
        (&manager, request("kernel", HOURLY, Some("default-bank-a")), "CG3044"),
        (&manager, request("kernel", "/tools/exec/limits/flying", None), "CG3254"),
        (&of_kernel, request("kernel", everyone, None), "CG3255"),
        (&of_kernel, request("bank", HOURLY, None), "CG3041"),
        (&manager, request("kernel", everyone, Some("default-kernel-a")), "CG3256"),
        (&manager, long, "CG3257"),
        (&manager, hidden, "CG3257"),
        (&manager, blank, "CG3257"),
        (&member(Role::Viewer), request("kernel", HOURLY, None), "CG3110"),
    ];
    for (caller, request, code) in cases {
        let error = trial.control.reset_limit(caller, &request).await.unwrap_err();
        assert_eq!(error.code, code, "{request:?}: {error}");
    }
    assert_eq!((trial.journal.words().len(), fake.resets.lock().unwrap().len()), (before, 0));
    // On record first: where the counters' own record fails, nothing was done.
    fake.failing.store(true, std::sync::atomic::Ordering::SeqCst);
    let error = trial.control.reset_limit(&manager, &request("kernel", HOURLY, None)).await.unwrap_err();
    assert_eq!((error.code, trial.journal.words().len()), ("CG3258", before + 1));
    let without = Trial::new().await;
    let error = without.control.limits(&manager, LimitFilter::default(), &part(1, None)).await.unwrap_err();
    assert_eq!(error.code, "CG3252");
}
