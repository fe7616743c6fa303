//! Chance that can be repeated: every actor draws from a stream of its own, so that its decisions do not depend on when
//! the others come to theirs.

use std::time::Duration;

/// One stream of random numbers (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    /// The stream of one actor.
    pub(crate) fn of(seed: u64, actor: &str) -> Self {
        Self(actor.bytes().fold(seed ^ 0x9e37_79b9_7f4a_7c15, |state, byte| mixed(state ^ u64::from(byte))))
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// `from` or more, below `to`.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.roll() % (to - from)
    }

    pub(crate) fn pause(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(self.between(from_ms, to_ms))
    }
}

fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}
