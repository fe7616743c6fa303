//! How busy an app is: by this it is put to sleep.

use serde::{Deserialize, Serialize};

/// What is open of one app now, and how long nothing happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Requests that began and did not end: on a dyno, WebSockets included, or held.
    pub in_flight: u64,
    /// Milliseconds since a request last began or ended; where there was none, since the router first knew the app. Says
    /// nothing while requests are in flight.
    pub idle_ms: u64,
}

impl Activity {
    /// The same app on another thread.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { in_flight: self.in_flight + other.in_flight, idle_ms: self.idle_ms.min(other.idle_ms) }
    }
}
