//! Laws over generated documents.

use super::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value as Document, json};

/// The tools of the server; generated documents name some of them, and others.
fn tools() -> Vec<ToolFacts> {
    generated::TOOLS.iter().chain(&["unlisted"]).map(|name| tool(name)).collect()
}

/// A document of which the builder shows everything.
fn shown() -> impl Strategy<Value = Document> {
    let name = prop::sample::select(vec!["exec", "read_file", "pay", "a/b~c", "read_*", "*", "no_such_tool"]);
    let category = prop::sample::select(vec!["read", "write", "execute", "destructive", "financial"]);
    let entry = || {
        (generated::entry(false), option::of("[a-z é\n\"]{1,6}")).prop_map(|(mut entry, description)| {
            let members = entry.as_object_mut().unwrap();
            // Rules over results without a word are no rules.
            members.retain(|key, value| !(key == "results" && *value == json!({ "deny_if": [] })));
            members.extend(description.map(|text| ("description".to_owned(), json!(text))));
            entry
        })
    };
    let words = (any::<bool>(), option::of("[a-zä\"\\\\]{1,8}"), option::of("[a-z\n]{1,8}"), any::<bool>());
    let hide = prop::sample::subsequence(vec!["exec", "read_*", "gone", "\"</script>"], 0..4);
    let entries = (option::of(entry()), vec((category, entry()), 0..3), vec((name, entry()), 0..5));
    (words, hide, entries, option::of(generated::results())).prop_map(|(words, hide, entries, results)| {
        let (allow, name, description, callable) = words;
        let (all_tools, categories, tools) = entries;
        let by_key = |entries: Vec<(&str, Document)>| {
            Document::Object(entries.into_iter().map(|(key, entry)| (key.to_owned(), entry)).collect())
        };
        let mut document = Map::new();
        document.insert("version".into(), json!("1"));
        document.insert("default".into(), json!(if allow { "allow" } else { "deny" }));
        document.extend(name.map(|name| ("name".to_owned(), json!(name))));
        document.extend(description.map(|text| ("description".to_owned(), json!(text))));
        document.extend(callable.then(|| ("list".to_owned(), json!("callable"))));
        document.insert("hide".into(), json!(hide));
        document.extend(all_tools.map(|entry| ("all_tools".to_owned(), entry)));
        document.insert("categories".into(), by_key(categories));
        document.insert("tools".into(), by_key(tools));
        let results = results.filter(|results| *results != json!({ "deny_if": [] }));
        document.extend(results.map(|results| ("results".to_owned(), results)));
        Document::Object(document)
    })
}

/// What a view says, without where it stands and how its JSON is laid out.
fn said(mut view: BuilderView) -> BuilderView {
    view.problems.clear();
    view.elsewhere.clear();
    let rule = |rule: &mut RuleView| {
        rule.line = 0;
        rule.problems.clear();
        rule.summary.clear();
        let own = rule.rule.conditions.iter_mut().chain(&mut rule.rule.any);
        for condition in own.chain(rule.conditions.iter_mut().map(|view| &mut view.condition)) {
            let operand = &mut condition.value;
            if let (OperandForm::Json, Ok(value)) = (operand.form, parse(operand.text.as_bytes(), &Limits::default())) {
                operand.text = callgate_json::canonical(&value);
            }
        }
        for condition in &mut rule.conditions {
            condition.line = 0;
            condition.problems.clear();
        }
    };
    let results = |results: &mut ResultsView| {
        results.line = 0;
        results.problems.clear();
        results.deny_if.iter_mut().for_each(rule);
    };
    let entry = |entry: &mut EntryView| {
        entry.line = 0;
        entry.problems.clear();
        entry.require.iter_mut().chain(&mut entry.deny_if).chain(&mut entry.approve_if).for_each(rule);
        entry.results.iter_mut().for_each(results);
        for limit in &mut entry.limits {
            limit.line = 0;
            limit.problems.clear();
        }
    };
    let own = view.tools.iter_mut().filter_map(|tool| tool.entry.as_mut());
    let shared = view.all_tools.iter_mut().chain(&mut view.categories).chain(&mut view.patterns);
    own.chain(shared).chain(&mut view.strangers).for_each(entry);
    view.results.iter_mut().for_each(results);
    for name in &mut view.hide {
        name.line = 0;
        name.problems.clear();
    }
    view
}

