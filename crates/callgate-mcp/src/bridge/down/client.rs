//! What a legacy client says once, in `initialize`, and a modern request repeats each time.

use crate::bridge::members::Members;
use crate::message::Message;
use crate::revision::{META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_PROTOCOL_VERSION, Revision};
use callgate_json::{Value, write_string};

/// The `_meta` key of a modern request's log level.
const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// The extension that took the place of the core tasks of 2025-11-25: another protocol under the same name.
const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// A legacy client, as it presented itself in `initialize`.
#[derive(Clone, Debug)]
pub struct LegacyClient {
    /// JSON; none where it gave no name and version, which a modern `clientInfo` needs.
    info: Option<Box<[u8]>>,
    /// JSON.
    capabilities: Box<[u8]>,
    needs: Vec<Need>,
}

/// What a server may want a client to be able to do (MCP 2026-07-28 "ClientCapabilities").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// Elicitation by a form.
    Form,
    /// Elicitation by a URL.
    Url,
    /// Sampling.
    Sampling,
    /// Sampling with tools.
    SamplingTools,
    /// Roots.
    Roots,
}

/// The severity from which on a client wants log messages (RFC 5424).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLevel(&'static str);

impl LegacyClient {
    /// Reads `initialize`. What has no counterpart is left out: the core tasks, and `roots.listChanged`, because the
    /// modern revision has no such notification.
    pub fn of(initialize: &Message<'_>) -> Self {
        let params = initialize.params();
        let part = |key| params.and_then(|params| params.get(key)).filter(|value: &&Value<'_>| value.is_object());
        let text = |info: &Value<'_>, key| info.get(key).and_then(Value::as_str).is_some();
        let info = part("clientInfo").filter(|info| text(info, "name") && text(info, "version"));
        let declared = part("capabilities");
        Self {
            info: info.map(|info| initialize.bytes_of(info).into()),
            capabilities: capabilities(initialize, declared).into(),
            needs: Need::ALL.into_iter().filter(|need| declared.is_some_and(|all| need.is_met(all))).collect(),
        }
    }

    /// Whether it declared that it can do this.
    pub fn can(&self, need: Need) -> bool {
        self.needs.contains(&need)
    }

    /// The `_meta` of a modern request: what the client put there itself, and what every request has to say.
    pub(super) fn meta(&self, own: Option<(&Value<'_>, &[u8])>, level: Option<LogLevel>) -> Vec<u8> {
        const RESERVED: [&str; 4] = [META_PROTOCOL_VERSION, META_CLIENT_INFO, META_CLIENT_CAPABILITIES, META_LOG_LEVEL];
        let mut version = String::new();
        write_string(Revision::V2026_07_28.as_str(), &mut version);
        let level = level.map(|LogLevel(level)| format!("\"{level}\""));
        Members::new()
            .take(own.map(|(meta, _)| meta), own.map_or(&[], |(_, body)| body), |key| !RESERVED.contains(&key))
            .add(META_PROTOCOL_VERSION, version.as_bytes())
            .add_some(META_CLIENT_INFO, self.info.as_deref())
            .add(META_CLIENT_CAPABILITIES, &self.capabilities)
            .add_some(META_LOG_LEVEL, level.as_deref().map(str::as_bytes))
            .finish()
    }
}

impl Need {
    const ALL: [Self; 5] = [Self::Form, Self::Url, Self::Sampling, Self::SamplingTools, Self::Roots];

    /// The capability, as `initialize` declares it.
    pub fn capability(self) -> &'static str {
        match self {
            Self::Form => "elicitation",
            Self::Url => "elicitation.url",
            Self::Sampling => "sampling",
            Self::SamplingTools => "sampling.tools",
            Self::Roots => "roots",
        }
    }

    fn is_met(self, declared: &Value<'_>) -> bool {
        let of = |key: &str| declared.get(key).filter(|value| value.is_object());
        match self {
            // An empty capability means forms (MCP 2025-11-25 "Elicitation").
            Self::Form => of("elicitation").is_some_and(|all| all.get("form").is_some() || all.get("url").is_none()),
            Self::Url => of("elicitation").is_some_and(|all| all.get("url").is_some()),
            Self::Sampling => of("sampling").is_some(),
            Self::SamplingTools => of("sampling").is_some_and(|all| all.get("tools").is_some()),
            Self::Roots => of("roots").is_some(),
        }
    }
}

impl LogLevel {
    /// The level of this name.
    pub fn parse(name: &str) -> Option<Self> {
        const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
        LEVELS.into_iter().find(|level| *level == name).map(Self)
    }
}

/// The client's capabilities without what the modern revision has not.
fn capabilities(initialize: &Message<'_>, declared: Option<&Value<'_>>) -> Vec<u8> {
    let body = initialize.body();
    let part = |key| declared.and_then(|declared| declared.get(key)).filter(|value: &&Value<'_>| value.is_object());
    let roots = part("roots").map(|roots| Members::new().take(Some(roots), body, |key| key != "listChanged").finish());
    Members::new()
        .take(declared, body, |key| !matches!(key, "tasks" | "roots" | "extensions"))
        .add_some("roots", roots.as_deref())
        .add_some("extensions", extensions(part("extensions"), body).as_deref())
        .finish()
}

/// Extensions without the tasks, which can't be bridged.
pub(super) fn extensions(declared: Option<&Value<'_>>, body: &[u8]) -> Option<Vec<u8>> {
    let all = Members::new().take(Some(declared?), body, |key| key != TASKS_EXTENSION);
    (!all.is_empty()).then(|| all.finish())
}
