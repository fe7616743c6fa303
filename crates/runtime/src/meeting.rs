//! The first words between `serve` and a keeper.

use crate::folder::Folder;
use crate::wire::{Frames, FromKeeper, Hello, PROTOCOL};
use std::io;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// A keeper answers in milliseconds; building the sandbox on a busy machine may take longer.
const HELLO_LIMIT: Duration = Duration::from_secs(30);

/// A keeper that has said hello.
pub(crate) struct Met {
    pub(crate) hello: Hello,
    pub(crate) incoming: Incoming,
    pub(crate) writer: OwnedWriteHalf,
}

/// Why a keeper did not say hello.
pub(crate) enum Unmet {
    /// It has another thing to say.
    Refused(String),
    /// It is not there any more.
    Gone,
}

/// Waits for the first word.
pub(crate) async fn meet(stream: UnixStream) -> Result<Met, Unmet> {
    let (reader, writer) = stream.into_split();
    let mut incoming = Incoming { reader, frames: Frames::default() };
    match timeout(HELLO_LIMIT, incoming.next()).await {
        Err(_) => Err(Unmet::Refused("its keeper does not answer".into())),
        Ok(Ok(FromKeeper::Hello(hello))) if hello.protocol == PROTOCOL => Ok(Met { hello, incoming, writer }),
        Ok(Ok(FromKeeper::Hello(Hello { protocol, .. }))) => {
            Err(Unmet::Refused(format!("its keeper speaks protocol {protocol}, not {PROTOCOL}")))
        }
        Ok(Ok(FromKeeper::Failed(why))) => Err(Unmet::Refused(why)),
        Ok(Ok(FromKeeper::Line(_) | FromKeeper::Over(_) | FromKeeper::Ended(_) | FromKeeper::Frost(_)) | Err(_)) => {
            Err(Unmet::Gone)
        }
    }
}

/// Connects to the keeper of a folder.
pub(crate) async fn connect(folder: &Folder) -> io::Result<UnixStream> {
    let (_dir, path) = folder.socket()?;
    UnixStream::connect(path).await
}

/// Frames from a keeper.
pub(crate) struct Incoming {
    reader: OwnedReadHalf,
    frames: Frames,
}

impl Incoming {
    /// The next message; an error also when the keeper has gone.
    pub(crate) async fn next(&mut self) -> io::Result<FromKeeper> {
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
