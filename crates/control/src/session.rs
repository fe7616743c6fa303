//! One connected client: bytes both ways between it and a program, until one of them has gone.

use crate::rendezvous::{Desk, Place, Said};
use model::dyno::Exit;
use runtime::{Attached, AttachedReader, AttachedWriter, DynoControl, ExecStatus, WindowSize};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// Bytes that are carried at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// Without a byte for so long a connection is closed (DYNO-53).
const IDLE_LIMIT: Duration = Duration::from_secs(3600);

/// Clients say the end of their input by this byte. A terminal understands it; for a pipe it is one only when nothing
/// follows within [`END_SILENCE`], because it may also be a part of what is sent.
const END_OF_INPUT: u8 = 4;
const END_SILENCE: Duration = Duration::from_millis(300);

/// What a program printed last lies in the kernel's buffers, and a client takes it within this time; what its children go on
/// printing is cut off then.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(3);

/// What stands before the exit status at the end of what a client reads (DYNO-54). heroku's own command line has the shell
/// print it; for others the server does, and so the command stays as it was typed.
const STATUS_MARK: &str = "\u{FFFF} heroku-command-exit-status: ";

/// A program and where to tell how the session ended.
pub(crate) struct Session {
    pub(crate) program: Attached,
    /// The dyno that the program is the payload of.
    pub(crate) dyno: Option<DynoControl>,
    pub(crate) place: Place,
    /// Told when the client goes before the program: this side's streams are closed by then.
    pub(crate) left: Option<oneshot::Sender<Left>>,
}

/// Why a session has ended although its program has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The client has gone.
    Gone,
    /// Nothing was said for [`IDLE_LIMIT`].
    Idle,
}

/// A client whose secret was right.
pub struct Client {
    session: oneshot::Receiver<crate::rendezvous::Answer>,
    sizes: mpsc::Receiver<WindowSize>,
    wants_status: bool,
}

/// What a client's first line was.
pub enum Greeting {
    /// The secret: greet it, then [`Client::attend`].
    Client(Client),
    /// A new size of a terminal: there is nothing more to do.
    Resized,
    /// Nothing that is known here.
    Unknown,
}

impl crate::Control {
    /// What a client says first over the rendezvous: the secret in its address.
    #[must_use]
    pub fn greet(&self, line: &str) -> Greeting {
        greet(&self.desk, line)
    }
}

fn greet(desk: &Desk, line: &str) -> Greeting {
    match desk.said(line) {
        Said::Claimed { session, sizes, wants_status } => Greeting::Client(Client { session, sizes, wants_status }),
        Said::Resized => Greeting::Resized,
        Said::Nothing => Greeting::Unknown,
    }
}

impl Client {
    /// Connects the client with its program; returns when the session is over.
    ///
    /// # Errors
    /// When the client's connection breaks before the program is there.
    pub async fn attend(self, from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
        let answer = self.session.await.unwrap_or_else(|_| Err("Nothing waits for this client any more".to_owned()));
        let exit = match answer {
            Ok(session) => session.carry(self.sizes, from, &mut to).await,
            Err(why) => {
                to.write_all(format!("{why}\r\n").as_bytes()).await?;
                Some(Exit::Lost)
            }
        };
        if let Some(exit) = exit.filter(|_| self.wants_status) {
            to.write_all(format!("{STATUS_MARK}{}\n", exit.status()).as_bytes()).await?;
        }
        to.shutdown().await
    }
}

