//! The gates of a pipeline's stages, as its settings have them and as code had them when it was built.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::{PipelineId, SlugId};
use model::pipeline::Stage;
use model::policy_file::{self, Policies};
use model::stage_policy::StagePolicy;
use model::time::Timestamp;
use sqlx::SqliteExecutor;

const SET: &str = "INSERT INTO stage_policy (pipeline_id, stage, gates, updated_at) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (pipeline_id, stage) DO UPDATE SET gates = $3, updated_at = $4";
const ALL_OF: &str = "SELECT stage, gates FROM stage_policy WHERE pipeline_id = $1";
const SET_FILE: &str = "INSERT INTO slug_policy (slug_id, file) VALUES ($1, $2)";
const FILE: &str = "SELECT file FROM slug_policy WHERE slug_id = $1";
const AUTOMATIC: &str = "SELECT id FROM pipeline WHERE id > $1 AND ( \
     EXISTS (SELECT 1 FROM stage_policy WHERE pipeline_id = pipeline.id AND gates LIKE '%\"promote\":\"auto\"%') \
     OR EXISTS (SELECT 1 FROM pipeline_coupling JOIN slug ON slug.app_id = pipeline_coupling.app_id \
         JOIN slug_policy ON slug_policy.slug_id = slug.id \
         WHERE pipeline_coupling.pipeline_id = pipeline.id AND slug_policy.file LIKE '%auto%')) \
     ORDER BY id LIMIT $2";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[SET, ALL_OF, SET_FILE, FILE, AUTOMATIC];

/// Stores the gates of a stage.
///
/// # Errors
/// When the pipeline is gone or the database fails.
pub async fn set(
    tx: &mut Tx,
    pipeline: PipelineId,
    stage: Stage,
    policy: &StagePolicy,
    now: Timestamp,
) -> Result<(), StoreError> {
    let query = sqlx::query(SET).bind(pipeline.to_string()).bind(stage.word());
    query.bind(policy_file::write_stage(policy).to_string()).bind(now.0).execute(tx.db()).await?;
    Ok(())
}

/// The gates of all stages of a pipeline that have any.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn of_pipeline<'e>(db: impl SqliteExecutor<'e>, pipeline: PipelineId) -> Result<Policies, StoreError> {
    let rows = sqlx::query(ALL_OF).bind(pipeline.to_string()).fetch_all(db).await?;
    let read = |row| {
        let cells = Cells { table: "stage_policy", row };
        let policy = policy_file::read_stage(&cells.text("gates")?).map_err(|error| cells.bad(error))?;
        Ok((cells.parsed("stage")?, policy))
    };
    rows.iter().map(read).collect()
}

/// Keeps the `flowline.yml` of a slug's source.
///
/// # Errors
/// When the database fails.
pub async fn set_file(tx: &mut Tx, slug: SlugId, file: &str) -> Result<(), StoreError> {
    sqlx::query(SET_FILE).bind(slug.to_string()).bind(file).execute(tx.db()).await?;
    Ok(())
}

/// What the `flowline.yml` of a slug's source says; nothing when there was none.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn of_slug<'e>(db: impl SqliteExecutor<'e>, slug: SlugId) -> Result<Policies, StoreError> {
    let row = sqlx::query(FILE).bind(slug.to_string()).fetch_optional(db).await?;
    let Some(row) = &row else { return Ok(Policies::new()) };
    let cells = Cells { table: "slug_policy", row };
    policy_file::read(&cells.text("file")?).map_err(|error| cells.bad(error))
}

/// Some pipelines after one that may promote by themselves, by their settings or by code that one of their apps has, in the order of
/// their ids.
///
/// # Errors
/// When the database fails.
pub async fn automatic_after<'e>(
    db: impl SqliteExecutor<'e>,
    after: Option<PipelineId>,
    limit: u32,
) -> Result<Vec<PipelineId>, StoreError> {
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let rows = sqlx::query(AUTOMATIC).bind(after).bind(limit).fetch_all(db).await?;
    rows.iter().map(|row| Cells { table: "pipeline", row }.parsed("id")).collect()
}
