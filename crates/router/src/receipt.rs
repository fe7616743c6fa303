//! What requests to an app met: the router's part of a deploy's receipt.
//!
//! A deploy takes one receipt before its new dynos are given to the router and one after the old ones are drained:
//!
//! - held during it: `after.since(&before).held`,
//! - failed during it: `after.since(&before).failed`,
//! - in flight on the old dynos at the switch: `Drained::in_flight_at_start` of the drain right after `set`,
//! - cut over: what the caller measures from the beginning to the end of `set`: every thread uses the new table then.

use serde::{Deserialize, Serialize};

/// How one app's requests fared. The totals count from the start of the router's process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Whose totals these are: a router that restarted or was upgraded counts anew.
    pub router_pid: u32,
    /// Requests that began and did not end: on a dyno, WebSockets included, or held.
    pub in_flight: u64,
    /// Requests that wait for a dyno to start.
    pub held_now: u64,
    /// Requests that ended, however they did.
    pub ended_total: u64,
    /// Requests that had to wait for a dyno to start, those of now included.
    pub held_total: u64,
    /// Requests that the router had to answer with an error, or whose response broke off (H10 to H25, H34).
    pub failed_total: u64,
}

/// How requests fared between two receipts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fared {
    /// Ended, however they did.
    pub ended: u64,
    /// Had to wait for a dyno to start.
    pub held: u64,
    /// Got an error of the router, or half a response.
    pub failed: u64,
}

impl Receipt {
    /// What happened after `earlier`. Where another router process counted by then, only what that one counted; an app
    /// that was removed and made again in between counts anew, too.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Fared {
        let anew = self.router_pid != earlier.router_pid || self.ended_total < earlier.ended_total;
        let before = if anew { Self::default() } else { *earlier };
        Fared {
            ended: self.ended_total.saturating_sub(before.ended_total),
            held: self.held_total.saturating_sub(before.held_total),
            failed: self.failed_total.saturating_sub(before.failed_total),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_that_counts_anew_is_not_subtracted_from() {
        let before = Receipt { router_pid: 1, ended_total: 100, held_total: 10, failed_total: 5, ..Receipt::default() };
        let after = Receipt { ended_total: 130, held_total: 12, ..before };
        assert_eq!(after.since(&before), Fared { ended: 30, held: 2, failed: 0 });
        let restarted = Receipt { router_pid: 2, ended_total: 300, held_total: 1, failed_total: 0, ..before };
        assert_eq!(restarted.since(&before), Fared { ended: 300, held: 1, failed: 0 });
    }
}
