//! Why the data plane refuses or fails, and the one table from cause to HTTP status, JSON-RPC code and page.

use http::StatusCode;
use std::time::Duration;

/// The JSON-RPC code of a request that the policy, or the lack of one, refuses: outside -32768…-32000, which JSON-RPC
/// and MCP keep for themselves.
pub const REFUSED_BY_POLICY: i64 = -31001;
/// The JSON-RPC code of a request that could not be carried to the upstream, or its answer not back.
pub const UPSTREAM_FAILED: i64 = -31002;

const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const INTERNAL_ERROR: i64 = -32603;

/// Why a request is refused, or came to nothing. The text is for the caller: the reason, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what its variant is")]
pub enum Cause {
    #[error("no grant: send `Authorization: Bearer cg_…` with the token of a grant for this server")]
    TokenMissing,
    #[error("this token is not, or no longer, a grant: ask for a new one")]
    TokenUnknown,
    #[error("a token in the URL is refused, because URLs are logged: send it as `Authorization: Bearer …`")]
    TokenInQuery,
    #[error("the {header} `{value}` is not a name of this gateway: use a loopback name, or configure `public_names`")]
    ForeignName { header: &'static str, value: String },
    #[error("there is nothing here, or nothing that this grant is for")]
    NotFound,
    #[error("`{method}` is not served here: {allowed}")]
    HttpMethod { method: String, allowed: &'static str },
    #[error("the body has to be `Content-Type: application/json`")]
    ContentType,
    #[error("a body with `Content-Encoding` is refused: send it plain")]
    ContentEncoding,
    #[error("the `Accept` header has to list {0}")]
    Accept(&'static str),
    #[error("the body is longer than {0} bytes")]
    BodyTooLarge(usize),
    #[error("the body did not arrive within {} s", .0.as_secs())]
    BodyTooSlow(Duration),
    #[error("the body broke off")]
    BodyBroken,
    #[error("the `Mcp-Session-Id` header is missing: send the one that `initialize` was answered with")]
    SessionMissing,
    #[error("this session has ended or is not this grant's: send `initialize` again")]
    SessionUnknown,
    #[error("{0} sessions are open, which is the most: end some with DELETE, or wait until idle ones end")]
    TooManySessions(usize),
    #[error("the event in `Last-Event-ID` is not this session's, or no longer kept: ask again for what it belonged to")]
    EventUnknown,
    #[error("{0} requests of this session are open, which is the most: wait for answers, or cancel some")]
    TooManyStreams(usize),
    #[error("nobody asked for this response")]
    ResponseUnasked,
    #[error("this grant has no policy: `{0}` is refused")]
    NoPolicy(String),
    #[error("the call can't be recorded, so it is not made: {0}")]
    NotRecorded(String),
    #[error("the grant behind this request was revoked or changed meanwhile")]
    GrantEnded,
    #[error("the gateway is stopping")]
    Stopping,
    #[error("the server `{server}` can't be reached: {why}")]
    Unreachable { server: String, why: String },
    #[error("the server `{server}` broke off: {why}; the call may have run")]
    Broken { server: String, why: String },
    #[error("the server `{server}` was silent for {} s; the call may have run", .silence.as_secs())]
    Silent { server: String, silence: Duration },
    #[error("the server `{server}` answered with a redirect ({status}), which is not followed: configure its real URL")]
    Redirect { server: String, status: u16 },
    #[error("the answer of the server `{server}` is refused: {why}")]
    Unreadable { server: String, why: String },
    #[error("the answer of the server `{server}` has a part longer than {limit} bytes and is cut off here")]
    AnswerTooLarge { server: String, limit: usize },
    #[error("the process of the server `{server}` can't be started: {why}")]
    NotStarted { server: String, why: String },
    #[error("the process of the server `{server}` ended ({status}); the call may have run")]
    ProcessEnded { server: String, status: String },
    #[error("the stream of the server `{server}` is read too slowly and was closed")]
    ReaderTooSlow { server: String },
    #[error("the server `{server}` could not be reached several times in a row: the next try is in {} s", .wait.as_secs() + 1)]
    Resting { server: String, wait: Duration },
    #[error(
        "{limit} requests to the server `{server}` are in flight, which is the most: try again when some are answered"
    )]
    Full { server: String, limit: usize },
    #[error(
        "{limit} processes of the server `{server}` are running, which is the most: end sessions, or wait until idle ones end"
    )]
    TooManyProcesses { server: String, limit: usize },
    #[error("the server `{server}` did not answer within {} s, which is all that a call may take; it was cancelled, and may have run", .limit.as_secs())]
    Overdue { server: String, limit: Duration },
    #[error("there is no such task of this grant: it is unknown, has expired, or is somebody else's")]
    TaskUnknown,
    #[error("the `requestState` is refused: {0}; begin the request anew, without `requestState` and `inputResponses`")]
    StateRefused(&'static str),
    #[error("`{0}` can't be used with a server that is reached this way")]
    Unsupported(String),
    #[error("the answer `{key}` in `inputResponses` does not fit what was asked: {why}")]
    InputAnswer { key: String, why: String },
    #[error("`{method}` has no counterpart at this server: {why}")]
    NoCounterpart { method: String, why: &'static str },
    #[error("the server `{server}` asks with `{method}` for what this client did not declare: `{capability}`")]
    NotDeclared { server: String, method: &'static str, capability: &'static str },
    #[error("the server `{server}` asked with `{method}`, and the client did not answer: {why}")]
    NotAnswered { server: String, method: &'static str, why: String },
    #[error("the server `{server}` wanted input {limit} times for one request, which is the most")]
    TooManyRounds { server: String, limit: u32 },
    #[error("`{method}` is not offered by the server `{server}`, or has no counterpart in the revision that it speaks")]
    NotBridged { server: String, method: String },
    #[error("the tools that the server `{server}` lists can't be pinned, so nobody sees them: {why}")]
    Unpinned { server: String, why: String },
    #[error("the client cancelled this request")]
    Cancelled,
    #[error("{0} requests of the API are open, which is the most: try again when some are answered")]
    Busy(usize),
}

/// What a cause is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The page, `docs/errors/CGnnnn.md`.
    pub page: &'static str,
    /// The HTTP status.
    pub status: StatusCode,
    /// The JSON-RPC error code.
    pub rpc: i64,
    /// The word in records.
    pub word: &'static str,
}

impl Cause {
    /// What this cause is on the wire. The only such table.
    pub fn row(&self) -> Row {
        use StatusCode as S;
        let (page, status, rpc, word) = match self {
            Self::TokenMissing => ("CG2020", S::UNAUTHORIZED, INVALID_REQUEST, "no token"),
            Self::TokenUnknown => ("CG2021", S::UNAUTHORIZED, INVALID_REQUEST, "unknown token"),
            Self::TokenInQuery => ("CG2022", S::BAD_REQUEST, INVALID_REQUEST, "token in query"),
            Self::ForeignName { .. } => ("CG2023", S::FORBIDDEN, INVALID_REQUEST, "foreign name"),
            Self::NotFound => ("CG2024", S::NOT_FOUND, INVALID_REQUEST, "not found"),
            Self::HttpMethod { .. } => ("CG2025", S::METHOD_NOT_ALLOWED, INVALID_REQUEST, "http method"),
            Self::ContentType => ("CG2026", S::UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST, "content type"),
            Self::ContentEncoding => ("CG2026", S::UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST, "content encoding"),
            Self::Accept(_) => ("CG2027", S::NOT_ACCEPTABLE, INVALID_REQUEST, "accept"),
            Self::BodyTooLarge(_) => ("CG2028", S::PAYLOAD_TOO_LARGE, INVALID_REQUEST, "body too large"),
            Self::BodyTooSlow(_) => ("CG2029", S::REQUEST_TIMEOUT, INVALID_REQUEST, "body too slow"),
            Self::BodyBroken => ("CG2029", S::BAD_REQUEST, INVALID_REQUEST, "body broken"),
            Self::SessionMissing => ("CG2030", S::BAD_REQUEST, INVALID_REQUEST, "session missing"),
            Self::SessionUnknown => ("CG2031", S::NOT_FOUND, INVALID_REQUEST, "session unknown"),
            Self::TooManySessions(_) => ("CG2032", S::TOO_MANY_REQUESTS, INTERNAL_ERROR, "too many sessions"),
            Self::ResponseUnasked => ("CG2033", S::BAD_REQUEST, INVALID_REQUEST, "response unasked"),
            Self::NoPolicy(_) => ("CG2034", S::OK, REFUSED_BY_POLICY, "no policy"),
            Self::NotRecorded(_) => ("CG2035", S::SERVICE_UNAVAILABLE, INTERNAL_ERROR, "not recorded"),
            Self::GrantEnded => ("CG2036", S::UNAUTHORIZED, INVALID_REQUEST, "grant ended"),
            Self::Stopping => ("CG2037", S::SERVICE_UNAVAILABLE, INTERNAL_ERROR, "stopping"),
            Self::EventUnknown => ("CG2038", S::BAD_REQUEST, INVALID_REQUEST, "event unknown"),
            Self::TooManyStreams(_) => ("CG2039", S::TOO_MANY_REQUESTS, INTERNAL_ERROR, "too many streams"),
            Self::Unreachable { .. } => ("CG2040", S::BAD_GATEWAY, UPSTREAM_FAILED, "unreachable"),
            Self::Broken { .. } => ("CG2041", S::BAD_GATEWAY, UPSTREAM_FAILED, "broken"),
            Self::Silent { .. } => ("CG2042", S::GATEWAY_TIMEOUT, UPSTREAM_FAILED, "silent"),
            Self::Redirect { .. } => ("CG2043", S::BAD_GATEWAY, UPSTREAM_FAILED, "redirect"),
            Self::Unreadable { .. } => ("CG2044", S::BAD_GATEWAY, UPSTREAM_FAILED, "unreadable answer"),
            Self::AnswerTooLarge { .. } => ("CG2045", S::BAD_GATEWAY, UPSTREAM_FAILED, "answer too large"),
            Self::NotStarted { .. } => ("CG2046", S::BAD_GATEWAY, UPSTREAM_FAILED, "not started"),
            Self::ProcessEnded { .. } => ("CG2047", S::BAD_GATEWAY, UPSTREAM_FAILED, "process ended"),
            Self::ReaderTooSlow { .. } => ("CG2048", S::BAD_GATEWAY, UPSTREAM_FAILED, "reader too slow"),
            Self::Resting { .. } => ("CG2050", S::SERVICE_UNAVAILABLE, UPSTREAM_FAILED, "resting"),
            Self::Full { .. } => ("CG2051", S::SERVICE_UNAVAILABLE, UPSTREAM_FAILED, "full"),
            Self::TooManyProcesses { .. } => ("CG2052", S::SERVICE_UNAVAILABLE, UPSTREAM_FAILED, "too many processes"),
            Self::Overdue { .. } => ("CG2053", S::GATEWAY_TIMEOUT, UPSTREAM_FAILED, "overdue"),
            Self::TaskUnknown => ("CG2062", S::OK, INVALID_PARAMS, "unknown task"),
            Self::StateRefused(_) => ("CG2063", S::OK, INVALID_PARAMS, "request state"),
            Self::Unsupported(_) => ("CG2049", S::OK, REFUSED_BY_POLICY, "unsupported"),
            Self::InputAnswer { .. } => ("CG2071", S::BAD_REQUEST, INVALID_PARAMS, "input answer"),
            Self::NoCounterpart { .. } => ("CG2072", S::NOT_FOUND, METHOD_NOT_FOUND, "no counterpart"),
            Self::NotDeclared { .. } => ("CG2080", S::OK, UPSTREAM_FAILED, "not declared"),
            Self::NotAnswered { .. } => ("CG2081", S::OK, UPSTREAM_FAILED, "not answered"),
            Self::TooManyRounds { .. } => ("CG2082", S::OK, UPSTREAM_FAILED, "too many rounds"),
            Self::NotBridged { .. } => ("CG2083", S::OK, METHOD_NOT_FOUND, "not bridged"),
            Self::Unpinned { .. } => ("CG2100", S::BAD_GATEWAY, UPSTREAM_FAILED, "unpinned"),
            Self::Cancelled => ("CG2084", S::OK, UPSTREAM_FAILED, "cancelled"),
            Self::Busy(_) => ("CG2090", S::SERVICE_UNAVAILABLE, INTERNAL_ERROR, "busy"),
        };
        Row { page, status, rpc, word }
    }
}
