//! The response on its way to the client: its head, then the dyno's body as it comes.
//!
//! Bytes go from the buffer that they were read into straight to the client. While a client takes less than the dyno
//! gives, up to 1 MB waits in that buffer, so that a slow client does not keep a dyno busy (ROUTE-32).

use crate::chunks::Chunks;
use crate::client::{Client, Stream};
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::head::write_hex;
use crate::line::Line;
use crate::response::Framing;
use crate::watch::Turn;
use crate::worker::Worker;
use bytes::{Buf, BytesMut};
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// ROUTE-32
const AHEAD_LIMIT_BYTES: usize = 1024 * 1024;

/// What every response may have in the buffer without asking; what is more is taken from the thread's budget.
const FREE_BYTES: usize = 64 * 1024;

/// So much of the budget is taken at a time.
const CLAIM_BYTES: usize = 128 * 1024;

/// How the body's end is known, here and at the client.
#[derive(Debug)]
enum Form {
    /// This many bytes are still to be read.
    Length(u64),
    /// Chunked; at the client, too, unless it speaks HTTP/1.0.
    Chunks(Chunks),
    /// The dyno closes; so does the router.
    Close,
    /// The dyno closes; the client gets chunks, so that it can tell an end from a break.
    Chunk,
}

/// A response that is being sent.
pub(crate) struct Download {
    worker: Rc<Worker>,
    /// `None` once the dyno is done with it.
    line: Option<Line>,
    /// What the dyno said before it was done and the client has not got.
    rest: BytesMut,
    form: Form,
    /// What goes out before the buffer: the head; chunks, where the router makes them.
    out: Vec<u8>,
    out_sent: usize,
    /// At the front of the buffer: may go out as it is.
    ready: usize,
    state: State,
    keep_alive: bool,
    /// Of the thread's budget.
    claimed: usize,
    moved: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// All of the body was read.
    Complete,
    /// The dyno broke off; what it said before still goes out.
    Broken,
}

impl Drop for Download {
    fn drop(&mut self) {
        self.worker.ahead.set(self.worker.ahead.get().saturating_sub(self.claimed));
        self.worker.buffers.give_written(std::mem::take(&mut self.out));
    }
}

impl Download {
    /// `head` is the client's; `http_1_0`: it understands no chunks.
    pub(crate) fn new(worker: &Rc<Worker>, mut line: Line, head: Vec<u8>, answer: (Framing, bool, bool)) -> Self {
        let (framing, keep_alive, http_1_0) = answer;
        let form = match framing {
            Framing::Length(length) => {
                line.expect(length);
                Form::Length(length)
            }
            Framing::Chunked => Form::Chunks(Chunks::new(!http_1_0)),
            Framing::Close if http_1_0 => Form::Close,
            Framing::Close => Form::Chunk,
        };
        Self {
            worker: Rc::clone(worker),
            line: Some(line),
            rest: BytesMut::new(),
            form,
            out: head,
            out_sent: 0,
            ready: 0,
            state: State::Reading,
            keep_alive,
            claimed: 0,
            moved: false,
        }
    }

    /// The connection to the dyno, while it is in use.
    pub(crate) fn line(&mut self) -> Option<&mut Line> {
        self.line.as_mut()
    }

    /// The connection to the dyno, and whether it may carry another request.
    pub(crate) fn into_line(mut self) -> (Option<Line>, bool) {
        (self.line.take(), self.keep_alive)
    }

    fn buffer(&mut self) -> &mut BytesMut {
        match &mut self.line {
            Some(line) => &mut line.buffer,
            None => &mut self.rest,
        }
    }

