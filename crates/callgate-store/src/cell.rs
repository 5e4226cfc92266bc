//! One value of a row, as the drivers give it, or as an element of a JSON array.

use serde_json::Value;
use sqlx::Row;
use sqlx::any::AnyRow;

/// Where a row's values come from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'r> {
    /// The driver.
    Row(&'r AnyRow),
    /// An array that the database made.
    Array(&'r [Value]),
}

/// A type that a value can have.
pub(crate) trait Cell<'r>: Sized {
    /// The value at this place; `None` where it has another type.
    fn of(source: Source<'r>, at: usize) -> Option<Self>;
}

macro_rules! cell {
    ($type:ty, $of_json:expr) => {
        impl<'r> Cell<'r> for $type {
            fn of(source: Source<'r>, at: usize) -> Option<Self> {
                match source {
                    Source::Row(row) => row.try_get(at).ok(),
                    Source::Array(values) => ($of_json)(values.get(at)?),
                }
            }
        }
    };
}

cell!(&'r str, Value::as_str);
cell!(Option<&'r str>, |value: &'r Value| optional(value, Value::as_str));
cell!(String, |value: &Value| value.as_str().map(str::to_owned));
cell!(Option<String>, |value: &Value| optional(value, |value| value.as_str().map(str::to_owned)));
cell!(i64, Value::as_i64);
cell!(Option<i64>, |value: &Value| optional(value, Value::as_i64));
// JSON has no bytes: records that hold some are read row by row.
cell!(Vec<u8>, |_: &Value| None);
cell!(Option<Vec<u8>>, |_: &Value| None);

/// What may be null. `None` where it is neither that nor of the type.
fn optional<'v, T>(value: &'v Value, read: impl FnOnce(&'v Value) -> Option<T>) -> Option<Option<T>> {
    if value.is_null() { Some(None) } else { read(value).map(Some) }
}
