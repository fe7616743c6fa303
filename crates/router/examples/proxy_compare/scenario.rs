//! What visitors do: what they send, over how many connections, and how often at the fixed rate.

use crate::Failure;
use crate::socket::Socket;
use bytes::Bytes;
use std::net::SocketAddr;
use std::str::FromStr;
use testkit::{Caller, Visitor};

/// The host that every proxy serves.
pub(crate) const HOST: &str = "bench.localhost";
/// Bytes of a large body.
pub(crate) const LARGE: usize = 1_000_000;

/// One way to visit.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    /// What each visit is.
    pub(crate) visit: Visit,
    /// Visitors at once.
    pub(crate) visitors: usize,
    /// Visits a second at the fixed rate: well below what the slowest proxy can do here, so that no queue grows.
    pub(crate) per_second: u32,
    /// Also without logs, and with nginx's log buffered.
    pub(crate) all_logs: bool,
}

/// What a visit is.
#[derive(Debug, Clone)]
pub(crate) enum Visit {
    /// An HTTP request.
    Request(Bytes),
    /// A message to a WebSocket and its echo.
    Echo,
}

impl FromStr for Scenario {
    type Err = Failure;

    fn from_str(word: &str) -> Result<Self, Failure> {
        let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{more}\r\n").into_bytes();
        let (request, visitors, per_second) = match word {
            "keep_alive" => (get("/small", ""), 64, 2000),
            "connections" => (get("/small", "Connection: close\r\n"), 64, 1000),
            "downloads" => (get("/large", ""), 16, 100),
            "uploads" => (upload(), 16, 100),
            "websockets" => (Vec::new(), 500, 2000),
            other => return Err(format!("no scenario `{other}`").into()),
        };
        let visit = if word == "websockets" { Visit::Echo } else { Visit::Request(request.into()) };
        Ok(Self { visit, visitors, per_second, all_logs: word == "keep_alive" })
    }
}

fn upload() -> Vec<u8> {
    let head = format!("POST /upload HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {LARGE}\r\n\r\n");
    let mut request = head.into_bytes();
    request.resize(request.len() + LARGE, b'x');
    request
}

impl Scenario {
    /// Its visitors, WebSockets connected.
    pub(crate) async fn crowd(&self, addr: SocketAddr) -> Result<Vec<Anyone>, Failure> {
        let mut crowd = Vec::new();
        for _ in 0..self.visitors {
            crowd.push(match &self.visit {
                Visit::Request(request) => Anyone::Caller(Caller::new(addr, request.clone())),
                Visit::Echo => Anyone::Socket(Socket::open(addr).await?),
            });
        }
        Ok(crowd)
    }
}

/// A visitor.
pub(crate) enum Anyone {
    /// Who sends requests.
    Caller(Caller),
    /// Who sends messages.
    Socket(Socket),
}

impl Visitor for Anyone {
    async fn visit(&mut self) -> Result<(), String> {
        match self {
            Self::Caller(caller) => caller.visit().await,
            Self::Socket(socket) => socket.visit().await,
        }
    }
}
