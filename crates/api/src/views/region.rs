//! Regions, stacks and generations as clients see them.

use crate::views::Named;
use model::region::Region;
use model::stack::Stack;
use model::time::Timestamp;
use serde::Serialize;

/// They have always been there; clients want a date.
const SINCE: Timestamp = Timestamp(1_704_067_200_000_000);

/// A region.
#[derive(Debug, Clone, Serialize)]
pub struct RegionView {
    /// Id and name.
    #[serde(flatten)]
    pub named: Named,
    country: &'static str,
    description: &'static str,
    locale: &'static str,
    private_capable: bool,
    provider: Provider,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Clone, Serialize)]
struct Provider {
    name: &'static str,
    region: &'static str,
}

/// A stack.
#[derive(Debug, Clone, Serialize)]
pub struct StackView {
    /// Id and name.
    #[serde(flatten)]
    pub named: Named,
    default: bool,
    state: &'static str,
    created_at: String,
    updated_at: String,
}

impl RegionView {
    /// All of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        Region::ALL.iter().map(Self::from).collect()
    }
}

impl From<&Region> for RegionView {
    fn from(region: &Region) -> Self {
        Self {
            named: Named::region(region.name),
            country: region.description,
            description: region.description,
            locale: region.locale,
            private_capable: false,
            provider: Provider { name: "flowline", region: region.provider_region },
            created_at: SINCE.rfc3339(),
            updated_at: SINCE.rfc3339(),
        }
    }
}

impl StackView {
    /// All of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let (created_at, updated_at) = (SINCE.rfc3339(), SINCE.rfc3339());
        let view = |stack: Stack| Self {
            named: Named::stack(stack.as_str()),
            default: stack == Stack::default(),
            state: "public",
            created_at: created_at.clone(),
            updated_at: updated_at.clone(),
        };
        Stack::all().map(view).to_vec()
    }
}

/// A generation of the platform.
#[derive(Debug, Clone, Serialize)]
pub struct GenerationView {
    /// Id and name.
    #[serde(flatten)]
    pub named: Named,
    unsupported_features: [&'static str; 0],
    created_at: String,
    updated_at: String,
}

impl GenerationView {
    /// All of them: the one that every app here is of (CLI-11).
    #[must_use]
    pub fn all() -> Vec<Self> {
        let (created_at, updated_at) = (SINCE.rfc3339(), SINCE.rfc3339());
        vec![Self { named: Named::cedar(), unsupported_features: [], created_at, updated_at }]
    }
}
