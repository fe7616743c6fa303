//! The part of our branch in the unified hierarchy that belongs to one data folder. Several Flowlines may run on a
//! machine; what is attached to the part of one (`crate::network`) does not concern the others. Its name also says which
//! loopback addresses its dynos have: taken twice, two of them would hear each other.

use super::branch::{divide, remove_slices, sweep};
use super::{make, named};
use crate::network::{BLOCKS, Block};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One claim. Whoever holds it, or a copy in a later process, keeps others from removing the folder.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    dir: PathBuf,
    block: Block,
    _lock: Arc<OwnedFd>,
}

impl Claim {
    /// Finds the part of this data folder, or makes it; clears what others left who are not there any more.
    pub(super) fn stake(branch: &Path, dynos: &Path) -> io::Result<Self> {
        let all = open(branch)?;
        // One at a time: until this is closed nobody else makes or removes a part.
        flock(&all, FlockOperation::LockExclusive)?;
        let owner = owner(dynos);
        let (mut known, mut taken) = (None, HashSet::new());
        for entry in fs::read_dir(branch)?.flatten() {
            let Some((block, of)) = parse(&entry.file_name().to_string_lossy()) else { continue };
            if of == owner {
                known = Some(block);
            } else if !clear(&entry.path()) {
                taken.insert(block);
            }
        }
        let wanted = (0..BLOCKS).map(|step| ((owner % u64::from(BLOCKS)) as u16 + step) % BLOCKS);
        let block = known.or_else(|| wanted.into_iter().find(|block| !taken.contains(block)));
        let block = block.ok_or_else(|| io::Error::other("every block of loopback addresses is taken"))?;
        let dir = branch.join(format!("{block:04x}-{owner:016x}"));
        make(&dir).map_err(|error| named(&dir, &error))?;
        let lock = open(&dir)?;
        flock(&lock, FlockOperation::LockShared)?;
        divide(&dir)?;
        Ok(Self { dir, block: Block(block), _lock: Arc::new(lock) })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Removes the folder, if there is nothing in it.
    pub(crate) fn give_up(&self) {
        // Otherwise another one removes it later.
        let _in_use = remove(&self.dir);
    }

    pub(crate) fn block(&self) -> Block {
        self.block
    }
}

/// `BLOCK-OWNER`, both in hexadecimal digits.
fn parse(name: &str) -> Option<(u16, u64)> {
    let (block, owner) = name.split_once('-')?;
    Some((u16::from_str_radix(block, 16).ok()?, u64::from_str_radix(owner, 16).ok()?))
}

/// A number for a folder that stays the same, also in later versions of this program (FNV-1a).
fn owner(dynos: &Path) -> u64 {
    let bytes = dynos.as_os_str().as_bytes().iter();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Removes the part of a Flowline of which nothing runs; `false`: it stays.
fn clear(part: &Path) -> bool {
    let Ok(lock) = open(part) else { return !part.exists() };
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return false;
    }
    sweep(part);
    remove(part)
}

/// `false`: there is something in it.
fn remove(part: &Path) -> bool {
    remove_slices(part);
    fs::remove_dir(part).is_ok()
}

fn open(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(dir, flags, Mode::empty()).map_err(|error| named(dir, &error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_data_folder_has_a_part_of_its_own_and_finds_it_again() {
        let branch = tempfile::tempdir().unwrap();
        let stake = |dynos: &str| Claim::stake(branch.path(), Path::new(dynos)).unwrap();
        let (one, other) = (stake("/a/run/dynos"), stake("/b/run/dynos"));
        assert_ne!(one.block(), other.block());
        assert_eq!(stake("/a/run/dynos").dir(), one.dir());
        let (dir, left) = (one.dir().to_owned(), other.dir().to_owned());
        drop((one, other));
        fs::create_dir(left.join("apps/dyno")).unwrap();
        let third = stake("/c/run/dynos");
        assert!(!dir.exists(), "nothing runs there");
        assert!(left.exists(), "somebody may be about to enter what is in it");
        assert!(
            third.dir().exists()
                && third.block() != Block(parse(left.file_name().unwrap().to_str().unwrap()).unwrap().0)
        );
    }
}
