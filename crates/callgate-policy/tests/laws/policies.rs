//! Generated documents and calls, small enough that rules and calls meet.

use proptest::prelude::*;

/// A document under construction: JSON text of its parts.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    default: &'static str,
    hide: Vec<String>,
    all_tools: Entry,
    tools: Vec<(String, Entry)>,
    flows: Vec<String>,
    pub(crate) list_callable: bool,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    require: Vec<String>,
    deny_if: Vec<String>,
    approve_if: Vec<String>,
    limits: Vec<String>,
}

/// What can be added to a document to make it stricter.
#[derive(Clone, Debug)]
pub(crate) enum Addition {
    Hide(String),
    DenyIf(usize, String),
    Limit(usize, u8),
    Flow(String),
}

impl Arbitrary for Addition {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> BoxedStrategy<Self> {
        prop_oneof![
            pattern().prop_map(Self::Hide),
            (0usize..4, predicate()).prop_map(|(at, text)| Self::DenyIf(at, text)),
            (0usize..4, 0u8..3).prop_map(|(at, max)| Self::Limit(at, max)),
            flow("enforce").prop_map(Self::Flow),
        ]
        .boxed()
    }
}

impl Addition {
    /// Adds to the document; to `all_tools` where it has no such entry.
    pub(crate) fn apply(&self, document: &mut Document) {
        match self {
            Self::Hide(pattern) => document.hide.push(pattern.clone()),
            Self::DenyIf(at, text) => document.entry(*at).deny_if.push(text.clone()),
            Self::Flow(text) => document.flows.push(text.clone()),
            Self::Limit(at, max) => document.entry(*at).limits.push(limit("added", *max, "enforce")),
        }
    }
}

impl Document {
    fn entry(&mut self, at: usize) -> &mut Entry {
        match self.tools.get_mut(at) {
            Some((_, entry)) => entry,
            None => &mut self.all_tools,
        }
    }

    /// The document without its flows.
    pub(crate) fn without_flows(self) -> Self {
        Self { flows: Vec::new(), ..self }
    }

