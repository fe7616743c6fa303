//! The request on its way to the dyno: its head, then its body as it comes.

use crate::buffers::Buffers;
use crate::chunks::{Chunks, Malformed};
use crate::client::{Client, Stream};
use crate::failure::Failure;
use crate::line::Line;
use crate::request::Length;
use crate::watch::{Turn, Watch};
use bytes::{Buf, BytesMut};
use std::task::{Context, Poll, ready};
use tokio::time::Instant;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A body that nobody wants is taken up to this, so that the connection can be kept.
const UNWANTED_LIMIT_BYTES: u64 = 1024 * 1024;

/// How the sending went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Uploaded {
    /// All of it is out.
    All,
    /// Not even the head got out whole, so no app can have acted on it. The body is untouched.
    NoHead,
    /// The dyno does not take it any more. It may have answered all the same.
    NotTaken,
    /// The client broke it off or broke the rules.
    Broken(Failure),
}

/// How much of a body is still to come.
#[derive(Debug)]
enum Form {
    Length(u64),
    Chunks(Chunks),
}

/// A request that is being sent.
#[derive(Debug)]
pub(crate) struct Upload {
    form: Form,
    /// At the front of the client's buffer: may go out as it is.
    ready: usize,
    head_sent: usize,
    /// Bytes of `100 Continue` that the client has not got; 0: it waits for none, or has it.
    continue_left: usize,
    /// It was told to go on.
    continued: bool,
    /// Nothing more goes to the dyno.
    over: bool,
    all: bool,
    /// Some of the body moved since the watch was last told.
    moved: bool,
}

impl Upload {
    pub(crate) fn new(length: Length, expects: bool) -> Self {
        let form = match length {
            Length::Bytes(length) => Form::Length(length),
            Length::Chunked => Form::Chunks(Chunks::new(true)),
        };
        Self {
            form,
            ready: 0,
            head_sent: 0,
            continue_left: if expects { CONTINUE.len() } else { 0 },
            continued: false,
            over: false,
            all: false,
            moved: false,
        }
    }

    /// There is, or was, nothing but a head.
    pub(crate) fn is_bodyless(&self) -> bool {
        self.ready == 0 && matches!(self.form, Form::Length(0))
    }

    /// Nothing more goes to the dyno.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// The dyno got all of it.
    pub(crate) fn is_all(&self) -> bool {
        self.all
    }

    /// The dyno gets no more of it.
    pub(crate) fn give_up(&mut self) {
        self.over = true;
    }

    /// The head goes out again, to another connection.
    pub(crate) fn start_again(&mut self) {
        self.head_sent = 0;
        self.over = false;
    }

