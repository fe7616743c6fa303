//! `serve`'s side of the nursery: starts it, gets ready keepers from it, starts another when it has gone.

use crate::error::RuntimeError;
use crate::handover;
use crate::network::Network;
use crate::wire::{self, FRAME_LIMIT_BYTES, FromNursery, Opening, Settled};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as PlainStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Settling copies a part of `/etc`, and waits for the last start of an earlier `serve`.
const SETTLE_LIMIT: Duration = Duration::from_secs(15);

/// A fork takes a millisecond; a machine that swaps, longer.
const FORK_LIMIT: Duration = Duration::from_secs(30);

/// One that is killed while it starts is bad luck; more of them in a row have a reason, which must be told.
const NURSERIES_TRIED: usize = 3;

/// The nursery process, as long as it lives, and the keeper that waits for the next dyno.
pub(crate) struct Nursery {
    exe: PathBuf,
    dynos: PathBuf,
    network: Arc<Network>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: Option<Running>,
    ready: Option<UnixStream>,
}

struct Running {
    socket: UnixStream,
    /// Held so that it is reaped when it ends.
    _process: Child,
}

impl Nursery {
    /// Starts it; what the machine lacks comes back.
    pub(crate) async fn open(
        exe: &Path,
        dynos: &Path,
        network: Arc<Network>,
    ) -> Result<(Arc<Self>, Settled), RuntimeError> {
        let nursery = Self { exe: exe.to_owned(), dynos: dynos.to_owned(), network, state: Mutex::default() };
        let (running, ready, settled) = nursery.another().await?;
        *nursery.state.lock().await = State { running: Some(running), ready: Some(ready) };
        Ok((Arc::new(nursery), settled))
    }

    /// A keeper that waits for its dyno.
    pub(crate) async fn keeper(&self) -> Result<UnixStream, RuntimeError> {
        let mut state = self.state.lock().await;
        match state.ready.take().filter(waits) {
            Some(ready) => Ok(ready),
            None => self.next(&mut state).await,
        }
    }

    /// Has another keeper made ready, if none is.
    pub(crate) async fn refill(self: Arc<Self>) {
        let mut state = self.state.lock().await;
        if state.ready.is_none() {
            // Whoever needs one next tries again, and is told.
            state.ready = self.next(&mut state).await.ok();
        }
    }

    async fn next(&self, state: &mut State) -> Result<UnixStream, RuntimeError> {
        if let Some(running) = &mut state.running {
            match running.keeper().await {
                Ok(keeper) => return Ok(keeper),
                // It was killed: another one follows.
                Err(_gone) => state.running = None,
            }
        }
        let (running, keeper, _same_as_before) = self.another().await?;
        state.running = Some(running);
        Ok(keeper)
    }

    /// A new nursery and its first keeper; yet another one, if it is killed while it starts.
    async fn another(&self) -> Result<(Running, UnixStream, Settled), RuntimeError> {
        for _ in 1..NURSERIES_TRIED {
            match self.born().await {
                Err(RuntimeError::Nursery { source, .. }) if has_gone(&source) => {}
                born => return born,
            }
        }
        self.born().await
    }

    async fn born(&self) -> Result<(Running, UnixStream, Settled), RuntimeError> {
        let (mut running, settled) = self.settle().await?;
        let keeper = running.keeper().await.map_err(|source| self.broken(source))?;
        Ok((running, keeper, settled))
    }

    async fn settle(&self) -> Result<(Running, Settled), RuntimeError> {
        let mut running = self.spawn().map_err(|source| self.broken(source))?;
        let mut hello = Vec::new();
        let opening = Opening { dynos: self.dynos.clone(), openings: self.network.openings() };
        let opening = serde_json::to_vec(&opening).map_err(|error| self.broken(error.into()))?;
        wire::frame(b'O', &[&opening], &mut hello);
        let reply = timeout(SETTLE_LIMIT, running.ask(&hello)).await;
        match reply.map_err(|_| self.broken(ErrorKind::TimedOut.into()))?.map_err(|source| self.broken(source))? {
            FromNursery::Ready(settled) => {
                let standing = settled.walls.as_ref().ok().cloned();
                self.network.stands(standing).map_err(|source| self.broken(source))?;
                Ok((running, settled))
            }
            FromNursery::Failed(why) => Err(RuntimeError::Refused(why)),
        }
    }

    fn spawn(&self) -> io::Result<Running> {
        let (ours, its) = PlainStream::pair()?;
        ours.set_nonblocking(true)?;
        let process = Command::new(&self.exe)
            // Dynos see this in their process list, where paths of the host do not belong.
            .arg0("flowline")
            .args(["keeper", "nursery"])
            // Nothing of serve's environment, which may hold secrets, shall be in every keeper.
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(its)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Running { socket: UnixStream::from_std(ours)?, _process: process })
    }

    fn broken(&self, source: io::Error) -> RuntimeError {
        RuntimeError::Nursery { exe: self.exe.clone(), source }
    }
}

impl Running {
    async fn ask(&mut self, message: &[u8]) -> io::Result<FromNursery> {
        self.socket.write_all(message).await?;
        let mut head = [0; 4];
        self.socket.read_exact(&mut head).await?;
        let mut frame = vec![0; wire::length(head, FRAME_LIMIT_BYTES).map_err(io::Error::other)?];
        self.socket.read_exact(&mut frame).await?;
        let (tag, body) = frame.split_first().ok_or(ErrorKind::InvalidData)?;
        FromNursery::read((*tag, body)).map_err(io::Error::other)
    }

    /// Asks for a keeper and gets the socket to it.
    async fn keeper(&mut self) -> io::Result<UnixStream> {
        let mut wish = Vec::new();
        wire::frame(b'K', &[], &mut wish);
        self.socket.write_all(&wish).await?;
        let take = || handover::take(self.socket.as_fd());
        let keeper = timeout(FORK_LIMIT, self.socket.async_io(Interest::READABLE, take)).await??;
        let keeper = PlainStream::from(keeper);
        keeper.set_nonblocking(true)?;
        UnixStream::from_std(keeper)
    }
}

/// Is the keeper still there? It says nothing before it has its dyno, so all that can be read is its end.
fn waits(keeper: &UnixStream) -> bool {
    keeper.try_read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// Did the process end, rather than answer wrongly or not at all?
fn has_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}
