//! From one router process to the next, without a gap: sockets, lock and table.
//!
//! The successor connects to the old router's second socket and gets an [`Offer`] and every socket that must outlive
//! the old one, the very same ones: a connection that waits to be accepted belongs to its socket, and a new socket
//! would not have it. It serves at once and says so; then the old one accepts nothing more. From there on both speak
//! the control protocol, with the successor in the control plane's part (see `predecessor.rs`).

use crate::entry::Entry;
use crate::error::RouterError;
use crate::rights::{self, FILES};
use crate::{affinity, socket, wire};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, Interest};

/// A successor of another one gets nothing. Fields may be added without a new number.
const HANDOVER: u32 = 1;

/// How long the two wait for each other; the control plane waits meanwhile.
const LIMIT: Duration = Duration::from_secs(4);

/// What the successor says when it serves.
const SERVING: u8 = b'!';

/// What outlives a router process.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// One router per folder: whoever has this open holds the lock.
    pub(crate) lock: File,
    /// Orders of the control plane.
    pub(crate) orders: UnixListener,
    /// The successor's first word.
    pub(crate) succession: UnixListener,
    /// Prometheus.
    pub(crate) metrics: Option<TcpListener>,
    /// Clients, one per thread.
    pub(crate) clients: Vec<TcpListener>,
}

/// What the old router tells its successor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Offer {
    handover: u32,
    pub(crate) addr: SocketAddr,
    pub(crate) request_log: bool,
    pub(crate) routes: Vec<Entry>,
    /// Visitors keep their dynos.
    #[serde(default)]
    pub(crate) affinity: Option<affinity::Key>,
    /// Is there a socket for metrics?
    #[serde(default)]
    metrics: bool,
    /// How many files come after this.
    files: usize,
}

impl Offer {
    pub(crate) fn new(addr: SocketAddr, request_log: bool, affinity: affinity::Key, routes: Vec<Entry>) -> Self {
        let affinity = Some(affinity);
        Self { handover: HANDOVER, addr, request_log, routes, affinity, metrics: false, files: 0 }
    }
}

impl Sockets {
    fn files(&self) -> Vec<BorrowedFd<'_>> {
        let own = [self.lock.as_fd(), self.orders.as_fd(), self.succession.as_fd()];
        own.into_iter().chain(self.metrics.iter().chain(&self.clients).map(AsFd::as_fd)).collect()
    }

    fn of(files: Vec<OwnedFd>, metrics: bool) -> Option<Self> {
        let mut files = files.into_iter();
        let (lock, orders, succession) = (files.next()?.into(), files.next()?.into(), files.next()?.into());
        let metrics = if metrics { Some(files.next()?.into()) } else { None };
        let clients: Vec<TcpListener> = files.map(TcpListener::from).collect();
        (!clients.is_empty()).then_some(Self { lock, orders, succession, metrics, clients })
    }
}

/// Offers everything to a successor; returns when it serves.
pub(crate) async fn offer(to: &mut tokio::net::UnixStream, sockets: &Sockets, offer: Offer) -> io::Result<()> {
    let files = sockets.files();
    let offer = Offer { metrics: sockets.metrics.is_some(), files: files.len(), ..offer };
    let offered = async {
        wire::write_json(to, &offer).await?;
        for files in files.chunks(FILES) {
            to.async_io(Interest::WRITABLE, || rights::send(to.as_fd(), files)).await?;
        }
        match to.read_u8().await? {
            SERVING => Ok(()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    };
    tokio::time::timeout(LIMIT, offered).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The old router, before it knows that its successor serves.
pub(crate) struct Giver(UnixStream);

/// Asks the router of this folder for everything it has.
pub(crate) fn take(dir: &Path) -> Result<(Offer, Sockets, Giver), RouterError> {
    let no_one = |_| RouterError::NoPredecessor { dir: dir.to_owned() };
    let stream = socket::connect_blocking(dir, socket::SUCCESSION).map_err(no_one)?;
    let failed = |error: io::Error| RouterError::NotHandedOver { why: error.to_string() };
    let (offer, files) = receive(&stream).map_err(failed)?;
    let sockets = Sockets::of(files, offer.metrics).ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))?;
    Ok((offer, sockets, Giver(stream)))
}

fn receive(mut stream: &UnixStream) -> io::Result<(Offer, Vec<OwnedFd>)> {
    stream.set_read_timeout(Some(LIMIT))?;
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let length = wire::json_bytes(head).ok_or(io::ErrorKind::InvalidData)?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload)?;
    let offer: Offer = serde_json::from_slice(&payload)?;
    if offer.handover != HANDOVER {
        return Err(io::Error::other("the one that runs hands over in another way"));
    }
    let files = rights::receive(stream.as_fd(), offer.files)?;
    Ok((offer, files))
}

impl Giver {
    /// Says that the successor serves; the old router accepts nothing more then. The rest is the control protocol.
    pub(crate) fn serving(mut self) -> Result<UnixStream, RouterError> {
        let said = self.0.write_all(&[SERVING]).and_then(|()| self.0.set_nonblocking(true));
        said.map_err(|error| RouterError::NotHandedOver { why: error.to_string() })?;
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    struct Dice;

    impl model::world::World for Dice {
        fn now(&self) -> model::time::Timestamp {
            model::time::Timestamp(0)
        }

        fn random(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[tokio::test]
    async fn more_files_than_a_message_carries_arrive() {
        let dir = tempfile::tempdir().unwrap();
        let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
        let sockets = Sockets {
            lock: File::create(dir.path().join("lock")).unwrap(),
            orders: socket::bind(dir.path(), socket::ORDERS).unwrap(),
            succession: socket::bind(dir.path(), socket::SUCCESSION).unwrap(),
            metrics: Some(listener()),
            clients: (0..2 * FILES).map(|_| listener()).collect(),
        };
        let folder = dir.path().to_owned();
        let taken = tokio::task::spawn_blocking(move || {
            let (offer, sockets, giver) = take(&folder).unwrap();
            (offer, sockets, giver.serving().unwrap())
        });
        let succession = tokio::net::UnixListener::from_std(sockets.succession.try_clone().unwrap()).unwrap();
        let (mut stream, _) = succession.accept().await.unwrap();
        let addr = "127.0.0.1:80".parse().unwrap();
        let key = affinity::Key::new(&Dice);
        offer(&mut stream, &sockets, Offer::new(addr, false, key, vec![])).await.unwrap();
        let (offer, taken, _stream) = taken.await.unwrap();
        assert_eq!((offer.addr, offer.request_log, offer.routes), (addr, false, vec![]));
        assert_eq!(offer.affinity, Some(key));
        assert_eq!(taken.clients.len(), 2 * FILES);
        let pairs = sockets.clients.iter().chain(&sockets.metrics).zip(taken.clients.iter().chain(&taken.metrics));
        for (ours, theirs) in pairs {
            assert_eq!(ours.local_addr().unwrap(), theirs.local_addr().unwrap());
            assert_ne!(ours.as_raw_fd(), theirs.as_raw_fd());
        }
    }

    #[test]
    fn nobody_to_take_over_from_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let Err(error) = take(dir.path()) else { panic!("somebody answered") };
        assert!(error.to_string().contains("without --upgrade"), "{error}");
    }
}
