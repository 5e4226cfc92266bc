//! A message, parsed once and as a whole; every part keeps its original bytes.

use crate::envelope;
use crate::frame_error::{FrameError, FrameErrorKind};
use crate::id::RequestId;
use crate::method::Method;
use callgate_json::{ErrorKind, Span, Value};
use std::collections::HashSet;

/// How much of a message is taken before it is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Length, depth and number of values of the whole body.
    pub json: callgate_json::Limits,
    /// Length of an id as it is written, in bytes.
    pub max_id_bytes: usize,
    /// Messages in a batch.
    pub max_batch: usize,
}

impl Default for Limits {
    /// The limits of [`callgate_json::Limits`], ids of 256 bytes, batches of 100 messages.
    fn default() -> Self {
        Self { json: callgate_json::Limits::default(), max_id_bytes: 256, max_batch: 100 }
    }
}

/// The longest id, in bytes, that is repeated in the refusal of a message that could not be read to its end.
const MAX_ECHO: usize = 256;

/// Whether a body may be an array of messages: only revision 2025-03-26 has batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batches {
    /// An array is refused.
    Refused,
    /// An array of messages is taken.
    Allowed,
}

/// What a body holds.
#[derive(Clone, Debug)]
pub enum Incoming<'a> {
    /// One message.
    One(Message<'a>),
    /// A batch of at least one message, in order; request ids are unique in it.
    Batch(Vec<Message<'a>>),
}

impl<'a> Incoming<'a> {
    /// The messages, one or many.
    pub fn messages(&self) -> &[Message<'a>] {
        match self {
            Self::One(message) => std::slice::from_ref(message),
            Self::Batch(messages) => messages,
        }
    }
}

/// The three kinds of message (JSON-RPC 2.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// A method and an id.
    Request,
    /// A method without an id.
    Notification,
    /// A result or an error for an id.
    Response,
}

/// One JSON-RPC message.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) tree: Value<'a>,
    pub(crate) kind: MessageKind,
    pub(crate) method: Method,
}

/// The parts of a `tools/call` that a gateway looks at.
#[derive(Clone, Copy, Debug)]
pub struct ToolCall<'m> {
    /// The tool's name, escapes resolved.
    pub name: &'m str,
    /// The arguments, an object; `None` where the call has none.
    pub arguments: Option<&'m Value<'m>>,
}

impl<'a> Message<'a> {
    /// Which kind of message this is.
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// The method; [`Method::Other`] for a response and for unknown names.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The method's name as the message gives it, escapes resolved; `None` for a response.
    pub fn method_name(&self) -> Option<&str> {
        self.tree.get("method").and_then(Value::as_str)
    }

    /// The id. A notification has none, nor has an error response to a request whose id was unreadable.
    pub fn id(&self) -> Option<RequestId> {
        self.tree.get("id").and_then(RequestId::from_value)
    }

    /// The id as it was written, to echo it.
    pub fn id_bytes(&self) -> Option<&'a [u8]> {
        self.tree.get("id").filter(|id| !id.is_null()).map(|id| id.bytes(self.body))
    }

    /// The parameters; `None` where they are absent or null.
    pub fn params(&self) -> Option<&Value<'a>> {
        self.tree.get("params").filter(|params| !params.is_null())
    }

    /// The member `key` of `params._meta`.
    pub fn meta(&self, key: &str) -> Option<&Value<'a>> {
        self.params()?.get("_meta")?.get(key)
    }

    /// The result of a response.
    pub fn result(&self) -> Option<&Value<'a>> {
        self.tree.get("result")
    }

    /// The error of a response.
    pub fn error(&self) -> Option<&Value<'a>> {
        self.tree.get("error")
    }

    /// The call that a `tools/call` request asks for; `None` for every other message.
    pub fn tool_call(&self) -> Option<ToolCall<'_>> {
        if self.method != Method::ToolsCall {
            return None;
        }
        let params = self.params()?;
        Some(ToolCall { name: params.get("name")?.as_str()?, arguments: params.get("arguments") })
    }

    /// The whole message as a tree; its spans are offsets into [`Message::body`].
    pub fn tree(&self) -> &Value<'a> {
        &self.tree
    }

    /// The message's own bytes, without white space around it.
    pub fn bytes(&self) -> &'a [u8] {
        self.tree.bytes(self.body)
    }

    /// The whole body that the message came in: for a batch, all of it.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The original bytes of a part of this message.
    pub fn bytes_of(&self, part: &Value<'_>) -> &'a [u8] {
        part.bytes(self.body)
    }

    pub(crate) fn span_in_message(&self, span: Span) -> Span {
        let start = self.tree.span.start;
        Span { start: span.start.saturating_sub(start), end: span.end.saturating_sub(start) }
    }
}

