//! The file tree that a dyno sees.
//!
//! What all dynos have in common is raised ahead of need, on a staging folder. When the dyno is known, everything that it
//! wants from the host is taken first; then the host is left behind for good, and only then are those things put in
//! place: no link inside a slug can lead a mount or a file back out.

use super::fault::{Fault, Step};
use super::source::{self, Source};
use super::{Ground, Job};
use crate::sys;
use rustix::fs::CWD;
use rustix::mount::{MountPropagationFlags, MoveMountFlags, UnmountFlags, mount_change, move_mount, unmount};
use rustix::process::{chdir, pivot_root};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::Path;

/// The root itself holds folders and small files only.
const ROOT_SIZE_BYTES: u64 = 4 * 1024 * 1024;

/// Folders of the root, parents first.
const FOLDERS: [&str; 16] = [
    "app",
    "dev",
    "dev/pts",
    "dev/shm",
    "etc",
    "home",
    "proc",
    "run",
    "sys",
    "sys/fs",
    "sys/fs/cgroup",
    "sys/fs/cgroup/memory",
    "tmp",
    "usr",
    "var",
    FILES,
];

/// Devices that every program may expect.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Other links: name and target.
const LINKS: [(&str, &str); 7] = [
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
    ("dev/ptmx", "pts/ptmx"),
    ("var/run", "/run"),
    ("var/tmp", "/tmp"),
];

/// Where contents of [`model::mount::Mount::File`] wait to be bound over their places.
const FILES: &str = ".files";

/// By these the language packs and the languages themselves size what they use: v1's file, and v2's two.
const MEMORY_QUOTA: [&str; 2] = ["/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"];
const MEMORY_HIGH: &str = "/sys/fs/cgroup/memory.high";

/// The common part of the tree, standing on the staging folder, which is the present folder of this process.
pub(super) struct Tree {
    root: OwnedFd,
}

impl Tree {
    /// Raises it, in a mount namespace of its own.
    pub(super) fn raise(ground: &Ground) -> Result<Self, Fault> {
        sys::unshare(libc::CLONE_NEWNS).step("making a mount namespace")?;
        // What the host unmounts meanwhile goes here too; nothing that is mounted here is seen there.
        let downstream = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
        mount_change("/", downstream).step("separating mounts from the host's")?;
        let root = source::tmpfs(ROOT_SIZE_BYTES, "0755")?;
        attach(&root, &ground.staging).step("mounting the root")?;
        chdir(&ground.staging).step("entering the root")?;
        skeleton(ground).step("making the folders of the sandbox")?;
        for (from, to) in ground.stack.folders() {
            put(&source::bind_read_only(from)?, Path::new(to))?;
        }
        for device in DEVICES {
            let place = Path::new("dev").join(device);
            OpenOptions::new().write(true).create_new(true).open(&place).step("making a device's place")?;
            put(&source::device(&Path::new("/").join(&place))?, &place)?;
        }
        put(&source::proc()?, Path::new("proc"))?;
        put(&source::terminals()?, Path::new("dev/pts"))?;
        Ok(Self { root })
    }

    /// Completes it for one dyno, and makes it all that this process sees.
    pub(super) fn complete(self, ground: &Ground, job: &Job, host_name: &str) -> Result<(), Fault> {
        let sources = take(ground, job, host_name)?;
        // The old root comes to lie over the new one, and goes.
        pivot_root(".", ".").step("changing the root")?;
        unmount(".", UnmountFlags::DETACH).step("leaving the host's files")?;
        chdir("/").step("entering the root")?;
        for (number, (to, source)) in sources.into_iter().enumerate() {
            place(to, source, number)?;
        }
        tell_quota(job.spec.limits.memory_bytes).step("writing the memory quota")?;
        sys::set_one_mount_attributes(self.root.as_fd(), libc::MOUNT_ATTR_RDONLY).step("sealing the root")
    }
}

/// What this dyno has of its own, in the order in which it is laid down, while the host is still in sight.
fn take<'a>(ground: &Ground, job: &'a Job, host_name: &str) -> Result<Vec<(&'a Path, Source)>, Fault> {
    let limit = job.spec.limits.memory_bytes;
    let mut sources = vec![
        (Path::new("/tmp"), Source::Mount(source::bind(&job.tmp)?)),
        (Path::new("/dev/shm"), Source::Mount(source::tmpfs(limit / 2, "1777")?)),
        (Path::new("/etc/hosts"), Source::File(hosts(host_name))),
    ];
    for mount in &job.spec.mounts {
        sources.push(Source::of(mount, ground.user.is_some())?);
    }
    Ok(sources)
}

fn hosts(host_name: &str) -> String {
    format!("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 {host_name}\n")
}

fn skeleton(ground: &Ground) -> io::Result<()> {
    for folder in FOLDERS {
        DirBuilder::new().mode(0o755).create(folder)?;
    }
    for (_, to) in ground.stack.folders() {
        make_dir(to)?;
    }
    for (link, target) in ground.stack.links() {
        symlink(target, link)?;
    }
    LINKS.iter().try_for_each(|(link, target)| symlink(target, link))
}

fn place(to: &Path, source: Source, number: usize) -> Result<(), Fault> {
    match source {
        Source::Mount(mount) => {
            let step = format_args!("mounting at {}", to.display());
            make_place(to, source::is_dir(&mount)?).step(step)?;
            put(&mount, to)
        }
        Source::File(contents) => {
            let step = format_args!("writing {}", to.display());
            let file = Path::new("/").join(FILES).join(number.to_string());
            let mut open = OpenOptions::new().write(true).create_new(true).mode(0o444).open(&file).step(step)?;
            open.write_all(contents.as_bytes()).step(step)?;
            make_place(to, false).step(step)?;
            put(&source::bind_read_only(&file)?, to)
        }
    }
}

/// In the root itself, which is sealed afterwards.
fn tell_quota(quota_bytes: u64) -> io::Result<()> {
    MEMORY_QUOTA.iter().try_for_each(|file| fs::write(file, format!("{quota_bytes}\n")))?;
    fs::write(MEMORY_HIGH, "max\n")
}

fn put(mount: &OwnedFd, to: &Path) -> Result<(), Fault> {
    attach(mount, to).step(format_args!("mounting at {}", to.display()))
}

fn attach(mount: &OwnedFd, to: &Path) -> io::Result<()> {
    Ok(move_mount(mount, "", CWD, to, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

/// The folder or empty file that a mount will cover, with the folders above it.
fn make_place(path: &Path, is_dir: bool) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|about| about.is_dir() == is_dir) {
        return Ok(());
    }
    if is_dir {
        return make_dir(path);
    }
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(path).map(drop)
}

fn make_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o755).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}
