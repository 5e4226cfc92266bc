//! Log levels: set once per session in the legacy era, wanted per request in the modern one.

use crate::message::Message;
use callgate_json::Value;

/// The `_meta` key of the level from which on a request wants log messages.
pub(super) const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// How severe a log message is, the most talkative level first (RFC 5424 section 6.2.1, turned around).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Level {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

const ALL: [(Level, &str); 8] = [
    (Level::Debug, "debug"),
    (Level::Info, "info"),
    (Level::Notice, "notice"),
    (Level::Warning, "warning"),
    (Level::Error, "error"),
    (Level::Critical, "critical"),
    (Level::Alert, "alert"),
    (Level::Emergency, "emergency"),
];

impl Level {
    /// The level from which on a modern request wants log messages; without one it wants none.
    pub fn of(request: &Message<'_>) -> Option<Self> {
        Self::parse(request.meta(META_LOG_LEVEL)?)
    }

    /// The level of `notifications/message`.
    pub fn of_log(notification: &Message<'_>) -> Option<Self> {
        Self::parse(notification.params()?.get("level")?)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        ALL.iter().find(|(level, _)| *level == self).map_or("debug", |(_, name)| *name)
    }

    fn parse(value: &Value<'_>) -> Option<Self> {
        let text = value.as_str()?;
        ALL.iter().find(|(_, name)| *name == text).map(|(level, _)| *level)
    }
}
