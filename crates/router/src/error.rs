//! What can keep the router from running, and the control plane from reaching it.

use std::net::SocketAddr;
use std::path::PathBuf;

/// What could not be done; the message says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// The public port cannot be had.
    #[error(
        "Cannot listen on {addr} for the apps' requests: {source}. Stop what uses that port, or choose another one (--apps)"
    )]
    Listen {
        /// Which.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The metrics' port cannot be had.
    #[error(
        "Cannot listen on {addr} for metrics: {source}. Choose another port with `flowline serve --router-metrics ADDR:PORT`"
    )]
    Metrics {
        /// Which.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others could read the metrics.
    #[error(
        "The metrics are for this machine only: {addr} is no loopback address. Use 127.0.0.1 or ::1 with `flowline serve --router-metrics ADDR:PORT`"
    )]
    NotLoopback {
        /// Which.
        addr: SocketAddr,
    },
    /// Another router holds the folder.
    #[error("Another router already runs on {}. Use that one, or stop it first", dir.display())]
    AlreadyRuns {
        /// Which.
        dir: PathBuf,
    },
    /// `--upgrade` found no router to take over from.
    #[error("No router that can hand over runs on {}. Start one without --upgrade", dir.display())]
    NoPredecessor {
        /// Which.
        dir: PathBuf,
    },
    /// A router and its successor did not agree.
    #[error("The router did not hand over: {why}. The one that ran before goes on")]
    NotHandedOver {
        /// What went wrong.
        why: String,
    },
    /// A file or socket of the router cannot be used.
    #[error("Cannot {what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A thread could not be started or ended before its time.
    #[error("A thread of the router ended: {0}. The router must be restarted")]
    Thread(String),
    /// The router process ended before it was ready.
    #[error("The router did not start: {why}")]
    DidNotStart {
        /// Its last words.
        why: String,
    },
    /// The other side of the control socket said something else than the protocol.
    #[error("The router's control socket said something unexpected: {0}. Do both sides have the same version?")]
    Protocol(String),
    /// The router did not carry out a command.
    #[error("The router refused a command: {0}")]
    Refused(String),
    /// The link was stopped.
    #[error("The link to the router is stopped")]
    Stopped,
}

impl RouterError {
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}
