//! Attached: the standard streams of a program in a dyno, in the hands of `serve`.
//!
//! What travels does not pass through the keeper: the dyno's init hands the terminal or the pipes themselves over. Their
//! buffers in the kernel are the only ones, so a program waits for a slow reader, and a writer for a slow program.

use crate::call::{Call, Mark};
use crate::dyno::{Awake, DynoControl};
use crate::folder::Folder;
use crate::handover::take_all;
use crate::spec::{ExecSpec, SpecError, WindowSize};
use crate::sys::watched;
use crate::wire::{self, FRAME_LIMIT_BYTES};
use model::dyno::Exit;
use rustix::termios::{Winsize, tcsetwinsize};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Init answers in milliseconds, unless the machine swaps or the dyno is frozen.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Why nobody could attach.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The program makes no sense.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The dyno has ended, or was started by a Flowline that could not do this.
    #[error("the dyno cannot be reached ({0}): it has ended, or was started by an earlier version; restart it")]
    Gone(#[source] io::Error),
    /// No answer in time.
    #[error("the dyno does not answer within {} s", ANSWER_LIMIT.as_secs())]
    Silent,
    /// In its own words.
    #[error("{0}")]
    Refused(String),
}

/// The streams of a program.
pub struct Attached {
    /// What it prints.
    pub reader: AttachedReader,
    /// What it is to read.
    pub writer: AttachedWriter,
    /// Of a program that was started by [`DynoControl::exec`]: its session ends when this is dropped.
    pub status: Option<ExecStatus>,
}

/// What a program prints.
pub struct AttachedReader(Arc<AsyncFd<OwnedFd>>);

/// What a program reads.
pub struct AttachedWriter {
    /// None: its input has ended.
    fd: Option<Arc<AsyncFd<OwnedFd>>>,
    is_terminal: bool,
}

/// How a program that was started by [`DynoControl::exec`] ends.
pub struct ExecStatus {
    connection: UnixStream,
    _awake: Awake,
}

impl DynoControl {
    /// The payload's streams, if its specification says [`crate::Attach`]. A terminal can be opened again until
    /// [`Self::hang_up`], also by a later `serve`; pipes are opened once.
    ///
    /// # Errors
    /// When the dyno has ended or hangs.
    pub async fn open(&self) -> Result<Attached, AttachError> {
        let _awake = self.awake().await.map_err(AttachError::Gone)?;
        let (given, _) = call(self.folder(), &Call::Open).await?;
        given.streams()
    }

    /// Starts one more program in the dyno, as confined as the dyno itself. A frozen dyno is thawed, and not frozen as long as
    /// somebody is attached. The program ends with the dyno, or gets SIGHUP when what
    /// is returned here is dropped, and SIGKILL ten seconds later.
    ///
    /// # Errors
    /// When the dyno has ended, hangs, is stopping, or has 16 such programs already.
    pub async fn exec(&self, spec: ExecSpec) -> Result<Attached, AttachError> {
        spec.check()?;
        let awake = self.awake().await.map_err(AttachError::Gone)?;
        let (given, connection) = call(self.folder(), &Call::Exec(spec)).await?;
        Ok(Attached { status: Some(ExecStatus { connection, _awake: awake }), ..given.streams()? })
    }

    /// SIGHUP to the session of an attached payload; its streams are closed for good.
    ///
    /// # Errors
    /// When the dyno has ended or hangs.
    pub async fn hang_up(&self) -> Result<(), AttachError> {
        let _awake = self.awake().await.map_err(AttachError::Gone)?;
        call(self.folder(), &Call::HangUp).await.map(drop)
    }
}

/// What init hands over.
pub(crate) enum Given {
    Streams(Attached),
    One(OwnedFd),
    Nothing,
}

impl Given {
    fn streams(self) -> Result<Attached, AttachError> {
        match self {
            Self::Streams(attached) => Ok(attached),
            Self::One(_) | Self::Nothing => Err(AttachError::Gone(ErrorKind::InvalidData.into())),
        }
    }

    pub(crate) fn one(self) -> Result<OwnedFd, AttachError> {
        match self {
            Self::One(fd) => Ok(fd),
            Self::Streams(_) | Self::Nothing => Err(AttachError::Gone(ErrorKind::InvalidData.into())),
        }
    }
}

