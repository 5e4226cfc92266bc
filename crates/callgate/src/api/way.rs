//! How a request gets to the API: over the local socket, in this process, or over the network.

use super::Place;
use crate::client::{ClientError, Connector, exchange};
use crate::data::{Claim, DataDir};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::gateway::Standby;
use crate::socket::Address;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use callgate_control::api::Via;
use callgate_decision::remote;
use http_body_util::Full;
use hyper::header::{HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tower::ServiceExt;

/// How long a starting or ending process may hold the directory without answering.
const PATIENCE: Duration = Duration::from_secs(5);

/// For a request's head to arrive on the local socket.
const HEAD: Duration = Duration::from_secs(30);

/// The way to one gateway's API.
pub(super) enum Way {
    /// The local socket of the process that owns a data directory.
    Socket(DataDir),
    /// This process, which owns the directory for as long as this lives.
    Here(Box<Here>),
    /// A gateway elsewhere.
    Url { url: String, authority: HeaderValue, connector: Connector },
}

/// The API in this process.
pub(super) struct Here {
    router: Router,
    /// Keeps the lock.
    _standby: Option<Standby>,
}

impl Here {
    /// The API that this process serves anyway.
    pub(super) fn serving(router: Router) -> Self {
        Self { router, _standby: None }
    }
}

impl Way {
    /// Finds the way to the gateway at this place.
    pub(super) async fn find(place: Place, environment: &Environment) -> Result<Self, Failure> {
        let data = match place {
            Place::Directory(data) => data,
            Place::Url(url) => return elsewhere(url),
        };
        let begin = Instant::now();
        loop {
            match data.claim()? {
                Claim::Ours(lock) => {
                    let standby = Standby::take(data, lock, environment).await?;
                    let here = Here { router: standby.router.clone(), _standby: Some(standby) };
                    return Ok(Self::Here(Box::new(here)));
                }
                Claim::Theirs(owner) => {
                    if connect(&data).await?.is_some() {
                        return Ok(Self::Socket(data));
                    }
                    // Starting, ending, or another command: it is about to answer or to let go.
                    if begin.elapsed() > PATIENCE {
                        let pid =
                            owner.pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
                        let message = format!("{pid} holds `{}` and does not answer", data.root().display());
                        return Err(Failure::cannot_run("CG3032", message, "look at its output, or end it"));
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    /// Sends a request, and gives the head of its answer.
    pub(super) async fn exchange(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Body>, Failure> {
        match self {
            Self::Here(here) => {
                request.extensions_mut().insert(Via::LocalSocket);
                Ok(answer(here.router.clone(), request.map(Body::new)).await)
            }
            Self::Socket(data) => {
                let Some(stream) = connect(data).await? else { return Err(self.unanswered("it has just ended")) };
                request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
                let response = exchange(stream, request).await.map_err(|error| self.unanswered(&error.to_string()))?;
                Ok(response.map(Body::new))
            }
            Self::Url { authority, connector, .. } => {
                request.headers_mut().insert(HOST, authority.clone());
                let response =
                    connector.send(request).await.map_err(|error: ClientError| self.unanswered(&error.to_string()))?;
                Ok(response.map(Body::new))
            }
        }
    }

    /// The failure of a gateway that gave no answer that can be used.
    pub(super) fn unanswered(&self, why: &str) -> Failure {
        let place = match self {
            Self::Socket(data) => format!("behind `{}`", data.socket().display()),
            Self::Here(_) => "in this process".to_owned(),
            Self::Url { url, .. } => format!("at `{url}`"),
        };
        let message = format!("the gateway {place} gave no usable answer: {why}");
        let remedy = "look at the gateway's own output; restart it if it is of another version";
        Failure::cannot_run("CG3032", message, remedy)
    }
}

/// Serves the API on one connection of the local socket.
pub(crate) async fn serve_connection<S>(stream: S, router: &Router) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let router = router.clone();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Via::LocalSocket);
        async move { Ok::<_, Infallible>(to_its_end(router, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    builder.serve_connection(TokioIo::new(stream), service).await
}

/// The router's answer. The request is carried out to its end also where whoever asked goes away: a change that is
/// written has to be published, too.
pub(crate) async fn to_its_end(router: Router, request: Request<Body>) -> Response<Body> {
    tokio::spawn(answer(router, request)).await.unwrap_or_else(|_| broken())
}

/// The answer where none was made.
pub(crate) fn broken() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

async fn answer(router: Router, request: Request<Body>) -> Response<Body> {
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// A connection to the process that owns the directory; `None` where nobody listens.
async fn connect(data: &DataDir) -> Result<Option<UnixStream>, Failure> {
    let address = Address::of(data)?;
    match UnixStream::connect(address.path()).await {
        Ok(stream) => {
            let peer = remote::check_peer(&stream);
            peer.map_err(|error| Failure::cannot_run("CG3032", error.to_string(), "end that process"))?;
            Ok(Some(stream))
        }
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused) => {
            Ok(None)
        }
        Err(error) => Err(crate::socket::broken(&data.socket(), &error)),
    }
}

fn elsewhere(url: String) -> Result<Way, Failure> {
    let unusable = |why: String| {
        let message = format!("`{url}` can't be a gateway's address: {why}");
        Failure::cannot_run("CG3160", message, "for example `https://callgate.example.com`")
    };
    let uri: Uri = url.parse().map_err(|error: hyper::http::uri::InvalidUri| unusable(error.to_string()))?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let authority = HeaderValue::from_str(authority).map_err(|error| unusable(error.to_string()))?;
    let connector = Connector::new(&uri).map_err(|error| unusable(error.to_string()))?;
    Ok(Way::Url { authority, connector, url })
}
