//! Where an entry goes: below the folder, through real folders only.

use super::{ArchiveError, Links, Rules};
use crate::storage::is_full;
use crate::tree::{Owner, give};
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

/// The folder being filled.
pub(super) struct Place<'a> {
    root: &'a Path,
    owner: Option<Owner>,
    links: Links,
    /// Folders known to be real ones; none of them is ever replaced.
    folders: HashSet<PathBuf>,
    /// One for all files: making a new one for each costs more than writing a small file.
    pub(super) buffer: Vec<u8>,
}

/// What is read and written at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// The entry's path below the folder; empty for the folder itself.
pub(super) fn inside(path: &Path, name: &str) -> Result<PathBuf, ArchiveError> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => clean.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err(ArchiveError::Climbs(name.to_owned())),
            Component::RootDir | Component::Prefix(_) => return Err(ArchiveError::Absolute(name.to_owned())),
        }
    }
    Ok(clean)
}

/// `._name`: the resource forks that macOS packs beside files.
pub(super) fn is_apple_double(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"._"))
}

/// A full disk said as such, anything else with its path.
pub(super) fn write_error(path: &Path, source: io::Error) -> ArchiveError {
    if is_full(&source) { ArchiveError::DiskFull } else { ArchiveError::Write { path: path.to_owned(), source } }
}

impl<'a> Place<'a> {
    pub(super) fn new(root: &'a Path, rules: &Rules) -> Self {
        Self { root, owner: rules.owner, links: rules.links, folders: HashSet::new(), buffer: vec![0; BUFFER_BYTES] }
    }

    /// The entry's place on the disk.
    pub(super) fn on_disk(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }

    /// Makes a folder, or takes the one that is there.
    pub(super) fn folder(&mut self, path: &Path, mode: u32) -> Result<(), ArchiveError> {
        self.parents(path)?;
        self.real_folder(path)?;
        // The owner must be able to fill it, whatever the archive says.
        let mode = fs::Permissions::from_mode(mode | 0o700);
        fs::set_permissions(self.on_disk(path), mode).map_err(|error| write_error(path, error))
    }

    /// Makes an empty file, in place of an earlier one of that name.
    pub(super) fn file(&mut self, path: &Path, mode: u32) -> Result<File, ArchiveError> {
        self.parents(path)?;
        let mut place = self.on_disk(path);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode | 0o600);
        let file = match options.open(&place) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                place = self.free(path)?;
                options.open(&place)
            }
            made => made,
        };
        let file = file.map_err(|error| write_error(&place, error))?;
        // Again, past the umask.
        let mode = fs::Permissions::from_mode(mode | 0o600);
        file.set_permissions(mode).and_then(|()| self.given(&place)).map_err(|error| write_error(&place, error))?;
        Ok(file)
    }

    pub(super) fn symlink(&mut self, path: &Path, target: &Path) -> Result<(), ArchiveError> {
        if self.links == Links::Within && !stays_inside(path, target) {
            let (path, target) = (path.display().to_string(), target.display().to_string());
            return Err(ArchiveError::LinkLeaves { path, target });
        }
        let place = self.free(path)?;
        symlink(target, &place).and_then(|()| self.given(&place)).map_err(|error| write_error(&place, error))
    }

    /// A second name of a file that came before, named from the archive's top.
    pub(super) fn hard_link(&mut self, path: &Path, target: &Path) -> Result<(), ArchiveError> {
        let words = || (path.display().to_string(), target.display().to_string());
        let from = inside(target, "").map_err(|_| {
            let (path, target) = words();
            ArchiveError::LinkLeaves { path, target }
        })?;
        let nothing = || {
            let (path, target) = words();
            ArchiveError::LinkToNothing { path, target }
        };
        self.parents(&from).map_err(|_| nothing())?;
        let from = self.on_disk(&from);
        if !fs::symlink_metadata(&from).is_ok_and(|found| found.is_file()) || from == self.on_disk(path) {
            return Err(nothing());
        }
        let place = self.free(path)?;
        fs::hard_link(&from, &place).map_err(|error| write_error(&place, error))
    }

    /// The place of a file or link, with real folders above it and nothing there.
    fn free(&mut self, path: &Path) -> Result<PathBuf, ArchiveError> {
        self.parents(path)?;
        let place = self.on_disk(path);
        match fs::symlink_metadata(&place) {
            Ok(found) if found.is_dir() => return Err(ArchiveError::Conflict(path.display().to_string())),
            Ok(_) => fs::remove_file(&place).map_err(|error| write_error(&place, error))?,
            Err(_) => {}
        }
        Ok(place)
    }

    /// Makes the folders above `path`; none of them may be a link.
    fn parents(&mut self, path: &Path) -> Result<(), ArchiveError> {
        let Some(parent) = path.parent() else { return Ok(()) };
        if self.folders.contains(parent) {
            return Ok(());
        }
        let mut folder = PathBuf::new();
        for part in parent.components() {
            folder.push(part);
            self.real_folder(&folder)?;
        }
        Ok(())
    }

    fn real_folder(&mut self, path: &Path) -> Result<(), ArchiveError> {
        if self.folders.contains(path) {
            return Ok(());
        }
        let place = self.on_disk(path);
        match fs::symlink_metadata(&place) {
            Ok(found) if found.is_symlink() => return Err(ArchiveError::ThroughLink(path.display().to_string())),
            Ok(found) if !found.is_dir() => return Err(ArchiveError::Conflict(path.display().to_string())),
            Ok(_) => {}
            Err(_) => {
                let made = DirBuilder::new().mode(0o755).create(&place).and_then(|()| self.given(&place));
                made.map_err(|error| write_error(&place, error))?;
            }
        }
        self.folders.insert(path.to_owned());
        Ok(())
    }

    fn given(&self, place: &Path) -> io::Result<()> {
        give(place, self.owner)
    }
}

/// Does a link at `path` stay inside the tree, by the text of its target alone?
fn stays_inside(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    for part in target.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    !target.as_os_str().is_empty()
}
