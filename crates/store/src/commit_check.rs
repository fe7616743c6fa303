//! What checks said last of commits.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::commit_check::{CheckState, CommitCheck};
use model::id::PipelineId;
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

const SET: &str = "INSERT INTO commit_check \
     (pipeline_id, commit_sha, name, state, description, url, email, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) \
     ON CONFLICT (pipeline_id, commit_sha, name) DO UPDATE SET state = $4, description = $5, url = $6, email = $7, \
     updated_at = $8";
const OF_COMMIT: &str = "SELECT name, state, description, url, email, created_at, updated_at FROM commit_check \
     WHERE pipeline_id = $1 AND commit_sha = $2 ORDER BY name";
const NAMES: &str = "SELECT DISTINCT name FROM commit_check WHERE pipeline_id = $1 ORDER BY name LIMIT $2";
const FORGET: &str = "DELETE FROM commit_check WHERE updated_at < $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[SET, OF_COMMIT, NAMES, FORGET];

/// Notes what a check says now.
///
/// # Errors
/// When the pipeline is gone or the database fails.
pub async fn set(tx: &mut Tx, pipeline: PipelineId, check: &CommitCheck) -> Result<(), StoreError> {
    let query = sqlx::query(SET).bind(pipeline.to_string()).bind(&check.commit).bind(&check.name);
    let query = query.bind(check.state.word()).bind(&check.description).bind(&check.url).bind(&check.by);
    query.bind(check.updated_at.0).execute(tx.db()).await?;
    Ok(())
}

/// What all checks said of a commit.
///
/// # Errors
/// When the database fails.
pub async fn of_commit<'e>(
    db: impl SqliteExecutor<'e>,
    pipeline: PipelineId,
    commit: &str,
) -> Result<Vec<CommitCheck>, StoreError> {
    let rows = sqlx::query(OF_COMMIT).bind(pipeline.to_string()).bind(commit).fetch_all(db).await?;
    rows.iter().map(|row| read(row, commit)).collect()
}

/// Names of checks that reported to a pipeline, at most so many.
///
/// # Errors
/// When the database fails.
pub async fn names<'e>(
    db: impl SqliteExecutor<'e>,
    pipeline: PipelineId,
    limit: u32,
) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(NAMES).bind(pipeline.to_string()).bind(limit).fetch_all(db).await?;
    rows.iter().map(|row| Cells { table: "commit_check", row }.text("name")).collect()
}

/// Removes what was said before a moment; how many.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    Ok(sqlx::query(FORGET).bind(before.0).execute(tx.db()).await?.rows_affected())
}

fn read(row: &SqliteRow, commit: &str) -> Result<CommitCheck, StoreError> {
    let cells = Cells { table: "commit_check", row };
    let state = cells.text("state")?;
    Ok(CommitCheck {
        commit: commit.to_owned(),
        name: cells.text("name")?,
        state: CheckState::from_word(&state).ok_or_else(|| cells.bad(format!("state is {state}")))?,
        description: cells.maybe_text("description")?,
        url: cells.maybe_text("url")?,
        by: cells.text("email")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
