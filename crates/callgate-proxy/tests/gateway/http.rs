//! The smallest client that sends any bytes.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The response: the body, or the last event of a stream.
    pub fn response(&self) -> serde_json::Value {
        if self.header("content-type") == Some("text/event-stream") {
            return self.events().pop().unwrap_or_else(|| panic!("no event: {self:?}"));
        }
        self.json()
    }

    /// The ids of the events, priming ones too.
    pub fn ids(&self) -> Vec<String> {
        self.text().lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned).collect()
    }

    /// The data of the events.
    pub fn events(&self) -> Vec<serde_json::Value> {
        let text = self.text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| !data.is_empty());
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }
}

/// Sends bytes, reads until the other side closes. Everything in it asks for `Connection: close`.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The other side may close before it has read everything that it refuses.
    let _ = stream.write_all(request).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    parse(&bytes)
}

pub fn parse(bytes: &[u8]) -> Answer {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Answer::default() };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<_> = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status, headers, body: bytes[end + 4..].to_vec() };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = dechunk(&answer.body);
    }
    answer
}

fn dechunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap().trim(), 16).unwrap();
        let start = end + 2;
        out.extend_from_slice(&bytes[start..bytes.len().min(start + size)]);
        if size == 0 || start + size + 2 > bytes.len() {
            break;
        }
        bytes = &bytes[start + size + 2..];
    }
    out
}

/// A connection whose answer is read piece by piece.
pub struct Open {
    stream: TcpStream,
    pub seen: Vec<u8>,
}

impl Open {
    pub async fn new(address: SocketAddr, request: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        Self { stream, seen: Vec::new() }
    }

    /// Reads until the answer holds this text. Panics when the answer ends without it.
    pub async fn until(&mut self, text: &str) -> String {
        loop {
            let so_far = String::from_utf8_lossy(&self.seen).into_owned();
            if so_far.contains(text) {
                return so_far;
            }
            assert!(self.more().await, "the answer ended without `{text}`: {so_far}");
        }
    }

    /// Reads what comes next. False where nothing does any more.
    pub async fn more(&mut self) -> bool {
        let mut chunk = [0; 4096];
        let count = self.stream.read(&mut chunk).await.unwrap();
        self.seen.extend_from_slice(&chunk[..count]);
        count > 0
    }

    /// Reads to the end.
    pub async fn rest(mut self) -> Answer {
        let _ = self.stream.read_to_end(&mut self.seen).await;
        parse(&self.seen)
    }
}
