//! When memory runs out in a dyno: the kernel kills a process of it, the keeper ends the rest.

use super::clock::monotonic_ms;
use crate::cgroup::OomWatch;
use model::dyno::OutOfMemory;
use rustix::event::PollFlags;
use std::os::fd::BorrowedFd;

/// On v1 the bell rings before the kernel has chosen whom to kill, also for want of memory elsewhere; the kernel does so
/// within milliseconds, on a machine that has other troubles within seconds.
const DOUBT_MS: u64 = 5_000;

/// Between two looks at the counters meanwhile.
const LOOK_MS: u64 = 10;

/// What a keeper knows of its dyno's want of memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    watch: OomWatch,
    /// The bell has rung; until then its outcome is looked for.
    doubt_until: Option<u64>,
    struck: Option<OutOfMemory>,
}

impl Memory {
    pub(super) fn of(watch: OomWatch) -> Self {
        Self { watch, ..Self::default() }
    }

    /// What to wait for, as long as there is something to learn.
    pub(super) fn source(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        self.watch.source().filter(|_| self.struck.is_none())
    }

    /// When to look again.
    pub(super) fn next_look(&self) -> Option<u64> {
        self.doubt_until.map(|until| until.min(monotonic_ms() + LOOK_MS))
    }

    /// Looks, if there is a reason to; `true`: a process was killed, which was not known before.
    pub(super) fn look(&mut self) -> bool {
        if self.watch.rang() {
            let doubt_ms = if self.watch.rings_early() { DOUBT_MS } else { 0 };
            self.doubt_until = Some(monotonic_ms() + doubt_ms);
        }
        let Some(until) = self.doubt_until else { return false };
        let struck = self.look_at_last();
        if struck.is_some() || monotonic_ms() >= until {
            self.doubt_until = None;
        }
        struck.is_some()
    }

    /// Whose memory ran out, if that was why a process ended.
    pub(super) fn look_at_last(&mut self) -> Option<OutOfMemory> {
        if self.struck.is_none() {
            self.struck = self.watch.struck();
        }
        self.struck
    }
}
