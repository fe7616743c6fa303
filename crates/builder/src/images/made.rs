//! What one layer has made so far: whiteouts hide what lower layers have, wherever in the archive they stand.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

/// The names that one layer has made, as keyed hashes: 8 bytes for each of up to a million, whatever their length. Two that
/// collide (one chance in forty million for a full image, and nobody can aim at it) would keep one file of a lower layer.
pub(super) struct Made {
    hasher: RandomState,
    names: HashSet<u64>,
    whiteouts: HashSet<u64>,
}

impl Made {
    pub(super) fn nothing() -> Self {
        Self { hasher: RandomState::new(), names: HashSet::new(), whiteouts: HashSet::new() }
    }

    pub(super) fn add(&mut self, folder: &Path, name: &OsStr) {
        self.names.insert(self.key(folder, name));
    }

    pub(super) fn has(&self, folder: &Path, name: &OsStr) -> bool {
        self.names.contains(&self.key(folder, name))
    }

    /// `false` when the same whiteout was there before: all that it could hide is gone already.
    pub(super) fn add_whiteout(&mut self, folder: &Path, name: &OsStr) -> bool {
        self.whiteouts.insert(self.key(folder, name))
    }

    fn key(&self, folder: &Path, name: &OsStr) -> u64 {
        self.hasher.hash_one((folder.as_os_str(), name))
    }
}
