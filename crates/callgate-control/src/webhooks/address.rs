//! Where messages can be sent to.

use crate::error::{Error, Kind};
use std::net::{IpAddr, Ipv6Addr};
use url::{Host, Url};

/// The longest address, in bytes.
const LONGEST: usize = 2000;

/// Reads an address: `https`, or `http` on this machine. CG3230, which never shows more than the origin: the rest can be
/// a secret.
pub(super) fn parse(text: &str) -> Result<Url, Error> {
    if text.len() > LONGEST {
        return Err(unusable(format!("the URL is longer than {LONGEST} bytes")));
    }
    let url = Url::parse(text).map_err(|error| unusable(format!("the URL can't be read: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(unusable("the URL has a user in it".to_owned()));
    }
    if url.fragment().is_some() {
        return Err(unusable("the URL has a fragment".to_owned()));
    }
    match url.scheme() {
        "https" if url.host().is_some() => Ok(url),
        "http" if is_here(&url) => Ok(url),
        "http" => Err(unusable(format!("`{}` is neither https nor on this machine", origin(&url)))),
        other => Err(unusable(format!("`{other}` is no scheme that messages can be sent with"))),
    }
}

/// The origin of an address: all of it that is shown.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Whether this is an address that a network gives its own services, also those that hand out credentials to whoever
/// asks: link-local ones (RFC 3927, RFC 4291 section 2.5.6), written in any way, and the IPv6 address of the metadata
/// service of AWS.
pub fn is_link_local(address: IpAddr) -> bool {
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            let [prefix, network, .., high, _] = address.segments();
            // RFC 6052: an IPv4 address behind a translator.
            let is_translated = prefix == 0x64 && network == 0xff9b && high == 0xa9fe;
            address.is_unicast_link_local() || address == METADATA || is_translated
        }
    }
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn unusable(message: String) -> Error {
    let remedy = "give an `https://` URL without a user and a fragment; `http://` only for this machine";
    Error::new(Kind::Invalid, "CG3230", message, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_encrypted_or_stay_here() {
        for (text, expected) in [
            ("https://hooks.slack.com/services/T0/B0/secret", Some("https://hooks.slack.com")),
            ("https://hooks.example:8443/x?key=secret", Some("https://hooks.example:8443")),
            ("https://10.0.0.1/", Some("https://10.0.0.1")),
            ("http://127.0.0.9:80/secret", Some("http://127.0.0.9")),
            ("http://[::1]:9/", Some("http://[::1]:9")),
            ("http://localhost:9/", Some("http://localhost:9")),
            ("http://hooks.example/secret", None),
            ("http://localhost.example/secret", None),
            ("http://169.254.169.254/secret", None),
            ("https://ada:secret@hooks.example/", None),
            ("https://hooks.example/#secret", None),
            ("ftp://hooks.example/secret", None),
            ("secret", None),
        ] {
            match (parse(text), expected) {
                (Ok(url), Some(expected)) => assert_eq!(origin(&url), expected, "{text}"),
                (Err(error), None) => {
                    assert_eq!(error.code, "CG3230", "{text}");
                    assert!(!error.to_string().contains("secret"), "{error}");
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn link_local_addresses_are_known_however_they_are_written() {
        for (text, expected) in [
            ("169.254.169.254", true),
            ("169.254.0.1", true),
            ("::ffff:169.254.169.254", true),
            ("64:ff9b::169.254.169.254", true),
            ("fe80::1", true),
            ("febf::1", true),
            ("fd00:ec2::254", true),
            ("169.253.169.254", false),
            ("10.0.0.1", false),
            ("127.0.0.1", false),
            ("64:ff9b::10.0.0.1", false),
            ("fd00::1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_link_local(text.parse().unwrap()), expected, "{text}");
        }
    }
}
