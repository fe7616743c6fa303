//! One thread of the router: its listener, its clients, its copy of the table, its connections to dynos.

use crate::activity::Activity;
use crate::affinity;
use crate::buffers::Buffers;
use crate::chance::Chance;
use crate::config::Limits;
use crate::connection;
use crate::counts::{Latency, Tally, Totals};
use crate::crowd::Crowd;
use crate::date::Date;
use crate::entry::Entry;
use crate::field::Field;
use crate::outbox::{Lines, Outbox};
use crate::table::{Change, Table};
use crate::tunnel::SCRATCH_BYTES;
use crate::wanted::Wanted;
use crate::watch::Watch;
use model::id::{AppId, DynoId};
use model::world::World;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::TcpListener;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// After an accept failed (too many open files): how long to leave the machine alone.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often idle connections to dynos are looked at while there are any.
const SWEEP: Duration = Duration::from_secs(1);

/// What the control side tells a thread.
#[derive(Debug)]
pub(crate) enum Message {
    /// Change the table; answered when every later request meets the change.
    Apply(Arc<Change>, oneshot::Sender<()>),
    /// Answered when nothing is in flight on these dynos, or at the limit.
    Drain(Arc<[DynoId]>, Duration, oneshot::Sender<InFlight>),
    /// What the requests of this app met on this thread.
    Receipt(AppId, oneshot::Sender<Totals>),
    /// What the requests of all apps met on this thread.
    Tally(oneshot::Sender<Tally>),
    /// What is open of every app on this thread, and how long nothing happened.
    Activity(oneshot::Sender<BTreeMap<AppId, Activity>>),
    /// A successor serves: accept nothing more (answered when the socket is closed here), answer on each connection once
    /// more, end when there is none left or at the limit.
    Leave(oneshot::Sender<()>),
    /// Accept nothing more (answered when the port is free), end what is in flight, end.
    Stop(oneshot::Sender<()>),
}

/// Requests on some dynos.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct InFlight {
    pub(crate) at_start: usize,
    pub(crate) left: usize,
}

impl InFlight {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { at_start: self.at_start + other.at_start, left: self.left + other.left }
    }
}

/// What all threads get.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) world: Arc<dyn World>,
    /// `None`: no log lines.
    pub(crate) outbox: Option<Arc<Outbox>>,
    pub(crate) port: u16,
    /// Where requests for apps that are asleep are told.
    pub(crate) wanted: Arc<Wanted>,
    /// By which visitors' cookies are read.
    pub(crate) affinity: affinity::Key,
    /// The table to begin with.
    pub(crate) saved: Vec<Entry>,
}

/// What one thread has.
pub(crate) struct Worker {
    pub(crate) table: Table,
    pub(crate) limits: Limits,
    pub(crate) world: Arc<dyn World>,
    pub(crate) lines: Option<Lines>,
    pub(crate) wanted: Arc<Wanted>,
    pub(crate) chance: Chance,
    pub(crate) affinity: affinity::Key,
    /// Header lines that every request gets.
    pub(crate) fixed_headers: Vec<u8>,
    pub(crate) latency: Latency,
    pub(crate) buffers: Buffers,
    /// Empty; its room is used for the fields of each request in turn.
    pub(crate) fields: RefCell<Vec<Field>>,
    /// For reading what is passed on at once.
    pub(crate) scratch: RefCell<Box<[u8]>>,
    pub(crate) date: Date,
    /// What the responses to slow clients hold.
    pub(crate) ahead: Cell<usize>,
    nobodys: Cell<u64>,
    leaving: Cell<bool>,
    clients: Rc<Crowd>,
    keeps_lines: Notify,
}

impl Worker {
    fn new(shared: &Shared) -> Rc<Self> {
        Rc::new(Self {
            table: Table::default(),
            limits: shared.limits.clone(),
            world: Arc::clone(&shared.world),
            lines: shared.outbox.as_ref().map(|outbox| Lines::new(Arc::clone(outbox))),
            wanted: Arc::clone(&shared.wanted),
            chance: Chance::new(&*shared.world),
            affinity: shared.affinity,
            fixed_headers: format!("x-forwarded-proto: http\r\nx-forwarded-port: {}\r\n", shared.port).into_bytes(),
            latency: Latency::default(),
            buffers: Buffers::default(),
            fields: RefCell::default(),
            scratch: RefCell::new(vec![0; SCRATCH_BYTES].into()),
            date: Date::default(),
            ahead: Cell::new(0),
            nobodys: Cell::new(0),
            leaving: Cell::new(false),
            clients: Rc::default(),
            keeps_lines: Notify::new(),
        })
    }

    fn tally(&self) -> Tally {
        let (apps, connections) = (self.table.all_totals(), self.clients.count() as u64);
        let (let_go, nobodys) = (self.clients.let_go(), self.nobodys.get());
        Tally { apps, connections, let_go, nobodys, ..Tally::default() }.with(&self.latency)
    }

    /// A request of which it is not to be known whose it is.
    pub(crate) fn count_nobodys(&self) {
        self.nobodys.set(self.nobodys.get() + 1);
    }

