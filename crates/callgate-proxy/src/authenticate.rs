//! From a request's head to the grant that it presents: names, path, token. Nothing else about the caller counts.

use crate::errors::Cause;
use crate::snapshot::{GrantEntry, Snapshot};
use callgate_policy::Timestamp;
use http::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use http::{HeaderName, Uri};
use std::net::IpAddr;
use std::sync::Arc;

/// Names of query parameters in which clients have been seen to send tokens.
const TOKEN_PARAMETERS: [&str; 6] = ["token", "access_token", "api_key", "apikey", "key", "authorization"];

/// The names under which the gateway may be addressed: the loopback ones, and those that are configured. Anything
/// else in `Host` or `Origin` is a page of somebody else's, talking through a browser (DNS rebinding).
#[derive(Debug)]
pub(crate) struct Names {
    configured: Vec<Name>,
}

#[derive(Debug)]
struct Name {
    host: String,
    /// Compared only where one is configured.
    port: Option<u16>,
}

impl Names {
    pub(crate) fn new(configured: &[String]) -> Self {
        let name = |text: &String| {
            let (host, port) = split_port(text);
            Name { host: host.trim_end_matches('.').to_ascii_lowercase(), port }
        };
        Self { configured: configured.iter().map(name).collect() }
    }

    /// Checks `Host`, the authority of an absolute request target, and `Origin` where there is one.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Cause> {
        let host = one(headers, &HOST).map_err(|value| foreign("Host", &value))?.ok_or_else(|| foreign("Host", ""))?;
        if !self.is_ours(host) {
            return Err(foreign("Host", host));
        }
        if let Some(authority) = uri.authority()
            && !self.is_ours(authority.as_str())
        {
            return Err(foreign("Host", authority.as_str()));
        }
        let Some(origin) = one(headers, &ORIGIN).map_err(|value| foreign("Origin", &value))? else { return Ok(()) };
        match origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) {
            Some(authority) if self.is_ours(authority) => Ok(()),
            _ => Err(foreign("Origin", origin)),
        }
    }

    fn is_ours(&self, authority: &str) -> bool {
        let (host, port) = split_port(authority);
        if is_loopback(host) {
            return true;
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        self.configured
            .iter()
            .any(|name| name.host.eq_ignore_ascii_case(host) && (name.port.is_none() || name.port == port))
    }
}

/// What of a server is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// `/mcp/{server}`: Streamable HTTP.
    Mcp,
    /// `/mcp/{server}/sse`: the stream of a client of 2024-11-05.
    Events,
    /// `/mcp/{server}/messages`: what such a client says.
    Messages,
}

/// The grant that a request to an endpoint presents.
///
/// A grant for another server gets the same answer as a server that doesn't exist: names are nobody else's business.
pub(crate) fn authenticate(
    uri: &Uri,
    headers: &HeaderMap,
    snapshot: &Snapshot,
    now: Timestamp,
) -> Result<(Arc<GrantEntry>, Endpoint), Cause> {
    let (server, endpoint) = server_segment(uri.path()).ok_or(Cause::NotFound)?;
    if uri.query().is_some_and(has_token) {
        return Err(Cause::TokenInQuery);
    }
    let token = bearer(headers)?;
    let entry = snapshot.grant(token).filter(|entry| !entry.has_expired(now)).ok_or(Cause::TokenUnknown)?;
    if entry.server.name.as_str() != server && &*entry.server.uuid != server {
        return Err(Cause::NotFound);
    }
    Ok((Arc::clone(entry), endpoint))
}