    fn understand(&mut self, buffer: &mut BytesMut) -> Result<(), Malformed> {
        match &mut self.form {
            Form::Length(left) => {
                let new = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len() - self.ready);
                self.ready += new;
                *left -= new as u64;
            }
            Form::Chunks(chunks) => self.ready = chunks.read(buffer, self.ready)?,
        }
        Ok(())
    }

    /// All of the body was taken from the client.
    pub(crate) fn is_taken(&self) -> bool {
        let complete = match &self.form {
            Form::Length(left) => *left == 0,
            Form::Chunks(chunks) => chunks.is_done(),
        };
        complete && self.ready == 0
    }

    /// Sends on. After an answer began (`answered`), the limits of the response are the only ones.
    pub(crate) fn poll<S: Stream>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Client<S>,
        line: &mut Line,
        head: &[u8],
        (watch, buffers, answered): (&Watch, &Buffers, bool),
    ) -> Poll<Uploaded> {
        let sent = self.poll_sent(cx, client, line, head, buffers);
        if !answered && (self.moved || sent.is_pending()) {
            let turn = match &sent {
                Poll::Pending if self.ready == 0 && self.head_sent == head.len() => Turn::ClientBody,
                Poll::Pending | Poll::Ready(_) => Turn::DynoHead,
            };
            if std::mem::take(&mut self.moved) || watch.turn() != turn {
                watch.pass(turn, Instant::now());
            }
        }
        if let Poll::Ready(uploaded) = &sent {
            self.over = true;
            self.all = *uploaded == Uploaded::All;
        }
        sent
    }

    fn poll_sent<S: Stream>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Client<S>,
        line: &mut Line,
        head: &[u8],
        buffers: &Buffers,
    ) -> Poll<Uploaded> {
        loop {
            if self.understand(&mut client.buffer).is_err() {
                return Poll::Ready(Uploaded::Broken(Failure::BadRequest("bad chunk")));
            }
            let head_left = &head[self.head_sent..];
            if !head_left.is_empty() || self.ready > 0 {
                let Ok(count) = ready!(line.poll_write(cx, head_left, &client.buffer[..self.ready])) else {
                    let no_head = self.head_sent < head.len();
                    return Poll::Ready(if no_head { Uploaded::NoHead } else { Uploaded::NotTaken });
                };
                let of_head = count.min(head_left.len());
                self.head_sent += of_head;
                self.take(count - of_head, &mut client.buffer);
                continue;
            }
            if self.is_taken() {
                return Poll::Ready(Uploaded::All);
            }
            if ready!(self.poll_continue(cx, client)).is_err() {
                return Poll::Ready(Uploaded::Broken(Failure::ClientInterrupted));
            }
            match ready!(client.poll_fill(cx, buffers)) {
                Ok(1..) => self.moved = true,
                Ok(0) | Err(_) => return Poll::Ready(Uploaded::Broken(Failure::ClientInterrupted)),
            }
        }
    }

    fn take(&mut self, count: usize, buffer: &mut BytesMut) {
        buffer.advance(count);
        self.ready -= count;
        self.moved |= count > 0;
    }

    /// Tells a client that waits for it to send its body (ROUTE-34).
    fn poll_continue<S: Stream>(&mut self, cx: &mut Context<'_>, client: &mut Client<S>) -> Poll<std::io::Result<()>> {
        if !client.buffer.is_empty() && self.continue_left == CONTINUE.len() {
            // It did not wait.
            self.continue_left = 0;
        }
        while self.continue_left > 0 {
            let left = &CONTINUE[CONTINUE.len() - self.continue_left..];
            self.continue_left -= ready!(client.poll_write(cx, left, b""))?;
            self.continued = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Can the connection be kept, though the dyno did not take the body? One who waits for `100 Continue` may send the
    /// body or leave it out: what comes next could be read in two ways.
    pub(crate) fn can_be_skipped(&self) -> bool {
        let small = match &self.form {
            Form::Length(left) => *left <= UNWANTED_LIMIT_BYTES,
            Form::Chunks(_) => true,
        };
        self.is_taken() || (small && self.continue_left == 0)
    }

    /// Takes what is left of the body from the client. `false`: there is too much, or it makes no sense.
    pub(crate) async fn skip<S: Stream>(&mut self, client: &mut Client<S>, watch: &Watch, buffers: &Buffers) -> bool {
        let mut skipped = 0;
        watch.pass(Turn::ClientBody, Instant::now());
        let done = std::future::poll_fn(|cx| {
            loop {
                if self.understand(&mut client.buffer).is_err() {
                    return Poll::Ready(false);
                }
                skipped += self.ready as u64;
                self.take(self.ready, &mut client.buffer);
                if self.is_taken() {
                    return Poll::Ready(true);
                }
                if skipped > UNWANTED_LIMIT_BYTES || watch.expired().is_some() {
                    return Poll::Ready(false);
                }
                match ready!(client.poll_fill(cx, buffers)) {
                    Ok(1..) => watch.touch(Instant::now()),
                    Ok(0) | Err(_) => return Poll::Ready(false),
                }
            }
        });
        let done = done.await;
        watch.pass(Turn::Idle, Instant::now());
        done
    }
}
