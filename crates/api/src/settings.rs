//! The limits that protect the server at its doors.

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A connection of the API that is one of another protocol from now on.
pub type Tunnel = TokioIo<Upgraded>;

/// The SSH door, as its clients find it.
#[derive(Debug, Clone)]
pub struct SshDoor {
    /// Its public key: `ssh-ed25519 AAAA…`.
    pub host_key: Arc<str>,
    /// Where connections go that come over the API's port.
    pub tunnels: mpsc::Sender<Tunnel>,
    /// Where it listens by itself, if it does.
    pub listens: Option<SocketAddr>,
}

/// How much the doors take on.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the same doors listen by TLS, for clients to be told.
    pub tls: Option<SocketAddr>,
    /// The SSH door, where there is one.
    pub ssh: Option<SshDoor>,
    /// Connections served at once; one more waits until another ends.
    pub connections: usize,
    /// A client must have sent its request's head within this time: slow heads would hold connections for nothing.
    pub head_timeout: Duration,
    /// After the signal to end, requests in flight may take this long.
    pub drain_timeout: Duration,
    /// Requests that a token may make at once, before the refill counts (API-9, CLI-4).
    pub rate_burst: u32,
    /// Requests per second that come back. Clients sleep 30 s when they meet the limit (CLI-4), so it is only there to stop
    /// loops that went wild.
    pub rate_refill_per_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tls: None,
            ssh: None,
            connections: 1024,
            head_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            rate_burst: 4500,
            rate_refill_per_s: 75,
        }
    }
}
