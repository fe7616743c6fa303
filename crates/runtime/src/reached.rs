//! Reached: files and ports of a dyno, as its own programs see them, in the hands of `serve`.
//!
//! Init opens them, with the identity, the file tree and the walls of the dyno, and hands the descriptor over: nothing is
//! looked up in the host's files, and a connection leads wherever the dyno itself may connect to, and nowhere else.

use crate::attached::{AttachError, call};
use crate::call::Call;
use crate::dyno::{Awake, DynoControl};
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A port of the dyno answers at once; one elsewhere after some round trips.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// A connection that comes from a dyno. The dyno is not frozen as long as it is there.
pub struct Connection {
    /// Its bytes.
    pub stream: TcpStream,
    _awake: Awake,
}

impl DynoControl {
    /// A regular file to read, by its path inside the dyno.
    ///
    /// # Errors
    /// [`AttachError::Refused`] in the kernel's words when the dyno may not read it, or it is no regular file; when the dyno
    /// has ended or hangs.
    pub async fn file(&self, path: PathBuf) -> Result<File, AttachError> {
        let _awake = self.awake().await.map_err(AttachError::Gone)?;
        let (given, _) = call(self.folder(), &Call::File(path)).await?;
        Ok(given.one()?.into())
    }

    /// A connection as one of the dyno's own programs would make it: `127.0.0.1` is the dyno.
    ///
    /// # Errors
    /// [`AttachError::Refused`] in the kernel's words when nobody listens or the walls are in between; when the dyno has
    /// ended or hangs.
    pub async fn connect(&self, to: SocketAddr) -> Result<Connection, AttachError> {
        let awake = self.awake().await.map_err(AttachError::Gone)?;
        let (given, _) = call(self.folder(), &Call::Connect(to)).await?;
        let made = made(StdStream::from(given.one()?));
        let late = || io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        let made = timeout(CONNECT_LIMIT, made).await.unwrap_or_else(|_| Err(late()));
        let stream = made.map_err(|error| AttachError::Refused(format!("{to}: {error}")))?;
        Ok(Connection { stream, _awake: awake })
    }
}

/// Init does not wait for the other side; this does.
async fn made(begun: StdStream) -> io::Result<TcpStream> {
    begun.set_nonblocking(true)?;
    let stream = TcpStream::from_std(begun)?;
    stream.writable().await?;
    stream.take_error()?.map_or(Ok(()), Err)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
