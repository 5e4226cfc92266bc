use super::*;
use callgate_journal::{Journal, Options};
use serde_json::json;
use tempfile::TempDir;

const SECRET: &str = "hunter2-4711";

/// The attributes that the schema requires, by class (OCSF 1.5.0: `events/base_event.json`,
/// `events/application/api_activity.json`, `events/iam/entity_management.json`, and the objects they use). Of those
/// with `|` at least one has to be there; an object that is not there need not have any.
const REQUIRED: &[(u64, &[&str])] = &[
    (0, BASE),
    (6003, BASE),
    (6003, &["actor", "api", "src_endpoint", "actor/user|actor/session|actor/app_name|actor/process"]),
    (6003, &["api/operation", "src_endpoint/ip|src_endpoint/name|src_endpoint/uid|src_endpoint/hostname"]),
    (6003, &["action_id", "disposition_id", "status_id"]),
    (3004, BASE),
    (3004, &["entity", "entity/name|entity/uid"]),
];

const BASE: &[&str] = &[
    "activity_id",
    "category_uid",
    "class_uid",
    "metadata",
    "severity_id",
    "time",
    "type_uid",
    "metadata/version",
    "metadata/product",
    "metadata/product/vendor_name",
    "metadata/product/name",
];

/// Of objects that may be there.
const NESTED: &[(&str, &[&str])] = &[
    ("/api/request", &["uid"]),
    ("/api/service", &["name|uid"]),
    ("/http_response", &["code"]),
    ("/policy", &["name|uid"]),
    ("/firewall_rule", &["name|uid"]),
    ("/actor/user", &["name|uid"]),
    ("/entity_result", &["name|uid"]),
];

fn id(n: u64) -> String {
    format!("018f3c5e-7a31-7c44-9d1e-{n:012x}")
}

fn about(server: &str, grant: &str) -> Value {
    json!({ "organisation": "acme", "grant": grant, "grant_label": "laptop", "identity": "ada", "server": server,
        "method": "tools/call", "tool": "exec", "policy": "default", "policy_digest": "d", "policy_version": 3,
        "session": "s1", "client": "cursor", "client_version": "1", "request_id": "7", "argument_keys": ["cmd"],
        "charges": [{ "amount": SECRET }] })
}

fn with(mut one: Value, other: Value) -> Value {
    let (Some(to), Value::Object(from)) = (one.as_object_mut(), other) else { panic!() };
    to.extend(from);
    one
}

fn sample() -> (TempDir, Journal) {
    let dir = tempfile::tempdir().unwrap();
    let journal =
        Journal::open(dir.path(), Options { segment_bytes: 1_500, ..Options::default() }, &mut |_| Ok(())).unwrap();
    let denied = json!({ "id": id(2), "outcome": "deny", "rule": "rules[0]", "reason": "rule", "message": "no",
        "place": { "pointer": "/rules/0", "line": 2 }, "retry_after_ms": 5 });
    let records = [
        (Kind::Decision, with(about("kernel", "g_1"), json!({ "id": id(1), "outcome": "allow", "rule": "" }))),
        (Kind::Decision, with(about("files", "g_2"), denied)),
        (
            Kind::Outcome,
            json!({ "id": id(1), "result": "error", "kept": true, "upstream_status": 502, "error_code": -32000,
            "latency_us": 1500, "bytes": 9, "charges": [{ "amount": SECRET }] }),
        ),
        (Kind::Outcome, json!({ "id": id(9), "result": "result", "kept": true })),
        (
            Kind::Change,
            json!({ "organisation": "acme", "generation": 1, "position": 0, "at": 5, "who": "member:ada",
            "what": "grant mint", "object": "server/kernel/grant/g_1", "before": null, "after": { "label": "laptop" } }),
        ),
        (
            Kind::Change,
            json!({ "organisation": "other", "generation": 1, "position": 0, "at": 5, "who": "member:eve",
            "what": "server remove", "object": "server/kernelx", "before": { "name": "kernelx" }, "after": null }),
        ),
        (Kind::Withheld, with(about("kernel", "g_1"), json!({ "method": "tools/list", "names": ["rm"], "count": 1 }))),
        (Kind::Refused, json!({ "why": "newer" })),
        (Kind::Lost, json!({ "records": 2 })),
    ];
    for (at, (kind, body)) in records.into_iter().enumerate() {
        let ts = 1_000 + i64::try_from(at).unwrap();
        let ticket = journal.append(ts, kind, body.to_string().as_bytes(), || b"{}".to_vec()).unwrap();
        journal.wait_written(ticket).unwrap();
    }
    journal.note_refused("192.0.2.1", "unknown token");
    journal.note_refused("stdio", "no token");
    // The counts are written at the end at the latest.
    drop(journal);
    let journal =
        Journal::open(dir.path(), Options { segment_bytes: 1_500, ..Options::default() }, &mut |_| Ok(())).unwrap();
    (dir, journal)
}

