//! Config vars of a pipeline's stages, each value sealed for its pipeline, stage and name (PIPE-12).

use crate::row::Cells;
use crate::{Store, StoreError, Tx, Vault};
use model::config_var::ConfigVars;
use model::id::PipelineId;
use model::pipeline::Stage;
use sqlx::sqlite::SqliteRow;

const LIST: &str = "SELECT name, value_sealed FROM pipeline_config_var WHERE pipeline_id = $1 AND stage = $2";
const CLEAR: &str = "DELETE FROM pipeline_config_var WHERE pipeline_id = $1 AND stage = $2";
const INSERT: &str = "INSERT INTO pipeline_config_var (pipeline_id, stage, name, value_sealed) VALUES ($1, $2, $3, $4)";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[LIST, CLEAR, INSERT];

/// What is set for a stage now.
///
/// # Errors
/// When a value does not open, or the database fails.
pub async fn all(store: &Store, pipeline: PipelineId, stage: Stage) -> Result<ConfigVars, StoreError> {
    let query = sqlx::query(LIST).bind(pipeline.to_string()).bind(stage.word());
    open(store.vault(), pipeline, stage, &query.fetch_all(store.db()).await?)
}

/// The same, as this change sees it.
///
/// # Errors
/// When a value does not open, or the database fails.
pub async fn all_in(tx: &mut Tx, pipeline: PipelineId, stage: Stage) -> Result<ConfigVars, StoreError> {
    let query = sqlx::query(LIST).bind(pipeline.to_string()).bind(stage.word());
    let rows = query.fetch_all(tx.db()).await?;
    open(&tx.vault, pipeline, stage, &rows)
}

/// Replaces all of them.
///
/// # Errors
/// When the pipeline is gone, or the database fails.
pub async fn replace(tx: &mut Tx, pipeline: PipelineId, stage: Stage, vars: &ConfigVars) -> Result<(), StoreError> {
    sqlx::query(CLEAR).bind(pipeline.to_string()).bind(stage.word()).execute(tx.db()).await?;
    for (name, value) in vars {
        let sealed = tx.vault.seal(&owner(pipeline, stage, name), value)?;
        let query = sqlx::query(INSERT).bind(pipeline.to_string()).bind(stage.word()).bind(name).bind(sealed);
        query.execute(tx.db()).await?;
    }
    Ok(())
}

fn open(vault: &Vault, pipeline: PipelineId, stage: Stage, rows: &[SqliteRow]) -> Result<ConfigVars, StoreError> {
    let read = |row: &SqliteRow| {
        let cells = Cells { table: "pipeline_config_var", row };
        let name = cells.text("name")?;
        let value = vault.open(&owner(pipeline, stage, &name), &cells.text("value_sealed")?)?;
        Ok((name, value))
    };
    rows.iter().map(read).collect()
}

fn owner(pipeline: PipelineId, stage: Stage, name: &str) -> String {
    format!("pipeline_config_var/{pipeline}/{stage}/{name}")
}
