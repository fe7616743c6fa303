//! The control socket's end in the router: takes orders, keeps the whole table, sends log lines.

use crate::config::RouterConfig;
use crate::error::RouterError;
use crate::outbox::{Outbox, Outgoing};
use crate::process::{self, Thread};
use crate::saved;
use crate::table::Change;
use crate::wire::{self, Command, Frame, Notice, Order, PROTOCOL};
use crate::worker::{InFlight, Message};
use model::id::{AppId, DynoId};
use model::route::Route;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

/// Answers that wait to be written.
const ANSWERS: usize = 64;

/// At the end: how long the last log lines may take to their reader.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the control thread starts with.
pub(crate) struct Control {
    dir: PathBuf,
    addr: SocketAddr,
    routes: RefCell<BTreeMap<AppId, Route>>,
    outbox: Arc<Outbox>,
    stop: Arc<Notify>,
}

impl Control {
    pub(crate) fn new(
        config: &RouterConfig,
        addr: SocketAddr,
        routes: Vec<Route>,
        outbox: Arc<Outbox>,
        stop: Arc<Notify>,
    ) -> Self {
        let routes = RefCell::new(routes.into_iter().map(|route| (route.app, route)).collect());
        Self { dir: config.dir.clone(), addr, routes, outbox, stop }
    }

    fn note(&self, change: &Change) {
        let mut routes = self.routes.borrow_mut();
        match change {
            Change::Sync(all) => *routes = all.iter().map(|route| (route.app, route.clone())).collect(),
            Change::Set(route) => drop(routes.insert(route.app, route.clone())),
            Change::Remove(app) => drop(routes.remove(app)),
        }
    }

    /// Serves the control socket until the router is told to stop.
    pub(crate) async fn run(self, listener: UnixListener, threads: Vec<Thread>, lock: File) -> Result<(), RouterError> {
        let desk = Rc::new(Desk {
            control: self,
            mailboxes: threads.iter().map(|thread| thread.messages.clone()).collect(),
            changed: Notify::new(),
        });
        let saver = tokio::task::spawn_local(save_changes(Rc::clone(&desk)));
        let mut talk: Option<JoinHandle<()>> = None;
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    // One control plane at a time: the newest is the living one.
                    if let Some(old) = talk.replace(tokio::task::spawn_local(converse(Rc::clone(&desk), stream))) {
                        old.abort();
                    }
                }
                () = desk.control.stop.notified() => break,
                () = desk.some_thread_ended() => break,
            }
        }
        desk.tell_all(|| {
            let (closed, wait) = oneshot::channel();
            (Message::Stop(closed), wait)
        })
        .await;
        // The port is free: another router may take over while this one finishes what is in flight.
        drop((listener, lock));
        let ended = process::join(threads).await;
        saver.abort();
        desk.save().await;
        desk.control.outbox.close();
        if let Some(talk) = talk {
            // Without a reader the last lines are lost, as they would be with one that hangs.
            let _ = tokio::time::timeout(LAST_WORDS, talk).await;
        }
        ended
    }
}

/// Where orders are carried out.
struct Desk {
    control: Control,
    mailboxes: Vec<mpsc::Sender<Message>>,
    changed: Notify,
}

impl Desk {
    async fn some_thread_ended(&self) {
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
    async fn tell_all<T>(&self, message: impl Fn() -> (Message, oneshot::Receiver<T>)) -> Vec<T> {
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
        self.control.note(&change);
        let change = Arc::new(change);
        self.tell_all(|| {
            let (done, wait) = oneshot::channel();
            (Message::Apply(Arc::clone(&change), done), wait)
        })
        .await;
        self.changed.notify_one();
    }

    async fn drain(&self, dynos: Vec<DynoId>, limit: Duration) -> InFlight {
        let dynos: Arc<[DynoId]> = dynos.into();
        let answers = self.tell_all(|| {
            let (done, wait) = oneshot::channel();
            (Message::Drain(Arc::clone(&dynos), limit, done), wait)
        });
        let sum = |sum: InFlight, next: InFlight| InFlight {
            at_start: sum.at_start + next.at_start,
            left: sum.left + next.left,
        };
        answers.await.into_iter().fold(InFlight::default(), sum)
    }

    async fn save(&self) {
        let routes: Vec<Route> = self.control.routes.borrow().values().cloned().collect();
        let dir = self.control.dir.clone();
        let saved = tokio::task::spawn_blocking(move || saved::save(&dir, &routes)).await;
        match saved {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "The route table is not saved; it is served all the same"),
            Err(error) => tracing::error!(%error, "The route table is not saved"),
        }
    }
}

/// Saves the table after each change; several changes while the disk is busy are one.
async fn save_changes(desk: Rc<Desk>) {
    loop {
        desk.changed.notified().await;
        desk.save().await;
    }
}

/// Talks with one control plane until it leaves.
async fn converse(desk: Rc<Desk>, stream: UnixStream) {
    let (from, to) = stream.into_split();
    let (answers, waiting) = mpsc::channel(ANSWERS);
    let writer = write(Rc::clone(&desk), to, waiting);
    let reader = read(desk, from, answers);
    tokio::select! {
        read = reader => if let Err(error) = read {
            tracing::warn!(%error, "The control connection broke");
        },
        () = writer => {}
    }
}

async fn write(desk: Rc<Desk>, mut to: OwnedWriteHalf, mut answers: mpsc::Receiver<Notice>) {
    let control = &desk.control;
    let hello = Notice::Hello { protocol: PROTOCOL, addr: control.addr, pid: std::process::id() };
    let mut written = wire::write_json(&mut to, &hello).await;
    while written.is_ok() {
        written = tokio::select! {
            biased;
            answer = answers.recv() => match answer {
                Some(answer) => wire::write_json(&mut to, &answer).await,
                None => return,
            },
            next = control.outbox.next() => match next {
                Some(Outgoing::Dropped(count)) => wire::write_json(&mut to, &Notice::Dropped { count }).await,
                Some(Outgoing::Lines(batch)) => {
                    let written = wire::write_lines(&mut to, &batch.bytes).await;
                    if written.is_err() {
                        control.outbox.lose(&batch);
                    }
                    written
                }
                None => return,
            },
        };
    }
}

async fn read(desk: Rc<Desk>, mut from: OwnedReadHalf, answers: mpsc::Sender<Notice>) -> Result<(), RouterError> {
    while let Some(frame) = wire::read::<Order>(&mut from).await? {
        let Frame::Json(Order { id, command }) = frame else {
            return Err(RouterError::Protocol("log lines from the control plane".into()));
        };
        match command {
            Command::Sync { routes } => desk.change(Change::Sync(routes)).await,
            Command::Set { route } => desk.change(Change::Set(route)).await,
            Command::Remove { app } => desk.change(Change::Remove(app)).await,
            Command::Stop => desk.control.stop.notify_one(),
            Command::Drain { dynos, limit_ms } => {
                tokio::task::spawn_local(drain(Rc::clone(&desk), id, dynos, limit_ms, answers.clone()));
                continue;
            }
        }
        // The writer is gone: so is the control plane.
        if answers.send(Notice::Done { id }).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn drain(desk: Rc<Desk>, id: u64, dynos: Vec<DynoId>, limit_ms: u64, answers: mpsc::Sender<Notice>) {
    let InFlight { at_start, left } = desk.drain(dynos, Duration::from_millis(limit_ms)).await;
    // A control plane that left asks again when it is back.
    let _ = answers.send(Notice::Drained { id, at_start, left }).await;
}
