//! Upload slots.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::SourceId;
use model::source::Source;
use model::time::Timestamp;
use sqlx::SqliteExecutor;

const INSERT: &str = "INSERT INTO source (id, secret, created_at) VALUES ($1, $2, $3)";
const BY_ID: &str = "SELECT id, secret, created_at FROM source WHERE id = $1";
const OLDER: &str = "SELECT id, secret, created_at FROM source WHERE created_at < $1 LIMIT 100";
const DELETE: &str = "DELETE FROM source WHERE id = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, BY_ID, OLDER, DELETE];

/// Adds a slot.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, source: &Source) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(source.id.to_string()).bind(&source.secret).bind(source.created_at.0);
    query.execute(tx.db()).await?;
    Ok(())
}

/// The slot with this id.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, id: SourceId) -> Result<Option<Source>, StoreError> {
    let row = sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(db).await?;
    row.map(|row| read(&Cells { table: "source", row: &row })).transpose()
}

/// Up to 100 slots made before `moment`.
///
/// # Errors
/// When the database fails.
pub async fn older<'e>(db: impl SqliteExecutor<'e>, moment: Timestamp) -> Result<Vec<Source>, StoreError> {
    let rows = sqlx::query(OLDER).bind(moment.0).fetch_all(db).await?;
    rows.iter().map(|row| read(&Cells { table: "source", row })).collect()
}

/// Removes a slot.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: SourceId) -> Result<(), StoreError> {
    sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?;
    Ok(())
}

fn read(cells: &Cells<'_>) -> Result<Source, StoreError> {
    Ok(Source { id: cells.parsed("id")?, secret: cells.text("secret")?, created_at: cells.time("created_at")? })
}
