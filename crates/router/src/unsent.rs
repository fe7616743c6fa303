//! Frames that wait to be written to a socket. Two sides that each write before they read again can wait for each other
//! for ever; with this, one of them always reads.

use crate::wire;
use bytes::BytesMut;
use serde::Serialize;
use std::io::{self, ErrorKind};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// The bytes of frames. Whoever fills it takes no new order before it is empty: so it holds one, or what a new connection
/// begins with.
#[derive(Default)]
pub(crate) struct Unsent(BytesMut);

impl Unsent {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn push(&mut self, message: &impl Serialize) -> io::Result<()> {
        let json = serde_json::to_vec(message)?;
        self.0.extend_from_slice(&wire::json_head(json.len())?);
        self.0.extend_from_slice(&json);
        Ok(())
    }

    /// Writes as much as the socket takes. Can be dropped at any time without harm. After an error nothing is left.
    pub(crate) async fn write(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let written = match to.write_buf(&mut self.0).await {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if written.is_err() {
            self.0.clear();
        }
        written
    }
}