/// The segment behind `/mcp/`, and what follows it: nothing, a slash, or the name of an endpoint. No escapes, no dots
/// alone, no empty segments: what can be written in two ways can be judged in two ways.
pub(crate) fn server_segment(path: &str) -> Option<(&str, Endpoint)> {
    let rest = path.strip_prefix("/mcp/")?;
    let (segment, endpoint) = match rest.split_once('/') {
        None | Some((_, "")) => (rest.strip_suffix('/').unwrap_or(rest), Endpoint::Mcp),
        Some((segment, "sse")) => (segment, Endpoint::Events),
        Some((segment, "messages")) => (segment, Endpoint::Messages),
        Some(_) => return None,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let begins = segment.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    (begins && segment.len() <= 64 && segment.bytes().all(plain)).then_some((segment, endpoint))
}

fn bearer(headers: &HeaderMap) -> Result<&[u8], Cause> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Cause::TokenMissing)?.as_bytes();
    if values.next().is_some() {
        return Err(Cause::TokenUnknown);
    }
    match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => Ok(token.trim_ascii()),
        _ => Err(Cause::TokenMissing),
    }
}

fn has_token(query: &str) -> bool {
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        TOKEN_PARAMETERS.iter().any(|known| known.eq_ignore_ascii_case(name)) || pair.contains("cg_")
    })
}

/// The one value of a header; the second one where it stands twice or can't be read.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, String> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    match (first.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        (_, second) => Err(String::from_utf8_lossy(second.unwrap_or(first).as_bytes()).into_owned()),
    }
}

fn foreign(header: &'static str, value: &str) -> Cause {
    Cause::ForeignName { header, value: value.chars().filter(|c| !c.is_control()).take(80).collect() }
}

/// Host and port of an authority. A port that is none makes the whole text the host, which then is nobody's.
fn split_port(authority: &str) -> (&str, Option<u16>) {
    if authority.ends_with(']') {
        return (authority, None);
    }
    match authority.rsplit_once(':') {
        Some((host, port)) => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (authority, None),
        },
        None => (authority, None),
    }
}

fn is_loopback(host: &str) -> bool {
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_segments_are_servers() {
        for (path, endpoint) in [
            ("/mcp/kernel", Endpoint::Mcp),
            ("/mcp/kernel/", Endpoint::Mcp),
            ("/mcp/kernel/sse", Endpoint::Events),
            ("/mcp/kernel/messages", Endpoint::Messages),
        ] {
            assert_eq!(server_segment(path), Some(("kernel", endpoint)));
        }
        assert_eq!(server_segment("/mcp/sse"), Some(("sse", Endpoint::Mcp)));
        let bad = [
            "/mcp",
            "/mcp/",
            "/mcp//",
            "/mcp/../x",
            "/mcp/..",
            "/mcp/a/b",
            "/mcp/a//",
            "/mcp/%61",
            "/mcp/a%2fb",
            "/MCP/a",
            "//mcp/a",
            "/mcp/a/..",
            "/x/../mcp/a",
            "/mcp/.a",
            "/mcp/a;b",
            "/mcp/a/sse/",
            "/mcp/a//sse",
            "/mcp//sse",
            "/mcp/../sse",
            "/mcp/a/../sse",
            "/mcp/a/SSE",
            "/mcp/a/%73se",
            "/mcp/a/sse/messages",
            "/mcp/a/b/messages",
            "/mcp/a/messages;x",
        ];
        for path in bad {
            assert_eq!(server_segment(path), None, "{path}");
        }
    }

    #[test]
    fn names_of_others_are_foreign() {
        let names = Names::new(&["gw.example.com".into(), "tools.example.com:8443".into()]);
        let ours = [
            "localhost",
            "localhost:7070",
            "127.0.0.1:1",
            "127.8.9.1",
            "[::1]",
            "[::1]:9",
            "gw.example.com",
            "GW.example.com.:5",
            "tools.example.com:8443",
        ];
        for name in ours {
            assert!(names.is_ours(name), "{name}");
        }
        let others = [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "tools.example.com",
            "tools.example.com:1",
            "user@localhost",
            "localhost:x",
            "[::2]",
            "0.0.0.0",
            "localhost:80:80",
        ];
        for name in others {
            assert!(!names.is_ours(name), "{name}");
        }
    }

    #[test]
    fn tokens_in_queries_are_seen() {
        assert!(has_token("a=b&access_token=x"));
        assert!(has_token("x=cg_123"));
        assert!(!has_token("a=b"));
    }
}
