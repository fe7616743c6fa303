//! Mounts before they have a place: taken from the host, or made new, while the host is still in sight.

use super::fault::{Fault, Step};
use crate::sys;
use model::mount::Mount;
use rustix::fs::{CWD, Mode, OFlags, open};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen, open_tree,
};
use std::fmt::Display;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
const NO_SET_ID: u64 = libc::MOUNT_ATTR_NOSUID;
const NO_DEVICES: u64 = libc::MOUNT_ATTR_NODEV;
const NO_PROGRAMS: u64 = libc::MOUNT_ATTR_NOEXEC;

/// One thing to put into the new tree.
pub(super) enum Source {
    /// A mount; it covers a file or a folder.
    Mount { mount: OwnedFd, to: PathBuf, is_dir: bool },
    /// A small file.
    File { to: PathBuf, contents: String },
}

impl Source {
    /// What a specification asks for.
    pub(super) fn of(mount: &Mount, unprivileged: bool) -> Result<Self, Fault> {
        match mount {
            Mount::Bind { from, to, writable } => bind(from, to, if *writable { 0 } else { READ_ONLY }),
            Mount::Overlay { lowers, upper, work, to } => overlay(lowers, upper, work, to, unprivileged),
            Mount::Tmpfs { to, size_bytes } => tmpfs(to, *size_bytes, "0777"),
            Mount::File { to, contents } => Ok(Self::File { to: to.clone(), contents: contents.clone() }),
        }
    }
}

/// A part of the host's tree, with everything mounted below it.
pub(super) fn bind(from: &Path, to: &Path, extra: u64) -> Result<Source, Fault> {
    let step = format_args!("mounting {}", from.display());
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let mount = open_tree(CWD, from, flags).step(&step)?;
    sys::set_mount_attributes(mount.as_fd(), NO_SET_ID | NO_DEVICES | extra).step(&step)?;
    Ok(Source::Mount { is_dir: is_dir(&mount)?, mount, to: to.to_owned() })
}

/// [`bind`], read-only.
pub(super) fn bind_read_only(from: &Path, to: &Path) -> Result<Source, Fault> {
    bind(from, to, READ_ONLY)
}

/// A device file of the host.
pub(super) fn device(name: &str) -> Result<Source, Fault> {
    let path = Path::new("/dev").join(name);
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(CWD, &path, flags).step(format_args!("mounting {}", path.display()))?;
    Ok(Source::Mount { mount, to: path, is_dir: false })
}

/// Layers under one writable folder. They are named by descriptor: paths may be long, and may contain the colons and
/// commas that separate options; and the sandbox's own mount table then does not show the host's paths.
fn overlay(lowers: &[PathBuf], upper: &Path, work: &Path, to: &Path, unprivileged: bool) -> Result<Source, Fault> {
    let step = format_args!("mounting the overlay at {} (does the kernel have overlayfs?)", to.display());
    let hold = |path: &Path| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        open(path, flags, Mode::empty()).step(format_args!("opening the layer {}", path.display()))
    };
    let lowers = lowers.iter().map(|lower| hold(lower)).collect::<Result<Vec<_>, _>>()?;
    let (upper, work) = (hold(upper)?, hold(work)?);
    let name = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let names: Vec<String> = lowers.iter().map(name).collect();
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).step(&step)?;
    fsconfig_set_string(&fs, "lowerdir", names.join(":")).step(&step)?;
    fsconfig_set_string(&fs, "upperdir", name(&upper)).step(&step)?;
    fsconfig_set_string(&fs, "workdir", name(&work)).step(&step)?;
    if unprivileged {
        // The usual `trusted.` attributes are root's.
        fsconfig_set_flag(&fs, "userxattr").step(&step)?;
    }
    made(fs.as_fd(), to, MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV, &step)
}

/// An empty folder in memory; it counts as the dyno's memory.
pub(super) fn tmpfs(to: &Path, size_bytes: u64, mode: &str) -> Result<Source, Fault> {
    let step = format_args!("mounting a tmpfs at {}", to.display());
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).step(&step)?;
    fsconfig_set_string(&fs, "size", size_bytes.to_string()).step(&step)?;
    fsconfig_set_string(&fs, "mode", mode).step(&step)?;
    made(fs.as_fd(), to, MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV, &step)
}

/// The processes of this pid namespace.
pub(super) fn proc() -> Result<Source, Fault> {
    let step = "mounting /proc (inside a container it must not be masked)";
    let fs = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC).step(&step)?;
    let flags = MountAttrFlags::from_bits_retain((NO_SET_ID | NO_DEVICES | NO_PROGRAMS) as u32);
    made(fs.as_fd(), Path::new("/proc"), flags, &step)
}

/// Terminals of this dyno only.
pub(super) fn terminals() -> Result<Source, Fault> {
    let step = "mounting /dev/pts";
    let fs = fsopen("devpts", FsOpenFlags::FSOPEN_CLOEXEC).step(&step)?;
    fsconfig_set_flag(&fs, "newinstance").step(&step)?;
    fsconfig_set_string(&fs, "ptmxmode", "0666").step(&step)?;
    fsconfig_set_string(&fs, "mode", "0620").step(&step)?;
    let flags = MountAttrFlags::from_bits_retain((NO_SET_ID | NO_PROGRAMS) as u32);
    made(fs.as_fd(), Path::new("/dev/pts"), flags, &step)
}

fn made(fs: BorrowedFd<'_>, to: &Path, flags: MountAttrFlags, step: impl Display) -> Result<Source, Fault> {
    fsconfig_create(fs).step(&step)?;
    let mount = fsmount(fs, FsMountFlags::FSMOUNT_CLOEXEC, flags).step(&step)?;
    Ok(Source::Mount { mount, to: to.to_owned(), is_dir: true })
}

fn is_dir(mount: &OwnedFd) -> Result<bool, Fault> {
    let about = rustix::fs::fstat(mount).step("looking at a mount")?;
    Ok(rustix::fs::FileType::from_raw_mode(about.st_mode) == rustix::fs::FileType::Directory)
}
