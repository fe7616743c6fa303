//! Which config vars are write-only, as clients see it. The vars themselves are a plain map.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The names whose values are never shown.
#[derive(Debug, Clone, Serialize)]
pub struct WriteOnlyView {
    /// By name.
    pub names: BTreeSet<String>,
}

/// Body of `PATCH /apps/{app}/config-vars/write-only`.
#[derive(Debug, Deserialize)]
pub struct HideConfigVars {
    /// Which to hide, set or not.
    pub names: Vec<String>,
}
