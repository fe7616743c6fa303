//! A deploy's receipt as clients see it: an extension of the Platform API.

use control::release::ReleaseDetail;
use model::id::ReleaseId;
use model::receipt::DeployReceipt;
use serde::Serialize;

/// What requests met while a release took over.
#[derive(Debug, Clone, Serialize)]
pub struct ReceiptView {
    release: ReleaseRef,
    requests: u64,
    in_flight: u64,
    held: u64,
    failed: u64,
    cut_over_ms: f64,
    created_at: String,
}

#[derive(Debug, Clone, Serialize)]
struct ReleaseRef {
    id: ReleaseId,
    version: i64,
}

impl ReceiptView {
    /// The receipt of this release.
    #[must_use]
    pub fn new(detail: &ReleaseDetail, receipt: &DeployReceipt) -> Self {
        // A switch takes microseconds to seconds: far below where an f64 loses any.
        let cut_over_us = u32::try_from(receipt.cut_over_us).unwrap_or(u32::MAX);
        Self {
            release: ReleaseRef { id: detail.release.id, version: detail.release.version },
            requests: receipt.requests,
            in_flight: receipt.in_flight,
            held: receipt.held,
            failed: receipt.failed,
            cut_over_ms: f64::from(cut_over_us) / 1000.0,
            created_at: receipt.at.rfc3339(),
        }
    }
}
