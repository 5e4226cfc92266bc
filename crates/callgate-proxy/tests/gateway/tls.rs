//! TLS on the listener: real handshakes, certificates that are replaced, and clients that speak something else.
//!
//! The certificates in `tls/` are self-signed and good for a hundred years. Whoever has them has nothing.

use crate::http::{Open, exchange, parse};
use crate::upstream::{Upstream, decent};
use crate::world::{Plan, TOKEN, World, http_upstream, initialize, post};
use callgate_proxy::{ServerTls, TlsError};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion, version};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway/tls").join(name)
}

/// A folder with the certificate and key of this name, under names that stay.
fn placed(folder: &Path, certificate: &str, key: &str) -> (PathBuf, PathBuf) {
    let (chain, private) = (folder.join("tls.pem"), folder.join("tls.key"));
    fs::copy(file(&format!("{certificate}.pem")), &chain).unwrap();
    fs::copy(file(&format!("{key}.key.pem")), &private).unwrap();
    (chain, private)
}

/// A connection of a client that trusts only this certificate.
async fn connect(
    world: &World,
    trusted: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file(&format!("{trusted}.pem"))).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(world.address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

async fn status(mut stream: TlsStream<TcpStream>) -> u16 {
    stream.write_all(&post(TOKEN, &[], initialize("2025-11-25").as_bytes())).await.unwrap();
    let mut bytes = Vec::new();
    // The end is said, not only there: without the close_notify this would be an error.
    stream.read_to_end(&mut bytes).await.unwrap();
    parse(&bytes).status
}

async fn world(tls: ServerTls, upstream: &Upstream) -> World {
    World::planned(http_upstream(upstream), Plan { tls: Some(tls), ..Plan::default() }).await
}

#[tokio::test]
async fn sessions_open_over_both_versions_of_tls() {
    let upstream = Upstream::new(decent).await;
    let world = world(ServerTls::open(&file("first.pem"), &file("first.key.pem")).unwrap(), &upstream).await;
    for (offered, spoken) in [(&version::TLS13, ProtocolVersion::TLSv1_3), (&version::TLS12, ProtocolVersion::TLSv1_2)]
    {
        let stream = connect(&world, "first", &[offered]).await.unwrap();
        let connection = stream.get_ref().1;
        assert_eq!(connection.protocol_version(), Some(spoken));
        assert_eq!(connection.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(status(stream).await, 200);
    }
    assert!(connect(&world, "second", &[&version::TLS13]).await.is_err(), "only its own certificate is presented");
    world.stop().await;
}

#[tokio::test]
async fn a_client_that_dawdles_or_speaks_plain_http_holds_up_nobody() {
    let upstream = Upstream::new(decent).await;
    let tls = ServerTls::open(&file("first.pem"), &file("first.key.pem")).unwrap();
    let plan = Plan {
        tls: Some(tls),
        options: callgate_proxy::Options { workers: 1, ..Plan::default().options },
        ..Plan::default()
    };
    let world = World::planned(http_upstream(&upstream), plan).await;
    let silent = TcpStream::connect(world.address).await.unwrap();
    let begun = Open::new(world.address, &[22, 3, 1]).await;
    for request in [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), post(TOKEN, &[], &[b' '; 40_000])] {
        let answer = exchange(world.address, &request).await;
        assert_eq!((answer.status, answer.text().as_str()), (400, "this port speaks TLS: use `https://`\n"));
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    }
    assert_eq!(status(connect(&world, "first", &[&version::TLS13]).await.unwrap()).await, 200);
    drop((silent, begun));
    world.stop().await;
}

#[tokio::test]
async fn a_certificate_is_replaced_while_serving_and_stays_when_the_new_one_is_no_good() {
    let upstream = Upstream::new(decent).await;
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = placed(folder.path(), "first", "first");
    let tls = ServerTls::open(&chain, &key).unwrap();
    let world = world(tls.clone(), &upstream).await;
    let before = connect(&world, "first", &[&version::TLS13]).await.unwrap();

    placed(folder.path(), "second", "first");
    assert_eq!(tls.reload().unwrap_err().code(), "CG3196");
    fs::write(&chain, "nothing").unwrap();
    assert_eq!(tls.reload().unwrap_err().code(), "CG3195");
    assert_eq!(status(connect(&world, "first", &[&version::TLS13]).await.unwrap()).await, 200);

    placed(folder.path(), "second", "second");
    tls.reload().unwrap();
    assert_eq!(status(connect(&world, "second", &[&version::TLS13]).await.unwrap()).await, 200);
    assert!(connect(&world, "first", &[&version::TLS13]).await.is_err());
    assert_eq!(status(before).await, 200, "what was open goes on");
    world.stop().await;
}

#[test]
fn what_can_not_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = placed(folder.path(), "first", "second");
    let none = folder.path().join("none.pem");
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let ways = [
        (&none, &key, "CG3195", "can't read `", &none),
        (&chain, &none, "CG3195", "can't read `", &none),
        (&empty, &key, "CG3195", "holds no certificate", &empty),
        (&key, &key, "CG3195", "holds no certificate", &key),
        (&chain, &empty, "CG3195", "holds no private key", &empty),
        (&chain, &chain, "CG3195", "holds no private key", &chain),
        (&chain, &key, "CG3196", "can't be used with the certificate", &key),
    ];
    for (chain, key, code, text, named) in ways {
        let error: TlsError = ServerTls::open(chain, key).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(text), "{error}");
        assert!(error.to_string().contains(&named.display().to_string()), "{error}");
    }
}
