//! A stretch of wire in front of the gateway that carries a token for clients that can't be told one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, spawn};

use anyhow::{Context, Result};

use crate::PATIENCE;

/// Longest request head that is read, in bytes.
const HEAD: u64 = 1 << 20;

/// Listens on loopback and puts `Authorization: Bearer …` into every request; all else is bytes that pass as they are,
/// `Host` among them. One request per connection, so that no second head goes by unseen. Dropping it closes the
/// listener; connections end with their peers.
pub struct TokenProxy {
    /// Where it listens.
    pub address: SocketAddr,
    ended: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl TokenProxy {
    /// Starts on a free port, in front of `target`.
    pub fn start(target: SocketAddr, token: &str) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let ended = Arc::new(AtomicBool::new(false));
        let line: Arc<str> = format!("Authorization: Bearer {token}\r\nConnection: close\r\n\r\n").into();
        let seen = Arc::clone(&ended);
        let listener = spawn(move || {
            for client in listener.incoming() {
                if seen.load(Ordering::Acquire) {
                    return;
                }
                let Ok(client) = client else { continue };
                let line = Arc::clone(&line);
                spawn(move || {
                    // A peer that breaks off ends its own connection only, and sees it closed.
                    let _ = carry(client, target, &line);
                });
            }
        });
        Ok(Self { address, ended, listener: Some(listener) })
    }

    /// The URL of a path behind it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for TokenProxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        // A connection of its own wakes the listener, which then sees that it has ended.
        if TcpStream::connect(self.address).is_ok()
            && let Some(listener) = self.listener.take()
        {
            let _ = listener.join();
        }
    }
}

fn carry(client: TcpStream, target: SocketAddr, line: &str) -> Result<()> {
    client.set_nodelay(true)?;
    let mut reader = BufReader::new(client.try_clone()?);
    let Some(head) = head(&mut reader)? else { return Ok(()) };
    let mut server = TcpStream::connect_timeout(&target, PATIENCE)?;
    server.set_nodelay(true)?;
    server.write_all(&head)?;
    server.write_all(line.as_bytes())?;
    let (back_from, back_to) = (server.try_clone()?, client);
    let back = spawn(move || {
        pipe(back_from, &back_to);
        // The answer is over, and the connection with it.
        let _ = back_to.shutdown(Shutdown::Both);
    });
    pipe(reader, &server);
    let _ = server.shutdown(Shutdown::Write);
    let _ = back.join();
    Ok(())
}

/// A request's head without its empty line and without what this proxy says itself; nothing of a connection that is
/// closed unused.
fn head(reader: &mut impl BufRead) -> Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    let mut reader = reader.take(HEAD);
    loop {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line)?;
        if line.is_empty() && head.is_empty() {
            return Ok(None);
        }
        line.last().filter(|last| **last == b'\n').context("the connection ended within a head")?;
        if matches!(&*line, b"\r\n" | b"\n") {
            return Ok(Some(head));
        }
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if !name.eq_ignore_ascii_case(b"connection") && !name.eq_ignore_ascii_case(b"authorization") {
            head.extend_from_slice(&line);
        }
    }
}

/// Copies until either side is gone, each piece at once.
fn pipe(mut from: impl Read, mut to: &TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(buffer.get(..length).unwrap_or_default()).is_err() {
            return;
        }
    }
}
