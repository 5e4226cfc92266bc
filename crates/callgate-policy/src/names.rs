//! The names that keys, grants and records are made of, parsed once at the edge.

use std::fmt;
use std::sync::Arc;

/// A name that can't be used, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a usable {what}: {why}")]
pub struct NameError {
    what: &'static str,
    name: String,
    why: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Reads a name: 1 to 64 characters of `a-z A-Z 0-9 . _ -`, beginning with a letter or digit.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                match why_not(text) {
                    None => Ok(Self(text.into())),
                    Some(why) => Err(NameError { what: $what, name: text.chars().take(80).collect(), why }),
                }
            }

            /// The name's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The name's text, shared.
            pub fn as_arc(&self) -> &Arc<str> {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

name!(
    /// An organisation: the outermost boundary of every key and every grant.
    Organisation,
    "organisation"
);
name!(
    /// An MCP server as its organisation calls it.
    ServerName,
    "server name"
);
name!(
    /// The identity of a grant; never its token.
    GrantId,
    "grant id"
);

fn why_not(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() > 64 {
        return Some("it is longer than 64 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return Some("only letters, digits, `.`, `_` and `-` may stand in it");
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Some("it has to begin with a letter or a digit");
    }
    None
}
