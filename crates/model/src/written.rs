//! What dynos and builds have written to the disk: how much they may, and who is ended when it is too much.

use crate::disk::{Space, amount};
use std::fmt;
use std::time::Duration;

/// Files and folders of one dyno or build: four times the largest source archive. Past that counting itself would cost, and
/// a file system has only so many for all.
pub const FILES_LIMIT: u64 = 1_000_000;

/// Folders in folders: deeper than any package manager nests them, and no deeper than a measurement can follow.
pub const DEPTH_LIMIT: usize = 128;

/// Ending a dyno must bring back at least this share of the floor, in percent: a small one is not worth an app's fall.
const WORTHWHILE_PERCENT: u64 = 10;

/// What one sandbox has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// What it takes on the disk.
    pub bytes: u64,
    /// Files, folders and links.
    pub files: u64,
    /// Its folders go deeper than [`DEPTH_LIMIT`]: there may be more below.
    pub too_deep: bool,
}

/// Why a dyno or a build is ended for what it wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Its own quota.
    Quota {
        /// What it wrote.
        bytes: u64,
        /// What it might have.
        limit_bytes: u64,
    },
    /// [`FILES_LIMIT`].
    Files(u64),
    /// [`DEPTH_LIMIT`].
    Depth,
    /// The disk is short, and nobody wrote more.
    Largest {
        /// What it wrote.
        bytes: u64,
        /// What is free.
        free_bytes: u64,
    },
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Quota { bytes, limit_bytes } => {
                write!(f, "disk quota exceeded: {} of {} written", amount(bytes), amount(limit_bytes))
            }
            Self::Files(files) => write!(f, "disk quota exceeded: {files} files, the limit is {FILES_LIMIT}"),
            Self::Depth => write!(f, "disk quota exceeded: folders inside folders, more than {DEPTH_LIMIT} deep"),
            Self::Largest { bytes, free_bytes } => write!(
                f,
                "the server's disk is nearly full ({} are free), and nothing else wrote as much to it: {}",
                amount(free_bytes),
                amount(bytes)
            ),
        }
    }
}

impl Over {
    /// The line in a dyno's log.
    #[must_use]
    pub fn of_dyno(self) -> String {
        format!("Error: {self} to /app and /tmp; files there are lost at each restart, keep them in object storage")
    }

    /// The line in a build's output.
    #[must_use]
    pub fn of_build(self) -> String {
        format!("The build is ended: {self}; make it download and write less")
    }
}

impl Written {
    /// Has it written more than it may?
    #[must_use]
    pub fn over(self, limit_bytes: u64) -> Option<Over> {
        if self.bytes > limit_bytes {
            Some(Over::Quota { bytes: self.bytes, limit_bytes })
        } else if self.files > FILES_LIMIT {
            Some(Over::Files(self.files))
        } else {
            self.too_deep.then_some(Over::Depth)
        }
    }

    /// When it should be measured again: halfway to its limit at the pace of the last look, within these bounds.
    #[must_use]
    pub fn next_look(
        self,
        before: Self,
        between: Duration,
        limit_bytes: u64,
        bounds: (Duration, Duration),
    ) -> Duration {
        let (soonest, latest) = bounds;
        let grown_bytes = self.bytes.saturating_sub(before.bytes);
        if grown_bytes == 0 {
            return latest;
        }
        let left_bytes = limit_bytes.saturating_sub(self.bytes) / 2;
        // Sizes of a disk, far below what a f64 counts exactly.
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let factor = left_bytes as f64 / grown_bytes as f64;
        Duration::try_from_secs_f64(between.as_secs_f64() * factor).unwrap_or(latest).clamp(soonest, latest)
    }
}

/// Whom to end so that the disk has room again: the largest, where that helps and what dynos and builds wrote is what is missing.
#[must_use]
pub fn largest<T: Copy>(space: Space, all: &[(T, Written)]) -> Option<(T, Over)> {
    let floor_bytes = space.floor_bytes();
    let missing_bytes = floor_bytes.saturating_sub(space.free_bytes);
    let (id, written) = all.iter().max_by_key(|(_, written)| written.bytes)?;
    let total_bytes = all.iter().fold(0_u64, |total, (_, written)| total.saturating_add(written.bytes));
    let worthwhile = written.bytes >= floor_bytes / 100 * WORTHWHILE_PERCENT;
    let helps = missing_bytes > 0 && total_bytes >= missing_bytes && worthwhile;
    helps.then_some((*id, Over::Largest { bytes: written.bytes, free_bytes: space.free_bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn bytes(bytes: u64) -> Written {
        Written { bytes, ..Written::default() }
    }

    #[test]
    fn a_quota_is_used_up_by_bytes_files_or_depth() {
        assert_eq!(bytes(4 * GIB).over(4 * GIB), None);
        let over = bytes(4 * GIB + GIB / 8).over(4 * GIB).unwrap();
        let line = "Error: disk quota exceeded: 4.1 GB of 4.0 GB written to /app and /tmp; files there are lost at each \
                    restart, keep them in object storage";
        assert_eq!(over.of_dyno(), line);
        let many = Written { files: FILES_LIMIT + 1, ..Written::default() };
        assert!(many.over(GIB).unwrap().of_build().contains("1000001 files, the limit is 1000000"));
        let deep = Written { too_deep: true, ..Written::default() };
        assert_eq!(deep.over(GIB), Some(Over::Depth));
    }

    #[test]
    fn one_that_grows_is_looked_at_before_it_can_be_over() {
        let bounds = (Duration::from_secs(1), Duration::from_secs(30));
        let next = |before, now| bytes(now).next_look(bytes(before), Duration::from_secs(2), 4 * GIB, bounds).as_secs();
        assert_eq!(next(GIB, GIB), 30, "it does not grow");
        assert_eq!(next(GIB, GIB / 2), 30, "it shrinks");
        assert_eq!(next(0, GIB), 3, "1 GiB in two seconds, 3 left: half of six seconds");
        assert_eq!(next(0, 5 * GIB), 1);
        assert_eq!(next(0, 1), 30);
    }

    #[test]
    fn the_largest_is_ended_only_where_that_helps() {
        let disk = |free_bytes| Space { total_bytes: 100 * GIB, free_bytes };
        let all = [("a", bytes(GIB / 2)), ("b", bytes(3 * GIB)), ("c", bytes(0))];
        assert_eq!(largest(disk(GIB), &all), None, "the floor is free");
        let (who, over) = largest(disk(GIB / 2), &all).unwrap();
        assert_eq!(who, "b");
        assert!(over.to_string().contains("512.0 MB are free") && over.to_string().ends_with(": 3.0 GB"), "{over}");
        assert_eq!(largest(disk(0), &[("a", bytes(GIB / 2))]), None, "dynos are not what fills it");
        let many = [("a", bytes(GIB / 20)); 30];
        assert_eq!(largest(disk(0), &many), None, "each is too small to be worth it");
        assert_eq!(largest::<&str>(disk(0), &[]), None);
    }
}
