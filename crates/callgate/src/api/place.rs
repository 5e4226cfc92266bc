//! Which gateway a command is about: one elsewhere, by its URL, or the one of a data directory.

use super::Logins;
use crate::cli::DataArgs;
use crate::data::{self, DataDir};
use crate::environment::Environment;
use crate::failure::Failure;

/// Where a gateway is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// The one of a data directory; this process itself where none runs on it.
    Directory(DataDir),
    /// One elsewhere: its root, without a trailing slash.
    Url(String),
}

impl Place {
    /// What was typed, else `CALLGATE_URL`, else `CALLGATE_DATA`, else where the last login was, else the platform's
    /// data directory. Makes a missing directory only for what may be its first use.
    pub(crate) fn of(args: &DataArgs, environment: &Environment, first_use: bool) -> Result<Self, Failure> {
        if args.data.is_none() {
            if let Some(url) = environment.text("CALLGATE_URL") {
                return Self::url(url);
            }
            if environment.path("CALLGATE_DATA").is_none()
                && let Some(url) = Logins::read(environment)?.current()
            {
                return Self::url(url);
            }
        }
        let path = data::resolve(args.data.as_deref(), environment)?;
        Ok(Self::Directory(if first_use { DataDir::open(&path)? } else { DataDir::existing(&path)? }))
    }

    /// A gateway elsewhere. Credentials travel to it: in the clear only on this machine.
    pub(crate) fn url(text: &str) -> Result<Self, Failure> {
        let refuse = |why: &str| {
            let message = format!("`{text}` can't be a gateway's address: {why}");
            Failure::cannot_run("CG3160", message, "for example `https://callgate.example.com`")
        };
        if let Err(why) = callgate_control::names::check_url(text) {
            return Err(refuse(&format!("it {why}")));
        }
        let uri: hyper::Uri = text.parse().map_err(|_| refuse("it is no URL"))?;
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let on_this_machine =
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if uri.scheme_str() == Some("http") && !on_this_machine {
            return Err(refuse("credentials would travel in the clear; it has to begin with `https://`"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(refuse("name its root, without a path"));
        }
        Ok(Self::Url(text.trim_end_matches('/').to_owned()))
    }

    /// Where the gateway serves, or did last.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Directory(data) => data.last_url(),
            Self::Url(url) => url.clone(),
        }
    }

    /// What logins are kept under.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Directory(data) => data.root().display().to_string(),
            Self::Url(url) => url.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_travel_in_the_clear_only_on_this_machine() {
        for (url, usable) in [
            ("https://gate.example.com", true),
            ("https://gate.example.com:8443/", true),
            ("http://127.0.0.1:7070", true),
            ("http://[::1]:7070", true),
            ("http://localhost:7070", true),
            ("http://gate.example.com", false),
            ("http://127.0.0.1.evil.example", false),
            ("https://gate.example.com/api", false),
            ("https://user@gate.example.com", false),
            ("gate.example.com", false),
        ] {
            assert_eq!(Place::url(url).is_ok(), usable, "{url}");
        }
    }
}
