//! `serve`'s side of the nursery: starts it, asks it for keepers, starts another when it has gone.

use crate::error::RuntimeError;
use crate::spec::{Order, SPEC_LIMIT_BYTES, SpecError};
use crate::wire::{self, FRAME_LIMIT_BYTES, FromNursery};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as PlainStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Settling copies a part of `/etc`, and waits for an older nursery's last start.
const SETTLE_LIMIT: Duration = Duration::from_secs(15);

/// A fork takes a millisecond; a machine that swaps, longer.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The nursery process, as long as it lives.
pub(crate) struct Nursery {
    exe: PathBuf,
    dynos: PathBuf,
    running: Mutex<Option<Running>>,
}

struct Running {
    socket: UnixStream,
    /// Held so that it is reaped when it ends.
    _process: Child,
}

impl Nursery {
    /// Starts it; what the machine cannot limit comes back as warnings.
    pub(crate) async fn open(exe: &Path, dynos: &Path) -> Result<(Self, Vec<String>), RuntimeError> {
        let nursery = Self { exe: exe.to_owned(), dynos: dynos.to_owned(), running: Mutex::new(None) };
        let (running, warnings) = nursery.settle().await?;
        *nursery.running.lock().await = Some(running);
        Ok((nursery, warnings))
    }

    /// Forks a keeper. Its socket can be connected to when this returns.
    pub(crate) async fn start(&self, order: &Order) -> Result<(), RuntimeError> {
        let message = message(order)?;
        let mut slot = self.running.lock().await;
        if let Some(running) = slot.as_mut() {
            match timeout(START_LIMIT, running.ask(&message)).await {
                Ok(Ok(reply)) => return self.judge(reply),
                // It went away: another one follows below. The dyno's folder keeps it from being started twice.
                Ok(Err(_)) | Err(_) => *slot = None,
            }
        }
        let (mut running, _same_as_before) = self.settle().await?;
        let reply = running.ask(&message).await.map_err(|source| self.broken(source))?;
        *slot = Some(running);
        self.judge(reply)
    }

    fn judge(&self, reply: FromNursery) -> Result<(), RuntimeError> {
        match reply {
            FromNursery::Forked => Ok(()),
            FromNursery::Failed(why) => Err(RuntimeError::Refused(why)),
            FromNursery::Ready(_) => Err(self.broken(io::ErrorKind::InvalidData.into())),
        }
    }

    async fn settle(&self) -> Result<(Running, Vec<String>), RuntimeError> {
        let mut running = self.spawn().map_err(|source| self.broken(source))?;
        let mut hello = Vec::new();
        let dynos = serde_json::to_vec(&self.dynos).map_err(|error| self.broken(error.into()))?;
        wire::frame(b'O', &[&dynos], &mut hello);
        let reply = timeout(SETTLE_LIMIT, running.ask(&hello)).await;
        match reply.map_err(|_| self.broken(io::ErrorKind::TimedOut.into()))?.map_err(|source| self.broken(source))? {
            FromNursery::Ready(warnings) => Ok((running, warnings)),
            FromNursery::Failed(why) => Err(RuntimeError::Refused(why)),
            FromNursery::Forked => Err(self.broken(io::ErrorKind::InvalidData.into())),
        }
    }

    fn spawn(&self) -> io::Result<Running> {
        let (ours, its) = PlainStream::pair()?;
        ours.set_nonblocking(true)?;
        let process = Command::new(&self.exe)
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
        let (tag, body) = frame.split_first().ok_or(io::ErrorKind::InvalidData)?;
        FromNursery::read((*tag, body)).map_err(io::Error::other)
    }
}

/// The nursery passes it on unread.
fn message(order: &Order) -> Result<Vec<u8>, RuntimeError> {
    let bad = |source| RuntimeError::Spec { name: order.spec.name.clone(), source };
    let json = serde_json::to_vec(order).map_err(|_| bad(SpecError::Nul("the specification")))?;
    if json.len() > SPEC_LIMIT_BYTES {
        return Err(bad(SpecError::TooLarge(json.len())));
    }
    let mut message = Vec::with_capacity(json.len() + 8);
    wire::frame(b'S', &[&json], &mut message);
    Ok(message)
}
