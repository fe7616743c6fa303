//! A dyno as `serve` holds it: its output, and the control over it.

use crate::folder::Folder;
use crate::keeper::BUFFER_LINES;
use crate::meeting::Met;
use crate::ports::Port;
use crate::relay::Relay;
use crate::wire::ToKeeper;
use model::dyno::Exit;
use model::time::Timestamp;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{Mutex, mpsc, watch};

/// Room for all that a keeper may have on its way, so that the reading task always gets to the end of a dyno.
const CHANNEL_ITEMS: usize = 2 * BUFFER_LINES + 16;

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
}

/// How a dyno ended, for whoever waits for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// The status.
    pub exit: Exit,
    /// SIGKILL was necessary: the grace had passed (R12), or [`DynoControl::kill`] was called.
    pub killed: bool,
}

struct Shared {
    folder: Folder,
    /// None: the keeper had gone before.
    writer: Option<Mutex<OwnedWriteHalf>>,
    /// Free for other dynos when the last handle has gone.
    _port: Option<Port>,
}

impl Dyno {
    /// The next output; `None` after [`Output::Exited`].
    pub async fn next(&mut self) -> Option<Output> {
        self.outputs.recv().await
    }

    /// A handle that can be kept elsewhere.
    #[must_use]
    pub fn control(&self) -> DynoControl {
        self.control.clone()
    }

    /// A dyno whose keeper has said hello.
    pub(crate) fn of(met: Met, folder: Folder, port: Option<Port>) -> Self {
        let Met { hello, incoming, writer } = met;
        let (to, outputs) = mpsc::channel(CHANNEL_ITEMS);
        let (end, ended) = watch::channel(None);
        let addr = port.as_ref().map(Port::addr);
        tokio::spawn(Relay { to, end, last: hello.acked }.run(incoming, folder.clone()));
        let shared = Arc::new(Shared { folder, writer: Some(Mutex::new(writer)), _port: port });
        Self { addr, pid: hello.pid, outputs, control: DynoControl { shared, ended } }
    }

    /// A dyno whose keeper has gone; its folder tells the rest.
    pub(crate) fn read_back(folder: Folder) -> Self {
        let (to, outputs) = mpsc::channel(CHANNEL_ITEMS);
        let (end, ended) = watch::channel(None);
        let told = folder.read_ended();
        let relay = Relay { to, end, last: told.map_or(0, |ended| ended.acked) };
        let shared = Arc::new(Shared { folder: folder.clone(), writer: None, _port: None });
        tokio::spawn(async move { relay.finish_from_disk(&folder).await });
        Self { addr: None, pid: 0, outputs, control: DynoControl { shared, ended } }
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

    /// The end was taken note of: ends the keeper and removes the dyno's folder. Without it, a restarted `serve` is told
    /// of the end again. Does nothing sensible before [`Output::Exited`].
    pub async fn finish(&self) -> io::Result<()> {
        self.ended().await;
        self.send(ToKeeper::Finish).await;
        let folder = self.shared.folder.clone();
        tokio::task::spawn_blocking(move || folder.remove()).await.map_err(io::Error::other)?
    }

    async fn send(&self, message: ToKeeper) {
        let Some(writer) = &self.shared.writer else { return };
        let mut bytes = Vec::new();
        message.write(&mut bytes);
        // A keeper that has gone is noticed by the reading side, which tells the end.
        let _gone = writer.lock().await.write_all(&bytes).await;
    }
}

const LOST: Stopped = Stopped { exit: Exit::Lost, killed: false };
