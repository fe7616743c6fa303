//! The keeper's clocks. `World` lives in `serve`; the keeper is the first to see a line, so it says when.

use rustix::event::{Timespec, poll};
use rustix::time::{ClockId, clock_gettime};

/// A moment of the monotonic clock, in milliseconds.
pub(crate) fn monotonic_ms() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1000 + now.tv_nsec.cast_unsigned() / 1_000_000
}

/// Microseconds since the Unix epoch.
pub(super) fn realtime_us() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

/// For `poll`.
pub(crate) fn timespec(ms: u64) -> Timespec {
    Timespec { tv_sec: (ms / 1000).cast_signed(), tv_nsec: (ms % 1000 * 1_000_000).cast_signed() }
}

/// Sleeps, where a process has nothing else to do.
pub(crate) fn pause(ms: u64) {
    let _interrupted = poll(&mut [], Some(&timespec(ms)));
}
