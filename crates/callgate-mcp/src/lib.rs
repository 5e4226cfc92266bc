//! JSON-RPC and MCP messages and framing as state machines: bytes in, events out.
//!
//! Pure: no sockets, no runtime, no policy. A message is parsed once, strictly and as a whole ([`parse_client`],
//! [`parse_server`]); the [`Message`] keeps the original bytes of every part, so what was judged is what is forwarded.
//! Everything that can be read two ways by two readers is refused here with a [`FrameError`].

pub mod bridge;
mod envelope;
mod fold;
mod frame_error;
mod header_params;
mod headers;
mod id;
mod lines;
mod lists;
mod message;
mod method;
mod outcome;
mod outline;
mod revision;
mod rewrite;
mod sse;
mod subjects;
mod write;

pub use frame_error::{FrameError, FrameErrorKind, codes};
pub use header_params::{HeaderParam, HeaderParams, InvalidAnnotation};
pub use headers::{
    Headers, MCP_METHOD, MCP_NAME, MCP_PARAM_PREFIX, MCP_PROTOCOL_VERSION, MCP_SESSION_ID, RepeatedHeader,
    check_headers, decode_value, encode_value, mirror_headers,
};
pub use id::RequestId;
pub use lines::{LineReader, LineTooLong, compact, one_line};
pub use lists::{CacheScope, FilterError, Filtered, ListEntry, ListKind, filter_lists, filter_roots, filter_tools};
pub use message::{Batches, Incoming, Limits, Message, MessageKind, ToolCall, parse_client, parse_server};
pub use method::{Method, is_task_method};
pub use outcome::{ResponseOutcome, outcome};
pub use outline::Outline;
pub use revision::{Era, META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_PROTOCOL_VERSION, META_SUBSCRIPTION_ID};
pub use revision::{Opening, Revision, detect, detect_stdio};
pub use rewrite::Rewrite;
pub use sse::{SseError, SseEvent, SseLimits, SseReader, SseWriter};
pub use subjects::{Question, Subject, asked, input_requests, reached, request_state, required_elicitations};
pub use write::{error_response, notification, request, result_response, tool_refusal, unsupported_version_data};
