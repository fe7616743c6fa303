//! Halting all processes of a dyno, and letting them go on.

use super::{named, set};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// How the processes of one dyno are halted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Freezer {
    /// Its folder in the unified hierarchy. What is frozen there can be killed.
    Unified(PathBuf),
    /// Its folder in the v1 freezer's. What is frozen there ends only once it is thawed.
    V1(PathBuf),
    /// SIGSTOP and SIGCONT to all but its first process, by which they are sent.
    #[default]
    Signals,
}

impl Freezer {
    /// Halts or releases what is in the cgroup; `false` when there is no cgroup and signals have to do it.
    pub(crate) fn set(&self, frozen: bool) -> io::Result<bool> {
        match self {
            Self::Unified(dir) => set(dir, "cgroup.freeze", u8::from(frozen))?,
            Self::V1(dir) => set(dir, "freezer.state", if frozen { "FROZEN" } else { "THAWED" })?,
            Self::Signals => return Ok(false),
        }
        Ok(true)
    }
}

/// Releases a dyno whose keeper has gone: in a v1 freezer the kernel could not end its processes before.
pub(crate) fn thaw(dirs: &[PathBuf]) {
    for dir in dirs {
        // All but one of them have no such file.
        let _nothing_frozen = thaw_v1(dir);
    }
}

fn thaw_v1(dir: &Path) -> io::Result<()> {
    let file = dir.join("freezer.state");
    match fs::read_to_string(&file) {
        Ok(state) if state.trim() == "THAWED" => Ok(()),
        Ok(_frozen) => set(dir, "freezer.state", "THAWED"),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(named(&file, &error)),
    }
}
