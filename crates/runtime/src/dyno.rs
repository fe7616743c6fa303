//! A dyno as `serve` holds it: its output, and the control over it.

use crate::cgroup;
use crate::folder::Folder;
use crate::keeper::BUFFER_LINES;
use crate::meeting::Met;
use crate::ports::Seat;
use crate::relay::Relay;
use crate::wire::{Frost, ToKeeper};
use crate::written::Measure;
use model::dyno::{Exit, OutOfMemory};
use model::memory::Usage;
use model::time::Timestamp;
use model::written::Written;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::timeout;

/// Room for all that a keeper may have on its way, so that the reading task always gets to the end of a dyno.
const CHANNEL_ITEMS: usize = 2 * BUFFER_LINES + 16;

/// A keeper freezes and thaws in less than a millisecond; one that takes this long hangs.
const FROST_LIMIT: Duration = Duration::from_secs(10);

/// One thing that a dyno said, or its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A line of stdout or stderr, at most 10,000 bytes (LOG-3).
    Line {
        /// For [`DynoControl::ack`].
        seq: u64,
        /// When the keeper read it.
        at: Timestamp,
        /// What is not UTF-8 in it has become U+FFFD.
        text: String,
    },
    /// Lines that were lost here, because nobody read them in time.
    Dropped {
        /// How many.
        count: u64,
    },
    /// The last one. Note it, then call [`DynoControl::finish`].
    Exited(Exit),
}

/// A dyno that was started or adopted, with its output.
pub struct Dyno {
    /// Where it will listen, if it was given a port.
    pub addr: Option<SocketAddr>,
    /// Its first process, as the host sees it; 0 when it had ended before.
    pub pid: u32,
    outputs: mpsc::Receiver<Output>,
    control: DynoControl,
}

/// Power over one dyno. Clones are the same dyno.
#[derive(Clone)]
pub struct DynoControl {
    shared: Arc<Shared>,
    ended: watch::Receiver<Option<Stopped>>,
    frost: watch::Receiver<Frost>,
}

/// How a dyno ended, for whoever waits for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// The status.
    pub exit: Exit,
    /// SIGKILL was necessary: the grace had passed (R12), or [`DynoControl::kill`] was called.
    pub killed: bool,
    /// The kernel killed a process of it for want of memory, and the keeper the rest (R15).
    pub out_of_memory: Option<OutOfMemory>,
}

struct Shared {
    folder: Folder,
    /// None: the keeper had gone before.
    writer: Option<Mutex<OwnedWriteHalf>>,
    /// Does the keeper know how to freeze?
    freezes: bool,
    /// Read from its folder when first asked for.
    cgroups: OnceLock<Vec<PathBuf>>,
    /// The number of the last wish to freeze or thaw.
    wishes: AtomicU64,
    /// Clients that are attached to programs in it.
    sessions: Arc<AtomicU64>,
    /// Free for other dynos when the last handle has gone.
    seat: Seat,
}

/// Somebody is attached, until this goes.
pub(crate) struct Awake(Arc<AtomicU64>);

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Dyno {
    /// The next output; `None` after [`Output::Exited`].
    pub async fn next(&mut self) -> Option<Output> {
        self.outputs.recv().await
    }

    /// Has its keeper gone? Then so has the dyno, and what comes yet is its end.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.control.is_lost()
    }

    /// A handle that can be kept elsewhere.
    #[must_use]
    pub fn control(&self) -> DynoControl {
        self.control.clone()
    }

    /// A dyno whose keeper has said hello.
    pub(crate) fn of(met: Met, folder: Folder, seat: Seat) -> Self {
        let Met { hello, incoming, writer } = met;
        let (to, outputs) = mpsc::channel(CHANNEL_ITEMS);
        let (end, ended) = watch::channel(None);
        let (melt, frost) = watch::channel(Frost { frozen: hello.frozen.unwrap_or_default(), ..Frost::default() });
        let addr = seat.addr();
        tokio::spawn(Relay { to, end, frost: melt, last: hello.acked }.run(incoming, folder.clone()));
        let writer = Some(Mutex::new(writer));
        let freezes = hello.frozen.is_some();
        let (cgroups, wishes) = (OnceLock::new(), AtomicU64::new(0));
        let sessions = Arc::default();
        let shared = Arc::new(Shared { folder, writer, freezes, cgroups, wishes, sessions, seat });
        Self { addr, pid: hello.pid, outputs, control: DynoControl { shared, ended, frost } }
    }

    /// A dyno whose keeper has gone; its folder tells the rest.
    pub(crate) fn read_back(folder: Folder, seat: Seat) -> Self {
        let (to, outputs) = mpsc::channel(CHANNEL_ITEMS);
        let (end, ended) = watch::channel(None);
        let told = folder.read_ended();
        let (melt, frost) = watch::channel(Frost::default());
        let relay = Relay { to, end, frost: melt, last: told.map_or(0, |ended| ended.acked) };
        let (writer, freezes, wishes, cgroups) = (None, true, AtomicU64::new(0), OnceLock::new());
        let sessions = Arc::default();
        let shared = Arc::new(Shared { folder: folder.clone(), writer, freezes, cgroups, wishes, sessions, seat });
        tokio::spawn(async move { relay.finish_from_disk(&folder).await });
        Self { addr: None, pid: 0, outputs, control: DynoControl { shared, ended, frost } }
    }
}

impl DynoControl {
    /// SIGTERM to all processes of the dyno, SIGKILL after `grace`; waits for the end. The keeper keeps the time: the
    /// dyno ends also when `serve` does not live to see it.
    pub async fn stop(&self, grace: Duration) -> Stopped {
        let grace_ms = u32::try_from(grace.as_millis()).unwrap_or(u32::MAX);
        self.send(ToKeeper::Stop(grace_ms)).await;
        self.ended().await
    }

