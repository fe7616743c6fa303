//! The audit log as clients see it.

use control::audit::Chain;
use model::audit::AuditRecord;
use serde::Serialize;
use serde_json::Value;

/// One record.
#[derive(Debug, Clone, Serialize)]
pub struct AuditView {
    number: i64,
    at: String,
    actor: Actor,
    address: String,
    request_id: String,
    action: String,
    path: String,
    app: Option<AppId>,
    stage: &'static str,
    status: Option<i64>,
    /// `{sent}`, or `{before, after}`.
    content: Value,
    hash: String,
}

#[derive(Debug, Clone, Serialize)]
struct Actor {
    id: String,
    email: String,
}

#[derive(Debug, Clone, Serialize)]
struct AppId {
    id: model::id::AppId,
}

impl From<&AuditRecord> for AuditView {
    fn from(record: &AuditRecord) -> Self {
        Self {
            number: record.number,
            // To the microsecond: many things happen in a second.
            at: record.at.rfc3339_us(),
            actor: Actor { id: record.change.actor_id.clone(), email: record.change.actor.clone() },
            address: record.change.address.clone(),
            request_id: record.change.request_id.clone(),
            action: record.change.action.clone(),
            path: record.change.path.clone(),
            app: record.change.app.map(|id| AppId { id }),
            stage: record.stage.word(),
            status: record.status,
            content: serde_json::from_str(&record.content).unwrap_or_default(),
            hash: record.hash.clone(),
        }
    }
}

/// Is the log as it was written?
#[derive(Debug, Clone, Serialize)]
pub struct ChainView {
    /// It is.
    ok: bool,
    /// Records that were checked.
    records: i64,
    /// The first that was changed, or whose neighbour is missing.
    broken_at: Option<i64>,
}

impl From<Chain> for ChainView {
    fn from(chain: Chain) -> Self {
        Self { ok: chain.broken_at.is_none(), records: chain.records, broken_at: chain.broken_at }
    }
}
