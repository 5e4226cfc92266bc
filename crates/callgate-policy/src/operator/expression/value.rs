//! Values as CEL sees them.

use crate::operator::schema::double;
use callgate_json::{Kind, Value};
use cel::objects::{Key, Map};
use std::collections::HashMap;
use std::sync::Arc;

/// A map with text keys.
pub(crate) fn map<'k>(members: impl IntoIterator<Item = (&'k str, cel::Value)>) -> cel::Value {
    let members: HashMap<Key, cel::Value> = members.into_iter().map(|(key, value)| (Key::from(key), value)).collect();
    cel::Value::Map(Map { map: Arc::new(members) })
}

/// A text.
pub(crate) fn text(text: &str) -> cel::Value {
    cel::Value::String(Arc::new(text.to_owned()))
}

/// A JSON value as CEL sees it: integers where they fit, else doubles that read back as the same decimal; an error
/// where neither can hold a number.
pub(crate) fn value(value: &Value<'_>) -> Result<cel::Value, String> {
    Ok(match &value.kind {
        Kind::Null => cel::Value::Null,
        Kind::Bool(truth) => cel::Value::Bool(*truth),
        Kind::Number(number) => {
            let exact = number.exact().map_err(|error| error.to_string())?;
            match (exact.as_i64(), double(exact)) {
                (Some(integer), _) => cel::Value::Int(integer),
                (None, Some(double)) => cel::Value::Float(double),
                (None, None) => return Err("a number is too long for an expression to judge exactly".into()),
            }
        }
        Kind::String(text) => self::text(text),
        Kind::Array(items) => {
            cel::Value::List(Arc::new(items.iter().map(self::value).collect::<Result<Vec<_>, String>>()?))
        }
        Kind::Object(members) => {
            let read = |member: &callgate_json::Member<'_>| Ok((Key::from(&*member.key), self::value(&member.value)?));
            let members = members.iter().map(read).collect::<Result<HashMap<_, _>, String>>()?;
            cel::Value::Map(Map { map: Arc::new(members) })
        }
    })
}
