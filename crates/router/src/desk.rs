//! Where orders are carried out: on every thread, on the table on disk, and on the router before this one.

use crate::activity::Activity;
use crate::counts::Totals;
use crate::entry::Entry;
use crate::error::RouterError;
use crate::outbox::{Outbox, Outgoing};
use crate::predecessor::Predecessor;
use crate::receipt::Receipt;
use crate::saved;
use crate::table::Change;
use crate::wanted::Wanted;
use crate::wire::{self, Command, Frame, Notice, Order, PROTOCOL};
use crate::worker::{InFlight, Message};
use model::id::{AppId, DynoId};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A drain does not wait longer for a slow disk.
const SAVE_LIMIT: Duration = Duration::from_secs(5);

/// Answers that wait to be written.
const ANSWERS: usize = 64;

/// How many changes there were, and how many of them a saved table has.
#[derive(Default)]
pub(crate) struct Versions {
    made: Cell<u64>,
    saved: watch::Sender<u64>,
}

/// The control thread's knowledge and reach.
pub(crate) struct Desk {
    pub(crate) dir: PathBuf,
    pub(crate) addr: SocketAddr,
    pub(crate) routes: RefCell<BTreeMap<AppId, Entry>>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) wanted: Arc<Wanted>,
    /// Ends the router.
    pub(crate) stop: Arc<Notify>,
    pub(crate) mailboxes: Vec<mpsc::Sender<Message>>,
    /// The table is not on disk as it is.
    pub(crate) changed: Notify,
    pub(crate) versions: Versions,
    /// Held while the table is written.
    pub(crate) saving: Mutex<()>,
    pub(crate) predecessor: Option<Predecessor>,
    /// Drains that wait for their end.
    pub(crate) drains: TaskTracker,
}

impl Desk {
    fn note(&self, change: &Change) {
        self.versions.made.set(self.versions.made.get() + 1);
        let mut routes = self.routes.borrow_mut();
        match change {
            Change::Sync(all) => *routes = all.iter().map(|entry| (entry.route.app, entry.clone())).collect(),
            Change::Set(route) => drop(routes.insert(route.route.app, route.clone())),
            Change::Remove(app) => drop(routes.remove(app)),
        }
    }

    pub(crate) fn routes(&self) -> Vec<Entry> {
        self.routes.borrow().values().cloned().collect()
    }

