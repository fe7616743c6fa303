//! A client's connection: what was read of it and is not used yet, and what goes out to it.

use crate::buffers::{Buffers, READ_BYTES};
use crate::request::{Found, Scan};
use crate::watch::{Turn, Watch};
use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;

/// What is read at once of a big body: less of it costs more CPU.
const READ_LIMIT_BYTES: usize = 256 * 1024;

/// Of requests that a client sends before the answer to the one before.
const PIPELINED_LIMIT_BYTES: usize = 2 * READ_BYTES;

/// After the last answer: how long to take what the client still sends. Closed at once, the kernel would answer it with
/// a reset, and the client might never see the response (RFC 9112 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// More than this is not taken while lingering.
const LINGER_LIMIT_BYTES: usize = 1024 * 1024;

/// Any stream of bytes both ways: TCP now.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// What a client did next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// A request's head; so many bytes at the front of the buffer.
    Head(usize),
    /// Something else; what there is of it is in the buffer.
    Nonsense,
    /// Nothing: it closed, or it is to be closed.
    Nothing,
}

/// A client's connection.
pub(crate) struct Client<S> {
    stream: S,
    pub(crate) buffer: BytesMut,
    read_bytes: usize,
    scan: Scan,
}

impl<S: Stream> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: BytesMut::new(), read_bytes: READ_BYTES, scan: Scan::default() }
    }

    /// More into the buffer; 0: the client closed.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, buffers: &Buffers) -> Poll<io::Result<usize>> {
        if self.buffer.capacity() == 0 {
            self.buffer = buffers.take_read();
        }
        if self.buffer.capacity() - self.buffer.len() < READ_BYTES / 2 {
            self.buffer.reserve(self.read_bytes);
        }
        let room = self.buffer.capacity() - self.buffer.len();
        let read = ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.buffer))?;
        if read == room {
            self.read_bytes = (self.read_bytes * 2).min(READ_LIMIT_BYTES);
        }
        Poll::Ready(Ok(read))
    }

    /// The next request's head. A connection that waits for one keeps no buffer.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>, buffers: &Buffers, watch: &Watch) -> Poll<Came> {
        loop {
            // RFC 9112 2.2: an empty line before a request is passed over.
            while self.buffer.starts_with(b"\r\n") {
                bytes::Buf::advance(&mut self.buffer, 2);
                self.scan = Scan::default();
            }
            if !self.buffer.is_empty() {
                match self.scan.look(&self.buffer) {
                    Found::Head(length) => {
                        self.scan = Scan::default();
                        return Poll::Ready(Came::Head(length));
                    }
                    Found::Nonsense => return Poll::Ready(Came::Nonsense),
                    Found::More => {}
                }
            }
            match self.poll_fill(cx, buffers) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Came::Nothing),
                Poll::Pending if self.buffer.is_empty() => {
                    self.read_bytes = READ_BYTES;
                    buffers.give_read(std::mem::take(&mut self.buffer));
                    return if watch.is_closing() { Poll::Ready(Came::Nothing) } else { Poll::Pending };
                }
                Poll::Pending => {
                    if watch.turn() == Turn::Idle {
                        watch.pass(Turn::ClientHead, Instant::now());
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Resolves when the client closed. What it sends meanwhile is for the next request.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>, buffers: &Buffers) -> Poll<()> {
        while self.buffer.len() < PIPELINED_LIMIT_BYTES {
            match ready!(self.poll_fill(cx, buffers)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    /// Writes what it can of two pieces with one call.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        poll_write(Pin::new(&mut self.stream), cx, first, second)
    }

    pub(crate) async fn write_all(&mut self, text: &[u8]) -> io::Result<()> {
        self.stream.write_all(text).await
    }

    /// Says that nothing more comes, and takes what the client still sends, within limits.
    pub(crate) async fn linger(&mut self, buffers: &Buffers) {
        // It may be gone already.
        let _ = self.stream.shutdown().await;
        let mut taken = 0;
        let gone = std::future::poll_fn(|cx| {
            while taken < LINGER_LIMIT_BYTES {
                self.buffer.clear();
                match ready!(self.poll_fill(cx, buffers)) {
                    Ok(count @ 1..) => taken += count,
                    Ok(0) | Err(_) => break,
                }
            }
            Poll::Ready(())
        });
        let _ = tokio::time::timeout(LINGER, gone).await;
    }

    pub(crate) fn stream(&mut self) -> Pin<&mut S> {
        Pin::new(&mut self.stream)
    }
}

/// Writes what it can of two pieces with one call.
pub(crate) fn poll_write(
    to: Pin<&mut impl AsyncWrite>,
    cx: &mut Context<'_>,
    first: &[u8],
    second: &[u8],
) -> Poll<io::Result<usize>> {
    let written = ready!(match (first, second) {
        (one, []) | ([], one) => to.poll_write(cx, one),
        (first, second) => to.poll_write_vectored(cx, &[IoSlice::new(first), IoSlice::new(second)]),
    })?;
    if written == 0 { Poll::Ready(Err(io::ErrorKind::WriteZero.into())) } else { Poll::Ready(Ok(written)) }
}
