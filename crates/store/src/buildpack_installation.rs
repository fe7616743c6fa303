//! The packs that people gave their apps.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::buildpack::Buildpack;
use model::id::AppId;
use sqlx::SqliteExecutor;

const CLEAR: &str = "DELETE FROM buildpack_installation WHERE app_id = $1";
const INSERT: &str = "INSERT INTO buildpack_installation (app_id, ordinal, buildpack) VALUES ($1, $2, $3)";
const LIST: &str = "SELECT buildpack FROM buildpack_installation WHERE app_id = $1 ORDER BY ordinal";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[CLEAR, INSERT, LIST];

/// Replaces all of them.
///
/// # Errors
/// When the app is gone or the database fails.
pub async fn replace(tx: &mut Tx, app: AppId, packs: &[Buildpack]) -> Result<(), StoreError> {
    sqlx::query(CLEAR).bind(app.to_string()).execute(tx.db()).await?;
    for (ordinal, pack) in (0_i64..).zip(packs) {
        sqlx::query(INSERT).bind(app.to_string()).bind(ordinal).bind(pack.as_str()).execute(tx.db()).await?;
    }
    Ok(())
}

/// In the order in which they run; none: they are found out.
///
/// # Errors
/// When the database fails.
pub async fn list<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Vec<Buildpack>, StoreError> {
    let rows = sqlx::query(LIST).bind(app.to_string()).fetch_all(db).await?;
    rows.iter().map(|row| Cells { table: "buildpack_installation", row }.parsed("buildpack")).collect()
}
