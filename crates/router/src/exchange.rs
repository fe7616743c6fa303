//! One request and its response: who asked, which dyno answers, how it ended. Ends exactly once, with one log line.

use crate::failure::Failure;
use crate::log_line::{self, Asked, Went};
use crate::pool::{Line, Seat};
use crate::table::App;
use crate::watch::{Turn, Watch};
use crate::worker::Worker;
use hyper::StatusCode;
use model::time::Timestamp;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// A request that is on its way. Dropped before it ended: the client went away (H27).
pub(crate) struct Exchange {
    pub(crate) worker: Rc<Worker>,
    pub(crate) app: Rc<App>,
    watch: Rc<Watch>,
    /// `None`: no log line is wanted.
    asked: Option<Asked>,
    received_at: Timestamp,
    started: Instant,
    seat: Option<Seat>,
    /// The request's body was passed on; `None`: it has none.
    body_passed: Option<Rc<Cell<bool>>>,
    connect: Option<Duration>,
    connected: Option<Instant>,
    status: Option<StatusCode>,
    bytes: u64,
    over: bool,
}

impl Exchange {
    pub(crate) fn open(worker: &Rc<Worker>, watch: &Rc<Watch>, app: Rc<App>, received_at: Timestamp) -> Self {
        watch.open();
        Self {
            worker: Rc::clone(worker),
            app,
            watch: Rc::clone(watch),
            asked: None,
            received_at,
            started: Instant::now(),
            seat: None,
            body_passed: None,
            connect: None,
            connected: None,
            status: None,
            bytes: 0,
            over: false,
        }
    }

    /// What the log line is to say.
    pub(crate) fn ask(&mut self, asked: Asked) {
        self.asked = Some(asked);
    }

    pub(crate) fn watch(&self) -> &Rc<Watch> {
        &self.watch
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// A dyno was chosen.
    pub(crate) fn sit_down(&mut self, seat: Seat) {
        self.seat = Some(seat);
        (self.connect, self.connected) = (None, None);
    }

    /// A connection to the dyno stands, after this long; the request goes out now.
    pub(crate) fn connected(&mut self, after: Duration, now: Instant) {
        self.connect = Some(after);
        self.connected = Some(now);
        self.watch.pass(Turn::DynoHead, now);
    }

    /// The dyno could not be connected to in this time.
    pub(crate) fn not_connected(&mut self, after: Duration) {
        self.connect = Some(after);
    }

    /// The dyno answered.
    pub(crate) fn answered(&mut self, status: StatusCode, head_bytes: usize) {
        self.status = Some(status);
        self.sent(head_bytes);
    }

    /// Bytes of the response passed to the client.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The request has a body; this tells when it was passed on.
    pub(crate) fn uploads(&mut self, passed: Option<Rc<Cell<bool>>>) {
        self.body_passed = passed;
    }

    /// Keeps the connection to the dyno for the next request, unless the dyno answered before it had this one's body.
    pub(crate) fn take_back(&mut self, line: Line) {
        if self.body_passed.as_ref().is_some_and(|passed| !passed.get()) {
            return;
        }
        if let Some(Seat(backend)) = &self.seat {
            backend.take_back(line, Instant::now(), &self.worker.limits);
            self.worker.keeps_lines();
        }
    }

    /// It ended well.
    pub(crate) fn succeed(&mut self) {
        self.end(None);
    }

    /// It ended for this reason.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.end(Some(failure));
    }

    fn end(&mut self, failure: Option<Failure>) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let now = Instant::now();
        self.watch.pass(Turn::Idle, now);
        if let (Some(asked), Some(lines)) = (&self.asked, &self.worker.lines) {
            let went = self.went(failure, now);
            let at = self.received_at.plus(now.duration_since(self.started));
            lines.say(self.app.id, at, |out| log_line::write(out, failure, asked, &went));
        }
        self.seat = None;
    }

    fn went(&self, failure: Option<Failure>, now: Instant) -> Went<'_> {
        let answered = self.status.map_or(0, |status| status.as_u16());
        Went {
            dyno: self.seat.as_ref().map_or("", |seat| &seat.0.name),
            connect: self.connect,
            service: self.connected.map(|connected| now.duration_since(connected)),
            status: failure.map_or(answered, Failure::status),
            bytes: self.connected.map(|_| self.bytes),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.fail(self.watch.expired().unwrap_or(Failure::ClientInterrupted));
    }
}
