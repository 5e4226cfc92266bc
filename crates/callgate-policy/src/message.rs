//! What a decision says.

use std::fmt;
use std::ops::Deref;

/// What a decision says. Whoever called is told all of it; records keep it without the caller's own value, which may be
/// a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Message {
    told: String,
    /// Where the part that names a value begins, in bytes; none where no value is named.
    value_from: Option<usize>,
}

impl Message {
    /// A message whose second part names a value of the call.
    pub fn naming_value(text: String, value: &str) -> Self {
        let value_from = (!value.is_empty()).then_some(text.len());
        Self { told: text + value, value_from }
    }

    /// What the caller is told.
    pub fn as_str(&self) -> &str {
        &self.told
    }

    /// What records keep: nothing of any value.
    pub fn recorded(&self) -> &str {
        self.value_from.and_then(|from| self.told.get(..from)).unwrap_or(&self.told)
    }

    /// The part that names a value of the call; empty where none does.
    pub fn value(&self) -> &str {
        self.value_from.and_then(|from| self.told.get(from..)).unwrap_or_default()
    }
}

impl Deref for Message {
    type Target = str;

    fn deref(&self) -> &str {
        &self.told
    }
}

impl From<String> for Message {
    fn from(told: String) -> Self {
        Self { told, value_from: None }
    }
}

impl From<&str> for Message {
    fn from(told: &str) -> Self {
        told.to_owned().into()
    }
}

impl PartialEq<str> for Message {
    fn eq(&self, other: &str) -> bool {
        self.told == other
    }
}

impl PartialEq<&str> for Message {
    fn eq(&self, other: &&str) -> bool {
        self.told == *other
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_nothing_of_a_value() {
        let named = Message::naming_value("`t` is denied".to_owned(), ": `args.x` is `hunter2`");
        assert_eq!(named, "`t` is denied: `args.x` is `hunter2`");
        assert_eq!((named.recorded(), named.value()), ("`t` is denied", ": `args.x` is `hunter2`"));
        for plain in [Message::from("no"), Message::naming_value("no".to_owned(), "")] {
            assert_eq!((plain.as_str(), plain.recorded(), plain.value()), ("no", "no", ""));
        }
    }
}
