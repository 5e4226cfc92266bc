//! How a server is treated, beside where it is: its era, who shares its process, how long and how much it may take.

use crate::moment;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// What was chosen for one server; what wasn't is as this version has it by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Which era of the protocol it speaks; `auto` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub era: Option<Era>,
    /// Who shares its process, for commands; `session` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// Without any traffic before a session or a process ends; `30m` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Span>,
    /// For a connection to stand; `10s` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Span>,
    /// Of silence while an answer is awaited; `5m` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence_timeout: Option<Span>,
    /// For a whole call, however much progress it makes; unbounded by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_timeout: Option<Span>,
    /// Requests at once; more are refused; 1024 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub max_in_flight: Option<u32>,
    /// Processes at once, for commands; more are not started; 256 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub max_processes: Option<u32>,
    /// When the definitions of its tools are pinned; `first_sight` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinning: Option<Pinning>,
    /// What becomes of tools in lists that a person has to look at first; `hide` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
}

/// All settings of one server, chosen or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CompleteSettings {
    /// Which era of the protocol it speaks.
    pub era: Era,
    /// Who shares its process, where it is one.
    pub share: Share,
    /// Without any traffic before a session or a process ends.
    pub idle: Span,
    /// For a connection to stand.
    pub connect_timeout: Span,
    /// Of silence while an answer is awaited.
    pub silence_timeout: Span,
    /// For a whole call, however much progress it makes; null where it is unbounded.
    pub call_timeout: Option<Span>,
    /// Requests at once.
    pub max_in_flight: u32,
    /// Processes at once.
    pub max_processes: u32,
    /// When the definitions of its tools are pinned.
    pub pinning: Pinning,
    /// What becomes of tools in lists that a person has to look at first. They are never called.
    pub quarantine: Quarantine,
}

/// When the definition of a tool is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pinning {
    /// When it is listed for the first time.
    FirstSight,
    /// When a person has approved it; until then the tool is not called.
    Approval,
}

/// What becomes of tools in lists that a person has to look at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Quarantine {
    /// They are taken out.
    Hide,
    /// They are listed as the server defines them now.
    Show,
}

/// Which era of the protocol a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Era {
    /// Found out by asking it.
    Auto,
    /// Sessions: 2025-11-25 and earlier.
    Legacy,
    /// Stateless: 2026-07-28 and later.
    Modern,
}

/// Who shares the process of a server that is a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// All sessions and calls of one grant.
    Grant,
    /// Nobody: every session has one of its own.
    Session,
}

/// A length of time, as people type it and as files hold it: `90s`, `15m`, `12h`. At least a second, at most a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(into = "String", try_from = "String")]
#[schema(value_type = String, pattern = "^[0-9]+[smhdw]$", example = "30m")]
pub struct Span(Duration);

/// The settings of a server as typed, in options or in `callgate.toml`.
#[derive(Clone, Debug, Default)]
pub struct RawSettings {
    /// `auto`, `legacy` or `modern`.
    pub era: Option<String>,
    /// `session` or `grant`.
    pub share: Option<String>,
    /// A duration.
    pub idle: Option<String>,
    /// A duration.
    pub connect_timeout: Option<String>,
    /// A duration.
    pub silence_timeout: Option<String>,
    /// A duration.
    pub call_timeout: Option<String>,
    /// 1 or more.
    pub max_in_flight: Option<u32>,
    /// 1 or more.
    pub max_processes: Option<u32>,
    /// `first_sight` or `approval`.
    pub pinning: Option<String>,
    /// `hide` or `show`.
    pub quarantine: Option<String>,
}

/// A setting that can't be: its key, why, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The key, as files write it.
    pub key: &'static str,
    /// Why it can't be.
    pub why: String,
    /// What to write.
    pub remedy: &'static str,
}

const SPAN: &str = "write a whole number and a unit: `90s`, `15m`, `12h` or `30d`";
/// More than any server is left alone for.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

impl Settings {
    /// The settings that were typed.
    pub fn read(raw: RawSettings) -> Result<Self, Wrong> {
        let settings = Self {
            era: word("era", raw.era, Era::parse, "`auto`, `legacy` or `modern`")?,
            share: word("share", raw.share, Share::parse, "`session` or `grant`")?,
            idle: span("idle", raw.idle)?,
            connect_timeout: span("connect_timeout", raw.connect_timeout)?,
            silence_timeout: span("silence_timeout", raw.silence_timeout)?,
            call_timeout: span("call_timeout", raw.call_timeout)?,
            max_in_flight: raw.max_in_flight,
            max_processes: raw.max_processes,
            pinning: word("pinning", raw.pinning, Pinning::parse, "`first_sight` or `approval`")?,
            quarantine: word("quarantine", raw.quarantine, Quarantine::parse, "`hide` or `show`")?,
        };
        settings.check()?;
        Ok(settings)
    }

    /// Whether they can be used as they are.
    pub fn check(&self) -> Result<(), Wrong> {
        let counts = [("max_in_flight", self.max_in_flight), ("max_processes", self.max_processes)];
        match counts.into_iter().find(|(_, count)| *count == Some(0)) {
            Some((key, _)) => Err(Wrong { key, why: "0 lets nothing through".to_owned(), remedy: "write 1 or more" }),
            None => Ok(()),
        }
    }

