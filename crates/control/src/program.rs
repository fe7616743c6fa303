//! A program that somebody has started in a dyno over SSH: bytes both ways until one of them has gone.

use crate::session::{LastByte, give, print, until_over};
use model::dyno::Exit;
use runtime::{Attached, AttachedWriter, WindowSize};
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;

/// One thing that a client says to its program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Typed.
    Bytes(Vec<u8>),
    /// There will be no more of it.
    End,
    /// Its terminal has another size now.
    Resized {
        /// Its width, in characters.
        columns: u16,
        /// Its height.
        rows: u16,
    },
}

/// A program whose client is here. It gets SIGHUP when this goes before it has ended.
pub struct Program(Attached);

impl Program {
    pub(crate) fn of(attached: Attached) -> Self {
        Self(attached)
    }

    /// Connects the client with it until it ends, and returns how it did; `None` when the client went first, or said nothing for
    /// an hour (DYNO-53). The end of `said` is the client's.
    pub async fn carry(self, said: mpsc::Receiver<Said>, to: &mut (impl AsyncWrite + Unpin)) -> Option<Exit> {
        let Attached { reader, writer, status } = self.0;
        let ended = async {
            match status {
                Some(mut program) => program.ended().await,
                None => Exit::Lost,
            }
        };
        let last = LastByte::now();
        until_over(ended, print(reader, to, &last), hear(said, writer, &last), &last).await.ok().flatten()
    }
}

async fn hear(mut said: mpsc::Receiver<Said>, mut to: AttachedWriter, last: &LastByte) {
    while let Some(said) = said.recv().await {
        last.came();
        match said {
            Said::Bytes(bytes) => give(&mut to, &bytes).await,
            Said::End => to.close(),
            // A terminal that is gone needs no size.
            Said::Resized { columns, rows } => drop(to.resize(WindowSize { columns, rows })),
        }
    }
}
