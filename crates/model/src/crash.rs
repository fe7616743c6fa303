//! When a crashed dyno is tried again (DYNO-32).

use std::time::Duration;

/// The wait before attempt `crashes + 1`, after `crashes` ends in a row (at least 1).
///
/// The first is restarted at once. Then 5 s, doubling, to 5 minutes: on one's own server the machine's time is worth less
/// than a person who waits twenty minutes for a database to come back (the published steps are marked as uncertain).
#[must_use]
pub fn backoff(crashes: u32) -> Duration {
    match crashes {
        0 | 1 => Duration::ZERO,
        more => Duration::from_secs((5_u64 << (more - 2).min(6)).min(300)),
    }
}

/// A dyno that was up this long had a good run: the next crash counts as the first.
pub const GOOD_RUN: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dyno_32_grows_and_is_bounded() {
        let seconds: Vec<_> = (1..=9).map(|crashes| backoff(crashes).as_secs()).collect();
        assert_eq!(seconds, [0, 5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(backoff(u32::MAX).as_secs(), 300);
    }
}