/// Every entry of a view.
fn entries(view: &BuilderView) -> impl Iterator<Item = &EntryView> {
    let own = view.tools.iter().filter_map(|tool| tool.entry.as_ref());
    view.all_tools.iter().chain(&view.categories).chain(&view.patterns).chain(&view.strangers).chain(own)
}

fn rules(entry: &EntryView) -> impl Iterator<Item = &RuleView> {
    let own = entry.require.iter().chain(&entry.deny_if).chain(&entry.approve_if);
    own.chain(entry.results.iter().flat_map(|results| &results.deny_if))
}

/// The clicks that build what a view shows.
fn clicks(view: &BuilderView) -> Vec<Action> {
    let mut clicks = vec![
        Action::SetDefault(view.default.unwrap()),
        Action::SetList { callable: view.callable_only },
        Action::SetAbout { name: view.name.clone(), description: view.description.clone() },
    ];
    clicks.extend(view.hide.iter().map(|name| Action::Hide { pattern: name.pattern.clone() }));
    let results = |results: &ResultsView| {
        let mut clicks = vec![Action::SetResults { entry: results.key.clone(), results: results.results.clone() }];
        clicks.extend(
            results.deny_if.iter().map(|row| Action::AddRule { list: row.list.clone(), rule: row.rule.clone() }),
        );
        clicks
    };
    for shown in entries(view) {
        let entry = shown.key.clone();
        clicks.push(Action::AddEntry { entry: entry.clone() });
        // The rows in an order that is not that of the document.
        clicks
            .extend(shown.limits.iter().map(|row| Action::AddLimit { entry: entry.clone(), limit: row.limit.clone() }));
        let own = shown.approve_if.iter().chain(&shown.deny_if).chain(&shown.require);
        clicks.extend(own.map(|row| Action::AddRule { list: row.list.clone(), rule: row.rule.clone() }));
        clicks.extend(shown.results.iter().flat_map(results));
        let (description, validate_arguments) = (shown.description.clone(), shown.validate_arguments);
        clicks.push(Action::SetEntry { entry, description, validate_arguments });
    }
    clicks.extend(view.results.iter().flat_map(results));
    clicks
}

/// The clicks that say what is so already.
fn same(view: &BuilderView) -> Vec<Action> {
    let mut clicks: Vec<Action> = view.default.map(Action::SetDefault).into_iter().collect();
    clicks.push(Action::SetList { callable: view.callable_only });
    clicks.push(Action::SetAbout { name: view.name.clone(), description: view.description.clone() });
    clicks.extend(view.hide.iter().map(|name| Action::Hide { pattern: name.pattern.clone() }));
    clicks.extend(view.tools.iter().map(|tool| Action::Choose { tool: tool.name.clone(), choice: tool.choice }));
    for shown in entries(view) {
        let entry = shown.key.clone();
        let (description, validate_arguments) = (shown.description.clone(), shown.validate_arguments);
        clicks.push(Action::SetEntry { entry: entry.clone(), description, validate_arguments });
        clicks.push(Action::AddEntry { entry: entry.clone() });
        for row in &shown.limits {
            clicks.push(Action::EditLimit { entry: entry.clone(), index: row.index, limit: row.limit.clone() });
        }
        for row in rules(shown) {
            let (list, index) = (row.list.clone(), row.index);
            clicks.push(Action::EditRule { list, index, rule: row.rule.clone() });
        }
        for row in shown.results.iter() {
            clicks.push(Action::SetResults { entry: entry.clone(), results: row.results.clone() });
        }
    }
    clicks
}

