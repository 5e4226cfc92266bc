//! What all parts of the parser share: problems with their places, and objects read by their shape.

use super::field::{Field, Kind, Shape, TOOL, WINDOWS};
use super::wording::{example, kind_with_article, misplaced, quoted, shown, suggestion};
use super::{DocumentLimits, duration};
use crate::decision::{Place, Source};
use crate::model::{Problem, Severity};
use callgate_json::{Decimal, ErrorKind, Member, Pointer, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Most problems that are told; the last one says how many there are beyond.
const MAX_PROBLEMS: usize = 500;

/// Collects the problems of one document.
pub(crate) struct Reader<'i> {
    source: &'i [u8],
    line_starts: Vec<usize>,
    found: Vec<Found>,
    /// Where the places that were handed out begin, by pointer.
    offsets: HashMap<Arc<str>, usize>,
    /// What the document may ask for.
    pub(crate) limits: DocumentLimits,
}

struct Found {
    offset: usize,
    code: &'static str,
    severity: Severity,
    pointer: String,
    message: String,
    hint: String,
}

/// The members of an object that its shape knows and whose kind is right.
pub(crate) struct Fields<'v, 'i> {
    found: Vec<(&'static Field, &'v Member<'i>)>,
    /// Where the object stands.
    pub(crate) pointer: Pointer,
}

impl<'i> Reader<'i> {
    pub(crate) fn new(source: &'i [u8], limits: DocumentLimits) -> Self {
        let line_starts = source.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();
        Self { source, line_starts, found: Vec::new(), offsets: HashMap::new(), limits }
    }

    /// The document's bytes.
    pub(crate) fn source(&self) -> &'i [u8] {
        self.source
    }

