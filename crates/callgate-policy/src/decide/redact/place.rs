//! The places of a message that are MCP's own: nothing else of what a server sends is exempt from being looked at.

use callgate_json::{Kind, Member, Value};

/// Where in a result, in an error, or in the parameters of a notification or question an object stands. Only places that
/// MCP itself gives a meaning have a name; from any of them a member that it does not know leads to data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The whole: a result, an error, or parameters.
    Top,
    /// A result in another message (`tasks/get`, `notifications/tasks`), or the parameters of a question in one.
    Inner,
    /// `content`: blocks of text, images, sounds and resources.
    Blocks,
    /// `contents`, or the resource that a block embeds.
    Resources,
    /// `messages` of prompts and of sampling.
    Messages,
    /// A task, or what a message belongs to.
    Task,
    /// `inputRequests`, by key.
    Questions,
    /// One of them.
    Question,
    /// `_meta`.
    Meta,
    /// What MCP gives no meaning, such as `structuredContent`.
    Data,
}

impl Place {
    /// Where the value of a member stands, if it is an object or holds some.
    pub(super) fn within(self, key: &str) -> Self {
        match (self, key) {
            (Self::Top, "result") => Self::Inner,
            (Self::Top | Self::Inner | Self::Messages | Self::Blocks, "content") => Self::Blocks,
            (Self::Blocks, "resource") | (Self::Top | Self::Inner, "contents") => Self::Resources,
            (Self::Top | Self::Inner, "messages") => Self::Messages,
            (Self::Top | Self::Inner, "task") => Self::Task,
            (Self::Top | Self::Inner, "_meta") => Self::Meta,
            (Self::Top | Self::Inner, "inputRequests") => Self::Questions,
            (Self::Questions, _) => Self::Question,
            (Self::Question, "params") => Self::Inner,
            (Self::Meta, "io.modelcontextprotocol/related-task") => Self::Task,
            _ => Self::Data,
        }
    }

    /// Whether a member of an object that stands here is left alone: what names a task, a state or a question, without
    /// which the answer could not be used, and the bytes of pictures, sounds and files, which are no text. What is more
    /// than a text or a number is looked at in any case.
    pub(super) fn keeps(self, object: &Value<'_>, member: &Member<'_>) -> bool {
        if !matches!(member.value.kind, Kind::String(_) | Kind::Number(_)) {
            return false;
        }
        match (self, &*member.key) {
            (
                Self::Top | Self::Inner,
                "requestState" | "taskId" | "resultType" | "nextCursor" | "progressToken" | "requestId"
                | "elicitationId",
            ) => true,
            (Self::Task, "taskId") | (Self::Question, "method") => true,
            (Self::Meta, "progressToken" | "io.modelcontextprotocol/subscriptionId") => true,
            (Self::Blocks, "data") => matches!(object.get("type").and_then(Value::as_str), Some("image" | "audio")),
            (Self::Resources, "blob") => object.get("uri").is_some(),
            _ => false,
        }
    }
}
