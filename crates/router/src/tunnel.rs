//! After `101 Switching Protocols`: bytes both ways, until one side ends or both are silent (ROUTE-22, ROUTE-37).

use crate::client::{Client, Stream};
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::line::Line;
use crate::watch::Turn;
use bytes::{Buf, BytesMut};
use std::cell::Cell;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

/// What a thread reads at once for any of its tunnels: none of them keeps a buffer while it is silent.
pub(crate) const SCRATCH_BYTES: usize = 16 * 1024;

/// Joins both sides; `head` is the client's.
pub(crate) async fn run<S: Stream>(mut exchange: Exchange, client: &mut Client<S>, mut line: Line, head: Vec<u8>) {
    // The limits of a request do not apply any more.
    exchange.watch().wait_for(Turn::Router);
    let last = Cell::new(Instant::now());
    let mut to_client = Direction::new(head, &line.buffer);
    let mut to_dyno = Direction::new(Vec::new(), &client.buffer);
    client.buffer = BytesMut::new();
    let rolling = exchange.worker.limits.rolling;
    let mut silence = pin!(silence(&last, rolling));
    let idle = std::future::poll_fn(|cx| {
        let scratch = &mut *exchange.worker.scratch.borrow_mut();
        // How a tunnel ends is the business of those who talk through it. When the dyno has said its last, it is over; a
        // client that has said its last may still listen.
        let _ = to_dyno.poll(cx, client.stream(), line.stream(), scratch, |_| last.set(Instant::now()));
        let carried = to_client.poll(cx, line.stream(), client.stream(), scratch, |_| last.set(Instant::now()));
        match carried {
            Poll::Ready(()) => Poll::Ready(false),
            Poll::Pending => silence.as_mut().poll(cx).map(|()| true),
        }
    });
    let idle = idle.await;
    exchange.sent(to_client.carried_bytes);
    if idle { exchange.fail(Failure::IdleConnection) } else { exchange.succeed(None, false) }
}

/// One way through a tunnel.
#[derive(Debug)]
struct Direction {
    /// Read, and not taken yet by the other side.
    pending: BytesMut,
    carried_bytes: usize,
    /// The side that is read from has said its last.
    ended: bool,
    /// And the other side knows.
    over: bool,
}

impl Direction {
    fn new(first: Vec<u8>, then: &[u8]) -> Self {
        let mut pending = BytesMut::with_capacity(first.len() + then.len());
        pending.extend_from_slice(&first);
        pending.extend_from_slice(then);
        Self { pending, carried_bytes: 0, ended: false, over: false }
    }

    /// Carries what it can, and the end with it. Ready when there is nothing more to carry.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut from: Pin<&mut impl AsyncRead>,
        mut to: Pin<&mut impl AsyncWrite>,
        scratch: &mut [u8],
        moved: impl Fn(usize),
    ) -> Poll<()> {
        while !self.over {
            while !self.pending.is_empty() {
                let Ok(count @ 1..) = ready!(to.as_mut().poll_write(cx, &self.pending)) else { return self.end() };
                self.pending.advance(count);
                self.carried_bytes += count;
                moved(count);
            }
            self.pending = BytesMut::new();
            if self.ended {
                // It may have broken; then there is nobody to tell.
                let _ = ready!(to.as_mut().poll_shutdown(cx));
                return self.end();
            }
            let mut read = ReadBuf::new(scratch);
            let filled = ready!(from.as_mut().poll_read(cx, &mut read));
            match (filled, read.filled()) {
                (Err(_), _) | (Ok(()), []) => self.ended = true,
                (Ok(()), text) => {
                    moved(text.len());
                    let taken = match to.as_mut().poll_write(cx, text) {
                        Poll::Ready(Ok(count @ 1..)) => count,
                        Poll::Ready(Ok(_) | Err(_)) => return self.end(),
                        Poll::Pending => 0,
                    };
                    self.carried_bytes += taken;
                    self.pending.extend_from_slice(&text[taken..]);
                }
            }
        }
        Poll::Ready(())
    }

    fn end(&mut self) -> Poll<()> {
        self.over = true;
        Poll::Ready(())
    }
}

/// Resolves when nothing moved for this long.
async fn silence(last: &Cell<Instant>, rolling: Duration) {
    loop {
        let until = last.get() + rolling;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}
