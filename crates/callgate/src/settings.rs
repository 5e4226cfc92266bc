//! How a server is treated, beside where it is: its era, who shares its process, how long and how much it may take.

use crate::failure::Failure;
use crate::moment;
use callgate_proxy::{ServerLimits, Sharing, Timeouts, UpstreamEra};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// What was chosen for one server; what wasn't is as this version has it by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    era: Option<Era>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share: Option<Share>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idle: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connect_timeout: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    silence_timeout: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call_timeout: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_in_flight: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_processes: Option<u32>,
}

/// Which era of the protocol a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Era {
    /// Found out by asking it
    Auto,
    /// Sessions: 2025-11-25 and earlier
    Legacy,
    /// Stateless: 2026-07-28 and later
    Modern,
}

/// Who shares the process of a server that is a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Share {
    /// All sessions and calls of one grant
    Grant,
    /// Nobody: every session has one of its own
    Session,
}

/// A length of time, as people type it and as files hold it: `90s`, `15m`, `12h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Span(Duration);

/// The options of a server, as typed.
#[derive(Debug, Default, Args)]
pub(crate) struct SettingsArgs {
    /// The era of the protocol that it speaks [default: auto]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "auto|legacy|modern")]
    pub era: Option<Era>,
    /// Who shares its process [default: session]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "grant|session", requires = "command")]
    pub share: Option<Share>,
    /// Without any traffic before a session or a process ends [default: 30m]
    #[arg(long, value_name = "DURATION")]
    pub idle: Option<String>,
    /// For a connection to stand [default: 10s]
    #[arg(long, value_name = "DURATION")]
    pub connect_timeout: Option<String>,
    /// Of silence while an answer is awaited [default: 5m]
    #[arg(long, value_name = "DURATION")]
    pub silence_timeout: Option<String>,
    /// For a whole call, however much progress it makes [default: none]
    #[arg(long, value_name = "DURATION")]
    pub call_timeout: Option<String>,
    /// Requests at once; more are refused [default: 1024]
    #[arg(long, value_name = "N")]
    pub max_in_flight: Option<u32>,
    /// Processes at once; more are not started [default: 256]
    #[arg(long, value_name = "N", requires = "command")]
    pub max_processes: Option<u32>,
}

/// The settings of a server in `callgate.toml`, as typed.
#[derive(Debug, Default)]
pub(crate) struct RawSettings {
    pub(crate) era: Option<String>,
    pub(crate) share: Option<String>,
    pub(crate) idle: Option<String>,
    pub(crate) connect_timeout: Option<String>,
    pub(crate) silence_timeout: Option<String>,
    pub(crate) call_timeout: Option<String>,
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) max_processes: Option<u32>,
}

/// A setting that can't be: its key, why, and what to write.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) key: &'static str,
    pub(crate) why: String,
    pub(crate) remedy: &'static str,
}

const SPAN: &str = "write a whole number and a unit: `90s`, `15m`, `12h` or `30d`";
/// More than any server is left alone for.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

impl Settings {
    /// The settings that were typed as options.
    pub(crate) fn of_options(args: SettingsArgs) -> Result<Self, Failure> {
        let raw = RawSettings {
            era: None,
            share: None,
            idle: args.idle,
            connect_timeout: args.connect_timeout,
            silence_timeout: args.silence_timeout,
            call_timeout: args.call_timeout,
            max_in_flight: args.max_in_flight,
            max_processes: args.max_processes,
        };
        let read = Self::read(raw).map_err(|wrong| {
            let option = wrong.key.replace('_', "-");
            Failure::cannot_run("CG3051", format!("`--{option}`: {}", wrong.why), wrong.remedy)
        })?;
        Ok(Self { era: args.era, share: args.share, ..read })
    }