    /// The first setting that only a command can have, where there is one.
    pub fn of_commands(&self) -> Option<&'static str> {
        let share = self.share.map(|_| "share");
        share.or_else(|| self.max_processes.map(|_| "max_processes"))
    }

    /// All of them, with this version's defaults where nothing was chosen.
    pub fn complete(&self) -> CompleteSettings {
        let seconds = |chosen: Option<Span>, default| chosen.unwrap_or(Span(Duration::from_secs(default)));
        CompleteSettings {
            era: self.era.unwrap_or(Era::Auto),
            share: self.share.unwrap_or(Share::Session),
            idle: seconds(self.idle, 30 * 60),
            connect_timeout: seconds(self.connect_timeout, 10),
            silence_timeout: seconds(self.silence_timeout, 5 * 60),
            call_timeout: self.call_timeout,
            max_in_flight: self.max_in_flight.unwrap_or(1024),
            max_processes: self.max_processes.unwrap_or(256),
            pinning: self.pinning.unwrap_or(Pinning::FirstSight),
            quarantine: self.quarantine.unwrap_or(Quarantine::Hide),
        }
    }
}

impl Era {
    /// The era with this word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(Self::Auto),
            "legacy" => Some(Self::Legacy),
            "modern" => Some(Self::Modern),
            _ => None,
        }
    }
}

impl Share {
    /// The way of sharing with this word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "grant" => Some(Self::Grant),
            "session" => Some(Self::Session),
            _ => None,
        }
    }
}

impl Pinning {
    /// The way of pinning with this word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "first_sight" => Some(Self::FirstSight),
            "approval" => Some(Self::Approval),
            _ => None,
        }
    }
}

impl Quarantine {
    /// What becomes of them, by its word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "hide" => Some(Self::Hide),
            "show" => Some(Self::Show),
            _ => None,
        }
    }
}

impl Span {
    /// As the standard library has it.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let milliseconds = moment::milliseconds(&text).ok_or_else(|| format!("`{text}` is no duration"))?;
        let span = Duration::from_millis(milliseconds.unsigned_abs());
        match span {
            Duration::ZERO => Err(format!("`{text}` is no time at all")),
            span if span > LONGEST => Err(format!("`{text}` is more than a year")),
            span => Ok(Self(span)),
        }
    }
}

impl From<Span> for String {
    /// In the largest unit that leaves no rest.
    fn from(span: Span) -> Self {
        let seconds = span.0.as_secs();
        let units = [("d", 86_400), ("h", 3_600), ("m", 60)];
        match units.into_iter().find(|(_, unit)| seconds.is_multiple_of(*unit)) {
            Some((name, unit)) => format!("{}{name}", seconds / unit),
            None => format!("{seconds}s"),
        }
    }
}

fn word<T>(
    key: &'static str,
    text: Option<String>,
    parse: fn(&str) -> Option<T>,
    remedy: &'static str,
) -> Result<Option<T>, Wrong> {
    let read = text.map(|text| parse(&text).ok_or_else(|| format!("`{text}` is unknown")));
    read.transpose().map_err(|why| Wrong { key, why, remedy })
}

fn span(key: &'static str, text: Option<String>) -> Result<Option<Span>, Wrong> {
    text.map(Span::try_from).transpose().map_err(|why| Wrong { key, why, remedy: SPAN })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations_are_written_as_they_are_typed() {
        for text in ["1s", "90s", "30m", "12h", "2d", "366d"] {
            assert_eq!(String::from(Span::try_from(text.to_owned()).unwrap()), text);
        }
        for (text, why) in [("0s", "no time"), ("soon", "no duration"), ("5", "no duration"), ("367d", "a year")] {
            assert!(Span::try_from(text.to_owned()).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn what_was_not_chosen_is_not_written() {
        assert_eq!(serde_json::to_value(Settings::default()).unwrap(), json!({}));
        let some = json!({ "era": "legacy", "share": "grant", "idle": "2m", "max_in_flight": 3 });
        let settings: Settings = serde_json::from_value(some.clone()).unwrap();
        assert_eq!(serde_json::to_value(&settings).unwrap(), some);
        assert_eq!(
            serde_json::to_value(settings.complete()).unwrap(),
            json!({
                "era": "legacy", "share": "grant", "idle": "2m", "connect_timeout": "10s", "silence_timeout": "5m",
                "call_timeout": null, "max_in_flight": 3, "max_processes": 256, "pinning": "first_sight",
                "quarantine": "hide",
            })
        );
        assert!(serde_json::from_value::<Settings>(json!({ "idle": "0s" })).is_err());
        assert!(serde_json::from_value::<Settings>(json!({ "lazy": true })).is_err());
    }

    #[test]
    fn what_is_typed_wrongly_names_its_key() {
        let raw = |raw: RawSettings| Settings::read(raw).map_err(|wrong| wrong.key).err();
        assert_eq!(raw(RawSettings { era: Some("old".into()), ..RawSettings::default() }), Some("era"));
        assert_eq!(raw(RawSettings { idle: Some("1".into()), ..RawSettings::default() }), Some("idle"));
        assert_eq!(raw(RawSettings { max_processes: Some(0), ..RawSettings::default() }), Some("max_processes"));
        assert_eq!(raw(RawSettings { share: Some("grant".into()), ..RawSettings::default() }), None);
    }
}
