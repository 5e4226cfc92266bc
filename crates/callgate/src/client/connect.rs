//! One connection to a URL's host for one request: plain, or TLS.

use super::ClientError;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Connects to one host.
pub(crate) struct Connector {
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
}

impl Connector {
    /// For the host of this URL. Certificates are read only where TLS is spoken: they take time and memory.
    pub(crate) fn new(uri: &Uri) -> Result<Self, ClientError> {
        let tls = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { host, port, tls: tls.then(trusting_the_system).transpose()? })
    }

    /// Sends one request on a connection of its own.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        let place = format!("{}:{}", self.host, self.port);
        let failed = |error: std::io::Error| ClientError::Connection(format!("can't connect to {place}: {error}"));
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(failed)?;
        let Some(tls) = &self.tls else { return exchange(stream, request).await };
        let name = ServerName::try_from(self.host.clone()).map_err(|error| failed(std::io::Error::other(error)))?;
        exchange(tls.connect(name, stream).await.map_err(failed)?, request).await
    }
}

/// Sends one request on a connection that stands, and gives the head of its answer.
pub(crate) async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| ClientError::Connection(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // Ends by itself when the answer was read or dropped; its errors reach whoever reads the answer.
    tokio::spawn(async move { drop(connection.await) });
    sender.send_request(request).await.map_err(broken)
}

/// TLS to whoever the system's certificates vouch for.
pub(crate) fn trusting_the_system() -> Result<TlsConnector, ClientError> {
    let unusable = |why: String| ClientError::Connection(format!("the system's certificates can't be used: {why}"));
    let mut roots = rustls::RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(unusable("none found; install `ca-certificates` or set SSL_CERT_FILE".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?;
    Ok(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}