    /// SIGKILL to all processes; waits for the end.
    pub async fn kill(&self) -> Stopped {
        self.send(ToKeeper::Kill).await;
        self.ended().await
    }

    /// Halts all processes of the dyno where they are; connections to it are accepted by the kernel and wait. It costs
    /// memory but no CPU then, also through a restart of `serve`. A dyno that has ended or is told to end stays as it is,
    /// which is no error. [`Self::stop`] and [`Self::kill`] work on a frozen dyno too: the keeper thaws it.
    ///
    /// # Errors
    /// The kernel refused, or the keeper is one of an older Flowline, which cannot freeze; or somebody is attached.
    pub async fn freeze(&self) -> io::Result<()> {
        if self.shared.sessions.load(Ordering::Relaxed) > 0 {
            return Err(io::Error::new(ErrorKind::ResourceBusy, "somebody is attached to a program in it"));
        }
        self.set_frozen(ToKeeper::Freeze).await
    }

    /// Lets a frozen dyno go on; nothing happens to one that runs or has ended.
    ///
    /// # Errors
    /// The kernel refused.
    pub async fn thaw(&self) -> io::Result<()> {
        if !self.shared.freezes {
            return Ok(());
        }
        self.set_frozen(ToKeeper::Thaw).await
    }

    /// Was it frozen, and not thawed since? Right also for an adopted dyno.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.frost.borrow().frozen && self.ended.borrow().is_none()
    }

    async fn set_frozen(&self, message: impl FnOnce(u64) -> ToKeeper) -> io::Result<()> {
        if !self.shared.freezes {
            let why = "its keeper was started by an older Flowline and cannot freeze; restart the dyno";
            return Err(io::Error::new(ErrorKind::Unsupported, why));
        }
        let wish = {
            let Some(writer) = self.shared.writer.as_ref().filter(|_| self.ended.borrow().is_none()) else {
                return Ok(());
            };
            let mut writer = writer.lock().await;
            // Drawn under the lock: wishes reach the keeper in the order of their numbers.
            let wish = self.shared.wishes.fetch_add(1, Ordering::Relaxed) + 1;
            let mut bytes = Vec::new();
            message(wish).write(&mut bytes);
            let _gone = writer.write_all(&bytes).await;
            wish
        };
        let mut frost = self.frost.clone();
        let answer = timeout(FROST_LIMIT, frost.wait_for(|frost| frost.wish >= wish)).await;
        match answer.map_err(|_| io::Error::new(ErrorKind::TimedOut, "its keeper does not answer"))? {
            Ok(frost) => frost.fault.clone().map_or(Ok(()), |fault| Err(io::Error::other(fault))),
            // The keeper has gone, and the dyno with it.
            Err(_) => Ok(()),
        }
    }

    /// What it uses now; `None` when it has ended, or when this machine gives no cgroups. Reads some small files of the
    /// kernel, which takes well below a millisecond.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        let read = || self.shared.folder.read_order().map(|order| order.cgroups).unwrap_or_default();
        cgroup::usage(self.shared.cgroups.get_or_init(read))
    }

    /// Had its keeper gone before it was adopted? Then so has the dyno.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.shared.writer.is_none()
    }

    /// Waits for the end.
    pub async fn ended(&self) -> Stopped {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(stopped) => stopped.unwrap_or(LOST),
            Err(_) => LOST,
        }
    }

    /// All lines up to `seq` are kept elsewhere now: the keeper forgets them. Unacknowledged ones come again after a
    /// restart of `serve`; when 4,000 lines or a mebibyte are unacknowledged, the dyno's output waits. One call for many
    /// lines is enough.
    pub async fn ack(&self, seq: u64) {
        self.send(ToKeeper::Ack(seq)).await;
    }

    /// Notes a word beside the dyno, opaque here; a later one replaces it. It is given back when the dyno is adopted.
    pub fn mark(&self, mark: &str) -> io::Result<()> {
        self.shared.folder.write_mark(mark)
    }

    /// The end was taken note of: ends the keeper and removes the dyno's folder. Without it, a restarted `serve` is told
    /// of the end again. Does nothing sensible before [`Output::Exited`].
    pub async fn finish(&self) -> io::Result<()> {
        self.ended().await;
        self.send(ToKeeper::Finish).await;
        let folder = self.shared.folder.clone();
        let removed = tokio::task::spawn_blocking(move || folder.remove()).await.map_err(io::Error::other)?;
        self.shared.seat.left();
        removed
    }

    /// What the dyno has written to its `/tmp` and to these folders, also what it has deleted and still holds open. Blocks.
    #[must_use]
    pub fn written(&self, folders: &[PathBuf]) -> Written {
        let mut measure = Measure::default();
        measure.add(&self.shared.folder.tmp());
        folders.iter().for_each(|folder| measure.add(folder));
        measure.add_deleted(&self.shared.folder);
        measure.written()
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.shared.folder
    }

    /// Keeps it from being frozen; a frozen one goes on.
    pub(crate) async fn awake(&self) -> io::Result<Awake> {
        self.shared.sessions.fetch_add(1, Ordering::Relaxed);
        let awake = Awake(Arc::clone(&self.shared.sessions));
        if self.is_frozen() {
            self.thaw().await?;
        }
        Ok(awake)
    }

    async fn send(&self, message: ToKeeper) {
        let Some(writer) = &self.shared.writer else { return };
        let mut bytes = Vec::new();
        message.write(&mut bytes);
        // A keeper that has gone is noticed by the reading side, which tells the end.
        let _gone = writer.lock().await.write_all(&bytes).await;
    }
}

const LOST: Stopped = Stopped { exit: Exit::Lost, killed: false, out_of_memory: None };
