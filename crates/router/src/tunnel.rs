//! After `101 Switching Protocols`: bytes both ways, until one side ends or both are silent (ROUTE-22, ROUTE-37).

use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::line::Line;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, sleep_until};

/// For each direction of each open WebSocket: enough for most messages.
const BUFFER_BYTES: usize = 4 * 1024;

/// Joins both sides as soon as the client has switched, too.
pub(crate) fn open(exchange: Exchange, client: OnUpgrade, dyno: Line) {
    tokio::task::spawn_local(run(exchange, client, dyno));
}

/// What moved so far.
struct Traffic {
    last: Cell<Instant>,
    to_client_bytes: Cell<usize>,
}

async fn run(mut exchange: Exchange, client: OnUpgrade, dyno: Line) {
    let Some((from_dyno, to_dyno, first_from_dyno)) = dyno.into_parts() else { return };
    let Ok(Ok(client)) = client.await.map(|upgraded| upgraded.downcast::<TokioIo<TcpStream>>()) else { return };
    let (from_client, to_client) = client.io.into_inner().into_split();
    let traffic = Traffic { last: Cell::new(Instant::now()), to_client_bytes: Cell::new(0) };
    let rolling = exchange.worker.limits.rolling;
    let idle = tokio::select! {
        // How a tunnel ends is the business of those who talk through it. When the dyno has said its last, it is over;
        // a client that has said its last may still listen.
        () = carry(&first_from_dyno, from_dyno, to_client, |bytes| traffic.to_client(bytes)) => false,
        () = async {
            carry(&client.read_buf, from_client, to_dyno, |_| traffic.last.set(Instant::now())).await;
            std::future::pending().await
        } => false,
        () = silence(&traffic.last, rolling) => true,
    };
    exchange.sent(traffic.to_client_bytes.get());
    if idle { exchange.fail(Failure::IdleConnection) } else { exchange.succeed(None, false) }
}

impl Traffic {
    fn to_client(&self, bytes: usize) {
        self.last.set(Instant::now());
        self.to_client_bytes.set(self.to_client_bytes.get() + bytes);
    }
}

/// Copies until one side ends or breaks, and passes the end on.
async fn carry(first: &[u8], mut from: OwnedReadHalf, mut to: OwnedWriteHalf, moved: impl Fn(usize)) {
    moved(first.len());
    if to.write_all(first).await.is_err() {
        return;
    }
    let mut buffer = [0; BUFFER_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        moved(count);
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    // It may have broken; then there is nobody to tell.
    let _ = to.shutdown().await;
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
