//! What a sandbox has written to the disk, measured by walking its folders.
//!
//! A dyno may change its folders meanwhile and wants to mislead: no link is followed, no path is taken from it that could
//! grow too long, depth and count are bounded, and files that are deleted but still open count too.

use crate::folder::Folder;
use model::written::{DEPTH_LIMIT, FILES_LIMIT, Written};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, statat};
use std::collections::HashSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// `st_blocks` counts in these, whatever the file system's own blocks are.
const BLOCK_BYTES: u64 = 512;

/// What was counted so far.
#[derive(Debug, Default)]
pub(crate) struct Measure {
    written: Written,
    /// All is counted, however many files it is: for folders that only Flowline itself fills.
    to_the_end: bool,
    /// Files with more than one name, which count once.
    linked: HashSet<(u64, u64)>,
}

impl Measure {
    /// Counts all below a folder; one that is not there, or cannot be read, counts nothing.
    pub(crate) fn add(&mut self, folder: &Path) {
        if let Ok(folder) = open(CWD, folder) {
            self.walk(&folder, 1);
        }
    }

    /// Counts what the dyno's processes hold open that has no name any more.
    pub(crate) fn add_deleted(&mut self, folder: &Folder) {
        let Ok(order) = folder.read_order() else { return };
        // The same processes are in every hierarchy.
        let processes = order.cgroups.iter().find_map(|cgroup| {
            let processes = fs::read_to_string(cgroup.join("cgroup.procs")).ok()?;
            Some(processes).filter(|processes| !processes.is_empty())
        });
        for process in processes.unwrap_or_default().lines() {
            let process = PathBuf::from("/proc").join(process);
            // Memory-backed files are the memory limit's business.
            let devices =
                ["root/app", "root/tmp"].map(|place| rustix::fs::stat(process.join(place)).map(|at| at.st_dev));
            for file in fs::read_dir(process.join("fd")).into_iter().flatten().flatten() {
                let Ok(at) = rustix::fs::stat(file.path()) else { continue };
                let plain = FileType::from_raw_mode(at.st_mode) == FileType::RegularFile;
                if plain && at.st_nlink == 0 && devices.contains(&Ok(at.st_dev)) && self.is_new(&at) {
                    self.count(&at);
                }
            }
        }
    }

    pub(crate) fn written(&self) -> Written {
        self.written
    }

    fn walk(&mut self, folder: &OwnedFd, depth: usize) {
        if depth > DEPTH_LIMIT {
            self.written.too_deep = true;
            return;
        }
        for entry in Dir::read_from(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            // It may be gone already.
            let Ok(at) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let is_folder = FileType::from_raw_mode(at.st_mode) == FileType::Directory;
            if is_folder || at.st_nlink <= 1 || self.is_new(&at) {
                self.count(&at);
            }
            if self.written.files > FILES_LIMIT && !self.to_the_end {
                return;
            }
            if is_folder && let Ok(below) = open(folder, name) {
                self.walk(&below, depth + 1);
            }
        }
    }

    fn is_new(&mut self, at: &Stat) -> bool {
        self.linked.insert((at.st_dev, at.st_ino))
    }

    fn count(&mut self, at: &Stat) {
        self.written.files += 1;
        self.written.bytes =
            self.written.bytes.saturating_add(at.st_blocks.cast_unsigned().saturating_mul(BLOCK_BYTES));
    }
}

/// Opens a folder, and nothing that a link leads to.
fn open(at: impl std::os::fd::AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty())
}

/// What all below some folders takes on the disk. Blocks.
#[must_use]
pub fn written(folders: &[PathBuf]) -> Written {
    let mut measure = Measure::default();
    folders.iter().for_each(|folder| measure.add(folder));
    measure.written()
}

/// What a folder takes on the disk in bytes, however many files it is. Blocks.
#[must_use]
pub fn written_without_limit(folder: &Path) -> u64 {
    let mut measure = Measure { to_the_end: true, ..Measure::default() };
    measure.add(folder);
    measure.written().bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn of(folder: &Path) -> Written {
        written(&[folder.to_owned()])
    }

    #[test]
    fn files_count_once_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("measured");
        fs::create_dir_all(place.join("a/b")).unwrap();
        fs::write(dir.path().join("outside"), vec![1; 4 << 20]).unwrap();
        symlink(dir.path(), place.join("a/out")).unwrap();
        symlink(dir.path().join("outside"), place.join("link")).unwrap();
        let empty = of(&place);
        assert_eq!((empty.files, empty.too_deep), (4, false));
        assert!(empty.bytes < 1 << 20, "{empty:?}");
        fs::write(place.join("a/b/file"), vec![1; 1 << 20]).unwrap();
        for name in ["second", "third"] {
            fs::hard_link(place.join("a/b/file"), place.join(name)).unwrap();
        }
        let full = of(&place);
        assert_eq!(full.files, 5);
        assert!((1 << 20..3 << 19).contains(&(full.bytes - empty.bytes)), "{full:?}");
        // What is announced and not written takes nothing.
        fs::File::create(place.join("sparse")).unwrap().set_len(1 << 40).unwrap();
        assert!(of(&place).bytes < full.bytes + (1 << 20));
        assert_eq!(of(&dir.path().join("missing")), Written::default());
        assert_eq!(of(&place.join("link")), Written::default());
    }

    #[test]
    fn a_tree_that_is_too_deep_for_paths_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let mut at = open(CWD, dir.path()).unwrap();
        let name = "n".repeat(200);
        for _ in 0..DEPTH_LIMIT {
            rustix::fs::mkdirat(&at, name.as_str(), Mode::RWXU).unwrap();
            at = open(&at, name.as_str()).unwrap();
        }
        assert!(of(dir.path()).too_deep);
        let shallow = dir.path().join(&name);
        assert!(!of(&shallow).too_deep);
    }
}
