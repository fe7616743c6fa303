//! The router process: its threads, and its end.

use crate::config::{Limits, RouterConfig};
use crate::control::Control;
use crate::entry::Entry;
use crate::error::RouterError;
use crate::handover::{self, Giver, Offer, Sockets};
use crate::holding::{Held, Holding};
use crate::listen::listen;
use crate::outbox::Outbox;
use crate::wanted::Wanted;
use crate::worker::{self, Message, Shared};
use crate::{affinity, crowd, holder, metrics, saved, socket};
use model::world::World;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::process::Command as Program;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};

/// Orders that wait for a thread.
const MAILBOX: usize = 64;

const LOCK_NAME: &str = "router.lock";

/// A router that was just killed is still being cleared away while its control socket is closed already…
const LOCK_ATTEMPTS: u32 = 40;

/// …so the next one looks again, for 200 ms in all.
const LOCK_PAUSE_NS: i64 = 5_000_000;

/// A router that runs in this process.
#[derive(Debug)]
pub struct Router {
    addr: SocketAddr,
    stop: Arc<Notify>,
    ended: Arc<Notify>,
    control: Option<JoinHandle<Result<(), RouterError>>>,
}

impl Router {
    /// Starts a router; it serves at once: the saved table, or the table of the router that it takes over from.
    pub fn start(config: &RouterConfig, world: Arc<dyn World>) -> Result<Self, RouterError> {
        let begun = if config.upgrade { Begun::taken_over(config)? } else { Begun::anew(config, false)? };
        Self::go_on(begun, config, world, false)
    }

    /// The same as a process of its own, whose sockets outlive it.
    fn start_held(config: &RouterConfig, world: Arc<dyn World>) -> Result<Self, RouterError> {
        let begun = if config.upgrade { Begun::taken_over(config)? } else { Begun::anew(config, true)? };
        Self::go_on(begun, config, world, true)
    }

    fn go_on(begun: Begun, config: &RouterConfig, world: Arc<dyn World>, held: bool) -> Result<Self, RouterError> {
        let Begun { addr, request_log, routes, affinity, sockets, line, giver } = begun;
        let outbox = Outbox::new(config.limits.log_backlog_bytes);
        let wanted = Arc::new(Wanted::default());
        let affinity = affinity.unwrap_or_else(|| affinity::Key::new(&*world));
        let count = sockets.clients.len();
        let clients = config.limits.clients.min(crowd::limit(count));
        let shared = Arc::new(Shared {
            limits: Limits { clients, ..config.limits.clone() },
            world,
            outbox: request_log.then(|| Arc::clone(&outbox)),
            wanted: Arc::clone(&wanted),
            port: addr.port(),
            affinity,
            saved: routes.clone(),
        });
        let threads =
            sockets.clients.iter().map(|clients| Thread::start(&shared, clients)).collect::<Result<_, _>>()?;
        // From here on the one before accepts nothing more.
        let predecessor = giver.map(Giver::serving).transpose()?;
        let stop = Arc::new(Notify::new());
        let dir = config.dir.clone();
        let clients = if held { sockets.clients.iter().map(TcpListener::try_clone).collect() } else { Ok(Vec::new()) };
        let clients = clients.map_err(cannot_start)?;
        let holding = held.then(|| Holding { dir: dir.clone(), clients, line });
        let stopped = Arc::clone(&stop);
        let control = Control {
            dir,
            addr,
            request_log,
            affinity,
            routes,
            outbox,
            wanted,
            stop: stopped,
            sockets,
            holding,
            predecessor,
        };
        let thread = std::thread::Builder::new().name("router-control".into());
        let ended = Arc::new(Notify::new());
        let at_end = Arc::clone(&ended);
        let control = thread.spawn(move || {
            let result = in_runtime(control, threads);
            at_end.notify_one();
            result
        });
        let control = control.map_err(cannot_start)?;
        tracing::info!(%addr, threads = count, "The router serves on {addr}");
        Ok(Self { addr, stop, ended, control: Some(control) })
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends it in order: no new connections, requests in flight get their limit.
    pub fn stop(&self) {
        self.stop.notify_one();
    }

    /// Waits until it ended.
    pub fn wait(mut self) -> Result<(), RouterError> {
        match self.control.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) | None => Err(RouterError::Thread("the control thread panicked".into())),
        }
    }
}

/// What a router begins with.
struct Begun {
    addr: SocketAddr,
    request_log: bool,
    routes: Vec<Entry>,
    affinity: Option<affinity::Key>,
    sockets: Sockets,
    /// To whom holds the sockets already.
    line: Option<UnixStream>,
    giver: Option<Giver>,
}

impl Begun {
    /// `held`: with the sockets of a router that was killed, if there are any.
    fn anew(config: &RouterConfig, held: bool) -> Result<Self, RouterError> {
        let lock = lock(&config.dir)?;
        let held = if held { Held::take(&config.dir) } else { None };
        let wanted = |addr: SocketAddr| config.listen.port() == 0 || config.listen == addr;
        let (clients, addr, line) = match held.and_then(|held| held.addr().map(|addr| (held, addr))) {
            Some((Held { clients, line }, addr)) if wanted(addr) => (clients, addr, Some(line)),
            other => {
                if let Some((held, _)) = other {
                    held.end();
                }
                let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
                let (clients, addr) = listen(config.listen, config.threads.map_or_else(cores, NonZeroUsize::get))?;
                (clients, addr, None)
            }
        };
        let bind =
            |name| socket::bind(&config.dir, name).map_err(RouterError::file("listen on", config.dir.join(name)));
        let (orders, succession) = (bind(socket::ORDERS)?, bind(socket::SUCCESSION)?);
        let metrics = match config.metrics.map(metrics::listen).transpose() {
            // Somebody took that port while no router ran: figures are no reason to leave visitors waiting.
            Err(error) if line.is_some() => {
                tracing::error!(%error, "There are no metrics until the next start");
                None
            }
            listening => listening?,
        };
        let sockets = Sockets { lock, orders, succession, metrics, clients };
        let routes = saved::load(&config.dir);
        Ok(Self { addr, request_log: config.request_log, routes, affinity: None, sockets, line, giver: None })
    }

