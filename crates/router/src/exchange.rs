//! One request and its response: who asked, which dyno answers, how it ended. Ends exactly once, with one log line.

use crate::affinity::{self, Affinity};
use crate::failure::Failure;
use crate::head::Head;
use crate::line::Line;
use crate::log_line::{self, Went};
use crate::pool::Seat;
use crate::table::App;
use crate::watch::{Turn, Watch};
use crate::worker::Worker;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use model::time::Timestamp;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// A request that is on its way. Dropped before it ended: the client went away (H27).
pub(crate) struct Exchange {
    pub(crate) worker: Rc<Worker>,
    pub(crate) app: Rc<App>,
    pub(crate) head: Head,
    /// Where the visitor's session is.
    pub(crate) affinity: Affinity,
    watch: Rc<Watch>,
    host: Rc<str>,
    received_at: Timestamp,
    started: Instant,
    seat: Option<Seat>,
    connect: Option<Duration>,
    connected: Option<Instant>,
    status: Option<StatusCode>,
    bytes: u64,
    over: bool,
}

impl Exchange {
    /// A request was read: for this app, which was asked for by this host name.
    pub(crate) fn open(
        worker: &Rc<Worker>,
        watch: &Rc<Watch>,
        (host, app): (Rc<str>, Rc<App>),
        head: Head,
        received_at: Timestamp,
    ) -> Self {
        watch.open();
        let started = Instant::now();
        app.counts.opened(started);
        Self {
            worker: Rc::clone(worker),
            app,
            head,
            affinity: Affinity::Off,
            watch: Rc::clone(watch),
            host,
            received_at,
            started,
            seat: None,
            connect: None,
            connected: None,
            status: None,
            bytes: 0,
            over: false,
        }
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

    /// The cookie by which the visitor's next requests find this dyno again, where there is need of one.
    pub(crate) fn new_cookie(&self) -> Option<HeaderValue> {
        let Seat(backend) = self.seat.as_ref()?;
        let tag = || self.worker.affinity.tag(backend.dyno);
        match self.affinity {
            Affinity::Off => None,
            Affinity::New => affinity::cookie(tag()),
            Affinity::To(wished) => Some(tag()).filter(|tag| *tag != wished).and_then(affinity::cookie),
        }
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

    /// It ended well. The connection to the dyno is kept for the next request, where it can be.
    pub(crate) fn succeed(&mut self, line: Option<Line>, keep_alive: bool) {
        if let (Some(line), true, Some(Seat(backend))) = (line, keep_alive, &self.seat)
            && backend.take_back(line, Instant::now(), &self.worker.limits)
        {
            self.worker.keeps_lines();
        }
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
        let took = now.duration_since(self.started);
        let went = self.went(failure, now);
        self.app.counts.ended(went.status, failure, now);
        if went.status != StatusCode::SWITCHING_PROTOCOLS.as_u16() {
            self.worker.latency.note(took);
        }
        if failure != Some(Failure::AppGone)
            && let Some(lines) = &self.worker.lines
        {
            let at = self.received_at.plus(took);
            lines.say(self.app.id, at, |out| log_line::write(out, failure, &self.head, &went));
        }
        self.seat = None;
    }

    fn went(&self, failure: Option<Failure>, now: Instant) -> Went<'_> {
        let answered = self.status.map_or(0, |status| status.as_u16());
        Went {
            host: &self.host,
            dyno: self.seat.as_ref().map_or("", |seat| &seat.0.name),
            connect: self.connect,
            service: self.connected.map(|connected| now.duration_since(connected)),
            status: failure.map_or(answered, |failure| failure.facts().status),
            bytes: self.connected.map(|_| self.bytes),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.fail(self.watch.expired().unwrap_or(Failure::ClientInterrupted));
    }
}
