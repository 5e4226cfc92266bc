//! Messages in and out, one line each: on standard streams, for the stdio front and the bridge, and from and to
//! whatever else carries them.

use bytes::Bytes;
use callgate_mcp::{LineReader, LineTooLong, one_line};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Lines that wait to be written. Whoever has more to say waits.
const QUEUE: usize = 64;
const CHUNK: usize = 16 << 10;

/// Where messages to the client go: one line each.
#[derive(Clone, Debug)]
pub(crate) struct Lines(mpsc::Sender<Vec<u8>>);

/// The lines of a client.
pub(crate) struct Input<R> {
    from: R,
    reader: LineReader,
    chunk: Vec<u8>,
}

/// Where the messages of a client come from.
pub(crate) trait Hear {
    /// The next message; `None` where no more come. May be dropped while it waits, and called again.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, InputError>> + Send;
}

/// Why no more lines come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    TooLong(#[from] LineTooLong),
}

impl Lines {
    /// Writes to `output` until the last sender is dropped, or the reader has gone.
    pub(crate) fn to<W: AsyncWrite + Unpin + Send + 'static>(mut output: W) -> (Self, JoinHandle<io::Result<()>>) {
        let (sender, mut lines) = mpsc::channel::<Vec<u8>>(QUEUE);
        let writer = tokio::spawn(async move {
            while let Some(mut line) = lines.recv().await {
                line.push(b'\n');
                output.write_all(&line).await?;
                output.flush().await?;
            }
            output.shutdown().await
        });
        (Self(sender), writer)
    }

    /// Gives the messages to whoever holds the other end.
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Vec<u8>>) {
        let (sender, lines) = mpsc::channel(QUEUE);
        (Self(sender), lines)
    }

    /// Writes a message as one line. False where nobody reads any more.
    pub(crate) async fn write(&self, message: &[u8]) -> bool {
        self.0.send(one_line(message).into_owned()).await.is_ok()
    }

    /// Waits until nobody reads any more.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }
}

impl<R> Input<R> {
    pub(crate) fn new(from: R, max_line: usize) -> Self {
        Self { from, reader: LineReader::new(max_line), chunk: vec![0; CHUNK] }
    }
}

impl<R: AsyncRead + Unpin + Send> Hear for Input<R> {
    async fn next(&mut self) -> Result<Option<Bytes>, InputError> {
        loop {
            if let Some(line) = self.reader.next_line()? {
                return Ok(Some(line));
            }
            let count = self.from.read(&mut self.chunk).await?;
            if count == 0 {
                return Ok(None);
            }
            self.reader.push(self.chunk.get(..count).unwrap_or_default());
        }
    }
}
