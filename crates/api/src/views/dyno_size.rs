//! Dyno sizes as clients see them.

use crate::views::Named;
use model::size::DynoSize;
use serde::Serialize;

/// Bytes of the unit that memory is told in.
const GB: f64 = 1024.0 * 1024.0 * 1024.0;

/// A size, and what a dyno of it may use. It costs nothing here: the machine is one's own.
#[derive(Debug, Clone, Serialize)]
pub struct DynoSizeView {
    /// Id and name.
    #[serde(flatten)]
    pub named: Named,
    architecture: &'static str,
    compute: u32,
    memory: f64,
    dedicated: bool,
    can_autoscale: bool,
    cost: Option<()>,
    precise_dyno_units: u32,
    private_space_only: bool,
    generation: Named,
    infrastructure_tier: &'static str,
    product_dyno_tier: &'static str,
}

impl DynoSizeView {
    /// Those that have a name of their own, smallest first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        DynoSize::ALL.into_iter().map(Self::from).collect()
    }

    /// By name in any case (CLI-12), or by id.
    #[must_use]
    pub fn find(name_or_id: &str) -> Option<Self> {
        let by_name = name_or_id.parse::<DynoSize>().ok().map(Self::from);
        by_name.or_else(|| Self::all().into_iter().find(|one| one.named.is(name_or_id)))
    }
}

impl From<DynoSize> for DynoSizeView {
    fn from(size: DynoSize) -> Self {
        let limits = size.limits();
        // Exact: no size has so many bytes that a double could not count them.
        #[allow(clippy::cast_precision_loss, reason = "below 2^53")]
        let memory = limits.memory_bytes as f64 / GB;
        Self {
            named: Named::dyno_size(&size.to_string()),
            architecture: if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            compute: limits.cpu_quota_percent.map_or(1, |percent| percent / 100),
            memory,
            dedicated: false,
            can_autoscale: false,
            cost: None,
            precise_dyno_units: 0,
            private_space_only: false,
            generation: Named::cedar(),
            infrastructure_tier: "production",
            product_dyno_tier: tier(size),
        }
    }
}

/// The first word of its name: what clients group sizes by.
fn tier(size: DynoSize) -> &'static str {
    match size {
        DynoSize::Eco => "eco",
        DynoSize::Basic => "basic",
        DynoSize::Standard1X | DynoSize::Standard2X => "standard",
        DynoSize::PerformanceM
        | DynoSize::PerformanceL
        | DynoSize::PerformanceLRam
        | DynoSize::PerformanceXl
        | DynoSize::Performance2Xl => "performance",
        DynoSize::PrivateS | DynoSize::PrivateM | DynoSize::PrivateL => "private",
        DynoSize::Fir { .. } => "classic",
    }
}
