//! How much of the disk each kind of thing may take, for one app and in all. What goes first is what was used least lately.

use crate::retention::KEPT_SLUGS;
use crate::size::{DynoSize, Limits};

const GIB: u64 = 1024 * 1024 * 1024;

/// The least that an operator may let a dyno write, in bytes: growth is noticed in steps of half of it.
pub const DYNO_DISK_LEAST_BYTES: u64 = 256 * 1024 * 1024;

/// The limits that an operator may set. Logs have fixed ones: two files of each app, 2 MiB in all but for very long lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budgets {
    /// Slugs of an app that can be rolled back to (RLS-7).
    pub kept_slugs: usize,
    /// Of an app's repository: a push that makes it larger is refused.
    pub repository_bytes: u64,
    /// Of an app's build cache: a larger one goes.
    pub cache_bytes: u64,
    /// Of all build caches.
    pub caches_bytes: u64,
    /// Of all unpacked slugs. Those that run stay; the others are unpacked again from their archives when they are needed.
    pub unpacked_bytes: u64,
    /// Of all that builds and release commands printed.
    pub outputs_bytes: u64,
    /// Of what one dyno wrote, whatever its size. `None`: as its size has it.
    pub dyno_disk_bytes: Option<u64>,
}

impl Budgets {
    /// What a dyno of this size may use on this machine.
    #[must_use]
    pub fn limits(&self, size: DynoSize) -> Limits {
        let limits = size.limits();
        Limits { disk_bytes: self.dyno_disk_bytes.unwrap_or(limits.disk_bytes), ..limits }
    }
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            kept_slugs: KEPT_SLUGS,
            // A checkout may have 1 GB (BLD-4); its history has as much room again.
            repository_bytes: 2 * GIB,
            // Four generations of the dependencies of a large app.
            cache_bytes: 4 * GIB,
            caches_bytes: 20 * GIB,
            unpacked_bytes: 20 * GIB,
            // The longest output of 128 builds, or an ordinary one of many thousands.
            outputs_bytes: 2 * GIB,
            dyno_disk_bytes: None,
        }
    }
}

/// Something that may go to make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spare<T> {
    /// Which one.
    pub what: T,
    /// What it takes.
    pub bytes: u64,
    /// When it was used last, in any unit that grows.
    pub used_at: i64,
}

/// What goes so that all together take no more than the budget: what was used longest ago first.
#[must_use]
pub fn over_budget<T: Copy>(mut all: Vec<Spare<T>>, budget_bytes: u64) -> Vec<Spare<T>> {
    let total_bytes = all.iter().fold(0_u64, |total, spare| total.saturating_add(spare.bytes));
    all.sort_by_key(|spare| spare.used_at);
    let mut surplus_bytes = total_bytes.saturating_sub(budget_bytes);
    let mut going = Vec::new();
    for spare in all.into_iter().filter(|spare| spare.bytes > 0) {
        if surplus_bytes == 0 {
            break;
        }
        surplus_bytes = surplus_bytes.saturating_sub(spare.bytes);
        going.push(spare);
    }
    going
}

/// `500M`, `2G`, `1T` or plain bytes, as people write sizes; a `B` or `iB` at the end is let be.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_uppercase();
    let text = text.strip_suffix("IB").or_else(|| text.strip_suffix('B')).unwrap_or(&text);
    let (number, shift) = match text.chars().last()? {
        'K' => (&text[..text.len() - 1], 10),
        'M' => (&text[..text.len() - 1], 20),
        'G' => (&text[..text.len() - 1], 30),
        'T' => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    number.trim().parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first_and_only_as_much_as_is_too_much() {
        let all = || vec![spare("new", 30, 9), spare("old", 20, 1), spare("empty", 0, 0), spare("middle", 50, 5)];
        let going = |budget| over_budget(all(), budget).into_iter().map(|spare| spare.what).collect::<Vec<_>>();
        assert_eq!(going(100), [""; 0]);
        assert_eq!(going(99), ["old"]);
        assert_eq!(going(79), ["old", "middle"]);
        assert_eq!(going(0), ["old", "middle", "new"]);
    }

    fn spare(what: &'static str, bytes: u64, used_at: i64) -> Spare<&'static str> {
        Spare { what, bytes, used_at }
    }

    #[test]
    fn dyno_26_a_dyno_may_write_what_its_size_has_or_what_the_operator_says() {
        let disk = |budgets: Budgets, size| budgets.limits(size).disk_bytes;
        let ordinary = Budgets::default();
        assert_eq!(disk(ordinary, DynoSize::Eco), 4 * GIB);
        assert_eq!(disk(ordinary, DynoSize::PerformanceM), 20 * GIB);
        assert_eq!(disk(ordinary, DynoSize::Performance2Xl), 32 * GIB);
        let small = Budgets { dyno_disk_bytes: Some(GIB), ..ordinary };
        assert_eq!((disk(small, DynoSize::Eco), disk(small, DynoSize::Performance2Xl)), (GIB, GIB));
    }

    #[test]
    fn sizes_as_people_write_them() {
        for (text, bytes) in
            [("0", 0), ("512", 512), ("3k", 3072), ("2G", 2 * GIB), ("2 GiB", 2 * GIB), ("1tb", GIB << 10)]
        {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for bad in ["", "G", "-1", "1.5G", "99999999T", "2X", "ü"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }
}
