//! Formations.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::formation::Formation;
use model::id::{AppId, FormationId};
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

const UPSERT: &str = "INSERT INTO formation (id, app_id, process_type, quantity, size, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) \
     ON CONFLICT (app_id, process_type) DO UPDATE SET quantity = $4, size = $5, updated_at = $7";
const DELETE: &str = "DELETE FROM formation WHERE id = $1";
const LIST: &str = "SELECT id, app_id, process_type, quantity, size, created_at, updated_at FROM formation \
     WHERE app_id = $1 ORDER BY process_type";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[UPSERT, DELETE, LIST];

/// Adds an entry, or changes quantity and size of the one that is there.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut Tx, entry: &Formation) -> Result<(), StoreError> {
    let query = sqlx::query(UPSERT).bind(entry.id.to_string()).bind(entry.app.to_string());
    let query = query.bind(entry.process_type.as_str()).bind(i64::from(entry.quantity)).bind(entry.size.to_string());
    query.bind(entry.created_at.0).bind(entry.updated_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Removes an entry.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: FormationId) -> Result<(), StoreError> {
    sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?;
    Ok(())
}

/// The entries of an app by process type.
///
/// # Errors
/// When the database fails.
pub async fn list<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Vec<Formation>, StoreError> {
    sqlx::query(LIST).bind(app.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<Formation, StoreError> {
    let cells = Cells { table: "formation", row };
    Ok(Formation {
        id: cells.parsed("id")?,
        app: cells.parsed("app_id")?,
        process_type: cells.parsed("process_type")?,
        quantity: cells.unsigned("quantity")?,
        size: cells.parsed("size")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
