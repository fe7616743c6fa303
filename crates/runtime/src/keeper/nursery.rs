//! The process that forks keepers. They share its memory pages, and have nothing to load: that makes a keeper small and
//! a start quick. One keeper is always ready and waits for its dyno. The nursery ends when `serve` closes the socket;
//! keepers with a dyno live on.

use super::birth;
use super::frames::{answer, forward, receive, receive_tagged};
use crate::cgroup::Cgroups;
use crate::sandbox::Ground;
use crate::sys::{self, Forked};
use crate::wire::FromNursery;
use rustix::fs::FlockOperation;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Signal, setsid};
use std::fs::{File, OpenOptions};
use std::io;
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
    // One nursery per folder: an older one, whose `serve` was killed, may still be starting its last dyno.
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(dynos.join(".nursery"))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    let ground = Ground::prepare(&dynos).map_err(|fault| io::Error::other(fault.to_string()))?;
    let (cgroups, warnings) = Cgroups::prepare();
    let _unnamed = rustix::thread::set_name(c"flowline-nurse");
    Ok((Nest { dynos, cgroups, ground }, lock, warnings))
}

/// A keeper is always forked before there is work for it.
fn serve(mut control: UnixStream, lock: File, nest: Nest, warnings: Vec<String>) -> io::Result<()> {
    answer(&mut control, &FromNursery::Ready(warnings))?;
    let mut again = None;
    loop {
        let (mut keeper, its_end) = UnixStream::pair()?;
        match sys::fork()? {
            Forked::Parent(_) => drop(its_end),
            Forked::Child => {
                // The nursery's own must close when the nursery ends, not when its keepers do.
                drop((control, lock, keeper));
                birth::run(nest, its_end)
            }
        }
        let is_second_try = again.is_some();
        let Some(mut order) = again.take().map_or_else(|| receive(&mut control), |order| Ok(Some(order)))? else {
            return Ok(());
        };
        let reply = match ask(&mut keeper, &order) {
            Ok(reply) => reply,
            // It was killed while it waited: another one can do it.
            Err(_) if !is_second_try => {
                again = Some(order);
                continue;
            }
            Err(error) => FromNursery::Failed(error.to_string()),
        };
        // Every later keeper gets a copy of this memory: no app's secrets may stay in it.
        order.fill(0);
        std::hint::black_box(&order);
        answer(&mut control, &reply)?;
    }
}

/// Gives an order to the keeper that waits; it answers in the words of the nursery.
fn ask(keeper: &mut UnixStream, order: &[u8]) -> io::Result<FromNursery> {
    forward(order, keeper)?;
    let (tag, body) = receive_tagged(keeper)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    FromNursery::read((tag, &body)).map_err(io::Error::other)
}
