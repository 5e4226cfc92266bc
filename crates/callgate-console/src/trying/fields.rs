//! The arguments of a call as fields, from the tool's schema, and back into the JSON that they stand beside.

use crate::form::Form;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Arguments with their values as they were written: numbers keep every digit.
type Arguments = BTreeMap<String, Box<RawValue>>;

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Its name in the call.
    pub(super) name: String,
    /// What the schema says about it.
    pub(super) description: String,
    /// What it holds.
    pub(super) kind: Kind,
    /// Whether every call has it.
    pub(super) required: bool,
    /// What is in it: a text as it is, everything else as JSON; empty where it is left out.
    pub(super) value: String,
}

/// How a field is filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// A number.
    Number,
    /// Yes or no.
    Flag,
    /// One of these JSON texts.
    OneOf(Vec<String>),
    /// Any JSON.
    Json,
}

impl Field {
    /// The properties of a schema at its top, required ones first; filled from arguments as JSON.
    pub(super) fn all(schema: &str, arguments: &str) -> Vec<Self> {
        let schema: Schema = serde_json::from_str(schema).unwrap_or_default();
        let given: Arguments = serde_json::from_str(arguments).unwrap_or_default();
        let field = |(name, about): (String, Box<RawValue>)| {
            let kind = Kind::of(about.get());
            let value = given.get(&name).map(|value| kind.text(value.get())).unwrap_or_default();
            let about: Value = serde_json::from_str(about.get()).unwrap_or_default();
            let description = about.get("description").and_then(Value::as_str).unwrap_or_default();
            Self {
                description: description.chars().take(300).collect(),
                required: schema.required.iter().any(|required| required == name.as_str()),
                name,
                kind,
                value,
            }
        };
        let mut fields: Vec<Self> = schema.properties.into_iter().map(field).collect();
        fields.sort_by_key(|field| !field.required);
        fields
    }

    /// The field of the form that it is.
    pub(super) fn key(&self) -> String {
        format!("arg.{}", self.name)
    }

    /// What was typed into it in place of what it held; none where it was left as it was, or not sent.
    fn changed<'f>(&self, form: &'f Form) -> Option<&'f str> {
        let key = self.key();
        let typed = form.has(&key).then(|| form.text(&key))?;
        // Browsers leave the line breaks of a text out of the field.
        let line = |text: &str| text.replace(['\r', '\n'], "");
        (line(typed) != line(&self.value)).then_some(typed)
    }

    fn read(&self, typed: &str) -> Option<Box<RawValue>> {
        if typed.is_empty() {
            return None;
        }
        let text = || RawValue::from_string(Value::from(typed).to_string()).ok();
        match &self.kind {
            Kind::Text => text(),
            // What is no JSON is a text: the check of the arguments says what is wrong with it.
            _ => RawValue::from_string(typed.trim().to_owned()).ok().or_else(text),
        }
    }
}

/// What is read of a schema.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Schema {
    properties: BTreeMap<String, Box<RawValue>>,
    required: Vec<Value>,
}

impl Kind {
    fn of(about: &str) -> Self {
        #[derive(Default, Deserialize)]
        struct Listed {
            #[serde(rename = "enum")]
            values: Vec<Box<RawValue>>,
        }
        let listed: Listed = serde_json::from_str(about).unwrap_or_default();
        if !listed.values.is_empty() {
            return Self::OneOf(listed.values.iter().map(|value| value.get().to_owned()).collect());
        }
        let about: Value = serde_json::from_str(about).unwrap_or_default();
        match about.get("type").and_then(Value::as_str) {
            Some("string") => Self::Text,
            Some("number" | "integer") => Self::Number,
            Some("boolean") => Self::Flag,
            _ => Self::Json,
        }
    }

    /// A value as its field has it; empty where it is none of those that can be chosen.
    fn text(&self, value: &str) -> String {
        match self {
            Self::Text => serde_json::from_str(value).unwrap_or_else(|_| value.to_owned()),
            // The same value may be written in another way.
            Self::OneOf(values) => {
                let same = |listed: &&String| is_same(listed, value);
                values.iter().find(same).cloned().unwrap_or_default()
            }
            Self::Flag if !matches!(value, "true" | "false") => String::new(),
            Self::Number | Self::Flag | Self::Json => value.to_owned(),
        }
    }
}

