//! Documents that are valid, drawn at random: for laws over every policy.
#![allow(dead_code, reason = "each test takes what it needs")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Tool names that documents and calls share, so that rules meet calls.
pub(crate) const TOOLS: [&str; 6] = ["exec", "read_file", "read_dir", "write_file", "pay", "a/b~c"];

/// A valid policy.json text.
pub(crate) fn document() -> impl Strategy<Value = String> {
    let tool = prop_oneof![
        3 => prop::sample::select(TOOLS.to_vec()),
        1 => prop::sample::select(vec!["read_*", "*", "*_file", "no_such_tool"]),
    ];
    let head =
        (prop::bool::ANY, option::of("[a-zä\"\\\\]{1,8}"), option::of(Just("callable")), vec(tool.clone(), 0..3));
    let body = (option::of(entry(false)), vec((category(), entry(false)), 0..3), vec((tool, entry(true)), 0..5));
    let rest = (vec(flow(), 0..3), vec(test(), 0..3));
    (head, body, rest).prop_map(|((allow, name, list, hide), (all, categories, tools), (flows, tests))| {
        let mut document = Map::new();
        document.insert("version".to_owned(), json!("1"));
        document.insert("default".to_owned(), json!(if allow { "allow" } else { "deny" }));
        put(&mut document, "name", name);
        put(&mut document, "list", list);
        document.insert("hide".to_owned(), json!(hide));
        put(&mut document, "all_tools", all);
        document.insert("categories".to_owned(), by_key(categories));
        document.insert("tools".to_owned(), by_key(tools));
        document.insert("flows".to_owned(), json!(flows));
        document.insert("tests".to_owned(), json!(tests));
        Value::Object(document).to_string()
    })
}

/// An entry; with the older spellings where it stands under `tools`.
pub(crate) fn entry(tool: bool) -> impl Strategy<Value = Value> {
    let lists = (vec(predicate(), 0..3), vec(predicate(), 0..3), vec(approval(), 0..2), vec(limit(), 0..3));
    let more = (option::of(any::<bool>()), option::weighted(0.3, results()));
    (lists, more, older()).prop_map(move |(lists, (validate, results), older)| {
        let (require, deny_if, approve_if, limits) = lists;
        let mut entry = Map::new();
        for (name, list) in [("require", require), ("deny_if", deny_if), ("approve_if", approve_if), ("limits", limits)]
        {
            if !list.is_empty() {
                entry.insert(name.to_owned(), json!(list));
            }
        }
        put(&mut entry, "validate_arguments", validate);
        put(&mut entry, "results", results);
        if tool {
            entry.extend(older);
        }
        Value::Object(entry)
    })
}

/// Rules over what comes back.
pub(crate) fn results() -> impl Strategy<Value = Value> {
    let redact = prop::sample::subsequence(
        vec![json!("secrets"), json!("email"), json!({"name": "x", "regex": "[ab]{2}"})],
        1..4,
    );
    let deny_if = vec(predicate(), 0..2);
    (option::of(redact), option::of(1u32..200), deny_if, any::<bool>()).prop_map(|(redact, most, deny_if, shadow)| {
        let mut rules = Map::new();
        let has_some = redact.is_some() || most.is_some();
        put(&mut rules, "redact", redact);
        put(&mut rules, "max_bytes", most);
        put(&mut rules, "deny_if", (!deny_if.is_empty() || !has_some).then_some(deny_if));
        put(&mut rules, "mode", shadow.then_some("shadow"));
        Value::Object(rules)
    })
}

fn older() -> impl Strategy<Value = Map<String, Value>> {
    let action = prop_oneof![
        6 => Just(json!({})),
        1 => Just(json!({"action": "allow"})),
        1 => Just(json!({"action": "deny", "reason": "no"})),
        1 => Just(json!({"action": "hide"})),
        1 => Just(json!({"action": "require_approval", "reason": "ask", "approval_timeout": "30m"})),
    ];
    let rate = prop_oneof![
        6 => Just(json!({})),
        1 => Just(json!({"rate_limit": "5/hour"})),
        1 => Just(json!({"rate_limit": {"max": 2, "window": 60}})),
        1 => Just(json!({"rate_limit": {"max": 2.5, "window": 90}})),
        1 => Just(json!({"spend_limit": "$5.50/day"})),
    ];
    (action, rate).prop_map(|(action, rate)| {
        let members = [action, rate].into_iter().filter_map(|value| value.as_object().cloned());
        members.flatten().collect()
    })
}

