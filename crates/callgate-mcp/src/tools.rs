//! Answers to `tools/list`: taking tools out without touching any other byte.

use crate::envelope::refuse_twins;
use crate::frame_error::FrameError;
use crate::message::{Batches, Incoming, Limits, Message, MessageKind, parse_server};
use crate::rewrite::splice;
use callgate_json::{Span, Value};
use std::borrow::Cow;

/// One tool of a list.
#[derive(Clone, Copy, Debug)]
pub struct ToolView<'v> {
    name: &'v str,
    definition: &'v Value<'v>,
    body: &'v [u8],
}

impl<'v> ToolView<'v> {
    /// The tool's name, escapes resolved.
    pub fn name(&self) -> &'v str {
        self.name
    }

    /// The definition as it was written.
    pub fn bytes(&self) -> &'v [u8] {
        self.definition.bytes(self.body)
    }

    /// The definition.
    pub fn definition(&self) -> &'v Value<'v> {
        self.definition
    }

    /// The bytes of one part of the definition as written, for example `inputSchema`.
    pub fn part(&self, key: &str) -> Option<&'v [u8]> {
        self.definition.get(key).map(|part| part.bytes(self.body))
    }
}

/// What to do with `cacheScope`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheScope {
    /// Leave it.
    AsIs,
    /// Say `"private"`: a list that depends on the grant must not be shared between callers.
    Private,
}

/// What filtering made of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filtered {
    /// Nothing was taken out: forward the bytes that came.
    Unchanged,
    /// The message without the hidden tools.
    Changed(Vec<u8>),
}

impl Filtered {
    /// The bytes to forward for the message that came as `original`.
    pub fn bytes<'b>(&'b self, original: &'b [u8]) -> &'b [u8] {
        match self {
            Self::Unchanged => original,
            Self::Changed(bytes) => bytes,
        }
    }
}

/// Why a list can't be filtered: it must not be passed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The message is no readable JSON-RPC response.
    #[error("the answer to `tools/list` can't be read: {0}")]
    Unreadable(#[from] FrameError),
    /// The message is a request, a notification or a batch.
    #[error("the answer to `tools/list` is no response")]
    NoResponse,
    /// The result has no array `tools`.
    #[error("the answer to `tools/list` has no array `tools` in its result")]
    NoTools,
    /// An element of `tools` is no object with a string `name`.
    #[error("tool {index} of the list has no readable `name`")]
    Nameless {
        /// The element's index, from 0.
        index: usize,
    },
}

impl FilterError {
    /// The code of the page that explains it, `docs/errors/CG2013.md`.
    pub fn page(&self) -> &'static str {
        "CG2013"
    }
}

/// Takes the tools that `keep` says no to out of a response to `tools/list`. Every other byte stays as it was, an
/// error response is left alone.
///
/// Fails where the list can't be read as a whole: what can't be read can't be filtered and must not be passed on.
pub fn filter_tools(
    message: &[u8],
    limits: &Limits,
    scope: CacheScope,
    mut keep: impl FnMut(&ToolView<'_>) -> bool,
) -> Result<Filtered, FilterError> {
    let Incoming::One(response) = parse_server(message, limits, Batches::Refused)? else {
        return Err(FilterError::NoResponse);
    };
    if response.kind() != MessageKind::Response {
        return Err(FilterError::NoResponse);
    }
    let Some(result) = response.result() else { return Ok(Filtered::Unchanged) };
    refuse_twins(result.members(), &["tools"])?;
    let list = result.get("tools").ok_or(FilterError::NoTools)?;
    let tools = list.as_array().ok_or(FilterError::NoTools)?;
    let mut kept = Vec::with_capacity(tools.len());
    for (index, definition) in tools.iter().enumerate() {
        let view = view(definition, &response, index)?;
        kept.push(keep(&view));
    }
    let mut splices = private_scope(result, scope);
    if kept.contains(&false) {
        splices.push((inner(list.span), Cow::Owned(join(tools, &kept, message))));
    }
    if splices.is_empty() {
        return Ok(Filtered::Unchanged);
    }
    Ok(Filtered::Changed(splice(message, splices)))
}

fn view<'v>(definition: &'v Value<'v>, response: &'v Message<'v>, index: usize) -> Result<ToolView<'v>, FilterError> {
    refuse_twins(definition.members(), &["name"])?;
    let name = definition.get("name").and_then(Value::as_str).ok_or(FilterError::Nameless { index })?;
    Ok(ToolView { name, definition, body: response.body() })
}

/// What stands between the brackets.
fn inner(array: Span) -> Span {
    Span { start: array.start + 1, end: array.end.saturating_sub(1) }
}

/// The kept elements with the separators that stood before them, and the white space that stood around the list.
fn join(tools: &[Value<'_>], kept: &[bool], body: &[u8]) -> Vec<u8> {
    let bytes = |start: usize, end: usize| body.get(start..end).unwrap_or_default();
    let mut out = Vec::new();
    let mut previous: Option<Span> = None;
    let mut wrote = false;
    for (tool, keep) in tools.iter().zip(kept) {
        if *keep {
            if let Some(previous) = previous.filter(|_| wrote) {
                out.extend_from_slice(bytes(previous.end, tool.span.start));
            }
            out.extend_from_slice(tool.bytes(body));
            wrote = true;
        }
        previous = Some(tool.span);
    }
    out
}

fn private_scope(result: &Value<'_>, scope: CacheScope) -> Vec<(Span, Cow<'static, [u8]>)> {
    let present = result.get("cacheScope").filter(|value| value.as_str() != Some("private"));
    match (scope, present) {
        (CacheScope::Private, Some(value)) => vec![(value.span, Cow::Borrowed(b"\"private\"".as_slice()))],
        _ => Vec::new(),
    }
}
