//! One web dyno as a thread sees it: connections to it, requests in flight on it, and whether it can be reached.

use crate::config::Limits;
use crate::failure::Failure;
use crate::line::Line;
use model::id::DynoId;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

/// No server in common use closes a connection that was busy this recently; the shortest habit is gunicorn's 2 s.
const SURELY_OPEN: Duration = Duration::from_secs(1);

/// A web dyno.
pub(crate) struct Backend {
    pub(crate) dyno: DynoId,
    pub(crate) name: Box<str>,
    pub(crate) addr: SocketAddr,
    /// The most recently used last.
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

    /// A kept connection that is still open, if there is one. A request that can be sent only once (`repeatable` is
    /// false) gets none that the dyno may be about to close.
    pub(crate) fn kept_line(&self, now: Instant, limits: &Limits, repeatable: bool) -> Option<Line> {
        let oldest = if repeatable { limits.dyno_idle } else { limits.dyno_idle.min(SURELY_OPEN) };
        let mut lines = self.lines.borrow_mut();
        // The rest lies deeper in the stack and is older still; the sweep closes it.
        while let Some(line) = lines.pop_if(|line| now.duration_since(line.used_at()) < oldest) {
            if line.is_open() {
                return Some(line);
            }
        }
        None
    }

    /// Opens a new connection (ROUTE-11).
    pub(crate) async fn connect(&self, limits: &Limits) -> Result<Line, Failure> {
        match tokio::time::timeout(limits.connect, TcpStream::connect(self.addr)).await {
            Ok(Ok(stream)) => {
                self.quarantined_until.set(None);
                Ok(Line::new(stream, Instant::now()))
            }
            Ok(Err(error)) if error.kind() != std::io::ErrorKind::TimedOut => Err(Failure::ConnectRefused),
            Ok(Err(_)) | Err(_) => Err(Failure::ConnectTimeout),
        }
    }

    /// Keeps a connection whose exchange ended well. `true`: it is kept.
    pub(crate) fn take_back(&self, mut line: Line, now: Instant, limits: &Limits) -> bool {
        let mut lines = self.lines.borrow_mut();
        let keep = line.rest(now) && !self.retired.get() && lines.len() < limits.idle_per_dyno;
        if keep {
            lines.push(line);
        }
        keep
    }

    /// Closes the connections that nobody needed for too long. `true`: some are left.
    pub(crate) fn close_idle(&self, now: Instant, limits: &Limits) -> bool {
        let mut lines = self.lines.borrow_mut();
        lines.retain(|line| now.duration_since(line.used_at()) < limits.dyno_idle && line.is_open());
        !lines.is_empty()
    }
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
