//! One plain folder out of the layers of an overlay, by hard links: no file is copied.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};

/// The extended attribute that hides the layers below a folder, as root and as an ordinary user.
const OPAQUE: [&str; 2] = ["trusted.overlay.opaque", "user.overlay.opaque"];

/// Makes `into` (an existing empty folder) look like an overlay of `layers`, the topmost first.
///
/// Files are shared with the layers, so nobody may write to either in place afterwards; sandboxes see both only
/// as lower layers. Sockets, pipes and devices are left out. Blocks.
///
/// # Errors
/// What the file system says.
pub fn flatten(layers: &[PathBuf], into: &Path) -> io::Result<()> {
    for (name, found) in children(layers)? {
        let to = into.join(name);
        if let Some(file) = found.file {
            link(&file, &to)?;
        } else if let Some(top) = found.folders.first() {
            fs::create_dir(&to)?;
            flatten(&found.folders, &to)?;
            same_folder(&fs::symlink_metadata(top)?, &to)?;
        }
    }
    Ok(())
}

fn children(layers: &[PathBuf]) -> io::Result<BTreeMap<OsString, Found>> {
    let mut children: BTreeMap<OsString, Found> = BTreeMap::new();
    for layer in layers {
        for child in fs::read_dir(layer)? {
            let child = child?;
            let kind = child.file_type()?;
            let found = children.entry(child.file_name()).or_default();
            if found.closed {
                continue;
            }
            if kind.is_dir() {
                found.closed = layers.len() > 1 && is_opaque(&child.path());
                found.folders.push(child.path());
                continue;
            }
            // A file below a folder is hidden by it; a file on top hides all below. A whiteout only hides.
            found.closed = true;
            if found.folders.is_empty() && (kind.is_file() || kind.is_symlink()) {
                found.file = Some(child.path());
            }
        }
    }
    Ok(children)
}

/// What the layers hold under one name.
#[derive(Default)]
struct Found {
    /// Folders to join, the topmost first.
    folders: Vec<PathBuf>,
    /// A file or link.
    file: Option<PathBuf>,
    /// Layers further down do not count.
    closed: bool,
}

fn link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        // A file system without hard links for this file, or a file with too many of them already.
        Err(error) if matches!(error.raw_os_error(), Some(EPERM | EMLINK | EXDEV)) => copy(from, to),
        over => over,
    }
}

const EPERM: i32 = rustix::io::Errno::PERM.raw_os_error();
const EMLINK: i32 = rustix::io::Errno::MLINK.raw_os_error();
const EXDEV: i32 = rustix::io::Errno::XDEV.raw_os_error();

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(from)?;
    if found.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(from)?, to)?;
    } else {
        fs::copy(from, to)?;
        fs::File::options().write(true).open(to)?.set_modified(found.modified()?)?;
    }
    lchown(to, Some(found.uid()), Some(found.gid()))
}

/// Owner and mode of a folder. As an ordinary user all files are one's own, and nothing changes.
fn same_folder(found: &Metadata, to: &Path) -> io::Result<()> {
    lchown(to, Some(found.uid()), Some(found.gid()))?;
    fs::set_permissions(to, found.permissions())
}

fn is_opaque(folder: &Path) -> bool {
    let mut value = [0_u8; 8];
    OPAQUE.iter().any(|name| matches!(rustix::fs::lgetxattr(folder, *name, &mut value), Ok(1) if value[0] == b'y'))
}
