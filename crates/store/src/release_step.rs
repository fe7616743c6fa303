//! When each step of a release was done; its row holds them beside the release itself.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::ReleaseId;
use model::time::Timestamp;
use sqlx::SqliteExecutor;

// Without a command it was decided as it was made.
const MADE: &str = "UPDATE release SET cause = $2, decided_at = CASE status WHEN 'pending' THEN NULL ELSE created_at END \
     WHERE id = $1";
const BEGUN: &str = "UPDATE release SET begun_at = $2 WHERE id = $1 AND begun_at IS NULL";
const LIVE: &str = "UPDATE release SET live_at = $2 WHERE id = $1 AND live_at IS NULL";
const LIVE_AT: &str = "SELECT live_at FROM release WHERE id = $1";
const IS_LIVE: &str = "SELECT live_at IS NOT NULL FROM release WHERE id = $1";
const HAS_BEGUN: &str = "SELECT begun_at IS NOT NULL FROM release WHERE id = $1";
const CAUSE: &str = "SELECT cause FROM release WHERE id = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[MADE, BEGUN, LIVE, LIVE_AT, IS_LIVE, HAS_BEGUN, CAUSE];

/// It is in the ledger, for this reason ([`model::release::ReleaseCause::word`]).
///
/// # Errors
/// When the database fails.
pub async fn made(tx: &mut Tx, id: ReleaseId, cause: &str) -> Result<(), StoreError> {
    sqlx::query(MADE).bind(id.to_string()).bind(cause).execute(tx.db()).await?;
    Ok(())
}

/// Its command runs from now on.
///
/// # Errors
/// When the database fails.
pub async fn begun(tx: &mut Tx, id: ReleaseId, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query(BEGUN).bind(id.to_string()).bind(at.0).execute(tx.db()).await?;
    Ok(())
}

/// It runs, and requests reach it where it has a web process. Only the first time counts.
///
/// # Errors
/// When the database fails.
pub async fn live(tx: &mut Tx, id: ReleaseId, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query(LIVE).bind(id.to_string()).bind(at.0).execute(tx.db()).await?;
    Ok(())
}

/// Is it noted as live already?
///
/// # Errors
/// When the database fails.
pub async fn is_live<'e>(db: impl SqliteExecutor<'e>, id: ReleaseId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(IS_LIVE).bind(id.to_string()).fetch_optional(db).await?.unwrap_or(false))
}

/// Did its command run?
///
/// # Errors
/// When the database fails.
pub async fn has_begun<'e>(db: impl SqliteExecutor<'e>, id: ReleaseId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(HAS_BEGUN).bind(id.to_string()).fetch_optional(db).await?.unwrap_or(false))
}

/// Why it was made, as [`made`] was told.
///
/// # Errors
/// When the database fails.
pub async fn cause<'e>(db: impl SqliteExecutor<'e>, id: ReleaseId) -> Result<Option<String>, StoreError> {
    let cause: Option<Option<String>> = sqlx::query_scalar(CAUSE).bind(id.to_string()).fetch_optional(db).await?;
    Ok(cause.flatten())
}

/// When requests first reached a release; `None`: they never did.
///
/// # Errors
/// When the database fails.
pub async fn live_at<'e>(db: impl SqliteExecutor<'e>, id: ReleaseId) -> Result<Option<Timestamp>, StoreError> {
    let row = sqlx::query(LIVE_AT).bind(id.to_string()).fetch_optional(db).await?;
    row.as_ref().map_or(Ok(None), |row| Cells { table: "release", row }.maybe_time("live_at"))
}
