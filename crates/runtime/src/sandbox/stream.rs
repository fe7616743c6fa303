//! The standard streams of a program: a terminal, or pipes.

use crate::call::Mark;
use crate::handover::give_all;
use crate::spec::{Attach, DynoSpec, ExecSpec, WindowSize};
use crate::sys;
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{InputModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The side of whoever is attached.
pub(super) enum Outside {
    Terminal(OwnedFd),
    Pipes { input: OwnedFd, output: OwnedFd },
}

/// The program's side.
pub(super) struct Inside {
    /// None: nothing to read.
    input: Option<OwnedFd>,
    pub(super) output: OwnedFd,
    leads: Leads,
}

/// What the program is the first of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leads {
    Group,
    Session { has_terminal: bool },
}

/// A program to be started.
pub(super) struct Program<'a> {
    argv: &'a [String],
    env: &'a BTreeMap<String, String>,
    cwd: &'a Path,
}

impl<'a> Program<'a> {
    pub(super) fn of_dyno(spec: &'a DynoSpec) -> Self {
        Self { argv: &spec.argv, env: &spec.env, cwd: &spec.cwd }
    }

    pub(super) fn of_exec(spec: &'a ExecSpec) -> Self {
        Self { argv: &spec.argv, env: &spec.env, cwd: &spec.cwd }
    }

    /// Starts it; init reaps it together with all others.
    pub(super) fn start(&self, streams: &Inside) -> io::Result<Pid> {
        let (program, args) = self.argv.split_first().ok_or(ErrorKind::InvalidInput)?;
        let input = match &streams.input {
            Some(input) => input.try_clone()?.into(),
            None => Stdio::null(),
        };
        // This also gives SIGPIPE its default effect.
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(self.env).current_dir(self.cwd).stdin(input);
        command.stdout(streams.output.try_clone()?).stderr(streams.output.try_clone()?);
        match streams.leads {
            // Without a copy of this process's memory in between.
            Leads::Group => drop(command.process_group(0)),
            Leads::Session { has_terminal } => sys::lead_session(&mut command, has_terminal),
        }
        Ok(Pid::from_child(&command.spawn()?))
    }
}

impl Inside {
    /// Nothing to read; output goes here.
    pub(super) fn writing_to(output: OwnedFd) -> Self {
        Self { input: None, output, leads: Leads::Group }
    }
}

/// Both sides.
pub(super) fn open(attach: Attach) -> io::Result<(Outside, Inside)> {
    match attach.terminal {
        Some(size) => terminal(size),
        None => pipes(),
    }
}

/// In the dyno's own `/dev/pts`, and owned by the dyno identity because it opens it.
fn terminal(size: WindowSize) -> io::Result<(Outside, Inside)> {
    let outside = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    unlockpt(&outside)?;
    let inside = ioctl_tiocgptpeer(&outside, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    // Erasing takes a whole character away, not a byte of it.
    let mut modes = tcgetattr(&inside)?;
    modes.input_modes |= InputModes::IUTF8;
    tcsetattr(&inside, OptionalActions::Now, &modes)?;
    tcsetwinsize(&inside, Winsize { ws_col: size.columns, ws_row: size.rows, ws_xpixel: 0, ws_ypixel: 0 })?;
    rustix::io::ioctl_fionbio(&outside, true)?;
    let input = Some(inside.try_clone()?);
    let inside = Inside { input, output: inside, leads: Leads::Session { has_terminal: true } };
    Ok((Outside::Terminal(outside), inside))
}

fn pipes() -> io::Result<(Outside, Inside)> {
    let (its_input, input) = pipe_with(PipeFlags::CLOEXEC)?;
    let (output, its_output) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&input, true)?;
    rustix::io::ioctl_fionbio(&output, true)?;
    let leads = Leads::Session { has_terminal: false };
    Ok((Outside::Pipes { input, output }, Inside { input: Some(its_input), output: its_output, leads }))
}

impl Outside {
    /// Gives it to whoever is attached.
    pub(super) fn give(&self, to: BorrowedFd<'_>) -> io::Result<()> {
        match self {
            Self::Terminal(fd) => give_all(to, Mark::Terminal.byte(), &[fd.as_fd()]),
            Self::Pipes { input, output } => give_all(to, Mark::Pipes.byte(), &[input.as_fd(), output.as_fd()]),
        }
    }

    pub(super) fn if_terminal(self) -> Option<Self> {
        match self {
            Self::Terminal(_) => Some(self),
            Self::Pipes { .. } => None,
        }
    }
}

/// Opened where nothing is to be read or written any more.
pub(super) fn nowhere() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)
}
