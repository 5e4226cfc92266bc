//! Rows, read from a document and written as its members.

use super::draft::Refused;
use super::json::Json;
use super::model::{Asking, Condition, Limit, Operand, OperandForm, Redact, Results, Rule};
use callgate_json::{Kind, Value};

/// The fields of a row in the order in which they are written, each with what it is; none where it is left out.
pub(super) type Fields = Vec<(&'static str, Option<Json>)>;

fn text(value: &Value<'_>, key: &str) -> String {
    // Forms have one end of lines.
    value.get(key).and_then(Value::as_str).unwrap_or_default().replace("\r\n", "\n")
}

fn flag(value: &Value<'_>, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or_default()
}

fn number(value: &Value<'_>, key: &str) -> String {
    value.get(key).and_then(Value::as_number).map(|number| number.text.to_owned()).unwrap_or_default()
}

fn shadow(value: &Value<'_>) -> bool {
    value.get("mode").and_then(Value::as_str) == Some("shadow")
}

/// The elements of a list member; none where it is something else.
pub(super) fn list<'v, 't>(value: &'v Value<'t>, key: &str) -> &'v [Value<'t>] {
    value.get(key).and_then(Value::as_array).unwrap_or_default()
}

fn words(text: &str) -> Option<Json> {
    (!text.is_empty()).then(|| Json::string(text))
}

fn yes(flag: bool) -> Option<Json> {
    flag.then(|| Json::bool(true))
}

fn shadowed(shadow: bool) -> Option<Json> {
    shadow.then(|| Json::string("shadow"))
}

/// The fields as an object.
pub(super) fn object(fields: Fields) -> Json {
    Json::row(fields.into_iter().filter_map(|(key, json)| Some((key.to_owned(), json?))).collect())
}

impl Rule {
    /// Reads a rule; what is not of its kind counts as left out.
    pub(super) fn read(value: &Value<'_>, source: &str) -> Self {
        let conditions = |key| list(value, key).iter().map(|item| Condition::read(item, source)).collect();
        Self {
            name: text(value, "name"),
            description: text(value, "description"),
            conditions: conditions("conditions"),
            any: conditions("any"),
            on_deny: text(value, "on_deny"),
            shadow: shadow(value),
            quiet: flag(value, "quiet"),
            asking: Asking {
                timeout: text(value, "timeout"),
                ask: text(value, "ask"),
                hold_for: text(value, "hold_for"),
                four_eyes: flag(value, "four_eyes"),
                remember_for: text(value, "remember_for"),
                include_arguments: flag(value, "include_arguments"),
            },
        }
    }

    /// Its fields but the conditions.
    pub(super) fn switches(&self) -> Fields {
        let asking = &self.asking;
        vec![
            ("name", words(&self.name)),
            ("description", words(&self.description)),
            ("on_deny", words(&self.on_deny)),
            ("timeout", words(&asking.timeout)),
            ("ask", words(&asking.ask)),
            ("hold_for", words(&asking.hold_for)),
            ("four_eyes", yes(asking.four_eyes)),
            ("remember_for", words(&asking.remember_for)),
            ("include_arguments", yes(asking.include_arguments)),
            ("mode", shadowed(self.shadow)),
            ("quiet", yes(self.quiet)),
        ]
    }

    /// The order of its fields.
    pub(super) const ORDER: &'static [&'static str] = &[
        "name",
        "description",
        "conditions",
        "any",
        "on_deny",
        "timeout",
        "ask",
        "hold_for",
        "four_eyes",
        "remember_for",
        "include_arguments",
        "mode",
        "quiet",
    ];

    /// The rule as it is written.
    pub(super) fn json(&self) -> Result<Json, Refused> {
        let mut fields = self.switches();
        let all = |conditions: &[Condition]| conditions.iter().map(Condition::json).collect::<Result<Vec<_>, _>>();
        if !self.conditions.is_empty() || self.any.is_empty() {
            fields.push(("conditions", Some(Json::List(all(&self.conditions)?))));
        }
        if !self.any.is_empty() {
            fields.push(("any", Some(Json::List(all(&self.any)?))));
        }
        fields.sort_by_key(|(key, _)| Self::ORDER.iter().position(|known| known == key));
        Ok(object(fields))
    }
}

impl Condition {
    /// Reads a condition; what is not of its kind counts as left out.
    pub(super) fn read(value: &Value<'_>, source: &str) -> Self {
        let operand = value.get("value").map(|operand| Operand::read(operand, source));
        Self { path: text(value, "path"), op: text(value, "op"), value: operand.unwrap_or_default() }
    }

    /// Its fields.
    pub(super) fn fields(&self) -> Result<Fields, Refused> {
        Ok(vec![("path", words(&self.path)), ("op", words(&self.op)), ("value", self.value.json()?)])
    }

    /// The condition as it is written.
    pub(super) fn json(&self) -> Result<Json, Refused> {
        Ok(object(self.fields()?))
    }
}

