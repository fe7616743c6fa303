//! The request's body on its way to the dyno.

use crate::failure::Failure;
use crate::watch::{Turn, Watch};
use bytes::{Buf, Bytes};
use hyper::body::{Body, Incoming};
use std::error::Error;
use std::future::Future;
use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::Instant;

/// How a body went.
#[derive(Debug)]
pub(crate) enum Uploaded {
    /// All of it; the connection's writing side is free again.
    All(OwnedWriteHalf),
    /// The client broke it off or broke the rules.
    Broken(Failure),
    /// The dyno does not take it any more. It may have answered all the same.
    NotTaken,
}

/// A body that is being sent.
pub(crate) type Uploading = Pin<Box<dyn Future<Output = Uploaded>>>;

/// Sends a body, in chunks where its length is unknown.
pub(crate) async fn upload(mut body: Incoming, mut to: OwnedWriteHalf, chunked: bool, watch: Rc<Watch>) -> Uploaded {
    loop {
        turn(&watch, Turn::ClientBody);
        let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        turn(&watch, Turn::DynoHead);
        let written = match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if chunked => write_chunk(&mut to, data).await,
                Ok(data) => to.write_all(&data).await,
                // Trailers: the dyno was not told that there would be any.
                Err(_) => Ok(()),
            },
            Some(Err(error)) => return Uploaded::Broken(broken(&error)),
            None if chunked => return end(to).await,
            None => return Uploaded::All(to),
        };
        if written.is_err() {
            return Uploaded::NotTaken;
        }
    }
}

/// While nobody has answered, it is either the client's or the dyno's turn; a byte moved just now.
fn turn(watch: &Watch, turn: Turn) {
    if matches!(watch.turn(), Turn::ClientBody | Turn::DynoHead) {
        watch.pass(turn, Instant::now());
    }
}

async fn write_chunk(to: &mut OwnedWriteHalf, data: Bytes) -> std::io::Result<()> {
    if data.is_empty() {
        return Ok(());
    }
    let size = format!("{:x}\r\n", data.len());
    to.write_all_buf(&mut size.as_bytes().chain(data).chain(&b"\r\n"[..])).await
}

async fn end(mut to: OwnedWriteHalf) -> Uploaded {
    match to.write_all(b"0\r\n\r\n").await {
        Ok(()) => Uploaded::All(to),
        Err(_) => Uploaded::NotTaken,
    }
}

/// A body that cannot be read: malformed chunks are H26, a connection that went away is H27.
fn broken(error: &hyper::Error) -> Failure {
    let io = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    let malformed = io.is_some_and(|io| matches!(io.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData));
    if malformed { Failure::BadRequest("bad chunk") } else { Failure::ClientInterrupted }
}