/// Who sent the bytes; decides how an error response without an id is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Client,
    Server,
}

/// Reads what a client sent: one strict parse of the entire body.
pub fn parse_client<'a>(body: &'a [u8], limits: &Limits, batches: Batches) -> Result<Incoming<'a>, FrameError> {
    parse(body, limits, batches, Sender::Client)
}

/// Reads what a server sent. The same strictness, except that an error response may lack its id or have a null one
/// (JSON-RPC 2.0: the server could not read the request's).
pub fn parse_server<'a>(body: &'a [u8], limits: &Limits, batches: Batches) -> Result<Incoming<'a>, FrameError> {
    parse(body, limits, batches, Sender::Server)
}

fn parse<'a>(body: &'a [u8], limits: &Limits, batches: Batches, sender: Sender) -> Result<Incoming<'a>, FrameError> {
    // What a policy judges must mean one number to every reader; results only pass by.
    let json = callgate_json::Limits { exact_numbers: sender == Sender::Client, ..limits.json };
    let tree = callgate_json::parse(body, &json)
        .map_err(|error| FrameError::from(error).about(id_of_refused(body, &json).as_deref()))?;
    if tree.as_array().is_none() {
        return envelope::read(body, tree, limits, sender).map(Incoming::One);
    }
    if batches == Batches::Refused {
        let reason = "a batch is refused: only revision 2025-03-26 has batches; send one message per body";
        return Err(FrameError::new(FrameErrorKind::Batch, reason));
    }
    let callgate_json::Kind::Array(items) = tree.kind else {
        return Err(FrameError::new(FrameErrorKind::Envelope, "a message must be a JSON object"));
    };
    parse_batch(body, items, limits, sender).map(Incoming::Batch)
}

/// The id of a message whose syntax is sound but which was refused for an ambiguous key or number, so that a client
/// on stdio learns which of its requests failed. None where the id itself is in doubt.
fn id_of_refused(body: &[u8], limits: &callgate_json::Limits) -> Option<Vec<u8>> {
    let (tree, problems) = callgate_json::parse_reporting(body, limits);
    let doubtful = problems.iter().any(|problem| match &problem.kind {
        ErrorKind::DuplicateKey(key) => key == "id",
        kind => *kind != ErrorKind::InexactNumber,
    });
    let id = tree.as_ref()?.get("id").filter(|_| !doubtful)?;
    RequestId::from_value(id)?;
    Some(id.bytes(body).to_vec()).filter(|bytes| bytes.len() <= MAX_ECHO)
}

fn parse_batch<'a>(
    body: &'a [u8],
    items: Vec<Value<'a>>,
    limits: &Limits,
    sender: Sender,
) -> Result<Vec<Message<'a>>, FrameError> {
    let batch_error = |reason: String| FrameError::new(FrameErrorKind::Batch, reason);
    if items.is_empty() {
        return Err(batch_error("a batch must hold at least one message".into()));
    }
    if items.len() > limits.max_batch {
        return Err(batch_error(format!("a batch may hold at most {} messages; split it", limits.max_batch)));
    }
    let mut seen = HashSet::new();
    let mut messages = Vec::with_capacity(items.len());
    for item in items {
        // The whole batch is refused, so the error answers no single message of it.
        let message = envelope::read(body, item, limits, sender).map_err(|error| error.about(None))?;
        if message.method() == Method::Initialize {
            return Err(batch_error("`initialize` may not be part of a batch".into()));
        }
        let id = message.id().filter(|_| message.kind() == MessageKind::Request);
        if id.is_some_and(|id| !seen.insert(id)) {
            return Err(FrameError::new(FrameErrorKind::Id, "two requests of the batch have the same id"));
        }
        messages.push(message);
    }
    Ok(messages)
}
