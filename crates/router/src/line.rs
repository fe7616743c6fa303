//! A connection to a dyno: one request after the other goes out, its response comes back.

use crate::failure::Failure;
use crate::response::{self, Answer, HEAD_LIMIT_BYTES};
use crate::upload::{Uploaded, Uploading};
use bytes::BytesMut;
use hyper::header::HeaderMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;

/// What is read at once at first; most responses fit.
const READ_BYTES: usize = 8 * 1024;

/// What is read at once when a response keeps filling what was read before: less of it costs more CPU on big bodies.
const READ_LIMIT_BYTES: usize = 256 * 1024;

/// Responses that only announce the real one; more of them are an attack.
const INTERIM_LIMIT: usize = 16;

/// Why a dyno did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// It closed the connection before a byte of the response.
    Closed,
    /// It said something that is no response, or broke off in its head.
    Bad(Failure),
}

/// A connection to a dyno.
#[derive(Debug)]
pub(crate) struct Line {
    from: OwnedReadHalf,
    /// `None` while a body that outlives its own response is still on its way.
    to: Option<OwnedWriteHalf>,
    pub(crate) buffer: BytesMut,
    read_bytes: usize,
    scanned: usize,
    interim: usize,
    used_at: Instant,
    uses: u32,
}

impl Line {
    pub(crate) fn new(stream: TcpStream, now: Instant) -> Self {
        // Only speed is lost if the kernel refuses.
        let _ = stream.set_nodelay(true);
        let (from, to) = stream.into_split();
        let buffer = BytesMut::new();
        Self { from, to: Some(to), buffer, read_bytes: READ_BYTES, scanned: 0, interim: 0, used_at: now, uses: 0 }
    }

    /// It carried a request before: the dyno may be closing it at this moment.
    pub(crate) fn is_reused(&self) -> bool {
        self.uses > 0
    }

    pub(crate) fn used_at(&self) -> Instant {
        self.used_at
    }

    /// Is it still fit for a request? No system call unless the kernel reported something.
    pub(crate) fn is_open(&self) -> bool {
        // Bytes that nobody asked for are no better than an end.
        matches!(self.from.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Between two requests. `false`: there can be no other one.
    pub(crate) fn rest(&mut self, now: Instant) -> bool {
        self.used_at = now;
        self.uses = self.uses.saturating_add(1);
        (self.scanned, self.interim) = (0, 0);
        if self.read_bytes > READ_BYTES {
            // Idle connections keep no big buffers.
            self.read_bytes = READ_BYTES;
            self.buffer = BytesMut::new();
        }
        self.to.is_some() && self.buffer.is_empty()
    }

    /// Sends a request's head.
    pub(crate) async fn send(&mut self, head: &[u8]) -> io::Result<()> {
        match &mut self.to {
            Some(to) => to.write_all(head).await,
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// The writing side, for a body.
    pub(crate) fn lend_writer(&mut self) -> Option<OwnedWriteHalf> {
        self.to.take()
    }

    /// Both sides and what was read already, for another protocol.
    pub(crate) fn into_parts(self) -> Option<(OwnedReadHalf, OwnedWriteHalf, BytesMut)> {
        self.to.map(|to| (self.from, to, self.buffer))
    }

    /// More of the response into the buffer; 0: the dyno closed.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.capacity() - self.buffer.len() < READ_BYTES.min(self.read_bytes) / 2 {
            self.buffer.reserve(self.read_bytes);
        }
        let room = self.buffer.capacity() - self.buffer.len();
        let read = ready!(poll_read_buf(Pin::new(&mut self.from), cx, &mut self.buffer))?;
        if read == room {
            self.read_bytes = (self.read_bytes * 2).min(READ_LIMIT_BYTES);
        }
        Poll::Ready(Ok(read))
    }

    /// The response's head. `headers` is an empty map whose room is used again.
    pub(crate) fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        headers: &mut HeaderMap,
        bodyless: bool,
    ) -> Poll<Result<Answer, NoAnswer>> {
        loop {
            if let Some(head) = response::take_head(&mut self.buffer, &mut self.scanned) {
                let answer = response::read(&head, std::mem::take(headers), bodyless).map_err(NoAnswer::Bad)?;
                let status = answer.response.status().as_u16();
                if !(100..200).contains(&status) || status == 101 {
                    return Poll::Ready(Ok(answer));
                }
                self.interim += 1;
                if self.interim > INTERIM_LIMIT {
                    return Poll::Ready(Err(NoAnswer::Bad(Failure::PoorlyFormattedResponse)));
                }
                continue;
            }
            if self.buffer.len() > HEAD_LIMIT_BYTES {
                return Poll::Ready(Err(NoAnswer::Bad(Failure::ResponseRestriction(
                    "HTTP restriction: oversized header",
                ))));
            }
            match ready!(self.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) if self.buffer.is_empty() && self.interim == 0 => {
                    return Poll::Ready(Err(NoAnswer::Closed));
                }
                Ok(0) | Err(_) => return Poll::Ready(Err(NoAnswer::Bad(Failure::PoorlyFormattedResponse))),
            }
        }
    }

    /// The response's head.
    pub(crate) async fn answer(&mut self, headers: &mut HeaderMap, bodyless: bool) -> Result<Answer, NoAnswer> {
        std::future::poll_fn(|cx| self.poll_answer(cx, headers, bodyless)).await
    }

    /// The response's head, while `uploading` sends the request's body. It becomes `None` when it is over; what is
    /// left of it had no time before the response.
    pub(crate) async fn answer_to_body(
        &mut self,
        headers: &mut HeaderMap,
        bodyless: bool,
        uploading: &mut Option<Uploading>,
    ) -> Result<Answer, NoAnswer> {
        std::future::poll_fn(|cx| {
            if let Some(upload) = uploading
                && let Poll::Ready(uploaded) = upload.as_mut().poll(cx)
            {
                *uploading = None;
                match uploaded {
                    Uploaded::All(to) => self.to = Some(to),
                    // The writing side is given up: no further request goes out on this connection.
                    Uploaded::NotTaken => {}
                    Uploaded::Broken(failure) => return Poll::Ready(Err(NoAnswer::Bad(failure))),
                }
            }
            self.poll_answer(cx, headers, bodyless)
        })
        .await
    }
}