impl Operand {
    /// Reads the `value` of a condition.
    pub(super) fn read(value: &Value<'_>, source: &str) -> Self {
        let raw = || String::from_utf8_lossy(value.bytes(source.as_bytes())).into_owned();
        let is_plain = |text: &str| !text.chars().any(char::is_control);
        match &value.kind {
            Kind::String(text) if is_plain(text) => Self { form: OperandForm::Text, text: text.to_string() },
            Kind::Number(number) => Self { form: OperandForm::Number, text: number.text.to_owned() },
            Kind::Bool(value) => Self { form: OperandForm::Bool, text: value.to_string() },
            Kind::Array(items) => {
                let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                let numbers: Option<Vec<&str>> = items.iter().map(|item| Some(item.as_number()?.text)).collect();
                match (texts, numbers) {
                    (Some(texts), _) if texts.iter().all(|text| !text.is_empty() && is_plain(text)) => {
                        Self { form: OperandForm::Texts, text: texts.join("\n") }
                    }
                    (_, Some(numbers)) => Self { form: OperandForm::Numbers, text: numbers.join("\n") },
                    _ => Self { form: OperandForm::Json, text: raw() },
                }
            }
            _ => Self { form: OperandForm::Json, text: raw() },
        }
    }

    /// The `value` as it is written; none where there is none.
    pub(super) fn json(&self) -> Result<Option<Json>, Refused> {
        let lines = || self.text.lines().filter(|line| !line.is_empty());
        Ok(Some(match self.form {
            OperandForm::Absent => return Ok(None),
            // Settled before; what nobody settled is a text.
            OperandForm::Text | OperandForm::Fitting => Json::string(&self.text),
            OperandForm::Number => Json::number(&self.text)?,
            OperandForm::Bool => match self.text.trim() {
                "true" => Json::bool(true),
                "false" => Json::bool(false),
                other => return Err(Refused::Value(format!("`{other}` is neither `true` nor `false`"))),
            },
            OperandForm::Texts => Json::List(lines().map(Json::string).collect()),
            OperandForm::Numbers => Json::List(lines().map(Json::number).collect::<Result<_, _>>()?),
            OperandForm::Json => Json::typed(&self.text)?,
        }))
    }
}

impl Limit {
    /// Reads a limit; what is not of its kind counts as left out.
    pub(super) fn read(value: &Value<'_>) -> Self {
        Self {
            counter: text(value, "counter"),
            description: text(value, "description"),
            window: text(value, "window"),
            concurrent: flag(value, "concurrent"),
            max: number(value, "max"),
            scope: text(value, "scope"),
            increment_from: text(value, "increment_from"),
            sliding: value.get("strategy").and_then(Value::as_str) == Some("sliding"),
            on_deny: text(value, "on_deny"),
            shadow: shadow(value),
        }
    }

    /// Its fields.
    pub(super) fn fields(&self) -> Result<Fields, Refused> {
        let max = if self.max.trim().is_empty() { None } else { Some(Json::number(&self.max)?) };
        Ok(vec![
            ("counter", words(&self.counter)),
            ("description", words(&self.description)),
            ("window", words(&self.window)),
            ("concurrent", yes(self.concurrent)),
            ("max", max),
            ("scope", words(&self.scope)),
            ("increment_from", words(&self.increment_from)),
            ("strategy", self.sliding.then(|| Json::string("sliding"))),
            ("on_deny", words(&self.on_deny)),
            ("mode", shadowed(self.shadow)),
        ])
    }
}

impl Redact {
    /// Reads a member of `redact`; none where it is of no known kind.
    pub(super) fn read(item: &Value<'_>) -> Option<Self> {
        match item.as_str() {
            Some(name) => Some(Self::Known(name.to_owned())),
            None if item.is_object() => Some(Self::Own { name: text(item, "name"), regex: text(item, "regex") }),
            None => None,
        }
    }

    /// The member as it is written.
    pub(super) fn json(&self) -> Json {
        match self {
            Self::Known(name) => Json::string(name),
            Self::Own { name, regex } => {
                Json::row(vec![("name".to_owned(), Json::string(name)), ("regex".to_owned(), Json::string(regex))])
            }
        }
    }
}

impl Results {
    /// Reads the switches of rules over results; what is not of its kind counts as left out.
    pub(super) fn read(value: &Value<'_>) -> Self {
        Self {
            description: text(value, "description"),
            redact: list(value, "redact").iter().filter_map(Redact::read).collect(),
            max_bytes: number(value, "max_bytes"),
            on_deny: text(value, "on_deny"),
            shadow: shadow(value),
        }
    }

    /// Its fields; `deny_if` stands in front of `on_deny`.
    pub(super) fn fields(&self) -> Result<Fields, Refused> {
        let redact = self.redact.iter().map(Redact::json);
        let max = if self.max_bytes.trim().is_empty() { None } else { Some(Json::number(&self.max_bytes)?) };
        Ok(vec![
            ("description", words(&self.description)),
            ("redact", (!self.redact.is_empty()).then(|| Json::List(redact.collect()))),
            ("max_bytes", max),
            ("on_deny", words(&self.on_deny)),
            ("mode", shadowed(self.shadow)),
        ])
    }

    /// The order of its fields.
    pub(super) const ORDER: &'static [&'static str] =
        &["description", "redact", "max_bytes", "deny_if", "on_deny", "mode"];
}
