//! After `101 Switching Protocols`: bytes both ways, until one side ends or both are silent (ROUTE-22, ROUTE-37).

use crate::exchange::Exchange;
use crate::failure::Failure;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::time::{Instant, sleep_until};

/// For each direction of each open WebSocket: enough for most messages.
const BUFFER_BYTES: usize = 4 * 1024;

/// Joins both sides as soon as both have switched.
pub(crate) fn open(exchange: Exchange, client: OnUpgrade, dyno: OnUpgrade) {
    tokio::task::spawn_local(run(exchange, client, dyno));
}

async fn run(mut exchange: Exchange, client: OnUpgrade, dyno: OnUpgrade) {
    let (Ok(dyno), Ok(client)) = (dyno.await, client.await) else { return };
    let last = Rc::new(Cell::new(Instant::now()));
    let mut client = Metered::new(client, &last);
    let mut dyno = Metered::new(dyno, &last);
    let rolling = exchange.worker.limits.rolling;
    let both = copy_bidirectional_with_sizes(&mut client, &mut dyno, BUFFER_BYTES, BUFFER_BYTES);
    let idle = tokio::select! {
        // How a tunnel ends is the business of those who talk through it.
        _ = both => false,
        () = silence(&last, rolling) => true,
    };
    exchange.sent(usize::try_from(dyno.read_bytes).unwrap_or(usize::MAX));
    if idle { exchange.fail(Failure::IdleConnection) } else { exchange.succeed() }
}

/// Resolves when nothing moved for this long.
async fn silence(last: &Cell<Instant>, rolling: std::time::Duration) {
    loop {
        let until = last.get() + rolling;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}

/// One side; notes when it last said something, and how much in all.
struct Metered {
    side: TokioIo<Upgraded>,
    last: Rc<Cell<Instant>>,
    read_bytes: u64,
}

impl Metered {
    fn new(side: Upgraded, last: &Rc<Cell<Instant>>) -> Self {
        Self { side: TokioIo::new(side), last: Rc::clone(last), read_bytes: 0 }
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.side).poll_read(cx, into);
        let read = into.filled().len() - before;
        if read > 0 {
            self.read_bytes += read as u64;
            self.last.set(Instant::now());
        }
        polled
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.side).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.side).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.side).poll_shutdown(cx)
    }
}
