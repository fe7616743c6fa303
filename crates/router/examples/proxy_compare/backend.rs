//! What stands behind every proxy: small and large answers, bodies that are read to their end, WebSockets that echo.

use crate::Failure;
use crate::scenario::LARGE;
use bytes::Bytes;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of a small body.
const SMALL: usize = 1024;
/// What is read at once.
const READ_BYTES: usize = 256 * 1024;
/// The accept value to the visitors' key (RFC 6455, section 1.3).
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Starts it on a thread of its own; where it listens.
pub(crate) fn start() -> Result<SocketAddr, Failure> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || runtime.block_on(accept(listener)));
    Ok(addr)
}

async fn accept(listener: std::net::TcpListener) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let answers = [SMALL, LARGE, 2].map(|length| {
        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        answer.resize(answer.len() + length, b'x');
        Bytes::from(answer)
    });
    while let Ok((stream, _)) = listener.accept().await {
        let answers = answers.clone();
        // A connection that breaks is the visitor's to report.
        tokio::spawn(async move { stream.set_nodelay(true).is_ok() && serve(stream, answers).await.is_ok() });
    }
}

async fn serve(mut stream: TcpStream, [small, large, short]: [Bytes; 3]) -> Result<(), Failure> {
    let mut buffer = vec![0; READ_BYTES];
    let mut filled = 0;
    loop {
        let head = loop {
            if let Some(end) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read(&mut buffer[filled..]).await? {
                0 => return Ok(()),
                count => filled += count,
            }
        };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        if text.contains("\r\nupgrade: websocket\r\n") {
            stream.write_all(SWITCH.as_bytes()).await?;
            return echo(stream).await;
        }
        let length = text.split_once("\r\ncontent-length: ").and_then(|(_, rest)| rest.split("\r\n").next());
        let length: usize = length.map_or(Ok(0), str::parse)?;
        let mut left = length.saturating_sub(filled - head);
        while left > 0 {
            match stream.read(&mut buffer).await? {
                0 => return Ok(()),
                count => left = left.saturating_sub(count),
            }
        }
        // Nobody here sends a request before the answer to the last one.
        filled = 0;
        let path = text.split(' ').nth(1).unwrap_or_default();
        let answer = if path == "/small" { &small } else { &large };
        stream.write_all(if length > 0 { &short } else { answer }).await?;
        if text.contains("\r\nconnection: close\r\n") {
            stream.shutdown().await?;
        }
    }
}

/// Sends every short message back, without its mask.
async fn echo(stream: TcpStream) -> Result<(), Failure> {
    let mut stream = BufReader::with_capacity(1024, stream);
    loop {
        let mut head = [0; 6];
        stream.read_exact(&mut head).await?;
        let [kind, length, mask @ ..] = head;
        let mut frame = vec![0; 2 + usize::from(length & 0x7f)];
        stream.read_exact(&mut frame[2..]).await?;
        frame[..2].copy_from_slice(&[kind, length & 0x7f]);
        for (byte, mask) in frame[2..].iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        stream.get_mut().write_all(&frame).await?;
    }
}
