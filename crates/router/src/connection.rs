//! One client connection: requests one after the other, and the one timer behind all its limits.

use crate::answer::{After, Visitor, answer};
use crate::client::{Came, Client, Stream};
use crate::config::Limits;
use crate::watch::{Turn, Watch};
use crate::worker::Worker;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::time::{Instant, sleep_until};

/// What the timer found when it fired.
enum Found {
    /// Look again then.
    Later(Instant),
    /// The connection idled long enough: it ends in order.
    Idle,
    /// Somebody took too long before the response began: the router answers.
    Answer,
    /// Somebody took too long in the middle of the response or of a head: nothing can be said any more.
    Cut,
}

/// Serves a client's requests until either side ends the connection.
pub(crate) async fn serve(worker: Rc<Worker>, watch: Rc<Watch>, stream: impl Stream, peer: SocketAddr) {
    let ip = peer.ip().to_canonical().to_string().into_bytes();
    let visitor = Visitor { worker: Rc::clone(&worker), watch: Rc::clone(&watch), ip };
    let mut visit = pin!(visit(&visitor, Client::new(stream)));
    let limits = &worker.limits;
    let mut timer = pin!(sleep_until(Instant::now() + limits.shortest()));
    std::future::poll_fn(|cx: &mut Context<'_>| {
        watch.set_waker(cx.waker());
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let next = match look(&watch, limits, now) {
                Found::Later(at) => at,
                Found::Cut => return Poll::Ready(()),
                Found::Idle if watch.is_closing() => return Poll::Ready(()),
                Found::Idle => {
                    watch.close();
                    watch.touch(now);
                    now + limits.shortest()
                }
                Found::Answer => now + limits.shortest(),
            };
            timer.as_mut().reset(next);
        }
        let visited = visit.as_mut().poll(cx);
        if visited.is_pending() && watch.takes_leave() { Poll::Ready(()) } else { visited }
    })
    .await;
}

async fn visit(visitor: &Visitor, mut client: Client<impl Stream>) {
    let Visitor { worker, watch, .. } = visitor;
    loop {
        let came = std::future::poll_fn(|cx| client.poll_head(cx, &worker.buffers, watch)).await;
        if came == Came::Nothing {
            return;
        }
        // In a box, so that an idle connection does not keep the room that a request needs.
        match Box::pin(answer(visitor, &mut client, came)).await {
            After::Next => {}
            After::Close => return,
            After::Linger => return client.linger(&worker.buffers).await,
        }
    }
}

fn look(watch: &Watch, limits: &Limits, now: Instant) -> Found {
    let latest = now + limits.shortest();
    match watch.limit(limits) {
        None => Found::Later(latest),
        Some((at, _)) if at > now => Found::Later(at.min(latest)),
        Some((_, None)) if watch.turn() == Turn::ClientHead => Found::Cut,
        Some((_, None)) => Found::Idle,
        Some((_, Some(failure))) => {
            watch.expire(failure);
            match watch.turn() {
                Turn::DynoHead | Turn::ClientBody => Found::Answer,
                Turn::Idle | Turn::ClientHead | Turn::Router | Turn::DynoBody | Turn::ClientRead => Found::Cut,
            }
        }
    }
}
