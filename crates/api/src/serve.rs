//! The listeners, plain and TLS: connections in, bounded in number and patience; an orderly end.

use crate::settings::Settings;
use crate::tls::Tls;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

/// Room for a request's head, and read at once from a body: the longest honest head is a few KiB.
const BUFFER_BYTES: usize = 64 * 1024;

/// A client whose machine or network is gone is noticed by probes at this distance, also when its log tail is silent.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Between attempts to accept when the machine has no file descriptor or memory left: others must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a proxy with TLS says, and the TLS listener instead of it: answers then hold https addresses.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Serves until `shutdown` resolves; then takes no new connection and lets requests in flight end, for as long as the settings
/// say. With `tls` every connection begins with its handshake.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    settings: &Settings,
    shutdown: impl Future<Output = ()>,
) {
    let room = Arc::new(Semaphore::new(settings.connections));
    let end = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let stream = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = tasks.join_next() => continue,
            accepted = accept(&listener, &room) => accepted,
        };
        if let Some((stream, permit)) = stream {
            let (tls, door) =
                (tls.clone(), Connection { router: router.clone(), head_timeout: settings.head_timeout, peer: None });
            let end = end.clone();
            tasks.spawn(async move {
                if let Err(error) = welcome(stream, tls, door, end).await {
                    // Clients that hang up or send no HTTP: theirs to fix, seen only when looked for.
                    tracing::debug!(%error, "A connection ended early");
                }
                drop(permit);
            });
        }
    }
    drop(listener);
    end.cancel();
    let drained = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(settings.drain_timeout, drained).await.is_err() {
        // Log tails never end by themselves: their clients connect again.
        tracing::info!(connections = tasks.len(), "Closing connections that did not end in time");
        tasks.shutdown().await;
    }
}

/// The next connection, once there is room for it; those before it wait in the kernel's queue.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            tracing::warn!(%error, "No connection could be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Small writes at once, and an end when the other machine is gone.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    // Streams are many small writes that people watch; without this they would wait for each other.
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))
}

/// What every connection is served with.
struct Connection {
    router: Router,
    head_timeout: Duration,
    peer: Option<Peer>,
}

async fn welcome(stream: TcpStream, tls: Option<Tls>, door: Connection, end: CancellationToken) -> io::Result<()> {
    prepare(&stream)?;
    let door = Connection { peer: stream.peer_addr().ok().map(Peer), ..door };
    match tls {
        None => door.serve(stream, false, end).await,
        Some(tls) => {
            let greeted = tokio::time::timeout(door.head_timeout, tls.greet(stream)).await;
            let stream = greeted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
            door.serve(stream, true, end).await
        }
    }
}

impl Connection {
    async fn serve<S>(self, stream: S, secure: bool, end: CancellationToken) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (router, peer) = (self.router, self.peer);
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            if secure {
                request.headers_mut().insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
            }
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            let mut router = router.clone();
            async move { router.call(request.map(Body::new)).await }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.head_timeout).max_buf_size(BUFFER_BYTES);
        let mut served = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
        let outcome = tokio::select! {
            outcome = served.as_mut() => outcome,
            () = end.cancelled() => {
                served.as_mut().graceful_shutdown();
                served.await
            }
        };
        outcome.map_err(io::Error::other)
    }
}
