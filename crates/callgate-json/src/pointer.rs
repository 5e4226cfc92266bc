//! Places in a document: RFC 6901 pointers, lines and columns.

use std::fmt;

/// A JSON pointer (RFC 6901) that grows and shrinks while a document is walked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pointer(String);

impl Pointer {
    /// The pointer to the whole document.
    pub fn root() -> Self {
        Self::default()
    }

    /// The pointer to member `key`.
    pub fn key(&self, key: &str) -> Self {
        let mut next = self.0.clone();
        next.push('/');
        next.push_str(&escape_token(key));
        Self(next)
    }

    /// The pointer to element `index`.
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// The pointer's text; empty for the whole document.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes `~` and `/` as `~0` and `~1` (RFC 6901 section 3).
pub fn escape_token(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// The line and column, both from 1, of a byte offset. Columns count Unicode scalar values; invalid UTF-8 counts
/// byte by byte.
pub fn line_column(input: &[u8], offset: usize) -> (u32, u32) {
    let before = input.get(..offset.min(input.len())).unwrap_or_default();
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let column = before.iter().skip(line_start).filter(|byte| (**byte & 0xC0) != 0x80).count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_not_bytes() {
        let text = "{\n  \"é\": x".as_bytes();
        assert_eq!(line_column(text, text.len() - 1), (2, 8));
        assert_eq!(line_column(text, 0), (1, 1));
        assert_eq!(line_column(text, 999), (2, 9));
    }

    #[test]
    fn pointers_escape_their_tokens() {
        assert_eq!(Pointer::root().key("a/b~c").index(3).as_str(), "/a~1b~0c/3");
    }
}