    /// The line of a byte offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> u32 {
        let line = self.line_starts.partition_point(|start| *start <= offset) + 1;
        u32::try_from(line).unwrap_or(u32::MAX)
    }

    /// A place in this document.
    pub(crate) fn place(&mut self, pointer: &Pointer, offset: usize) -> Place {
        let pointer: Arc<str> = pointer.as_str().into();
        self.offsets.insert(Arc::clone(&pointer), offset);
        Place { source: Source::Policy, pointer, line: self.line(offset) }
    }

    /// Adds an error at a place that [`Reader::place`] gave.
    pub(crate) fn error_at(&mut self, code: &'static str, place: &Place, message: String, hint: &str) {
        self.add_at(code, Severity::Error, place, message, hint);
    }

    /// Adds a warning at a place that [`Reader::place`] gave.
    pub(crate) fn warning_at(&mut self, code: &'static str, place: &Place, message: String, hint: &str) {
        self.add_at(code, Severity::Warning, place, message, hint);
    }

    fn add_at(&mut self, code: &'static str, severity: Severity, place: &Place, message: String, hint: &str) {
        let offset = self.offsets.get(&place.pointer).copied().unwrap_or_default();
        let pointer = place.pointer.to_string();
        self.found.push(Found { offset, code, severity, pointer, message, hint: hint.to_owned() });
    }

    /// Adds an error.
    pub(crate) fn error(
        &mut self,
        code: &'static str,
        offset: usize,
        pointer: &Pointer,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let (message, hint) = (message.into(), hint.into());
        let pointer = pointer.to_string();
        self.found.push(Found { offset, code, severity: Severity::Error, pointer, message, hint });
    }

    /// Adds what the JSON reader found.
    pub(crate) fn json_problem(&mut self, error: callgate_json::Error, root: Option<&Value<'_>>) {
        let (code, hint) = match &error.kind {
            ErrorKind::DuplicateKey(_) => ("CG1002", "keep one of the two; readers disagree about which one counts"),
            ErrorKind::InexactNumber => ("CG1012", "write the number with fewer digits"),
            ErrorKind::TooLarge(_) | ErrorKind::TooDeep(_) | ErrorKind::TooMany(_) => {
                ("CG1015", "split the policy, or simplify it")
            }
            ErrorKind::ByteOrderMark | ErrorKind::Utf8 => {
                ("CG1001", "save the file as UTF-8 without a byte order mark")
            }
            ErrorKind::Trailing => ("CG1001", "a document is one JSON object"),
            ErrorKind::Expected(what) if what.contains("double quotes") => {
                ("CG1001", "JSON has no comments, no trailing commas and no single quotes")
            }
            _ => ("CG1001", ""),
        };
        let message = match error.kind {
            ErrorKind::DuplicateKey(_) | ErrorKind::InexactNumber => error.kind.to_string(),
            ErrorKind::TooLarge(_) | ErrorKind::TooDeep(_) | ErrorKind::TooMany(_) => {
                format!("the document is over a limit: {}", error.kind)
            }
            kind => format!("not JSON: {kind}"),
        };
        let pointer = root.map_or_else(Pointer::root, |root| pointer_at(root, error.offset));
        self.error(code, error.offset, &pointer, message, hint);
    }

    /// The problems in document order, with lines and columns.
    pub(crate) fn finish(self) -> Vec<Problem> {
        let Self { source, line_starts, mut found, .. } = self;
        found.sort_by_key(|problem| problem.offset);
        let cut = found.len().saturating_sub(MAX_PROBLEMS);
        let more_errors = found.iter().skip(MAX_PROBLEMS).any(|problem| problem.severity == Severity::Error);
        found.truncate(MAX_PROBLEMS);
        // One walk over the document: a column costs what lies between two problems, not the whole line.
        let (mut at, mut column) = (0, 1);
        let mut problems: Vec<Problem> = Vec::new();
        for problem in found {
            let offset = problem.offset.min(source.len());
            for byte in source.get(at..offset).unwrap_or_default() {
                column = if *byte == b'\n' { 1 } else { column + u32::from((byte & 0xC0) != 0x80) };
            }
            at = offset;
            let line = line_starts.partition_point(|start| *start <= offset) + 1;
            problems.push(Problem {
                code: problem.code,
                severity: problem.severity,
                line: u32::try_from(line).unwrap_or(u32::MAX),
                column,
                pointer: problem.pointer,
                message: problem.message,
                hint: problem.hint,
            });
        }
        if cut > 0 {
            problems.push(Problem {
                code: "CG1015",
                severity: if more_errors { Severity::Error } else { Severity::Warning },
                line: problems.last().map_or(1, |last| last.line),
                column: problems.last().map_or(1, |last| last.column),
                pointer: String::new(),
                message: format!("{cut} more problems are not shown"),
                hint: "correct these first".to_owned(),
            });
        }
        problems
    }

    /// The members of `value` that `shape` knows; everything else is told as a problem.
    pub(crate) fn object<'v, 'a>(
        &mut self,
        value: &'v Value<'a>,
        pointer: &Pointer,
        shape: &'static Shape,
    ) -> Option<Fields<'v, 'a>> {
        if !value.is_object() {
            let message = format!("a {} has to be an object, not {}", shape.name, kind_with_article(value));
            self.error("CG1004", value.span.start, pointer, message, "");
            return None;
        }
        let mut fields = Fields { found: Vec::new(), pointer: pointer.clone() };
        for member in value.members() {
            let at = pointer.key(&member.key);
            let Some(field) = shape.field(&member.key) else {
                self.unknown_field(member, &at, shape);
                continue;
            };
            if self.fits(field, &member.value, &at) {
                fields.found.push((field, member));
            }
        }
        for field in shape.fields.iter().filter(|field| field.required && value.get(field.name).is_none()) {
            let hint = example(field);
            let message = format!("`{}` is missing in this {}", field.name, shape.name);
            self.error("CG1005", value.span.start, pointer, message, hint);
        }
        Some(fields)
    }

    fn unknown_field(&mut self, member: &Member<'_>, at: &Pointer, shape: &'static Shape) {
        let key = &*member.key;
        let offset = member.key_span.start;
        if shape.name != TOOL.name && OLDER_FIELDS.contains(&key) {
            let message = format!("`{key}` can't stand in this {}", shape.name);
            let hint = "this older spelling belongs to one tool, in an entry under `tools`; here write `deny_if`, \
                        `approve_if` or `limits`";
            return self.error("CG1017", offset, at, message, hint);
        }
        let known: Vec<&str> = shape.fields.iter().map(|field| field.name).collect();
        let message = format!("`{}` is no field of this {}", shown(key), shape.name);
        let hint = match misplaced(key) {
            Some(home) => format!("`{key}` belongs {home}"),
            None => suggestion(key, &known),
        };
        self.error("CG1003", offset, at, message, hint);
    }

    /// Whether the value is what the field holds, as far as its kind can tell.
    fn fits(&mut self, field: &Field, value: &Value<'_>, at: &Pointer) -> bool {
        let offset = value.span.start;
        if value.is_null() && !matches!(field.kind, Kind::Operand) {
            self.error("CG1004", offset, at, format!("`{}` is null", field.name), "leave the field out instead");
            return false;
        }
        let expected = match &field.kind {
            Kind::Text | Kind::Name | Kind::Path | Kind::ArgumentPath | Kind::Operator | Kind::Moment => {
                value.as_str().is_none().then_some("a string")
            }
            Kind::Choice(_) | Kind::Duration | Kind::Window | Kind::Spend | Kind::Within | Kind::FlowScope => {
                value.as_str().is_none().then_some("a string")
            }
            Kind::NameOrNames | Kind::Choices(_) => {
                (value.as_str().is_none() && value.as_array().is_none()).then_some("a string or a list of strings")
            }
            Kind::Bool => value.as_bool().is_none().then_some("`true` or `false`"),
            Kind::True => (value.as_bool() != Some(true)).then_some("`true`"),
            Kind::Amount | Kind::Count(_) => value.as_number().is_none().then_some("a number"),
            Kind::Names | Kind::List(_) | Kind::Detectors(_) => value.as_array().is_none().then_some("a list"),
            Kind::Arguments | Kind::Object(_) | Kind::ByTool(_) | Kind::ByCategory(_) => {
                (!value.is_object()).then_some("an object")
            }
            Kind::Rate | Kind::Answer => {
                (value.as_str().is_none() && !value.is_object()).then_some("a string or an object")
            }
            Kind::Operand => None,
        };
        match expected {
            Some(expected) => {
                self.wrong_kind(value, at, field.name, expected);
                false
            }
            None => self.content_fits(field, value, at),
        }
    }

    fn content_fits(&mut self, field: &Field, value: &Value<'_>, at: &Pointer) -> bool {
        let offset = value.span.start;
        let text = value.as_str().unwrap_or_default();
        let problem = match &field.kind {
            Kind::Name if text.is_empty() => Some(("CG1007", "is empty".to_owned(), String::new())),
            Kind::Choice(choices) if !choices.contains(&text) => {
                Some(("CG1006", format!("can't be `{}`", shown(text)), suggestion(text, choices)))
            }
            Kind::Duration if duration::read(text).is_none() => Some((
                "CG1011",
                format!("can't be `{}`", shown(text)),
                "a whole number with `s`, `m`, `h` or `d`, up to ten years: `\"90s\"`, `\"30m\"`".to_owned(),
            )),
            Kind::Window if duration::read_window(text).is_none() => Some((
                "CG1011",
                format!("can't be `{}`", shown(text)),
                format!("{}, or a duration such as `\"90s\"` or `\"15m\"`", quoted(WINDOWS)),
            )),
            // A number that can't be kept exactly is told by the JSON reader.
            Kind::Amount | Kind::Count(_) if value.as_number().is_some_and(|number| number.exact().is_err()) => {
                return false;
            }
            Kind::Amount if amount(value).is_none() => {
                Some(("CG1012", "has to be a number from 0".to_owned(), "`0` blocks every call".to_owned()))
            }
            Kind::Count(most) if count(value).is_none_or(|count| count > *most) => {
                Some(("CG1012", format!("has to be a whole number from 1 to {most}"), String::new()))
            }
            Kind::Moment if text.parse::<jiff::Timestamp>().is_err() => Some((
                "CG1006",
                format!("can't be `{}`", shown(text)),
                "a moment in RFC 3339, such as `\"2026-11-21T09:00:00Z\"`".to_owned(),
            )),
            _ => None,
        };
        let Some((code, message, hint)) = problem else {
            return true;
        };
        self.error(code, offset, at, format!("`{}` {message}", field.name), hint);
        false
    }

    /// Tells that a value has the wrong kind.
    pub(crate) fn wrong_kind(&mut self, value: &Value<'_>, at: &Pointer, what: &str, expected: &str) {
        let found = if value.as_bool() == Some(false) { "`false`" } else { kind_with_article(value) };
        let message = format!("`{what}` has to be {expected}, not {found}");
        let hint = match (value.as_str(), value.as_number()) {
            (None, Some(number)) if expected == "a string" => format!("write `\"{}\"` in double quotes", number.text),
            (Some(text), None) if expected == "a number" && text.parse::<Decimal>().is_ok() => {
                format!("write `{text}` without quotes")
            }
            (Some(text), None) if expected.contains("true") && (text == "true" || text == "false") => {
                format!("write `{text}` without quotes")
            }
            _ => String::new(),
        };
        self.error("CG1004", value.span.start, at, message, hint);
    }
}

