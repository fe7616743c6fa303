//! The life of a link: one session per router process, the table carried over from one to the next.

use super::start::{Connected, connect_or_start};
use super::{Answer, Drained, Errand, RouterEvent, Setup};
use crate::entry::Entry;
use crate::error::RouterError;
use crate::outbox;
use crate::unsent::Unsent;
use crate::wire::{self, Command, Frame, Notice, Order};
use model::id::AppId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

/// After a router could not be started: how long until the next attempt.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// Frames that are read ahead.
const FRAMES: usize = 16;

/// What outlives a session.
struct Link {
    /// `None` until the control plane said what the whole table is.
    table: Option<BTreeMap<AppId, Entry>>,
    open: HashMap<u64, Errand>,
    last_id: u64,
    stopping: bool,
    lost: u64,
    /// Apps that are wanted, until there is room to say so.
    wanted: BTreeSet<AppId>,
    events: mpsc::Sender<RouterEvent>,
}

/// How a session ended.
enum Ended {
    /// The router is gone.
    Router,
    /// The router said that another process takes the orders.
    Moved,
    /// The control plane dropped the link or stopped the router.
    Link,
}

/// Keeps a router running and supplied until the link is dropped or stopped.
pub(super) async fn supervise(
    setup: Arc<Setup>,
    mut connected: Connected,
    mut orders: mpsc::Receiver<Errand>,
    events: mpsc::Sender<RouterEvent>,
    now_pid: watch::Sender<u32>,
) {
    let mut link = Link {
        table: None,
        open: HashMap::new(),
        last_id: 0,
        stopping: false,
        lost: 0,
        wanted: BTreeSet::new(),
        events,
    };
    // A router that comes after this one must serve at the same address.
    let listen = connected.addr;
    loop {
        let ended = link.session(connected, &mut orders).await;
        match ended {
            Ended::Link => return,
            Ended::Router => tracing::warn!("The router ended; starting another one"),
            Ended::Moved => tracing::info!("The router hands over to another process"),
        }
        connected = loop {
            match connect_or_start(&setup, listen).await {
                Ok(connected) => break connected,
                Err(error) => tracing::error!(%error, "There is no router; trying again"),
            }
            sleep(TRY_AGAIN).await;
            if orders.is_closed() {
                return;
            }
        };
        let pid = connected.pid;
        tracing::info!(router.pid = pid, "The router's process is {pid}");
        if matches!(ended, Ended::Router) {
            link.tell(RouterEvent::Restarted { pid });
        }
        now_pid.send_replace(pid);
    }
}

impl Link {
    async fn session(&mut self, connected: Connected, orders: &mut mpsc::Receiver<Errand>) -> Ended {
        let Connected { from, mut to, .. } = connected;
        let (frames, mut read) = mpsc::channel(FRAMES);
        // Reading a frame cannot be interrupted, so it has a task of its own.
        let reader = tokio::spawn(read_frames(from, frames));
        let mut unsent = Unsent::default();
        let mut writes = self.resume(&mut unsent).is_ok();
        let events = self.events.clone();
        let ended = loop {
            let written = tokio::select! {
                errand = orders.recv(), if writes && unsent.is_empty() => match errand {
                    Some(errand) => self.send(&mut unsent, errand),
                    None => break Ended::Link,
                },
                written = unsent.write(&mut to), if writes && !unsent.is_empty() => written,
                Ok(room) = events.reserve(), if !self.wanted.is_empty() => {
                    if let Some(app) = self.wanted.pop_first() {
                        room.send(RouterEvent::Wanted { app });
                    }
                    Ok(())
                }
                frame = read.recv() => match frame {
                    Some(Frame::Json(Notice::Moved)) => break Ended::Moved,
                    Some(frame) => { self.take(frame); Ok(()) }
                    None if self.stopping => { self.stopped(); break Ended::Link }
                    None => break Ended::Router,
                },
            };
            // Whoever takes no orders any more may still have something to tell: its last lines, and why.
            writes &= written.is_ok();
        };
        reader.abort();
        ended
    }

