//! The machine's own clock and dice.

use model::time::Timestamp;
use model::world::World;
use std::time::{SystemTime, UNIX_EPOCH};

/// The only place of the control plane that asks the machine for time and chance.
pub(crate) struct SystemWorld;

impl World for SystemWorld {
    #[allow(clippy::disallowed_methods, reason = "this is the World that everything else asks")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    #[allow(clippy::expect_used, reason = "without randomness no secret may be made: stopping is the only safe answer")]
    fn random(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("the system's random number generator failed");
    }
}