fn is_same(one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    one == other || read(one).is_some_and(|one| Some(one) == read(other))
}

/// The JSON that was typed, with what was typed into fields in place of what they held. What no field stands for stays
/// as it is, and so does everything that nobody touched; none where the JSON is no object, so that nothing fits in.
pub(super) fn arguments(fields: &[Field], form: &Form) -> Option<String> {
    let typed = form.word("args").unwrap_or("{}");
    let changed: Vec<(&Field, &str)> = fields.iter().filter_map(|field| Some((field, field.changed(form)?))).collect();
    if changed.is_empty() {
        return Some(typed.to_owned());
    }
    let mut arguments: Arguments = serde_json::from_str(typed).ok()?;
    for (field, typed) in changed {
        match field.read(typed) {
            Some(value) => arguments.insert(field.name.clone(), value),
            None => arguments.remove(&field.name),
        };
    }
    serde_json::to_string(&arguments).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type":"object","required":["command"],"properties":{
        "args":{"type":"array"},"command":{"type":"string","description":"What to run."},"force":{"type":"boolean"},
        "mode":{"enum":["fast","slow"]},"times":{"type":"integer"}}}"#;

    const GIVEN: &str = r#"{"args":["a","b"],"command":"ls \"x\"\n","force":true,"mode":"slow",
        "times":18446744073709551617,"other":1.50,"empty":""}"#;

    /// A form as a browser sends it: the fields as they are shown, but for these, and this JSON beside them.
    fn sent(fields: &[Field], json: &str, typed: &[(&str, &str)]) -> Form {
        let value = |field: &Field| {
            let typed = typed.iter().find(|(name, _)| *name == field.name).map(|(_, typed)| (*typed).to_owned());
            (field.key(), typed.unwrap_or_else(|| field.value.replace('\n', "")))
        };
        let pairs: Vec<(String, String)> = fields.iter().map(value).collect();
        let pairs = pairs.iter().map(|(key, value)| (key.as_str(), value.clone()));
        Form::of(pairs.chain([("args", json.to_owned())]))
    }

    #[test]
    fn what_nobody_touched_stays_as_it_was_written() {
        let fields = Field::all(SCHEMA, GIVEN);
        assert_eq!(fields.first().map(|field| (field.name.as_str(), field.required)), Some(("command", true)));
        assert_eq!(arguments(&fields, &sent(&fields, GIVEN, &[])).as_deref(), Some(GIVEN));
        assert_eq!(arguments(&fields, &Form::default()).as_deref(), Some("{}"));
        assert!(Field::all("no JSON", "also none").is_empty());
    }

    #[test]
    fn what_is_typed_into_fields_goes_over_the_json_that_is_typed_beside_them() {
        let fields = Field::all(SCHEMA, GIVEN);
        // The JSON was edited, too: that and what has no field stay, to the last digit.
        let json = GIVEN.replace("true", "false");
        let typed = [("command", "pwd"), ("mode", ""), ("times", "18446744073709551619")];
        let expected = concat!(
            r#"{"args":["a","b"],"command":"pwd","empty":"","force":false,"other":1.50,"#,
            r#""times":18446744073709551619}"#
        );
        assert_eq!(arguments(&fields, &sent(&fields, &json, &typed)).as_deref(), Some(expected));
        // Where nothing fits in, nothing is dropped.
        assert_eq!(arguments(&fields, &sent(&fields, "{", &typed)), None);
        assert_eq!(arguments(&fields, &sent(&fields, "{", &[])).as_deref(), Some("{"));
    }

    #[test]
    fn a_choice_is_found_however_it_is_written() {
        let fields = Field::all(r#"{"properties":{"of":{"enum":[1,"\u0061"]}}}"#, r#"{"of":"a"}"#);
        assert_eq!(fields[0].value, r#""\u0061""#);
        // One that can't be chosen stays, too.
        let given = r#"{"force":"maybe","mode":"odd"}"#;
        let fields = Field::all(SCHEMA, given);
        let expected = r#"{"command":"pwd","force":"maybe","mode":"odd"}"#;
        assert_eq!(arguments(&fields, &sent(&fields, given, &[("command", "pwd")])).as_deref(), Some(expected));
    }
}