pub(crate) async fn call(folder: &Folder, call: &Call) -> Result<(Given, UnixStream), AttachError> {
    let bytes = call.frame().map_err(|error| AttachError::Gone(error.into()))?;
    let (_dir, path) = folder.attach_socket().map_err(AttachError::Gone)?;
    let answer = async {
        let mut connection = UnixStream::connect(path).await.map_err(AttachError::Gone)?;
        connection.write_all(&bytes).await.map_err(AttachError::Gone)?;
        let take = || take_all(connection.as_fd());
        let (mark, fds) = connection.async_io(Interest::READABLE, take).await.map_err(AttachError::Gone)?;
        let mut fds = fds.into_iter();
        let given = match (Mark::of(mark), fds.next(), fds.next()) {
            (Some(Mark::Terminal), Some(terminal), None) => Attached::terminal(terminal).map(Given::Streams),
            (Some(Mark::Pipes), Some(input), Some(output)) => Attached::pipes(input, output).map(Given::Streams),
            (Some(Mark::Given), Some(one), None) => Ok(Given::One(one)),
            (Some(Mark::Done), None, None) => Ok(Given::Nothing),
            (Some(Mark::Refused), None, None) => {
                let why = frame(&mut connection).await.map_err(AttachError::Gone)?;
                return Err(AttachError::Refused(String::from_utf8_lossy(&why).into_owned()));
            }
            (Some(_) | None, _, _) => return Err(AttachError::Gone(ErrorKind::InvalidData.into())),
        };
        Ok((given.map_err(AttachError::Gone)?, connection))
    };
    timeout(ANSWER_LIMIT, answer).await.map_err(|_| AttachError::Silent)?
}

/// The body of one frame.
async fn frame(connection: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut head = [0; 4];
    connection.read_exact(&mut head).await?;
    let mut frame = vec![0; wire::length(head, FRAME_LIMIT_BYTES).map_err(io::Error::other)?];
    connection.read_exact(&mut frame).await?;
    // The tag says nothing new.
    frame.remove(0);
    Ok(frame)
}

impl Attached {
    fn terminal(fd: OwnedFd) -> io::Result<Self> {
        let fd = Arc::new(watched(fd, Interest::READABLE.add(Interest::WRITABLE))?);
        let reader = AttachedReader(Arc::clone(&fd));
        Ok(Self { reader, writer: AttachedWriter { fd: Some(fd), is_terminal: true }, status: None })
    }

    fn pipes(input: OwnedFd, output: OwnedFd) -> io::Result<Self> {
        let reader = AttachedReader(Arc::new(watched(output, Interest::READABLE)?));
        let fd = Arc::new(watched(input, Interest::WRITABLE)?);
        Ok(Self { reader, writer: AttachedWriter { fd: Some(fd), is_terminal: false }, status: None })
    }
}

impl AttachedReader {
    /// What has been printed; 0 when nothing will be any more: all of its processes have closed their streams. Loses
    /// nothing when the call is given up.
    ///
    /// # Errors
    /// None that are to be expected.
    pub async fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.0.async_io(Interest::READABLE, |fd| Ok(rustix::io::read(fd, &mut *bytes)?)).await;
        match read {
            // So the end of a terminal is told.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => Ok(0),
            read => read,
        }
    }
}

impl AttachedWriter {
    /// Is it a terminal, which understands what is typed?
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Gives a part of `bytes` to the program; waits until it reads. Returns how many; nothing is lost when the call is
    /// given up.
    ///
    /// # Errors
    /// When nobody will read it.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fd = self.fd.as_ref().ok_or(ErrorKind::BrokenPipe)?;
        fd.async_io(Interest::WRITABLE, |fd| Ok(rustix::io::write(fd, bytes)?)).await
    }

    /// The end of a pipe. A terminal has no end but what is typed.
    pub fn close(&mut self) {
        if !self.is_terminal {
            self.fd = None;
        }
    }

    /// Gives the terminal another size; its foreground programs get SIGWINCH. Pipes have none.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn resize(&self, size: WindowSize) -> io::Result<()> {
        let Some(fd) = self.fd.as_ref().filter(|_| self.is_terminal) else { return Ok(()) };
        let size = Winsize { ws_col: size.columns, ws_row: size.rows, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(fd.get_ref(), size)?)
    }
}

impl ExecStatus {
    /// Waits for the program's end. Lost with its dyno.
    pub async fn ended(&mut self) -> Exit {
        let exit = frame(&mut self.connection).await.ok().and_then(|exit| serde_json::from_slice(&exit).ok());
        exit.unwrap_or(Exit::Lost)
    }
}