    /// Another process serves: every response is the last one on its connection.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    /// A connection to a dyno is kept: the sweep has something to look at.
    pub(crate) fn keeps_lines(&self) {
        self.keeps_lines.notify_one();
    }

    /// Closes what idles too long; sleeps without a timer while there is nothing.
    async fn sweep(&self) {
        loop {
            self.keeps_lines.notified().await;
            let mut some = true;
            while some {
                tokio::time::sleep(SWEEP.min(self.limits.dyno_idle)).await;
                let now = Instant::now();
                some = false;
                for backend in self.table.all_backends() {
                    some |= backend.close_idle(now, &self.limits);
                }
            }
        }
    }

    async fn drain(&self, dynos: &[DynoId], limit: Duration) -> InFlight {
        let backends = self.table.backends(dynos);
        let in_flight = || backends.iter().map(|backend| backend.in_flight()).sum();
        let at_start = in_flight();
        let all = async {
            for backend in &backends {
                backend.drained().await;
            }
        };
        // At the limit the answer says what is left.
        let _ = tokio::time::timeout(limit, all).await;
        InFlight { at_start, left: in_flight() }
    }

    /// Lets every client finish the request it is in, up to the limit.
    async fn finish(&self) {
        self.clients.all().iter().for_each(|watch| watch.close());
        let _ = tokio::time::timeout(self.limits.stop, self.all_gone()).await;
    }

    /// Closes no connection that a client may be about to use: each is closed with its next response, or when it idles.
    async fn leave(self: Rc<Self>) {
        let _ = tokio::time::timeout(self.limits.leave, self.all_gone()).await;
    }

    /// Resolves when there are no clients and no WebSockets.
    async fn all_gone(&self) {
        self.clients.all_gone().await;
        for backend in self.table.all_backends() {
            backend.drained().await;
        }
    }
}

/// The thread itself: serves until it is told to stop or nobody can tell it anything any more.
pub(crate) fn run(shared: &Shared, listener: TcpListener, messages: mpsc::Receiver<Message>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let worker = Worker::new(shared);
    worker.table.apply(&Change::Sync(shared.saved.clone()));
    let ended = local.block_on(&runtime, serve(Rc::clone(&worker), listener, messages));
    // Ends the WebSockets and slow clients that the limit left over, each with its log line.
    drop(local);
    if let Some(lines) = &worker.lines {
        lines.flush();
    }
    ended
}

async fn serve(
    worker: Rc<Worker>,
    listener: TcpListener,
    mut messages: mpsc::Receiver<Message>,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut accepting = Some(tokio::task::spawn_local(accept(Rc::clone(&worker), listener)));
    let flushed = Rc::clone(&worker);
    tokio::task::spawn_local(async move {
        if let Some(lines) = &flushed.lines {
            lines.keep_flushing().await;
        }
    });
    let swept = Rc::clone(&worker);
    tokio::task::spawn_local(async move { swept.sweep().await });
    let mut left: Pin<Box<dyn Future<Output = ()>>> = Box::pin(std::future::pending());
    loop {
        let message = tokio::select! {
            message = messages.recv() => message,
            () = &mut left => return Ok(()),
        };
        match message {
            Some(Message::Apply(change, done)) => {
                worker.table.apply(&change);
                // Nobody waits any more: the change stands all the same.
                let _ = done.send(());
            }
            Some(Message::Drain(dynos, limit, done)) => {
                let worker = Rc::clone(&worker);
                tokio::task::spawn_local(async move {
                    let _ = done.send(worker.drain(&dynos, limit).await);
                });
            }
            Some(Message::Receipt(app, done)) => {
                let _ = done.send(worker.table.totals(app));
            }
            Some(Message::Tally(done)) => {
                let _ = done.send(worker.tally());
            }
            Some(Message::Activity(done)) => {
                let _ = done.send(worker.table.activity(Instant::now()));
            }
            Some(Message::Leave(closed)) => {
                close(accepting.take()).await;
                worker.leaving.set(true);
                left = Box::pin(Rc::clone(&worker).leave());
                let _ = closed.send(());
            }
            Some(Message::Stop(closed)) => {
                close(accepting.take()).await;
                let _ = closed.send(());
                break;
            }
            None => break,
        }
    }
    close(accepting.take()).await;
    worker.finish().await;
    Ok(())
}

/// Accepts nothing more; returns when the listener is closed. What was accepted is registered already.
async fn close(accepting: Option<JoinHandle<()>>) {
    if let Some(accepting) = accepting {
        accepting.abort();
        // It was cancelled.
        let _ = accepting.await;
    }
}

async fn accept(worker: Rc<Worker>, listener: tokio::net::TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Only speed is lost if the kernel refuses.
                let _ = stream.set_nodelay(true);
                let watch = Watch::new(Instant::now());
                let known = worker.clients.register(&watch, worker.limits.clients);
                let serve = connection::serve(Rc::clone(&worker), watch, stream, peer);
                tokio::task::spawn_local(async move {
                    serve.await;
                    drop(known);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "A connection was not accepted. Raise the limit of open files if this goes on");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