    /// Sends on; ready when the client got all there is.
    pub(crate) fn poll<S: Stream>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Client<S>,
        exchange: &mut Exchange,
    ) -> Poll<Result<(), Failure>> {
        let mut blocked = false;
        loop {
            self.understand();
            while !blocked && (self.out_sent < self.out.len() || self.ready > 0) {
                match self.poll_write(cx, client) {
                    Poll::Ready(Ok(count)) => self.sent(count, exchange),
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Failure::ClientInterrupted)),
                    Poll::Pending => blocked = true,
                }
            }
            match self.state {
                State::Complete if !blocked => return Poll::Ready(Ok(())),
                State::Broken if !blocked => return Poll::Ready(Err(Failure::ServerInterrupted)),
                State::Complete => self.release(exchange),
                State::Broken => {}
                State::Reading => {
                    if (!blocked || self.may_read_ahead()) && self.poll_read(cx).is_ready() {
                        continue;
                    }
                }
            }
            self.wait(exchange, blocked);
            return Poll::Pending;
        }
    }

    fn poll_write<S: Stream>(&mut self, cx: &mut Context<'_>, client: &mut Client<S>) -> Poll<std::io::Result<usize>> {
        let buffer = match &self.line {
            Some(line) => &line.buffer,
            None => &self.rest,
        };
        client.poll_write(cx, &self.out[self.out_sent..], &buffer[..self.ready])
    }

    fn sent(&mut self, count: usize, exchange: &mut Exchange) {
        exchange.sent(count);
        self.moved = true;
        let of_out = count.min(self.out.len() - self.out_sent);
        self.out_sent += of_out;
        if self.out_sent == self.out.len() {
            self.out.clear();
            self.out_sent = 0;
        }
        self.ready -= count - of_out;
        self.buffer().advance(count - of_out);
    }

    /// Judges what was read.
    fn understand(&mut self) {
        let (State::Reading, Some(line)) = (self.state, &mut self.line) else { return };
        let buffer = &mut line.buffer;
        let complete = match &mut self.form {
            Form::Length(left) => {
                let new = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len() - self.ready);
                self.ready += new;
                *left -= new as u64;
                *left == 0
            }
            Form::Chunks(chunks) => match chunks.read(buffer, self.ready) {
                Ok(ready) => {
                    self.ready = ready;
                    chunks.is_done()
                }
                Err(_) => {
                    self.state = State::Broken;
                    return;
                }
            },
            Form::Close => {
                self.ready = buffer.len();
                false
            }
            Form::Chunk => {
                if !buffer.is_empty() {
                    write_hex(&mut self.out, buffer.len() as u64);
                    self.out.extend_from_slice(b"\r\n");
                    self.out.extend_from_slice(buffer);
                    self.out.extend_from_slice(b"\r\n");
                    buffer.clear();
                }
                false
            }
        };
        if complete {
            self.state = State::Complete;
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(line) = &mut self.line else {
            self.state = State::Broken;
            return Poll::Ready(());
        };
        match line.poll_fill(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(1..)) => self.moved = true,
            Poll::Ready(Ok(0)) if matches!(self.form, Form::Close | Form::Chunk) => {
                if matches!(self.form, Form::Chunk) {
                    self.out.extend_from_slice(b"0\r\n\r\n");
                }
                self.state = State::Complete;
            }
            Poll::Ready(Ok(0) | Err(_)) => self.state = State::Broken,
        }
        Poll::Ready(())
    }

    /// The client is slow: is there room for more?
    fn may_read_ahead(&mut self) -> bool {
        let waiting = self.buffer().len() + self.out.len() - self.out_sent;
        if waiting < FREE_BYTES + self.claimed {
            return true;
        }
        let taken = self.worker.ahead.get() + CLAIM_BYTES;
        let more = waiting < AHEAD_LIMIT_BYTES && taken <= self.worker.limits.ahead_bytes;
        if more {
            self.worker.ahead.set(taken);
            self.claimed += CLAIM_BYTES;
        }
        more
    }

    /// The dyno is done, though the client is not.
    fn release(&mut self, exchange: &mut Exchange) {
        let Some(mut line) = self.line.take() else { return };
        self.rest = std::mem::take(&mut line.buffer);
        self.keep_alive &= self.rest.len() == self.ready;
        self.rest.truncate(self.ready);
        exchange.release(line, self.keep_alive);
    }

    /// Notes whose turn it is, and that it begins anew when something moved.
    fn wait(&mut self, exchange: &Exchange, blocked: bool) {
        let turn = if blocked { Turn::ClientRead } else { Turn::DynoBody };
        if std::mem::take(&mut self.moved) || exchange.watch().turn() != turn {
            exchange.watch().pass(turn, Instant::now());
        }
    }
}
