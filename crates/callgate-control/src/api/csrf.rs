//! Requests that a browser was tricked into: what a page of another origin sends with a member's cookie is refused.

use super::problem::Problem;
use super::via::Via;
use crate::error::{Error, Kind};
use crate::secret::TokenKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Method};

/// Where the token of a session goes.
pub(super) const HEADER: &str = "x-csrf-token";

/// The token that proves that a request was made by a page that could read the session's answers: a keyed hash of the
/// session's secret, so it needs no place in the store, and an old one dies with its session.
pub(super) fn token(key: &TokenKey, session: &str) -> String {
    // No bearer token holds a NUL, so this is no token's hash.
    URL_SAFE_NO_PAD.encode(key.digest(&format!("csrf\0{session}")))
}

/// Whether a method changes nothing (RFC 9110 section 9.2.1).
pub(super) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Refuses an unsafe request of a cookie's bearer unless it carries the session's token and comes from our own origin.
pub(super) fn check(key: &TokenKey, session: &str, headers: &HeaderMap, via: Via) -> Result<(), Problem> {
    check_origin(headers, via)?;
    let given = headers.get(HEADER).map(http::HeaderValue::as_bytes).unwrap_or_default();
    check_token(key, session, given)
}

/// Refuses another token than the session's.
pub(super) fn check_token(key: &TokenKey, session: &str, given: &[u8]) -> Result<(), Problem> {
    // Compared as hashes: how long it takes tells nothing about the token.
    if blake3::hash(given) == blake3::hash(token(key, session).as_bytes()) {
        return Ok(());
    }
    let remedy = "send `csrf` of `GET /api/v1/session` as `X-CSRF-Token`";
    Err(refused("a change by a signed-in browser needs the session's CSRF token", remedy))
}

/// Refuses what a browser sends from another origin. What says neither where it comes from is no browser.
pub(super) fn check_origin(headers: &HeaderMap, via: Via) -> Result<(), Problem> {
    let remedy = "use the pages of this gateway; behind a proxy, let it pass `Host` on";
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(refused("the request comes from a page of another site (`Sec-Fetch-Site`)", remedy));
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return Ok(()) };
    let scheme = if via.is_https() { "https://" } else { "http://" };
    let own = text(HOST.as_str())
        .is_some_and(|host| origin.strip_prefix(scheme).is_some_and(|authority| authority.eq_ignore_ascii_case(host)));
    if own { Ok(()) } else { Err(refused("the request comes from a page of another origin (`Origin`)", remedy)) }
}

fn refused(message: &str, remedy: &str) -> Problem {
    Error::new(Kind::Forbidden, "CG3152", message, remedy).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn only_our_own_origin_may() {
        let tls = Via::Tcp { peer: [192, 0, 2, 1].into(), tls: true };
        let plain = Via::Tcp { peer: [127, 0, 0, 1].into(), tls: false };
        for (headers, via, good) in [
            (&[("host", "a.example")][..], tls, true),
            (&[("host", "a.example"), ("origin", "https://a.example")], tls, true),
            (&[("host", "a.example"), ("origin", "https://A.example")], tls, true),
            (&[("host", "a.example"), ("origin", "http://a.example")], tls, false),
            (&[("host", "a.example"), ("origin", "https://b.example")], tls, false),
            (&[("host", "a.example"), ("origin", "https://a.example:444")], tls, false),
            (&[("host", "a.example"), ("origin", "null")], tls, false),
            (&[("origin", "https://a.example")], tls, false),
            (&[("host", "127.0.0.1:1"), ("origin", "http://127.0.0.1:1")], plain, true),
            (&[("host", "127.0.0.1:1"), ("origin", "http://localhost:1")], plain, false),
            (&[("sec-fetch-site", "same-origin")], tls, true),
            (&[("sec-fetch-site", "none")], tls, true),
            (&[("sec-fetch-site", "same-site")], tls, false),
            (&[("sec-fetch-site", "cross-site")], tls, false),
        ] {
            let map: HeaderMap = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            assert_eq!(check_origin(&map, via).is_ok(), good, "{headers:?}");
        }
    }

    #[test]
    fn a_token_belongs_to_one_session() {
        let key = TokenKey::new([1; 32]);
        let one = token(&key, "cgs_one");
        assert!(check_token(&key, "cgs_one", one.as_bytes()).is_ok());
        assert!(check_token(&key, "cgs_two", one.as_bytes()).is_err());
        assert!(check_token(&TokenKey::new([2; 32]), "cgs_one", one.as_bytes()).is_err());
        assert!(check_token(&key, "cgs_one", b"").is_err());
    }
}
