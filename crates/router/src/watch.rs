//! What a client connection waits for, and since when: one lazy timer serves every limit of section 9.3.
//!
//! A request only notes moments here. The connection's one timer wakes at most once per shortest limit, looks at the
//! notes and goes back to sleep, so that no request pays for a timer of its own.

use crate::config::Limits;
use crate::failure::Failure;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;
use tokio::time::Instant;

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// No request is open: the client may send one.
    Idle,
    /// The client must send the rest of a head that it began.
    ClientHead,
    /// The router itself looks for a dyno; those waits have limits of their own.
    Router,
    /// The client must send more of the request's body.
    ClientBody,
    /// The dyno must begin its response.
    DynoHead,
    /// The dyno must send more of its response.
    DynoBody,
    /// The client must take what was sent.
    ClientRead,
}

/// So much longer a connection may wait that sent a request before.
const KNOWN_VISITOR: Duration = Duration::from_secs(10);

/// Must it make room for another one?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    No,
    Asked,
    Taken,
}

/// The notes of one client connection.
#[derive(Debug)]
pub(crate) struct Watch {
    turn: Cell<Turn>,
    since: Cell<Instant>,
    expired: Cell<Option<Failure>>,
    closing: Cell<bool>,
    leave: Cell<Leave>,
    has_asked: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Watch {
    pub(crate) fn new(now: Instant) -> Rc<Self> {
        Rc::new(Self {
            turn: Cell::new(Turn::Idle),
            since: Cell::new(now),
            expired: Cell::new(None),
            closing: Cell::new(false),
            leave: Cell::new(Leave::No),
            has_asked: Cell::new(false),
            waker: RefCell::new(None),
        })
    }

    pub(crate) fn turn(&self) -> Turn {
        self.turn.get()
    }

    /// A new request: forget what happened to the one before.
    pub(crate) fn open(&self) {
        self.turn.set(Turn::Router);
        self.has_asked.set(true);
        self.expired.set(None);
    }

    /// Somebody else's turn begins now.
    pub(crate) fn pass(&self, turn: Turn, now: Instant) {
        self.turn.set(turn);
        self.since.set(now);
    }

    /// A byte moved: the same turn begins anew.
    pub(crate) fn touch(&self, now: Instant) {
        self.since.set(now);
    }

    /// The turn changes without a byte having moved.
    pub(crate) fn wait_for(&self, turn: Turn) {
        self.turn.set(turn);
    }

    pub(crate) fn expired(&self) -> Option<Failure> {
        self.expired.get()
    }

    /// When the present turn takes too long, and what that is called; `None` while the router is at work.
    pub(crate) fn limit(&self, limits: &Limits) -> Option<(Instant, Option<Failure>)> {
        let (length, failure) = match self.turn.get() {
            Turn::Idle => (limits.client_idle, None),
            Turn::ClientHead => (limits.head.min(limits.client_idle), None),
            Turn::Router => return None,
            Turn::ClientBody | Turn::ClientRead => (limits.rolling, Some(Failure::ClientIdle)),
            Turn::DynoHead => (limits.first_byte, Some(Failure::RequestTimeout)),
            Turn::DynoBody => (limits.rolling, Some(Failure::IdleConnection)),
        };
        Some((self.since.get() + length, failure))
    }

    pub(crate) fn expire(&self, failure: Failure) {
        self.expired.set(Some(failure));
    }

    /// Asks the connection to end after the request it is in.
    pub(crate) fn close(&self) {
        self.closing.set(true);
        self.wake();
    }

    /// Nobody asked for anything on it, and it was not told to go before.
    pub(crate) fn may_go(&self) -> bool {
        self.leave.get() == Leave::No && self.is_waiting()
    }

    /// It never sent a request, and was not told to go.
    pub(crate) fn is_stranger(&self) -> bool {
        !self.has_asked.get() && self.may_go()
    }

    /// Tells it to go; a request that has come meanwhile is answered instead.
    pub(crate) fn let_go(&self) {
        self.leave.set(Leave::Asked);
        self.wake();
    }

    /// It was told to go, and still waits. Asks once.
    pub(crate) fn takes_leave(&self) -> bool {
        let asked = self.leave.get() == Leave::Asked;
        let goes = asked && self.is_waiting();
        if asked {
            self.leave.set(if goes { Leave::Taken } else { Leave::No });
        }
        goes
    }

    /// Who waits longest goes first; one that never sent a request goes as if it had waited longer.
    pub(crate) fn worth(&self) -> Instant {
        self.since.get() + if self.has_asked.get() { KNOWN_VISITOR } else { Duration::ZERO }
    }

    fn is_waiting(&self) -> bool {
        matches!(self.turn.get(), Turn::Idle | Turn::ClientHead)
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    pub(crate) fn set_waker(&self, waker: &Waker) {
        let mut kept = self.waker.borrow_mut();
        match kept.as_mut() {
            Some(kept) => kept.clone_from(waker),
            None => *kept = Some(waker.clone()),
        }
    }
}
