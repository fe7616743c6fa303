//! The control plane's end of the control socket: finds or starts the router process and keeps it supplied.
//!
//! The link keeps its own copy of the table. Whenever the router is another one than before, it gets all of it again.

use crate::activity::Activity;
use crate::config::{Limits, RouterConfig};
use crate::entry::Entry;
use crate::error::RouterError;
use crate::receipt::Receipt;
use crate::wire::Command;
use model::id::{AppId, DynoId};
use model::time::Timestamp;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

mod session;
mod start;

/// Orders that wait for the router.
const ORDERS: usize = 256;

/// Events that wait for the control plane; log lines beyond it are dropped and counted.
const EVENTS: usize = 16 * 1024;

/// How to reach the router, or to start it.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// The binary that knows `router …`.
    pub exe: PathBuf,
    /// The run folder, private to the owner; it must exist.
    pub dir: PathBuf,
    /// Where clients connect; port 0: wherever a living router listens already, or any free port.
    pub listen: SocketAddr,
    /// One log line per request?
    pub request_log: bool,
    /// Threads of the router; `None`: one per core.
    pub threads: Option<NonZeroUsize>,
}

/// All that a router is started with.
#[derive(Debug)]
struct Setup {
    link: LinkConfig,
    metrics: Option<SocketAddr>,
}

impl Setup {
    fn router(&self, listen: SocketAddr) -> RouterConfig {
        RouterConfig {
            listen,
            dir: self.link.dir.clone(),
            request_log: self.link.request_log,
            threads: self.link.threads,
            metrics: self.metrics,
            upgrade: false,
            hold: false,
            limits: Limits::default(),
        }
    }
}

/// What the router tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouterEvent {
    /// One request's log line: source `heroku`, process `router`.
    Log {
        /// In whose log.
        app: AppId,
        /// When the request ended.
        at: Timestamp,
        /// The line.
        text: String,
    },
    /// That many log lines were lost, because nobody took them in time.
    Dropped {
        /// How many.
        count: u64,
    },
    /// Requests wait for an app that is asleep. Said at once when the first one comes, and again every second while some
    /// wait and the app is still asleep.
    Wanted {
        /// Which.
        app: AppId,
    },
    /// The router had ended and another one runs, with the same table.
    Restarted {
        /// Its process id.
        pid: u32,
    },
}

/// How a drain went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drained {
    /// Requests in flight on the dynos when it was asked for.
    pub in_flight_at_start: usize,
    /// Requests still in flight there: 0, unless the limit came first.
    pub left: usize,
}

/// The control plane's hold on the router process. Dropping it leaves the router running.
#[derive(Debug, Clone)]
pub struct RouterLink {
    setup: Arc<Setup>,
    addr: SocketAddr,
    orders: mpsc::Sender<Errand>,
    pid: watch::Receiver<u32>,
}

/// An order and who waits for its end.
#[derive(Debug)]
struct Errand {
    command: Command,
    done: oneshot::Sender<Result<Answer, RouterError>>,
}

/// What comes back for an order.
#[derive(Debug)]
enum Answer {
    Done,
    Drained(Drained),
    Receipt(Receipt),
    Activity(Vec<(AppId, Activity)>),
}

impl RouterLink {
    /// Connects to the router that runs on this folder, or starts one that outlives this process. From then on the
    /// link restarts and supplies it by itself. A living router serves its saved table until [`RouterLink::sync`].
    ///
    /// # Errors
    /// When no router runs and none can be started: the message has its last words.
    pub async fn ensure(config: LinkConfig) -> Result<(Self, mpsc::Receiver<RouterEvent>), RouterError> {
        Self::open(Setup { link: config, metrics: None }).await
    }

    /// The same with figures for Prometheus at this loopback address. A router that runs already gets them with the
    /// next [`RouterLink::upgrade`].
    ///
    /// # Errors
    /// As [`RouterLink::ensure`]; also when the address is no loopback address or is taken.
    pub async fn ensure_with_metrics(
        config: LinkConfig,
        metrics: SocketAddr,
    ) -> Result<(Self, mpsc::Receiver<RouterEvent>), RouterError> {
        Self::open(Setup { link: config, metrics: Some(metrics) }).await
    }

