//! The fixture over stdio: one message per line.

use crate::call::Call;
use crate::exchange::Exchange;
use crate::fixture::Fixture;
use crate::outlet::{Framing, Outlet, Piece};
use crate::peer::Peer;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

/// Serves standard input and output until the input ends.
pub async fn serve_stdio(fixture: Fixture) -> io::Result<()> {
    serve_lines(fixture, tokio::io::stdin(), tokio::io::stdout()).await
}

/// Serves lines until the input ends and every request is answered that needs nothing more from the client.
pub async fn serve_lines(
    fixture: Fixture,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let (outlet, pieces) = Outlet::new(Framing::Lines, false);
    let outlet = Arc::new(outlet);
    let peer = Arc::new(Peer::new("stdio".into(), Arc::clone(&outlet)));
    fixture.listeners().add_peer(&peer);
    let is_stubborn = fixture.clone();
    let reading = read(fixture, &peer, input);
    let writing = write(pieces, output);
    tokio::pin!(reading, writing);
    // A connection that breaks ends everything, whether there is more to read or not.
    let served = tokio::select! {
        read = &mut reading => {
            outlet.end();
            read.and(writing.await)
        }
        written = &mut writing => written,
    };
    if is_stubborn.is_stubborn() {
        std::future::pending::<()>().await;
    }
    served
}

/// Writes until the outlet ends.
async fn write(mut pieces: UnboundedReceiver<Piece>, mut output: impl AsyncWrite + Unpin) -> io::Result<()> {
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Bytes(bytes, taken) => {
                output.write_all(&bytes).await?;
                drop(taken);
            }
            Piece::Whole(_, bytes) => output.write_all(&bytes).await?,
            Piece::Head(_) => {}
            Piece::Abort => return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "it was told to die")),
        }
        output.flush().await?;
    }
    Ok(())
}

async fn read(fixture: Fixture, peer: &Arc<Peer>, input: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut running = JoinSet::new();
    let mut lines = BufReader::new(input).split(b'\n');
    while let Some(line) = lines.next_segment().await? {
        take(&fixture, peer, line.trim_ascii(), &mut running)?;
        while running.try_join_next().is_some() {}
    }
    fixture.log().event("input_ended", &Value::Null, None, "stdio");
    peer.close();
    while running.join_next().await.is_some() {}
    Ok(())
}

/// Takes one line.
fn take(fixture: &Fixture, peer: &Arc<Peer>, line: &[u8], running: &mut JoinSet<()>) -> io::Result<()> {
    if line.is_empty() {
        return Ok(());
    }
    fixture.log().note("stdio", None, line)?;
    let call = match serde_json::from_slice(line) {
        Ok(message) => Call::new(message),
        Err(error) => {
            let error = json!({"jsonrpc": "2.0", "error": {"code": -32700, "message": error.to_string()}});
            peer.standalone.send(&error.to_string());
            return Ok(());
        }
    };
    if let Some(call) = fixture.take(peer, call) {
        let exchange = Exchange::new(fixture, peer, Arc::clone(&peer.standalone), call, false);
        let request = fixture.spawn(exchange);
        // A request that was cancelled has ended, too.
        running.spawn(async move { drop(request.task.await) });
    }
    Ok(())
}