fn lines(dir: &TempDir, format: Format, wanted: Wanted) -> Vec<Value> {
    let exporter = export(dir.path(), format, wanted).unwrap();
    exporter.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

fn has(event: &Value, paths: &str) -> bool {
    paths.split('|').any(|path| event.pointer(&format!("/{path}")).is_some_and(|value| !value.is_null() && value != ""))
}

#[test]
fn every_event_has_what_the_schema_requires() {
    let (dir, journal) = sample();
    let pruned = journal.prune(1_003, None).unwrap();
    assert!(pruned.is_none(), "the first segment is younger: {pruned:?}");
    let events = lines(&dir, Format::Ocsf, Wanted::default());
    assert_eq!(events.len(), 11);
    for event in &events {
        let class = event["class_uid"].as_u64().unwrap();
        let tables: Vec<_> = REQUIRED.iter().filter(|(of, _)| *of == class).collect();
        assert!(!tables.is_empty(), "{event}");
        for path in tables.iter().flat_map(|(_, paths)| paths.iter()) {
            assert!(has(event, path), "{path}: {event}");
        }
        for (object, paths) in NESTED {
            let Some(found) = event.pointer(object) else { continue };
            assert!(paths.iter().all(|path| has(found, path)), "{object}: {event}");
        }
        assert_eq!(event["type_uid"].as_u64().unwrap(), class * 100 + event["activity_id"].as_u64().unwrap());
        assert_eq!(event["category_uid"].as_u64().unwrap(), class / 1000);
        assert_eq!(event["metadata"]["version"], ocsf::VERSION);
    }
    let of = |code: &str| events.iter().filter(|event| event["metadata"]["event_code"] == code).collect::<Vec<_>>();
    let (decisions, outcomes, changes) = (of("decision"), of("outcome"), of("change"));
    assert_eq!((&decisions[0]["action_id"], &decisions[0]["disposition_id"]), (&json!(1), &json!(1)));
    assert_eq!((&decisions[1]["action_id"], &decisions[1]["disposition_id"]), (&json!(2), &json!(2)));
    assert_eq!(decisions[1]["firewall_rule"], json!({ "name": "rules[0]", "uid": "/rules/0" }));
    assert_eq!(decisions[1]["policy"], json!({ "name": "default", "uid": "d", "version": "3" }));
    assert_eq!(outcomes[0]["metadata"]["correlation_uid"], decisions[0]["metadata"]["correlation_uid"]);
    assert_eq!(outcomes[0]["actor"], decisions[0]["actor"]);
    assert_eq!((&outcomes[0]["status_id"], &outcomes[0]["duration"]), (&json!(2), &json!(1)));
    assert_eq!(outcomes[0]["http_response"], json!({ "code": 502 }));
    assert_eq!(outcomes[0]["api"]["response"], json!({ "code": -32000, "error": "error" }));
    assert_eq!((&changes[0]["activity_id"], &changes[1]["activity_id"]), (&json!(1), &json!(4)));
    assert_eq!((&changes[0]["entity"]["type"], &changes[1]["entity"]["type"]), (&json!("grant"), &json!("server")));
}

#[test]
fn what_is_wanted_is_exported_and_nothing_else() {
    let (dir, _journal) = sample();
    let server = |name: &str| Some(name.to_owned());
    let acme = Some("acme".to_owned());
    let cases: Vec<(Wanted, &[&str])> = vec![
        (
            Wanted::default(),
            &[
                "decision", "decision", "outcome", "outcome", "change", "change", "withheld", "refused", "lost",
                "early", "early",
            ],
        ),
        (Wanted { server: server("kernel"), ..Wanted::default() }, &["decision", "outcome", "change", "withheld"]),
        (Wanted { server: server("files"), ..Wanted::default() }, &["decision"]),
        (Wanted { server: server("kernelx"), ..Wanted::default() }, &["change"]),
        (
            Wanted { organisation: acme.clone(), without_instance: true, ..Wanted::default() },
            &["decision", "decision", "outcome", "change", "withheld"],
        ),
        (
            Wanted { organisation: acme.clone(), without_instance: true, without_changes: true, ..Wanted::default() },
            &["decision", "decision", "outcome", "withheld"],
        ),
        (
            Wanted { organisation: acme.clone(), ..Wanted::default() },
            &["decision", "decision", "outcome", "change", "withheld", "lost", "early", "early"],
        ),
        (
            Wanted {
                organisation: acme,
                grants: Some(HashSet::from(["g_2".to_owned()])),
                without_instance: true,
                ..Wanted::default()
            },
            &["decision"],
        ),
        (Wanted { organisation: Some("nobody".to_owned()), without_instance: true, ..Wanted::default() }, &[]),
        // What became of a call is told apart although the decision is older than what is wanted.
        (
            Wanted { since: Some(1_002), until: Some(1_004), server: server("kernel"), ..Wanted::default() },
            &["outcome"],
        ),
        (Wanted { since: Some(1_001), until: Some(1_002), ..Wanted::default() }, &["decision"]),
    ];
    for (wanted, expected) in cases {
        let found = lines(&dir, Format::Jsonl, wanted.clone());
        let kinds: Vec<_> = found.iter().map(|line| line["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, expected, "{wanted:?}");
    }
    let mut exporter =
        export(dir.path(), Format::Jsonl, Wanted { server: server("kernel"), ..Wanted::default() }).unwrap();
    assert_eq!((exporter.by_ref().count(), exporter.unassigned()), (4, 1));
}

#[test]
fn counts_that_retention_deleted_are_not_exported_where_they_are_still_there() {
    let (dir, journal) = sample();
    let early = |dir: &TempDir| lines(dir, Format::Jsonl, Wanted::default()).iter().filter(is_early).count();
    fn is_early(line: &&Value) -> bool {
        line["kind"] == "early"
    }
    let before = std::fs::read(dir.path().join("refused.log")).unwrap();
    assert_eq!(early(&dir), 2);
    // A deletion that ended before it got to them.
    journal.prune(i64::MAX, Some("member:ada")).unwrap().unwrap();
    drop(journal);
    std::fs::write(dir.path().join("refused.log"), before).unwrap();
    assert_eq!(early(&dir), 0);
}

#[test]
fn no_value_of_an_argument_leaves() {
    let (dir, _journal) = sample();
    for format in [Format::Jsonl, Format::Ocsf] {
        for line in export(dir.path(), format, Wanted::default()).unwrap() {
            let line = line.unwrap();
            assert!(!line.contains(SECRET) && !line.contains("charges"), "{line}");
        }
    }
    let first = lines(&dir, Format::Jsonl, Wanted::default()).remove(0);
    assert_eq!(
        (&first["time"], &first["seq"], &first["argument_keys"]),
        (&json!("1970-01-01T00:00:01.000Z"), &json!(2), &json!(["cmd"]))
    );
}
