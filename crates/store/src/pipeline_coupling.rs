//! The places of apps in pipelines.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::{AppId, PipelineCouplingId, PipelineId};
use model::pipeline_coupling::PipelineCoupling;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, pipeline_id, app_id, stage, created_at, updated_at FROM pipeline_coupling ", $rest)
    };
}

const INSERT: &str = "INSERT INTO pipeline_coupling (id, pipeline_id, app_id, stage, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6)";
const UPDATE: &str = "UPDATE pipeline_coupling SET stage = $2, updated_at = $3 WHERE id = $1";
const DELETE: &str = "DELETE FROM pipeline_coupling WHERE id = $1";
const BY_ID: &str = select!("WHERE id = $1");
const OF_APP: &str = select!("WHERE app_id = $1");
const OF_PIPELINE: &str = select!("WHERE pipeline_id = $1 ORDER BY created_at, id");

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, UPDATE, DELETE, BY_ID, OF_APP, OF_PIPELINE];

/// Adds a coupling.
///
/// # Errors
/// [`StoreError::is_duplicate`] when the app has one already, [`StoreError::is_in_use`] when app or pipeline are gone.
pub async fn insert(tx: &mut Tx, coupling: &PipelineCoupling) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(coupling.id.to_string()).bind(coupling.pipeline.to_string());
    let query = query.bind(coupling.app.to_string()).bind(coupling.stage.word());
    query.bind(coupling.created_at.0).bind(coupling.updated_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Stores its stage. `false`: it is gone.
///
/// # Errors
/// When the database fails.
pub async fn update(tx: &mut Tx, coupling: &PipelineCoupling) -> Result<bool, StoreError> {
    let query = sqlx::query(UPDATE).bind(coupling.id.to_string()).bind(coupling.stage.word());
    Ok(query.bind(coupling.updated_at.0).execute(tx.db()).await?.rows_affected() == 1)
}

/// Removes it. `false`: gone already.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: PipelineCouplingId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// The coupling with this id.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(
    db: impl SqliteExecutor<'e>,
    id: PipelineCouplingId,
) -> Result<Option<PipelineCoupling>, StoreError> {
    sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The one of an app (PIPE-5).
///
/// # Errors
/// When the database fails.
pub async fn of_app<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Option<PipelineCoupling>, StoreError> {
    sqlx::query(OF_APP).bind(app.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// Those of a pipeline, the oldest first.
///
/// # Errors
/// When the database fails.
pub async fn of_pipeline<'e>(
    db: impl SqliteExecutor<'e>,
    pipeline: PipelineId,
) -> Result<Vec<PipelineCoupling>, StoreError> {
    sqlx::query(OF_PIPELINE).bind(pipeline.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<PipelineCoupling, StoreError> {
    let cells = Cells { table: "pipeline_coupling", row };
    Ok(PipelineCoupling {
        id: cells.parsed("id")?,
        pipeline: cells.parsed("pipeline_id")?,
        app: cells.parsed("app_id")?,
        stage: cells.parsed("stage")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
