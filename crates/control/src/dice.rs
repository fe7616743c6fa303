//! For tests: a world in which every secret differs from the others, and time stands still.

use model::time::Timestamp;
use model::world::World;
use std::sync::atomic::{AtomicU8, Ordering};

/// How often it was thrown.
#[derive(Default)]
pub(crate) struct Dice(AtomicU8);

impl World for Dice {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn random(&self, bytes: &mut [u8]) {
        let thrown = self.0.fetch_add(1, Ordering::Relaxed);
        bytes.fill(thrown);
        // The name in a secret differs from the rest of another's.
        bytes[0] = thrown.wrapping_add(1);
        bytes[bytes.len() - 1] = 1;
    }
}
