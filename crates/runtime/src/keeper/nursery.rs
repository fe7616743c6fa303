//! The process that forks keepers. They share its memory pages, and have nothing to load: that makes a keeper small and
//! a start quick. `serve` gets the socket to each and talks to it itself: no app's secret ever is in the memory that all
//! keepers share. The nursery ends when `serve` closes its socket; keepers with a dyno live on.

use super::birth;
use super::frames::receive;
use crate::cgroup::Cgroups;
use crate::handover;
use crate::sandbox::Ground;
use crate::sys::{self, Forked};
use crate::wire::FromNursery;
use rustix::fs::FlockOperation;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Signal, setsid};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

/// What keepers inherit from the nursery.
pub(super) struct Nest {
    pub(super) dynos: PathBuf,
    pub(super) cgroups: Cgroups,
    pub(super) ground: Ground,
}

/// Serves requests until the socket closes.
pub(super) fn run() -> ExitCode {
    let Ok(mut control) = detach() else { return ExitCode::FAILURE };
    let (nest, lock, warnings) = match settle(&mut control) {
        Ok(settled) => settled,
        Err(error) => {
            let _gone = answer(&mut control, &FromNursery::Failed(error.to_string()));
            return ExitCode::FAILURE;
        }
    };
    match serve(control, lock, nest, warnings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_socket) => ExitCode::FAILURE,
    }
}

/// Leaves the terminal, the parent's session and its standard streams.
fn detach() -> io::Result<UnixStream> {
    let control = fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    let _leader_already = setsid();
    for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::PIPE] {
        sys::ignore(signal);
    }
    // Ended keepers leave nothing to reap.
    sys::ignore(Signal::CHILD);
    rustix::process::chdir("/")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    Ok(UnixStream::from(control))
}

/// The first frame names the folder; all that every start has in common is done here, once.
fn settle(control: &mut UnixStream) -> io::Result<(Nest, File, Vec<String>)> {
    if !sys::is_single_threaded() {
        return Err(io::Error::other("`flowline keeper` must be started before any thread is"));
    }
    let body = receive(control)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let dynos: PathBuf = serde_json::from_slice(&body)?;
    // One at a time: an earlier `serve`, which was killed, may have given its last order a moment ago. Keepers hold this
    // lock too until they are to be found.
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(dynos.join(".nursery"))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    let ground = Ground::prepare(&dynos).map_err(|fault| io::Error::other(fault.to_string()))?;
    let (cgroups, warnings) = Cgroups::prepare();
    cgroups.settle();
    protect_from_oom_killer();
    let _unnamed = rustix::thread::set_name(c"flowline-nurse");
    Ok((Nest { dynos, cgroups, ground }, lock, warnings))
}

/// Keepers are small and hold what nobody else has: when memory is short, others go first. Only root may ask for that.
fn protect_from_oom_killer() {
    let _not_root = fs::write("/proc/self/oom_score_adj", "-500");
}

/// Forks a keeper for each wish, and gives the socket to it.
fn serve(mut control: UnixStream, lock: File, nest: Nest, warnings: Vec<String>) -> io::Result<()> {
    answer(&mut control, &FromNursery::Ready(warnings))?;
    while receive(&mut control)?.is_some() {
        let (its_end, serves_end) = UnixStream::pair()?;
        match sys::fork()? {
            Forked::Parent(_) => handover::give(control.as_fd(), serves_end.as_fd())?,
            Forked::Child => {
                drop((control, serves_end));
                birth::run(nest, its_end, lock)
            }
        }
    }
    Ok(())
}

fn answer(to: &mut UnixStream, reply: &FromNursery) -> io::Result<()> {
    let mut bytes = Vec::new();
    reply.write(&mut bytes);
    to.write_all(&bytes)
}
