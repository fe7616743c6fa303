//! The file tree that a dyno sees.
//!
//! What all dynos have in common is raised ahead of need, on a staging folder. When the dyno is known, everything that it
//! wants from the host is taken first; then the host is left behind for good, and only then are those things put in
//! place: no link inside a slug or an image can lead a mount or a file back out.
//!
//! A dyno that runs an image has the image as its root, under a layer of its own. Of the common part it gets what no image
//! can bring (`/dev`, `/proc`, `/sys`); the rest stays behind with the host.

use super::fault::{Fault, Step};
use super::place::{self, InTheWay, Root, attach};
use super::{Ground, Job, source};
use crate::spec::RootImage;
use crate::sys;
use model::mount::Mount;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{chdir, pivot_root};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

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
const MEMORY_QUOTA: [&str; 2] = ["sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory.max"];
const MEMORY_HIGH: &str = "sys/fs/cgroup/memory.high";

/// What an image's tree gets of the common part; the second says whether it is then sealed, as the root of other dynos is.
const OVER_IMAGES: [(&str, &str, bool); 3] = [("dev", "/dev", true), ("proc", "/proc", false), ("sys", "/sys", true)];

/// Where the image stands until it is the root: any folder of the common part.
const IMAGE: &str = "app";

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
        tell_quota(job.spec.limits.memory_bytes).step("writing the memory quota")?;
        let mut own = Vec::new();
        if job.spec.root.is_some() {
            own = take_over_image(ground)?;
        }
        own.extend(take(ground, job, host_name)?);
        if let Some(image) = &job.spec.root {
            stand_on(image, ground)?;
        }
        // The old root comes to lie over the new one, and goes.
        pivot_root(".", ".").step("changing the root")?;
        unmount(".", UnmountFlags::DETACH).step("leaving the host's files")?;
        chdir("/").step("entering the root")?;
        let root = Root::open(job.spec.root.is_some()).step("opening the root")?;
        for Own { to, mount, in_the_way } in own {
            let step = format_args!("mounting at {}", to.display());
            let is_dir = place::is_folder(&mount).step(step)?;
            root.cover(to, &mount, is_dir, in_the_way).step(step)?;
        }
        match job.spec.root {
            // The dyno's, to write to.
            Some(_) => Ok(()),
            None => seal(&self.root),
        }
    }
}

/// Something that a dyno has of its own.
struct Own<'a> {
    to: &'a Path,
    mount: OwnedFd,
    in_the_way: InTheWay,
}

impl Own<'_> {
    /// In every dyno, whatever its image has there.
    fn fixed(to: &'static str, mount: OwnedFd) -> Self {
        Self { to: Path::new(to), mount, in_the_way: InTheWay::Goes }
    }
}

/// In the order in which it is laid down, while the host is still in sight.
fn take<'a>(ground: &Ground, job: &'a Job, host_name: &str) -> Result<Vec<Own<'a>>, Fault> {
    let limit = job.spec.limits.memory_bytes;
    let mut own = vec![
        Own::fixed("/tmp", source::bind(&job.tmp)?),
        Own::fixed("/dev/shm", source::tmpfs(limit / 2, "1777")?),
        Own::fixed("/etc/hosts", file(&hosts(host_name), 0)?),
    ];
    for (number, mount) in job.spec.mounts.iter().enumerate() {
        let (to, mount) = match mount {
            Mount::Bind { from, to, writable: true } => (to, source::bind(from)?),
            Mount::Bind { from, to, writable: false } => (to, source::bind_read_only(from)?),
            Mount::Overlay { lowers, upper, work, to } => (to, overlay(lowers, upper, work, ground)?),
            Mount::Tmpfs { to, size_bytes } => (to, source::tmpfs(*size_bytes, "0777")?),
            Mount::File { to, contents } => (to, file(contents, number + 1)?),
        };
        own.push(Own { to, mount, in_the_way: InTheWay::Stays });
    }
    Ok(own)
}

/// What an image dyno has besides: in other dynos it is part of the tree.
fn take_over_image(ground: &Ground) -> Result<Vec<Own<'static>>, Fault> {
    let mut own = Vec::new();
    for (from, to, sealed) in OVER_IMAGES {
        let part = source::part(Path::new(from))?;
        if sealed {
            seal(&part)?;
        }
        own.push(Own::fixed(to, part));
    }
    if let Some(resolver) = ground.stack.resolver() {
        own.push(Own::fixed("/etc/resolv.conf", source::bind_read_only(&resolver)?));
    }
    Ok(own)
}

/// Has the image lie over the common part, and this process in it.
fn stand_on(image: &RootImage, ground: &Ground) -> Result<(), Fault> {
    let lowers = std::slice::from_ref(&image.image);
    attach(&overlay(lowers, &image.upper, &image.work, ground)?, Path::new(IMAGE)).step("mounting the image")?;
    chdir(IMAGE).step("entering the image")
}

fn overlay(lowers: &[PathBuf], upper: &Path, work: &Path, ground: &Ground) -> Result<OwnedFd, Fault> {
    source::overlay(lowers, upper, work, ground.user.is_some())
}

fn hosts(host_name: &str) -> String {
    format!("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 {host_name}\n")
}

/// A small read-only file with these contents, of which this is the number.
fn file(contents: &str, number: usize) -> Result<OwnedFd, Fault> {
    let file = Path::new(FILES).join(number.to_string());
    let step = "writing a file for the dyno";
    let mut open = OpenOptions::new().write(true).create_new(true).mode(0o444).open(&file).step(step)?;
    open.write_all(contents.as_bytes()).step(step)?;
    source::bind_read_only(&file)
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

/// In the common part, which is sealed afterwards.
fn tell_quota(quota_bytes: u64) -> io::Result<()> {
    MEMORY_QUOTA.iter().try_for_each(|file| fs::write(file, format!("{quota_bytes}\n")))?;
    fs::write(MEMORY_HIGH, "max\n")
}

/// Nothing is written to it any more; what is mounted below it stays as it is.
fn seal(mount: &OwnedFd) -> Result<(), Fault> {
    sys::set_one_mount_attributes(mount.as_fd(), libc::MOUNT_ATTR_RDONLY).step("sealing the root")
}

fn put(mount: &OwnedFd, to: &Path) -> Result<(), Fault> {
    attach(mount, to).step(format_args!("mounting at {}", to.display()))
}

fn make_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o755).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}
