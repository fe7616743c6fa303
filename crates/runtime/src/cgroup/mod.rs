//! Limits on memory, CPU and processes: cgroup v2, cgroup v1 (also the hybrid layout), or none where the machine gives none.

mod branch;
mod claim;
mod freezer;
mod layout;
mod oom;
mod usage;
mod v1;
mod v2;

pub(crate) use branch::dynos;
pub(crate) use claim::Claim;
pub(crate) use freezer::{Freezer, thaw};
pub(crate) use oom::OomWatch;
pub(crate) use usage::usage;

use model::dyno::{Limits, Slice};
use rustix::fs::{Mode, OFlags};
use rustix::rand::GetRandomFlags;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A cgroup can be removed once the kernel has let go of its last process: milliseconds, or seconds where all the machine's
/// CPUs are busy and the process has none to end on.
const REMOVE_ATTEMPTS: u32 = 1000;

/// Where this machine lets us make cgroups.
#[derive(Debug, Clone)]
pub(crate) enum Cgroups {
    /// One tree for all controllers.
    V2(v2::Tree),
    /// A tree for each controller; those that are missing are not limited.
    V1(v1::Trees),
    /// Nowhere.
    None,
}

impl Cgroups {
    /// Looks at the machine, makes the branch of a folder of dynos, and says what cannot be limited.
    pub(crate) fn prepare(dynos: &Path) -> (Self, Vec<String>) {
        let layout = layout::Layout::of_this_process();
        if v2::is_mounted() {
            match v2::Tree::prepare(&layout, dynos) {
                Ok((tree, warnings)) => (Self::V2(tree), warnings),
                Err(why) => (Self::None, vec![format!("dynos have no limits: {why}")]),
            }
        } else {
            let (trees, warnings) = v1::Trees::prepare(&layout, dynos);
            if trees.is_empty() { (Self::None, warnings) } else { (Self::V1(trees), warnings) }
        }
    }

    /// Moves this process (and its later children) out of the cgroup of whoever started it, so that a service manager
    /// that ends a service does not end keepers with it; and removes cgroups that killed keepers left behind.
    pub(crate) fn settle(&self) {
        match self {
            Self::V2(tree) => tree.settle(),
            Self::V1(trees) => trees.sweep(),
            Self::None => {}
        }
    }

    /// Removes cgroups that killed keepers left behind and nobody knows of: empty ones, a minute after their last change.
    pub(crate) fn sweep(&self) {
        match self {
            Self::V2(tree) => tree.sweep(),
            Self::V1(trees) => trees.sweep(),
            Self::None => {}
        }
    }

    /// Where all dynos are in the unified hierarchy; none where there is no such.
    pub(crate) fn claim(&self) -> Option<&Claim> {
        match self {
            Self::V2(tree) => Some(tree.claim()),
            Self::V1(trees) => trees.claim(),
            Self::None => None,
        }
    }

    /// What people call it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::V2(_) => "cgroup v2",
            Self::V1(_) => "cgroup v1",
            Self::None => "no cgroups",
        }
    }

    /// An empty cgroup for one dyno. It is made before the dyno is known, so its name is drawn.
    pub(crate) fn create(&self, slice: Slice) -> io::Result<Cgroup> {
        let mut number = [0; 8];
        rustix::rand::getrandom(&mut number, GetRandomFlags::empty())?;
        let name = branch::of(slice).join(format!("{:016x}", u64::from_ne_bytes(number)));
        match self {
            Self::V2(tree) => tree.create(&name),
            Self::V1(trees) => trees.create(&name),
            Self::None => Ok(Cgroup::default()),
        }
    }
}

/// The cgroup of one dyno: one folder on v2, one for each controller on v1, and in the hybrid layout one more in the
/// unified hierarchy, which has no controllers there but knows freezing and is what a firewall rule can name.
#[derive(Debug, Default)]
pub(crate) struct Cgroup {
    dirs: Vec<PathBuf>,
    /// Which controllers there are, and where.
    controllers: Vec<(Controller, PathBuf)>,
    /// Its folder in the unified hierarchy, into which its first process is born.
    unified: Option<(PathBuf, OwnedFd)>,
    /// That process writes itself into these.
    entrances: Vec<File>,
    freezer: Freezer,
}

/// What can be limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Controller {
    Memory,
    Cpu,
    Pids,
}

impl Controller {
    const ALL: [Self; 3] = [Self::Memory, Self::Cpu, Self::Pids];

    /// As the kernel calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
        }
    }

    /// As people call it.
    fn what(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "CPU share",
            Self::Pids => "number of processes",
        }
    }
}

impl Cgroup {
    /// Sets the limits of its dyno.
    pub(crate) fn limit(&self, limits: &Limits) -> io::Result<()> {
        self.controllers.iter().try_for_each(|(controller, dir)| match &self.unified {
            Some((unified, _)) if unified == dir => v2::limit(*controller, dir, limits),
            Some(_) | None => v1::limit(*controller, dir, limits),
        })
    }

    /// For `clone3`.
    pub(crate) fn birthplace(&self) -> Option<BorrowedFd<'_>> {
        self.unified.as_ref().map(|(_, dir)| dir.as_fd())
    }

    /// Moves the calling process in, where it was not born there.
    pub(crate) fn enter(&self) -> io::Result<()> {
        // Zero stands for the writer itself, whatever its pid is called in this namespace.
        self.entrances.iter().try_for_each(|mut file| file.write_all(b"0"))
    }

    /// Notices when the kernel kills a process of it for want of memory.
    pub(crate) fn oom_watch(&self) -> OomWatch {
        let memory = self.controllers.iter().find(|(controller, _)| *controller == Controller::Memory);
        memory.map(|(_, dir)| OomWatch::of(dir)).unwrap_or_default()
    }

    /// Its folder in the unified hierarchy.
    pub(crate) fn unified(&self) -> Option<&Path> {
        self.unified.as_ref().map(|(dir, _)| dir.as_path())
    }

    /// How its processes are halted.
    pub(crate) fn freezer(&self) -> Freezer {
        self.freezer.clone()
    }

    /// For the dyno's folder, so that it can be removed without its keeper.
    pub(crate) fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }
}

/// Removes one; `false`: its last process is not quite gone, try again shortly.
pub(crate) fn remove(dirs: &[PathBuf]) -> bool {
    dirs.iter().all(|dir| match fs::remove_dir(dir) {
        Ok(()) => true,
        Err(error) => error.kind() == ErrorKind::NotFound,
    })
}

/// [`remove`], with patience, where a process has nothing else to do.
pub(crate) fn remove_at_last(dirs: &[PathBuf], mut pause: impl FnMut()) {
    for _ in 0..REMOVE_ATTEMPTS {
        if remove(dirs) {
            return;
        }
        pause();
    }
}

/// Makes a cgroup folder; one that a crash left behind is as good as a new one.
fn make(dir: &Path) -> io::Result<()> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Sets one value. A cgroup file takes it in one write.
fn set(dir: &Path, file: &str, value: impl ToString) -> io::Result<()> {
    let path = dir.join(file);
    let mut file = OpenOptions::new().write(true).open(&path)?;
    file.write_all(value.to_string().as_bytes()).map_err(|error| named(&path, &error))
}

/// [`set`], where the kernel has that file at all.
fn set_if_there(dir: &Path, file: &str, value: impl ToString) -> io::Result<()> {
    match set(dir, file, value) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn open_dir(dir: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
