//! Rules over what comes back: planted secrets in every shape that an answer has, and ordinary answers as they came.

mod ways;

#[path = "../../../callgate-detect/tests/support/planted.rs"]
mod planted;

use crate::child::call;
use crate::http::Answer;
use crate::upstream::{Say, Seen, Upstream, decent, events, json_answer};
use crate::world::{Memory, Plan, World, http_upstream};
use planted::{Dice, Planted};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Rules over the results of `safe`, and none over those of `echo`.
pub fn policy() -> Value {
    json!({
        "version": "1", "default": "deny",
        "tools": {
            "echo": {},
            "safe": { "results": {
                "redact": ["secrets", "personal_data"],
                "max_bytes": 300_000,
                "deny_if": [
                    { "conditions": [{ "path": "result.content[*].text", "op": "contains", "value": "STOP" }] },
                    { "conditions": [
                        { "path": "result.isError", "op": "eq", "value": true },
                        { "path": "args.how", "op": "eq", "value": "strict" }
                    ], "on_deny": "No errors here." }
                ]
            } }
        }
    })
}

pub fn plan() -> Plan {
    Plan { policy: policy(), ..Plan::default() }
}

/// A secret that no file holds.
pub fn secret() -> String {
    ["AK", "IA"].concat() + &Dice::new(11).text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)
}

/// An upstream that answers every call with what the test puts here.
async fn saying() -> (Upstream, Arc<Mutex<Vec<Say>>>) {
    let next: Arc<Mutex<Vec<Say>>> = Arc::default();
    let says = Arc::clone(&next);
    let upstream = Upstream::new(move |seen: &Seen| match seen.json()["method"].as_str() {
        Some("tools/call") => says.lock().unwrap().pop().unwrap(),
        _ => decent(seen),
    })
    .await;
    (upstream, next)
}

