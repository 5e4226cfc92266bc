//! TLS on the listener: the certificate and its key, replaced while serving, and the handshake of a connection.

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// For a handshake, from the accept on.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The first byte of every TLS connection: a record with a part of the handshake (RFC 8446, section 5.1).
const HANDSHAKE_RECORD: u8 = 22;
/// Of what a client sends that speaks plain HTTP, so much is read before the connection closes, in bytes.
const DISCARDED: u64 = 64 << 10;
/// The answer to it.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 37\r\n\r\nthis port speaks TLS: use `https://`
";

/// The certificate of the listener. Cheap to clone; all clones see what is read again.
#[derive(Clone)]
pub struct ServerTls {
    chain: PathBuf,
    key: PathBuf,
    current: Arc<watch::Sender<Arc<ServerConfig>>>,
}

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("can't read `{}`: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("`{}` holds no {wanted} in PEM: {why}", .path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Certificate and key can't be used together.
    #[error("the key in `{}` can't be used with the certificate in `{}`: {why}", .key.display(), .chain.display())]
    Mismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        chain: PathBuf,
        /// Why not.
        why: rustls::Error,
    },
}

impl TlsError {
    /// The code that explains it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } | Self::NotPem { .. } => "CG3195",
            Self::Mismatch { .. } => "CG3196",
        }
    }
}

impl ServerTls {
    /// Reads two PEM files: the chain, with the server's own certificate first, and its private key (PKCS #8, PKCS #1
    /// or SEC 1, not encrypted).
    pub fn open(chain: &Path, key: &Path) -> Result<Self, TlsError> {
        let config = read(chain, key)?;
        Ok(Self { chain: chain.to_owned(), key: key.to_owned(), current: Arc::new(watch::Sender::new(config)) })
    }

    /// Reads both files again, for the connections that come from now on. What can't be used leaves the certificate
    /// that is there in force.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.send_replace(read(&self.chain, &self.key)?);
        Ok(())
    }

    /// The handshake of a fresh connection; `None` where the client speaks plain HTTP, and was told.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<Option<TlsStream<TcpStream>>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.current.borrow()));
        let handshake = async {
            let mut first = [0];
            match stream.peek(&mut first).await? {
                0 => Ok(None),
                _ if first == [HANDSHAKE_RECORD] => acceptor.accept(stream).await.map(Some),
                _ => turn_away(stream).await.map(|()| None),
            }
        };
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long");
        tokio::time::timeout(HANDSHAKE, handshake).await.map_err(late)?
    }
}

/// Tells a client in its own words, and reads what it sent: a connection that closes on unread bytes takes the answer
/// with it.
async fn turn_away(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(PLAIN).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(DISCARDED), &mut tokio::io::sink()).await?;
    Ok(())
}

fn read(chain: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let text =
        |path: &Path| std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source });
    let no = |path: &Path, wanted, why: String| TlsError::NotPem { path: path.to_owned(), wanted, why };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text(chain)?).collect();
    let certificates = certificates.map_err(|error| no(chain, "certificate", error.to_string()))?;
    if certificates.is_empty() {
        return Err(no(chain, "certificate", "there is none in it".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_slice(&text(key)?);
    let private = private.map_err(|error| no(key, "private key", error.to_string()))?;
    let mismatch = |why| TlsError::Mismatch { key: key.to_owned(), chain: chain.to_owned(), why };
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(mismatch)?
        .with_no_client_auth()
        .with_single_cert(certificates, private)
        .map_err(mismatch)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerTls({})", self.chain.display())
    }
}
