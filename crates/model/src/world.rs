//! Where time and chance come from. Product code never asks the machine itself.

use crate::time::Timestamp;
use uuid::Uuid;

/// The clock and the dice. The system's own in `flowline`, a manual one in tests.
pub trait World: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Fills `bytes` with unpredictable bytes, fit for secrets.
    fn random(&self, bytes: &mut [u8]);
}

impl dyn World {
    /// A new random (version 4) id.
    pub fn new_id<Id: From<Uuid>>(&self) -> Id {
        let mut bytes = [0; 16];
        self.random(&mut bytes);
        Id::from(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// A number below `limit` (0 when `limit` is 0).
    pub fn below(&self, limit: u32) -> u32 {
        let mut bytes = [0; 8];
        self.random(&mut bytes);
        // 64 random bits over a 32-bit range: the bias is below 2^-32.
        u32::try_from(u64::from_le_bytes(bytes) % u64::from(limit.max(1))).unwrap_or(0)
    }

    /// A secret of `N` random bytes as lower-case hex.
    pub fn secret<const N: usize>(&self) -> String {
        let mut bytes = [0; N];
        self.random(&mut bytes);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
