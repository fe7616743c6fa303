//! How an app's release commands run, as clients see and set it: an extension of the Platform API.

use control::release_phase::PhaseChange;
use model::release::PhaseSetting;
use serde::{Deserialize, Serialize};

/// How an app's release commands run.
#[derive(Debug, Clone, Serialize)]
pub struct PhaseView {
    /// Seconds that one may run.
    timeout: u64,
    /// May two run at once?
    concurrent: bool,
}

impl From<PhaseSetting> for PhaseView {
    fn from(setting: PhaseSetting) -> Self {
        Self { timeout: setting.limit().as_secs(), concurrent: setting.at_once }
    }
}

/// Body of `PATCH /apps/{app}/release-phase`: what is missing stays.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UpdatePhase {
    /// Seconds; null for the usual limit.
    #[serde(deserialize_with = "crate::views::given")]
    pub timeout: Option<Option<u64>>,
    /// May two run at once?
    pub concurrent: Option<bool>,
}

impl From<UpdatePhase> for PhaseChange {
    fn from(update: UpdatePhase) -> Self {
        Self { limit_s: update.timeout, at_once: update.concurrent }
    }
}
