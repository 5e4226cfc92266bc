//! Where an upstream is: an HTTP endpoint, or a command to run.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// Headers that the gateway sets itself, or that belong to one connection only: none of them can be configured.
const RESERVED_HEADERS: [&str; 16] = [
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "mcp-method",
];

/// Where an upstream is.
#[derive(Clone, Debug, PartialEq)]
pub enum UpstreamConfig {
    /// A Streamable HTTP endpoint.
    Http(HttpUpstream),
    /// A child process that speaks MCP on its standard streams.
    Stdio(StdioUpstream),
}

/// A Streamable HTTP endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpUpstream {
    /// Whether to speak TLS.
    pub(crate) tls: bool,
    /// The host without brackets, as it is resolved and as the certificate has to name it.
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    /// Scheme, host and port: what connections are pooled by.
    pub(crate) origin: Arc<str>,
    /// The `Host` header.
    pub(crate) authority: HeaderValue,
    /// What stands in the request line.
    pub(crate) target: http::Uri,
    pub(crate) headers: HeaderMap,
}

/// A command that speaks MCP on its standard streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StdioUpstream {
    /// The program, looked up in `PATH` where it has no slash.
    pub command: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables beside the few that every child gets. Secrets belong here, never in `args`.
    pub env: Variables,
    /// Its working directory; the gateway's where there is none.
    pub cwd: Option<PathBuf>,
}

/// Variables of a child process, by name. Their values are wiped when they are dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(Vec<(OsString, OsString)>);

/// Bytes that are wiped when the last header with them is dropped.
struct Wiped(Zeroizing<Vec<u8>>);

/// Why an HTTP upstream can't be used.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Not a URL.
    #[error("`{url}` is not a URL ({source}); write it as `https://host/path`")]
    Url {
        /// As given.
        url: String,
        /// Why.
        source: url::ParseError,
    },
    /// A URL that isn't HTTP, or has parts that it must not have.
    #[error("`{url}` can't be an upstream: {why}")]
    Unusable {
        /// As given, credentials taken out.
        url: String,
        /// Why.
        why: &'static str,
    },
    /// A header that can't be sent.
    #[error("the header `{name}` can't be sent to the upstream: {why}")]
    Header {
        /// Its name; never its value, which may be a secret.
        name: String,
        /// Why.
        why: &'static str,
    },
}

impl HttpUpstream {
    /// Reads a URL and the headers that go with every request to it (`Authorization`, say).
    pub fn parse(url: &str, headers: &[(String, String)]) -> Result<Self, UpstreamError> {
        let parsed = url::Url::parse(url).map_err(|source| UpstreamError::Url { url: url.to_owned(), source })?;
        let unusable = |why| UpstreamError::Unusable { url: without_credentials(&parsed), why };
        let tls = match parsed.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(unusable("the scheme has to be `http` or `https`")),
        };
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(unusable("credentials do not belong into a URL; give a header instead"));
        }
        let host = parsed.host_str().ok_or_else(|| unusable("it has no host"))?;
        let port = parsed.port_or_known_default().ok_or_else(|| unusable("it has no port"))?;
        let authority = match parsed.port() {
            None => host.to_owned(),
            Some(port) => format!("{host}:{port}"),
        };
        let target = match parsed.query() {
            None => parsed.path().to_owned(),
            Some(query) => format!("{}?{query}", parsed.path()),
        };
        Ok(Self {
            tls,
            host: host.trim_start_matches('[').trim_end_matches(']').into(),
            port,
            origin: format!("{}://{host}:{port}", parsed.scheme()).into(),
            authority: HeaderValue::from_str(&authority).map_err(|_| unusable("its host can't be sent"))?,
            target: target.parse().map_err(|_| unusable("its path can't be sent"))?,
            headers: header_map(headers)?,
        })
    }

    /// Another place of the same origin, named as an HTTP+SSE server names its endpoint: a path, or a whole URL.
    pub(crate) fn at(&self, reference: &str) -> Result<Self, &'static str> {
        let base = url::Url::parse(&self.url()).map_err(|_| "its own URL can't be read")?;
        let place = base.join(reference).map_err(|_| "the endpoint that it names is no URL")?;
        if place.origin() != base.origin() || !place.username().is_empty() || place.password().is_some() {
            return Err("the endpoint that it names is on another origin");
        }
        let target = match place.query() {
            None => place.path().to_owned(),
            Some(query) => format!("{}?{query}", place.path()),
        };
        let target = target.parse().map_err(|_| "the endpoint that it names can't be sent")?;
        Ok(Self { target, ..self.clone() })
    }

    /// Scheme, host and port, for logs and lists.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The whole URL, for logs and lists.
    pub fn url(&self) -> String {
        let authority = self.authority.to_str().unwrap_or_default();
        format!("{}://{authority}{}", if self.tls { "https" } else { "http" }, self.target)
    }
}

fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, UpstreamError> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let wrong = |why| UpstreamError::Header { name: name.clone(), why };
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("the name is not a header name"))?;
        if RESERVED_HEADERS.contains(&parsed.as_str()) {
            return Err(wrong("the gateway sets it itself"));
        }
        if !value.is_ascii() {
            return Err(wrong("the value has characters that it can't have"));
        }
        let bytes = Bytes::from_owner(Wiped(Zeroizing::new(value.as_bytes().to_vec())));
        let mut value =
            HeaderValue::from_maybe_shared(bytes).map_err(|_| wrong("the value has characters that it can't have"))?;
        value.set_sensitive(true);
        map.append(parsed, value);
    }
    Ok(map)
}

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl FromIterator<(OsString, OsString)> for Variables {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl std::ops::Deref for Variables {
    type Target = [(OsString, OsString)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'v> IntoIterator for &'v Variables {
    type Item = &'v (OsString, OsString);
    type IntoIter = std::slice::Iter<'v, (OsString, OsString)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Never shows a value.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Drop for Variables {
    fn drop(&mut self) {
        for (_, value) in self.0.drain(..) {
            value.into_encoded_bytes().zeroize();
        }
    }
}

fn without_credentials(url: &url::Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs that can't have credentials in the first place.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_urls_as_they_are_sent() {
        let upstream = HttpUpstream::parse("http://[::1]:8080/mcp?a=b", &[]).unwrap();
        assert_eq!((&*upstream.host, upstream.port, upstream.tls), ("::1", 8080, false));
        assert_eq!(upstream.authority, "[::1]:8080");
        assert_eq!(upstream.target, "/mcp?a=b");
        let upstream = HttpUpstream::parse("https://example.com", &[]).unwrap();
        assert_eq!((&*upstream.origin, upstream.port), ("https://example.com:443", 443));
        assert_eq!((upstream.authority.to_str().unwrap(), upstream.target.path()), ("example.com", "/"));
        assert_eq!(upstream.url(), "https://example.com/");
    }

    #[test]
    fn secrets_are_sent_and_never_shown() {
        let headers = [("Authorization".to_owned(), "Bearer hush-1".to_owned())];
        let upstream = HttpUpstream::parse("http://localhost/", &headers).unwrap();
        assert_eq!(upstream.headers["authorization"].as_bytes(), b"Bearer hush-1");
        for value in ["a\nb", "\u{fc}"] {
            assert!(HttpUpstream::parse("http://localhost/", &[("X".to_owned(), value.to_owned())]).is_err());
        }
        let env: Variables = [("KEY".into(), "hush".into())].into_iter().collect();
        let stdio = StdioUpstream { env, ..StdioUpstream::default() };
        assert_eq!(stdio.env[0].1, "hush");
        let shown = format!("{upstream:?} {stdio:?}");
        assert!(shown.contains("KEY") && !shown.contains("hush"), "{shown}");
    }

    #[test]
    fn an_endpoint_is_taken_from_the_same_origin_only() {
        let upstream = HttpUpstream::parse("http://127.0.0.1:8080/sse?key=1", &[]).unwrap();
        let cases = [
            ("/messages/?session_id=1", Some("/messages/?session_id=1")),
            ("messages", Some("/messages")),
            ("http://127.0.0.1:8080/m", Some("/m")),
            ("http://127.0.0.1:8081/m", None),
            ("https://127.0.0.1:8080/m", None),
            ("//evil.example/m", None),
            ("http://user@127.0.0.1:8080/m", None),
        ];
        for (reference, target) in cases {
            let at = upstream.at(reference).ok().map(|at| at.target.to_string());
            assert_eq!(at.as_deref(), target, "{reference}");
        }
    }

    #[test]
    fn refuses_what_cannot_be_an_upstream() {
        for url in ["nonsense", "ftp://example.com/", "https://user:secret@example.com/", "unix:/run/x.sock"] {
            let error = HttpUpstream::parse(url, &[]).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        for name in ["Host", "mcp-session-id", "bad name", "Transfer-Encoding"] {
            let headers = [(name.to_owned(), "x".to_owned())];
            assert!(HttpUpstream::parse("http://localhost/", &headers).is_err(), "{name}");
        }
    }
}