/// A member of `require` or `deny_if`.
pub(crate) fn predicate() -> impl Strategy<Value = Value> {
    let parts = (option::weighted(0.8, vec(condition(), 0..3)), option::weighted(0.3, vec(condition(), 1..3)));
    (parts, option::of("[a-z]{1,3}"), option::of("[ -~é]{0,9}"), any::<(bool, bool)>()).prop_map(
        |((conditions, any), name, on_deny, (shadow, quiet))| {
            let mut predicate = Map::new();
            let conditions = if any.is_none() { Some(conditions.unwrap_or_default()) } else { conditions };
            put(&mut predicate, "conditions", conditions);
            put(&mut predicate, "any", any);
            put(&mut predicate, "name", name);
            put(&mut predicate, "on_deny", on_deny);
            put(&mut predicate, "mode", shadow.then_some("shadow"));
            put(&mut predicate, "quiet", quiet.then_some(true));
            Value::Object(predicate)
        },
    )
}

fn approval() -> impl Strategy<Value = Value> {
    let times = (option::of(Just("90m")), option::of(Just("7d")));
    (predicate(), times, any::<bool>(), 0..3).prop_map(|(mut predicate, (timeout, remember), eyes, ask)| {
        if let Some(predicate) = predicate.as_object_mut() {
            put(predicate, "timeout", timeout);
            put(predicate, "remember_for", remember);
            put(predicate, "four_eyes", eyes.then_some(true));
            put(predicate, "include_arguments", eyes.then_some(true));
            put(predicate, "ask", ["retry", "hold", "client"].get(usize::try_from(ask).unwrap_or(0)).copied());
            put(predicate, "hold_for", (ask == 1).then_some("55s"));
        }
        predicate
    })
}

/// One comparison.
pub(crate) fn condition() -> impl Strategy<Value = Value> {
    let path = prop::sample::select(vec![
        "args.a",
        "args.a.b",
        "args[\"a.b\"]",
        "args.list[0]",
        "args.list[*]",
        "args.list[all]",
        "args.list[join]",
        "tool.name",
        "grant.label",
        "grant.tags.team",
        "client.name",
        "session.id",
        "time.hour",
        "time.weekday",
        "time.zone(\"Europe/Berlin\").hour",
        "identity.subject",
        "tool.category",
    ]);
    (path, judgement()).prop_map(|(path, judgement)| {
        let mut condition = judgement.as_object().cloned().unwrap_or_default();
        condition.insert("path".to_owned(), json!(path));
        Value::Object(condition)
    })
}

fn judgement() -> impl Strategy<Value = Value> {
    let comparison = prop::sample::select(vec!["lt", "lte", "gt", "gte"]);
    let equality = prop::sample::select(vec!["eq", "neq", "contains"]);
    let membership = prop::sample::select(vec!["in", "not_in"]);
    let text = prop::sample::select(vec!["starts_with", "ends_with", "glob"]);
    prop_oneof![
        (comparison, -3i64..12).prop_map(|(op, value)| json!({"op": op, "value": value})),
        (equality, value()).prop_map(|(op, value)| json!({"op": op, "value": value})),
        (membership, vec(value(), 1..3)).prop_map(|(op, value)| json!({"op": op, "value": value})),
        (text, "[a-z*/]{0,3}").prop_map(|(op, value)| json!({"op": op, "value": value})),
        option::of(any::<bool>()).prop_map(|value| match value {
            Some(value) => json!({"op": "exists", "value": value}),
            None => json!({"op": "exists"}),
        }),
        Just(json!({"op": "regex", "value": "^(rm|a+)$"})),
        Just(json!({"op": "length_lte", "value": 2})),
        Just(json!({"op": "path_within", "value": ["/srv", "/tmp"]})),
        Just(json!({"op": "host_in", "value": ["*.example.com"]})),
        Just(json!({"op": "cidr", "value": "10.0.0.0/8"})),
    ]
}

