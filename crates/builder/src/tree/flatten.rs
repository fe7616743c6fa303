//! One plain folder out of the layers of an overlay, by hard links: no file is copied.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, lchown};
use std::path::{Path, PathBuf};

/// The extended attribute that hides the layers below a folder, as root and as an ordinary user.
const OPAQUE: [&str; 2] = ["trusted.overlay.opaque", "user.overlay.opaque"];

/// Makes `into` (an existing empty folder) look like an overlay of `layers`, the topmost first.
///
/// Files are shared with the layers, so nobody may write to either in place afterwards; sandboxes see both only
/// as lower layers. Sockets, pipes and devices are left out.
///
/// # Errors
/// What the file system says.
pub fn flatten(layers: &[PathBuf], into: &Path) -> io::Result<()> {
    let mut children: BTreeMap<OsString, Vec<PathBuf>> = BTreeMap::new();
    let mut closed: BTreeSet<OsString> = BTreeSet::new();
    for layer in layers {
        for child in fs::read_dir(layer)? {
            let child = child?;
            let (name, kind) = (child.file_name(), child.file_type()?);
            if closed.contains(&name) {
                continue;
            }
            let found = children.entry(name.clone()).or_default();
            if kind.is_dir() {
                found.push(child.path());
                if is_opaque(&child.path()) {
                    closed.insert(name);
                }
                continue;
            }
            // A file below a folder is hidden by it; a file on top hides all below. A whiteout only hides.
            if found.is_empty() && !kind.is_char_device() {
                found.push(child.path());
            }
            closed.insert(name);
        }
    }
    for (name, sources) in children {
        if let Some(first) = sources.first() {
            place(first, &sources, &into.join(name))?;
        }
    }
    Ok(())
}

fn place(first: &Path, sources: &[PathBuf], to: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(first)?;
    if found.is_dir() {
        fs::create_dir(to)?;
        flatten(sources, to)?;
        return same_folder(&found, to);
    }
    if !found.is_file() && !found.is_symlink() {
        return Ok(());
    }
    match fs::hard_link(first, to) {
        // A file system without hard links for this file, or a file with too many of them already.
        Err(error) if matches!(error.raw_os_error(), Some(EPERM | EMLINK | EXDEV)) => copy(first, &found, to),
        over => over,
    }
}

const EPERM: i32 = rustix::io::Errno::PERM.raw_os_error();
const EMLINK: i32 = rustix::io::Errno::MLINK.raw_os_error();
const EXDEV: i32 = rustix::io::Errno::XDEV.raw_os_error();

fn copy(from: &Path, found: &Metadata, to: &Path) -> io::Result<()> {
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
