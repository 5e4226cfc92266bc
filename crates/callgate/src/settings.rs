//! How a server is treated: the options of the command line, and what the data plane makes of the settings.

use crate::failure::Failure;
use callgate_control::settings::{self, CompleteSettings, Era, RawSettings, Settings, Share};
use callgate_proxy::{Pinning, Quarantine, ServerLimits, Sharing, Timeouts, UpstreamEra};
use clap::Args;

/// The options of a server, as typed.
#[derive(Debug, Default, Args)]
pub(crate) struct SettingsArgs {
    /// The era of the protocol that it speaks [default: auto]
    #[arg(long, value_parser = ["auto", "legacy", "modern"], hide_possible_values = true, value_name = "auto|legacy|modern")]
    pub era: Option<String>,
    /// Who shares its process [default: session]
    #[arg(long, value_parser = ["grant", "session"], hide_possible_values = true, value_name = "grant|session")]
    pub share: Option<String>,
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
    #[arg(long, value_name = "N")]
    pub max_processes: Option<u32>,
    /// When the definitions of its tools are pinned [default: first_sight]
    #[arg(long, value_parser = ["first_sight", "approval"], hide_possible_values = true, value_name = "first_sight|approval")]
    pub pinning: Option<String>,
    /// What becomes of tools in lists that somebody has to approve first [default: hide]
    #[arg(long, value_parser = ["hide", "show"], hide_possible_values = true, value_name = "hide|show")]
    pub quarantine: Option<String>,
}

impl SettingsArgs {
    /// The settings that were typed.
    pub(crate) fn read(self) -> Result<Settings, Failure> {
        let Self { era, share, idle, connect_timeout, silence_timeout, call_timeout, .. } = self;
        let Self { max_in_flight, max_processes, pinning, quarantine, .. } = self;
        let raw = RawSettings {
            era,
            share,
            idle,
            connect_timeout,
            silence_timeout,
            call_timeout,
            max_in_flight,
            max_processes,
            pinning,
            quarantine,
        };
        Settings::read(raw).map_err(|wrong| {
            let option = wrong.key.replace('_', "-");
            Failure::cannot_run("CG3051", format!("`--{option}`: {}", wrong.why), wrong.remedy)
        })
    }
}

/// How long a server may take.
pub(crate) fn timeouts(settings: &CompleteSettings) -> Timeouts {
    Timeouts {
        connect: settings.connect_timeout.duration(),
        silence: settings.silence_timeout.duration(),
        idle: settings.idle.duration(),
        call: settings.call_timeout.map(|span| span.duration()),
    }
}

/// Which era it speaks.
pub(crate) fn era(settings: &CompleteSettings) -> UpstreamEra {
    match settings.era {
        Era::Auto => UpstreamEra::Auto,
        Era::Legacy => UpstreamEra::Legacy,
        Era::Modern => UpstreamEra::Modern,
    }
}

/// Who shares its process.
pub(crate) fn sharing(settings: &CompleteSettings) -> Sharing {
    match settings.share {
        Share::Session => Sharing::PerSession,
        Share::Grant => Sharing::PerGrant,
    }
}

/// When the definitions of its tools are pinned.
pub(crate) fn pinning(settings: &CompleteSettings) -> Pinning {
    match settings.pinning {
        settings::Pinning::FirstSight => Pinning::FirstSight,
        settings::Pinning::Approval => Pinning::Approval,
    }
}

/// What becomes of tools that a person has to look at first.
pub(crate) fn quarantine(settings: &CompleteSettings) -> Quarantine {
    match settings.quarantine {
        settings::Quarantine::Hide => Quarantine::Hide,
        settings::Quarantine::Show => Quarantine::Show,
    }
}

/// How much of it may be in use at once.
pub(crate) fn limits(settings: &CompleteSettings) -> ServerLimits {
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    ServerLimits { in_flight: count(settings.max_in_flight), processes: count(settings.max_processes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_chosen_is_as_the_data_plane_has_it() {
        let settings = Settings::default().complete();
        assert_eq!(timeouts(&settings), Timeouts::default());
        assert_eq!(limits(&settings), ServerLimits::default());
        assert_eq!((era(&settings), sharing(&settings)), (UpstreamEra::default(), Sharing::default()));
        assert_eq!((pinning(&settings), quarantine(&settings)), (Pinning::default(), Quarantine::default()));
    }
}
