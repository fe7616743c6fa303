//! A deploy's receipt: what the requests of that moment met. Kept with the release for ever.

use crate::id::ReleaseId;
use crate::time::Timestamp;

/// How the visitors fared while a release took over from the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeployReceipt {
    /// The release that took over.
    pub release: ReleaseId,
    /// Requests that the old dynos were answering at the moment of the switch; they were let finish.
    pub in_flight: u64,
    /// Requests that ended from the start of its dynos to the last answer of the old ones.
    pub requests: u64,
    /// Requests that had to wait for a dyno in that time.
    pub held: u64,
    /// Requests that the router had to answer with an error in that time, or whose answer broke off.
    pub failed: u64,
    /// How long the switch took, in microseconds: from the first router thread that uses the new dynos to the last.
    pub cut_over_us: u64,
    /// When the last old dyno had answered its last request.
    pub at: Timestamp,
}
