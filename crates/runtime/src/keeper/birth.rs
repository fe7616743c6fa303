//! How a keeper comes to its dyno. It is forked ahead of need, with an empty sandbox already in a cgroup of its own:
//! entering a cgroup can take the kernel ten milliseconds, which then nobody waits for. Its first reader is the `serve`
//! that gives the order, over the socket on which the order comes.

use super::clock::{pause, timespec};
use super::frames::receive;
use super::frost::Ice;
use super::intake::Intake;
use super::life::{CGROUP_PAUSE_MS, Doors, Keeper};
use super::link::Link;
use super::memory::Memory;
use super::nursery::Nest;
use crate::cgroup::{self, Cgroup};
use crate::folder::Folder;
use crate::network::{Place, Walls};
use crate::sandbox::{self, Job, Sandbox};
use crate::spec::Order;
use crate::sys::{self, Signals};
use crate::wire::FromKeeper;
use model::dyno::Slice;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Mode;
use rustix::process::{Signal, WaitOptions, setsid, umask, waitpid};
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

/// The life of a keeper process. The lock keeps a later nursery waiting while this keeper may still be given a dyno.
pub(super) fn run(nest: Nest, serve: UnixStream, lock: File) -> ! {
    let code = match live(nest, serve, lock) {
        Ok(()) => 0,
        Err(_nobody_to_tell) => 1,
    };
    sys::leave(code)
}

fn live(mut nest: Nest, serve: UnixStream, lock: File) -> io::Result<()> {
    let _leader_already = setsid();
    sys::restore(Signal::CHILD);
    let _unnamed = rustix::thread::set_name(c"flowline-keeper");
    // Asks for the same orderly end as `serve` would.
    let stop_signal = Signals::block(&[Signal::TERM])?.descriptor()?;
    let (mut egg, (mut serve, mut lock)) = Egg::lay(&nest, Slice::default(), (serve, lock));
    // Waits for work: a moment, or for weeks. Without that `serve` there will be none.
    let Some(order) = receive(&mut serve)? else {
        egg.map(Egg::discard).ok();
        return Ok(());
    };
    let order: io::Result<Order> = serde_json::from_slice(&order).map_err(io::Error::from);
    let slice = order.as_ref().map(|order| order.spec.slice).unwrap_or_default();
    // A moment or weeks later: the host may have mounted things, or have another resolver. And an egg lies where dynos
    // are; what belongs elsewhere is in no such hurry.
    let is_fresh = slice == Slice::default() && egg.as_mut().is_ok_and(|egg| egg.mounts.is_fresh());
    if nest.ground.stack.refresh().unwrap_or(false) || !is_fresh {
        egg.map(Egg::discard).ok();
        (egg, (serve, lock)) = Egg::lay(&nest, slice, (serve, lock));
    }
    let (order, folder, doors) = match order.and_then(|order| settle(&nest, order)) {
        Ok(settled) => settled,
        Err(error) => {
            egg.map(Egg::discard).ok();
            let mut bytes = Vec::new();
            FromKeeper::Failed(error.to_string()).write(&mut bytes);
            return serve.write_all(&bytes);
        }
    };
    let mut keeper = Keeper::new(folder, doors, stop_signal, Link::new(serve)?);
    keeper.code = std::mem::take(&mut nest.code);
    let walls = nest.walls.take();
    if let Err(reason) = egg.and_then(|egg| set_to_work(&mut keeper, (egg, walls), order, lock)) {
        keeper.refuse(reason);
    }
    drop(nest);
    keeper.live()
}

/// An empty sandbox.
struct Egg {
    cgroup: Cgroup,
    sandbox: Sandbox,
    mounts: MountTable,
}

/// The host's mounts, as the sandbox knows them.
struct MountTable {
    file: File,
    text: Vec<u8>,
}

impl MountTable {
    fn read() -> io::Result<Self> {
        let mut file = File::open("/proc/self/mountinfo")?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        Ok(Self { file, text })
    }

