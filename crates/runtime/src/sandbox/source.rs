//! Mounts before they have a place: taken from the host, or made new, while the host is still in sight.

use super::fault::{Fault, Step};
use crate::sys;
use rustix::fs::{CWD, Mode, OFlags, open};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen, open_tree,
};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
const NO_SET_ID: u64 = libc::MOUNT_ATTR_NOSUID;
const NO_DEVICES: u64 = libc::MOUNT_ATTR_NODEV;
const NO_PROGRAMS: u64 = libc::MOUNT_ATTR_NOEXEC;

/// A part of the host's tree, with everything mounted below it.
pub(super) fn bind(from: &Path) -> Result<OwnedFd, Fault> {
    bind_with(from, 0)
}

/// [`bind`], read-only.
pub(super) fn bind_read_only(from: &Path) -> Result<OwnedFd, Fault> {
    bind_with(from, READ_ONLY)
}

fn bind_with(from: &Path, extra: u64) -> Result<OwnedFd, Fault> {
    let step = format_args!("mounting {}", from.display());
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let mount = open_tree(CWD, from, flags).step(step)?;
    sys::set_mount_attributes(mount.as_fd(), NO_SET_ID | NO_DEVICES | extra).step(step)?;
    Ok(mount)
}

/// A part of this process's own tree once more, with everything mounted below it; each keeps its attributes.
pub(super) fn part(from: &Path) -> Result<OwnedFd, Fault> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, from, flags).step(format_args!("mounting /{} again", from.display()))
}

/// A device file of the host.
pub(super) fn device(path: &Path) -> Result<OwnedFd, Fault> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, path, flags).step(format_args!("mounting {}", path.display()))
}

/// Layers under one writable folder. They are named by descriptor: paths may be long, and may contain the colons and
/// commas that separate options; and the sandbox's own mount table then does not show the host's paths.
pub(super) fn overlay(lowers: &[PathBuf], upper: &Path, work: &Path, unprivileged: bool) -> Result<OwnedFd, Fault> {
    let step = "mounting an overlay (does the kernel have overlayfs, for ordinary users too?)";
    let hold = |path: &Path| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        open(path, flags, Mode::empty()).step(format_args!("opening the layer {}", path.display()))
    };
    let lowers = lowers.iter().map(|lower| hold(lower)).collect::<Result<Vec<_>, _>>()?;
    let (upper, work) = (hold(upper)?, hold(work)?);
    let name = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let names: Vec<String> = lowers.iter().map(name).collect();
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).step(step)?;
    fsconfig_set_string(&fs, "lowerdir", names.join(":")).step(step)?;
    fsconfig_set_string(&fs, "upperdir", name(&upper)).step(step)?;
    fsconfig_set_string(&fs, "workdir", name(&work)).step(step)?;
    if unprivileged {
        // The usual `trusted.` attributes are root's.
        fsconfig_set_flag(&fs, "userxattr").step(step)?;
    }
    made(fs.as_fd(), NO_SET_ID | NO_DEVICES, step)
}

/// An empty folder in memory; it counts as the dyno's memory.
pub(super) fn tmpfs(size_bytes: u64, mode: &str) -> Result<OwnedFd, Fault> {
    let step = "making a tmpfs";
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).step(step)?;
    fsconfig_set_string(&fs, "size", size_bytes.to_string()).step(step)?;
    fsconfig_set_string(&fs, "mode", mode).step(step)?;
    made(fs.as_fd(), NO_SET_ID | NO_DEVICES, step)
}

/// The processes of this pid namespace.
pub(super) fn proc() -> Result<OwnedFd, Fault> {
    let step = "mounting /proc (inside a container it must not be masked)";
    let fs = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC).step(step)?;
    made(fs.as_fd(), NO_SET_ID | NO_DEVICES | NO_PROGRAMS, step)
}

/// Terminals of this dyno only.
pub(super) fn terminals() -> Result<OwnedFd, Fault> {
    let step = "mounting /dev/pts";
    let fs = fsopen("devpts", FsOpenFlags::FSOPEN_CLOEXEC).step(step)?;
    fsconfig_set_flag(&fs, "newinstance").step(step)?;
    fsconfig_set_string(&fs, "ptmxmode", "0666").step(step)?;
    fsconfig_set_string(&fs, "mode", "0620").step(step)?;
    made(fs.as_fd(), NO_SET_ID | NO_PROGRAMS, step)
}

fn made(fs: BorrowedFd<'_>, attributes: u64, step: &str) -> Result<OwnedFd, Fault> {
    fsconfig_create(fs).step(step)?;
    // The same bits, in the 32 of them that this call takes.
    let attributes = MountAttrFlags::from_bits_retain(attributes as u32);
    fsmount(fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes).step(step)
}
