//! What is served beside MCP on the gateway's listener: the admin API, on the process's own runtime.

use crate::api;
use axum::Router;
use axum::body::Body;
use callgate_control::api::Via;
use callgate_proxy::{Asked, Elsewhere, Pieces};
use http_body_util::BodyExt;
use hyper::{HeaderMap, Request, Response};
use std::net::IpAddr;
use std::pin::Pin;
use tokio::runtime::Handle;

/// Answers with the API.
pub(super) struct Beside {
    router: Router,
    runtime: Handle,
    /// Whether a proxy stands in front, which ends TLS and says who asks.
    proxied: bool,
}

impl Beside {
    /// Serves these routes on the runtime that this is called on.
    pub(super) fn new(router: Router, proxied: bool) -> Self {
        Self { router, runtime: Handle::current(), proxied }
    }

    fn via(&self, headers: &HeaderMap, peer: IpAddr, tls: bool) -> Via {
        if !self.proxied {
            return Via::Tcp { peer, tls };
        }
        // Each proxy appends whom it saw; what stands before the last one, anybody can have written.
        let forwarded = headers.get_all("x-forwarded-for").iter().next_back();
        let named = forwarded.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        let plain =
            headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"http"));
        Via::Tcp { peer: named.unwrap_or(peer), tls: !plain }
    }
}

impl Elsewhere for Beside {
    fn answer(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Response<Pieces>> + Send>> {
        let Asked { request, peer, tls } = asked;
        let via = self.via(request.headers(), peer, tls);
        let mut request: Request<Body> = request.map(Body::new);
        request.extensions_mut().insert(via);
        let router = self.router.clone();
        // Hashing a password or reading a database must not hold up the calls of the worker that asks.
        let answered = self.runtime.spawn(api::to_its_end(router, request));
        Box::pin(async move {
            let response = answered.await.unwrap_or_else(|_| api::broken());
            response.map(|body| body.map_err(std::io::Error::other).boxed_unsync())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_trusted_proxy_says_who_asks() {
        let peer: IpAddr = [192, 0, 2, 9].into();
        let headers = HeaderMap::from_iter(
            [
                ("x-forwarded-for".parse().unwrap(), "198.51.100.1, 203.0.113.7".parse().unwrap()),
                ("x-forwarded-proto".parse().unwrap(), "https".parse().unwrap()),
            ]
            .map(|(name, value): (hyper::header::HeaderName, hyper::header::HeaderValue)| (name, value)),
        );
        let beside = |proxied| Beside::new(Router::new(), proxied);
        assert_eq!(beside(false).via(&headers, peer, false), Via::Tcp { peer, tls: false });
        let named = Via::Tcp { peer: [203, 0, 113, 7].into(), tls: true };
        assert_eq!(beside(true).via(&headers, peer, false), named);
        assert_eq!(beside(true).via(&HeaderMap::new(), peer, false), Via::Tcp { peer, tls: true });
        let plain = HeaderMap::from_iter([("x-forwarded-proto".parse().unwrap(), "http".parse().unwrap())]);
        assert_eq!(beside(true).via(&plain, peer, false), Via::Tcp { peer, tls: false });
    }
}
