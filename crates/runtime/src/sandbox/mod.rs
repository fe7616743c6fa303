//! The sandbox of one dyno: namespaces, a file tree of its own, no rights beyond running.
//!
//! The keeper forks the dyno's first process into new namespaces; that process builds the file tree ([`tree`]), gives up
//! every right ([`lockdown`]), and stays as the dyno's init ([`init`]). Nothing of it executes another program until the
//! payload itself, which is why a start is cheap.

mod fault;
mod init;
mod lockdown;
mod seccomp;
mod source;
mod stack;
mod tree;

pub(crate) use fault::Fault;
use fault::Step;
pub(crate) use stack::Stack;

use crate::cgroup::Cgroup;
use crate::folder::Folder;
use crate::spec::DynoSpec;
use crate::sys::{self, Forked};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, getegid, geteuid, pidfd_open};
use std::os::fd::OwnedFd;
use std::path::Path;

/// All that a sandbox is made from.
pub(crate) struct Plan<'a> {
    pub(crate) spec: &'a DynoSpec,
    pub(crate) folder: &'a Folder,
    pub(crate) stack: &'a Stack,
    /// An empty folder to build the new root on; each mount namespace has its own view of it.
    pub(crate) staging: &'a Path,
    pub(crate) cgroup: &'a Cgroup,
    /// Whose user namespace it lives in; none as root.
    pub(crate) user: Option<User>,
    /// System calls that are refused.
    pub(crate) filter: &'a [libc::sock_filter],
}

/// A sandbox that was started, seen from the keeper.
pub(crate) struct Sandbox {
    /// Its first process.
    pub(crate) pid: Pid,
    /// Readable when that process has ended.
    pub(crate) end: OwnedFd,
    /// stdout and stderr of all its processes.
    output: Option<OwnedFd>,
    /// What its init reports ([`init::Report`]).
    pub(crate) reports: OwnedFd,
}

impl Sandbox {
    /// stdout and stderr of all its processes, once.
    pub(crate) fn take_output(&mut self) -> Option<OwnedFd> {
        self.output.take()
    }
}

pub(crate) use init::{Report, exit_of};

/// An ordinary user, as the host knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    /// Whoever runs this process, unless it is root.
    pub(crate) fn ordinary() -> Option<Self> {
        let (uid, gid) = (geteuid(), getegid());
        (!uid.is_root()).then(|| Self { uid: uid.as_raw(), gid: gid.as_raw() })
    }
}

/// The filter of system calls, made once and inherited by every fork.
pub(crate) fn system_call_filter() -> Vec<libc::sock_filter> {
    seccomp::program()
}

/// Starts a sandbox. What fails inside it comes as a [`Report::Failed`].
pub(crate) fn start(plan: &Plan<'_>) -> Result<Sandbox, Fault> {
    let (output, output_in) = pipe_with(PipeFlags::CLOEXEC).step("making the output pipe")?;
    let (reports, reports_in) = pipe_with(PipeFlags::CLOEXEC).step("making the report pipe")?;
    if plan.user.is_none() {
        // Programs reopen /dev/stdout, which needs the right to open the pipe.
        let owner = rustix::fs::Uid::from_raw(crate::spec::DYNO_UID);
        rustix::fs::fchown(&output_in, Some(owner), None).step("giving the output pipe away")?;
    }
    let namespaces = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
    let namespaces = if plan.user.is_some() { namespaces | libc::CLONE_NEWUSER } else { namespaces };
    match sys::fork_into(namespaces, plan.cgroup.birthplace()).step("making namespaces")? {
        Forked::Child => {
            // Without the keeper's ends, init notices when there is no keeper left.
            drop((output, reports));
            init::run(plan, output_in, reports_in)
        }
        Forked::Parent(pid) => {
            let end = pidfd_open(pid, PidfdFlags::empty()).step("watching the sandbox")?;
            Ok(Sandbox { pid, end, output: Some(output), reports })
        }
    }
}