fn response(result: &str) -> String {
    format!(r#"{{ "jsonrpc":"2.0", "id":"mine" ,"result":{result}}}"#)
}

/// What the rules recorded of results; nothing that they took out is in any record.
pub fn ruled(memory: &Memory, secret: &str) -> Vec<Value> {
    let all = memory.decisions();
    let text = json!([all, memory.outcomes()]).to_string();
    assert!(!text.contains(secret), "{text}");
    all.into_iter().filter(|one| one.get("result_of").is_some()).collect()
}

struct Case {
    world: World,
    says: Arc<Mutex<Vec<Say>>>,
    session: String,
    _upstream: Upstream,
}

impl Case {
    async fn new() -> Self {
        Self::under(plan()).await
    }

    async fn under(plan: Plan) -> Self {
        let (upstream, says) = saying().await;
        let world = World::planned(http_upstream(&upstream), plan).await;
        let session = world.session().await;
        Self { world, says, session, _upstream: upstream }
    }

    async fn call(&self, body: &str, say: Say) -> Answer {
        self.says.lock().unwrap().push(say);
        self.world.post(&[("Mcp-Session-Id", &self.session)], body).await
    }
}

fn in_pieces(text: &str, length: usize) -> Vec<Vec<u8>> {
    text.as_bytes().chunks(length).map(<[u8]>::to_vec).collect()
}

/// The ways in which an answer comes: whole and in pieces, as JSON and as events.
const WAYS: [fn(&str) -> Say; 4] = [
    |whole| json_answer(whole),
    |whole| Say::Pieces(in_pieces(whole, 7)),
    |whole| events(&[format!("event: message\ndata: {whole}\n\n")]),
    |whole| {
        let event = format!("event: message\ndata: {whole}\n\n");
        let part = |part: &[u8]| String::from_utf8(part.to_vec()).unwrap();
        events(&event.as_bytes().chunks(5).map(part).collect::<Vec<_>>())
    },
];

#[tokio::test]
async fn every_planted_secret_is_taken_out_of_json_and_of_streams_also_in_pieces() {
    for way in WAYS {
        let case = Case::new().await;
        for planted in planted::corpus(17) {
            is_taken_out(&case, &planted, way).await;
        }
        case.world.stop().await;
    }
}

async fn is_taken_out(case: &Case, planted: &Planted, way: fn(&str) -> Say) {
    let Planted { detector, secret, text } = planted;
    let result = json!({ "content": [{ "type": "text", "text": text }], "structuredContent": { "a": [text] } });
    let whole = json!({ "jsonrpc": "2.0", "id": "mine", "result": result }).to_string();
    let answer = case.call(&call("plain"), way(&whole)).await;
    let text = answer.response().to_string();
    let bare = json!(secret).to_string();
    assert!(!text.contains(bare.trim_matches('"')) && text.contains("[REDACTED:"), "{detector}: {text}");
    assert_eq!(answer.response()["id"], "mine");
    let record = ruled(&case.world.memory, secret).pop().unwrap();
    assert_eq!(
        (&record["method"], &record["tool"], &record["outcome"]),
        (&json!("tools/call"), &json!("safe"), &json!("allow"))
    );
    assert_eq!(record["rule"], "/tools/safe/results/redact", "{record}");
    assert!(record["redacted"].as_object().unwrap().values().any(|count| count.as_u64() >= Some(2)), "{record}");
    let call = case.world.memory.decisions().into_iter().find(|one| one["id"] == record["result_of"]).unwrap();
    assert_eq!((&call["tool"], &call["rule"]), (&json!("safe"), &json!("")));
}

#[tokio::test]
async fn ordinary_answers_pass_byte_for_byte() {
    let mut policy = policy();
    policy["tools"]["safe"]["results"] = json!({ "redact": ["secrets"] });
    let case = Case::under(Plan { policy, ..Plan::default() }).await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../callgate-detect/tests/ordinary");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        for line in std::fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            // The servers put the id first or last.
            let number = line.strip_suffix('}').and_then(|line| line.rsplit_once("\"jsonrpc\":\"2.0\",\"id\":"));
            let whole = match number.filter(|(_, id)| id.bytes().all(|byte| byte.is_ascii_digit())) {
                Some((head, _)) => format!("{head}\"jsonrpc\":\"2.0\",\"id\":\"mine\"}}"),
                None => {
                    let (_, rest) = line.split_once("\"id\":").unwrap();
                    let (_, rest) = rest.split_once(',').unwrap();
                    format!("{{\"jsonrpc\":\"2.0\",\"id\":\"mine\",{rest}")
                }
            };
            let passed = case.call(&call("plain"), json_answer(&whole)).await;
            assert_eq!(passed.text(), whole);
            let event = format!("data: {whole}\n\n");
            assert_eq!(case.call(&call("plain"), events(std::slice::from_ref(&event))).await.text(), event);
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
    assert!(ruled(&case.world.memory, "\u{0}").is_empty(), "nothing happened, so nothing is recorded");
    case.world.stop().await;
}

#[tokio::test]
async fn what_is_taken_out_leaves_the_rest_as_it_was() {
    let case = Case::new().await;
    let secret = secret();
    let escaped = secret.replacen('A', "\\u0041", 1);
    for (result, expected) in [
        (
            format!(r#"{{"content":[ {{"text":"{secret}" , "n":1.50}}] }}"#),
            r#"{"content":[ {"text":"[REDACTED:aws-access-key-id]" , "n":1.50}] }"#,
        ),
        (format!(r#"{{"content":[],"x":"a {escaped}"}}"#), r#"{"content":[],"x":"a [REDACTED:aws-access-key-id]"}"#),
        (
            format!(r#"{{"structuredContent":{{ "{escaped}" : 1e2 }}}}"#),
            r#"{"structuredContent":{ "[REDACTED:aws-access-key-id]" : 1e2 }}"#,
        ),
        (
            format!(
                r#"{{"content":[{{"type":"resource","resource":{{"uri":"a:b","text":"{secret}"}}}},{{"type":"image","data":"{secret}"}}]}}"#
            ),
            &format!(
                r#"{{"content":[{{"type":"resource","resource":{{"uri":"a:b","text":"[REDACTED:aws-access-key-id]"}}}},{{"type":"image","data":"{secret}"}}]}}"#
            ),
        ),
    ] {
        let answer = case.call(&call("plain"), json_answer(&response(&result))).await;
        assert_eq!(answer.text(), response(expected));
    }
    // An error is an answer too.
    let error = format!(
        r#"{{"jsonrpc":"2.0","id":"mine","error":{{"code":-32000,"message":"no {secret}","data":{{"s":"{secret}"}}}}}}"#
    );
    let answer = case.call(&call("plain"), json_answer(&error)).await;
    assert_eq!(answer.text(), error.replace(&secret, "[REDACTED:aws-access-key-id]"));
    // A tool without rules is left alone, and nothing is recorded.
    let before = ruled(&case.world.memory, "\u{0}").len();
    let plain = response(&format!(r#"{{"content":[],"x":"{secret}"}}"#));
    let echo = call("plain").replace("\"safe\"", "\"echo\"");
    assert_eq!(case.call(&echo, json_answer(&plain)).await.text(), plain);
    assert_eq!(ruled(&case.world.memory, "\u{0}").len(), before);
    case.world.stop().await;
}

#[tokio::test]
async fn a_long_answer_is_read_as_a_whole_only_where_a_rule_looks_at_it() {
    let case = Case::new().await;
    let secret = secret();
    let filler = "-".repeat(120_000);
    let long = response(&format!(r#"{{"content":[{{"text":"{filler}"}}],"z":"{secret}"}}"#));
    let answer = case.call(&call("plain"), Say::Pieces(in_pieces(&long, 10_007))).await;
    assert_eq!(answer.text(), long.replace(&secret, "[REDACTED:aws-access-key-id]"));
    let echo = call("plain").replace("\"safe\"", "\"echo\"");
    assert_eq!(case.call(&echo, Say::Pieces(in_pieces(&long, 10_007))).await.text(), long);
    // Over the rule's bound it is refused, however it comes.
    let longer = response(&format!(r#"{{"content":[{{"text":"{filler}{filler}{filler}"}}]}}"#));
    for say in [Say::Pieces(in_pieces(&longer, 50_000)), events(&[format!("data: {longer}\n\n")])] {
        let refused = case.call(&call("plain"), say).await.response();
        assert_eq!(refused["result"]["isError"], true, "{refused}");
        assert_eq!(refused["result"]["_meta"]["dev.callgate/decision"]["rule"], "/tools/safe/results/max_bytes");
    }
    case.world.stop().await;
}

#[tokio::test]
async fn what_can_not_be_read_strictly_is_refused_where_a_rule_has_to_look() {
    let case = Case::new().await;
    let secret = secret();
    let hidden = format!(r#"{{"content":[],"x":"{secret}","x":"nothing"}}"#);
    let lone = format!(r#"{{"content":[],"x":"\ud800 {secret}"}}"#);
    let echo = call("plain").replace("\"safe\"", "\"echo\"");
    for result in [hidden, lone] {
        let whole = response(&result);
        for say in [json_answer(&whole), events(&[format!("data: {whole}\n\n")])] {
            let refused = case.call(&call("plain"), say).await.response();
            assert_eq!(refused["error"]["data"]["code"], "CG2044", "{refused}");
            assert!(!refused.to_string().contains(&secret));
        }
        assert_eq!(case.call(&echo, json_answer(&whole)).await.text(), whole, "data that no rule looks at");
    }
    case.world.stop().await;
}

#[tokio::test]
async fn what_a_condition_holds_for_is_refused_and_the_call_is_settled() {
    let case = Case::new().await;
    let text = r#"{"content":[{"type":"text","text":"do not STOP here"}]}"#;
    let refused = case.call(&call("plain"), json_answer(&response(text))).await;
    assert_eq!(refused.status, 200);
    let result = &refused.json()["result"];
    assert_eq!(
        (&result["isError"], result["content"][0]["text"].as_str().unwrap().starts_with("[POLICY DENIED] ")),
        (&json!(true), true)
    );
    assert!(!refused.text().contains("STOP here"));
    let decision = &result["_meta"]["dev.callgate/decision"];
    assert_eq!(decision["rule"], "/tools/safe/results/deny_if/result.content[*].text-contains");
    let failed = r#"{"content":[],"isError":true}"#;
    let strict = case.call(&call("strict"), json_answer(&response(failed))).await.response();
    assert_eq!(strict["result"]["content"][0]["text"], "[POLICY DENIED] No errors here.");
    assert_eq!(case.call(&call("plain"), json_answer(&response(failed))).await.text(), response(failed));
    let records = ruled(&case.world.memory, "STOP here");
    assert_eq!(records.len(), 2);
    for record in &records {
        assert_eq!((&record["outcome"], &record["reason"]), (&json!("deny"), &json!("result")), "{record}");
    }
    let outcomes = case.world.memory.outcomes();
    for record in &records {
        assert!(outcomes.iter().any(|one| one["id"] == record["result_of"] && one["kept"] == true), "it ran");
    }
    case.world.stop().await;
}

#[tokio::test]
async fn rules_in_shadow_are_recorded_and_change_nothing() {
    let (upstream, says) = saying().await;
    let mut policy = policy();
    policy["tools"]["safe"]["results"]["mode"] = json!("shadow");
    let world = World::planned(http_upstream(&upstream), Plan { policy, ..Plan::default() }).await;
    let session = world.session().await;
    let secret = secret();
    let text = response(&format!(r#"{{"content":[{{"text":"STOP {secret}"}}]}}"#));
    says.lock().unwrap().push(json_answer(&text));
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], call("plain")).await.text(), text);
    let record = ruled(&world.memory, &secret).pop().unwrap();
    assert_eq!((&record["outcome"], &record["rule"], record.get("redacted")), (&json!("allow"), &json!(""), None));
    let rules: Vec<&str> =
        record["shadow"].as_array().unwrap().iter().map(|one| one["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["/tools/safe/results/deny_if/result.content[*].text-contains", "/tools/safe/results/redact"]);
    world.stop().await;
}
