//! Test runs, and how far they and their nodes are.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::{AppId, PipelineId, TestRunId};
use model::test_run::{Commit, TestRun, TestState, TestStep};
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, pipeline_id, number, app_id, by_id, commit_branch, commit_message, commit_sha, source_url, clear_cache, ",
            "state, why, during, exit_code, warning, author_email, created_at, begun_at, updated_at FROM test_run ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO test_run (id, pipeline_id, number, app_id, by_id, commit_branch, commit_message, commit_sha, \
     source_url, clear_cache, author_email, state, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'pending', $12, $12)";
const NEXT: &str = "SELECT COALESCE(MAX(number), 0) + 1 FROM test_run WHERE pipeline_id = $1";
const SET: &str = "UPDATE test_run SET state = $2, why = $3, during = $4, exit_code = $5, updated_at = $6, \
     begun_at = CASE WHEN begun_at IS NULL AND $2 <> 'pending' THEN $6 ELSE begun_at END WHERE id = $1";
const WARN: &str = "UPDATE test_run SET warning = $2 WHERE id = $1";
const BY_ID: &str = select!("WHERE id = $1");
const BY_NUMBER: &str = select!("WHERE pipeline_id = $1 AND number = $2");
const LIST: &str = select!("WHERE pipeline_id = $1 ORDER BY number");
const OPEN: &str = select!("WHERE state IN ('pending', 'creating', 'building', 'running')");

const BEFORE: &str = select!("WHERE app_id = $1 AND commit_sha = $2 AND number < $3 ORDER BY number DESC LIMIT 1");
const PASSED: &str = "SELECT COUNT(*) FROM test_run WHERE pipeline_id = $1 AND commit_sha = $2 AND state = 'succeeded'";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, NEXT, SET, WARN, BY_ID, BY_NUMBER, LIST, OPEN, BEFORE, PASSED];

/// Adds a run under the next number of its pipeline, which it returns; the one that `run` has does not count.
///
/// # Errors
/// [`StoreError::is_duplicate`] when a push to its app is being tested.
pub async fn insert(tx: &mut Tx, run: &TestRun) -> Result<i64, StoreError> {
    let number: i64 = sqlx::query_scalar(NEXT).bind(run.pipeline.to_string()).fetch_one(tx.db()).await?;
    let query = sqlx::query(INSERT).bind(run.id.to_string()).bind(run.pipeline.to_string()).bind(number);
    let query = query.bind(run.app.map(|app| app.to_string())).bind(run.by.to_string());
    let query = query.bind(&run.commit.branch).bind(&run.commit.message).bind(&run.commit.sha).bind(&run.source_url);
    query.bind(run.clear_cache).bind(&run.author_email).bind(run.created_at.0).execute(tx.db()).await?;
    Ok(number)
}

/// Stores what the nodes of a run come to.
///
/// # Errors
/// When the database fails.
pub async fn set(tx: &mut Tx, id: TestRunId, state: &TestState, at: Timestamp) -> Result<(), StoreError> {
    let query = sqlx::query(SET).bind(id.to_string()).bind(state.word()).bind(state.why());
    let query = query.bind(state.broke_during().map(TestStep::word)).bind(state.exit_code()).bind(at.0);
    query.execute(tx.db()).await?;
    Ok(())
}

/// Notes what the app asked for and did not get.
///
/// # Errors
/// When the database fails.
pub async fn warn(tx: &mut Tx, id: TestRunId, warning: &str) -> Result<(), StoreError> {
    sqlx::query(WARN).bind(id.to_string()).bind(warning).execute(tx.db()).await?;
    Ok(())
}

/// The run with this id.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, id: TestRunId) -> Result<Option<TestRun>, StoreError> {
    sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The run of a pipeline with this number.
///
/// # Errors
/// When the database fails.
pub async fn by_number<'e>(
    db: impl SqliteExecutor<'e>,
    pipeline: PipelineId,
    number: i64,
) -> Result<Option<TestRun>, StoreError> {
    let query = sqlx::query(BY_NUMBER).bind(pipeline.to_string()).bind(number);
    query.fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The runs of a pipeline, by number.
///
/// # Errors
/// When the database fails.
pub async fn list<'e>(db: impl SqliteExecutor<'e>, pipeline: PipelineId) -> Result<Vec<TestRun>, StoreError> {
    sqlx::query(LIST).bind(pipeline.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// All runs under way.
///
/// # Errors
/// When the database fails.
pub async fn open<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<TestRun>, StoreError> {
    sqlx::query(OPEN).fetch_all(db).await?.iter().map(read).collect()
}

/// The run of the same commit of the same app before this one.
///
/// # Errors
/// When the database fails.
pub async fn before<'e>(db: impl SqliteExecutor<'e>, run: &TestRun) -> Result<Option<TestRun>, StoreError> {
    let Some(app) = run.app else { return Ok(None) };
    let query = sqlx::query(BEFORE).bind(app.to_string()).bind(&run.commit.sha).bind(run.number);
    query.fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// Did a commit pass the tests of a pipeline?
///
/// # Errors
/// When the database fails.
pub async fn passed<'e>(db: impl SqliteExecutor<'e>, pipeline: PipelineId, commit: &str) -> Result<bool, StoreError> {
    let found: i64 = sqlx::query_scalar(PASSED).bind(pipeline.to_string()).bind(commit).fetch_one(db).await?;
    Ok(found > 0)
}

fn read(row: &SqliteRow) -> Result<TestRun, StoreError> {
    let cells = Cells { table: "test_run", row };
    Ok(TestRun {
        id: cells.parsed("id")?,
        pipeline: cells.parsed("pipeline_id")?,
        number: cells.number("number")?,
        app: cells.maybe_parsed::<AppId>("app_id")?,
        by: cells.parsed("by_id")?,
        commit: Commit {
            branch: cells.text("commit_branch")?,
            message: cells.text("commit_message")?,
            sha: cells.text("commit_sha")?,
        },
        source_url: cells.text("source_url")?,
        clear_cache: cells.flag("clear_cache")?,
        state: state(&cells)?,
        warning: cells.maybe_text("warning")?,
        author_email: cells.maybe_text("author_email")?,
        created_at: cells.time("created_at")?,
        begun_at: cells.maybe_time("begun_at")?,
        updated_at: cells.time("updated_at")?,
    })
}

/// The columns that a run and its nodes have alike.
pub(crate) fn state(cells: &Cells<'_>) -> Result<TestState, StoreError> {
    let (word, why, exit_code) = (cells.text("state")?, cells.maybe_text("why")?, cells.maybe_number("exit_code")?);
    let exit_code = exit_code.map(i32::try_from).transpose().map_err(|error| cells.bad(error))?;
    let during = cells.maybe_text("during")?;
    if let Some(step) = TestStep::of(&word) {
        return Ok(TestState::At(step));
    }
    match (word.as_str(), why, during.as_deref().and_then(TestStep::of), exit_code) {
        ("succeeded", None, None, Some(0)) => Ok(TestState::Succeeded),
        ("failed", None, None, Some(exit_code)) => Ok(TestState::Failed { exit_code }),
        ("errored", Some(why), Some(during), exit_code) => Ok(TestState::Errored { why, during, exit_code }),
        ("cancelled", Some(why), None, None) => Ok(TestState::Cancelled { why }),
        (word, why, during, exit_code) => {
            Err(cells.bad(format!("state {word} with reason {why:?}, step {during:?} and status {exit_code:?}")))
        }
    }
}
