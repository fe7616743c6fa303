//! Halting a dyno's processes, and what is known of it.

use crate::cgroup::{Cgroup, Freezer};
use crate::sandbox::{Sandbox, Wish};
use std::io;

/// Is the dyno frozen, and how?
#[derive(Debug, Default)]
pub(super) struct Ice {
    freezer: Freezer,
    frozen: bool,
}

impl Ice {
    pub(super) fn of(cgroup: &Cgroup) -> Self {
        Self { freezer: cgroup.freezer(), frozen: false }
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Freezes or thaws, unless it is so already.
    pub(super) fn set(&mut self, sandbox: &Sandbox, frozen: bool) -> io::Result<()> {
        if self.frozen == frozen {
            return Ok(());
        }
        if !self.freezer.set(frozen)? {
            sandbox.wish(if frozen { Wish::Halt } else { Wish::GoOn })?;
        }
        self.frozen = frozen;
        Ok(())
    }
}
