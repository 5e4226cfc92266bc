//! Counters on the wire: the structure of a key, never a joined string, so that they can be rebuilt from records.

use callgate_json::Decimal;
use callgate_policy::{CounterKey, Mode, Organisation, Reserved, Scope, ServerName, Strategy, Timestamp, Unit, Window};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A record that names something that doesn't exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is no {what}")]
pub struct WireError {
    what: &'static str,
    value: String,
}

impl WireError {
    pub(crate) fn new(what: &'static str, value: &str) -> Self {
        Self { what, value: value.chars().take(80).collect() }
    }
}

/// A counter's key on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord<'a> {
    /// The organisation.
    #[serde(borrow)]
    pub organisation: Cow<'a, str>,
    /// The server; absent under `identity` and `organisation` scope.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Cow<'a, str>>,
    /// `grant`, `session`, `identity`, `server` or `organisation`.
    #[serde(borrow)]
    pub scope: Cow<'a, str>,
    /// Whose counter, within the scope.
    #[serde(borrow)]
    pub scope_id: Cow<'a, str>,
    /// The counter's name.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// `minute`, `hour`, `day`, `week`, `month`, `concurrent`, or milliseconds such as `90000ms`.
    #[serde(borrow)]
    pub window: Cow<'a, str>,
    /// `fixed` or `sliding`.
    #[serde(borrow)]
    pub strategy: Cow<'a, str>,
    /// The argument that is summed; absent where calls are counted.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Cow<'a, str>>,
}

/// What was reserved on one counter, on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedRecord<'a> {
    /// The counter.
    #[serde(borrow)]
    pub key: KeyRecord<'a>,
    /// `true` for the shadow tally of that counter.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// How much: an exact decimal.
    pub amount: String,
    /// The start of the window that was charged, in milliseconds since the Unix epoch.
    pub window_start: i64,
}

impl<'a> From<&'a CounterKey> for KeyRecord<'a> {
    fn from(key: &'a CounterKey) -> Self {
        Self {
            organisation: key.organisation.as_str().into(),
            server: key.server.as_ref().map(|server| server.as_str().into()),
            scope: scope_word(key.scope).into(),
            scope_id: Cow::Borrowed(&key.scope_id),
            name: Cow::Borrowed(&key.name),
            window: window_word(key.window),
            strategy: strategy_word(key.strategy).into(),
            path: match &key.unit {
                Unit::Calls => None,
                Unit::Path(path) => Some(Cow::Borrowed(path)),
            },
        }
    }
}

impl TryFrom<&KeyRecord<'_>> for CounterKey {
    type Error = WireError;

    fn try_from(wire: &KeyRecord<'_>) -> Result<Self, WireError> {
        let organisation = Organisation::parse(&wire.organisation);
        let server = wire.server.as_deref().map(ServerName::parse).transpose();
        Ok(Self {
            organisation: organisation.map_err(|_| WireError::new("organisation", &wire.organisation))?,
            server: server.map_err(|_| WireError::new("server", wire.server.as_deref().unwrap_or_default()))?,
            scope: scope(&wire.scope)?,
            scope_id: wire.scope_id.as_ref().into(),
            name: wire.name.as_ref().into(),
            window: window(&wire.window)?,
            strategy: strategy(&wire.strategy)?,
            unit: wire.path.as_deref().map_or(Unit::Calls, |path| Unit::Path(path.into())),
        })
    }
}

impl<'a> From<&'a Reserved> for ReservedRecord<'a> {
    fn from(reserved: &'a Reserved) -> Self {
        Self {
            key: (&reserved.key).into(),
            shadow: reserved.mode == Mode::Shadow,
            amount: reserved.amount.to_string(),
            window_start: reserved.window_start.0,
        }
    }
}

impl TryFrom<&ReservedRecord<'_>> for Reserved {
    type Error = WireError;

    fn try_from(wire: &ReservedRecord<'_>) -> Result<Self, WireError> {
        Ok(Self {
            key: (&wire.key).try_into()?,
            mode: mode(wire.shadow),
            amount: decimal(&wire.amount)?,
            window_start: Timestamp(wire.window_start),
        })
    }
}

pub(crate) fn mode(shadow: bool) -> Mode {
    if shadow { Mode::Shadow } else { Mode::Enforce }
}

pub(crate) fn decimal(text: &str) -> Result<Decimal, WireError> {
    text.parse().map_err(|_| WireError::new("exact number", text))
}

fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Grant => "grant",
        Scope::Session => "session",
        Scope::Identity => "identity",
        Scope::Server => "server",
        Scope::Organisation => "organisation",
    }
}

fn scope(word: &str) -> Result<Scope, WireError> {
    Ok(match word {
        "grant" => Scope::Grant,
        "session" => Scope::Session,
        "identity" => Scope::Identity,
        "server" => Scope::Server,
        "organisation" => Scope::Organisation,
        other => return Err(WireError::new("scope", other)),
    })
}

fn window_word(window: Window) -> Cow<'static, str> {
    match window {
        Window::Minute => "minute".into(),
        Window::Hour => "hour".into(),
        Window::Day => "day".into(),
        Window::Week => "week".into(),
        Window::Month => "month".into(),
        Window::Concurrent => "concurrent".into(),
        Window::Every(ms) => format!("{ms}ms").into(),
    }
}

fn window(word: &str) -> Result<Window, WireError> {
    Ok(match word {
        "minute" => Window::Minute,
        "hour" => Window::Hour,
        "day" => Window::Day,
        "week" => Window::Week,
        "month" => Window::Month,
        "concurrent" => Window::Concurrent,
        other => match other.strip_suffix("ms").map(str::parse) {
            Some(Ok(ms)) => Window::Every(ms),
            _ => return Err(WireError::new("window", other)),
        },
    })
}

fn strategy_word(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Fixed => "fixed",
        Strategy::Sliding => "sliding",
    }
}

fn strategy(word: &str) -> Result<Strategy, WireError> {
    match word {
        "fixed" => Ok(Strategy::Fixed),
        "sliding" => Ok(Strategy::Sliding),
        other => Err(WireError::new("strategy", other)),
    }
}
