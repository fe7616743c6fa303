//! A connection to a dyno: one request after the other goes out, its response comes back.

use crate::buffers::{Buffers, READ_BYTES};
use crate::client;
use crate::date::Date;
use crate::failure::Failure;
use crate::response::{self, Answer, Asked, HEAD_LIMIT_BYTES, SWITCHING_PROTOCOLS};
use bytes::{Buf, BytesMut};
use model::world::World;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;

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

/// What a response is read with.
pub(crate) struct Reader<'a> {
    pub(crate) buffers: &'a Buffers,
    pub(crate) date: &'a Date,
    pub(crate) world: &'a dyn World,
    pub(crate) asked: Asked,
}

/// A connection to a dyno.
#[derive(Debug)]
pub(crate) struct Line {
    stream: TcpStream,
    pub(crate) buffer: BytesMut,
    read_bytes: usize,
    scanned: usize,
    interim: usize,
    used_at: Instant,
    uses: u32,
    /// A request did not get out whole: no other one can follow it.
    spoiled: bool,
}

impl Line {
    pub(crate) fn new(stream: TcpStream, now: Instant) -> Self {
        // Only speed is lost if the kernel refuses.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            buffer: BytesMut::new(),
            read_bytes: READ_BYTES,
            scanned: 0,
            interim: 0,
            used_at: now,
            uses: 0,
            spoiled: false,
        }
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
        matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// No other request may go out on it.
    pub(crate) fn spoil(&mut self) {
        self.spoiled = true;
    }

    /// Between two requests. `false`: there can be no other one.
    pub(crate) fn rest(&mut self, now: Instant) -> bool {
        self.used_at = now;
        self.uses = self.uses.saturating_add(1);
        (self.scanned, self.interim) = (0, 0);
        if self.read_bytes > READ_BYTES || self.buffer.capacity() > READ_BYTES {
            // Idle connections keep no big buffers.
            self.read_bytes = READ_BYTES;
            if self.buffer.is_empty() {
                self.buffer = BytesMut::new();
            }
        }
        !self.spoiled && self.buffer.is_empty()
    }

    /// Writes what it can of two pieces with one call.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        client::poll_write(Pin::new(&mut self.stream), cx, first, second)
    }

    /// For another protocol.
    pub(crate) fn stream(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.stream)
    }

    /// So many bytes of a body are to come: they are read in pieces that fit.
    pub(crate) fn expect(&mut self, length: u64) {
        let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(READ_LIMIT_BYTES);
        self.read_bytes = self.read_bytes.max(wanted);
    }

    /// More of the response into the buffer; 0: the dyno closed.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let room = self.buffer.capacity() - self.buffer.len();
        if room < READ_BYTES / 2 || (self.buffer.is_empty() && room < self.read_bytes / 2) {
            self.buffer.reserve(self.read_bytes);
        }
        let room = self.buffer.capacity() - self.buffer.len();
        let read = ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.buffer))?;
        if read == room {
            self.read_bytes = (self.read_bytes * 2).min(READ_LIMIT_BYTES);
        }
        Poll::Ready(Ok(read))
    }

    /// The response's head.
    pub(crate) fn poll_answer(&mut self, cx: &mut Context<'_>, reader: &Reader<'_>) -> Poll<Result<Answer, NoAnswer>> {
        loop {
            if let Some(length) = response::find_head(&self.buffer, &mut self.scanned) {
                let out = reader.buffers.take_written();
                let date = || reader.date.text(reader.world.now());
                let answer = response::read(&self.buffer[..length], out, reader.asked, date);
                self.buffer.advance(length);
                let answer = answer.map_err(NoAnswer::Bad)?;
                if answer.status >= 200 || answer.status == SWITCHING_PROTOCOLS {
                    return Poll::Ready(Ok(answer));
                }
                reader.buffers.give_written(answer.head);
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
}
