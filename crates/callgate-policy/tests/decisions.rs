#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]
//! Runs every case under `tests/decisions`: a policy, calls, and what has to come of them.

use callgate_json::{Limits, Value, parse};
use callgate_policy::{
    Arguments, Call, Category, Client, Decision, Definition, Facts, Grant, GrantId, Identity, Organisation, Policy,
    Problems, Receipt, ServerName, Settlement, State, Timestamp, decide,
};
use std::collections::BTreeMap;
use std::path::Path;

const FIELDS: [&str; 21] = [
    "name",
    "tool",
    "args",
    "raw",
    "definition",
    "session",
    "identity",
    "client",
    "grant",
    "now",
    "calls",
    "settle",
    "outcome",
    "reason",
    "rule",
    "pointer",
    "line",
    "source",
    "message",
    "not",
    "shadow",
];

#[test]
fn every_case_decides_as_written() {
    let mut cases = 0;
    let mut failures = Vec::new();
    let mut files: Vec<_> =
        std::fs::read_dir(Path::new("tests/decisions")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let limits = Limits { max_values: 1 << 20, ..Limits::default() };
        let document = parse(&bytes, &limits).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for group in document.as_array().unwrap() {
            let title = format!("{}: {}", file.display(), text(group, "name").unwrap());
            for member in group.members() {
                assert!(
                    ["name", "policy", "baseline", "broken", "cases"].contains(&&*member.key),
                    "{title}: {}",
                    member.key
                );
            }
            let policies = Policies::read(group, &bytes, &title);
            for case in group.get("cases").unwrap().as_array().unwrap() {
                cases += 1;
                if let Err(why) = policies.run(case, &bytes) {
                    failures.push(format!("{title}: {}\n    {why}", String::from_utf8_lossy(case.bytes(&bytes))));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {cases} cases:\n{}", failures.len(), failures.join("\n"));
    assert!(cases > 300, "only {cases} cases were found");
}

struct Policies {
    policy: Option<Policy>,
    baseline: Option<Policy>,
}

impl Policies {
    fn read(group: &Value<'_>, bytes: &[u8], title: &str) -> Self {
        let read = |name: &str| {
            let value = group.get(name).filter(|value| !value.is_null())?;
            let problems = |problems: Problems| panic!("{title}: {name}: {problems}");
            Some(Policy::parse(value.bytes(bytes)).unwrap_or_else(problems))
        };
        let policy = text(group, "broken").map(|why| Policy::refuse_all(&why)).or_else(|| read("policy"));
        Self { policy, baseline: read("baseline") }
    }

    fn run(&self, case: &Value<'_>, bytes: &[u8]) -> Result<(), String> {
        for member in case.members() {
            assert!(FIELDS.contains(&&*member.key), "unknown field `{}`", member.key);
        }
        let scene = Scene::read(case, bytes);
        let raw = text(case, "raw").map(String::into_bytes);
        let raw = raw.or_else(|| case.get("args").map(|value| value.bytes(bytes).to_vec()));
        let parsed = raw.as_deref().map(|raw| parse(raw, &Limits::default()));
        let arguments = match &parsed {
            None => Arguments::Absent,
            Some(Ok(value)) => Arguments::Value(value),
            Some(Err(error)) => Arguments::Unreadable(error.clone()),
        };
        let tool = text(case, "tool").unwrap();
        let call = Call { server: &scene.server, tool: &tool, arguments, definition: scene.definition.as_ref() };
        let decision = decide(self.policy.as_ref(), self.baseline.as_ref(), &call, &scene.facts());
        compare(case, &play(case, decision, scene.now))
    }
}

/// Makes the calls before the last, and gives the last one's final decision.
fn play(case: &Value<'_>, decision: Decision, now: Timestamp) -> Decision {
    let calls = case.get("calls").map_or(1, |calls| calls.as_number().unwrap().exact().unwrap().as_i64().unwrap());
    let settlement = match text(case, "settle").as_deref() {
        None => None,
        Some("keep") => Some(Settlement::Keep),
        Some("give back") => Some(Settlement::GiveBack),
        Some(other) => panic!("unknown settlement `{other}`"),
    };
    let mut state = State::default();
    let mut last: Result<Receipt, _> = Ok(Receipt::default());
    for _ in 0..calls {
        last = state.reserve(&decision.charges, now);
        if let (Ok(receipt), Some(settlement)) = (&last, settlement) {
            state.settle(receipt, settlement, now);
        }
    }
    match last {
        Ok(_) => decision,
        Err(refusal) => decision.refused(refusal),
    }
}

fn compare(case: &Value<'_>, got: &Decision) -> Result<(), String> {
    let source = got.place.as_ref().map(|place| format!("{:?}", place.source).to_lowercase());
    let pointer = got.place.as_ref().map(|place| place.pointer.to_string());
    let line = got.place.as_ref().map(|place| place.line.to_string());
    let shadow: Vec<_> =
        got.shadow.iter().map(|v| format!("{} {} {}", v.outcome.as_str(), v.reason.as_str(), v.rule)).collect();
    let facts = [
        ("outcome", Some(got.outcome.as_str().to_owned())),
        ("reason", got.reason.map(|reason| reason.as_str().to_owned())),
        ("rule", Some(got.rule.to_string())),
        ("source", source),
        ("pointer", pointer),
        ("line", line),
        ("shadow", Some(shadow.join("; "))),
    ];
    for (name, value) in facts {
        let Some(expected) = text(case, name) else { continue };
        if value.as_deref() != Some(&*expected) {
            return Err(format!("{name}: expected {expected:?}, got {value:?}: {got:?}"));
        }
    }
    if let Some(part) = text(case, "message").filter(|part| !got.message.contains(part)) {
        return Err(format!("message: expected {part:?} in {:?}", got.message));
    }
    if let Some(part) = text(case, "not").filter(|part| got.message.contains(part)) {
        return Err(format!("message: {part:?} must not stand in {:?}", got.message));
    }
    assert!(case.get("outcome").is_some(), "a case without an outcome shows nothing");
    Ok(())
}

/// Everything around the call.
struct Scene {
    now: Timestamp,
    organisation: Organisation,
    server: ServerName,
    grant: Grant,
    definition: Option<Definition>,
    identity: Option<Identity>,
    client: Option<Client>,
    session: Option<String>,
}

impl Scene {
    fn read(case: &Value<'_>, bytes: &[u8]) -> Self {
        let now = text(case, "now").unwrap_or_else(|| "2026-11-21T12:00:30Z".into());
        let raw =
            |value: &Value<'_>, key: &str| value.get(key).map(|v| String::from_utf8(v.bytes(bytes).into()).unwrap());
        let definition = case.get("definition").map(|value| Definition {
            name: text(case, "tool").unwrap(),
            input_schema: raw(value, "inputSchema"),
            annotations: raw(value, "annotations"),
            category: text(value, "category").map(|name| category(&name)),
            quarantined: value.get("quarantined").is_some_and(|v| v.as_bool().unwrap()),
            ..Definition::default()
        });
        let identity = case.get("identity").map(|value| Identity {
            subject: text(value, "subject").unwrap(),
            claims: raw(value, "claims").unwrap_or_else(|| "{}".into()),
        });
        let client = case.get("client").map(|value| Client {
            name: text(value, "name").unwrap(),
            version: text(value, "version").unwrap_or_default(),
        });
        let mut grant = Grant { id: GrantId::parse("g-1").unwrap(), label: "agent".into(), tags: BTreeMap::new() };
        if let Some(value) = case.get("grant") {
            grant.label = text(value, "label").unwrap_or_default();
            let tags = value.get("tags").map(Value::members).unwrap_or_default();
            grant.tags = tags.iter().map(|m| (m.key.to_string(), m.value.as_str().unwrap().to_owned())).collect();
        }
        Self {
            now: Timestamp(now.parse::<jiff::Timestamp>().unwrap().as_millisecond()),
            organisation: Organisation::parse("acme").unwrap(),
            server: ServerName::parse("kernel").unwrap(),
            grant,
            definition,
            identity,
            client,
            session: text(case, "session"),
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            now: self.now,
            organisation: &self.organisation,
            grant: &self.grant,
            identity: self.identity.as_ref(),
            session: self.session.as_deref(),
            client: self.client.as_ref(),
            trace: None,
        }
    }
}

fn category(name: &str) -> Category {
    match name {
        "read" => Category::Read,
        "write" => Category::Write,
        "execute" => Category::Execute,
        "destructive" => Category::Destructive,
        "financial" => Category::Financial,
        other => panic!("no category `{other}`"),
    }
}

fn text(value: &Value<'_>, key: &str) -> Option<String> {
    let member = value.get(key)?;
    Some(member.as_str().map_or_else(|| callgate_json::canonical(member), str::to_owned))
}