    fn taken_over(config: &RouterConfig) -> Result<Self, RouterError> {
        let (offer, mut sockets, giver) = handover::take(&config.dir)?;
        let inherited = sockets.metrics.as_ref().and_then(|metrics| metrics.local_addr().ok());
        if let Some(wanted) = config.metrics.filter(|wanted| Some(*wanted) != inherited) {
            sockets.metrics = Some(metrics::listen(wanted)?);
        }
        let Offer { addr, request_log, routes, affinity, .. } = offer;
        Ok(Self { addr, request_log, routes, affinity, sockets, line: None, giver: Some(giver) })
    }
}

/// `flowline router`: runs until it is told to stop, over its socket or by SIGTERM, or until a successor took over; SIGUSR2
/// starts one from the same path. Must be called before there is any other thread or runtime.
pub fn run(config: &RouterConfig, world: Arc<dyn World>) -> Result<(), RouterError> {
    if config.hold {
        return holder::run(&config.dir);
    }
    // A session of its own: neither Ctrl-C nor the end of the terminal that started the server reaches it. Fails only
    // when a person starts it by hand as a job of a shell, who then may want Ctrl-C.
    let _ = rustix::process::setsid();
    raise_open_files();
    // Asked now: once another binary stands at that path, the kernel calls it deleted.
    let exe = std::env::current_exe().map_err(RouterError::file("find the path of", "/proc/self/exe"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot_start)?;
    let router = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot_start)?;
        let mut upgrade = signal(SignalKind::user_defined2()).map_err(cannot_start)?;
        let router = Router::start_held(config, world)?;
        loop {
            tokio::select! {
                _ = terminate.recv() => {
                    router.stop();
                    break;
                }
                _ = upgrade.recv() => succeed(&exe, config),
                () = router.ended.notified() => break,
            }
        }
        Ok::<_, RouterError>(router)
    })?;
    router.wait()
}

/// Starts a successor; the rest is between it and the control thread.
fn succeed(exe: &Path, config: &RouterConfig) {
    let args = RouterConfig { upgrade: true, ..config.clone() }.to_args();
    let child = Program::new(exe).arg("router").args(args).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    match child {
        Ok(mut child) => {
            tokio::spawn(async move {
                // While this process lives, a successor that ends is one that could not take over.
                match child.wait().await {
                    Ok(status) => tracing::error!(%status, "The new router ended"),
                    Err(error) => tracing::error!(%error, "The new router cannot be waited for"),
                }
            });
        }
        Err(error) => tracing::error!(exe = %exe.display(), %error, "A new router could not be started"),
    }
}

/// A connection is an open file, and each request may need two.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "The limit of open files stays as it is");
    }
}

/// One router per folder; the kernel gives the lock back when the process ends, however it ends.
fn lock(dir: &Path) -> Result<File, RouterError> {
    let path = dir.join(LOCK_NAME);
    let file = File::create(&path).map_err(RouterError::file("create", &path))?;
    let pause = rustix::time::Timespec { tv_sec: 0, tv_nsec: LOCK_PAUSE_NS };
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => {}
            Err(std::fs::TryLockError::Error(source)) => return Err(RouterError::file("lock", path)(source)),
        }
        let _early = rustix::thread::nanosleep(&pause);
    }
    Err(RouterError::AlreadyRuns { dir: dir.to_owned() })
}

pub(crate) fn cannot_start(error: std::io::Error) -> RouterError {
    RouterError::Thread(error.to_string())
}

/// A thread that serves requests.
pub(crate) struct Thread {
    pub(crate) messages: mpsc::Sender<Message>,
    handle: JoinHandle<std::io::Result<()>>,
}

impl Thread {
    fn start(shared: &Arc<Shared>, clients: &TcpListener) -> Result<Self, RouterError> {
        let listener = clients.try_clone().map_err(cannot_start)?;
        let (messages, mailbox) = mpsc::channel(MAILBOX);
        let shared = Arc::clone(shared);
        let thread = std::thread::Builder::new().name("router-worker".into());
        let handle = thread.spawn(move || worker::run(&shared, listener, mailbox)).map_err(cannot_start)?;
        Ok(Self { messages, handle })
    }

    fn join(self) -> Result<(), RouterError> {
        drop(self.messages);
        match self.handle.join() {
            Ok(ended) => ended.map_err(cannot_start),
            Err(_) => Err(RouterError::Thread("it panicked".into())),
        }
    }
}

/// The control thread.
fn in_runtime(control: Control, threads: Vec<Thread>) -> Result<(), RouterError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot_start)?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, control.run(threads))
}

/// Waits for the ends of all threads.
pub(crate) async fn join(threads: Vec<Thread>) -> Result<(), RouterError> {
    let joined = tokio::task::spawn_blocking(|| threads.into_iter().try_for_each(Thread::join));
    joined.await.map_err(|error| RouterError::Thread(error.to_string()))?
}
