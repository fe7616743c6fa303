//! The sandbox of one dyno: namespaces, a file tree of its own, no rights beyond running.
//!
//! The keeper forks the dyno's first process into new namespaces, before it knows the dyno; that process then gets its
//! [`Job`], builds the file tree ([`tree`]), gives up every right ([`lockdown`]), and stays as the dyno's init ([`init`]).
//! Nothing of it executes another program until the payload itself, which is why a start is cheap.

mod fault;
mod init;
mod lockdown;
mod place;
mod reach;
mod report;
mod seccomp;
mod session;
mod source;
mod stack;
mod stream;
mod tree;

pub(crate) use fault::Fault;
pub(crate) use report::{Report, exit_of};
pub(crate) use stack::Stack;

use crate::cgroup::Cgroup;
use crate::spec::{DYNO_UID, DynoSpec};
use crate::sys::{self, Forked};
use fault::Step;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, getegid, geteuid, kill_process, pidfd_open};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// What all sandboxes of a machine stand on.
pub(crate) struct Ground {
    pub(crate) stack: Stack,
    /// An empty folder to build the new root on; each mount namespace has its own view of it.
    staging: PathBuf,
    /// System calls that are refused: made once, inherited by every fork.
    filter: Vec<libc::sock_filter>,
    /// Whose user namespaces they live in; none as root.
    user: Option<User>,
}

impl Ground {
    /// Prepares it in the folder of all dynos.
    pub(crate) fn prepare(dynos: &Path) -> Result<Self, Fault> {
        let staging = dynos.join(".staging");
        fs::create_dir_all(&staging).step(format_args!("making {}", staging.display()))?;
        let stack = Stack::prepare(&dynos.join(".stack"))?;
        Ok(Self { stack, staging, filter: seccomp::program(), user: User::ordinary() })
    }
}

/// An ordinary user, as the host knows it.
#[derive(Debug, Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// Whoever runs this process, unless it is root.
    fn ordinary() -> Option<Self> {
        let (uid, gid) = (geteuid(), getegid());
        (!uid.is_root()).then(|| Self { uid: uid.as_raw(), gid: gid.as_raw() })
    }
}

/// What one sandbox is for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) spec: DynoSpec,
    /// What will be `/tmp`.
    pub(crate) tmp: PathBuf,
}

/// A sandbox, seen from its keeper.
pub(crate) struct Sandbox {
    /// Its first process.
    pub(crate) pid: Pid,
    /// Readable when that process has ended.
    pub(crate) end: OwnedFd,
    /// What its init says ([`Report`]).
    pub(crate) reports: OwnedFd,
    /// To its init, for those who attach: their connections.
    pub(crate) calls: UnixStream,
    output: Option<OwnedFd>,
    job: Option<File>,
}

/// What an init can be told where there is no cgroup to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// SIGSTOP to all.
    Halt,
    /// SIGCONT to all.
    GoOn,
}

impl Wish {
    fn word(self) -> i32 {
        match self {
            Self::Halt => 1,
            Self::GoOn => 0,
        }
    }

    fn of(word: i32) -> Self {
        if word == Self::Halt.word() { Self::Halt } else { Self::GoOn }
    }
}

/// Makes an empty sandbox, which waits for its job. What fails inside comes as a [`Report::Failed`]. `own` is what nobody
/// but the keeper may hold open; it comes back.
pub(crate) fn open<T>(ground: &Ground, cgroup: &Cgroup, own: T) -> (Result<Sandbox, Fault>, T) {
    match fork(ground, cgroup) {
        Ok(Fork::Keeper(sandbox)) => (Ok(sandbox), own),
        Ok(Fork::Init(pipes)) => {
            drop(own);
            init::run(ground, cgroup, pipes)
        }
        Err(fault) => (Err(fault), own),
    }
}

/// The two sides of a new sandbox.
enum Fork {
    Keeper(Sandbox),
    Init(init::Pipes),
}

fn fork(ground: &Ground, cgroup: &Cgroup) -> Result<Fork, Fault> {
    let (output, output_in) = pipe_with(PipeFlags::CLOEXEC).step("making the output pipe")?;
    let (reports, reports_in) = pipe_with(PipeFlags::CLOEXEC).step("making the report pipe")?;
    let (job, job_in) = pipe_with(PipeFlags::CLOEXEC).step("making the job pipe")?;
    let (calls, calls_in) = UnixStream::pair().step("making the socket for those who attach")?;
    // Neither end waits for the other: what cannot be passed on now is refused.
    calls.set_nonblocking(true).and_then(|()| calls_in.set_nonblocking(true)).step("watching the sandbox")?;
    if ground.user.is_none() {
        // Programs reopen /dev/stdout, which needs the right to open the pipe.
        let owner = rustix::fs::Uid::from_raw(DYNO_UID);
        rustix::fs::fchown(&output_in, Some(owner), None).step("giving the output pipe away")?;
    }
    for fd in [&output, &reports] {
        rustix::io::ioctl_fionbio(fd, true).step("watching the sandbox")?;
    }
    let namespaces = libc::CLONE_NEWPID | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
    let namespaces = if ground.user.is_some() { namespaces | libc::CLONE_NEWUSER } else { namespaces };
    match sys::fork_into(namespaces, cgroup.birthplace()).step("making namespaces")? {
        // Without the keeper's ends, which go here, init notices when there is no keeper left.
        Forked::Child => Ok(Fork::Init(init::Pipes {
            output: output_in,
            reports: reports_in.into(),
            job: job.into(),
            calls: calls_in,
        })),
        Forked::Parent(pid) => {
            let end = pidfd_open(pid, PidfdFlags::empty()).step("watching the sandbox")?;
            Ok(Fork::Keeper(Sandbox { pid, end, reports, calls, output: Some(output), job: Some(job_in.into()) }))
        }
    }
}

impl Sandbox {
    /// Tells it what it is for, once.
    pub(crate) fn give(&mut self, job: &Job) -> io::Result<()> {
        let mut pipe = self.job.take().ok_or(io::ErrorKind::BrokenPipe)?;
        pipe.write_all(&serde_json::to_vec(job)?)
    }

    /// stdout and stderr of all its processes, once.
    pub(crate) fn take_output(&mut self) -> Option<OwnedFd> {
        self.output.take()
    }

    /// Has its init halt or release all other processes. Only before it is reaped, like [`Self::signal`].
    pub(crate) fn wish(&self, wish: Wish) -> io::Result<()> {
        sys::queue(self.pid, wish.word())
    }

    /// Only before it is reaped: later the pid may be another's.
    pub(crate) fn signal(&self, signal: Signal) {
        let _gone_already = kill_process(self.pid, signal);
    }
}