    /// The settings of a configuration file.
    pub(crate) fn read(raw: RawSettings) -> Result<Self, Wrong> {
        Ok(Self {
            era: word("era", raw.era, "`auto`, `legacy` or `modern`")?,
            share: word("share", raw.share, "`session` or `grant`")?,
            idle: span("idle", raw.idle)?,
            connect_timeout: span("connect_timeout", raw.connect_timeout)?,
            silence_timeout: span("silence_timeout", raw.silence_timeout)?,
            call_timeout: span("call_timeout", raw.call_timeout)?,
            max_in_flight: count("max_in_flight", raw.max_in_flight)?,
            max_processes: count("max_processes", raw.max_processes)?,
        })
    }

    /// The first setting that only a command can have, where there is one.
    pub(crate) fn of_commands(&self) -> Option<&'static str> {
        let share = self.share.map(|_| "share");
        share.or_else(|| self.max_processes.map(|_| "max_processes"))
    }

    /// Whether nothing was chosen.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// How long it may take.
    pub(crate) fn timeouts(&self) -> Timeouts {
        let default = Timeouts::default();
        let or = |chosen: Option<Span>, default| chosen.map_or(default, |span| span.0);
        Timeouts {
            connect: or(self.connect_timeout, default.connect),
            silence: or(self.silence_timeout, default.silence),
            idle: or(self.idle, default.idle),
            call: self.call_timeout.map(|span| span.0).or(default.call),
        }
    }

    /// Which era it speaks.
    pub(crate) fn era(&self) -> UpstreamEra {
        match self.era {
            None | Some(Era::Auto) => UpstreamEra::Auto,
            Some(Era::Legacy) => UpstreamEra::Legacy,
            Some(Era::Modern) => UpstreamEra::Modern,
        }
    }

    /// Who shares its process.
    pub(crate) fn sharing(&self) -> Sharing {
        match self.share {
            None | Some(Share::Session) => Sharing::PerSession,
            Some(Share::Grant) => Sharing::PerGrant,
        }
    }

    /// How much of it may be in use at once.
    pub(crate) fn limits(&self) -> ServerLimits {
        let default = ServerLimits::default();
        let or = |chosen: Option<u32>, default| chosen.and_then(|count| usize::try_from(count).ok()).unwrap_or(default);
        ServerLimits {
            in_flight: or(self.max_in_flight, default.in_flight),
            processes: or(self.max_processes, default.processes),
        }
    }

    /// All of them, chosen or not, under the keys of the configuration file.
    pub(crate) fn public(&self) -> Value {
        let (timeouts, limits) = (self.timeouts(), self.limits());
        json!({
            "era": self.era.unwrap_or(Era::Auto), "share": self.share.unwrap_or(Share::Session),
            "idle": Span(timeouts.idle), "connect_timeout": Span(timeouts.connect),
            "silence_timeout": Span(timeouts.silence), "call_timeout": timeouts.call.map(Span),
            "max_in_flight": limits.in_flight, "max_processes": limits.processes,
        })
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

fn word<T: ValueEnum>(key: &'static str, text: Option<String>, remedy: &'static str) -> Result<Option<T>, Wrong> {
    let read = text.map(|text| T::from_str(&text, false).map_err(|_| format!("`{text}` is unknown")));
    read.transpose().map_err(|why| Wrong { key, why, remedy })
}

fn span(key: &'static str, text: Option<String>) -> Result<Option<Span>, Wrong> {
    text.map(Span::try_from).transpose().map_err(|why| Wrong { key, why, remedy: SPAN })
}

fn count(key: &'static str, count: Option<u32>) -> Result<Option<u32>, Wrong> {
    match count {
        Some(0) => Err(Wrong { key, why: "0 lets nothing through".to_owned(), remedy: "write 1 or more" }),
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!((settings.timeouts().idle, settings.timeouts().call), (Duration::from_secs(120), None));
        assert_eq!((settings.limits().in_flight, settings.limits().processes), (3, 256));
        assert_eq!((settings.era(), settings.sharing()), (UpstreamEra::Legacy, Sharing::PerGrant));
        assert_eq!(settings.public()["silence_timeout"], "5m");
        assert!(serde_json::from_value::<Settings>(json!({ "idle": "0s" })).is_err());
    }
}
