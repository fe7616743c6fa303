//! The folder that an image's layers are laid into. Whatever links lie in it, nothing outside is read or written: links
//! resolve as if the folder were `/`, and the result is opened with the kernel's word that there is no link in it.

use super::LayerError;
use super::layer::WHITEOUT;
use super::made::Made;
use crate::tree::{Owner, ReadError, read_inside};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid, chmodat, chownat, linkat, mkdirat, openat,
    openat2, readlinkat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// Folders inside each other: twice what the deepest trees of dependencies have, and few enough to be open at once.
pub(super) const FOLDER_DEPTH_LIMIT: usize = 128;

/// Links on the way to one place, as in the kernel.
const LINK_LIMIT: usize = 40;

/// What of a mode is kept: rights and the sticky bit, not the set-id bits.
const MODE_BITS: u32 = 0o1777;

/// The folder.
pub(super) struct Root {
    path: PathBuf,
    top: OwnedFd,
    owner: Option<Owner>,
    /// Where the last entry went: archives name a folder's children one after the other.
    last: Option<(PathBuf, Rc<Folder>)>,
}

/// A folder in it.
pub(super) struct Folder {
    /// Below the top, without links.
    pub(super) path: PathBuf,
    fd: OwnedFd,
}

impl Root {
    pub(super) fn open(path: &Path, owner: Option<Owner>) -> io::Result<Self> {
        let top = openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { path: path.to_owned(), top, owner, last: None })
    }

    /// The folder where the image has `path`; what is missing on the way is made.
    pub(super) fn folder(&mut self, path: &Path, made: &mut Made) -> Result<Rc<Folder>, LayerError> {
        if let Some((last, folder)) = &self.last
            && last == path
        {
            return Ok(Rc::clone(folder));
        }
        let real = self.real(path)?;
        let folder = match self.open_real(&real) {
            Err(Errno::NOENT) => self.make_all(&real, made)?,
            opened => opened.map_err(|error| not_a_folder(path, error))?,
        };
        let folder = Rc::new(folder);
        self.last = Some((path.to_owned(), Rc::clone(&folder)));
        Ok(folder)
    }

    /// The same, where it is there.
    pub(super) fn find(&self, path: &Path) -> Result<Option<Folder>, LayerError> {
        match self.open_real(&self.real(path)?) {
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            opened => opened.map(Some).map_err(|error| not_a_folder(path, error)),
        }
    }

    /// Makes a folder, or takes the one that is there; anything else gives way.
    pub(super) fn make_folder(&mut self, within: &Folder, name: &OsStr, mode: u32) -> io::Result<()> {
        if !is_dir(&stat(within, name)?) {
            self.clear(within, name)?;
            mkdirat(&within.fd, name, Mode::RWXU)?;
            self.give(&within.fd, name)?;
        }
        // The owner must be able to fill it, whatever the archive says.
        Ok(chmodat(&within.fd, name, Mode::from_raw_mode(mode & MODE_BITS | 0o700), AtFlags::empty())?)
    }

    /// Makes an empty file in place of what is there.
    pub(super) fn make_file(&mut self, within: &Folder, name: &OsStr, mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(&within.fd, name, flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) => {
                self.clear(within, name)?;
                openat(&within.fd, name, flags, Mode::RUSR | Mode::WUSR)?
            }
            made => made?,
        };
        self.give(&within.fd, name)?;
        // What somebody may run, its owner may run.
        let run = if mode & 0o111 == 0 { 0 } else { 0o100 };
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & MODE_BITS | 0o600 | run))?;
        Ok(File::from(file))
    }

    /// Makes a symbolic link in place of what is there; where it points is the image's business.
    pub(super) fn make_link(&mut self, within: &Folder, name: &OsStr, target: &Path) -> io::Result<()> {
        self.clear(within, name)?;
        symlinkat(target, &within.fd, name)?;
        self.give(&within.fd, name)
    }

    /// Gives a file or link (not what it points to) a second name; `false` where there is no such file.
    pub(super) fn make_hard_link(
        &mut self,
        from: (&Folder, &OsStr),
        (within, name): (&Folder, &OsStr),
    ) -> io::Result<bool> {
        let Some(found) = stat(from.0, from.1)?.filter(|found| !is_dir(&Some(*found))) else { return Ok(false) };
        if stat(within, name)?.is_some_and(|there| (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino)) {
            return Ok(true);
        }
        self.clear(within, name)?;
        linkat(&from.0.fd, from.1, &within.fd, name, AtFlags::empty())?;
        Ok(true)
    }

    /// Removes `name` with all below it, but not what `made` names and the folders that lead there.
    pub(super) fn hide(&mut self, within: &Folder, name: &OsStr, made: &Made) -> io::Result<()> {
        // A folder may go, or a link that led somewhere.
        self.last = None;
        remove(&within.fd, &within.path, name, Some(made)).map(drop)
    }

    /// [`Self::hide`] for all in a folder.
    pub(super) fn hide_all(&mut self, within: &Folder, made: &Made) -> io::Result<()> {
        self.last = None;
        for name in names(&within.fd)? {
            remove(&within.fd, &within.path, &name, Some(made))?;
        }
        Ok(())
    }

    /// The contents of a file; none where there is no plain file of at most this size.
    pub(super) fn read(&self, path: &Path, limit_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        match read_inside(&self.path, path, limit_bytes) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ReadError::Missing | ReadError::NotAFile | ReadError::TooLarge(_)) => Ok(None),
            Err(ReadError::Io(error)) => Err(error),
        }
    }

    /// Is there nothing of that name, but a folder where it would lie, or nothing either?
    pub(super) fn is_free(&self, path: &Path) -> bool {
        let parent = self.find(path.parent().unwrap_or(Path::new("")));
        match (parent, path.file_name()) {
            (Ok(Some(within)), Some(name)) => matches!(stat(&within, name), Ok(None)),
            (Ok(None), Some(_)) => self.real(path).is_ok(),
            (_, _) => false,
        }
    }

    /// A plain file with these contents, in place of the one or the link that is there.
    pub(super) fn replace(&mut self, path: &Path, contents: &[u8]) -> io::Result<()> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
        let within = self.folder(parent, &mut Made::nothing()).map_err(io::Error::other)?;
        let mode = stat(&within, name)?.filter(is_file).map_or(0o644, |found| found.st_mode);
        self.clear(&within, name)?;
        self.make_file(&within, name, mode)?.write_all(contents)
    }

    /// Where the image has `path`: below the top and without links, as far as there is something.
    fn real(&self, path: &Path) -> Result<PathBuf, LayerError> {
        let (mut real, mut depth, mut links) = (PathBuf::new(), 0, 0);
        let mut ahead: Vec<OsString> = path.iter().rev().map(OsStr::to_owned).collect();
        while let Some(part) = ahead.pop() {
            if part == ".." {
                depth -= usize::from(real.pop());
                continue;
            }
            if part.as_bytes().starts_with(WHITEOUT) {
                return Err(LayerError::Reserved(path.display().to_string()));
            }
            real.push(&part);
            depth += 1;
            if depth > FOLDER_DEPTH_LIMIT {
                return Err(LayerError::TooDeep(path.display().to_string()));
            }
            let target = match readlinkat(&self.top, &real, Vec::new()) {
                Ok(target) => PathBuf::from(OsString::from_vec(target.into_bytes())),
                // No link, or nothing at all.
                Err(Errno::INVAL | Errno::NOENT) => continue,
                Err(error) => return Err(not_a_folder(path, error)),
            };
            links += 1;
            if links > LINK_LIMIT {
                return Err(LayerError::Circle(path.display().to_string()));
            }
            if target.is_absolute() {
                (real, depth) = (PathBuf::new(), 0);
            } else {
                depth -= usize::from(real.pop());
            }
            let parts = target.components().rev();
            ahead.extend(parts.filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir)).map(owned));
        }
        Ok(real)
    }

    fn open_real(&self, real: &Path) -> Result<Folder, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let name = if real.as_os_str().is_empty() { Path::new(".") } else { real };
        let fd = openat2(&self.top, name, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)?;
        Ok(Folder { path: real.to_owned(), fd })
    }

    fn make_all(&mut self, real: &Path, made: &mut Made) -> Result<Folder, LayerError> {
        let mut within = self.open_real(Path::new("")).map_err(|error| not_a_folder(real, error))?;
        for name in real {
            let path = within.path.join(name);
            within = match self.open_real(&path) {
                Err(Errno::NOENT) => {
                    self.make_folder(&within, name, 0o755).map_err(LayerError::write(&path))?;
                    made.add(&within.path, name);
                    self.open_real(&path)
                }
                there => there,
            }
            .map_err(|error| not_a_folder(&path, error))?;
        }
        Ok(within)
    }

    /// Nothing is there afterwards.
    fn clear(&mut self, within: &Folder, name: &OsStr) -> io::Result<()> {
        match stat(within, name)? {
            None => return Ok(()),
            Some(found) if is_file(&found) => {}
            // A folder may go, or a link that led somewhere.
            Some(_) => self.last = None,
        }
        remove(&within.fd, &within.path, name, None).map(drop)
    }

    fn give(&self, within: &OwnedFd, name: &OsStr) -> io::Result<()> {
        let Some((user, group)) = self.owner else { return Ok(()) };
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        Ok(chownat(within, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

/// Removes `name` but what `keep` names below it; `true` when nothing of it is left.
fn remove(within: &OwnedFd, path: &Path, name: &OsStr, keep: Option<&Made>) -> io::Result<bool> {
    let kept = keep.is_some_and(|made| made.has(path, name));
    match statat(within, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(true),
        Ok(found) if is_dir(&Some(found)) => {}
        Ok(_) if kept => return Ok(false),
        Ok(_) => return Ok(unlinkat(within, name, AtFlags::empty()).map(|()| true)?),
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(within, name, flags, Mode::empty())?;
    let below = path.join(name);
    let mut all = true;
    for child in names(&folder)? {
        all &= remove(&folder, &below, &child, keep)?;
    }
    if kept || !all {
        return Ok(false);
    }
    Ok(unlinkat(within, name, AtFlags::REMOVEDIR).map(|()| true)?)
}

/// The names in a folder, read to the end before one of them goes.
fn names(folder: &OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder.as_fd())? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    Ok(names)
}

fn stat(within: &Folder, name: &OsStr) -> io::Result<Option<Stat>> {
    match statat(&within.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(None),
        found => Ok(Some(found?)),
    }
}

fn is_dir(found: &Option<Stat>) -> bool {
    found.as_ref().is_some_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory)
}

fn is_file(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
}

fn owned(part: Component<'_>) -> OsString {
    part.as_os_str().to_owned()
}

fn not_a_folder(path: &Path, error: Errno) -> LayerError {
    match error {
        Errno::NOTDIR | Errno::LOOP => LayerError::Conflict(path.display().to_string()),
        error => LayerError::write(path)(error.into()),
    }
}
