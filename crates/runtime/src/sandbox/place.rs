//! Places in the new tree, once it is all that this process sees: found by the kernel's own walk from the root, which
//! follows plain links and none of those of `/proc` that lead to open descriptors, and so to the host.

use crate::spec::{DYNO_GID, DYNO_UID};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, fstat, mkdirat, open, openat, openat2,
    unlinkat,
};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, move_mount};
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::Path;

/// The root of the new tree.
pub(super) struct Root {
    dir: OwnedFd,
    /// What is missing is made for the dyno: it may write there.
    is_the_dynos: bool,
}

/// What happens to a file where a folder is needed, to a link at the place itself, and on the way to one that leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InTheWay {
    /// Links are followed; the rest is an error.
    Stays,
    /// They give way, in the dyno's own layer.
    Goes,
}

impl Root {
    /// The present one. `is_the_dynos`: is it an image, of which all belongs to the dyno?
    pub(super) fn open(is_the_dynos: bool) -> io::Result<Self> {
        Ok(Self { dir: open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?, is_the_dynos })
    }

    /// Covers the folder or file `to` with a mount; it is made when missing, with the folders above it.
    pub(super) fn cover(&self, to: &Path, mount: &OwnedFd, is_dir: bool, in_the_way: InTheWay) -> io::Result<()> {
        let place = self.make(to, is_dir, in_the_way)?;
        let (found, root) = (fstat(&place)?, fstat(&self.dir)?);
        if (found.st_dev, found.st_ino) == (root.st_dev, root.st_ino) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is a link to the root folder"));
        }
        let both = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        Ok(move_mount(mount, "", &place, "", both)?)
    }

    fn make(&self, path: &Path, is_dir: bool, in_the_way: InTheWay) -> io::Result<OwnedFd> {
        match self.find(path, in_the_way) {
            Ok(found) => match (kind(&found)?, is_dir) {
                (FileType::Directory, true) => return Ok(found),
                (FileType::Directory, false) => return Err(ErrorKind::IsADirectory.into()),
                (FileType::Symlink, _) | (_, true) => {}
                (_, false) => return Ok(found),
            },
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => {}
            Err(error) => return Err(error.into()),
        }
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(ErrorKind::NotADirectory.into());
        };
        let above = match self.find(above, InTheWay::Stays) {
            Ok(found) if kind(&found)? == FileType::Directory => found,
            _ => self.make(above, true, in_the_way)?,
        };
        match make_in(&above, name, is_dir) {
            Err(Errno::EXIST) if in_the_way == InTheWay::Goes => {
                unlinkat(&above, name, AtFlags::empty())?;
                make_in(&above, name, is_dir)?;
            }
            made => made?,
        }
        if self.is_the_dynos {
            let (user, group) = (Uid::from_raw(DYNO_UID), Gid::from_raw(DYNO_GID));
            chownat(&above, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&above, name, flags, Mode::empty())?)
    }

    /// What is there, which is a link itself only where links go.
    fn find(&self, path: &Path, in_the_way: InTheWay) -> Result<OwnedFd, Errno> {
        let flags = match in_the_way {
            InTheWay::Stays => OFlags::PATH | OFlags::CLOEXEC,
            InTheWay::Goes => OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        };
        openat2(&self.dir, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
    }
}

fn make_in(above: &OwnedFd, name: &OsStr, is_dir: bool) -> Result<(), Errno> {
    if is_dir {
        return mkdirat(above, name, Mode::from_raw_mode(0o755));
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    openat(above, name, flags, Mode::from_raw_mode(0o644)).map(drop)
}

fn kind(place: &OwnedFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(fstat(place)?.st_mode))
}

/// Does it cover a folder, or is it one?
pub(super) fn is_folder(place: &OwnedFd) -> io::Result<bool> {
    Ok(kind(place)? == FileType::Directory)
}

/// Puts a mount where this process itself has made a place, while the host is still in sight.
pub(super) fn attach(mount: &OwnedFd, to: &Path) -> io::Result<()> {
    Ok(move_mount(mount, "", CWD, to, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}
