//! The router's side of its holder: takes the sockets that are held, and sees to it that somebody holds them.

use crate::holder::{self, END, HELD, LIMIT, REPLACED};
use crate::socket;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// After a holder could not be started: how long until the next attempt.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// A holder that cannot be found yet is looked for again, for two seconds in all…
const TAKE_ATTEMPTS: u32 = 400;

/// …at this interval.
const TAKE_PAUSE_NS: i64 = 5_000_000;

/// What a holder gave.
pub(crate) struct Held {
    pub(crate) clients: Vec<TcpListener>,
    pub(crate) line: UnixStream,
}

impl Held {
    /// Takes the sockets that a router before this one left behind; `None`: nobody holds any.
    pub(crate) fn take(dir: &Path) -> Option<Self> {
        for _ in 0..TAKE_ATTEMPTS {
            match Self::take_at_once(dir) {
                // It was started a moment ago, and can be found in another.
                None if holder::is_there(dir) => pause(),
                taken => return taken,
            }
        }
        None
    }

    fn take_at_once(dir: &Path) -> Option<Self> {
        let line = socket::connect_blocking(dir, socket::HELD).ok()?;
        let clients = holder::take(&line).ok()?;
        Some(Self { clients, line })
    }

    /// Where clients connect.
    pub(crate) fn addr(&self) -> Option<SocketAddr> {
        self.clients.first()?.local_addr().ok()
    }

    /// They are not wanted: frees their port.
    pub(crate) fn end(mut self) {
        drop(self.clients);
        // It ends its side when it has ended. One that is gone holds nothing.
        let _ = self.line.write_all(&[END]).and_then(|()| self.line.read(&mut [0]));
    }

    fn is_of(&self, clients: &[TcpListener]) -> bool {
        let same = |pair: (&TcpListener, &TcpListener)| number(pair.0).is_some_and(|of| Some(of) == number(pair.1));
        self.clients.len() == clients.len() && self.clients.iter().zip(clients).all(same)
    }
}

fn pause() {
    let _ = rustix::thread::nanosleep(&rustix::time::Timespec { tv_sec: 0, tv_nsec: TAKE_PAUSE_NS });
}

/// A socket's number in the kernel: duplicates have the same.
fn number(socket: &TcpListener) -> Option<u64> {
    rustix::fs::fstat(socket.as_fd()).ok().map(|about| about.st_ino)
}

/// The sockets that are to be held, and where.
pub(crate) struct Holding {
    pub(crate) dir: PathBuf,
    pub(crate) clients: Vec<TcpListener>,
    /// To the holder, where there is one already.
    pub(crate) line: Option<UnixStream>,
}

/// Sees to it that there is a holder, in the background.
pub(crate) struct Guard {
    task: JoinHandle<()>,
    over: CancellationToken,
}

impl Guard {
    /// Must be called inside a `LocalSet`.
    pub(crate) fn begin(holding: Holding) -> Self {
        let over = CancellationToken::new();
        let task = tokio::task::spawn_local(holding.keep(over.clone()));
        Self { task, over }
    }

    /// Nothing more is to be guarded here: another router looks after the holder, or, where the sockets are not wanted any
    /// more, it ends; then this returns when it has let the port go.
    pub(crate) async fn end(self, unwanted: bool) {
        if !unwanted {
            return self.task.abort();
        }
        self.over.cancel();
        if tokio::time::timeout(LIMIT, self.task).await.is_err() {
            tracing::warn!("The holder of the sockets did not end in time");
        }
    }
}

impl Holding {
    async fn keep(mut self, over: CancellationToken) {
        while !over.is_cancelled() {
            let mut line = match self.line().await {
                Ok(line) => line,
                Err(error) => {
                    tracing::warn!(%error, "Nobody holds the sockets for a router that may come; trying again");
                    tokio::select! {
                        () = tokio::time::sleep(TRY_AGAIN) => continue,
                        () = over.cancelled() => return,
                    }
                }
            };
            tokio::select! {
                word = line.read_u8() => match word {
                    Ok(REPLACED) => return,
                    Ok(_) | Err(_) => tracing::warn!("The holder of the sockets ended; starting another one"),
                },
                () = over.cancelled() => {
                    drop(self.clients);
                    if line.write_all(&[END]).await.is_ok() {
                        // It ends its side when it has ended.
                        let _gone = line.read_u8().await;
                    }
                    return;
                }
            }
        }
    }

    async fn line(&mut self) -> io::Result<tokio::net::UnixStream> {
        if let Some(line) = self.line.take() {
            line.set_nonblocking(true)?;
            return tokio::net::UnixStream::from_std(line);
        }
        let dir = self.dir.clone();
        match tokio::task::spawn_blocking(move || Held::take(&dir)).await? {
            Some(held) if held.is_of(&self.clients) => {
                held.line.set_nonblocking(true)?;
                return tokio::net::UnixStream::from_std(held.line);
            }
            Some(other) => tokio::task::spawn_blocking(move || other.end()).await?,
            None => {}
        }
        self.start().await
    }

    async fn start(&self) -> io::Result<tokio::net::UnixStream> {
        let lock = holder::lock(&self.dir)?;
        let (line, its) = UnixStream::pair()?;
        // Before it runs: if this process is killed from here on, nothing is lost.
        holder::give(&line, &self.clients)?;
        // This very program, also when another one lies in its place by now.
        let mut program = Command::new("/proc/self/exe");
        program.arg0("flowline").args(["router", "--hold", "--dir"]).arg(&self.dir);
        let mut child = program.stdin(Stdio::from(OwnedFd::from(its))).stdout(Stdio::from(lock)).spawn()?;
        // Takes the exit status whenever it comes; the child runs on when this process ends.
        tokio::task::spawn_local(async move { child.wait().await });
        drop(program);
        line.set_nonblocking(true)?;
        let mut line = tokio::net::UnixStream::from_std(line)?;
        match tokio::time::timeout(LIMIT, line.read_u8()).await? {
            Ok(HELD) => Ok(line),
            Ok(_) => Err(io::ErrorKind::InvalidData.into()),
            Err(error) => Err(error),
        }
    }
}
