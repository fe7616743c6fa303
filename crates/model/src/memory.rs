//! What a dyno uses, and what its quota says about it (DYNO-40, DYNO-41).

use crate::size::DynoSize;

/// A mebibyte, which the log calls MB.
const MIB: u64 = 1024 * 1024;

/// So many times its quota is vastly above it (DYNO-41: the documented example is at 201 %).
const VAST: u64 = 2;

/// Of a machine's memory, what apps and builds do not get: for the control plane and the system. A sixteenth…
const RESERVE_PART: u64 = 16;

/// …but at least this much, as long as it is not more than a quarter…
const RESERVE_LEAST_BYTES: u64 = 384 * MIB;

/// …and at most this much: a large machine's system is no larger.
const RESERVE_MOST_BYTES: u64 = 2048 * MIB;

/// What one dyno uses at a moment, from its cgroups. What they do not tell is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memory of its processes, and files in memory (`/dev/shm`): what cannot be dropped.
    pub rss_bytes: u64,
    /// Page cache: files that it read or wrote. The kernel drops it when memory is wanted.
    pub cache_bytes: u64,
    /// Swapped out.
    pub swap_bytes: u64,
    /// Pages that came into its memory since its start.
    pub pages_in: u64,
    /// Pages that left it.
    pub pages_out: u64,
    /// CPU time since its start, in microseconds.
    pub cpu_us: u64,
    /// Processes and threads now, its init included.
    pub processes: u64,
    /// Processes that the kernel killed because memory ran out.
    pub oom_kills: u64,
}

impl Usage {
    /// What counts against the quota. Not the page cache: every dyno that reads files would fill its quota with it, and
    /// the kernel takes it back without harm.
    #[must_use]
    pub fn counted_bytes(&self) -> u64 {
        self.rss_bytes + self.swap_bytes
    }
}

/// What a dyno's use means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Within its quota.
    Within,
    /// R14: it goes on, with a warning.
    Exceeded,
    /// R15: it is ended.
    VastlyExceeded,
}

/// Judges what a dyno uses.
#[must_use]
pub fn judge(size: DynoSize, counted_bytes: u64) -> Verdict {
    let quota = size.limits().memory_bytes;
    if counted_bytes >= VAST * quota {
        Verdict::VastlyExceeded
    } else if counted_bytes > quota && size.is_warned() {
        Verdict::Exceeded
    } else {
        Verdict::Within
    }
}

/// What the log says of a verdict, line by line.
#[must_use]
pub fn lines(size: DynoSize, counted_bytes: u64, verdict: Verdict) -> Vec<String> {
    let running = running(size, counted_bytes);
    match verdict {
        Verdict::Within => Vec::new(),
        Verdict::Exceeded => vec![running, "Error R14 (Memory quota exceeded)".to_owned()],
        Verdict::VastlyExceeded => vec![
            running,
            "Error R15 (Memory quota vastly exceeded)".to_owned(),
            "Stopping process with SIGKILL".to_owned(),
        ],
    }
}

/// `Process running mem=1028MB(103.3%)`: cut, not rounded, like the documented line.
fn running(size: DynoSize, counted_bytes: u64) -> String {
    let quota = size.limits().memory_bytes;
    let permille = counted_bytes * 1000 / quota;
    format!("Process running mem={}MB({}.{}%)", counted_bytes / MIB, permille / 10, permille % 10)
}

/// What apps and builds together may take of a machine's memory.
#[must_use]
pub fn budget_bytes(total_bytes: u64) -> u64 {
    let least = RESERVE_LEAST_BYTES.min(total_bytes / 4);
    total_bytes - (total_bytes / RESERVE_PART).clamp(least, RESERVE_MOST_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: DynoSize = DynoSize::Standard2X;

    #[test]
    fn dyno_40_above_the_quota_it_is_warned_and_goes_on() {
        assert_eq!(judge(SIZE, 1024 * MIB), Verdict::Within);
        let used = 1058 * MIB;
        assert_eq!(judge(SIZE, used), Verdict::Exceeded);
        let said = lines(SIZE, used, Verdict::Exceeded);
        assert_eq!(said, ["Process running mem=1058MB(103.3%)", "Error R14 (Memory quota exceeded)"]);
        assert!(lines(SIZE, MIB, Verdict::Within).is_empty());
    }

    #[test]
    fn dyno_41_at_twice_the_quota_it_is_ended() {
        assert_eq!(judge(SIZE, 2048 * MIB - 1), Verdict::Exceeded);
        assert_eq!(judge(SIZE, 2048 * MIB), Verdict::VastlyExceeded);
        let said = lines(SIZE, 2048 * MIB, Verdict::VastlyExceeded);
        assert_eq!(said[1..], ["Error R15 (Memory quota vastly exceeded)", "Stopping process with SIGKILL"]);
    }

    #[test]
    fn space_62_a_private_dyno_is_never_warned() {
        assert_eq!(judge(DynoSize::PrivateS, 1500 * MIB), Verdict::Within);
    }

    #[test]
    fn page_cache_does_not_count() {
        let usage = Usage { rss_bytes: 3, cache_bytes: 1000, swap_bytes: 4, ..Usage::default() };
        assert_eq!(usage.counted_bytes(), 7);
    }

    #[test]
    fn the_system_keeps_a_part_of_every_machine() {
        let reserve = |mib: u64| mib - budget_bytes(mib * MIB) / MIB;
        assert_eq!([512, 1024, 8192, 24_576, 262_144].map(reserve), [128, 256, 512, 1536, 2048]);
    }
}
