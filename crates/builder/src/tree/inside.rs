//! Looking into a tree that a sandbox wrote: its links never lead the platform to the machine's own files.

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, mkdirat, openat2};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

/// Why a file of a tree was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Not there.
    #[error("it is not there")]
    Missing,
    /// A folder, a pipe, a device.
    #[error("it is not a plain file")]
    NotAFile,
    /// Larger than the caller takes.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// The file system's word.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a file of the tree; links resolve as if `root` were `/`.
pub(crate) fn read_inside(root: &Path, path: impl AsRef<Path>, limit_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let root = open_root(root)?;
    // Not blocking: the name could be a pipe without a writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = match openat2(&root, path.as_ref(), flags, Mode::empty(), resolve) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Err(ReadError::Missing),
        Err(rustix::io::Errno::LOOP) => return Err(ReadError::NotAFile),
        Err(error) => return Err(ReadError::Io(error.into())),
    };
    if !file.metadata()?.is_file() {
        return Err(ReadError::NotAFile);
    }
    let mut bytes = Vec::new();
    file.take(limit_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit_bytes { Err(ReadError::TooLarge(limit_bytes)) } else { Ok(bytes) }
}

/// Opens the folder `path` below `root`, making what is missing; a link on the way is an error (ELOOP).
pub(crate) fn folder_inside(root: &Path, path: &Path, owner: Option<super::Owner>) -> io::Result<OwnedFd> {
    let mut folder = open_root(root)?;
    for part in path.components() {
        let Component::Normal(name) = part else { return Err(io::Error::from(io::ErrorKind::InvalidInput)) };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let found = match openat2(&folder, name, flags, Mode::empty(), resolve) {
            Err(rustix::io::Errno::NOENT) => {
                mkdirat(&folder, name, Mode::from_raw_mode(0o755))?;
                let made = openat2(&folder, name, flags, Mode::empty(), resolve)?;
                if let Some((user, group)) = owner {
                    let (user, group) = (rustix::fs::Uid::from_raw(user), rustix::fs::Gid::from_raw(group));
                    rustix::fs::fchown(&made, Some(user), Some(group))?;
                }
                made
            }
            found => found?,
        };
        folder = found;
    }
    Ok(folder)
}

fn open_root(root: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, root, flags, Mode::empty())?)
}
