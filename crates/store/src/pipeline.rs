//! Pipelines.

use crate::app::visible_apps;
use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::{AccountId, PipelineId};
use model::pipeline::{Pipeline, PipelineName, PipelineOwner};
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, name, owner_id, team_id, created_at, updated_at FROM pipeline ", $rest)
    };
}

const INSERT: &str = "INSERT INTO pipeline (id, name, owner_id, team_id, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6)";
const UPDATE: &str = "UPDATE pipeline SET name = $2, owner_id = $3, team_id = $4, updated_at = $5 WHERE id = $1";
const DELETE: &str = "DELETE FROM pipeline WHERE id = $1";
const BY_ID: &str = select!("WHERE id = $1");
const BY_NAME: &str = select!("WHERE name = $1 ORDER BY created_at, id");
const VISIBLE: &str = concat!(
    select!(
        "WHERE owner_id = $1 OR team_id IN (SELECT team_id FROM team_member WHERE account_id = $1) \
         OR id IN (SELECT pipeline_id FROM pipeline_coupling WHERE app_id IN "
    ),
    visible_apps!(),
    ") ORDER BY created_at, id"
);
const SHOWS: &str = concat!(
    "SELECT EXISTS (SELECT 1 FROM pipeline_coupling WHERE pipeline_id = $2 AND app_id IN ",
    visible_apps!(),
    ") AS shows"
);
const COUNT_OF_OWNER: &str = "SELECT COUNT(*) FROM pipeline WHERE owner_id = $1 OR team_id = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, UPDATE, DELETE, BY_ID, BY_NAME, VISIBLE, SHOWS, COUNT_OF_OWNER];

/// Adds a pipeline.
///
/// # Errors
/// When its owner is gone or the database fails.
pub async fn insert(tx: &mut Tx, pipeline: &Pipeline) -> Result<(), StoreError> {
    let (owner, team) = columns(pipeline.owner);
    let query = sqlx::query(INSERT).bind(pipeline.id.to_string()).bind(pipeline.name.as_str()).bind(owner).bind(team);
    query.bind(pipeline.created_at.0).bind(pipeline.updated_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Stores name and owner. `false`: it is gone.
///
/// # Errors
/// When the database fails.
pub async fn update(tx: &mut Tx, pipeline: &Pipeline) -> Result<bool, StoreError> {
    let (owner, team) = columns(pipeline.owner);
    let query = sqlx::query(UPDATE).bind(pipeline.id.to_string()).bind(pipeline.name.as_str()).bind(owner).bind(team);
    Ok(query.bind(pipeline.updated_at.0).execute(tx.db()).await?.rows_affected() == 1)
}

fn columns(owner: PipelineOwner) -> (Option<String>, Option<String>) {
    match owner {
        PipelineOwner::User(account) => (Some(account.to_string()), None),
        PipelineOwner::Team(team) => (None, Some(team.to_string())),
    }
}

/// Removes a pipeline with its couplings and config vars (PIPE-7). `false`: gone already.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: PipelineId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// The pipeline with this id.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, id: PipelineId) -> Result<Option<Pipeline>, StoreError> {
    sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// All with this name, the oldest first (PIPE-2).
///
/// # Errors
/// When the database fails.
pub async fn by_name<'e>(db: impl SqliteExecutor<'e>, name: &PipelineName) -> Result<Vec<Pipeline>, StoreError> {
    sqlx::query(BY_NAME).bind(name.as_str()).fetch_all(db).await?.iter().map(read).collect()
}

/// Those that an account may see: its own, its teams', and those of apps that it may see (PERM-21); the oldest first.
///
/// # Errors
/// When the database fails.
pub async fn visible<'e>(db: impl SqliteExecutor<'e>, account: AccountId) -> Result<Vec<Pipeline>, StoreError> {
    sqlx::query(VISIBLE).bind(account.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// Does the pipeline have an app that the account may see?
///
/// # Errors
/// When the database fails.
pub async fn shows<'e>(
    db: impl SqliteExecutor<'e>,
    pipeline: PipelineId,
    account: AccountId,
) -> Result<bool, StoreError> {
    let query = sqlx::query(SHOWS).bind(account.to_string()).bind(pipeline.to_string());
    Cells { table: "pipeline", row: &query.fetch_one(db).await? }.flag("shows")
}

/// How many an account or a team has.
///
/// # Errors
/// When the database fails.
pub async fn count_of_owner<'e>(db: impl SqliteExecutor<'e>, owner: PipelineOwner) -> Result<u64, StoreError> {
    let (account, team) = columns(owner);
    let count: i64 = sqlx::query_scalar(COUNT_OF_OWNER).bind(account.or(team)).fetch_one(db).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn read(row: &SqliteRow) -> Result<Pipeline, StoreError> {
    let cells = Cells { table: "pipeline", row };
    let owner = match (cells.maybe_parsed("owner_id")?, cells.maybe_parsed("team_id")?) {
        (Some(account), None) => PipelineOwner::User(account),
        (None, Some(team)) => PipelineOwner::Team(team),
        (None, None) => return Err(cells.bad("nobody owns it")),
        (Some(_), Some(_)) => return Err(cells.bad("an account and a team own it")),
    };
    Ok(Pipeline {
        id: cells.parsed("id")?,
        name: cells.parsed("name")?,
        owner,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
