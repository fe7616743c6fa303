//! One client connection: HTTP/1.1 in, and the one timer behind all its limits.

use crate::answer::{Client, answer};
use crate::config::Limits;
use crate::watch::{Turn, Watch};
use crate::worker::Worker;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

/// What one client connection may buffer of a request's head, and of a response that it takes slowly.
const BUFFER_LIMIT_BYTES: usize = 128 * 1024;

/// ROUTE-30
const HEADER_LIMIT: usize = 1000;

/// What the timer found when it fired.
enum Found {
    /// Look again then.
    Later(Instant),
    /// The connection idled long enough: it ends in order.
    Idle,
    /// Somebody took too long before the response began: the router answers.
    Answer,
    /// Somebody took too long in the middle of the response: nothing can be said any more.
    Cut,
}

/// Serves a client's requests until either side ends the connection.
pub(crate) async fn serve(worker: Rc<Worker>, watch: Rc<Watch>, stream: TcpStream, peer: SocketAddr) {
    let now = Instant::now();
    // Only speed is lost if the kernel refuses.
    let _ = stream.set_nodelay(true);
    let ip = peer.ip().to_canonical().to_string().into_bytes();
    let client = Rc::new(Client { worker: Rc::clone(&worker), watch: Rc::clone(&watch), ip });
    let service = service_fn(|request| answer(Rc::clone(&client), request));
    let http = Builder::new()
        .max_buf_size(BUFFER_LIMIT_BYTES)
        .max_headers(HEADER_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    let mut http = pin!(http.with_upgrades());
    let limits = &worker.limits;
    let mut timer = pin!(sleep_until(now + limits.shortest()));
    let mut closing = false;
    let ended = std::future::poll_fn(|cx: &mut Context<'_>| {
        watch.set_waker(cx.waker());
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let next = match look(&watch, limits, now) {
                Found::Later(at) => at,
                Found::Cut => return Poll::Ready(Ok(())),
                Found::Idle if closing => return Poll::Ready(Ok(())),
                Found::Idle => {
                    watch.close();
                    watch.touch(now);
                    now + limits.shortest()
                }
                Found::Answer => now + limits.shortest(),
            };
            timer.as_mut().reset(next);
        }
        if watch.is_closing() && !std::mem::replace(&mut closing, true) {
            http.as_mut().graceful_shutdown();
        }
        http.as_mut().poll(cx)
    });
    if let Err(error) = ended.await {
        // Clients vanish and talk nonsense all the time: that is not the router's trouble.
        tracing::trace!(client = %peer, %error, "A client connection broke");
    }
}

fn look(watch: &Watch, limits: &Limits, now: Instant) -> Found {
    let latest = now + limits.shortest();
    match watch.limit(limits) {
        None => Found::Later(latest),
        Some((at, _)) if at > now => Found::Later(at.min(latest)),
        Some((_, None)) => Found::Idle,
        Some((_, Some(failure))) => {
            watch.expire(failure);
            match watch.turn() {
                Turn::DynoHead | Turn::ClientBody => Found::Answer,
                Turn::Idle | Turn::Router | Turn::DynoBody | Turn::ClientRead => Found::Cut,
            }
        }
    }
}
