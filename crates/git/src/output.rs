//! What a git process prints, carried to a reader that may be slow, gone, or back only for the end.

use bytes::{Buf, Bytes, BytesMut};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::sync::mpsc;

/// Read from git at once: a full pipe.
const CHUNK_BYTES: usize = 64 * 1024;

/// Chunks that wait for the reader. With [`CHUNK_BYTES`]: 256 KiB for each running request at most.
const CHUNKS_WAITING: usize = 4;

/// A client that takes nothing for so long is treated as gone, so that it cannot hold up its own build.
const READER_STALL_LIMIT: Duration = Duration::from_secs(60);

/// Kept of what git prints to stderr, for the error message.
const COMPLAINT_LIMIT_BYTES: usize = 4 * 1024;

/// Bytes from git as they come. An error is reported instead of an early end.
#[derive(Debug)]
pub struct Output {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

/// The writing end of an [`Output`].
pub(crate) struct Sender(mpsc::Sender<io::Result<Bytes>>);

/// A bounded way from a git process to its reader.
pub(crate) fn channel() -> (Sender, Output) {
    let (sender, chunks) = mpsc::channel(CHUNKS_WAITING);
    (Sender(sender), Output { chunks, rest: Bytes::new() })
}

impl Output {
    /// Puts bytes in front of the rest.
    pub(crate) fn prefixed(mut self, head: &'static [u8]) -> Self {
        self.rest = Bytes::from_static(head);
        self
    }

    /// The next bytes, `None` at the end. For bodies that take chunks: saves the copy that reading makes.
    ///
    /// # Errors
    /// When git failed; nothing follows.
    pub async fn chunk(&mut self) -> Option<io::Result<Bytes>> {
        if self.rest.has_remaining() {
            return Some(Ok(std::mem::take(&mut self.rest)));
        }
        self.chunks.recv().await
    }
}

impl AsyncRead for Output {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.chunks.poll_recv(cx)) {
                Some(chunk) => self.rest = chunk?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let len = into.remaining().min(self.rest.len());
        into.put_slice(&self.rest[..len]);
        self.rest.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl Sender {
    /// One chunk; `false` when the reader is gone.
    pub(crate) async fn send(&self, chunk: Bytes) -> bool {
        self.0.send(Ok(chunk)).await.is_ok()
    }

    /// Ends the output with an error.
    pub(crate) async fn fail(&self, message: String) {
        // A reader that is gone needs no error.
        let _gone = self.0.send(Err(io::Error::other(message))).await;
    }

    /// Everything from `stdout`; `false` when the reader went away first. Then `stdout` is closed, which ends git.
    pub(crate) async fn carry(&self, mut stdout: impl AsyncRead + Unpin) -> bool {
        while let Some(chunk) = read_chunk(&mut stdout).await {
            if !self.send(chunk).await {
                return false;
            }
        }
        true
    }

    /// Everything from `stdout` to its end, whether or not somebody reads it.
    /// Gives the sender back when there still is a reader: the output ends when it is dropped.
    pub(crate) async fn carry_on(self, mut stdout: impl AsyncRead + Unpin) -> Option<Self> {
        let mut reader = Some(self);
        while let Some(chunk) = read_chunk(&mut stdout).await {
            if let Some(sender) = &reader
                && !matches!(tokio::time::timeout(READER_STALL_LIMIT, sender.send(chunk)).await, Ok(true))
            {
                reader = None;
            }
        }
        reader
    }
}

/// `None` at the end; an error of a pipe is an end too.
async fn read_chunk(from: &mut (impl AsyncRead + Unpin)) -> Option<Bytes> {
    let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
    match from.read_buf(&mut chunk).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(chunk.freeze()),
    }
}

/// Appends at most `limit` bytes.
pub(crate) async fn read_limited(from: impl AsyncRead + Unpin, limit: usize, into: &mut Vec<u8>) -> io::Result<()> {
    from.take(limit as u64).read_to_end(into).await.map(drop)
}

/// What was said on stderr, cut to [`COMPLAINT_LIMIT_BYTES`]; reads to the end, so that git never waits for us.
pub(crate) async fn complaint(stderr: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stderr) = stderr else { return String::new() };
    let mut said = Vec::new();
    while let Some(chunk) = read_chunk(&mut stderr).await {
        let room = COMPLAINT_LIMIT_BYTES - said.len();
        said.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    String::from_utf8_lossy(&said).trim().to_owned()
}
