//! Locks on stages.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::{AccountId, PipelineId};
use model::pipeline::Stage;
use model::stage_gate::Lock;
use sqlx::SqliteExecutor;

const INSERT: &str = "INSERT INTO stage_lock (pipeline_id, stage, account_id, email, reason, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6)";
const DELETE: &str = "DELETE FROM stage_lock WHERE pipeline_id = $1 AND stage = $2";
const OF_PIPELINE: &str = "SELECT stage, email, reason, created_at FROM stage_lock WHERE pipeline_id = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, DELETE, OF_PIPELINE];

/// Locks a stage.
///
/// # Errors
/// [`StoreError::is_duplicate`] when it is locked already.
pub async fn insert(
    tx: &mut Tx,
    pipeline: PipelineId,
    stage: Stage,
    by: AccountId,
    lock: &Lock,
) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(pipeline.to_string()).bind(stage.word()).bind(by.to_string());
    query.bind(&lock.by).bind(&lock.reason).bind(lock.at.0).execute(tx.db()).await?;
    Ok(())
}

/// Lifts a lock. `false`: there is none.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, pipeline: PipelineId, stage: Stage) -> Result<bool, StoreError> {
    let query = sqlx::query(DELETE).bind(pipeline.to_string()).bind(stage.word());
    Ok(query.execute(tx.db()).await?.rows_affected() == 1)
}

/// The locks of a pipeline.
///
/// # Errors
/// When the database fails.
pub async fn of_pipeline<'e>(
    db: impl SqliteExecutor<'e>,
    pipeline: PipelineId,
) -> Result<Vec<(Stage, Lock)>, StoreError> {
    let rows = sqlx::query(OF_PIPELINE).bind(pipeline.to_string()).fetch_all(db).await?;
    let read = |row| {
        let cells = Cells { table: "stage_lock", row };
        let (by, reason, at) = (cells.text("email")?, cells.text("reason")?, cells.time("created_at")?);
        Ok((cells.parsed("stage")?, Lock { by, reason, at }))
    };
    rows.iter().map(read).collect()
}
