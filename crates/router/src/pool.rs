//! One web dyno as a thread sees it: connections to it, requests in flight on it, and whether it can be reached.

use crate::body::RequestBody;
use crate::config::Limits;
use crate::failure::Failure;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use model::id::DynoId;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A response head of up to this much is taken (ROUTE-31), and this much of a body is buffered for a slow client.
const BUFFER_LIMIT_BYTES: usize = 512 * 1024;

/// A connection is trusted not to be closing right now when it was in use this recently...
const FRESH: Duration = Duration::from_millis(250);

/// ...and has carried this many requests. Others are used with a spare copy of the request at hand.
const PROVEN_USES: u32 = 2;

/// An open connection to a dyno, with nothing in flight on it.
pub(crate) struct Line {
    pub(crate) sender: SendRequest<RequestBody>,
    used_at: Instant,
    uses: u32,
}

impl Line {
    /// May the dyno be about to close this connection?
    pub(crate) fn is_doubtful(&self, now: Instant) -> bool {
        self.uses > 0 && (self.uses < PROVEN_USES || now.duration_since(self.used_at) > FRESH)
    }
}

/// A web dyno.
pub(crate) struct Backend {
    pub(crate) dyno: DynoId,
    pub(crate) name: Box<str>,
    pub(crate) addr: SocketAddr,
    lines: RefCell<Vec<Line>>,
    in_flight: Cell<usize>,
    quarantined_until: Cell<Option<Instant>>,
    retired: Cell<bool>,
    drained: Notify,
}

impl Backend {
    pub(crate) fn new(backend: &model::route::Backend) -> Rc<Self> {
        Rc::new(Self {
            dyno: backend.dyno,
            name: backend.name.as_str().into(),
            addr: backend.addr,
            lines: RefCell::default(),
            in_flight: Cell::new(0),
            quarantined_until: Cell::new(None),
            retired: Cell::new(false),
            drained: Notify::new(),
        })
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// It is in no route any more: no connection to it is kept.
    pub(crate) fn retire(&self) {
        self.retired.set(true);
        self.lines.borrow_mut().clear();
    }

    /// It is in a route again.
    pub(crate) fn recall(&self) {
        self.retired.set(false);
    }

    /// Waits until nothing is in flight on it.
    pub(crate) async fn drained(&self) {
        while self.in_flight.get() > 0 {
            self.drained.notified().await;
        }
    }

    pub(crate) fn is_quarantined(&self, now: Instant) -> bool {
        self.quarantined_until.get().is_some_and(|until| now < until)
    }

    pub(crate) fn quarantine(&self, until: Instant) {
        self.quarantined_until.set(Some(until));
    }

    /// A kept connection that is still open, if there is one.
    pub(crate) fn kept_line(&self, now: Instant, limits: &Limits) -> Option<Line> {
        let mut lines = self.lines.borrow_mut();
        while let Some(line) = lines.pop() {
            if now.duration_since(line.used_at) >= limits.dyno_idle {
                // The rest lies deeper in the stack and is older still.
                lines.clear();
                return None;
            }
            if line.sender.is_ready() {
                return Some(line);
            }
        }
        None
    }

    /// Opens a new connection (ROUTE-11).
    pub(crate) async fn connect(&self, limits: &Limits) -> Result<Line, Failure> {
        let stream = match tokio::time::timeout(limits.connect, TcpStream::connect(self.addr)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(why_not(&error)),
            Err(_) => return Err(Failure::ConnectTimeout),
        };
        self.quarantined_until.set(None);
        // Only speed is lost if the kernel refuses.
        let _ = stream.set_nodelay(true);
        let handshake = Builder::new().max_buf_size(BUFFER_LIMIT_BYTES).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|_| Failure::ConnectRefused)?;
        tokio::task::spawn_local(connection.with_upgrades());
        Ok(Line { sender, used_at: Instant::now(), uses: 0 })
    }

    /// Keeps a connection whose exchange ended well.
    pub(crate) fn take_back(&self, line: Line, now: Instant, limits: &Limits) {
        let mut lines = self.lines.borrow_mut();
        if !self.retired.get() && lines.len() < limits.idle_per_dyno && !line.sender.is_closed() {
            lines.push(Line { used_at: now, uses: line.uses.saturating_add(1), ..line });
        }
    }

    /// Closes the connections that nobody needed for too long. `true`: some are left.
    pub(crate) fn close_idle(&self, now: Instant, limits: &Limits) -> bool {
        let mut lines = self.lines.borrow_mut();
        lines.retain(|line| !line.sender.is_closed() && now.duration_since(line.used_at) < limits.dyno_idle);
        !lines.is_empty()
    }
}

fn why_not(error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::TimedOut { Failure::ConnectTimeout } else { Failure::ConnectRefused }
}

/// A request's place on a dyno: from the choice of the dyno to the last byte, a WebSocket's included.
pub(crate) struct Seat(pub(crate) Rc<Backend>);

impl Seat {
    pub(crate) fn take(backend: &Rc<Backend>) -> Self {
        backend.in_flight.set(backend.in_flight.get() + 1);
        Self(Rc::clone(backend))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let left = self.0.in_flight.get().saturating_sub(1);
        self.0.in_flight.set(left);
        if left == 0 {
            self.0.drained.notify_waiters();
        }
    }
}