/// The parts of an object by key, as they are written, but for one key.
fn others(text: &str, object: &Value<'_>, but: &str) -> Vec<(String, String)> {
    let members = object.members().iter().filter(|member| member.key != but);
    let raw = |member: &callgate_json::Member<'_>| text[member.key_span.start..member.value.span.end].to_owned();
    members.map(|member| (member.key.to_string(), raw(member))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_is_seen_can_be_built_again(document in shown(), layout in 0usize..6) {
        let tools = tools();
        let text = layouts(&document).swap_remove(layout);
        let view = Draft::read(&text).view(&tools);
        let mut built = String::new();
        for action in clicks(&view) {
            built = click(&built, &action, &tools);
        }
        prop_assert_eq!(said(Draft::read(&built).view(&tools)), said(view), "{}\n{}", text, built);
    }

    #[test]
    fn what_is_so_already_changes_nothing(document in generated::document(), layout in 0usize..6) {
        let tools = tools();
        let document: Document = serde_json::from_str(&document).unwrap();
        let text = layouts(&document).swap_remove(layout);
        let view = Draft::read(&text).view(&tools);
        for action in same(&view) {
            prop_assert_eq!(&click(&text, &action, &tools), &text, "{:?}", action);
        }
    }

    #[test]
    fn a_click_on_a_row_changes_its_entry_only(
        document in generated::document(), layout in 0usize..6, pick in any::<prop::sample::Index>(),
    ) {
        let tools = tools();
        let document: Document = serde_json::from_str(&document).unwrap();
        let text = layouts(&document).swap_remove(layout);
        let view = Draft::read(&text).view(&tools);
        let mut actions: Vec<(&EntryView, Action)> = Vec::new();
        for shown in entries(&view) {
            let limit = Limit { counter: "new".into(), window: "day".into(), max: "7".into(), scope: "grant".into(), ..Limit::default() };
            actions.push((shown, Action::AddLimit { entry: shown.key.clone(), limit }));
            for row in rules(shown) {
                let (list, index) = (row.list.clone(), row.index);
                actions.push((shown, Action::RemoveRow { list: list.clone(), index }));
                actions.push((shown, Action::SetMessage { list, index, message: "A new message.".into() }));
            }
        }
        prop_assume!(!actions.is_empty());
        let (shown, action) = &actions[pick.index(actions.len())];
        let after = click(&text, action, &tools);
        let root = parse(text.as_bytes(), &Limits::default()).unwrap();
        let (holder, key) = match &shown.key {
            EntryKey::AllTools => (&root, "all_tools"),
            EntryKey::Category(category) => (root.get("categories").unwrap(), category.as_str()),
            EntryKey::Tool(name) => (root.get("tools").unwrap(), name.as_str()),
            EntryKey::Document => panic!("no entry"),
        };
        let member = holder.members().iter().find(|member| member.key == key).unwrap();
        // Its lines, and on them the other entries as they are written.
        let start = text[..member.key_span.start].rfind('\n').map_or(0, |at| at + 1);
        let end = text[member.value.span.end..].find('\n').map_or(text.len(), |at| member.value.span.end + at);
        prop_assert!(after.starts_with(&text[..start]) && after.ends_with(&text[end..]), "{action:?}\n{text}\n{after}");
        let new = parse(after.as_bytes(), &Limits::default()).unwrap();
        let beside = |text: &str, root: &Value<'_>| -> Vec<(String, String)> {
            match &shown.key {
                EntryKey::Category(_) => others(text, root.get("categories").unwrap(), key),
                EntryKey::Tool(_) => others(text, root.get("tools").unwrap(), key),
                _ => others(text, root, key),
            }
        };
        prop_assert_eq!(beside(&text, &root), beside(&after, &new));
        prop_assert!(after != text && parse(after.as_bytes(), &Limits::default()).is_ok(), "{}", after);
    }

    #[test]
    fn a_choice_changes_its_tool_only(
        document in generated::document(), layout in 0usize..6, which in 0usize..7, choice in 0usize..5,
    ) {
        let tools = tools();
        let document: Document = serde_json::from_str(&document).unwrap();
        let text = layouts(&document).swap_remove(layout);
        let (name, choice) = (&tools[which].name, Choice::ALL[choice].0);
        let Ok(applied) = Draft::read(&text).apply(&Action::Choose { tool: name.clone(), choice }, &tools) else {
            return Ok(());
        };
        let after = applied.text;
        let (old, new) = (parse(text.as_bytes(), &Limits::default()).unwrap(), parse(after.as_bytes(), &Limits::default()).unwrap());
        let rest = |text: &str, root: &Value<'_>| {
            let mut rest = others(text, root, "tools");
            rest.retain(|(key, _)| key != "hide");
            rest
        };
        prop_assert_eq!(rest(&text, &old), rest(&after, &new));
        let entries = |text: &str, root: &Value<'_>| root.get("tools").map(|tools| others(text, tools, name));
        prop_assert_eq!(entries(&text, &old).unwrap_or_default(), entries(&after, &new).unwrap_or_default());
        let names = |root: &Value<'_>| {
            let names = root.get("hide").and_then(Value::as_array).unwrap_or_default();
            names.iter().filter_map(Value::as_str).filter(|hidden| hidden != name).map(str::to_owned).collect::<Vec<_>>()
        };
        prop_assert_eq!(names(&old), names(&new));
        if choice != Choice::Inherit {
            let view = Draft::read(&after).view(&tools);
            prop_assert_eq!(view.tools[which].choice, choice, "{}\n{}", text, after);
        }
    }
}
