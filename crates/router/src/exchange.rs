//! One request and its response: who asked, which dyno answers, how it ended. Ends exactly once, with one log line.

use crate::affinity::{self, Affinity};
use crate::failure::Failure;
use crate::head::Head;
use crate::line::Line;
use crate::log_line::{self, Went};
use crate::pool::Backend;
use crate::pool::Seat;
use crate::response::{Asked, SWITCHING_PROTOCOLS};
use crate::table::App;
use crate::watch::{Turn, Watch};
use crate::worker::Worker;
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
    /// What its response depends on.
    pub(crate) asked: Asked,
    watch: Rc<Watch>,
    host: Rc<str>,
    received_at: Timestamp,
    started: Instant,
    seat: Option<Seat>,
    /// The dyno that was chosen last.
    dyno: Option<Rc<Backend>>,
    connect: Option<Duration>,
    connected: Option<Instant>,
    status: u16,
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
            asked: Asked::default(),
            watch: Rc::clone(watch),
            host,
            received_at,
            started,
            seat: None,
            dyno: None,
            connect: None,
            connected: None,
            status: 0,
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
        self.dyno = Some(Rc::clone(&seat.0));
        self.seat = Some(seat);
        (self.connect, self.connected) = (None, None);
    }

    /// The cookie by which the visitor's next requests find this dyno again, where there is need of one.
    pub(crate) fn new_cookie(&self) -> Option<Vec<u8>> {
        let backend = self.dyno.as_ref()?;
        let tag = || self.worker.affinity.tag(backend.dyno);
        match self.affinity {
            Affinity::Off => None,
            Affinity::New => Some(affinity::cookie(tag())),
            Affinity::To(wished) => Some(tag()).filter(|tag| *tag != wished).map(affinity::cookie),
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
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = status;
    }

    /// Bytes of the response passed to the client.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// It ended well. The connection to the dyno is kept for the next request, where it can be.
    pub(crate) fn succeed(&mut self, line: Option<Line>, keep_alive: bool) {
        let now = Instant::now();
        if let Some(line) = line {
            self.give_back(line, keep_alive, now);
        }
        self.end(None, now);
    }

    /// The dyno is done with it, though the client is not: it is in flight there no more.
    pub(crate) fn release(&mut self, line: Line, keep_alive: bool) {
        self.give_back(line, keep_alive, Instant::now());
        self.seat = None;
    }

    fn give_back(&self, line: Line, keep_alive: bool, now: Instant) {
        if let (true, Some(Seat(backend))) = (keep_alive, &self.seat)
            && backend.take_back(line, now, &self.worker.limits)
        {
            self.worker.keeps_lines();
        }
    }

    /// It ended for this reason.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.end(Some(failure), Instant::now());
    }

    fn end(&mut self, failure: Option<Failure>, now: Instant) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.watch.pass(Turn::Idle, now);
        let took = now.duration_since(self.started);
        let went = self.went(failure, now);
        self.app.counts.ended(went.status, failure, now);
        if went.status != SWITCHING_PROTOCOLS {
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
        Went {
            host: &self.host,
            dyno: self.dyno.as_ref().map_or("", |dyno| &dyno.name),
            connect: self.connect,
            service: self.connected.map(|connected| now.duration_since(connected)),
            status: failure.map_or(self.status, |failure| failure.facts().status),
            bytes: self.connected.map(|_| self.bytes),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.over {
            self.fail(self.watch.expired().unwrap_or(Failure::ClientInterrupted));
        }
        self.worker.buffers.give_written(self.head.take_bytes());
    }
}
