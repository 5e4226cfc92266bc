//! Who asks: a bearer token, the cookie of a signed-in browser, or a program on the local socket.

use super::problem::Problem;
use super::via::Via;
use super::{ApiState, csrf};
use crate::caller::{Caller, Who};
use crate::error::{Error, Kind};
use crate::secret::Secret;
use crate::sessions::Session;
use axum::extract::FromRequestParts;
use callgate_policy::Organisation;
use callgate_store::{Role, Roles};
use http::header::{AUTHORIZATION, COOKIE, HeaderName};
use http::request::Parts;
use http::{HeaderMap, Method};

/// The header by which a program on the local socket names the organisation that it reads.
const ORGANISATION: &str = "callgate-organisation";

/// The session's cookie over https. `__Host-` makes browsers insist on Secure, on this host alone and on the path `/`.
pub(super) const HTTPS_COOKIE: &str = "__Host-callgate";

/// The session's cookie on plain loopback, where browsers refuse the other.
pub(super) const LOOPBACK_COOKIE: &str = "callgate";

/// The organisation where none is named.
pub(super) const DEFAULT_ORGANISATION: &str = "default";

/// Somebody who is known, and the session where there is one.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    /// Who it is.
    pub(crate) caller: Caller,
    /// The session that it came with.
    pub(crate) session: Option<Session>,
}

/// The name of the session's cookie; none where cookies are not accepted.
pub(super) fn cookie_name(via: Via) -> Option<&'static str> {
    match via {
        _ if via.is_https() => Some(HTTPS_COOKIE),
        Via::Tcp { .. } if via.is_private() => Some(LOOPBACK_COOKIE),
        _ => None,
    }
}

/// Who asks with this request; 401 where nobody is known, 403 where a browser was tricked.
pub(super) async fn authenticate(
    state: &ApiState,
    via: Via,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Signed, Problem> {
    if headers.contains_key(AUTHORIZATION) {
        let token = bearer(headers).ok_or_else(|| unknown("the header `Authorization` holds no bearer token"))?;
        return known(state, &token).await;
    }
    if let Some(session) = session_cookie(headers, via) {
        let signed = known(state, &session).await?;
        if signed.session.is_none() {
            return Err(unknown("the cookie is no session").into());
        }
        if !csrf::is_safe(method) {
            csrf::check(&state.control().inner.tokens, session.reveal(), headers, via)?;
        }
        return Ok(signed);
    }
    match via {
        Via::LocalSocket => local(state, headers).await,
        Via::Tcp { .. } => Err(unknown("nobody is signed in").into()),
    }
}

/// The headers that say who asks, for a stream that has to ask again.
pub(super) fn credential(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in [AUTHORIZATION, COOKIE, HeaderName::from_static(ORGANISATION)] {
        kept.extend(headers.get_all(&name).iter().map(|value| (name.clone(), value.clone())));
    }
    kept
}

/// Whether the credential of a stream is still good, and for the same.
pub(super) async fn is_still(state: &ApiState, via: Via, headers: &HeaderMap, before: &Caller) -> bool {
    let signed = authenticate(state, via, &Method::GET, headers).await;
    signed.is_ok_and(|Signed { caller, .. }| caller == *before)
}

/// The session that a browser's cookie holds, where cookies are accepted at all.
pub(super) fn session_cookie(headers: &HeaderMap, via: Via) -> Option<Secret> {
    let name = cookie_name(via)?;
    let cookies =
        headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(';'));
    let mut found = cookies.filter_map(|cookie| cookie.trim().split_once('=')).filter(|(given, _)| *given == name);
    let (_, value) = found.next()?;
    // Two of one name: one of them was put there by somebody else.
    found.next().is_none().then(|| Secret::new(value.to_owned()))
}

fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (given.next()?, given.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Secret::new(token.trim().to_owned()))
}

async fn known(state: &ApiState, secret: &Secret) -> Result<Signed, Problem> {
    match state.control().identify(secret).await? {
        Some((caller, session)) => Ok(Signed { caller, session }),
        None => Err(unknown("the credential is unknown, has ended, or was taken away").into()),
    }
}

/// A program of the same user without a credential may read, and nothing else: an agent with a shell is that user.
async fn local(state: &ApiState, headers: &HeaderMap) -> Result<Signed, Problem> {
    let name = match headers.get(ORGANISATION) {
        None => DEFAULT_ORGANISATION,
        Some(name) => name.to_str().unwrap_or_default(),
    };
    let missing =
        || Error::new(Kind::NotFound, "CG3155", "there is no such organisation", "check `Callgate-Organisation`");
    Organisation::parse(name).map_err(|_| missing())?;
    if !state.control().has_organisation(name).await? {
        return Err(missing().into());
    }
    let roles = Roles { organisation: Some(Role::Viewer), ..Roles::default() };
    Ok(Signed { caller: Caller::new(name, Who::Local, roles, false), session: None })
}

fn unknown(message: &str) -> Error {
    let remedy = "sign in, or send an API token as `Authorization: Bearer cga_…`";
    Error::new(Kind::Unauthenticated, "CG3150", message, remedy)
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Error> {
        // Put there by the gate; an operation that needs nothing has none.
        parts.extensions.get().cloned().ok_or_else(|| unknown("nobody is signed in"))
    }
}

impl<S: Sync> FromRequestParts<S> for Signed {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Error> {
        parts.extensions.get().cloned().ok_or_else(|| unknown("nobody is signed in"))
    }
}

impl<S: Sync> FromRequestParts<S> for Via {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.extensions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn cookies_count_only_where_nobody_reads_along_and_only_one_of_a_name() {
        let https = Via::Tcp { peer: [192, 0, 2, 1].into(), tls: true };
        let loopback = Via::Tcp { peer: [127, 0, 0, 1].into(), tls: false };
        let plain = Via::Tcp { peer: [192, 0, 2, 1].into(), tls: false };
        for (cookie, via, found) in [
            ("__Host-callgate=a", https, Some("a")),
            ("x=y; __Host-callgate=a; z", https, Some("a")),
            ("callgate=a", https, None),
            ("callgate=a", loopback, Some("a")),
            ("__Host-callgate=a", loopback, None),
            ("callgate=a; callgate=b", loopback, None),
            ("callgate=a", plain, None),
            ("__Host-callgate=a", plain, None),
            ("callgate=a", Via::LocalSocket, None),
        ] {
            let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(cookie))]);
            let secret = session_cookie(&headers, via);
            assert_eq!(secret.as_ref().map(Secret::reveal), found, "{cookie} {via:?}");
        }
    }

    #[test]
    fn one_bearer_token_in_one_header() {
        for (values, found) in [
            (&["Bearer a"][..], Some("a")),
            (&["bearer  a"], Some("a")),
            (&["Basic a"], None),
            (&["Bearer"], None),
            (&["Bearer a", "Bearer b"], None),
        ] {
            let headers: HeaderMap =
                values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).collect();
            assert_eq!(bearer(&headers).as_ref().map(Secret::reveal), found, "{values:?}");
        }
    }
}
