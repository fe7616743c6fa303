//! Folders that belong to the dyno identity.

use crate::spec::{DYNO_GID, DYNO_UID};
use rustix::process::geteuid;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
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

/// Removes a folder and all below it, also what a dyno or overlayfs has made unreadable. No folder is no error.
pub fn remove_dir(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        done => done,
    }
}

/// Lets the owner into every folder below `path`; links are not followed.
fn open_up(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}
