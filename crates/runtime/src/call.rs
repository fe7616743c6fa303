//! What whoever attaches asks of a dyno's init, and what comes back: over a connection to the dyno's attach socket, which
//! the keeper hands on.

use crate::spec::ExecSpec;
use crate::wire;
use model::dyno::Exit;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The one request on a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Call {
    /// The payload's own streams.
    Open,
    /// One more program. Its session ends with the connection.
    Exec(ExecSpec),
    /// SIGHUP to the payload's session; nobody will read or write its streams any more.
    HangUp,
    /// A file as the dyno sees it, to be read.
    File(PathBuf),
    /// A connection from the dyno, which may not be made yet.
    Connect(SocketAddr),
}

/// The byte that comes back first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// With one descriptor: the terminal.
    Terminal,
    /// With two: where to write, where to read.
    Pipes,
    /// With one: what was asked for.
    Given,
    /// It was done; there is nothing to hand over.
    Done,
    /// A frame with the reason follows.
    Refused,
}

impl Mark {
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Terminal => b'T',
            Self::Pipes => b'P',
            Self::Given => b'G',
            Self::Done => b'D',
            Self::Refused => b'R',
        }
    }

    pub(crate) fn of(byte: u8) -> Option<Self> {
        [Self::Terminal, Self::Pipes, Self::Given, Self::Done, Self::Refused]
            .into_iter()
            .find(|mark| mark.byte() == byte)
    }
}

impl Call {
    /// As it travels.
    pub(crate) fn frame(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        wire::frame(b'C', &[&serde_json::to_vec(self)?], &mut bytes);
        Ok(bytes)
    }
}

/// How a program that was asked for has ended, as it travels.
pub(crate) fn exit_frame(exit: Exit) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Plain numbers: serde_json cannot fail on them.
    wire::frame(b'E', &[&serde_json::to_vec(&exit).unwrap_or_default()], &mut bytes);
    bytes
}

/// Why a call was refused, as it travels.
pub(crate) fn refusal_frame(why: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    wire::frame(b'F', &[why.as_bytes()], &mut bytes);
    bytes
}