    pub(crate) async fn some_thread_ended(&self) {
        let ends = self.mailboxes.iter().map(|mailbox| Box::pin(mailbox.closed()));
        let mut ends: Vec<_> = ends.collect();
        std::future::poll_fn(|cx| {
            if ends.iter_mut().any(|end| end.as_mut().poll(cx).is_ready()) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }

    /// Sends every thread a message and collects the answers; a thread that ended has none.
    pub(crate) async fn tell_all<T>(&self, message: impl Fn() -> (Message, oneshot::Receiver<T>)) -> Vec<T> {
        let mut waits = Vec::with_capacity(self.mailboxes.len());
        for mailbox in &self.mailboxes {
            let (message, wait) = message();
            if mailbox.send(message).await.is_ok() {
                waits.push(wait);
            }
        }
        let mut answers = Vec::with_capacity(waits.len());
        for wait in waits {
            answers.extend(wait.await);
        }
        answers
    }

    /// Returns when every thread uses the change.
    async fn change(&self, change: Change) {
        self.note(&change);
        self.wanted.renew(&change);
        let change = Arc::new(change);
        self.tell_all(|| {
            let (done, wait) = oneshot::channel();
            (Message::Apply(Arc::clone(&change), done), wait)
        })
        .await;
        if let Some(predecessor) = &self.predecessor {
            predecessor.change(Change::clone(&change).into()).await;
        }
        self.changed.notify_one();
    }

    async fn drain(&self, dynos: Vec<DynoId>, limit_ms: u64) -> InFlight {
        let shared: Arc<[DynoId]> = dynos.as_slice().into();
        let limit = Duration::from_millis(limit_ms);
        let here = self.tell_all(|| {
            let (done, wait) = oneshot::channel();
            (Message::Drain(Arc::clone(&shared), limit, done), wait)
        });
        let before = async {
            match &self.predecessor {
                Some(predecessor) => predecessor.drain(Command::Drain { dynos, limit_ms }).await,
                None => InFlight::default(),
            }
        };
        let (here, before) = tokio::join!(here, before);
        here.into_iter().fold(before, InFlight::plus)
    }

    /// What the requests of an app met here; of what the router before this one holds, only what is open.
    async fn receipt(&self, app: AppId) -> Receipt {
        let here = self.tell_all(|| {
            let (done, wait) = oneshot::channel();
            (Message::Receipt(app, done), wait)
        });
        let mut receipt = here.await.into_iter().fold(Totals::default(), Totals::plus).receipt();
        if let Some(predecessor) = &self.predecessor {
            let before = predecessor.receipt(app).await;
            receipt.in_flight += before.in_flight;
            receipt.held_now += before.held_now;
        }
        receipt
    }

    /// What is open of every app, here and at the router before this one, and how long nothing happened.
    async fn activity(&self) -> Vec<(AppId, Activity)> {
        let here = self.tell_all(|| {
            let (done, wait) = oneshot::channel();
            (Message::Activity(done), wait)
        });
        let here = here.await.into_iter().flatten();
        let before = match &self.predecessor {
            Some(predecessor) => predecessor.activity().await,
            None => Vec::new(),
        };
        let mut apps: BTreeMap<AppId, Activity> = BTreeMap::new();
        for (app, activity) in here.chain(before) {
            apps.entry(app).and_modify(|sum| *sum = sum.plus(activity)).or_insert(activity);
        }
        apps.into_iter().collect()
    }

    pub(crate) async fn save(&self) {
        let _saving = self.saving.lock().await;
        let (routes, dir, version) = (self.routes(), self.dir.clone(), self.versions.made.get());
        let saved = tokio::task::spawn_blocking(move || saved::save(&dir, &routes)).await;
        match saved {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "The route table is not saved; it is served all the same"),
            Err(error) => tracing::error!(%error, "The route table is not saved"),
        }
        // Also when it could not be: nobody waits for a disk that is full.
        self.versions.saved.send_replace(version);
    }

    /// Waits until a router that is killed would be followed by one with all changes that were made so far.
    async fn saved(&self) {
        let version = self.versions.made.get();
        let mut saved = self.versions.saved.subscribe();
        let saved = saved.wait_for(|saved| *saved >= version);
        if tokio::time::timeout(SAVE_LIMIT, saved).await.is_err() {
            tracing::warn!("The route table is still not saved after {SAVE_LIMIT:?}");
        }
    }
}

impl From<Change> for Command {
    fn from(change: Change) -> Self {
        match change {
            Change::Sync(routes) => Self::Sync { routes },
            Change::Set(route) => Self::Set { route },
            Change::Remove(app) => Self::Remove { app },
        }
    }
}

/// Saves the table after each change; several changes while the disk is busy are one.
pub(crate) async fn save_changes(desk: Rc<Desk>) {
    loop {
        desk.changed.notified().await;
        desk.save().await;
    }
}

/// Talks with one control plane until it leaves, or until `over`: then nothing half-said is left, and it is told to
/// look for another process at the same socket.
pub(crate) async fn converse(desk: Rc<Desk>, stream: UnixStream, over: CancellationToken) {
    let (from, to) = stream.into_split();
    let (answers, waiting) = mpsc::channel(ANSWERS);
    let writer = write(Rc::clone(&desk), to, waiting, &over);
    let reader = read(desk, from, answers, &over);
    tokio::select! {
        read = reader => if let Err(error) = read {
            tracing::warn!(%error, "The control connection broke");
        },
        () = writer => {}
    }
}

async fn write(desk: Rc<Desk>, mut to: OwnedWriteHalf, mut answers: mpsc::Receiver<Notice>, over: &CancellationToken) {
    let hello = Notice::Hello { protocol: PROTOCOL, addr: desk.addr, pid: std::process::id() };
    let mut written = wire::write_json(&mut to, &hello).await;
    // What the last one was told may not have been acted on.
    desk.wanted.say_again();
    while written.is_ok() {
        written = tokio::select! {
            biased;
            answer = answers.recv() => match answer {
                Some(answer) => wire::write_json(&mut to, &answer).await,
                None => return,
            },
            app = desk.wanted.next() => wire::write_json(&mut to, &Notice::Wanted { app }).await,
            () = over.cancelled() => {
                // A control plane that is gone needs no word.
                let _ = wire::write_json(&mut to, &Notice::Moved).await;
                return;
            }
            next = desk.outbox.next() => match next {
                Some(Outgoing::Dropped(count)) => wire::write_json(&mut to, &Notice::Dropped { count }).await,
                Some(Outgoing::Lines(batch)) => {
                    let written = wire::write_lines(&mut to, &batch.bytes).await;
                    if written.is_err() {
                        desk.outbox.lose(&batch);
                    }
                    written
                }
                None => return,
            },
        };
    }
}

async fn read(
    desk: Rc<Desk>,
    mut from: OwnedReadHalf,
    answers: mpsc::Sender<Notice>,
    over: &CancellationToken,
) -> Result<(), RouterError> {
    loop {
        let frame = tokio::select! {
            frame = wire::read::<Order>(&mut from) => frame?,
            // What is not answered is asked again, of the next process.
            () = over.cancelled() => return std::future::pending().await,
        };
        let Some(frame) = frame else { return Ok(()) };
        let Frame::Json(Order { id, command }) = frame else {
            return Err(RouterError::Protocol("log lines from the control plane".into()));
        };
        match command {
            Command::Sync { routes } => desk.change(Change::Sync(routes)).await,
            Command::Set { route } => desk.change(Change::Set(route)).await,
            Command::Remove { app } => desk.change(Change::Remove(app)).await,
            Command::Stop => desk.stop.notify_one(),
            Command::Drain { dynos, limit_ms } => {
                let drain = drain(Rc::clone(&desk), id, dynos, limit_ms, answers.clone());
                tokio::task::spawn_local(desk.drains.track_future(drain));
                continue;
            }
            Command::Activity => {
                let _ = answers.send(Notice::Activity { id, apps: desk.activity().await }).await;
                continue;
            }
            Command::Receipt { app } => {
                // A control plane that left asks again when it is back.
                let _ = answers.send(Notice::Receipt { id, receipt: desk.receipt(app).await }).await;
                continue;
            }
        }
        // The writer is gone: so is the control plane.
        if answers.send(Notice::Done { id }).await.is_err() {
            return Ok(());
        }
    }
}

async fn drain(desk: Rc<Desk>, id: u64, dynos: Vec<DynoId>, limit_ms: u64, answers: mpsc::Sender<Notice>) {
    // These dynos end when they are drained: no router may come back with a table that leads to them alone.
    desk.saved().await;
    let InFlight { at_start, left } = desk.drain(dynos, limit_ms).await;
    // A control plane that left asks again when it is back.
    let _ = answers.send(Notice::Drained { id, at_start, left }).await;
}
