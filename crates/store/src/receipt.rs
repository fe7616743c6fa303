//! Deploy receipts.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::ReleaseId;
use model::receipt::DeployReceipt;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

const INSERT: &str = "INSERT INTO deploy_receipt (release_id, in_flight, requests, held, failed, cut_over_us, at) \
     SELECT $1, $2, $3, $4, $5, $6, $7 WHERE EXISTS (SELECT 1 FROM release WHERE id = $1) \
     ON CONFLICT (release_id) DO NOTHING";
const OF_RELEASE: &str =
    "SELECT release_id, in_flight, requests, held, failed, cut_over_us, at FROM deploy_receipt WHERE release_id = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, OF_RELEASE];

/// Keeps the receipt of a release; the first one counts. Nothing happens when its app was destroyed meanwhile.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, receipt: &DeployReceipt) -> Result<(), StoreError> {
    let mut query = sqlx::query(INSERT).bind(receipt.release.to_string());
    for count in [receipt.in_flight, receipt.requests, receipt.held, receipt.failed, receipt.cut_over_us] {
        query = query.bind(i64::try_from(count).unwrap_or(i64::MAX));
    }
    query.bind(receipt.at.0).execute(tx.db()).await?;
    Ok(())
}

/// The receipt of a release, when it took over while a server watched.
///
/// # Errors
/// When the database fails.
pub async fn of_release<'e>(db: impl SqliteExecutor<'e>, id: ReleaseId) -> Result<Option<DeployReceipt>, StoreError> {
    sqlx::query(OF_RELEASE).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

fn read(row: &SqliteRow) -> Result<DeployReceipt, StoreError> {
    let cells = Cells { table: "deploy_receipt", row };
    Ok(DeployReceipt {
        release: cells.parsed("release_id")?,
        in_flight: cells.unsigned("in_flight")?,
        requests: cells.unsigned("requests")?,
        held: cells.unsigned("held")?,
        failed: cells.unsigned("failed")?,
        cut_over_us: cells.unsigned("cut_over_us")?,
        at: cells.time("at")?,
    })
}