impl<'v, 'i> Fields<'v, 'i> {
    /// The member with this key.
    pub(crate) fn member(&self, name: &str) -> Option<&'v Member<'i>> {
        self.found.iter().find(|(field, _)| field.name == name).map(|(_, member)| *member)
    }

    /// The value of a field, with its pointer.
    pub(crate) fn get(&self, name: &str) -> Option<(&'v Value<'i>, Pointer)> {
        self.member(name).map(|member| (&member.value, self.pointer.key(name)))
    }

    /// The text of a field that holds a string.
    pub(crate) fn text(&self, name: &str) -> Option<&'v str> {
        self.member(name).and_then(|member| member.value.as_str())
    }

    /// The text of a field, to keep.
    pub(crate) fn shared(&self, name: &str) -> Option<Arc<str>> {
        self.text(name).map(Arc::from)
    }

    /// Whether a field holds `true`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.member(name).and_then(|member| member.value.as_bool()).unwrap_or(false)
    }

    /// The milliseconds of a field that holds a duration.
    pub(crate) fn duration(&self, name: &str) -> Option<u64> {
        self.text(name).and_then(duration::read)
    }
}

/// The pointer to the innermost value around a byte offset.
fn pointer_at(root: &Value<'_>, offset: usize) -> Pointer {
    let around = |value: &Value<'_>| (value.span.start..value.span.end).contains(&offset);
    let (mut here, mut pointer) = (root, Pointer::root());
    loop {
        let items = here.as_array().unwrap_or_default().iter().enumerate();
        let member = here.members().iter().find(|member| around(&member.value));
        let item = items.into_iter().find(|(_, item)| around(item));
        (here, pointer) = match (member, item) {
            (Some(member), _) => (&member.value, pointer.key(&member.key)),
            (None, Some((index, item))) => (item, pointer.index(index)),
            (None, None) => return pointer,
        };
    }
}

/// The fields that only an entry under `tools` has.
const OLDER_FIELDS: [&str; 5] = ["action", "reason", "approval_timeout", "rate_limit", "spend_limit"];

/// The number, where it is one from 0.
pub(crate) fn amount(value: &Value<'_>) -> Option<Decimal> {
    value.as_number().and_then(|number| number.exact().ok()).filter(|exact| !exact.is_negative())
}

/// The whole number, where it is one from 1.
pub(crate) fn count(value: &Value<'_>) -> Option<u32> {
    let whole = value.as_number().and_then(|number| number.exact().ok())?.as_i64()?;
    u32::try_from(whole).ok().filter(|count| *count > 0)
}