    /// Adds rules in shadow mode everywhere.
    pub(crate) fn shadow(&mut self) {
        let rule = |conditions: &str| format!(r#"{{"mode":"shadow","conditions":[{conditions}]}}"#);
        let fault = r#"{"path":"session.id","op":"exists"}"#;
        let entries = self.tools.iter_mut().map(|(_, entry)| entry).chain([&mut self.all_tools]);
        for entry in entries {
            entry.require.push(rule(fault));
            entry.deny_if.insert(0, rule(""));
            entry.approve_if.push(rule(""));
            entry.limits.push(limit("shadow", 0, "shadow"));
        }
        // Rules that come before others of the same name would be counted: they have names of their own here.
        for entry in self.tools.iter_mut().map(|(_, entry)| entry).chain([&mut self.all_tools]) {
            entry.deny_if[0] = r#"{"name":"shadowed","mode":"shadow","conditions":[]}"#.into();
        }
        let any = r#"{"tool":"*"}"#;
        let flow = |rest: &str| format!(r#"{{"name":"shadowed","mode":"shadow",{rest}}}"#);
        self.flows.push(flow(&format!(r#""after":{any},"deny":{any}"#)));
        self.flows.push(flow(&format!(r#""after":{any},"approve":{any},"scope":"identity""#)));
        self.flows.push(flow(&format!(r#""before":{any},"require":{any}"#)));
    }

    /// The document's JSON text.
    pub(crate) fn text(&self) -> String {
        let list = if self.list_callable { r#""list":"callable","# } else { "" };
        let hide: Vec<_> = self.hide.iter().map(|name| format!("{name:?}")).collect();
        let tools: Vec<_> = self.tools.iter().map(|(name, entry)| format!("{name:?}:{}", entry.text())).collect();
        format!(
            r#"{{"version":"1","default":"{}",{list}"hide":[{}],"all_tools":{},"tools":{{{}}},"flows":[{}]}}"#,
            self.default,
            hide.join(","),
            self.all_tools.text(),
            tools.join(","),
            self.flows.join(",")
        )
    }
}

impl Entry {
    fn text(&self) -> String {
        let lists = [
            ("require", &self.require),
            ("deny_if", &self.deny_if),
            ("approve_if", &self.approve_if),
            ("limits", &self.limits),
        ];
        let written: Vec<_> = lists.iter().map(|(name, list)| format!(r#""{name}":[{}]"#, list.join(","))).collect();
        format!("{{{}}}", written.join(","))
    }
}

fn limit(counter: &str, max: u8, mode: &str) -> String {
    format!(r#"{{"counter":"{counter}","window":"minute","max":{max},"scope":"grant","mode":"{mode}"}}"#)
}

/// A tool's name.
pub(crate) fn tool() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{1,2}", "[a-d]"]
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![4 => tool(), 1 => "[ab]\\*", 1 => "\\*[ab]"]
}

fn condition() -> impl Strategy<Value = String> {
    let path = prop_oneof![
        4 => "args\\.[xy]",
        1 => Just("args.x[*]".to_owned()),
        1 => Just("args.x[all]".to_owned()),
        1 => Just("args.x[join]".to_owned()),
        1 => Just("args.x.y".to_owned()),
        1 => Just("tool.name".to_owned()),
        1 => Just("session.id".to_owned()),
        1 => Just("time.hour".to_owned()),
    ];
    let test = prop_oneof![
        (0i8..3).prop_map(|n| format!(r#""op":"eq","value":{n}"#)),
        (0i8..3).prop_map(|n| format!(r#""op":"neq","value":{n}"#)),
        (0i8..3).prop_map(|n| format!(r#""op":"gt","value":{n}"#)),
        Just(r#""op":"in","value":["a",1,null]"#.to_owned()),
        Just(r#""op":"regex","value":"a""#.to_owned()),
        Just(r#""op":"contains","value":"a""#.to_owned()),
        any::<bool>().prop_map(|b| format!(r#""op":"exists","value":{b}"#)),
        Just(r#""op":"path_within","value":"/a""#.to_owned()),
    ];
    (path, test).prop_map(|(path, test)| format!(r#"{{"path":"{path}",{test}}}"#))
}

fn predicate() -> impl Strategy<Value = String> {
    (proptest::collection::vec(condition(), 0..3), proptest::collection::vec(condition(), 0..2)).prop_map(
        |(conditions, any)| {
            let any = if any.is_empty() { String::new() } else { format!(r#","any":[{}]"#, any.join(",")) };
            format!(r#"{{"conditions":[{}]{any}}}"#, conditions.join(","))
        },
    )
}

/// One side of a flow.
fn matcher() -> impl Strategy<Value = String> {
    let tools = prop_oneof![
        5 => pattern().prop_map(|name| format!(r#""tool":"{name}""#)),
        1 => Just(r#""tool":["a*","b"]"#.to_owned()),
        1 => Just(r#""label":"egress""#.to_owned()),
        1 => Just(r#""category":["read","write"]"#.to_owned()),
    ];
    (tools, proptest::collection::vec(condition(), 0..2)).prop_map(|(tools, conditions)| {
        let conditions =
            if conditions.is_empty() { String::new() } else { format!(r#","conditions":[{}]"#, conditions.join(",")) };
        format!("{{{tools}{conditions}}}")
    })
}

/// A member of `flows`.
pub(crate) fn flow(mode: &'static str) -> impl Strategy<Value = String> {
    let bounds = prop_oneof![
        3 => Just(""),
        1 => Just(r#","within":"session""#),
        1 => Just(r#","within":"10m""#),
        1 => Just(r#","scope":"grant""#),
        1 => Just(r#","scope":"tag:agent","within":"1h""#),
        1 => Just(r#","scope":"identity""#),
        1 => Just(r#","scope":"trace""#),
    ];
    let shape = prop_oneof![Just(["after", "deny"]), Just(["after", "approve"]), Just(["require", "before"])];
    ("[fg]", shape, matcher(), matcher(), bounds).prop_map(move |(name, [first, second], earlier, later, bounds)| {
        format!(r#"{{"name":"{name}","{first}":{earlier},"{second}":{later}{bounds},"mode":"{mode}"}}"#)
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let some = || proptest::collection::vec(predicate(), 0..2);
    let limits = proptest::collection::vec((prop_oneof!["l", "m"], 0u8..4), 0..2);
    (some(), some(), some(), limits).prop_map(|(require, deny_if, approve_if, limits)| Entry {
        require,
        deny_if,
        approve_if,
        limits: limits.iter().map(|(counter, max)| limit(counter, *max, "enforce")).collect(),
    })
}

/// A valid document.
pub(crate) fn document() -> impl Strategy<Value = Document> {
    let tools = proptest::collection::btree_map(pattern(), entry(), 0..4);
    let hide = proptest::collection::btree_set(pattern(), 0..2);
    let flows = proptest::collection::vec(flow("enforce"), 0..3);
    let default = prop_oneof![Just("allow"), Just("deny")];
    (default, hide, entry(), tools, flows).prop_map(|(default, hide, all_tools, tools, flows)| Document {
        default,
        hide: hide.into_iter().collect(),
        all_tools,
        tools: tools.into_iter().collect(),
        flows,
        list_callable: false,
    })
}

/// Arguments as JSON text.
pub(crate) fn arguments() -> impl Strategy<Value = String> {
    let scalar = || {
        prop_oneof![
            Just("null".to_owned()),
            (0i8..4).prop_map(|n| n.to_string()),
            Just("1.5".to_owned()),
            "\"[ab/%]{0,3}\"",
            Just("true".to_owned()),
        ]
    };
    let value = prop_oneof![
        3 => scalar(),
        1 => proptest::collection::vec(scalar(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
        1 => scalar().prop_map(|value| format!(r#"{{"y":{value}}}"#)),
    ];
    proptest::collection::btree_map("[xy]", value, 0..3).prop_map(|members| {
        let members: Vec<_> = members.iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}
