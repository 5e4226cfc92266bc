//! What is not the data plane's goes to whoever serves the rest: streaming both ways, bounded, and never unchecked.

use crate::http::Open;
use crate::upstream::{Upstream, decent};
use crate::world::{Plan, World, http_upstream};
use bytes::Bytes;
use callgate_proxy::{Asked, Elsewhere, Options, Pieces};
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Tells what it was asked; `/stream` sends the body back piece by piece, `/open` answers without an end.
struct Mirror;

impl Elsewhere for Mirror {
    fn answer(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Response<Pieces>> + Send>> {
        Box::pin(async move {
            let (head, body) = asked.request.into_parts();
            let body = match head.uri.path() {
                "/stream" => body,
                "/open" => {
                    let first = futures_util::stream::iter([Ok(Frame::data(Bytes::from_static(b"begun")))]);
                    let pieces = futures_util::StreamExt::chain(first, futures_util::stream::pending());
                    StreamBody::new(pieces).boxed_unsync()
                }
                path => {
                    let collected = body.collect().await;
                    let body = collected.map_or_else(|error| error.to_string(), |all| format!("{:?}", all.to_bytes()));
                    let text = format!("{} {path} {} {} {body}", head.method, asked.peer, asked.tls);
                    Full::from(text).map_err(|never| match never {}).boxed_unsync()
                }
            };
            Response::builder().status(207).header("X-From", "elsewhere").body(body).unwrap()
        })
    }
}

async fn world(upstream: &Upstream, options: Options) -> World {
    let plan = Plan { elsewhere: Some(Arc::new(Mirror)), options, ..Plan::default() };
    World::planned(http_upstream(upstream), plan).await
}

fn request(head: &str, body: &str) -> Vec<u8> {
    format!("{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn what_is_not_the_data_planes_is_answered_elsewhere() {
    let upstream = Upstream::new(decent).await;
    let world = world(&upstream, Plan::default().options).await;
    let ways = [
        ("PUT /api/v1/x?y=z HTTP/1.1\r\nHost: localhost", 207, "PUT /api/v1/x 127.0.0.1 false b\"hello\""),
        ("POST /stream HTTP/1.1\r\nHost: localhost", 207, "hello"),
        ("POST /mcp HTTP/1.1\r\nHost: localhost", 404, "CG2024"),
        ("POST //mcp/x HTTP/1.1\r\nHost: localhost", 404, "CG2024"),
        ("GET /healthz HTTP/1.1\r\nHost: localhost", 200, "ok\n"),
        ("GET / HTTP/1.1\r\nHost: localhost", 207, "GET / 127.0.0.1"),
        ("GET /metrics HTTP/1.1\r\nHost: localhost", 200, "# HELP"),
        ("POST /mcp/x HTTP/1.1\r\nHost: localhost", 401, "CG2020"),
        ("GET /api/v1/x HTTP/1.1\r\nHost: evil.example", 403, "CG2023"),
        ("GET /api/v1/x HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example", 403, "CG2023"),
    ];
    for (head, status, text) in ways {
        let answer = world.raw(&request(head, "hello")).await;
        assert_eq!(answer.status, status, "{head}");
        assert!(answer.text().contains(text), "{head}: {}", answer.text());
        assert_eq!(answer.header("x-from").is_some(), status == 207, "{head}");
    }
    world.stop().await;
}

#[tokio::test]
async fn without_anybody_there_is_nothing_elsewhere() {
    let upstream = Upstream::new(decent).await;
    let world = World::new(http_upstream(&upstream)).await;
    let answer = world.raw(&request("GET /api/v1/servers HTTP/1.1\r\nHost: localhost", "")).await;
    assert_eq!((answer.status, answer.text().contains("CG2024")), (404, true));
    world.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_ends() {
    let options = Options { body_timeout: Duration::from_millis(30), ..Plan::default().options };
    let upstream = Upstream::new(decent).await;
    let world = world(&upstream, options).await;
    let head = b"POST /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 9\r\n\r\nhalf";
    let answer = world.raw(head).await;
    assert!(answer.text().contains("did not arrive in time"), "{}", answer.text());
    world.stop().await;
}

#[tokio::test]
async fn what_is_open_elsewhere_is_bounded_and_mcp_goes_on() {
    let upstream = Upstream::new(decent).await;
    let world = world(&upstream, Plan::default().options).await;
    let open = b"GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut streams = Vec::new();
    for _ in 0..256 {
        let mut stream = Open::new(world.address, open).await;
        stream.until("begun").await;
        streams.push(stream);
    }
    let refused = world.raw(&request("GET /x HTTP/1.1\r\nHost: localhost", "")).await;
    assert_eq!((refused.status, refused.text().contains("CG2090")), (503, true));
    world.session().await;
    drop(streams.pop());
    while world.raw(&request("GET /x HTTP/1.1\r\nHost: localhost", "")).await.status != 207 {}
    drop(streams);
    world.stop().await;
}
