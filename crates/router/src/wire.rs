//! What the control plane and the router say to each other: frames on a Unix stream.
//!
//! A frame is its length (4 bytes, big-endian, of what follows), a kind byte and the payload: JSON, or log lines.

use crate::activity::Activity;
use crate::entry::Entry;
use crate::error::RouterError;
use crate::receipt::Receipt;
use model::id::{AppId, DynoId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Both sides must speak the same one. [`Command::Stop`] and the frame itself never change.
pub(crate) const PROTOCOL: u32 = 2;

/// A table of 10,000 apps fits.
const FRAME_LIMIT_BYTES: u32 = 32 * 1024 * 1024;

pub(crate) const KIND_JSON: u8 = b'j';
const KIND_LINES: u8 = b'l';

/// The control plane to the router.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The answer has the same.
    pub(crate) id: u64,
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    Sync { routes: Vec<Entry> },
    Set { route: Entry },
    Remove { app: AppId },
    Drain { dynos: Vec<DynoId>, limit_ms: u64 },
    Receipt { app: AppId },
    Activity,
    Stop,
}

/// The router to the control plane.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Notice {
    /// First of all.
    Hello { protocol: u32, addr: SocketAddr, pid: u32 },
    /// That order is carried out.
    Done { id: u64 },
    /// That drain is over.
    Drained { id: u64, at_start: usize, left: usize },
    /// That receipt.
    Receipt { id: u64, receipt: Receipt },
    /// What is open of every app.
    Activity { id: u64, apps: Vec<(AppId, Activity)> },
    /// Requests wait for this app, which is asleep; said again as long as they do.
    Wanted { app: AppId },
    /// That order cannot be carried out.
    Refused { id: u64, why: String },
    /// That many log lines are lost.
    Dropped { count: u64 },
    /// The last of all: another process takes the orders from now on, at the same socket.
    Moved,
}

/// A frame as it came.
#[derive(Debug)]
pub(crate) enum Frame<T> {
    Json(T),
    Lines(Vec<u8>),
}

/// The next frame; `None` when the other side closed.
pub(crate) async fn read<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> Result<Option<Frame<T>>, RouterError> {
    let broken = |error: std::io::Error| RouterError::Protocol(error.to_string());
    let length = match from.read_u32().await {
        Ok(length) => length,
        Err(_) => return Ok(None),
    };
    if length == 0 || length > FRAME_LIMIT_BYTES {
        return Err(RouterError::Protocol(format!("a frame of {length} bytes")));
    }
    let kind = from.read_u8().await.map_err(broken)?;
    let mut payload = vec![0; length as usize - 1];
    from.read_exact(&mut payload).await.map_err(broken)?;
    match kind {
        KIND_JSON => {
            let message = serde_json::from_slice(&payload).map_err(|error| RouterError::Protocol(error.to_string()))?;
            Ok(Some(Frame::Json(message)))
        }
        KIND_LINES => Ok(Some(Frame::Lines(payload))),
        other => Err(RouterError::Protocol(format!("a frame of kind {other}"))),
    }
}

pub(crate) async fn write_json(to: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> std::io::Result<()> {
    write(to, KIND_JSON, &serde_json::to_vec(message)?).await
}

pub(crate) async fn write_lines(to: &mut (impl AsyncWrite + Unpin), lines: &[u8]) -> std::io::Result<()> {
    write(to, KIND_LINES, lines).await
}

async fn write(to: &mut (impl AsyncWrite + Unpin), kind: u8, payload: &[u8]) -> std::io::Result<()> {
    to.write_all(&head(kind, payload.len())?).await?;
    to.write_all(payload).await
}

/// What stands before the payload of a message.
pub(crate) fn json_head(payload_bytes: usize) -> std::io::Result<[u8; 5]> {
    head(KIND_JSON, payload_bytes)
}

/// What stands before a payload.
pub(crate) fn head(kind: u8, payload_bytes: usize) -> std::io::Result<[u8; 5]> {
    let length = u32::try_from(payload_bytes + 1).ok().filter(|length| *length <= FRAME_LIMIT_BYTES);
    let length = length.ok_or_else(|| std::io::Error::other("a message too long for the control socket"))?;
    let [a, b, c, d] = length.to_be_bytes();
    Ok([a, b, c, d, kind])
}

/// The size of the payload behind a head; `None`: it is no head of a JSON frame.
pub(crate) fn json_bytes(head: [u8; 5]) -> Option<usize> {
    let [a, b, c, d, kind] = head;
    let length = u32::from_be_bytes([a, b, c, d]);
    let fits = kind == KIND_JSON && (1..=FRAME_LIMIT_BYTES).contains(&length);
    usize::try_from(length - u32::from(fits)).ok().filter(|_| fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_read_back_and_nonsense_is_an_error() {
        let mut bytes = Vec::new();
        write_json(&mut bytes, &Order { id: 3, command: Command::Stop }).await.unwrap();
        write_lines(&mut bytes, b"abc").await.unwrap();
        let mut from = bytes.as_slice();
        let Ok(Some(Frame::Json(Order { id: 3, command: Command::Stop }))) = read(&mut from).await else { panic!() };
        let Ok(Some(Frame::<Order>::Lines(lines))) = read(&mut from).await else { panic!() };
        assert_eq!(lines, b"abc");
        assert!(matches!(read::<Order>(&mut from).await, Ok(None)));
        for bad in [&b"\xff\xff\xff\xffj"[..], b"\0\0\0\0", b"\0\0\0\x02j{", b"\0\0\0\x02?{", b"\0\0\0\x09j{"] {
            assert!(read::<Order>(&mut &*bad).await.is_err(), "{bad:?}");
        }
    }
}
