//! `host_in`: the host of a URL, exact or under a suffix.

use super::Verdict;
use super::compile::Unusable;
use std::net::{IpAddr, Ipv6Addr};
use url::{Host, Url};

/// A host, or everything under one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostPattern {
    /// This name, in ASCII form.
    Name(Box<str>),
    /// Every name below this one, at any depth; the name itself is not.
    Below(Box<str>),
    /// This address.
    Address(IpAddr),
}

impl HostPattern {
    /// The pattern that an operand writes.
    pub(super) fn read(text: &str) -> Result<Self, Unusable> {
        let hint = "write a host such as `api.example.com`, everything below one as `*.example.com`, or an address";
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::Address(address));
        }
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        match ascii(name) {
            Some(name) if below => Ok(Self::Below(name.into())),
            Some(name) => Ok(Self::Name(name.into())),
            None => Err(Unusable::new(format!("`{text}` is not a host"), hint)),
        }
    }

    fn holds(&self, host: &Host<String>) -> bool {
        match (self, host) {
            (Self::Name(name), Host::Domain(host)) => **name == **host,
            (Self::Below(name), Host::Domain(host)) => {
                host.strip_suffix(&**name).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            (Self::Address(IpAddr::V4(known)), Host::Ipv4(host)) => known == host,
            (Self::Address(IpAddr::V6(known)), Host::Ipv6(host)) => known == host,
            _ => false,
        }
    }
}

enum Unreadable {
    NoUrl,
    Refused(&'static str),
}

/// Whether the URL's host is one of these.
pub(super) fn judge(text: &str, patterns: &[HostPattern]) -> Verdict {
    match host(text) {
        Ok(host) => patterns.iter().any(|pattern| pattern.holds(&host)).into(),
        Err(Unreadable::NoUrl) => Verdict::TypeError,
        Err(Unreadable::Refused(what)) => Verdict::Fault(format!("{what} in a URL")),
    }
}

/// The host of a URL, in ASCII form. What URL readers disagree about is refused: the upstream may read it otherwise.
fn host(text: &str) -> Result<Host<String>, Unreadable> {
    if text.chars().any(char::is_control) {
        return Err(Unreadable::Refused("control characters"));
    }
    let Some((_, rest)) = text.split_once("://") else {
        return Err(Unreadable::NoUrl);
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('\\') {
        return Err(Unreadable::Refused("a backslash before the path"));
    }
    if authority.contains('@') {
        return Err(Unreadable::Refused("user information"));
    }
    if authority.is_empty() || text.trim() != text {
        return Err(Unreadable::NoUrl);
    }
    let url = Url::parse(text).map_err(|_| Unreadable::NoUrl)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Unreadable::Refused("user information"));
    }
    match url.host() {
        // Other schemes than the web's keep their host as written.
        Some(Host::Domain(name)) => host_of_name(name),
        Some(Host::Ipv4(address)) => Ok(Host::Ipv4(address)),
        Some(Host::Ipv6(address)) => Ok(Host::Ipv6(address)),
        None => Err(Unreadable::NoUrl),
    }
}

fn host_of_name(name: &str) -> Result<Host<String>, Unreadable> {
    if let Ok(address) = name.parse::<Ipv6Addr>() {
        return Ok(Host::Ipv6(address));
    }
    match name.parse() {
        Ok(address) => Ok(Host::Ipv4(address)),
        Err(_) => ascii(name).map(Host::Domain).ok_or(Unreadable::NoUrl),
    }
}

/// A host name in ASCII form (UTS 46), lowercase, without its trailing dot; `None` where it is no name.
fn ascii(name: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii(name).ok()?;
    let ascii = ascii.strip_suffix('.').unwrap_or(&ascii);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let usable = !ascii.is_empty() && ascii.chars().all(is_name) && !ascii.split('.').any(str::is_empty);
    usable.then(|| ascii.to_owned())
}
