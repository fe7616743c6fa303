//! After `101 Switching Protocols`: bytes both ways, until one side ends or both are silent (ROUTE-22, ROUTE-37).

use crate::exchange::Exchange;
use crate::failure::Failure;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
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
    let (from_client, to_client) = tokio::io::split(Metered::new(client, &last));
    let (from_dyno, to_dyno) = tokio::io::split(Metered::new(dyno, &last));
    let rolling = exchange.worker.limits.rolling;
    let to_client_bytes = Cell::new(0);
    let idle = tokio::select! {
        // How a tunnel ends is the business of those who talk through it. When the dyno has said its last, it is over;
        // a client that has said its last may still listen.
        () = carry(from_dyno, to_client, &to_client_bytes) => false,
        () = async {
            carry(from_client, to_dyno, &Cell::new(0)).await;
            std::future::pending().await
        } => false,
        () = silence(&last, rolling) => true,
    };
    exchange.sent(to_client_bytes.get());
    if idle { exchange.fail(Failure::IdleConnection) } else { exchange.succeed() }
}

/// Copies until one side ends or breaks, and passes the end on.
async fn carry(mut from: ReadHalf<Metered>, mut to: WriteHalf<Metered>, bytes: &Cell<usize>) {
    let mut buffer = [0; BUFFER_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
        bytes.set(bytes.get() + count);
    }
    // It may have broken; then there is nobody to tell.
    let _ = to.shutdown().await;
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

/// One side; notes when it last said something.
struct Metered {
    side: TokioIo<Upgraded>,
    last: Rc<Cell<Instant>>,
}

impl Metered {
    fn new(side: Upgraded, last: &Rc<Cell<Instant>>) -> Self {
        Self { side: TokioIo::new(side), last: Rc::clone(last) }
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.side).poll_read(cx, into);
        if into.filled().len() > before {
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
