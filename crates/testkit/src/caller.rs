//! A visitor that speaks HTTP over one connection and does as little as possible itself: for measuring others.

use crate::crowd::Visitor;
use bytes::Bytes;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What is read at once.
const READ_BYTES: usize = 256 * 1024;
/// The start of a body that is kept.
const KEPT_BYTES: usize = 64;

/// Sends the same request again and again, and takes answers with a `Content-Length`.
#[derive(Debug)]
pub struct Caller {
    addr: SocketAddr,
    request: Bytes,
    /// Whether the connection is for one request only.
    once: bool,
    connection: Option<TcpStream>,
    buffer: Vec<u8>,
    /// The first bytes of the last body.
    pub said: Vec<u8>,
}

impl Caller {
    /// The request is sent as it is. With `Connection: close` in it there is a connection for every request.
    #[must_use]
    pub fn new(addr: SocketAddr, request: Bytes) -> Self {
        let once = lower(&request).contains("\r\nconnection: close\r\n");
        Self { addr, request, once, connection: None, buffer: vec![0; READ_BYTES], said: Vec::new() }
    }

    async fn ask(&mut self, connection: &mut TcpStream) -> Result<bool, String> {
        let broken = |error| format!("the connection broke: {error}");
        connection.write_all(&self.request).await.map_err(broken)?;
        let mut filled = 0;
        let head = loop {
            let count = connection.read(&mut self.buffer[filled..]).await.map_err(broken)?;
            if count == 0 {
                return Err(format!("closed after {filled} bytes of an answer"));
            }
            filled += count;
            if let Some(end) = self.buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = lower(&self.buffer[..head]);
        if text.get(9..12) != Some("200") {
            return Err(format!("{}: {}", text.trim_end(), String::from_utf8_lossy(&self.buffer[head..filled])));
        }
        let length = text.split_once("\r\ncontent-length: ").and_then(|(_, rest)| rest.split("\r\n").next());
        let length: usize = length.and_then(|length| length.parse().ok()).ok_or("an answer without a length")?;
        self.said = self.buffer[head..filled.min(head + KEPT_BYTES)].to_vec();
        let mut left = length.saturating_sub(filled - head);
        while left > 0 {
            match connection.read(&mut self.buffer).await.map_err(broken)? {
                0 => return Err(format!("closed with {left} bytes of a body missing")),
                count => left = left.saturating_sub(count),
            }
        }
        Ok(!text.contains("\r\nconnection: close\r\n") && text.starts_with("http/1.1"))
    }
}

impl Visitor for Caller {
    async fn visit(&mut self) -> Result<(), String> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(self.addr).await?,
        };
        let stays = self.ask(&mut connection).await?;
        if self.once || !stays {
            // The other side closes first, so that its port waits and not ours.
            while !matches!(connection.read(&mut self.buffer).await, Ok(0) | Err(_)) {}
        } else {
            self.connection = Some(connection);
        }
        Ok(())
    }
}

/// A connection whose small writes go out at once.
///
/// # Errors
/// What the network says.
pub async fn connect(addr: SocketAddr) -> Result<TcpStream, String> {
    let connected = TcpStream::connect(addr).await.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
    connected.map_err(|error| format!("no connection to {addr}: {error}"))
}

fn lower(bytes: &[u8]) -> String {
    // Bodies may follow: only the head counts.
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |end| end + 4);
    String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase()
}
