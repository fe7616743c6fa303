//! Approvals: a yes of one person to one release for one stage.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::{AccountId, PipelineId, ReleaseId};
use model::pipeline::Stage;
use model::stage_gate::Approver;
use model::time::Timestamp;
use sqlx::SqliteExecutor;

const INSERT: &str = "INSERT INTO approval (pipeline_id, stage, release_id, account_id, email, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (pipeline_id, stage, release_id, account_id) DO NOTHING";
const DELETE: &str =
    "DELETE FROM approval WHERE pipeline_id = $1 AND stage = $2 AND release_id = $3 AND account_id = $4";
const OF_RELEASE: &str = "SELECT account_id, email, created_at FROM approval \
     WHERE pipeline_id = $1 AND stage = $2 AND release_id = $3 ORDER BY created_at, email";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, DELETE, OF_RELEASE];

/// To which release, for which stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct To {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// Where it may go.
    pub stage: Stage,
    /// The release on the stage before.
    pub release: ReleaseId,
}

/// Notes a yes; a second one of the same person changes nothing.
///
/// # Errors
/// When the release is gone or the database fails.
pub async fn insert(tx: &mut Tx, to: To, who: &Approver, now: Timestamp) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(to.pipeline.to_string()).bind(to.stage.word());
    let query = query.bind(to.release.to_string()).bind(who.account.to_string()).bind(&who.email);
    query.bind(now.0).execute(tx.db()).await?;
    Ok(())
}

/// Takes a yes back. `false`: there was none.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, to: To, who: AccountId) -> Result<bool, StoreError> {
    let query = sqlx::query(DELETE).bind(to.pipeline.to_string()).bind(to.stage.word());
    let query = query.bind(to.release.to_string()).bind(who.to_string());
    Ok(query.execute(tx.db()).await?.rows_affected() == 1)
}

/// Who said yes, the first one first.
///
/// # Errors
/// When the database fails.
pub async fn of_release<'e>(db: impl SqliteExecutor<'e>, to: To) -> Result<Vec<(Approver, Timestamp)>, StoreError> {
    let query = sqlx::query(OF_RELEASE).bind(to.pipeline.to_string()).bind(to.stage.word());
    let rows = query.bind(to.release.to_string()).fetch_all(db).await?;
    let read = |row| {
        let cells = Cells { table: "approval", row };
        let approver = Approver { account: cells.parsed("account_id")?, email: cells.text("email")? };
        Ok((approver, cells.time("created_at")?))
    };
    rows.iter().map(read).collect()
}
