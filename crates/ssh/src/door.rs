//! Connections in: by tunnels that other doors opened, and by a listener where there is one; bounded in number and patience.

use crate::host_key::HostKey;
use crate::visitor::Visitor;
use control::Control;
use russh::keys::Algorithm;
use russh::server::Config;
use russh::{MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};
use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional, duplex};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Visits at once, over all apps: each holds some sockets and some hundred KiB of buffers. A browser that goes through
/// `ps:socks` opens a connection for each of its own.
const VISITS_LIMIT: usize = 256;

/// Of them, those that have not said their name: a key exchange costs some CPU. One more is closed at once.
const UNKNOWN_LIMIT: usize = 32;

/// Key exchange and name take an honest client some round trips.
const ENTER_LIMIT: Duration = Duration::from_secs(30);

/// A wrong name is told late, so that nobody tries many.
const REJECTION_PAUSE: Duration = Duration::from_secs(1);

/// `none`, and what a client tries that does not believe it.
const TRIES_LIMIT: usize = 3;

/// A client whose machine is gone is noticed by questions at this distance…
const KEEPALIVE: Duration = Duration::from_secs(30);

/// …of which so many are left without an answer.
const UNANSWERED_LIMIT: usize = 3;

/// What a client may send of a channel before the other side has read it.
const WINDOW_BYTES: u32 = 256 * 1024;

/// The largest packet that every client knows.
const PACKET_BYTES: u32 = 32 * 1024;

/// Packets of a channel that wait for a program to read; then the whole connection waits.
const PACKETS_WAITING: usize = 32;

/// Between the socket and the protocol.
const BUFFER_BYTES: usize = 64 * 1024;

/// What was said last reaches a client within this time.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(3);

/// Between attempts to accept when the machine has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Modern ones that both clients know: the official command line's own and OpenSSH. No compression: it would unfold.
const PREFERRED: Preferred = Preferred {
    kex: Cow::Borrowed(&[
        kex::MLKEM768X25519_SHA256,
        kex::CURVE25519,
        kex::CURVE25519_PRE_RFC_8731,
        kex::EXTENSION_SUPPORT_AS_SERVER,
        kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
    ]),
    host_key_certificates: Cow::Borrowed(&[]),
    key: Cow::Borrowed(&[Algorithm::Ed25519]),
    cipher: Cow::Borrowed(&[cipher::CHACHA20_POLY1305, cipher::AES_256_GCM, cipher::AES_256_CTR, cipher::AES_128_CTR]),
    mac: Cow::Borrowed(&[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM, mac::HMAC_SHA512, mac::HMAC_SHA256]),
    compression: Cow::Borrowed(&[compression::NONE]),
};

/// What every visit is served with.
#[derive(Clone)]
struct Door {
    control: Control,
    config: Arc<Config>,
    visits: Arc<Semaphore>,
    unknown: Arc<Semaphore>,
}

/// Serves until `shutdown` resolves. Visits end with it. Until somebody comes it costs nothing.
pub async fn serve<S>(
    control: Control,
    key: &HostKey,
    mut tunnels: mpsc::Receiver<S>,
    listener: Option<TcpListener>,
    shutdown: impl Future<Output = ()>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let door = Door {
        control,
        config: Arc::new(config(key)),
        visits: Arc::new(Semaphore::new(VISITS_LIMIT)),
        unknown: Arc::new(Semaphore::new(UNKNOWN_LIMIT)),
    };
    let mut tasks = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return,
            Some(_) = tasks.join_next() => {}
            Some(tunnel) = tunnels.recv() => door.welcome(tunnel, &mut tasks),
            accepted = accept(listener.as_ref()) => match accepted {
                Ok(stream) => door.welcome(stream, &mut tasks),
                Err(error) => {
                    tracing::warn!(%error, "No SSH connection could be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<tokio::net::TcpStream> {
    let Some(listener) = listener else { return std::future::pending().await };
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn config(key: &HostKey) -> Config {
    Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-Flowline")),
        methods: MethodSet::from(&[MethodKind::None][..]),
        auth_rejection_time: REJECTION_PAUSE,
        keys: vec![key.private()],
        window_size: WINDOW_BYTES,
        maximum_packet_size: PACKET_BYTES,
        channel_buffer_size: PACKETS_WAITING,
        preferred: PREFERRED,
        max_auth_attempts: TRIES_LIMIT,
        // Programs have a limit of their own, ports are open as long as their client is there.
        inactivity_timeout: None,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: UNANSWERED_LIMIT,
        ..Config::default()
    }
}

impl Door {
    fn welcome<S>(&self, stream: S, tasks: &mut JoinSet<()>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let room = (Arc::clone(&self.visits).try_acquire_owned(), Arc::clone(&self.unknown).try_acquire_owned());
        let (Ok(visit), Ok(unknown)) = room else {
            return tracing::warn!("Too many SSH connections; one was closed");
        };
        let door = self.clone();
        tasks.spawn(async move {
            if let Err(error) = door.attend(stream, unknown).await {
                tracing::debug!(%error, "An SSH connection ended early");
            }
            drop(visit);
        });
    }

    /// The protocol's own task gets its bytes from here, so that it ends when this does, whatever it is at.
    async fn attend<S>(&self, mut stream: S, unknown: OwnedSemaphorePermit) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut near, far) = duplex(BUFFER_BYTES);
        let (enter, entered) = oneshot::channel();
        let visitor = Visitor::new(self.control.clone(), enter);
        let config = Arc::clone(&self.config);
        let served = async { russh::server::run_stream(config, far, visitor).await?.await };
        let mut carried = Box::pin(copy_bidirectional(&mut stream, &mut near));
        tokio::select! {
            served = Box::pin(served) => {
                // It may have gone already.
                let _told = timeout(LAST_WORDS_LIMIT, carried).await.is_ok();
                served.map_err(io::Error::other)
            }
            carried = &mut carried => carried.map(drop),
            () = late(entered, unknown) => Err(ErrorKind::TimedOut.into()),
        }
    }
}

/// Comes when somebody has not said their name in time.
async fn late(entered: oneshot::Receiver<()>, unknown: OwnedSemaphorePermit) {
    if let Ok(Ok(())) = timeout(ENTER_LIMIT, entered).await {
        drop(unknown);
        std::future::pending().await
    }
}