/// Any JSON value, small.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..12).prop_map(Value::from),
        Just(json!(1.5)),
        Just(json!(1e30)),
        "[a-zé1]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec(("[ab]", inner), 0..3).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A member of `limits`. A counter's name says what it counts and how, so that no two contradict each other.
pub(crate) fn limit() -> impl Strategy<Value = Value> {
    let window = prop::sample::select(vec!["minute", "hour", "day", "week", "month", "90s", "60s", "15m"]);
    let scope = prop::sample::select(vec!["grant", "session", "identity", "server", "organisation"]);
    let kind = prop_oneof![3 => Just("calls"), 1 => Just("summed"), 1 => Just("sliding"), 1 => Just("flight")];
    (kind, window, scope, 0u32..6, any::<bool>()).prop_map(|(kind, window, scope, max, shadow)| {
        let mut limit = Map::new();
        limit.insert("counter".to_owned(), json!(kind));
        limit.insert("scope".to_owned(), json!(scope));
        limit.insert("max".to_owned(), json!(max));
        let window = if kind == "sliding" { "hour" } else { window };
        put(&mut limit, "window", (kind != "flight").then_some(window));
        put(&mut limit, "concurrent", (kind == "flight").then_some(true));
        put(&mut limit, "increment_from", (kind == "summed").then_some("args.a"));
        put(&mut limit, "strategy", (kind == "sliding").then_some("sliding"));
        put(&mut limit, "mode", shadow.then_some("shadow"));
        Value::Object(limit)
    })
}

/// A member of `flows`.
fn flow() -> impl Strategy<Value = Value> {
    let shape = prop::sample::select(vec![("after", "deny"), ("after", "approve"), ("require", "before")]);
    let within = option::of(prop::sample::select(vec!["session", "90s", "10m", "30d"]));
    let scope = option::of(prop::sample::select(vec!["session", "grant", "trace", "identity", "tag:agent"]));
    let words = (option::of("[ -~é]{0,9}"), any::<(bool, bool)>());
    (shape, matcher(), matcher(), (within, scope), words).prop_map(
        |((first, second), earlier, later, (within, scope), (on_deny, (shadow, eyes)))| {
            let mut flow = Map::new();
            flow.insert("name".to_owned(), json!("a flow"));
            flow.insert(first.to_owned(), earlier);
            flow.insert(second.to_owned(), later);
            let is_session = matches!(scope, None | Some("session"));
            put(&mut flow, "within", within.filter(|within| *within != "session" || is_session));
            put(&mut flow, "scope", scope);
            put(&mut flow, "on_deny", on_deny);
            put(&mut flow, "mode", shadow.then_some("shadow"));
            put(&mut flow, "four_eyes", (eyes && second == "approve").then_some(true));
            Value::Object(flow)
        },
    )
}

fn matcher() -> impl Strategy<Value = Value> {
    let tools = prop_oneof![
        Just(json!({"tool": "exec"})),
        Just(json!({"tool": ["read_*", "a/b~c"]})),
        Just(json!({"category": ["read", "write"]})),
        Just(json!({"label": "egress"})),
    ];
    (tools, vec(condition(), 0..2)).prop_map(|(mut matcher, conditions)| {
        if let Some(members) = matcher.as_object_mut().filter(|_| !conditions.is_empty()) {
            members.insert("conditions".to_owned(), json!(conditions));
        }
        matcher
    })
}

fn category() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["read", "write", "execute", "destructive", "financial"])
}

fn test() -> impl Strategy<Value = Value> {
    let expect = prop::sample::select(vec!["allow", "deny", "approve"]);
    (prop::sample::select(TOOLS.to_vec()), expect, option::of(2u32..9)).prop_map(|(tool, expect, calls)| {
        let mut test = Map::new();
        test.insert("name".to_owned(), json!("a test"));
        test.insert("tool".to_owned(), json!(tool));
        test.insert("args".to_owned(), json!({"b": 1.0, "a": ["x"]}));
        test.insert("expect".to_owned(), json!(expect));
        put(&mut test, "after", calls.map(|_| json!([{"tool": "pay"}, {"tool": "exec", "args": {"a": 1.0}}])));
        put(&mut test, "calls", calls);
        Value::Object(test)
    })
}

fn put(object: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(key.to_owned(), value.into());
    }
}

fn by_key(members: Vec<(&'static str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}
