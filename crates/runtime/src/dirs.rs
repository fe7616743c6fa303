//! Folders that belong to the dyno identity.

use crate::spec::{DYNO_GID, DYNO_UID};
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, chmodat, fchmod, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::geteuid;
use std::ffi::CStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::Path;

/// Makes a folder (and what is missing above it) that dynos and builds may write to: for overlay uppers, caches, builds.
/// As root it is given to [`DYNO_UID`]; an ordinary user's sandboxes run as that user.
pub fn prepare_dir(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    give(path)
}

/// Gives one file or folder to the dyno identity.
pub(crate) fn give(path: &Path) -> io::Result<()> {
    if geteuid().is_root() { chown(path, Some(DYNO_UID), Some(DYNO_GID)) } else { Ok(()) }
}

/// Folders are opened inside each other this deep; what lies deeper is moved up first.
const OPEN_DEPTH: usize = 64;

/// Removes a folder and all below it, also what a dyno or overlayfs has made unreadable, and also folders inside folders that
/// are too many to be open at the same time or for any path. No folder is no error. Nobody else may write there any more.
///
/// # Errors
/// What the file system says.
pub fn remove_dir(path: &Path) -> io::Result<()> {
    let top = match open(CWD, path) {
        Err(Errno::NOENT) => return Ok(()),
        top => top?,
    };
    let mut removal = Removal { top, moved: 0 };
    let top = removal.top.try_clone()?;
    loop {
        let moved = removal.moved;
        removal.empty(&top, 1)?;
        if moved == removal.moved {
            break;
        }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// A folder on its way out.
struct Removal {
    top: OwnedFd,
    /// Folders that were moved up into it so far.
    moved: u64,
}

impl Removal {
    fn empty(&mut self, folder: &OwnedFd, depth: usize) -> io::Result<()> {
        // One that is moved up meanwhile may be missed here, and is found on the next round.
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            match unlinkat(folder, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(Errno::ISDIR | Errno::PERM) => {}
                Err(error) => return Err(error.into()),
            }
            if depth >= OPEN_DEPTH && self.move_up(folder, name)? {
                continue;
            }
            let below = open(folder, name)?;
            self.empty(&below, depth + 1)?;
            drop(below);
            unlinkat(folder, name, AtFlags::REMOVEDIR)?;
        }
        Ok(())
    }

    /// `false`: it is empty, so it need not be moved.
    fn move_up(&mut self, folder: &OwnedFd, name: &CStr) -> io::Result<bool> {
        if unlinkat(folder, name, AtFlags::REMOVEDIR).is_ok() {
            return Ok(true);
        }
        // Moving a folder changes it.
        chmodat(folder, name, Mode::RWXU, AtFlags::empty())?;
        loop {
            self.moved += 1;
            match renameat(folder, name, &self.top, format!(".moved-up-{}", self.moved)) {
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                done => return Ok(done.map(|()| true)?),
            }
        }
    }
}

/// Opens a folder that the owner may have shut; no link is followed.
fn open(at: impl AsFd, name: impl Arg + Copy) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(&at, name, flags, Mode::empty());
    let folder = match folder {
        Err(Errno::ACCESS) => {
            chmodat(&at, name, Mode::RWXU, AtFlags::empty())?;
            openat(&at, name, flags, Mode::empty())?
        }
        folder => folder?,
    };
    // What is not root needs the right to remove from it too.
    if !geteuid().is_root() {
        fchmod(&folder, Mode::RWXU)?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn what_is_shut_linked_or_endlessly_deep_is_removed_and_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("beside"), "stays").unwrap();
        let place = dir.path().join("place");
        fs::create_dir_all(place.join("shut/inside")).unwrap();
        fs::write(place.join("shut/inside/file"), "x").unwrap();
        symlink(dir.path(), place.join("link")).unwrap();
        fs::set_permissions(place.join("shut"), fs::Permissions::from_mode(0o0)).unwrap();
        // More than there are descriptors, and longer than any path.
        let mut at = open(CWD, &place).unwrap();
        for number in 0..3000 {
            rustix::fs::mkdirat(&at, "folder-in-folder", Mode::RWXU).unwrap();
            if number % 100 == 0 {
                rustix::fs::mkdirat(&at, ".moved-up-1", Mode::RWXU).unwrap();
                rustix::fs::openat(&at, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
            }
            at = open(&at, "folder-in-folder").unwrap();
        }
        drop(at);
        remove_dir(&place).unwrap();
        assert!(!place.exists());
        assert_eq!(fs::read_to_string(dir.path().join("beside")).unwrap(), "stays");
        remove_dir(&place).unwrap();
    }
}
