//! A command's own streams as those of a program that runs on the server.

use crate::console::Console;
use crate::error::CliError;
use crate::rendezvous::{Printed, Rendezvous};
use crate::session::Session;
use crate::tty::{self, RawMode};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::io::BufRead;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// Pieces of input that wait for the network.
const INPUT_PIECES: usize = 4;

/// The end of input, for a program that reads a pipe.
const END_OF_INPUT: &[u8] = &[4];

/// How the program is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As if it ran in this terminal.
    Terminal,
    /// As if it ran in a script.
    Pipes,
}

impl Manner {
    /// A terminal, where a person sits at both ends of it.
    pub(crate) fn of(session: &Session<'_>, no_tty: bool) -> Self {
        let terminal = session.env.terminal;
        let person = terminal.stdin && terminal.stdout && !session.console.is_json();
        if person && !no_tty { Self::Terminal } else { Self::Pipes }
    }

    /// What the program is told of the terminal (DYNO-57).
    pub(crate) fn describe(self, env: &mut Map<String, Value>) {
        if let (Self::Terminal, Some((columns, rows))) = (self, tty::size()) {
            for (name, value) in [("COLUMNS", columns), ("LINES", rows)] {
                env.entry(name).or_insert_with(|| Value::from(value.to_string()));
            }
        }
    }
}

/// Carries input and output until the program's end; its exit status, if the server could tell.
pub(crate) async fn attach(
    session: &mut Session<'_>,
    attach_url: Option<&str>,
    manner: Manner,
) -> Result<Option<i32>, CliError> {
    let none = || CliError::NotFlowline {
        url: session.client.server.url.clone(),
        why: "it gives no address to attach to".to_owned(),
    };
    let rendezvous = Rendezvous::at(&session.client, attach_url.ok_or_else(none)?).await?;
    let (mut from, to) = tokio::io::split(rendezvous.meet().await?);
    let mut signals = Signals::new()?;
    let _raw = (manner == Manner::Terminal).then(RawMode::enter);
    let input = tokio::spawn(send(typed(session.console), to));
    let mut output = Output { printed: Printed::default(), line: Vec::new() };
    let mut bytes = vec![0; CHUNK_BYTES];
    let status = loop {
        tokio::select! {
            read = from.read(&mut bytes) => match read {
                Ok(0) => break output.end(session.console)?,
                Ok(count) => output.show(session.console, bytes.get(..count).unwrap_or_default())?,
                Err(_) => return Err(rendezvous.lost()),
            },
            _ = signals.resized.recv(), if manner == Manner::Terminal => {
                if let Some((columns, rows)) = tty::size() {
                    let rendezvous = rendezvous.clone();
                    // Only the picture suffers when it does not arrive.
                    tokio::spawn(async move { rendezvous.resize(columns, rows).await });
                }
            }
            _ = signals.ended.recv() => {
                return Err(CliError::failed("Left the program, which is told so.", "It may go on if it ignores SIGHUP."));
            }
        }
    };
    input.abort();
    Ok(status)
}

struct Signals {
    resized: Signal,
    ended: Signal,
}

impl Signals {
    fn new() -> Result<Self, CliError> {
        let of = |kind| signal(kind).map_err(|error| CliError::local("watch for signals", error));
        Ok(Self { resized: of(SignalKind::window_change())?, ended: of(SignalKind::terminate())? })
    }
}

/// stdin, piece by piece. A thread of its own reads it: it may wait for a key when everything else is over, and then simply
/// ends with the process.
fn typed(console: &mut Console) -> mpsc::Receiver<Bytes> {
    let mut input = std::mem::replace(&mut console.input, Box::new(std::io::empty()));
    let (to, pieces) = mpsc::channel(INPUT_PIECES);
    std::thread::spawn(move || {
        loop {
            let piece = match input.fill_buf() {
                Ok(piece) if !piece.is_empty() => Bytes::copy_from_slice(piece),
                Ok(_) | Err(_) => return,
            };
            input.consume(piece.len());
            if to.blocking_send(piece).is_err() {
                return;
            }
        }
    });
    pieces
}

/// To the program, and then the end. A connection that has gone shows where the output is read.
async fn send(mut pieces: mpsc::Receiver<Bytes>, mut to: impl AsyncWrite + Unpin) {
    while let Some(piece) = pieces.recv().await {
        if to.write_all(&piece).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    let _gone = to.write_all(END_OF_INPUT).await.is_err() || to.flush().await.is_err();
    // The connection has to stay open as long as there is output.
    std::future::pending::<()>().await;
}

/// What the program prints.
struct Output {
    printed: Printed,
    /// In JSON mode: the line that has no end yet.
    line: Vec<u8>,
}

impl Output {
    fn show(&mut self, console: &mut Console, bytes: &[u8]) -> Result<(), CliError> {
        let text = self.printed.push(bytes);
        self.put(console, &text)
    }

    fn end(mut self, console: &mut Console) -> Result<Option<i32>, CliError> {
        let (text, status) = std::mem::take(&mut self.printed).end();
        self.put(console, &text)?;
        if !self.line.is_empty() {
            self.put(console, b"\n")?;
        }
        Ok(status)
    }

    fn put(&mut self, console: &mut Console, bytes: &[u8]) -> Result<(), CliError> {
        if !console.is_json() {
            return console.raw(bytes);
        }
        self.line.extend_from_slice(bytes);
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let rest = self.line.split_off(end + 1);
            let line = String::from_utf8_lossy(&self.line).trim_end().to_owned();
            console.line(&json!({ "message": line }).to_string())?;
            self.line = rest;
        }
        console.flush()
    }
}
