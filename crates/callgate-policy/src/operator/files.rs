//! `path_within`: absolute paths, resolved lexically.

use super::Verdict;
use super::compile::Unusable;

/// A directory, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directory(Box<[Box<str>]>);

impl Directory {
    /// The directory that an operand names.
    pub(super) fn read(text: &str) -> Result<Self, Unusable> {
        match resolve(text) {
            Ok(parts) => Ok(Self(parts.into_iter().map(Box::from).collect())),
            Err(Unreadable::Relative) => Err(Unusable::new(
                format!("`{text}` is not an absolute path"),
                "write it from the root, such as `/srv/data`",
            )),
            Err(Unreadable::Refused(what)) => Err(Unusable::new(format!("{what} stands in a path"), "")),
        }
    }

    fn holds(&self, parts: &[&str]) -> bool {
        parts.len() >= self.0.len() && self.0.iter().zip(parts).all(|(known, part)| **known == **part)
    }
}

enum Unreadable {
    Relative,
    Refused(&'static str),
}

/// Whether the path is in one of the directories, or is one.
pub(super) fn judge(text: &str, directories: &[Directory]) -> Verdict {
    match resolve(text) {
        Ok(parts) => directories.iter().any(|directory| directory.holds(&parts)).into(),
        Err(Unreadable::Relative) => Verdict::TypeError,
        Err(Unreadable::Refused(what)) => Verdict::Fault(format!("{what} stands in a path")),
    }
}

/// The parts of an absolute path, without `.`, `..` and empty ones; `/..` stays at the root.
fn resolve(text: &str) -> Result<Vec<&str>, Unreadable> {
    if text.contains('\0') {
        return Err(Unreadable::Refused("a NUL character"));
    }
    let is_escape = |window: &[u8]| matches!(window, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if text.as_bytes().windows(3).any(is_escape) {
        return Err(Unreadable::Refused("a percent escape"));
    }
    let Some(rest) = text.strip_prefix('/') else {
        return Err(Unreadable::Relative);
    };
    let mut parts = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Ok(parts)
}
