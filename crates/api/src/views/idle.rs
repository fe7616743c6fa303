//! How an app sleeps, as clients see and set it: an extension of the Platform API.

use control::idle::Sleep;
use serde::{Deserialize, Serialize};

/// How an app sleeps.
#[derive(Debug, Clone, Serialize)]
pub struct SleepView {
    /// Minutes without a request; null: never by itself.
    sleep_after: Option<f64>,
    /// `frozen`, `stopped`, or null while it is awake.
    asleep: Option<&'static str>,
    asleep_since: Option<String>,
}

impl From<Sleep> for SleepView {
    fn from(sleep: Sleep) -> Self {
        Self {
            sleep_after: sleep.after.map(|after| after.as_secs_f64() / 60.0),
            asleep: sleep.asleep.map(|asleep| asleep.depth.word()),
            asleep_since: sleep.asleep.map(|asleep| asleep.since.rfc3339()),
        }
    }
}

/// Body of `PATCH /apps/{app}/sleep`.
#[derive(Debug, Deserialize)]
pub struct UpdateSleep {
    /// Minutes, or null for never.
    #[serde(deserialize_with = "Option::deserialize")]
    pub sleep_after: Option<f64>,
}

/// Body of `POST /apps/{app}/actions/sleep`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FallAsleep {
    /// Stop the dynos instead of freezing them.
    pub stop: bool,
}
