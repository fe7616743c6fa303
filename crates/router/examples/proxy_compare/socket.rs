//! A WebSocket that sends a message and waits for its echo (RFC 6455).

use crate::Failure;
use crate::scenario::HOST;
use std::net::SocketAddr;
use testkit::Visitor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes of a message: small, as messages are.
const MESSAGE: usize = 64;
/// A frame from the client: final and text, length, mask.
const HEAD: [u8; 6] = [0x81, 0x80 | 64, 0x12, 0x34, 0x56, 0x78];
/// The key of RFC 6455's own example; the back end answers with the one there.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// An open one.
pub(crate) struct Socket(TcpStream);

impl Socket {
    pub(crate) async fn open(addr: SocketAddr) -> Result<Self, Failure> {
        let mut stream = testkit::connect(addr).await?;
        let request = format!(
            "GET /socket HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await?);
        }
        if !answer.starts_with(b"HTTP/1.1 101") {
            return Err(String::from_utf8_lossy(&answer).into());
        }
        Ok(Self(stream))
    }
}

impl Visitor for Socket {
    async fn visit(&mut self) -> Result<(), String> {
        let broken = |error| format!("the WebSocket broke: {error}");
        let mut frame = [b'x'; HEAD.len() + MESSAGE];
        frame[..HEAD.len()].copy_from_slice(&HEAD);
        self.0.write_all(&frame).await.map_err(broken)?;
        // The server's frames have no mask.
        let mut echo = [0; 2 + MESSAGE];
        self.0.read_exact(&mut echo).await.map_err(broken)?;
        let unmasked = frame[HEAD.len()..].iter().zip(HEAD[2..].iter().cycle()).map(|(byte, mask)| byte ^ mask);
        if echo[..2] == [0x81, 64] && echo[2..].iter().copied().eq(unmasked) {
            Ok(())
        } else {
            Err("the echo is not what was sent".to_owned())
        }
    }
}
