//! Serve's side: waits for hooks, and holds one [`PushSession`] for every push that is going on.

use super::frame::{self, Kind};
use super::socket::with_short_path;
use super::{OPTIONS_LIMIT, UPDATES_LIMIT};
use crate::output::{self, Output};
use crate::{ObjectId, RefUpdate};
use bytes::Bytes;
use model::commit::Commit;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, BufReader, ReadBuf};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// A hook tells its updates at once; one that does not is no hook of ours.
const GREETING_LIMIT: Duration = Duration::from_secs(10);

/// Hooks that are just telling their updates; more wait in the socket's backlog.
const GREETINGS_LIMIT: usize = 64;

/// A longer line is cut into lines of this size (fits a frame; well over LOG-3's 10,000).
const LINE_LIMIT_BYTES: usize = 32 * 1024;

/// What could not be done with a push.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The hook ended or broke the rules.
    #[error("the git process of this push is gone")]
    Gone(#[source] io::Error),
    /// git gave the hook a ref update that we do not take.
    #[error("`{0}` is no ref update that Flowline takes: use plain branch and tag names")]
    BadUpdate(String),
    /// No token, so the push did not come through our door.
    #[error("a push without a token")]
    NoToken,
    /// The greeting took over 10 s.
    #[error("a push that does not say what it pushes")]
    Silent,
}

/// Waits for hooks.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    greetings: JoinSet<Result<PushSession, PushError>>,
}