    /// The kernel marks the file at every change. Many undo themselves at once: programs make a mount for a moment.
    fn is_fresh(&mut self) -> bool {
        let mut changed = [PollFd::new(&self.file, PollFlags::PRI)];
        poll(&mut changed, Some(&timespec(0))) == Ok(0) || Self::read().is_ok_and(|now| now.text == self.text)
    }
}

impl Egg {
    fn lay<T>(nest: &Nest, slice: Slice, own: T) -> (Result<Self, String>, T) {
        let cgroup = match nest.cgroups.create(slice) {
            Ok(cgroup) => cgroup,
            Err(error) => return (Err(format!("making a cgroup: {error}")), own),
        };
        let mounts = match MountTable::read() {
            Ok(mounts) => mounts,
            Err(error) => return (Err(format!("reading /proc/self/mountinfo: {error}")), own),
        };
        match sandbox::open(&nest.ground, &cgroup, own) {
            (Ok(sandbox), own) => (Ok(Self { cgroup, sandbox, mounts }), own),
            (Err(fault), own) => {
                cgroup::remove(cgroup.dirs());
                (Err(fault.to_string()), own)
            }
        }
    }

    fn discard(self) {
        self.sandbox.signal(Signal::KILL);
        let _reaped = waitpid(Some(self.sandbox.pid), WaitOptions::empty());
        cgroup::remove_at_last(self.cgroup.dirs(), || pause(CGROUP_PAUSE_MS));
    }
}

/// Makes the dyno's folder and socket. An error means that there is no dyno, and that its folder is not ours.
fn settle(nest: &Nest, order: Order) -> io::Result<(Order, Folder, Doors)> {
    let folder = Folder::of(&nest.dynos, order.spec.id);
    folder.create().map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", folder.path().display())))?;
    match listen(&folder) {
        Ok(doors) => Ok((order, folder, doors)),
        Err(error) => {
            let _stays_empty = folder.remove();
            Err(error)
        }
    }
}

fn listen(folder: &Folder) -> io::Result<Doors> {
    Ok(Doors { reader: bind(folder.socket()?)?, attach: bind(folder.attach_socket()?)? })
}

fn bind((_dir, path): (OwnedFd, PathBuf)) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn set_to_work(
    keeper: &mut Keeper,
    (egg, walls): (Egg, Option<Walls>),
    order: Order,
    lock: File,
) -> Result<(), String> {
    let Egg { cgroup, sandbox, .. } = egg;
    let sandbox = keeper.sandbox.insert(sandbox);
    // Before its order can be read: a later nursery admits those whose orders it finds.
    keeper.place = Place::take(walls, cgroup.unified(), order.own)?;
    keeper.cgroup_dirs = cgroup.dirs().to_vec();
    keeper.ice = Ice::of(&cgroup);
    keeper.memory = Memory::of(cgroup.oom_watch());
    let noted = |error: io::Error| format!("writing to {}: {error}", keeper.folder.path().display());
    let order = Order { cgroups: cgroup.dirs().to_vec(), ..order };
    keeper.folder.write_order(&order).map_err(noted)?;
    // From here on a later `serve` finds this dyno.
    drop(lock);
    make_tmp(&keeper.folder).map_err(noted)?;
    cgroup.limit(&order.spec.limits).map_err(|error| format!("setting limits: {error}"))?;
    keeper.intake = Intake::new(sandbox.take_output());
    let job = Job { spec: order.spec, tmp: keeper.folder.tmp() };
    // A sandbox that could not even be opened says why when its reports are read.
    match sandbox.give(&job) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("telling the sandbox its job: {error}")),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn make_tmp(folder: &Folder) -> io::Result<()> {
    // One call instead of two on the way to the payload; the mask is what every program expects again afterwards.
    let mask = umask(Mode::empty());
    let made = DirBuilder::new().mode(0o1777).create(folder.tmp());
    umask(mask);
    made
}