impl Session {
    /// Until the end of the program, which is returned, or that of its client.
    async fn carry(
        self,
        sizes: mpsc::Receiver<WindowSize>,
        from: impl AsyncRead + Unpin,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Option<Exit> {
        let Self { program: Attached { reader, writer, status }, dyno, place, left } = self;
        let last = LastByte::now();
        let (printed, typed) = (print(reader, to, &last), listen(from, writer, sizes, &last));
        let outcome = until_over(ended(status, dyno), printed, typed, &last).await;
        drop(place);
        match (outcome, left) {
            (Ok(exit), _) => exit,
            (Err(why), tell) => {
                // Who does not listen any more has seen the end.
                let _ended = tell.map(|tell| tell.send(why));
                None
            }
        }
    }
}

/// How the program ended, if that is known; or why its client is not there any more.
pub(crate) async fn until_over(
    ended: impl Future<Output = Exit>,
    printed: impl Future<Output = io::Result<()>>,
    typed: impl Future<Output = ()>,
    last: &LastByte,
) -> Result<Option<Exit>, Left> {
    tokio::pin!(ended, printed, typed);
    tokio::select! {
        done = &mut printed => match done {
            Ok(()) => Ok(timeout(LAST_WORDS_LIMIT, ended).await.ok()),
            Err(_gone) => Err(Left::Gone),
        },
        exit = &mut ended => match timeout(LAST_WORDS_LIMIT, printed).await {
            Ok(Err(_gone)) => Err(Left::Gone),
            Ok(Ok(())) | Err(_) => Ok(Some(exit)),
        },
        () = typed => Err(Left::Gone),
        () = idle(last) => Err(Left::Idle),
    }
}

async fn ended(program: Option<ExecStatus>, dyno: Option<DynoControl>) -> Exit {
    match (program, dyno) {
        (Some(mut program), _) => program.ended().await,
        (None, Some(dyno)) => dyno.ended().await.exit,
        (None, None) => Exit::Lost,
    }
}

/// To the client; the end when the program has closed its streams, an error when the client has gone.
pub(crate) async fn print(
    mut from: AttachedReader,
    to: &mut (impl AsyncWrite + Unpin),
    last: &LastByte,
) -> io::Result<()> {
    let mut bytes = vec![0; CHUNK_BYTES];
    loop {
        let count = from.read(&mut bytes).await.unwrap_or(0);
        if count == 0 {
            return Ok(());
        }
        to.write_all(bytes.get(..count).unwrap_or_default()).await?;
        to.flush().await?;
        last.came();
    }
}

/// From the client; returns when it has gone.
async fn listen(
    mut from: impl AsyncRead + Unpin,
    mut to: AttachedWriter,
    mut sizes: mpsc::Receiver<WindowSize>,
    last: &LastByte,
) {
    let mut bytes = vec![0; CHUNK_BYTES];
    let mut held = false;
    loop {
        let read = tokio::select! {
            read = from.read(&mut bytes) => read,
            Some(size) = sizes.recv() => {
                // A terminal that is gone needs no size.
                let _gone = to.resize(size);
                continue;
            }
            () = tokio::time::sleep(END_SILENCE), if held => {
                held = false;
                to.close();
                continue;
            }
        };
        let Ok(count @ 1..) = read else { return };
        last.came();
        let mut said = bytes.get(..count).unwrap_or_default();
        if std::mem::take(&mut held) {
            give(&mut to, &[END_OF_INPUT]).await;
        }
        if !to.is_terminal() && said.last() == Some(&END_OF_INPUT) {
            held = true;
            said = said.get(..count - 1).unwrap_or_default();
        }
        give(&mut to, said).await;
    }
}

/// All of it, as fast as the program reads; what it does not want to read is nobody's.
pub(crate) async fn give(to: &mut AttachedWriter, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match to.write(bytes).await {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(_nobody_reads) => return,
        }
    }
}

async fn idle(last: &LastByte) {
    loop {
        let over = last.at() + IDLE_LIMIT;
        tokio::time::sleep_until(over).await;
        if last.at() + IDLE_LIMIT <= over {
            return;
        }
    }
}

/// When a byte was last carried, either way.
pub(crate) struct LastByte(Mutex<Instant>);

impl LastByte {
    pub(crate) fn now() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    pub(crate) fn came(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn at(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
