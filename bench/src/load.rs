//! The client side: a fixed number of connections, each sending the next call when the last was answered.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use testkit::{Connection, Response};

/// Where the calls go and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    pub(crate) token: String,
}

/// Which protocol revision the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2025-11-25: `initialize` and a session.
    Legacy,
    /// 2026-07-28: everything in the request.
    Modern,
}

/// What one burst of calls took, as the client saw it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Vec<Duration>,
}

const LEGACY: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"exec_command","arguments":{"command":"ls","args":["-la","/srv"]}}}"#;
const MODERN: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"exec_command","arguments":{"command":"ls","args":["-la","/srv"]},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1.0.0"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// The bytes of one call to a target, with the session opened where the era has one.
pub(crate) fn prepare(target: &Target, era: Era) -> Result<Vec<u8>> {
    let mut headers = vec![
        ("host".to_owned(), target.address.to_string()),
        ("authorization".to_owned(), format!("Bearer {}", target.token)),
        ("content-type".to_owned(), "application/json".to_owned()),
        ("accept".to_owned(), "application/json, text/event-stream".to_owned()),
    ];
    let mut connection = Connection::open(target.address)?;
    let mut post = |headers: &[(String, String)], body: &str| -> Result<Response> {
        connection.send(&bytes(&target.path, headers, body))?;
        connection.response()
    };
    let body = match era {
        Era::Legacy => {
            let opened = post(&headers, INITIALIZE)?;
            if opened.status != 200 {
                bail!("initialize: {} {}", opened.status, opened.text());
            }
            headers.push(("mcp-protocol-version".to_owned(), "2025-11-25".to_owned()));
            if let Some(id) = opened.header("mcp-session-id") {
                headers.push(("mcp-session-id".to_owned(), id.to_owned()));
            }
            post(&headers, INITIALIZED)?;
            LEGACY
        }
        Era::Modern => {
            headers.push(("mcp-protocol-version".to_owned(), "2026-07-28".to_owned()));
            headers.push(("mcp-method".to_owned(), "tools/call".to_owned()));
            headers.push(("mcp-name".to_owned(), "exec_command".to_owned()));
            MODERN
        }
    };
    let answer = post(&headers, body)?;
    if answer.status != 200 || !answer.text().contains("total 0") {
        bail!("the first call was not let through: {} {}", answer.status, answer.text());
    }
    Ok(bytes(&target.path, &headers, body))
}

/// Sends `calls` calls over `connections` connections; every answer has to be the upstream's.
pub(crate) fn burst(target: &Target, call: &[u8], calls: usize, connections: usize) -> Result<Seen> {
    let start = Instant::now();
    let each = calls / connections;
    let results: Vec<Result<Vec<Duration>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(|| one(target.address, call, each))).collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|result| result.unwrap_or_else(|_| bail!("a client thread panicked"))).collect()
    });
    let mut seen = Seen { elapsed: start.elapsed(), latencies: Vec::with_capacity(calls) };
    for result in results {
        seen.latencies.extend(result?);
    }
    seen.latencies.sort_unstable();
    Ok(seen)
}

impl Seen {
    /// The latency that this share of the calls stayed within.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * share).round() as usize;
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

fn bytes(path: &str, headers: &[(String, String)], body: &str) -> Vec<u8> {
    let mut text = format!("POST {path} HTTP/1.1\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

fn one(address: SocketAddr, call: &[u8], calls: usize) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(testkit::PATIENCE))?;
    let mut buffer = vec![0; 16 * 1024];
    let mut latencies = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        stream.write_all(call)?;
        let read = answer(&mut stream, &mut buffer)?;
        latencies.push(start.elapsed());
        let text = buffer.get(..read).unwrap_or_default();
        let is_fine = text.starts_with(b"HTTP/1.1 200") && text.windows(7).any(|window| window == b"total 0");
        if !is_fine {
            bail!("a call was not let through: {}", String::from_utf8_lossy(text));
        }
    }
    Ok(latencies)
}

/// Reads one answer to its end and returns its length; the buffer is large enough for what the upstream says.
fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    loop {
        let read = stream.read(buffer.get_mut(filled..).context("an answer too large")?)?;
        if read == 0 {
            bail!("the connection ended within an answer");
        }
        filled += read;
        let text = buffer.get(..filled).unwrap_or_default();
        let Some(head) = text.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let is_whole = match content_length(text.get(..head).unwrap_or_default()) {
            Some(length) => filled >= head + 4 + length,
            None => text.ends_with(b"0\r\n\r\n"),
        };
        if is_whole {
            return Ok(filled);
        }
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    let line =
        head.lines().find(|line| line.get(..15).is_some_and(|name| name.eq_ignore_ascii_case("content-length:")));
    line?.split_once(':')?.1.trim().parse().ok()
}
