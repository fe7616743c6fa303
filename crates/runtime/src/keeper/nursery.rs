//! The process that forks keepers. They share its memory pages, and have nothing to load: that makes a keeper small and
//! a start quick. `serve` gets the socket to each and talks to it itself: no app's secret ever is in the memory that all
//! keepers share. The nursery ends when `serve` closes its socket; keepers with a dyno live on.

use super::birth;
use super::clock::monotonic_ms;
use super::frames::receive;
use crate::cgroup::Cgroups;
use crate::folder;
use crate::handover;
use crate::network::{Openings, Walls};
use crate::sandbox::Ground;
use crate::spec::Order;
use crate::sys::{self, Code, Forked};
use crate::wire::{FromNursery, Opening, Settled};
use rustix::fs::FlockOperation;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Signal, geteuid, setsid};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Cgroups that killed keepers left are looked for this often, if dynos are started.
const SWEEP_EVERY_MS: u64 = 60_000;

/// What keepers inherit from the nursery.
pub(super) struct Nest {
    pub(super) dynos: PathBuf,
    pub(super) cgroups: Cgroups,
    pub(super) ground: Ground,
    /// None: dynos are in the host's network as any program is.
    pub(super) walls: Option<Walls>,
    /// The same in all of them.
    pub(super) code: Vec<Code>,
}

/// Serves requests until the socket closes.
pub(super) fn run() -> ExitCode {
    let Ok(mut control) = detach() else { return ExitCode::FAILURE };
    let (nest, lock, settled) = match settle(&mut control) {
        Ok(settled) => settled,
        Err(error) => {
            let _gone = answer(&mut control, &FromNursery::Failed(error.to_string()));
            return ExitCode::FAILURE;
        }
    };
    match serve(control, lock, nest, settled) {
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
fn settle(control: &mut UnixStream) -> io::Result<(Nest, File, Settled)> {
    if !sys::is_single_threaded() {
        return Err(io::Error::other("`flowline keeper` must be started before any thread is"));
    }
    let body = receive(control)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let Opening { dynos, openings } = serde_json::from_slice(&body)?;
    // One at a time: an earlier `serve`, which was killed, may have given its last order a moment ago. Keepers hold this
    // lock too until they are to be found.
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(dynos.join(".nursery"))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    let ground = Ground::prepare(&dynos).map_err(|fault| io::Error::other(fault.to_string()))?;
    let (cgroups, warnings) = Cgroups::prepare(&dynos);
    cgroups.settle();
    let walls = raise(&cgroups, &dynos, &openings);
    protect_from_oom_killer();
    let _unnamed = rustix::thread::set_name(c"flowline-nurse");
    let standing = walls.as_ref().map(|walls| walls.standing().clone());
    let settled = Settled { warnings, walls: standing.map_err(Clone::clone) };
    Ok((Nest { dynos, cgroups, ground, walls: walls.ok(), code: Code::of_this_process() }, lock, settled))
}

/// Raises the walls around all dynos, those that live already too; or says why there are none.
pub(super) fn raise(cgroups: &Cgroups, dynos: &Path, openings: &Openings) -> Result<Walls, String> {
    if !geteuid().is_root() {
        return Err("only root can have the kernel ask about the sockets of others".to_owned());
    }
    let claim = cgroups.claim().ok_or("no unified cgroup hierarchy is mounted")?;
    let orders = folder::all(dynos).unwrap_or_default().into_iter().filter_map(|(_, folder)| folder.read_order().ok());
    let living = orders.filter_map(|order| living(&order, claim.dir()));
    Walls::raise((claim.dir(), claim.block()), openings, living).map_err(|error| error.to_string())
}

/// Its cgroup and address, if it was started with any.
fn living(order: &Order, branch: &Path) -> Option<(PathBuf, Ipv4Addr)> {
    Some((order.cgroups.iter().find(|dir| dir.starts_with(branch))?.clone(), order.own?))
}

/// Keepers are small and hold what nobody else has: when memory is short, others go first. Only root may ask for that.
fn protect_from_oom_killer() {
    let _not_root = fs::write("/proc/self/oom_score_adj", "-500");
}

/// Forks a keeper for each wish, and gives the socket to it.
fn serve(mut control: UnixStream, lock: File, nest: Nest, settled: Settled) -> io::Result<()> {
    answer(&mut control, &FromNursery::Ready(settled))?;
    let mut swept = monotonic_ms();
    while receive(&mut control)?.is_some() {
        let (its_end, serves_end) = UnixStream::pair()?;
        match sys::fork()? {
            Forked::Parent(_) => handover::give(control.as_fd(), serves_end.as_fd())?,
            Forked::Child => {
                drop((control, serves_end));
                birth::run(nest, its_end, lock)
            }
        }
        // Afterwards: whoever wished for the keeper has it.
        if monotonic_ms() - swept > SWEEP_EVERY_MS {
            nest.cgroups.sweep();
            swept = monotonic_ms();
        }
    }
    Ok(())
}

fn answer(to: &mut UnixStream, reply: &FromNursery) -> io::Result<()> {
    let mut bytes = Vec::new();
    reply.write(&mut bytes);
    to.write_all(&bytes)
}
