//! Folders of files on this machine: giving them to the dynos' identity, copying, removing.

mod flatten;
mod inside;

pub use flatten::flatten;
pub(crate) use inside::{ReadError, folder_inside, read_inside};

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

/// The user and group that sandboxes run as.
pub type Owner = (u32, u32);

/// Makes a file, folder or link (not what a link points to) belong to `owner`.
pub(crate) fn give(path: &Path, owner: Option<Owner>) -> io::Result<()> {
    match owner {
        Some((user, group)) => lchown(path, Some(user), Some(group)),
        None => Ok(()),
    }
}

/// Makes a folder that a sandbox may write to; one that is there stays.
pub(crate) fn make_folder(path: &Path, owner: Option<Owner>) -> io::Result<()> {
    match DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => give(path, owner),
    }
}

/// Copies a folder of plain files and folders, with their modes; `to` must not be there.
pub(crate) fn copy(from: &Path, to: &Path, owner: Option<Owner>) -> io::Result<()> {
    make_folder(to, owner)?;
    for child in fs::read_dir(from)? {
        let child = child?;
        let place = to.join(child.file_name());
        if child.file_type()?.is_dir() {
            copy(&child.path(), &place, owner)?;
        } else {
            fs::copy(child.path(), &place)?;
            give(&place, owner)?;
        }
    }
    Ok(())
}

/// Removes a folder and all below it, or a file; nothing there is fine.
///
/// A sandbox may leave folders without permission bits behind, and so does overlayfs: they are opened up first.
///
/// # Errors
/// What the file system says.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        over => over,
    }
}

fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    for child in fs::read_dir(folder)? {
        let child = child?;
        if child.file_type()?.is_dir() {
            open_up(&child.path())?;
        }
    }
    Ok(())
}

/// Removes folders and files in the background, so that nobody waits for many small files.
pub(crate) fn remove_later(paths: Vec<PathBuf>) {
    let work = move || {
        for path in paths {
            if let Err(error) = remove(&path) {
                tracing::warn!(path = %path.display(), %error, "Could not remove what is no longer used");
            }
        }
    };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}

/// Is there nothing in this folder?
pub(crate) fn is_empty(path: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(path)?.next().is_none())
}
