//! The JSON Schema (2020-12) of policy.json, for editors: made from the table that the parser reads by.

use crate::layout::Json;
use crate::operator::{OPERATORS, OperandKind};
use crate::parse::field::{
    APPROVAL, CATEGORIES, CONDITION, DOCUMENT, EARLIER, ENTRY, FLOW, Field, Kind, LIMIT, MATCHER, MATCHERS,
    OWN_DETECTOR, PREDICATE, RATE, RESULT_RULES, SECTION, Shape, TEST, TEST_SUBJECTS, TOOL, WINDOWS,
};

/// A duration as [`crate::parse::duration`] reads it, as far as a pattern can say.
const DURATION: &str = "^[0-9]{1,12}[smhd]$";

/// What a schema says, by keyword.
type Members = Vec<(&'static str, Json)>;

/// The schema's text, as `callgate policy schema` prints it.
pub fn schema() -> String {
    let shapes = [
        &ENTRY,
        &TOOL,
        &PREDICATE,
        &APPROVAL,
        &LIMIT,
        &SECTION,
        &FLOW,
        &MATCHER,
        &RESULT_RULES,
        &OWN_DETECTOR,
        &TEST,
        &EARLIER,
        &RATE,
    ];
    let definitions = shapes
        .into_iter()
        .map(|shape| (key(shape), object(shape, Vec::new())))
        .chain([(key(&CONDITION), condition())])
        .collect();
    let mut head = vec![
        ("$schema".to_owned(), Json::string("https://json-schema.org/draft/2020-12/schema")),
        ("title".to_owned(), Json::string("Callgate policy")),
    ];
    if let Json::Object(members) = object(&DOCUMENT, Vec::new()) {
        head.extend(members);
    }
    head.push(("$defs".to_owned(), Json::Object(definitions)));
    Json::Object(head).text()
}

fn key(shape: &Shape) -> String {
    shape.name.replace(' ', "_")
}

fn object(shape: &Shape, more: Vec<(&str, Json)>) -> Json {
    let properties = shape.fields.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    let required = shape.fields.iter().filter(|field| field.required).map(|field| Json::string(field.name)).collect();
    let mut members = vec![
        ("description", Json::string(shape.about)),
        ("type", Json::string("object")),
        ("additionalProperties", Json::bool(false)),
        ("required", Json::List(required)),
        ("properties", Json::Object(properties)),
    ];
    members.extend(alternatives(shape));
    members.extend(more);
    named(members)
}

/// What a shape asks for beyond its single fields.
fn alternatives(shape: &Shape) -> Option<(&'static str, Json)> {
    let one_of = |names: &[&str]| {
        let options = names.iter().map(|name| named(vec![("required", Json::List(vec![Json::string(name)]))]));
        Json::List(options.collect())
    };
    match shape.name {
        name if name == PREDICATE.name || name == APPROVAL.name => Some(("anyOf", one_of(&["conditions", "any"]))),
        name if name == LIMIT.name => Some(("oneOf", one_of(&["window", "concurrent"]))),
        name if name == SECTION.name => Some(("anyOf", one_of(&["allow", "deny"]))),
        name if name == MATCHER.name => Some(("oneOf", one_of(MATCHERS))),
        name if name == FLOW.name => {
            let options = [["after", "deny"], ["after", "approve"], ["before", "require"]];
            let options = options.map(|both| named(vec![("required", strings(&both))]));
            Some(("oneOf", Json::List(options.into())))
        }
        name if name == RESULT_RULES.name => Some(("anyOf", one_of(&["redact", "max_bytes", "deny_if"]))),
        name if name == TEST.name => Some(("oneOf", one_of(TEST_SUBJECTS))),
        _ => None,
    }
}

/// A field's schema.
fn property(field: &Field) -> Json {
    let mut members = vec![("description", Json::string(field.about))];
    members.extend(match &field.kind {
        Kind::Text => text(Vec::new()),
        Kind::Name | Kind::Path | Kind::ArgumentPath => text(vec![("minLength", number(1))]),
        Kind::Moment => text(vec![("format", Json::string("date-time"))]),
        Kind::Duration => text(vec![("pattern", Json::string(DURATION))]),
        Kind::Window => {
            either([named(vec![("enum", strings(WINDOWS))]), named(text(vec![("pattern", Json::string(DURATION))]))])
        }
        Kind::Bool => vec![("type", Json::string("boolean"))],
        Kind::True => vec![("const", Json::bool(true))],
        Kind::Choice(choices) => vec![("enum", strings(choices))],
        Kind::Operator => {
            vec![("enum", Json::List(OPERATORS.iter().map(|operator| Json::string(operator.name)).collect()))]
        }
        Kind::Amount => vec![("type", Json::string("number")), ("minimum", number(0))],
        Kind::Count(most) => {
            vec![("type", Json::string("integer")), ("minimum", number(1)), ("maximum", number(*most))]
        }
        Kind::Operand => Vec::new(),
        Kind::Arguments => vec![("type", Json::string("object"))],
        Kind::NameOrNames => one_or_some(named(text(vec![("minLength", number(1))]))),
        Kind::Choices(choices) => one_or_some(named(vec![("enum", strings(choices))])),
        Kind::Within => text(vec![("pattern", Json::string(&format!("^session$|{DURATION}")))]),
        Kind::FlowScope => text(vec![("pattern", Json::string("^(session|grant|trace|identity|tag:.+)$"))]),
        Kind::Names => vec![("type", Json::string("array")), ("items", named(text(vec![("minLength", number(1))])))],
        Kind::Detectors(shape) => {
            let known = named(vec![("enum", Json::List(detectors()))]);
            let item = named(either([known, named(vec![reference(shape)])]));
            vec![("type", Json::string("array")), ("minItems", number(1)), ("items", item)]
        }
        Kind::Answer => vec![("type", strings(&["string", "object"]))],
        Kind::Object(shape) => vec![reference(shape)],
        Kind::List(shape) => {
            let mut list = vec![("type", Json::string("array")), ("items", named(vec![reference(shape)]))];
            if field.name == "any" {
                list.push(("minItems", number(1)));
            }
            list
        }
        Kind::ByTool(shape) => by_key(named(vec![("minLength", number(1))]), shape),
        Kind::ByCategory(shape) => by_key(named(vec![("enum", strings(CATEGORIES))]), shape),
        Kind::Rate => either([
            named(text(vec![("pattern", Json::string("^[0-9.]+/(minute|hour|day|week|month)$"))])),
            named(vec![reference(&RATE)]),
        ]),
        Kind::Spend => text(vec![("pattern", Json::string("^\\$[0-9.]+/(minute|hour|day|week|month)$"))]),
    });
    named(members)
}

/// Conditions: what `value` may be depends on `op`.
fn condition() -> Json {
    let cases = OPERATORS
        .iter()
        .map(|operator| {
            let needs_value = operator.operand != OperandKind::OptionalBool;
            let mut required: Vec<Json> = Vec::new();
            if operator.name != "cel" {
                required.push(Json::string("path"));
            }
            if needs_value {
                required.push(Json::string("value"));
            }
            let when = named(vec![(
                "properties",
                Json::Object(vec![("op".to_owned(), named(vec![("const", Json::string(operator.name))]))]),
            )]);
            let then = named(vec![
                ("required", Json::List(required)),
                ("properties", Json::Object(vec![("value".to_owned(), operand(operator.operand))])),
            ]);
            named(vec![("if", when), ("then", then)])
        })
        .collect();
    object(&CONDITION, vec![("allOf", Json::List(cases))])
}

fn operand(kind: OperandKind) -> Json {
    let of_type = |name: &str| vec![("type", Json::string(name))];
    let some_strings =
        || vec![("type", Json::string("array")), ("minItems", number(1)), ("items", named(of_type("string")))];
    named(match kind {
        OperandKind::Any => Vec::new(),
        OperandKind::Number => of_type("number"),
        OperandKind::List => vec![("type", Json::string("array")), ("minItems", number(1))],
        OperandKind::String | OperandKind::Expression => of_type("string"),
        OperandKind::Regex => vec![("type", Json::string("string")), ("format", Json::string("regex"))],
        OperandKind::OptionalBool => of_type("boolean"),
        OperandKind::Length => vec![("type", Json::string("integer")), ("minimum", number(0))],
        OperandKind::Strings => some_strings(),
        OperandKind::StringOrStrings => {
            vec![("anyOf", Json::List(vec![named(of_type("string")), named(some_strings())]))]
        }
        OperandKind::Schema => vec![("type", strings(&["object", "boolean"]))],
    })
}

/// A string that meets this too.
fn text(more: Members) -> Members {
    [vec![("type", Json::string("string"))], more].concat()
}

/// One schema or the other.
fn either(options: [Json; 2]) -> Members {
    vec![("anyOf", Json::List(options.into()))]
}

/// Such an item, or a list of them.
fn one_or_some(item: Json) -> Members {
    either([item.clone(), some(item)])
}

/// Objects of this shape, by keys that meet this schema.
fn by_key(keys: Json, shape: &Shape) -> Members {
    vec![
        ("type", Json::string("object")),
        ("propertyNames", keys),
        ("additionalProperties", named(vec![reference(shape)])),
    ]
}

/// A list of such items, not empty.
fn some(item: Json) -> Json {
    named(vec![("type", Json::string("array")), ("minItems", number(1)), ("items", item)])
}

/// The names of groups and detectors.
fn detectors() -> Vec<Json> {
    let groups = callgate_detect::GROUPS.iter().map(|(_, name)| *name);
    let detectors = callgate_detect::catalogue().iter().map(callgate_detect::Detector::name);
    groups.chain(detectors).map(Json::string).collect()
}

fn reference(shape: &Shape) -> (&'static str, Json) {
    ("$ref", Json::string(&format!("#/$defs/{}", key(shape))))
}

fn named(members: Vec<(&str, Json)>) -> Json {
    Json::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn strings(items: &[&str]) -> Json {
    Json::List(items.iter().map(|item| Json::string(item)).collect())
}

fn number(value: u32) -> Json {
    Json::Raw(value.to_string())
}
