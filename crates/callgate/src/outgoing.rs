//! Messages to webhooks, sent: one connection each, no redirects, within ten seconds.

use crate::client::{exchange, trusting_the_system};
use bytes::Bytes;
use callgate_control::webhooks::{Outgoing, Post, Posted, is_link_local};
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{HOST, RETRY_AFTER};
use hyper::{Request, Response, Uri, body::Incoming};
use rustls::pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long an endpoint has, from its name to its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of an answer is read, in bytes: nobody looks at it.
const MAX_ANSWER: usize = 64 << 10;

/// Sends messages from this process.
pub(crate) struct Sending {
    /// Whether they may go to link-local addresses, where networks keep their own services.
    link_local: bool,
    /// Certificates take time to read: once, and where somebody is sent something.
    tls: OnceLock<TlsConnector>,
}

impl Sending {
    /// Sends; to link-local addresses only where that is allowed.
    pub(crate) fn new(link_local: bool) -> Self {
        Self { link_local, tls: OnceLock::new() }
    }

    async fn send(&self, post: &Post) -> Result<Posted, String> {
        let uri: Uri = post.url.reveal().parse().map_err(|_| "its URL can't be used".to_owned())?;
        let encrypted = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let stream = self.connect(host, uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 }), encrypted).await?;
        let request = request(&uri, post)?;
        let response = if encrypted {
            let broken = |error: std::io::Error| format!("no TLS with `{host}`: {error}");
            let name =
                ServerName::try_from(host.to_owned()).map_err(|_| format!("`{host}` can't have a certificate"))?;
            exchange(self.tls()?.connect(name, stream).await.map_err(broken)?, request).await
        } else {
            exchange(stream, request).await
        };
        let response = response.map_err(|error| error.to_string())?;
        let posted = Posted { status: response.status().as_u16(), retry_after: retry_after(&response) };
        // The status is all that counts; a receiver that is cut off in its answer may think that it failed.
        drop(Limited::new(response.into_body(), MAX_ANSWER).collect().await);
        Ok(posted)
    }

    /// Connects to the first address of a host that can be had. What was looked at is what is connected to.
    async fn connect(&self, host: &str, port: u16, encrypted: bool) -> Result<TcpStream, String> {
        let found = tokio::net::lookup_host((host, port)).await;
        let addresses: Vec<SocketAddr> = found.map_err(|error| format!("can't find `{host}`: {error}"))?.collect();
        let mut last = format!("`{host}` has no address");
        for address in addresses {
            self.check(address.ip(), encrypted)?;
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = format!("can't connect to {address}: {error}"),
            }
        }
        Err(last)
    }

    fn check(&self, address: IpAddr, encrypted: bool) -> Result<(), String> {
        if !encrypted && !address.to_canonical().is_loopback() {
            return Err(format!("{address} is not this machine, and the way there is not encrypted [CG3230]"));
        }
        if is_link_local(address) && !self.link_local {
            return Err(format!("{address} is link-local, where networks keep their own services [CG3234]"));
        }
        Ok(())
    }

    fn tls(&self) -> Result<TlsConnector, String> {
        if let Some(tls) = self.tls.get() {
            return Ok(tls.clone());
        }
        let tls = trusting_the_system().map_err(|error| error.to_string())?;
        Ok(self.tls.get_or_init(|| tls).clone())
    }
}

impl Outgoing for Sending {
    fn post<'a>(&'a self, post: &'a Post) -> Pin<Box<dyn Future<Output = Result<Posted, String>> + Send + 'a>> {
        Box::pin(async {
            let sent = tokio::time::timeout(PATIENCE, self.send(post)).await;
            sent.unwrap_or_else(|_| Err(format!("no answer within {} seconds", PATIENCE.as_secs())))
        })
    }
}

fn request(uri: &Uri, post: &Post) -> Result<Request<Full<Bytes>>, String> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let mut builder = Request::builder().method("POST").uri(path).header(HOST, authority);
    for (name, value) in &post.headers {
        builder = builder.header(*name, value);
    }
    let body = Full::new(Bytes::from(post.body.clone()));
    builder.body(body).map_err(|_| "its URL or its message can't be sent".to_owned())
}

/// RFC 9110 section 10.2.3, where it is a number of seconds.
fn retry_after(response: &Response<Incoming>) -> Option<u64> {
    response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use callgate_control::Secret;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn post(url: &str) -> Post {
        let headers = vec![("content-type", "application/json".to_owned()), ("webhook-id", "ev_1".to_owned())];
        Post { url: Secret::new(url.to_owned()), headers, body: b"{}".to_vec() }
    }

    /// Answers one connection, and gives what it was sent.
    async fn answering(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hush?x=1", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut got = Vec::new();
            while !got.ends_with(b"\r\n\r\n{}") {
                assert_ne!(stream.read_buf(&mut got).await.unwrap(), 0);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(got).unwrap()
        });
        (url, served)
    }

    #[tokio::test]
    async fn a_message_arrives_as_it_is_and_its_status_comes_back() {
        let sending = Sending::new(false);
        for (answer, status, retry_after) in [
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, None),
            ("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", 302, None),
            ("HTTP/1.1 429 Too Many\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n", 429, Some(30)),
            ("HTTP/1.1 503 Down\r\nretry-after: tomorrow\r\ncontent-length: 9999999\r\n\r\nx", 503, None),
        ] {
            let (url, served) = answering(answer).await;
            assert_eq!(sending.post(&post(&url)).await, Ok(Posted { status, retry_after }));
            let got = served.await.unwrap().to_lowercase();
            assert!(got.starts_with("post /hush?x=1 http/1.1\r\nhost: 127.0.0.1:"), "{got}");
            assert!(got.contains("\r\nwebhook-id: ev_1\r\n") && got.contains("\r\ncontent-length: 2\r\n"), "{got}");
        }
    }

    #[tokio::test]
    async fn where_a_message_must_not_go_it_does_not() {
        for (url, part) in [
            ("https://169.254.169.254/hush", "CG3234"),
            ("https://[fe80::1]/hush", "CG3234"),
            ("https://[::ffff:169.254.169.254]/hush", "CG3234"),
            ("http://10.0.0.1/hush", "CG3230"),
            ("http://169.254.169.254/hush", "CG3230"),
        ] {
            let why = Sending::new(false).post(&post(url)).await.unwrap_err();
            assert!(why.contains(part) && !why.contains("hush"), "{why}");
        }
        assert!(Sending::new(true).check("169.254.169.254".parse().unwrap(), true).is_ok());
    }

    #[tokio::test]
    async fn what_went_wrong_is_said_without_the_address() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let why = Sending::new(false).post(&post(&format!("http://{closed}/hush"))).await.unwrap_err();
        assert!(why.contains(&format!("can't connect to {closed}")) && !why.contains("hush"), "{why}");
        let (url, _served) = answering("SMTP?\r\n\r\n").await;
        let why = Sending::new(false).post(&post(&url)).await.unwrap_err();
        assert!(!why.is_empty() && !why.contains("hush"), "{why}");
    }
}
