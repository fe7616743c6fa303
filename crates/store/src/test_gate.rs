//! How pipelines test.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::PipelineId;
use model::test_run::TestGate;
use sqlx::SqliteExecutor;

const FIND: &str = "SELECT enabled, time_limit_s FROM test_gate WHERE pipeline_id = $1";
const SET: &str = "INSERT INTO test_gate (pipeline_id, enabled, time_limit_s) VALUES ($1, $2, $3) \
     ON CONFLICT (pipeline_id) DO UPDATE SET enabled = $2, time_limit_s = $3";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[FIND, SET];

/// How a pipeline tests; the default when nobody said.
///
/// # Errors
/// When the database fails.
pub async fn find<'e>(db: impl SqliteExecutor<'e>, pipeline: PipelineId) -> Result<TestGate, StoreError> {
    let Some(row) = sqlx::query(FIND).bind(pipeline.to_string()).fetch_optional(db).await? else {
        return Ok(TestGate::default());
    };
    let cells = Cells { table: "test_gate", row: &row };
    Ok(TestGate { enabled: cells.flag("enabled")?, time_limit_s: cells.unsigned("time_limit_s")? })
}

/// Stores how it tests from now on.
///
/// # Errors
/// When the pipeline is gone or the database fails.
pub async fn set(tx: &mut Tx, pipeline: PipelineId, gate: TestGate) -> Result<(), StoreError> {
    // Two hours are the most: far from where a number of 64 bits changes its sign.
    let time_limit_s = i64::try_from(gate.time_limit_s).unwrap_or(i64::MAX);
    let query = sqlx::query(SET).bind(pipeline.to_string()).bind(gate.enabled).bind(time_limit_s);
    query.execute(tx.db()).await?;
    Ok(())
}
