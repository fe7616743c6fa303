//! A session channel: first what it is for, then a program's streams or the dyno's files.

use crate::files;
use crate::visitor::FILES;
use control::program::Said;
use control::visit::{Terminal, Visit, in_characters};
use model::dyno::Exit;
use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A client that opens a channel says what for within some round trips.
const WISH_LIMIT: Duration = Duration::from_secs(30);

/// Pieces on their way to a program: it gets them as fast as it reads.
const SAID_WAITING: usize = 4;

/// What a channel is for.
enum Wish {
    /// `None`: a shell.
    Program {
        command: Option<String>,
        terminal: Option<Terminal>,
    },
    Files,
}

/// From its opening to its end.
pub(crate) async fn attend(channel: Channel<Msg>, visit: &Visit) {
    let (mut from, to) = channel.split();
    match timeout(WISH_LIMIT, wish(&mut from)).await {
        Ok(Some(Wish::Program { command, terminal })) => {
            Box::pin(run(visit, command.as_deref(), terminal, &mut from, &to)).await;
        }
        Ok(Some(Wish::Files)) => files::serve(visit, &mut from.make_reader(), &mut to.make_writer()).await,
        // It has gone, or wants nothing.
        Ok(None) | Err(_) => {}
    }
    // A client that has gone needs no end.
    let _gone = to.eof().await.is_err() || to.close().await.is_err();
}

async fn wish(from: &mut ChannelReadHalf) -> Option<Wish> {
    let mut terminal: Option<Terminal> = None;
    loop {
        match from.wait().await? {
            ChannelMsg::RequestPty { term, col_width, row_height, .. } => {
                terminal = Some(Terminal { term, columns: col_width, rows: row_height });
            }
            ChannelMsg::WindowChange { col_width, row_height, .. } => {
                if let Some(terminal) = &mut terminal {
                    (terminal.columns, terminal.rows) = (col_width, row_height);
                }
            }
            ChannelMsg::RequestShell { .. } => return Some(Wish::Program { command: None, terminal }),
            ChannelMsg::Exec { command, .. } => {
                let command = Some(String::from_utf8_lossy(&command).into_owned());
                return Some(Wish::Program { command, terminal });
            }
            ChannelMsg::RequestSubsystem { name, .. } => return (name == FILES).then_some(Wish::Files),
            ChannelMsg::Close => return None,
            _ => {}
        }
    }
}

async fn run(
    visit: &Visit,
    command: Option<&str>,
    terminal: Option<Terminal>,
    from: &mut ChannelReadHalf,
    to: &ChannelWriteHalf<Msg>,
) {
    let mut out = to.make_writer();
    let exit = match visit.program(command, terminal).await {
        Ok(program) => {
            let (say, said) = mpsc::channel(SAID_WAITING);
            let carried = program.carry(said, &mut out);
            tokio::pin!(carried);
            tokio::select! {
                exit = &mut carried => exit,
                () = hear(from, say) => carried.await,
            }
        }
        Err(error) => {
            // Whoever has gone needs no reason.
            let _gone = out.write_all(format!("{error}\r\n").as_bytes()).await.is_err();
            Some(Exit::Lost)
        }
    };
    if let Some(status) = exit.and_then(|exit| u32::try_from(exit.status()).ok()) {
        let _gone = to.exit_status(status).await.is_err();
    }
}

/// Passes on what the client says; returns when it has gone.
async fn hear(from: &mut ChannelReadHalf, say: mpsc::Sender<Said>) {
    while let Some(message) = from.wait().await {
        let said = match message {
            ChannelMsg::Data { data } => Said::Bytes(data.to_vec()),
            ChannelMsg::Eof => Said::End,
            ChannelMsg::WindowChange { col_width, row_height, .. } => {
                Said::Resized { columns: in_characters(col_width, 80), rows: in_characters(row_height, 24) }
            }
            ChannelMsg::Close => return,
            _ => continue,
        };
        if say.send(said).await.is_err() {
            return;
        }
    }
}