    /// A new router gets the whole table, then what the last one left undone.
    fn resume(&mut self, to: &mut Unsent) -> std::io::Result<()> {
        if let Some(table) = &self.table {
            let routes = table.values().cloned().collect();
            self.last_id += 1;
            to.push(&Order { id: self.last_id, command: Command::Sync { routes } })?;
        }
        let mut undone: Vec<(u64, Errand)> = self.open.drain().collect();
        undone.sort_by_key(|(id, _)| *id);
        let mut written = Ok(());
        for (_, errand) in undone {
            // None is forgotten, whether this router takes it or the next one.
            written = written.and(self.send(to, errand));
        }
        written
    }

    fn send(&mut self, to: &mut Unsent, errand: Errand) -> std::io::Result<()> {
        match &errand.command {
            Command::Sync { routes } => {
                self.table = Some(routes.iter().map(|entry| (entry.route.app, entry.clone())).collect());
            }
            Command::Set { route } => {
                if let Some(table) = &mut self.table {
                    table.insert(route.route.app, route.clone());
                }
            }
            Command::Remove { app } => {
                if let Some(table) = &mut self.table {
                    table.remove(app);
                }
            }
            Command::Drain { .. } | Command::Receipt { .. } | Command::Activity => {}
            Command::Stop => self.stopping = true,
        }
        self.last_id += 1;
        let order = Order { id: self.last_id, command: errand.command.clone() };
        self.open.insert(order.id, errand);
        to.push(&order)
    }

    fn take(&mut self, frame: Frame<Notice>) {
        match frame {
            Frame::Json(Notice::Hello { .. } | Notice::Moved) => {}
            // A stop is done when the router is gone, not when it has heard of it.
            Frame::Json(Notice::Done { id }) if self.is_stop(id) => {}
            Frame::Json(Notice::Done { id }) => self.done(id, Ok(Answer::Done)),
            Frame::Json(Notice::Drained { id, at_start, left }) => {
                self.done(id, Ok(Answer::Drained(Drained { in_flight_at_start: at_start, left })));
            }
            Frame::Json(Notice::Receipt { id, receipt }) => self.done(id, Ok(Answer::Receipt(receipt))),
            Frame::Json(Notice::Activity { id, apps }) => self.done(id, Ok(Answer::Activity(apps))),
            Frame::Json(Notice::Wanted { app }) => drop(self.wanted.insert(app)),
            Frame::Json(Notice::Refused { id, why }) => self.done(id, Err(RouterError::Refused(why))),
            Frame::Json(Notice::Dropped { count }) => self.lost += count,
            Frame::Lines(lines) => match outbox::read(&lines) {
                Some(lines) => {
                    lines.into_iter().for_each(|(app, at, text)| self.tell(RouterEvent::Log { app, at, text }));
                }
                None => tracing::warn!("The router sent log lines that cannot be read"),
            },
        }
    }

    fn is_stop(&self, id: u64) -> bool {
        matches!(self.open.get(&id), Some(Errand { command: Command::Stop, .. }))
    }

    fn stopped(&mut self) {
        for (_, errand) in self.open.drain() {
            // Whoever asked may have left.
            let _ = errand.done.send(Ok(Answer::Done));
        }
    }

    fn done(&mut self, id: u64, result: Result<Answer, RouterError>) {
        if let Some(errand) = self.open.remove(&id) {
            // Whoever asked may have left.
            let _ = errand.done.send(result);
        }
    }

    /// Never waits: an answer to an order must not stand behind a full queue of log lines.
    fn tell(&mut self, event: RouterEvent) {
        if self.lost > 0 && self.events.try_send(RouterEvent::Dropped { count: self.lost }).is_ok() {
            self.lost = 0;
        }
        if self.events.try_send(event).is_err() {
            self.lost += 1;
        }
    }
}

async fn read_frames(mut from: OwnedReadHalf, frames: mpsc::Sender<Frame<Notice>>) {
    loop {
        match wire::read::<Notice>(&mut from).await {
            Ok(Some(frame)) => {
                if frames.send(frame).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => return tracing::warn!(%error, "The control connection broke"),
        }
    }
}
