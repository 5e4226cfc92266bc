//! YAML as a tree whose values know their places. Aliases, tags of one's own and repeated keys are refused.

use crate::layout::Json;
use crate::model::{Problem, Problems, Severity};
use callgate_json::Decimal;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput};
use std::collections::HashSet;

/// Longest document, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting.
const MAX_DEPTH: usize = 64;

/// One value.
#[derive(Debug)]
pub(super) struct Node {
    kind: NodeKind,
    /// Its line, from 1.
    pub(super) line: u32,
    /// Its column, from 1.
    pub(super) column: u32,
}

#[derive(Debug)]
enum NodeKind {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Debug)]
struct Scalar {
    text: String,
    /// Written without quotes, so that it may be something else than a string.
    plain: bool,
}

/// A key of a map.
#[derive(Debug)]
pub(super) struct Key {
    /// Its text.
    pub(super) text: String,
}

impl Node {
    /// The members of a map; empty for another kind.
    pub(super) fn members(&self) -> &[(Key, Node)] {
        match &self.kind {
            NodeKind::Map(members) => members,
            _ => &[],
        }
    }

    /// The elements of a list; empty for another kind.
    pub(super) fn items(&self) -> &[Node] {
        match &self.kind {
            NodeKind::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.kind, NodeKind::Map(_))
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.kind, NodeKind::List(_))
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar(s) if s.plain && matches!(&*s.text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar that is not null, whatever it stands for.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar(scalar) if !self.is_null() => Some(&scalar.text),
            _ => None,
        }
    }

    /// The value as JSON, by YAML's core schema.
    pub(super) fn json(&self) -> Json {
        match &self.kind {
            NodeKind::List(items) => Json::List(items.iter().map(Self::json).collect()),
            NodeKind::Map(members) => {
                Json::Object(members.iter().map(|(key, node)| (key.text.clone(), node.json())).collect())
            }
            NodeKind::Scalar(_) if self.is_null() => Json::Raw("null".to_owned()),
            NodeKind::Scalar(scalar) if !scalar.plain => Json::string(&scalar.text),
            NodeKind::Scalar(scalar) => match &*scalar.text {
                "true" | "True" | "TRUE" => Json::bool(true),
                "false" | "False" | "FALSE" => Json::bool(false),
                text => number(text).map_or_else(|| Json::string(text), |exact| Json::Raw(exact.to_string())),
            },
        }
    }
}

/// The number that a plain scalar stands for.
pub(super) fn number(text: &str) -> Option<Decimal> {
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}

/// Reads one document.
pub(super) fn read(input: &[u8]) -> Result<Node, Problems> {
    if input.len() > MAX_BYTES {
        let hint = "split the policy, or simplify it";
        return Err(problem("CG1015", 1, 1, format!("the document is longer than {MAX_BYTES} bytes"), hint));
    }
    let text = std::str::from_utf8(input)
        .map_err(|_| problem("CG1001", 1, 1, "not UTF-8".to_owned(), "save the file as UTF-8"))?;
    let mut events = Events { parser: Parser::new_from_str(text), depth: 0 };
    loop {
        let (event, at) = events.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd | Event::DocumentEnd => {
                return Err(refused(at, "the document is empty", "it begins with `version: \"1\"`"));
            }
            event => {
                let node = events.node(event, at)?;
                return events.end().map(|()| node);
            }
        }
    }
}

struct Events<'i> {
    parser: Parser<'i, StrInput<'i>>,
    depth: usize,
}

impl<'i> Events<'i> {
    fn next(&mut self) -> Result<(Event<'i>, Marker), Problems> {
        match self.parser.next() {
            Some(Ok((event, span))) => Ok((event, span.start)),
            Some(Err(error)) => {
                let hint = "the file has to be YAML, or JSON that begins with `{`";
                Err(refused(*error.marker(), format!("not YAML: {}", error.info()), hint))
            }
            None => Ok((Event::StreamEnd, Marker::new(0, 1, 0))),
        }
    }

    /// Nothing may follow the first document.
    fn end(&mut self) -> Result<(), Problems> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentStart(_), at) => {
                    return Err(refused(at, "a second document follows", "convert one policy at a time"));
                }
                _ => {}
            }
        }
    }

    fn node(&mut self, event: Event<'i>, at: Marker) -> Result<Node, Problems> {
        let kind = match event {
            Event::Scalar(text, style, _, tag) => {
                let plain = style == ScalarStyle::Plain;
                let plain = match tag.as_deref() {
                    None => plain,
                    Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => false,
                    Some(tag) => return Err(refused(at, format!("the tag `{}` is not read", tag.suffix), "remove it")),
                };
                NodeKind::Scalar(Scalar { text: text.into_owned(), plain })
            }
            Event::SequenceStart(..) => {
                self.deeper(at)?;
                NodeKind::List(self.list()?)
            }
            Event::MappingStart(..) => {
                self.deeper(at)?;
                NodeKind::Map(self.map()?)
            }
            Event::Alias(_) => {
                return Err(refused(at, "aliases (`*name`) are not read", "write the value out where it is used"));
            }
            _ => return Err(refused(at, "a value is missing here", "")),
        };
        Ok(Node { kind, line: number_from_one(at.line()), column: number_from_one(at.col() + 1) })
    }

    fn deeper(&mut self, at: Marker) -> Result<(), Problems> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(refused(at, format!("nested deeper than {MAX_DEPTH} levels"), "simplify the policy"));
        }
        Ok(())
    }

    fn list(&mut self) -> Result<Vec<Node>, Problems> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => {
                    self.depth -= 1;
                    return Ok(items);
                }
                (event, at) => items.push(self.node(event, at)?),
            }
        }
    }

    fn map(&mut self) -> Result<Vec<(Key, Node)>, Problems> {
        let mut members = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                self.depth -= 1;
                return Ok(members);
            }
            let Event::Scalar(text, ..) = event else {
                return Err(refused(at, "a key has to be plain text", ""));
            };
            if &*text == "<<" {
                return Err(refused(at, "merge keys (`<<`) are not read", "write the members out"));
            }
            if !seen.insert(text.to_string()) {
                let message = format!("the key `{text}` stands twice in one map");
                return Err(refused(at, message, "keep one of the two"));
            }
            let (value, value_at) = self.next()?;
            members.push((Key { text: text.into_owned() }, self.node(value, value_at)?));
        }
    }
}

fn refused(at: Marker, message: impl Into<String>, hint: &str) -> Problems {
    problem("CG1303", number_from_one(at.line()), number_from_one(at.col() + 1), message.into(), hint)
}

fn number_from_one(value: usize) -> u32 {
    u32::try_from(value.max(1)).unwrap_or(u32::MAX)
}

fn problem(code: &'static str, line: u32, column: u32, message: String, hint: &str) -> Problems {
    let (pointer, hint) = (String::new(), hint.to_owned());
    Problems(vec![Problem { code, severity: Severity::Error, line, column, pointer, message, hint }])
}