    async fn open(setup: Setup) -> Result<(Self, mpsc::Receiver<RouterEvent>), RouterError> {
        let connected = start::connect_or_start(&setup, setup.link.listen).await?;
        let addr = connected.addr;
        let (orders, waiting) = mpsc::channel(ORDERS);
        let (events, taken) = mpsc::channel(EVENTS);
        let (now_pid, pid) = watch::channel(connected.pid);
        let setup = Arc::new(setup);
        tokio::spawn(session::supervise(Arc::clone(&setup), connected, waiting, events, now_pid));
        Ok((Self { setup, addr, orders, pid }, taken))
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The router's process now.
    #[must_use]
    pub fn pid(&self) -> u32 {
        *self.pid.borrow()
    }

    /// Replaces the router by one from the link's `exe` without failing a request: it takes over the sockets, the table
    /// and the settings; the old one finishes what it holds. Returns the new one's process id when it serves and the
    /// link talks to it.
    ///
    /// # Errors
    /// When the new one cannot take over: its last words. The old one goes on.
    pub async fn upgrade(&self) -> Result<u32, RouterError> {
        start::upgrade(&self.setup, self.addr, self.pid.clone()).await
    }

    /// [`RouterLink::upgrade`], where the router that runs is of another binary than the link's `exe`; `None`: it is not.
    ///
    /// # Errors
    /// As [`RouterLink::upgrade`].
    pub async fn upgrade_to_own(&self) -> Result<Option<u32>, RouterError> {
        let file = |path: &Path| std::fs::metadata(path).ok().map(|about| (about.dev(), about.ino()));
        let own = file(&self.setup.link.exe);
        // The kernel keeps what a process runs under its number, also when another file lies in its place.
        let runs = file(Path::new(&format!("/proc/{}/exe", self.pid())));
        if own.is_none() || runs.is_none() || own == runs {
            return Ok(None);
        }
        self.upgrade().await.map(Some)
    }

    /// Makes these the whole table; returns when every thread of the router uses it.
    pub async fn sync(&self, routes: Vec<impl Into<Entry>>) -> Result<(), RouterError> {
        let routes = routes.into_iter().map(Into::into).collect();
        self.order(Command::Sync { routes }).await.map(drop)
    }

    /// Adds or replaces one app; returns when every thread of the router uses it.
    pub async fn set(&self, route: impl Into<Entry>) -> Result<(), RouterError> {
        let route = route.into();
        self.order(Command::Set { route }).await.map(drop)
    }

    /// Removes one app; returns when no thread of the router knows it any more.
    pub async fn remove(&self, app: AppId) -> Result<(), RouterError> {
        self.order(Command::Remove { app }).await.map(drop)
    }

    /// Waits until no request is in flight on these dynos, WebSockets included, at most for `limit`. Take them out of
    /// the table first, or requests keep coming.
    pub async fn drain(&self, dynos: Vec<DynoId>, limit: Duration) -> Result<Drained, RouterError> {
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        match self.order(Command::Drain { dynos, limit_ms }).await? {
            Answer::Drained(drained) => Ok(drained),
            other @ (Answer::Done | Answer::Receipt(_) | Answer::Activity(_)) => Err(unexpected(&other)),
        }
    }

    /// How the requests of an app fare; two of them say how they fared in between (see [`Receipt::since`]).
    pub async fn receipt(&self, app: AppId) -> Result<Receipt, RouterError> {
        match self.order(Command::Receipt { app }).await? {
            Answer::Receipt(receipt) => Ok(receipt),
            other @ (Answer::Done | Answer::Drained(_) | Answer::Activity(_)) => Err(unexpected(&other)),
        }
    }

    /// What is open of every app in the table, and how long nothing happened to it. A router counts from its own start,
    /// so that one which restarted makes no app look idle for longer than it knows.
    pub async fn activity(&self) -> Result<HashMap<AppId, Activity>, RouterError> {
        match self.order(Command::Activity).await? {
            Answer::Activity(apps) => Ok(apps.into_iter().collect()),
            other @ (Answer::Done | Answer::Drained(_) | Answer::Receipt(_)) => Err(unexpected(&other)),
        }
    }

    /// Ends the router in order; returns when its port is free and its requests are answered (at most 30 s).
    pub async fn stop(&self) -> Result<(), RouterError> {
        self.order(Command::Stop).await.map(drop)
    }

    async fn order(&self, command: Command) -> Result<Answer, RouterError> {
        let (done, wait) = oneshot::channel();
        self.orders.send(Errand { command, done }).await.map_err(|_| RouterError::Stopped)?;
        wait.await.map_err(|_| RouterError::Stopped)?
    }
}

fn unexpected(answer: &Answer) -> RouterError {
    RouterError::Protocol(format!("{answer:?}"))
}
