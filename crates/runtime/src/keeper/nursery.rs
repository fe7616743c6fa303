//! The process that forks keepers. They share its memory pages, and it has nothing to load for each: that makes a keeper
//! small and a start quick. It ends when `serve` closes the socket; the keepers live on.

use super::life;
use crate::cgroup::Cgroups;
use crate::folder::Folder;
use crate::sandbox::{self, Stack, User};
use crate::spec::SPEC_LIMIT_BYTES;
use crate::sys::{self, Forked};
use crate::wire::{self, FromNursery};
use model::id::DynoId;
use rustix::fs::FlockOperation;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Signal, setsid};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::ExitCode;

/// What keepers inherit from the nursery.
pub(super) struct Nest {
    pub(super) dynos: PathBuf,
    pub(super) staging: PathBuf,
    pub(super) stack: Stack,
    pub(super) cgroups: Cgroups,
    pub(super) filter: Vec<libc::sock_filter>,
    pub(super) user: Option<User>,
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
    match serve(control, nest, lock, warnings) {
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
    let (_tag, body) = receive(control)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let dynos: PathBuf = serde_json::from_slice(&body)?;
    // One nursery per folder: an older one, whose `serve` was killed, may still be forking its last keeper.
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(dynos.join(".nursery"))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    let staging = dynos.join(".staging");
    fs::create_dir_all(&staging)?;
    let stack = Stack::prepare(&dynos.join(".stack")).map_err(|fault| io::Error::other(fault.to_string()))?;
    let (cgroups, warnings) = Cgroups::prepare();
    let (filter, user) = (sandbox::system_call_filter(), User::ordinary());
    let _unnamed = rustix::thread::set_name(c"flowline-nurse");
    Ok((Nest { dynos, staging, stack, cgroups, filter, user }, lock, warnings))
}

fn serve(mut control: UnixStream, mut nest: Nest, lock: File, warnings: Vec<String>) -> io::Result<()> {
    answer(&mut control, &FromNursery::Ready(warnings))?;
    while let Some((_tag, mut body)) = receive(&mut control)? {
        let reply = match hatch(&mut nest, &body) {
            Ok(Hatched::Keeper(folder, listener)) => {
                drop((control, lock));
                life::run(&nest, &folder, listener, &body)
            }
            Ok(Hatched::Nurse) => FromNursery::Forked,
            Err(error) => FromNursery::Failed(error.to_string()),
        };
        // Every later keeper gets a copy of this memory: no app's secrets may stay in it.
        body.fill(0);
        std::hint::black_box(&body);
        answer(&mut control, &reply)?;
    }
    Ok(())
}

/// Which side of the fork this is.
enum Hatched {
    Nurse,
    Keeper(Folder, UnixListener),
}

/// Makes the dyno's folder and socket, so that both are there when `serve` hears of it, and forks.
fn hatch(nest: &mut Nest, body: &[u8]) -> io::Result<Hatched> {
    let id = body.get(..ID_BYTES).and_then(|id| std::str::from_utf8(id).ok()).and_then(|id| id.parse::<DynoId>().ok());
    let id = id.ok_or_else(|| io::Error::other("an order without a dyno's id"))?;
    nest.stack.refresh().map_err(|fault| io::Error::other(fault.to_string()))?;
    let folder = Folder::of(&nest.dynos, id);
    folder.create()?;
    let (_dir, path) = folder.socket()?;
    let listener = UnixListener::bind(path)?;
    match sys::fork()? {
        Forked::Parent(_) => Ok(Hatched::Nurse),
        Forked::Child => Ok(Hatched::Keeper(folder, listener)),
    }
}

/// An order starts with the dyno's id as text; the rest only the keeper reads.
pub(crate) const ID_BYTES: usize = 36;

/// One frame; none at the end of the connection.
fn receive(control: &mut UnixStream) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; 4];
    if let Err(error) = control.read_exact(&mut head) {
        return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
    }
    let length = wire::length(head, SPEC_LIMIT_BYTES + ID_BYTES + 1).map_err(io::Error::other)?;
    let mut tag = [0];
    control.read_exact(&mut tag)?;
    let mut body = vec![0; length - 1];
    control.read_exact(&mut body)?;
    Ok(Some((tag[0], body)))
}

fn answer(control: &mut UnixStream, reply: &FromNursery) -> io::Result<()> {
    let mut bytes = Vec::new();
    reply.write(&mut bytes);
    control.write_all(&bytes)
}
