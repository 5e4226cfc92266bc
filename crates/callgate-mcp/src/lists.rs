//! Lists of tools, resources, prompts and tasks: taking entries out without touching any other byte.

use crate::envelope::refuse_case_twins;
use crate::frame_error::FrameError;
use crate::message::{Batches, Incoming, Limits, Message, MessageKind, parse_server};
use crate::method::Method;
use crate::rewrite::splice;
use callgate_json::{Span, Value};
use std::borrow::Cow;

/// What a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// `tools/list`
    Tools,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    Templates,
    /// `prompts/list`
    Prompts,
    /// `tasks/list`, 2025-11-25.
    Tasks,
}

impl ListKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Tools, Self::Resources, Self::Templates, Self::Prompts, Self::Tasks];

    /// The list that this method asks for.
    pub fn of(method: Method) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.method() == method)
    }

    /// The method that asks for it.
    pub fn method(self) -> Method {
        match self {
            Self::Tools => Method::ToolsList,
            Self::Resources => Method::ResourcesList,
            Self::Templates => Method::ResourcesTemplatesList,
            Self::Prompts => Method::PromptsList,
            Self::Tasks => Method::TasksList,
        }
    }

    /// The member of the result that holds the list.
    pub fn key(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Prompts => "prompts",
            Self::Tasks => "tasks",
        }
    }

    /// The member of an entry that names it.
    pub fn name_key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
            Self::Tasks => "taskId",
        }
    }
}

/// One entry of a list.
#[derive(Clone, Copy, Debug)]
pub struct ListEntry<'v> {
    kind: ListKind,
    name: &'v str,
    definition: &'v Value<'v>,
    body: &'v [u8],
}

impl<'v> ListEntry<'v> {
    /// What it is an entry of.
    pub fn kind(&self) -> ListKind {
        self.kind
    }

    /// What it is known by, escapes resolved: a name, a URI, the text of a template, the id of a task.
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
    /// The message without the entries that were taken out.
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
    #[error("the list can't be read: {0}")]
    Unreadable(#[from] FrameError),
    /// The message is a request, a notification or a batch.
    #[error("what should be a list is no response")]
    NoResponse,
    /// The result has no such array.
    #[error("the list has no array `{key}` in its result", key = .0.key())]
    NoList(ListKind),
    /// An element of the array is no object with a string for its name.
    #[error("entry {index} of `{key}` has no readable `{name}`", key = .kind.key(), name = .kind.name_key())]
    Nameless {
        /// The list.
        kind: ListKind,
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
    keep: impl FnMut(&ListEntry<'_>) -> bool,
) -> Result<Filtered, FilterError> {
    let Incoming::One(response) = parse_server(message, limits, Batches::Refused)? else {
        return Err(FilterError::NoResponse);
    };
    filter_lists(&response, &[ListKind::Tools], scope, keep)
}

/// Takes the entries that `keep` says no to out of these lists of a response, each of which has to be there. Every
/// other byte stays as it was, an error response is left alone.
///
/// Fails where a list can't be read as a whole.
pub fn filter_lists(
    response: &Message<'_>,
    kinds: &[ListKind],
    scope: CacheScope,
    mut keep: impl FnMut(&ListEntry<'_>) -> bool,
) -> Result<Filtered, FilterError> {
    if response.kind() != MessageKind::Response {
        return Err(FilterError::NoResponse);
    }
    let Some(result) = response.result() else { return Ok(Filtered::Unchanged) };
    let mut splices = private_scope(result, scope);
    for kind in kinds {
        refuse_case_twins(result.members(), kind.key())?;
        let list = result.get(kind.key()).ok_or(FilterError::NoList(*kind))?;
        let entries = list.as_array().ok_or(FilterError::NoList(*kind))?;
        let mut kept = Vec::with_capacity(entries.len());
        for (index, definition) in entries.iter().enumerate() {
            kept.push(keep(&entry(*kind, definition, response, index)?));
        }
        if kept.contains(&false) {
            splices.push((inner(list.span), Cow::Owned(join(entries, &kept, response.body()))));
        }
    }
    if splices.is_empty() {
        return Ok(Filtered::Unchanged);
    }
    Ok(Filtered::Changed(splice(response.body(), splices)))
}

/// Takes the directories that `keep` says no to out of the result of `roots/list`. What can't be read, or could be
/// read in two ways, becomes a list without any.
pub fn filter_roots<'b>(result: &'b [u8], mut keep: impl FnMut(&str) -> bool) -> Cow<'b, [u8]> {
    kept_roots(result, &mut keep).unwrap_or_else(|| Cow::Owned(b"{\"roots\":[]}".to_vec()))
}

fn kept_roots<'b>(result: &'b [u8], keep: &mut impl FnMut(&str) -> bool) -> Option<Cow<'b, [u8]>> {
    let tree = callgate_json::parse(result, &Limits::default().json).ok()?;
    refuse_case_twins(tree.members(), "roots").ok()?;
    let list = tree.get("roots")?;
    let roots = list.as_array()?;
    let mut kept = Vec::with_capacity(roots.len());
    for root in roots {
        refuse_case_twins(root.members(), "uri").ok()?;
        kept.push(keep(root.get("uri")?.as_str()?));
    }
    if !kept.contains(&false) {
        return Some(Cow::Borrowed(result));
    }
    Some(Cow::Owned(splice(result, vec![(inner(list.span), Cow::Owned(join(roots, &kept, result)))])))
}

fn entry<'v>(
    kind: ListKind,
    definition: &'v Value<'v>,
    response: &'v Message<'v>,
    index: usize,
) -> Result<ListEntry<'v>, FilterError> {
    refuse_case_twins(definition.members(), kind.name_key())?;
    let name = definition.get(kind.name_key()).and_then(Value::as_str).ok_or(FilterError::Nameless { kind, index })?;
    Ok(ListEntry { kind, name, definition, body: response.body() })
}

/// What stands between the brackets.
fn inner(array: Span) -> Span {
    Span { start: array.start + 1, end: array.end.saturating_sub(1) }
}

/// The kept elements with the separators that stood before them, and the white space that stood around the list.
fn join(entries: &[Value<'_>], kept: &[bool], body: &[u8]) -> Vec<u8> {
    let bytes = |start: usize, end: usize| body.get(start..end).unwrap_or_default();
    let mut out = Vec::new();
    let mut previous: Option<Span> = None;
    let mut wrote = false;
    for (entry, keep) in entries.iter().zip(kept) {
        if *keep {
            if let Some(previous) = previous.filter(|_| wrote) {
                out.extend_from_slice(bytes(previous.end, entry.span.start));
            }
            out.extend_from_slice(entry.bytes(body));
            wrote = true;
        }
        previous = Some(entry.span);
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
