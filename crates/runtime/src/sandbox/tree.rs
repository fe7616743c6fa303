//! The file tree that a dyno sees. Everything from the host is taken first; then the host is left behind for good, and
//! only then are things put in place: no link inside the new tree can lead a mount or a file back out.

use super::fault::{Fault, Step};
use super::source::{self, Source};
use super::{Ground, Job};
use crate::sys;
use rustix::fs::CWD;
use rustix::mount::{MountPropagationFlags, MoveMountFlags, UnmountFlags, mount_change, move_mount, unmount};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::Path;

/// The root itself holds folders and small files only.
const ROOT_SIZE_BYTES: u64 = 4 * 1024 * 1024;

/// Devices that every program may expect.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Links below `/dev`.
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
];

/// Where contents of [`model::mount::Mount::File`] wait to be bound over their places.
const FILES: &str = "/.files";

/// Replaces this process's view of the file system by the dyno's.
pub(super) fn build(ground: &Ground, job: &Job, host_name: &str) -> Result<(), Fault> {
    // Only now, so that it shows what the host has mounted until now.
    sys::unshare(libc::CLONE_NEWNS).step("making a mount namespace")?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).step("separating mounts from the host's")?;
    let sources = take(ground, job, host_name)?;
    let root = source::tmpfs(Path::new("/"), ROOT_SIZE_BYTES, "0755")?;
    leave_host(&root, &ground.staging)?;
    skeleton(ground).step("making the folders of the sandbox")?;
    for (number, source) in sources.into_iter().enumerate() {
        place(source, number)?;
    }
    let Source::Mount { mount, .. } = root else { return Ok(()) };
    sys::set_one_mount_attributes(mount.as_fd(), libc::MOUNT_ATTR_RDONLY).step("sealing the root")
}

/// Everything that has to be there before the host goes out of sight, in the order in which it is laid down.
fn take(ground: &Ground, job: &Job, host_name: &str) -> Result<Vec<Source>, Fault> {
    let mut sources = Vec::new();
    for dir in ground.stack.folders() {
        sources.push(source::bind_read_only(dir, dir)?);
    }
    sources.push(source::bind_read_only(&job.etc, Path::new("/etc"))?);
    sources.push(source::proc()?);
    for device in DEVICES {
        sources.push(source::device(device)?);
    }
    sources.push(source::terminals()?);
    sources.push(source::tmpfs(Path::new("/dev/shm"), job.spec.limits.memory_bytes / 2, "1777")?);
    for place in ["/tmp", "/var/tmp"] {
        sources.push(source::bind(&job.tmp, Path::new(place), 0)?);
    }
    sources.push(Source::File { to: "/etc/hosts".into(), contents: hosts(host_name) });
    sources.push(Source::File {
        // The language packs size themselves by this file.
        to: "/sys/fs/cgroup/memory/memory.limit_in_bytes".into(),
        contents: format!("{}\n", job.spec.limits.memory_bytes),
    });
    for mount in &job.spec.mounts {
        sources.push(Source::of(mount, ground.user.is_some())?);
    }
    Ok(sources)
}

fn hosts(host_name: &str) -> String {
    format!("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 {host_name}\n")
}

/// Makes the new root the only root.
fn leave_host(root: &Source, staging: &Path) -> Result<(), Fault> {
    let Source::Mount { mount, .. } = root else { return Ok(()) };
    move_mount(mount.as_fd(), "", CWD, staging, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).step("mounting the root")?;
    rustix::process::chdir(staging).step("entering the root")?;
    // The old root comes to lie over the new one, and goes.
    rustix::process::pivot_root(".", ".").step("changing the root")?;
    unmount(".", UnmountFlags::DETACH).step("leaving the host's files")?;
    rustix::process::chdir("/").step("entering the root")
}

fn skeleton(ground: &Ground) -> io::Result<()> {
    for dir in ["/dev", "/var", "/run", "/app", "/home", FILES] {
        make_dir(Path::new(dir))?;
    }
    for (link, target) in ground.stack.links() {
        symlink(target, link)?;
    }
    for (link, target) in DEVICE_LINKS {
        symlink(target, link)?;
    }
    symlink("/run", "/var/run")
}

fn place(source: Source, number: usize) -> Result<(), Fault> {
    match source {
        Source::Mount { mount, to, is_dir } => {
            let step = format_args!("mounting at {}", to.display());
            make_place(&to, is_dir).step(&step)?;
            move_mount(mount.as_fd(), "", CWD, &to, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).step(&step)
        }
        Source::File { to, contents } => {
            let step = format_args!("writing {}", to.display());
            let file = Path::new(FILES).join(number.to_string());
            let mut open = OpenOptions::new().write(true).create_new(true).mode(0o444).open(&file).step(&step)?;
            open.write_all(contents.as_bytes()).step(&step)?;
            place(source::bind_read_only(&file, &to)?, number)
        }
    }
}

/// The folder or empty file that a mount will cover, with the folders above it.
fn make_place(path: &Path, is_dir: bool) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|about| about.is_dir() == is_dir) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    if is_dir {
        return make_dir(path);
    }
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(path).map(drop)
}

fn make_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o755).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}
