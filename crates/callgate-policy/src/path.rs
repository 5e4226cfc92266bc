//! Paths: what a condition looks at, such as `args.list[*]` or `time.zone("Europe/Berlin").hour`.

mod read;

use jiff::tz::TimeZone;
use std::fmt;
use std::sync::Arc;

/// What a condition looks at, parsed.
#[derive(Clone, Debug)]
pub struct Path {
    text: Arc<str>,
    subject: Subject,
}

/// The thing that a path names.
#[derive(Clone, Debug)]
pub enum Subject {
    /// `args…`: the call's arguments, or a part of them.
    Args(Vec<Step>),
    /// `result…`: what came back, or a part of it; only in rules over results
    Result(Vec<Step>),
    /// `tool.name`
    ToolName,
    /// `tool.category`
    ToolCategory,
    /// `tool.annotations.<k>…`
    ToolAnnotations(Vec<Step>),
    /// `grant.label`
    GrantLabel,
    /// `grant.tags.<k>`
    GrantTag(Box<str>),
    /// `identity.subject`
    IdentitySubject,
    /// `identity.claims.<k>…`
    IdentityClaims(Vec<Step>),
    /// `client.name`
    ClientName,
    /// `client.version`
    ClientVersion,
    /// `session.id`
    SessionId,
    /// `time.hour`, in UTC or in the zone of `time.zone("…").hour`
    Hour(TimeZone),
    /// `time.weekday`, likewise
    Weekday(TimeZone),
}

/// One step into a JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `.key` or `["key"]`
    Key(Box<str>),
    /// `[0]`
    Index(usize),
    /// `[*]`: any element
    Any,
    /// `[all]`: every element, and at least one
    All,
    /// `[join]`: the elements, joined with one space
    Join,
}

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not a path: {why}")]
pub struct PathError {
    /// The text.
    pub path: String,
    /// Where in it the trouble is, in bytes.
    pub at: usize,
    /// What is wrong.
    pub why: String,
    /// What to write instead; may be empty.
    pub hint: String,
}

impl Path {
    /// Reads a path as policies write it (policy language section 3).
    pub fn parse(text: &str) -> Result<Self, PathError> {
        read::path(text)
    }

    /// The path as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it looks at.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The steps into the arguments; `None` where the path looks at something else.
    pub fn argument_steps(&self) -> Option<&[Step]> {
        match &self.subject {
            Subject::Args(steps) => Some(steps),
            _ => None,
        }
    }
}

/// Paths are equal when they are written alike.
impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Path {}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
