//! A dyno as `serve` holds it: its output, and the control over it.

use crate::error::RuntimeError;
use crate::folder::Folder;
use crate::keeper::BUFFER_LINES;
use crate::ports::Port;
use crate::wire::{Ended, Frames, FromKeeper, Hello, Line, PROTOCOL, ToKeeper};
use model::dyno::Exit;
use model::time::Timestamp;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::timeout;

/// A keeper answers in milliseconds; building the sandbox on a busy machine may take longer.
const HELLO_LIMIT: Duration = Duration::from_secs(30);

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

    /// Gives a keeper that waits its order.
    pub(crate) async fn order(
        name: &str,
        folder: Folder,
        port: Option<Port>,
        mut keeper: UnixStream,
        order: &[u8],
    ) -> Result<Self, RuntimeError> {
        let failed = |reason: String| RuntimeError::Sandbox { name: name.to_owned(), reason };
        keeper.write_all(order).await.map_err(|error| failed(format!("its keeper: {error}")))?;
        match Self::meet(folder, port, keeper).await {
            Ok(dyno) => Ok(dyno),
            Err(Unmet::Refused(why)) => Err(failed(why)),
            Err(Unmet::Gone(_)) => Err(failed("its keeper has gone".into())),
        }
    }

    /// Connects to the keeper of a folder; if there is none any more, takes what it left there.
    pub(crate) async fn attach(name: &str, folder: Folder, port: Option<Port>) -> Result<Self, RuntimeError> {
        let Ok(stream) = connect(&folder).await else { return Ok(Self::read_back(folder)) };
        match Self::meet(folder, port, stream).await {
            Ok(dyno) => Ok(dyno),
            // It was leaving at that moment: now it has left everything in the folder.
            Err(Unmet::Gone(folder)) => Ok(Self::read_back(folder)),
            Err(Unmet::Refused(reason)) => Err(RuntimeError::Sandbox { name: name.to_owned(), reason }),
        }
    }

    async fn meet(folder: Folder, port: Option<Port>, stream: UnixStream) -> Result<Self, Unmet> {
        let (reader, writer) = stream.into_split();
        let mut incoming = Incoming { reader, frames: Frames::default() };
        let hello = match timeout(HELLO_LIMIT, incoming.next()).await {
            Err(_) => return Err(Unmet::Refused("its keeper does not answer".into())),
            Ok(Ok(FromKeeper::Hello(hello))) if hello.protocol == PROTOCOL => hello,
            Ok(Ok(FromKeeper::Hello(Hello { protocol, .. }))) => {
                return Err(Unmet::Refused(format!("its keeper speaks protocol {protocol}, not {PROTOCOL}")));
            }
            Ok(Ok(FromKeeper::Failed(why))) => return Err(Unmet::Refused(why)),
            Ok(Ok(FromKeeper::Line(_) | FromKeeper::Over(_) | FromKeeper::Ended(_)) | Err(_)) => {
                return Err(Unmet::Gone(folder));
            }
        };
        let (to, outputs) = mpsc::channel(CHANNEL_ITEMS);
        let (end, ended) = watch::channel(None);
        let addr = port.as_ref().map(Port::addr);
        let shared = Arc::new(Shared { folder: folder.clone(), writer: Some(Mutex::new(writer)), _port: port });
        let relay = Relay { to, end, last: hello.acked };
        tokio::spawn(relay.run(incoming, folder));
        Ok(Self { addr, pid: hello.pid, outputs, control: DynoControl { shared, ended } })
    }

    /// The keeper has gone; its folder tells the rest.
    fn read_back(folder: Folder) -> Self {
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

/// Why a keeper did not say hello.
enum Unmet {
    /// It has another thing to say.
    Refused(String),
    /// It is not there any more.
    Gone(Folder),
}

const LOST: Stopped = Stopped { exit: Exit::Lost, killed: false };

/// From the keeper's socket to the channel.
struct Relay {
    to: mpsc::Sender<Output>,
    end: watch::Sender<Option<Stopped>>,
    /// The last line that came.
    last: u64,
}

impl Relay {
    async fn run(mut self, mut incoming: Incoming, folder: Folder) {
        loop {
            match incoming.next().await {
                Ok(FromKeeper::Line(line)) => self.line(line).await,
                Ok(FromKeeper::Over(ended)) => self.over(ended),
                Ok(FromKeeper::Ended(ended)) => break self.exit(ended).await,
                Ok(FromKeeper::Hello(_) | FromKeeper::Failed(_)) => {}
                // Killed, most likely; the dyno went with it. It may have come to writing the end down.
                Err(_) => return self.finish_from_disk(&folder).await,
            }
        }
        // Keeps the connection open: when it closes, the keeper leaves what is unacknowledged on disk.
        while incoming.next().await.is_ok() {}
    }

    async fn finish_from_disk(mut self, folder: &Folder) {
        for line in folder.read_lines() {
            self.line(line).await;
        }
        let lost = Ended { exit: Exit::Lost, killed: false, last_seq: self.last, acked: self.last };
        self.exit(folder.read_ended().unwrap_or(lost)).await;
    }

    async fn line(&mut self, line: Line) {
        if line.seq <= self.last {
            return;
        }
        self.gap(line.seq - 1).await;
        self.last = line.seq;
        let text = String::from_utf8_lossy(&line.text).into_owned();
        self.send(Output::Line { seq: line.seq, at: Timestamp(line.at), text }).await;
    }

    async fn exit(&mut self, ended: Ended) {
        self.gap(ended.last_seq).await;
        self.over(ended);
        self.send(Output::Exited(ended.exit)).await;
    }

    fn over(&self, ended: Ended) {
        let _nobody_waits = self.end.send(Some(Stopped { exit: ended.exit, killed: ended.killed }));
    }

    /// Numbers have no gaps but for dropped lines.
    async fn gap(&mut self, up_to: u64) {
        if up_to > self.last {
            let count = up_to - self.last;
            self.last = up_to;
            self.send(Output::Dropped { count }).await;
        }
    }

    async fn send(&self, output: Output) {
        // Nobody reads: the keeper's own buffer then bounds what is kept.
        let _dropped = self.to.send(output).await;
    }
}

/// Frames from a keeper.
struct Incoming {
    reader: OwnedReadHalf,
    frames: Frames,
}

impl Incoming {
    async fn next(&mut self) -> io::Result<FromKeeper> {
        loop {
            if let Some(frame) = self.frames.next().map_err(io::Error::other)? {
                return FromKeeper::read(frame).map_err(io::Error::other);
            }
            let mut bytes = [0; 4096];
            match self.reader.read(&mut bytes).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.frames.push(bytes.get(..count).unwrap_or_default()),
            }
        }
    }
}

async fn connect(folder: &Folder) -> io::Result<UnixStream> {
    let (_dir, path) = folder.socket()?;
    UnixStream::connect(path).await
}
