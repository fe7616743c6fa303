//! The disk as clients see it.

use control::usage::Usage;
use serde::Serialize;
use std::collections::BTreeMap;

/// The server's disk. All sizes are bytes.
#[derive(Debug, Clone, Serialize)]
pub struct DiskView {
    total_bytes: u64,
    free_bytes: u64,
    /// Below this no push, build or upload is taken.
    floor_bytes: u64,
    /// Is less than that free?
    short: bool,
    kinds: Vec<KindView>,
    apps: Vec<AppUsageView>,
}

#[derive(Debug, Clone, Serialize)]
struct KindView {
    name: &'static str,
    bytes: u64,
    limit_bytes: Option<u64>,
    limit_per_app_bytes: Option<u64>,
}

#[derive(Debug, Clone, Serialize)]
struct AppUsageView {
    name: String,
    bytes: u64,
    kinds: BTreeMap<&'static str, u64>,
}

impl From<&Usage> for DiskView {
    fn from(usage: &Usage) -> Self {
        let kinds = usage.kinds.iter().map(|of| KindView {
            name: of.kind.word(),
            bytes: of.bytes,
            limit_bytes: of.limit_bytes,
            limit_per_app_bytes: of.app_limit_bytes,
        });
        let apps = usage.apps.iter().map(|app| AppUsageView {
            name: app.name.to_string(),
            bytes: app.bytes,
            kinds: app.kinds.iter().map(|(kind, bytes)| (kind.word(), *bytes)).collect(),
        });
        Self {
            total_bytes: usage.space.total_bytes,
            free_bytes: usage.space.free_bytes,
            floor_bytes: usage.space.floor_bytes(),
            short: usage.space.is_short(),
            kinds: kinds.collect(),
            apps: apps.collect(),
        }
    }
}