impl Listener {
    /// Takes the socket's place; one that an ended serve left behind is replaced. (The data folder's lock has already
    /// ruled out a living one.)
    ///
    /// # Errors
    /// When the socket cannot be made in that folder.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let socket = with_short_path(path, |path| UnixListener::bind(path))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { socket, greetings: JoinSet::new() })
    }

    /// The next push that has said what it wants. Pushes that do not are logged and dropped. Cancel-safe.
    pub async fn accept(&mut self) -> PushSession {
        loop {
            tokio::select! {
                Some(greeted) = self.greetings.join_next(), if !self.greetings.is_empty() => match greeted {
                    Ok(Ok(session)) => return session,
                    Ok(Err(error)) => tracing::warn!(%error, "A push was turned away at the hook"),
                    Err(error) => tracing::error!(%error, "A push broke at the hook"),
                },
                accepted = self.socket.accept(), if self.greetings.len() < GREETINGS_LIMIT => match accepted {
                    Ok((stream, _)) => drop(self.greetings.spawn(PushSession::greet(stream))),
                    Err(error) => {
                        tracing::warn!(%error, "The hook socket took no connection");
                        // Out of file descriptors: they come back when something else ends.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
    }
}

/// One push, waiting to be accepted or declined. Dropping it declines it, and the client is told that we stopped.
#[derive(Debug)]
pub struct PushSession {
    /// What [`crate::Git::rpc`] was given: tells whose push this is. Compare it with what was given out.
    pub token: String,
    /// What is to happen to which ref.
    pub updates: Vec<RefUpdate>,
    /// What the client said with `git push -o`.
    pub options: Vec<String>,
    from_hook: Arc<Mutex<BufReader<OwnedReadHalf>>>,
    to_hook: OwnedWriteHalf,
}

impl PushSession {
    async fn greet(stream: UnixStream) -> Result<Self, PushError> {
        let (from_hook, mut to_hook) = stream.into_split();
        let mut from_hook = BufReader::new(from_hook);
        let greeting = tokio::time::timeout(GREETING_LIMIT, read_greeting(&mut from_hook)).await;
        match greeting.unwrap_or(Err(PushError::Silent)) {
            Ok(Greeting { token, updates, options }) => {
                Ok(Self { token, updates, options, from_hook: Arc::new(Mutex::new(from_hook)), to_hook })
            }
            Err(error) => {
                // Best effort: the error itself goes to our log.
                let said = frame::send(&mut to_hook, Kind::Line, format!(" !     {error}.").as_bytes()).await;
                let _gone = said.and(frame::send(&mut to_hook, Kind::Decline, b"").await);
                Err(error)
            }
        }
    }

    /// Shows the client a line (`remote: <line>`); returns when it is on its way. Works while a tree is being read.
    ///
    /// # Errors
    /// When the git process is gone. The client alone being gone is no error.
    pub async fn say(&mut self, line: &str) -> Result<(), PushError> {
        for line in line.split('\n') {
            let mut rest = line;
            loop {
                let (now, later) = rest.split_at(rest.floor_char_boundary(LINE_LIMIT_BYTES));
                frame::send(&mut self.to_hook, Kind::Line, now.as_bytes()).await.map_err(PushError::Gone)?;
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// What a commit of this push says of itself; `None` when git cannot read it. Waits while a tree is being read.
    ///
    /// # Errors
    /// When the git process is gone.
    pub async fn commit(&mut self, commit: &ObjectId) -> Result<Option<Commit>, PushError> {
        let mut from_hook = self.from_hook.clone().lock_owned().await;
        frame::send(&mut self.to_hook, Kind::Ask, commit.as_str().as_bytes()).await.map_err(PushError::Gone)?;
        match frame::receive(&mut *from_hook).await.map_err(PushError::Gone)? {
            (Kind::Told, told) => Ok(crate::commit::read(&told)),
            (kind, _) => {
                let error = format!("the hook sent {kind:?} for a commit");
                Err(PushError::Gone(io::Error::new(io::ErrorKind::InvalidData, error)))
            }
        }
    }

    /// The files of a commit of this push as a tar stream. One at a time: a second waits for the end of the first.
    ///
    /// # Errors
    /// When the git process is gone. An error of git itself, such as an unknown commit, is an error of the stream.
    pub async fn tree(&mut self, commit: &ObjectId) -> Result<Tree, PushError> {
        let mut from_hook = self.from_hook.clone().lock_owned().await;
        frame::send(&mut self.to_hook, Kind::Tree, commit.as_str().as_bytes()).await.map_err(PushError::Gone)?;
        let (sender, reader) = output::channel();
        tokio::spawn(async move {
            loop {
                match frame::receive(&mut *from_hook).await {
                    // Read to its end in any case, so that the socket is ready for a next tree.
                    Ok((Kind::Tar, content)) => drop(sender.send(Bytes::from(content)).await),
                    Ok((Kind::TarEnd, error)) if error.is_empty() => return,
                    Ok((Kind::TarEnd, error)) => {
                        return sender.fail(String::from_utf8_lossy(&error).into_owned()).await;
                    }
                    Ok((kind, _)) => return sender.fail(format!("the hook sent {kind:?} in a tree")).await,
                    Err(error) => return sender.fail(format!("the git process of this push is gone: {error}")).await,
                }
            }
        });
        Ok(Tree(reader))
    }

    /// What the author says about a commit of this push; cut when it is very long, empty when git cannot tell.
    ///
    /// # Errors
    /// When the git process is gone.
    pub async fn message(&mut self, commit: &ObjectId) -> Result<String, PushError> {
        let mut from_hook = self.from_hook.lock().await;
        frame::send(&mut self.to_hook, Kind::Message, commit.as_str().as_bytes()).await.map_err(PushError::Gone)?;
        match frame::receive(&mut *from_hook).await.map_err(PushError::Gone)? {
            (Kind::MessageIs, message) => Ok(String::from_utf8_lossy(&message).into_owned()),
            (kind, _) => {
                let error = io::Error::new(io::ErrorKind::InvalidData, format!("the hook sent {kind:?} for a message"));
                Err(PushError::Gone(error))
            }
        }
    }

    /// Ends the push: the refs move, or they do not.
    ///
    /// # Errors
    /// When the git process was gone before it could hear it: the refs have not moved.
    pub async fn finish(mut self, accept: bool) -> Result<(), PushError> {
        let verdict = if accept { Kind::Accept } else { Kind::Decline };
        frame::send(&mut self.to_hook, verdict, b"").await.map_err(PushError::Gone)
    }
}

/// What a hook tells first.
struct Greeting {
    token: String,
    updates: Vec<RefUpdate>,
    options: Vec<String>,
}

async fn read_greeting(from: &mut BufReader<OwnedReadHalf>) -> Result<Greeting, PushError> {
    let (mut token, mut updates, mut options) = (None, Vec::new(), Vec::new());
    loop {
        let (kind, content) = frame::receive(from).await.map_err(PushError::Gone)?;
        let text = String::from_utf8_lossy(&content).into_owned();
        match kind {
            Kind::Token => token = Some(text),
            Kind::Update if updates.len() < UPDATES_LIMIT => match RefUpdate::parse(&text) {
                Some(update) => updates.push(update),
                None => return Err(PushError::BadUpdate(text)),
            },
            Kind::PushOption if options.len() < OPTIONS_LIMIT => options.push(text),
            Kind::Ready => return Ok(Greeting { token: token.ok_or(PushError::NoToken)?, updates, options }),
            Kind::PushOption
            | Kind::Update
            | Kind::Tar
            | Kind::TarEnd
            | Kind::Line
            | Kind::Tree
            | Kind::Accept
            | Kind::Decline
            | Kind::Message
            | Kind::MessageIs
            | Kind::Ask
            | Kind::Told => {
                let error = io::Error::new(io::ErrorKind::InvalidData, "the hook did not keep to the protocol");
                return Err(PushError::Gone(error));
            }
        }
    }
}

/// A tar stream; its errors are git's.
#[derive(Debug)]
pub struct Tree(Output);

impl AsyncRead for Tree {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}
